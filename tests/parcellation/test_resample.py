"""Resampling an atlas: nearest neighbours by brute force."""

from __future__ import annotations

import numpy as np
import pytest

from pyhrf.errors import InputError
from pyhrf.parcellation.resample import resample_labels

ATLAS = np.diag([2.0, 2, 2, 1])
# Off the corners between voxels, so that the nearest is never a matter of rounding.
GRID = np.array([[3.1, 0, 0, -2.7], [0, 2.9, 0, 0.4], [0, 0, 3.3, 1.3], [0, 0, 0, 1]])
SHAPE = (6, 5, 4)


def test_resample_labels__takes_the_nearest_voxel():
    labels = np.random.default_rng(4).integers(0, 300, (8, 7, 6))
    found = resample_labels(labels, ATLAS, target_shape=SHAPE, target_affine=GRID)
    inside = 0
    for ijk in np.ndindex(SHAPE):
        place = np.rint(np.linalg.solve(ATLAS, GRID @ [*ijk, 1])[:3]).astype(int)
        within = np.all((place >= 0) & (place < labels.shape))
        assert found[ijk] == (labels[tuple(place)] if within else 0)
        inside += within
    assert inside > 30


def test_resample_labels__refuses_an_atlas_elsewhere():
    far = ATLAS.copy()
    far[:3, 3] = 500
    with pytest.raises(InputError, match="no parcel of the atlas lies on the grid"):
        resample_labels(np.ones((3, 3, 3)), far, target_shape=SHAPE, target_affine=GRID)
