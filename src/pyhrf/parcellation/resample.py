"""Bringing an atlas onto the grid of the data."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.spaces.untyped import nib


def resample_labels(
    labels: NDArray[Any],
    affine: FloatArray,
    *,
    target_shape: tuple[int, int, int],
    target_affine: FloatArray,
) -> NDArray[np.int32]:
    """Give each voxel of a grid the label of the nearest voxel of an atlas, by nilearn.

    Parameters
    ----------
    labels : int array, shape (n_x, n_y, n_z)
        The atlas.
    affine : float array, shape (4, 4)
        Its voxel indices to millimetres.
    target_shape : tuple of int
        Voxels of the grid.
    target_affine : float array, shape (4, 4)
        Its voxel indices to millimetres, of the same space.

    Returns
    -------
    int32 array, shape ``target_shape``
        0 outside the atlas.

    Raises
    ------
    InputError
        If no parcel lies on the grid.
    """
    from nilearn.image import resample_img

    resampled = resample_img(
        nib().Nifti1Image(labels.astype(np.int32), affine),
        target_affine=target_affine,
        target_shape=target_shape,
        interpolation="nearest",
        force_resample=True,
        copy_header=True,
    )
    found = np.asarray(resampled.dataobj).astype(np.int32)
    if not found.any():
        raise InputError(
            "no parcel of the atlas lies on the grid of the data: are both in the same space?"
        )
    return found
