"""Files of surfaces are read once, as long as they are what they were."""

from __future__ import annotations

import os
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf.errors import InputError
from pyhrf.spaces.surfaces import open_mesh, open_nodes

LONG_AGO = 1_000_000_000


def write(path: Path, *arrays: np.ndarray, intents: list[str]) -> Path:
    image = nib.GiftiImage()
    for array, intent in zip(arrays, intents, strict=True):
        image.add_gifti_data_array(nib.gifti.GiftiDataArray(array, intent=intent))
    image.to_filename(path)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


@pytest.fixture
def mesh_file(tmp_path: Path) -> Path:
    points, triangles = np.eye(3, dtype=np.float32), np.int32([[0, 1, 2]])
    return write(tmp_path / "a.surf.gii", points, triangles, intents=["pointset", "triangle"])


def test_open_mesh__gives_the_same_until_the_file_changes(mesh_file: Path) -> None:
    mesh = open_mesh(mesh_file)
    assert open_mesh(mesh_file) is mesh
    os.utime(mesh_file, (LONG_AGO + 1, LONG_AGO + 1))
    assert open_mesh(mesh_file) is not mesh


def test_open_mesh__does_not_trust_a_file_that_was_written_just_now(mesh_file: Path) -> None:
    os.utime(mesh_file)
    mesh = open_mesh(mesh_file)
    assert open_mesh(mesh_file) is not mesh


def test_open_nodes__reads_a_sound_series_again_only_for_its_values(
    mesh_file: Path, tmp_path: Path
) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    path = write(tmp_path / "a.func.gii", *values, intents=["time series"] * 4)
    mesh = open_mesh(mesh_file)
    where = np.array([2, 0])
    first = open_nodes(path, mesh)
    for _ in range(2):
        np.testing.assert_array_equal(first.stored(where), values[:, where])
    path.write_bytes(b" " * path.stat().st_size)
    os.utime(path, (LONG_AGO, LONG_AGO))
    again = open_nodes(path, mesh)
    assert (again.n_scans, again.tr) == (4, None)
    with pytest.raises(InputError, match="damaged"):
        again.stored(where)
