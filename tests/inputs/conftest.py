"""Small data sets on disk, written with nibabel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from input_files import AFFINE, Files, WriteNifti


@pytest.fixture
def write_nifti(tmp_path: Path) -> WriteNifti:
    """Write an array as NIfTI in a temporary folder."""

    def write(
        name: str,
        values: np.ndarray,
        *,
        affine: np.ndarray = AFFINE,
        tr: float = 2.0,
        units: str = "sec",
        kind: Any = nib.Nifti1Image,
    ) -> Path:
        image = kind(values, affine, dtype=values.dtype)
        if values.ndim == 4:
            image.header["pixdim"][4] = tr
            image.header.set_xyzt_units("mm", units)
        path = tmp_path / name
        image.to_filename(path)
        return path

    return write


@pytest.fixture
def bold(rng: np.random.Generator) -> np.ndarray:
    """Return an int16 series, shape (5, 4, 3, 20)."""
    return rng.integers(-3000, 3000, (5, 4, 3, 20)).astype(np.int16)


@pytest.fixture
def labels() -> np.ndarray:
    """Return a parcellation of that grid, in parcels 2, 3 and 7 (in two pieces)."""
    labels = np.zeros((5, 4, 3), np.int16)
    labels[:2, :, :2] = 7
    labels[3, 1:, :] = 2
    labels[4, 0, 0] = 7
    labels[2, 2, 2] = 3
    return labels


@pytest.fixture
def rng() -> np.random.Generator:
    """Return random numbers, the same in each test."""
    return np.random.default_rng(7)


@pytest.fixture
def files(
    tmp_path: Path, write_nifti: WriteNifti, bold: np.ndarray, labels: np.ndarray
) -> tuple[Files, Path]:
    """Write a run of 20 scans, 2 s each, and a parcellation."""
    paradigm = tmp_path / "paradigm.csv"
    paradigm.write_text('0 "b" 1.5 0. 1.\n0 "b" 11 0. 1.\n0 "a" 5 2. 0.5\n')
    return Files(write_nifti("bold.nii.gz", bold), paradigm), write_nifti("labels.nii.gz", labels)
