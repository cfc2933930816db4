"""The simulator's data sets on small meshes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pyhrf import InputError
from pyhrf.commands.simulate import simulate as command
from pyhrf.simulation.bids import write_bids
from pyhrf.simulation.spec import SimulationSpec
from pyhrf.spaces.surfaces import open_mesh, open_nodes, read_node_map

SPEC = SimulationSpec(
    region="ellipsoid", shape=(5, 4, 3), n_parcels=2, n_runs=2, n_scans=50, n_conditions=2, seed=3
)
MNI = "space-MNI152NLin2009cAsym"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surfaces") / "ds"
    write_bids(SPEC, 1, folder, surfaces=True)
    return folder


def prep(root: Path) -> Path:
    return root / "derivatives" / "fmriprep" / "sub-01"


@pytest.mark.parametrize(("hemi", "structure"), [("L", "CortexLeft"), ("R", "CortexRight")])
def test_write_bids__nodes_have_the_series_of_their_voxels(
    root: Path, hemi: str, structure: str
) -> None:
    mesh = open_mesh(prep(root) / "anat" / f"sub-01_hemi-{hemi}_midthickness.surf.gii")
    assert mesh.structure == structure
    # A disc: nodes - edges + triangles is 1.
    assert mesh.n_nodes - len(mesh.edges) + len(mesh.triangles) == 1
    truth = root / "derivatives" / "truth" / "sub-01" / "func"
    atlas = nib.load(truth / f"sub-01_task-sim_{MNI}_desc-parcels_dseg.nii.gz")
    voxels = np.rint(nib.affines.apply_affine(np.linalg.inv(atlas.affine), mesh.coordinates))
    place = tuple(voxels.astype(int).T)
    assert len(np.unique(place[2])) == 1
    expected = np.asarray(atlas.dataobj)[place]
    name = f"sub-01_task-sim_hemi-{hemi}_space-fsnative_desc-parcels_dseg.label.gii"
    np.testing.assert_array_equal(read_node_map(truth / name, mesh), expected)
    assert 0 < np.count_nonzero(expected) < mesh.n_nodes
    for run in (1, 2):
        stem = prep(root) / "func" / f"sub-01_task-sim_run-{run}"
        series = open_nodes(f"{stem}_hemi-{hemi}_space-fsnative_bold.func.gii", mesh)
        volume = np.asarray(nib.load(f"{stem}_{MNI}_desc-preproc_bold.nii.gz").dataobj)
        np.testing.assert_array_equal(series.values.T[expected > 0], volume[place][expected > 0])
        assert np.isnan(series.values.T[expected == 0]).all()
        about = json.loads(Path(f"{stem}_hemi-{hemi}_space-fsnative_bold.json").read_text())
        assert (about["RepetitionTime"], about["StartTime"]) == (SPEC.tr, 0)


def test_write_bids__surfaces_change_nothing_else(root: Path, tmp_path: Path) -> None:
    write_bids(SPEC, 1, tmp_path / "again", surfaces=True)
    write_bids(SPEC, 1, tmp_path / "volumes")
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    for path in files:
        assert (root / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path
        if "hemi-" not in path.name:
            assert (root / path).read_bytes() == (tmp_path / "volumes" / path).read_bytes(), path
    assert not list((tmp_path / "volumes").rglob("*.gii"))


def test_write_bids__needs_two_slices(tmp_path: Path) -> None:
    flat = replace(SPEC, region="box", shape=(5, 4, 1))
    with pytest.raises(InputError, match="5 x 4 x 1 voxels gives no two flat surfaces"):
        write_bids(flat, 1, tmp_path / "ds", surfaces=True)
    assert not (tmp_path / "ds").exists()


def test_simulate__surfaces_are_of_bids(tmp_path: Path) -> None:
    done = CliRunner().invoke(command, [str(tmp_path / "ds"), "--surfaces"])
    assert done.exit_code == 2
    assert "--surfaces is for data sets of --bids" in done.output
    words = ["--bids", "1", "--surfaces", "--shape", "4", "4", "2", "--parcels", "1"]
    done = CliRunner().invoke(command, [str(tmp_path / "ds"), *words, "--region", "box"])
    assert done.exit_code == 0, done.output
    assert "participant --space fsnative" in done.output
    assert len(list((tmp_path / "ds").rglob("*.surf.gii"))) == 2
