"""Which mesh data of surfaces lie on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bids_surface_sets import gifti, mesh

from pyhrf import ConfigError, InputError
from pyhrf.bids.meshes import by_hemisphere, find_meshes, shipped_mesh
from pyhrf.inputs.bids_names import BidsName, parse_name


def series(folder: Path, n_nodes: int, space: str = "fsnative", hemi: str = "L") -> BidsName:
    path = folder / f"sub-01_task-x_hemi-{hemi}_space-{space}_bold.func.gii"
    found = parse_name(gifti(path, [*np.zeros((3, n_nodes), np.float32)], ["time series"] * 3))
    assert found is not None
    return found


def named(*paths: Path) -> list[BidsName]:
    return [name for path in paths if (name := parse_name(path)) is not None]


@pytest.mark.parametrize(
    ("name", "structure", "expected"),
    [
        ("sub-01_hemi-L_pial.surf.gii", "", "L"),
        ("tpl-fsLR_den-32k_hemi-R_midthickness.surf.gii", "", "R"),
        ("lh.pial.surf.gii", "", "L"),
        ("sub-01.rh.pial.gii", "", "R"),
        ("fsaverage_rh.surf.gii", "", "R"),
        ("pial.surf.gii", "CortexLeft", "L"),
        ("Sulh.surf.gii", "CortexRight", "R"),
    ],
)
def test_by_hemisphere__is_told_by_the_name_or_the_file(
    tmp_path: Path, name: str, structure: str, expected: str
) -> None:
    path = mesh(tmp_path / name, structure)
    assert by_hemisphere([path], "-g") == {expected: path}


def test_by_hemisphere__names_the_option_and_what_helps(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"-g .*pial.surf.gii: its hemisphere is not known: .* hemi-L or"
    ):
        by_hemisphere([mesh(tmp_path / "pial.surf.gii")], "-g")
    both = [mesh(tmp_path / "lh.a.surf.gii"), mesh(tmp_path / "b.surf.gii", "CortexLeft")]
    with pytest.raises(ConfigError, match="a second file of the hemisphere L"):
        by_hemisphere(both, "-g")
    with pytest.raises(InputError, match="there is no such file"):
        by_hemisphere([tmp_path / "lh.none.gii"], "-g")


@pytest.mark.parametrize(("name", "structure"), [("lh", "CortexRight"), ("hemi-R", "CortexLeft")])
def test_by_hemisphere__refuses_a_file_that_contradicts_its_name(
    tmp_path: Path, name: str, structure: str
) -> None:
    path = mesh(tmp_path / f"{name}.surf.gii", structure)
    with pytest.raises(ConfigError, match=f"-g .*{name}.surf.gii: its name says .*{structure}"):
        by_hemisphere([path], "-g")


def test_find_meshes__refuses_one_of_the_other_hemisphere(tmp_path: Path) -> None:
    theirs = mesh(tmp_path / "sub-01_hemi-L_pial.surf.gii", "CortexRight")
    with pytest.raises(InputError, match=r"pial.surf.gii: its name says .* L, .* CortexRight"):
        find_meshes(series(tmp_path, 16), named(theirs), {})


def test_find_meshes__the_first_with_as_many_nodes(tmp_path: Path) -> None:
    other = mesh(tmp_path / "sub-01_hemi-L_midthickness.surf.gii", shape=(3, 3))
    right = mesh(tmp_path / "sub-01_hemi-R_pial.surf.gii")
    left = mesh(tmp_path / "sub-01_hemi-L_pial.surf.gii")
    bold = series(tmp_path, 16)
    assert find_meshes(bold, named(other, right, left), {}) == (left,)
    with pytest.raises(InputError, match=r"midthickness.surf.gii has 9 nodes, the data have 16"):
        find_meshes(bold, named(other), {})
    with pytest.raises(InputError, match=r"hemisphere L in the space fsnative .*: give it \(mesh"):
        find_meshes(bold, named(right), {})


def test_find_meshes__the_one_that_is_given_goes_first(tmp_path: Path) -> None:
    theirs = mesh(tmp_path / "sub-01_hemi-L_pial.surf.gii")
    mine = mesh(tmp_path / "lh.surf.gii")
    bold = series(tmp_path, 16)
    assert find_meshes(bold, named(theirs), {"L": mine}) == (mine,)
    assert find_meshes(bold, named(theirs), {"R": mine}) == (theirs,)


@pytest.mark.parametrize("hemi", ["L", "R"])
def test_find_meshes__fsaverage5_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hemi: str
) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("nothing is to be downloaded")

    monkeypatch.setattr("socket.socket.connect", no_network)
    monkeypatch.setattr("socket.getaddrinfo", no_network)
    (found,) = find_meshes(series(tmp_path, 10242, "fsaverage5", hemi), [], {})
    assert by_hemisphere([found], "-g") == {hemi: found}
    # As fMRIPrep's fsaverage:den-10k; but never of a brain that happens to have as many nodes.
    assert find_meshes(series(tmp_path, 10242, "fsaverage", hemi), [], {}) == (found,)
    with pytest.raises(InputError, match="in the space fsnative"):
        find_meshes(series(tmp_path, 10242, "fsnative", hemi), [], {})
    with pytest.raises(InputError, match="in the space fsaverage5"):
        find_meshes(series(tmp_path, 16, "fsaverage5", hemi), [], {})


def test_shipped_mesh__others_only_where_nilearn_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NILEARN_DATA", str(tmp_path))
    assert shipped_mesh(40962, "L") is None
    fetched = tmp_path / "fsaverage6" / "pial_left.gii.gz"
    fetched.parent.mkdir()
    fetched.touch()
    assert shipped_mesh(40962, "L") == fetched
    assert shipped_mesh(40962, "R") is None
    assert shipped_mesh(2562, "L") is None
