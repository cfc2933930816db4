"""Scans that lie far off the others: before the steady state, or of a sudden movement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray

# A response moves the mean of a parcel by less from one scan to the next ones.
_FAR = 5.0
# The noise of these positions tells that of all.
_N_LOOKED_AT = 32


def deviations(bold: NDArray[Any], run_lengths: Sequence[int]) -> FloatArray:
    """Measure how far each scan of a parcel lies off those around it.

    A run's mean over positions, beyond the two middle values of the three scans before and the
    three after (of the six nearest at its ends), in units of the noise of one position: the median
    over positions of the robust sd of changes from scan to scan, by the square root of 2.
    Where most changes are 0, as in integers of few levels, it is their root mean square instead.

    Parameters
    ----------
    bold : array, shape (n_scans, n_positions)
        Runs one after the other, without censored scans.
    run_lengths : sequence of int
        Scans of each run.

    Returns
    -------
    float64 array, shape (n_scans,)
        With its sign; 0 in runs of fewer than ten scans, or without any change in most positions.
    """
    found = np.zeros(len(bold))
    some = np.unique(np.linspace(0, bold.shape[1] - 1, _N_LOOKED_AT).astype(int))
    first = 0
    for length in run_lengths:
        scans = slice(first, first + length)
        first += length
        if length < 10:
            continue
        noise = _noise(bold[scans][:, some].astype(np.float64))
        if noise == 0.0:
            continue
        mean = bold[scans].mean(axis=1, dtype=np.float64)
        start = np.clip(np.arange(length) - 3, 0, length - 7)
        place = start[:, None] + np.arange(6)
        place += place >= np.arange(length)[:, None]  # all seven but the scan itself
        around = np.sort(mean[place], axis=1)
        lower, upper = around[:, 2], around[:, 3]
        beyond = np.where(mean > upper, mean - upper, np.minimum(mean - lower, 0.0))
        found[scans] = beyond / noise
    return found


def _noise(values: FloatArray) -> float:
    """Measure the noise of a position by the changes from scan to scan."""
    changes = np.diff(values, axis=0)
    robust = float(np.median(1.4826 * np.median(np.abs(changes), axis=0)))
    if robust == 0.0:
        robust = float(np.median(np.sqrt(np.mean(changes**2, axis=0))))
    return robust / np.sqrt(2)


def outlying_scans(bold: NDArray[Any], run_lengths: Sequence[int]) -> tuple[int, int]:
    """Count the scans that lie so far off that they harm an estimate.

    Parameters
    ----------
    bold, run_lengths
        As for `deviations`.

    Returns
    -------
    n_outlying : int
        How many differ by more than five times the noise of a position, in the mean of all.
    worst : int
        Index of the farthest; -1 if there is none.
    """
    far = np.abs(deviations(bold, run_lengths))
    n_outlying = int(np.count_nonzero(far > _FAR))
    return n_outlying, int(np.argmax(far)) if n_outlying else -1
