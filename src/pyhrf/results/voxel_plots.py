"""Three cuts through the voxels of a CIFTI map, on the axes of a figure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.spaces.space import Space
from pyhrf.spaces.untyped import nib

_WHITE = (1.0, 1.0, 1.0)
_FULL = 0.25  # of the voxels of the fullest slice


def draw_voxels(
    axes: Sequence[Axes],
    space: Space,
    values: NDArray[Any],
    colour: Callable[[FloatArray], FloatArray],
) -> None:
    """Draw an axial, a coronal and a sagittal cut through the strongest voxel.

    Slices at the rim, with less than a quarter of the voxels of the fullest, are cut only if there
    is no voxel in others.

    Parameters
    ----------
    axes : three Axes
    space : Space
        With voxels.
    values : array, shape (n_positions,)
        The map.
    colour : callable
        Gives red, green and blue of values, along a last axis; what is no voxel is white.
    """
    inside, turned, affine = _turned(space, values)
    at = _strongest(inside, turned)
    step = np.linalg.norm(affine[:3, :3], axis=0)
    where = (affine @ [*at, 1])[:3]
    for axis, across in zip(axes, (2, 1, 0), strict=True):
        cut, there = (np.take(array, at[across], axis=across).T for array in (turned, inside))
        rgb = colour(cut)
        rgb[~there] = _WHITE
        wide, high = (step[k] for k in range(3) if k != across)
        axis.imshow(rgb, origin="lower", interpolation="nearest", aspect=high / wide)
        axis.set_title(f"{'xyz'[across]} = {where[across]:.0f} mm", fontsize=8, loc="left")
        axis.set_axis_off()


def _turned(space: Space, values: NDArray[Any]) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
    """Give the box around the voxels, its axes turned to right, anterior, superior."""
    both = [nib().as_closest_canonical(space.volume(x)) for x in (np.ones(space.shape), values)]
    is_inside, turned = np.asarray(both[0].dataobj) == 1, np.asarray(both[1].dataobj)
    places = np.argwhere(is_inside)
    low, high = places.min(axis=0), places.max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    affine: FloatArray = np.array(both[0].affine)
    affine[:3, 3] += affine[:3, :3] @ low
    return is_inside[box], turned[box], affine


def _strongest(inside: NDArray[np.bool_], volume: FloatArray) -> tuple[int, ...]:
    """Find the voxel that is farthest from 0, of those whose three slices are full enough."""
    places = np.argwhere(inside)
    is_full = np.ones(len(places), np.bool_)
    for axis in range(3):
        counts = np.bincount(places[:, axis])
        is_full &= counts[places[:, axis]] >= _FULL * counts.max()
    strength = np.abs(np.nan_to_num(volume[tuple(places.T)]))
    strength[~is_full] -= strength.max() + 1
    return tuple(int(k) for k in places[int(strength.argmax())])
