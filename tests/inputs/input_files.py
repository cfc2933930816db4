"""Names that the fixtures and the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pyhrf.spaces.volumes import open_volume
from pyhrf.spaces.voxels import read_volume, read_voxels, scaled

AFFINE = np.array([[-3.0, 0, 0, 78], [0, 3, 0, -93], [0, 0, 3.5, -67.5], [0, 0, 0, 1]])

WriteNifti = Callable[..., Path]


class Files(NamedTuple):
    """The files of one run."""

    bold: Path
    paradigm: Path


def read_all(path: Path, n_dims: int = 4) -> np.ndarray:
    """Read all values of a series in shape (n_scans, n_voxels)."""
    volume = open_volume(path, n_dims=n_dims)
    if n_dims == 3:
        return read_volume(volume)
    voxels = np.arange(np.prod(volume.grid))
    return scaled(volume, read_voxels(volume, voxels))


def patch(path: Path, place: int, numbers: list[float]) -> None:
    """Put single precision numbers at a place in a file, for nibabel mends what it writes."""
    raw = bytearray(path.read_bytes())
    raw[place : place + 4 * len(numbers)] = np.array(numbers, "<f4").tobytes()
    path.write_bytes(raw)
