"""Whether the mean of single trials can be told from all else that is in the scans."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from pyhrf.data import Experiment, FloatArray
from pyhrf.errors import InputError
from pyhrf.model.design import experiment_design, n_hrf_coefficients
from pyhrf.model.hrf import canonical_coefficients
from pyhrf.model.nuisance import experiment_nuisance, independent_columns
from pyhrf.model.trial_designs import trial_designs, trial_regressors
from pyhrf.model.trials import Trial, trials_as_one
from pyhrf.parameters.model import ModelSettings
from pyhrf.wording import named

# Less of a mean than this, relative to its regressor, is rounding.
_LEAST_LEFT = 1e-6


def check_trial_means(
    experiment: Experiment, trials: Sequence[Trial], model: ModelSettings, *, by_condition: bool
) -> None:
    """Refuse trials whose mean drifts, confounds and other conditions make, too.

    Trials of 4 s that fill the blocks of another condition are an example, or trials that follow
    on each other from before the first scan to the last: by these no level is known, and errors
    are without bounds.

    Parameters
    ----------
    experiment : Experiment
    trials : sequence of Trial
    model : ModelSettings
    by_condition : bool
        Whether each condition has a mean of its own.

    Raises
    ------
    InputError
    """
    seen = [trial for trial in trials if not trial.reason]
    if not seen:
        return
    one = trials_as_one(experiment, trials)
    n_hrf = n_hrf_coefficients(model.hrf_duration, model.dt)
    h = canonical_coefficients(n_hrf, model.dt)
    others = experiment_design(one, model.dt, n_hrf)[:, 1:] @ h
    lengths = [run.n_scans for run in one.runs]
    Z = trial_regressors(trial_designs(one, seen, model.dt, n_hrf), seen, lengths, h)
    P = experiment_nuisance(one, model)
    names = list(dict.fromkeys(trial.condition for trial in seen)) if by_condition else [""]
    means, left = [], []
    for number, span in enumerate(itertools.pairwise(np.cumsum([0, *lengths]))):
        rows = slice(*span)
        mine = [trial for trial in seen if trial.run == number]
        of_mean = [[not by_condition or t.condition == name for name in names] for t in mine]
        means.append(Z[number] @ np.array(of_mean, float).reshape(len(mine), len(names)))
        known = independent_columns(np.hstack([P[rows], others[rows]]))
        left.append(means[-1] - known @ (known.T @ means[-1]))
    if _least_left(np.concatenate(means), np.concatenate(left)) < _LEAST_LEFT:
        raise InputError(
            f"{named('single_trials')}: the mean of these trials cannot be told from what drifts, "
            "confounds and other conditions make in the scans, and so no level can: leave the "
            "condition or the confound that is there whenever they are out of its file, or, if "
            "they follow on each other without a pause, some of the events"
        )


def _least_left(means: FloatArray, left: FloatArray) -> float:
    """Give the least that is left of any mixture of means, relative to its regressor."""
    norms = np.linalg.norm(means, axis=0)
    return float(np.linalg.svd(left / np.where(norms > 0, norms, 1.0), compute_uv=False).min())
