"""What every estimator checks: settings, design, arrays, and which positions can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyhrf.data import Experiment, FloatArray, Parcel, Run
from pyhrf.errors import InputError
from pyhrf.model.graph import NeighbourGraph, grid_edges
from pyhrf.model.nuisance import DriftKind

__all__ = [
    "NoiseKind",
    "check_beta",
    "check_design",
    "check_experiment",
    "check_grid",
    "check_iterations",
    "check_models",
    "check_threshold",
    "contrast_vector",
    "parcel_of_arrays",
    "too_few",
    "usable_positions",
]

NoiseKind = Literal["ar1", "white"]


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
        raise InputError("give edges or coordinates, not both: each says who neighbours whom")
    if coordinates is not None:
        if len(np.asarray(coordinates)) != n_positions:
            raise InputError(
                f"coordinates name {len(np.asarray(coordinates))} positions, but bold has "
                f"{n_positions}: give one voxel for each column"
            )
        return grid_edges(coordinates)
    pairs = np.empty((0, 2), dtype=np.int32) if edges is None else np.asarray(edges)
    NeighbourGraph.from_edges(pairs, n_positions)
    return pairs.astype(np.int32, copy=False).reshape(-1, 2)


def too_few(n_positions: int, n_usable: int, needed: int) -> str:
    """Say why a parcel has too few positions."""
    if n_usable == n_positions:
        return f"{n_positions} positions, fewer than the {needed} that are needed"
    return (
        f"{n_usable} of {n_positions} positions can be used (the others are constant or "
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


def check_experiment(experiment: Experiment) -> None:
    """Refuse an experiment that holds nothing."""
    if not experiment.conditions or not experiment.runs:
        raise InputError("the experiment has no condition or no run: nothing can be estimated")
    for number, run in enumerate(experiment.runs, start=1):
        _check_nuisance_arrays(number, run)


def _check_nuisance_arrays(number: int, run: Run) -> None:
    """Refuse confounds and censoring that do not fit their run."""
    if run.censored is not None:
        if run.censored.shape != (run.n_scans,) or run.censored.dtype != np.bool_:
            raise InputError(
                f"run {number}: censored must hold True or False for each of {run.n_scans} scans"
            )
        if run.censored.all():
            raise InputError(
                f"run {number}: all of its {run.n_scans} scans are censored: leave the run out, or "
                "censor less"
            )
    if run.confounds is not None:
        if run.confounds.ndim != 2 or len(run.confounds) != run.n_scans:
            raise InputError(
                f"run {number}: confounds have the shape {run.confounds.shape}, but there are "
                f"{run.n_scans} scans: give one row for each"
            )
        if not np.isfinite(run.confounds).all():
            raise InputError(f"run {number}: confounds must be finite")


def check_grid(experiment: Experiment, dt: float, hrf_duration: float) -> None:
    """Refuse steps and durations of the HRF, seconds, that no data can meet."""
    shortest = min(run.tr for run in experiment.runs)
    if not 0 < dt <= 2 * shortest:
        raise InputError(
            f"dt is {dt:g} s: it must be above 0 and at most twice the TR, {2 * shortest:g} s"
        )
    if not 5 * dt <= hrf_duration <= 100:
        raise InputError(
            f"hrf_duration is {hrf_duration:g} s: it must be at least five steps of dt "
            f"({5 * dt:g} s) and at most 100 s"
        )


def check_iterations(n_iterations: int, tolerance: float) -> None:
    """Refuse iterations that never begin or never end."""
    if n_iterations < 1 or not tolerance > 0:
        raise InputError(
            f"n_iterations is {n_iterations} and tolerance {tolerance:g}: both must be above 0"
        )


def check_beta(beta: float | None) -> None:
    """Refuse a strength of the field that its mean-field expansion cannot bear."""
    # beyond 1.6 the expansion to second order turns round: the labels become undecided
    if beta is not None and not 0 <= beta <= 1.2:
        raise InputError(f"beta is {beta:g}: it must lie between 0 and 1.2")


def check_threshold(ppm_threshold: float | None) -> None:
    """Refuse a threshold of the probability maps that is no number."""
    if ppm_threshold is not None and not np.isfinite(ppm_threshold):
        raise InputError(f"ppm_threshold is {ppm_threshold:g}: it must be a finite level")


def check_models(drift: str, cutoff: float, order: int, noise: str) -> None:
    """Refuse models of drift and noise that do not exist."""
    if drift not in get_args(DriftKind):
        raise InputError(f"drift is {drift!r}: it must be one of {', '.join(get_args(DriftKind))}")
    if not cutoff > 0:
        raise InputError(f"drift_cutoff is {cutoff:g} s: it must be above 0")
    if order < 0:
        raise InputError(f"drift_order is {order}: it must be 0 or more")
    if noise not in get_args(NoiseKind):
        raise InputError(f"noise is {noise!r}: it must be one of {', '.join(get_args(NoiseKind))}")


def check_design(experiment: Experiment, X: FloatArray, P: FloatArray) -> None:
    """Refuse a design that leaves nothing to estimate."""
    n_scans = int(experiment.kept.sum())
    # a censored scan has a column of its own
    n_nuisance = P.shape[1] - (len(P) - n_scans)
    if n_scans - n_nuisance < len(experiment.conditions) + 2:
        kept = "" if n_scans == len(P) else " that are not censored"
        raise InputError(
            f"{n_scans} scans{kept} with {n_nuisance} nuisance regressors leave too little for "
            f"{len(experiment.conditions)} conditions: raise the drift's cut-off, take fewer "
            "confounds, censor less or give more scans"
        )
    for condition, block in zip(experiment.conditions, X.transpose(1, 0, 2), strict=True):
        if not block.any():
            raise InputError(f"condition {condition!r} has no event that reaches a scan")
