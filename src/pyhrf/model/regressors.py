"""A design as a reader sees it: a named column for each condition and each drift of a run."""

from __future__ import annotations

from pyhrf.data import Experiment, FloatArray
from pyhrf.model.design import experiment_design, n_hrf_coefficients
from pyhrf.model.hrf import canonical_coefficients
from pyhrf.model.nuisance import drift_of
from pyhrf.parameters.model import ModelSettings

Columns = dict[str, FloatArray]


def canonical_regressors(experiment: Experiment, model: ModelSettings) -> FloatArray:
    """Give the canonical regressors of all conditions, shape (n_scans, n_conditions)."""
    n_hrf = n_hrf_coefficients(model.hrf_duration, model.dt)
    h = canonical_coefficients(n_hrf, model.dt)
    return experiment_design(experiment, model.dt, n_hrf) @ h


def named_regressors(experiment: Experiment, model: ModelSettings) -> list[Columns]:
    """Name the columns of each run, conditions by the canonical response and drifts.

    Parameters
    ----------
    experiment : Experiment
    model : ModelSettings

    Returns
    -------
    list of dict of str to array, shape (n_scans,)
        ``condition.NAME`` of those that the run has, ``drift.constant``, ``drift.1`` …
    """
    task = canonical_regressors(experiment, model)
    runs, first = [], 0
    for run in experiment.runs:
        mine = task[first : first + run.n_scans].T
        named = {
            condition_column(name): values
            for name, values in zip(experiment.conditions, mine, strict=True)
            if values.any()
        }
        runs.append(named | named_drifts(drift_of(run, model)))
        first += run.n_scans
    return runs


def condition_column(condition: str, part: int = 0, *, of: str = "condition") -> str:
    """Name a column of a condition: what it is of, a point, and the condition as it is called."""
    return f"{of}{part or ''}.{condition}"


def named_drifts(drifts: FloatArray) -> Columns:
    """Name drifts, shape (n_scans, n_drifts), the constant first."""
    names = ["drift.constant", *(f"drift.{k}" for k in range(1, drifts.shape[1]))]
    return dict(zip(names, drifts.T, strict=True))
