"""Design and regressors of single trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pyhrf.data import Events, Experiment, FloatArray
from pyhrf.model.design import design_matrix
from pyhrf.model.trials import Trial


class TrialDesign(NamedTuple):
    """Design of a trial: what each coefficient of an HRF makes in the scans of its run.

    Attributes
    ----------
    first : int
        The first scan, of those of its run.
    X : array, shape (n_seen, n_hrf)
        Zero in scans that are censored.
    """

    first: int
    X: FloatArray


def trial_designs(
    experiment: Experiment, trials: Sequence[Trial], dt: float, n_hrf: int
) -> list[TrialDesign]:
    """Make the design of each trial, in the scans in which its response is.

    Parameters
    ----------
    experiment : Experiment
    trials : sequence of Trial
    dt : float
        Step of the HRF, seconds.
    n_hrf : int
        Its coefficients.
    """
    designs = []
    for trial in trials:
        run = experiment.runs[trial.run]
        last_time = trial.onset + trial.duration + (n_hrf + 1) * dt
        first = min(max(math.floor(trial.onset / run.tr), 0), run.n_scans)
        last = min(max(math.ceil(last_time / run.tr) + 1, first), run.n_scans)
        event = Events(*(np.array([x]) for x in (trial.onset, trial.duration, 1.0)))
        times = run.tr * np.arange(first, last, dtype=np.float64)
        X = design_matrix(event, times, dt, n_hrf)
        X[~run.kept[first:last]] = 0.0
        designs.append(TrialDesign(first, X))
    return designs


def trial_regressors(
    designs: Sequence[TrialDesign], trials: Sequence[Trial], n_scans: Sequence[int], h: FloatArray
) -> list[FloatArray]:
    """Give the response to each trial, of height 1, in the scans of its run.

    Parameters
    ----------
    designs, trials
        Of all trials.
    n_scans : sequence of int
        Of each run.
    h : array, shape (n_hrf,)
        HRF without its ends.

    Returns
    -------
    list of array, shape (n_scans, n_trials)
        For each run.
    """
    found = []
    for number, length in enumerate(n_scans):
        mine = [d for d, trial in zip(designs, trials, strict=True) if trial.run == number]
        Z = np.zeros((length, len(mine)))
        for column, (first, X) in zip(Z.T, mine, strict=True):
            column[first : first + len(X)] = X @ h
        found.append(Z)
    return found
