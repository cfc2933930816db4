"""How much of the variance of single trials is that of their conditions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray


def noise_ceiling(
    levels: NDArray[np.floating], conditions: Sequence[str], has_level: Sequence[bool]
) -> FloatArray | None:
    """Estimate the share of the variance of single trials that conditions explain.

    The noise is the mean over conditions of the variance within, the signal what it leaves of the
    variance of all these trials, at least 0 (Allen et al. 2022, Nat Neurosci 25:116, for one
    trial). Of conditions that were not repeated nothing can be said: their trials are not used.

    Parameters
    ----------
    levels : array, shape (n_positions, n_trials)
        NaN at positions that were left out.
    conditions : sequence of str
        Of each trial.
    has_level : sequence of bool
        Whether it has a level anywhere.

    Returns
    -------
    array, shape (n_positions,), or None
        From 0 to 1; 0 where nothing varies; NaN where a level is missing. None unless two
        conditions have two trials each.
    """
    names = np.array(conditions)[np.array(has_level, np.bool_)]
    repeated = [name for name in dict.fromkeys(names.tolist()) if np.sum(names == name) > 1]
    if len(repeated) < 2:
        return None
    every = np.array(conditions)
    groups = [np.flatnonzero((every == name) & has_level) for name in repeated]
    within = [np.var(levels[:, group], axis=1, ddof=1, dtype=np.float64) for group in groups]
    noise = np.mean(within, axis=0)
    total = np.var(levels[:, np.concatenate(groups)], axis=1, ddof=1, dtype=np.float64)
    signal = np.maximum(total - noise, 0.0)
    variance = signal + noise
    return np.where(variance == 0, 0.0, signal / np.where(variance == 0, 1.0, variance))
