"""Design of a piecewise-linear HRF: exact onsets and durations, no rounding to a grid."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Events, Experiment, FloatArray


def n_hrf_coefficients(hrf_duration: float, dt: float) -> int:
    """Count the free HRF coefficients: the inner points of the grid ``0, dt, …, hrf_duration``.

    A duration that is no multiple of `dt` is made up to the next one.
    """
    return math.ceil(hrf_duration / dt - 1e-6) - 1


def design_matrix(events: Events, scan_times: FloatArray, dt: float, n_hrf: int) -> FloatArray:
    """Weight of every HRF coefficient in the signal at every scan.

    ``signal(t_n) = sum_e amplitude_e * response(t_n - onset_e)`` with
    ``h(t) = sum_k h_k * hat(t / dt - k)``, ``k = 1 … n_hrf``; the points ``0`` and ``n_hrf + 1``
    are zero. The response to an event without duration is ``h`` itself; an event that lasts ``d``
    seconds gives the integral of ``h`` over ``d`` seconds.

    Parameters
    ----------
    events : Events
        Events of one condition, seconds.
    scan_times : array, shape (n_scans,)
        Time of every scan, seconds.
    dt : float
        Step of the HRF grid, seconds.
    n_hrf : int
        Number of free coefficients.

    Returns
    -------
    array, shape (n_scans, n_hrf)
    """
    X = np.zeros((len(scan_times), n_hrf + 2))
    # lag of every scan behind every event, in steps of the HRF grid
    lag = (np.asarray(scan_times)[:, None] - events.onsets[None, :]) / dt
    steps = events.durations / dt
    is_impulse = steps == 0
    _add_impulses(X, lag[:, is_impulse], events.amplitudes[is_impulse])
    points = np.arange(n_hrf + 2)
    for event in np.flatnonzero(~is_impulse):
        u = lag[:, event]
        near = np.flatnonzero((u > 0) & (u < n_hrf + 1 + steps[event]))
        inside = u[near, None] - points
        weight = _hat_integral(inside) - _hat_integral(inside - steps[event])
        X[near] += events.amplitudes[event] * dt * weight
    return np.ascontiguousarray(X[:, 1:-1])


def _add_impulses(X: FloatArray, lag: FloatArray, amplitudes: FloatArray) -> None:
    """Add events without duration to `X`: each touches the two grid points around its lag."""
    n_points = X.shape[1]
    scan, event = np.nonzero((lag > 0) & (lag < n_points - 1))
    u = lag[scan, event]
    below: NDArray[np.intp] = np.floor(u).astype(np.intp)
    fraction = u - below
    np.add.at(X, (scan, below), amplitudes[event] * (1 - fraction))
    np.add.at(X, (scan, below + 1), amplitudes[event] * fraction)


def _hat_integral(x: FloatArray) -> FloatArray:
    """Integral of the hat function ``max(0, 1 - |x|)`` from minus infinity to `x`."""
    rising = np.clip(x + 1, 0, 1)
    falling = np.clip(x, 0, 1)
    return 0.5 * rising**2 + falling - 0.5 * falling**2


def experiment_design(experiment: Experiment, dt: float, n_hrf: int) -> FloatArray:
    """Design of all conditions over all runs.

    Scan ``n`` of a run is taken at ``n * TR`` seconds; a censored scan shows nothing.

    Returns
    -------
    array, shape (n_scans, n_conditions, n_hrf)
    """
    X = np.zeros((experiment.n_scans, len(experiment.conditions), n_hrf))
    first = 0
    for run in experiment.runs:
        scan_times = run.tr * np.arange(run.n_scans, dtype=np.float64)
        for m, condition in enumerate(experiment.conditions):
            if condition in run.events:
                X[first : first + run.n_scans, m] = design_matrix(
                    run.events[condition], scan_times, dt, n_hrf
                )
        X[first : first + run.n_scans][~run.kept] = 0.0
        first += run.n_scans
    return X
