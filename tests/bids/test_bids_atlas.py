"""Atlases on other grids: parcels that are lost, and headers that do not say where they lie."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf.bids.parcels import make_parcels, provide_parcels
from pyhrf.errors import InputError
from pyhrf.spaces.volumes import Volume, open_volume

AFFINE = np.diag([3.0, 3, 3, 1])


@pytest.fixture
def bold(tmp_path: Path) -> Volume:
    values = np.zeros((4, 4, 4, 5), np.float32)
    nib.save(nib.Nifti1Image(values, AFFINE), tmp_path / "bold.nii")
    return open_volume(tmp_path / "bold.nii", n_dims=4)


def write_atlas(path: Path, *, oriented: bool = True) -> Path:
    """Write an atlas of 1 mm that reaches 6 mm beyond the grid of the data."""
    labels = np.zeros((18, 12, 12), np.int16)
    labels[:6], labels[6:12], labels[14:] = 1, 2, 9
    labels[3, 3, 3] = 50  # between the centres of voxels, which are 1, 4, 7 and 10
    labels[8:10, 2:4, 5:7] = 51
    affine = np.eye(4)
    affine[:3, 3] = -1
    image = nib.Nifti1Image(labels, affine)
    if not oriented:
        image.set_qform(affine, 0)
        image.set_sform(affine, 0)
    image.to_filename(path)
    return path


def test_make_parcels__says_which_are_lost_and_why(bold: Volume, tmp_path: Path) -> None:
    mask = np.ones((4, 4, 4), np.uint8)
    mask[2:] = 0
    nib.save(nib.Nifti1Image(mask, AFFINE), tmp_path / "mask.nii")
    atlas = write_atlas(tmp_path / "atlas.nii")
    labels, notes = make_parcels(bold, [tmp_path / "mask.nii"], atlas)
    assert np.unique(labels).tolist() == [0, 1]
    text = "\n".join(notes)
    assert "2 of 5 parcels of the atlas are lost: they are so small" in text
    assert "(50, 51)" in text
    assert "1 of 5 parcels of the atlas lie outside the BOLD grid (9)" in text
    assert "1 of 5 parcels of the atlas lie outside the brain mask" in text


def test_provide_parcels__of_an_atlas_that_may_be_mirrored_are_refused(
    bold: Volume, tmp_path: Path
) -> None:
    atlas = write_atlas(tmp_path / "atlas.nii", oriented=False)
    with pytest.raises(InputError, match=r"atlas\.nii: its header does not say how it lies"):
        provide_parcels(tmp_path / "made", bold, [], atlas)
    assert not (tmp_path / "made").exists()
