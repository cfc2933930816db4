"""Dense CIFTI files, written with nibabel."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from input_files import Files
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis, ScalarAxis, SeriesAxis

from pyhrf.errors import InputError
from pyhrf.inputs.dataset import open_dataset

TRIANGLES = np.array([[0, 1, 2], [1, 2, 3], [2, 3, 4]], np.int32)
# The left hemisphere without its node 2, the right one whole, and three voxels, two side by side.
LEFT, RIGHT = [0, 1, 3, 4], [0, 1, 2, 3, 4]
VOXELS = np.array([[1, 1, 1], [1, 1, 2], [3, 0, 0]])
# By hand: left places 0 1 2 3 are nodes 0 1 3 4; right begins at 4; voxels at 9.
EDGES = {(0, 1), (1, 2), (2, 3)} | {(9, 10)}
EDGES |= {(4 + a, 4 + b) for a, b in [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 4), (3, 4)]}


def brain() -> Any:
    left = BrainModelAxis.from_surface(LEFT, 5, name="CortexLeft")
    right = BrainModelAxis.from_surface(RIGHT, 5, name="CortexRight")
    voxels = BrainModelAxis(
        "ThalamusLeft", voxel=VOXELS, affine=np.diag([2.0, 2, 2, 1]), volume_shape=(4, 4, 4)
    )
    return left + right + voxels


def mesh(folder: Path, structure: str, n_nodes: int = 5) -> Path:
    points = np.random.default_rng(1).normal(size=(n_nodes, 3)).astype(np.float32)
    image = nib.GiftiImage()
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure} if structure else {})
    image.add_gifti_data_array(nib.gifti.GiftiDataArray(points, intent="pointset", meta=meta))
    image.add_gifti_data_array(nib.gifti.GiftiDataArray(TRIANGLES, intent="triangle"))
    path = folder / f"{structure or 'unnamed'}.surf.gii"
    image.to_filename(path)
    return path


@pytest.fixture
def signal(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(100, 5, (20, 12)).astype(np.float32)


@pytest.fixture
def cifti(tmp_path: Path, signal: np.ndarray) -> dict[str, Any]:
    """Arguments of `open_dataset` for one run."""
    bold, labels = tmp_path / "bold.dtseries.nii", tmp_path / "parcels.dlabel.nii"
    Cifti2Image(signal, (SeriesAxis(0, 2.4, 20), brain())).to_filename(bold)
    table = {0: ("???", (0, 0, 0, 0)), 1: ("a", (1, 0, 0, 1)), 2: ("b", (0, 1, 0, 1))}
    numbers = np.float32([[1] * 9 + [2] * 3])
    Cifti2Image(numbers, (LabelAxis(["parcels"], [table]), brain())).to_filename(labels)
    paradigm = tmp_path / "paradigm.csv"
    paradigm.write_text('0 "a" 2 0 1\n0 "a" 15 0 1\n')
    return {
        "runs": [Files(bold, paradigm)],
        "parcellation": labels,
        "meshes": [mesh(tmp_path, "CortexRight"), mesh(tmp_path, "CortexLeft")],
    }


def test_open_dataset__joins_structures_and_their_neighbours(cifti: dict, signal) -> None:
    data = open_dataset(**cifti)
    assert (data.shape, data.tr, data.parcels) == ((12,), 2.4, {1: 9, 2: 3})
    cortex, thalamus = data.load([1, 2])
    np.testing.assert_array_equal(np.hstack([cortex.bold, thalamus.bold]), signal)
    found = {tuple(cortex.positions[edge].tolist()) for edge in cortex.edges}
    found |= {tuple(thalamus.positions[edge].tolist()) for edge in thalamus.edges}
    assert found == EDGES


def test_open_dataset__names_a_missing_or_wrong_mesh(cifti: dict, tmp_path: Path) -> None:
    right, left = cifti["meshes"]
    for meshes, message in [
        ([right], r"the mesh of CIFTI_STRUCTURE_CORTEX_LEFT is missing"),
        ([right, right], "is a second mesh of CortexRight"),
        ([right, mesh(tmp_path, "")], "does not name its structure"),
        ([right, left, mesh(tmp_path, "Cerebellum")], "holds no structure of this mesh"),
        ([], r"bold.dtseries.nii: surface data need their mesh"),
    ]:
        with pytest.raises(InputError, match=message):
            open_dataset(**{**cifti, "meshes": meshes})


def test_open_dataset__refuses_the_mesh_of_other_data(cifti: dict, tmp_path: Path) -> None:
    mesh(tmp_path, "CortexLeft", 6)
    with pytest.raises(InputError, match="has 6 nodes, and CIFTI_STRUCTURE_CORTEX_LEFT"):
        open_dataset(**cifti)


def test_open_dataset__refuses_labels_of_other_positions(cifti: dict, tmp_path: Path) -> None:
    path = tmp_path / "other.dscalar.nii"
    Cifti2Image(np.ones((1, 11), np.float32), (ScalarAxis(["x"]), brain()[:11])).to_filename(path)
    with pytest.raises(InputError, match=r"holds other grayordinates \(11\) than the series \(12"):
        open_dataset(**{**cifti, "parcellation": path})
    Cifti2Image(np.ones((2, 12), np.float32), (ScalarAxis(["x", "y"]), brain())).to_filename(path)
    with pytest.raises(InputError, match="holds 2 maps"):
        open_dataset(**{**cifti, "parcellation": path})
    with pytest.raises(InputError, match="its axes are SeriesAxis"):
        open_dataset(**{**cifti, "parcellation": cifti["runs"][0].bold})


@pytest.mark.parametrize("kind", [np.float64, np.int32])
def test_open_dataset__keeps_large_labels_of_a_cifti_apart(
    cifti: dict, tmp_path: Path, kind: type
) -> None:
    path = tmp_path / "large.dscalar.nii"
    first = 2**24  # from here on float32 has even numbers only
    values = np.repeat([first, first + 1], 6)[None].astype(kind)
    image = Cifti2Image(values, (ScalarAxis(["x"]), brain()))
    image.nifti_header.set_data_dtype(kind)
    image.to_filename(path)
    assert open_dataset(**{**cifti, "parcellation": path}).parcels == {first: 6, first + 1: 6}


@pytest.mark.parametrize("content", [b"", b"x" * 600])
def test_open_dataset__refuses_what_is_no_cifti(cifti: dict, content: bytes) -> None:
    path = cifti["runs"][0].bold
    path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)):
        open_dataset(**cifti)


def test_open_dataset__refuses_a_truncated_cifti(cifti: dict) -> None:
    path = cifti["runs"][0].bold
    whole = path.read_bytes()
    for size in (*range(8, len(whole) - 100, 97), len(whole) - 100):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match="truncated or damaged") as caught:
            open_dataset(**cifti)
        assert "\n" not in str(caught.value)


def test_open_dataset__refuses_a_cifti_whose_description_is_spoilt(cifti: dict) -> None:
    path = cifti["runs"][0].bold
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    n_refused = 0
    for _ in range(200):
        spoilt = bytearray(whole)
        spoilt[int(rng.integers(560, 1500))] = int(rng.integers(32, 127))
        path.write_bytes(spoilt)
        with contextlib.suppress(InputError):
            open_dataset(**cifti)
            n_refused -= 1
        n_refused += 1
    assert n_refused > 100  # and nothing else was raised
