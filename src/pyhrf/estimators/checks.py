"""What every estimator checks: settings, arrays, and which positions can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Literal, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyhrf.data import FloatArray, Parcel
from pyhrf.errors import InputError, counted
from pyhrf.model.graph import NeighbourGraph, grid_edges
from pyhrf.parameters.model import ModelSettings


def parcel_of_arrays(
    bold: ArrayLike,
    n_scans: int,
    edges: ArrayLike | None = None,
    coordinates: ArrayLike | None = None,
) -> Parcel:
    """Make parcel number 1 of plain arrays, as the method ``fit`` of every estimator takes them.

    Parameters
    ----------
    bold : array, shape (n_scans, n_positions)
        BOLD signal, runs one after the other, any unit.
    n_scans : int
        Scans of the experiment.
    edges : integer array, shape (n_edges, 2), optional
        Pairs of neighbouring positions.
    coordinates : integer array, shape (n_positions, 3), optional
        Voxel indices, from which the pairs are made.

    Returns
    -------
    Parcel

    Raises
    ------
    InputError
        If shapes or types do not fit.
    """
    if isinstance(bold, str) or hasattr(bold, "affine") or hasattr(bold, "mesh"):
        raise InputError(
            f"bold is a {type(bold).__name__}, and an estimator of one parcel takes an array of "
            "shape (n_scans, n_positions): for images and their paths take pyhrf.JDE, pyhrf.RFIR "
            "or pyhrf.GLM"
        )
    data = np.asarray(bold)
    if data.dtype.kind not in "biuf":
        raise InputError(f"bold must hold real numbers, not {data.dtype}")
    if data.ndim != 2 or data.shape[0] != n_scans:
        raise InputError(
            f"bold has the shape {data.shape}: it must be (n_scans, n_positions) with "
            f"{n_scans} scans"
        )
    pairs = _neighbour_pairs(edges, coordinates, data.shape[1])
    with np.errstate(over="ignore"):  # what float32 cannot hold is not finite: left out
        data = data.astype(np.float32, copy=False)
    return Parcel(number=1, bold=data, edges=pairs, positions=np.arange(data.shape[1]))


def usable_positions(bold: NDArray[np.float32], run_lengths: Sequence[int]) -> NDArray[np.bool_]:
    """Tell which positions are finite, and constant in no run.

    Parameters
    ----------
    bold : array, shape (n_scans, n_positions)
    run_lengths : sequence of int
        Scans of every run.

    Returns
    -------
    bool array, shape (n_positions,)
    """
    # a sum is finite only if all of its terms are, unless float32 overflows: float64 here
    with np.errstate(invalid="ignore"):  # inf - inf
        usable = np.isfinite(bold.sum(axis=0, dtype=np.float64))
    for run in np.split(bold, np.cumsum(run_lengths)[:-1]):
        usable &= (run != run[:1]).any(axis=0)
    return np.asarray(usable)


def _neighbour_pairs(
    edges: ArrayLike | None, coordinates: ArrayLike | None, n_positions: int
) -> NDArray[np.int32]:
    """Pairs of neighbours from either description, checked."""
    if edges is not None and coordinates is not None:
        raise InputError("give edges or coordinates, not both: each defines the neighbours")
    if coordinates is not None:
        if len(np.asarray(coordinates)) != n_positions:
            raise InputError(
                f"coordinates name {len(np.asarray(coordinates))} voxels, but bold has "
                f"{n_positions}: give one voxel for each column"
            )
        return grid_edges(coordinates)
    pairs = np.empty((0, 2), dtype=np.int32) if edges is None else np.asarray(edges)
    NeighbourGraph.from_edges(pairs, n_positions)
    return pairs.astype(np.int32, copy=False).reshape(-1, 2)


def too_few(n_positions: int, n_usable: int, needed: int) -> str:
    """Say why a parcel has too few positions."""
    if n_usable == n_positions:
        return f"{counted(n_positions, 'position')}, fewer than the {needed} that are needed"
    return (
        f"{n_usable} of {counted(n_positions, 'position')} can be used (the others are constant or "
        f"not finite), fewer than the {needed} that are needed"
    )


def contrast_vector(
    name: str, weights: Mapping[str, float], conditions: tuple[str, ...]
) -> FloatArray:
    """Order a contrast's weights as the conditions are."""
    for condition in weights:
        if condition not in conditions:
            raise InputError(
                f"contrast {name}: there is no condition {condition!r}; "
                f"the conditions are {', '.join(conditions)}"
            )
        if not np.isfinite(weights[condition]):
            raise InputError(f"contrast {name}: the weight of {condition!r} is not finite")
    vector = np.array([float(weights.get(condition, 0.0)) for condition in conditions])
    if not vector.any():
        raise InputError(f"contrast {name}: all weights are 0, so that it compares nothing")
    return vector


def check_choices(estimator: ModelSettings) -> None:
    """Refuse words that a parameter does not allow."""
    hints = get_type_hints(type(estimator))
    for one in fields(estimator):
        value = getattr(estimator, one.name)
        if get_origin(hints[one.name]) is Literal and value not in get_args(hints[one.name]):
            raise InputError(f"{one.name} is {value!r}: it must be {one.metadata['allowed']}")


def check_iterations(n_iterations: int, tolerance: float) -> None:
    """Refuse iterations that never begin or never end."""
    if n_iterations < 1 or not tolerance > 0:
        raise InputError(
            f"n_iterations is {n_iterations} and tolerance {tolerance:g}: both must be above 0"
        )


def strength_of(beta: float | str | None) -> float | None:
    """Give the strength of the field, or None if it is to be estimated.

    Raises
    ------
    InputError
        If its mean-field expansion cannot bear it.
    """
    if beta is None or beta == "estimate":
        return None
    # beyond 1.6 the expansion to second order turns round: the labels become undecided
    if isinstance(beta, str) or not 0 <= beta <= 1.2:
        raise InputError(f"beta is {beta}: it must lie between 0 and 1.2, or be estimate")
    return float(beta)


def check_threshold(ppm_threshold: float | None) -> None:
    """Refuse a threshold of the probability maps that is no number."""
    if ppm_threshold is not None and not np.isfinite(ppm_threshold):
        raise InputError(f"ppm_threshold is {ppm_threshold:g}: it must be a finite level")


def check_seed(seed: int) -> None:
    """Refuse a seed that the random numbers cannot start from."""
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"seed is {seed!r}: it must be a whole number, 0 or more")
