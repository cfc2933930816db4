"""What the model asks of an experiment, checked where its design is made.

Nothing here needs compiled code: whoever writes a study file learns at once what an estimator
would refuse.
"""

from __future__ import annotations

import numpy as np

from pyhrf.data import Experiment, FloatArray, Run
from pyhrf.errors import InputError, counted
from pyhrf.model.design import experiment_design, n_hrf_coefficients
from pyhrf.model.folds import check_folds
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.parameters.model import ModelSettings


def checked_design(experiment: Experiment, model: ModelSettings) -> tuple[FloatArray, FloatArray]:
    """Make the design of an experiment and its nuisance, if there is something to estimate.

    Parameters
    ----------
    experiment : Experiment
    model : ModelSettings

    Returns
    -------
    X : array, shape (n_scans, n_conditions, n_hrf)
    P : array, shape (n_scans, n_nuisance)

    Raises
    ------
    InputError
        If a value is not allowed, the experiment holds nothing or its arrays do not fit, a
        condition reaches no scan, too few scans are left, or scans cannot be held out as the model
        says.
    """
    check_experiment(experiment)
    _check_grid(experiment, model.dt, model.hrf_duration)
    check_drift(model)
    X = experiment_design(experiment, model.dt, n_hrf_coefficients(model.hrf_duration, model.dt))
    P = experiment_nuisance(experiment, model)
    _check_design(experiment, X, P)
    check_folds(experiment, model.cross_validate, X, P)
    return X, P


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


def _check_grid(experiment: Experiment, dt: float, hrf_duration: float) -> None:
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


def check_drift(model: ModelSettings) -> None:
    """Refuse drifts that cannot be."""
    if not model.drift_cutoff > 0:
        raise InputError(f"drift_cutoff is {model.drift_cutoff:g} s: it must be above 0")
    if model.drift_order < 0:
        raise InputError(f"drift_order is {model.drift_order}: it must be 0 or more")


def _check_design(experiment: Experiment, X: FloatArray, P: FloatArray) -> None:
    """Refuse a design that leaves nothing to estimate."""
    n_scans = int(experiment.kept.sum())
    # a censored scan has a column of its own
    n_nuisance = P.shape[1] - (len(P) - n_scans)
    if n_scans - n_nuisance < len(experiment.conditions) + 2:
        kept = "that is" if n_scans == 1 else "that are"
        kept = "" if n_scans == len(P) else f" {kept} not censored"
        leave = "leaves" if n_scans == 1 else "leave"
        raise InputError(
            f"{counted(n_scans, 'scan')}{kept} with {counted(n_nuisance, 'nuisance regressor')} "
            f"{leave} too little for {counted(len(experiment.conditions), 'condition')}: raise the "
            "drift's cut-off, take fewer confounds, censor less or give more scans"
        )
    for condition, block in zip(experiment.conditions, X.transpose(1, 0, 2), strict=True):
        if not block.any():
            raise InputError(f"condition {condition!r} has no event that reaches a scan")
