"""From a study to the estimator that it names."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Protocol

from pyhrf.config.study import Study
from pyhrf.data import Estimator, Experiment
from pyhrf.model.alike import alike_conditions
from pyhrf.model.checks import checked_design
from pyhrf.model.nuisance import n_free_scans
from pyhrf.model.regressors import Columns, named_regressors
from pyhrf.model.trial_means import check_trial_means
from pyhrf.model.trials import Trial, trial_notes, trials_of
from pyhrf.parameters.trials import TrialSettings


class StudyEstimator(Estimator, Protocol):
    """An estimator of which an analysis can plan the work."""

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel takes if it is fitted once, seconds, roughly."""
        ...

    @property
    def n_fits(self) -> int:
        """How often a parcel is fitted: again for each part of the scans that is held out."""
        ...


def make_estimator(
    study: Study, experiment: Experiment, contrasts: Mapping[str, Mapping[str, float]]
) -> StudyEstimator:
    """Make the estimator of a study.

    Parameters
    ----------
    study : Study
    experiment : Experiment
        Of its data.
    contrasts : mapping of str to mapping of str to float
        Weights of the conditions, by name of the contrast.

    Returns
    -------
    StudyEstimator

    Raises
    ------
    InputError
        If the study's values do not fit the experiment.
    """
    module, _, name = study.kind.home.partition(":")
    # Imported only when it is needed: compiled code and nilearn take seconds to import.
    make = getattr(import_module(module), name)
    values = {**vars(study.model), **vars(study.own)}
    arguments = {name: value for name, value in values.items() if name not in study.kind.unused}
    estimator: StudyEstimator = make(experiment, contrasts=contrasts, **arguments)
    return estimator


def check_estimator(
    study: Study, experiment: Experiment, contrasts: Mapping[str, Mapping[str, float]]
) -> None:
    """Check that `make_estimator` could make the estimator of a study, by making its design.

    No compiled code is imported, which takes longer than all else that a study is checked for, but
    for an estimator that has a design of its own, as the GLM has nilearn's: seconds.

    Parameters
    ----------
    study, experiment, contrasts
        As of `make_estimator`.

    Raises
    ------
    InputError
        If the study's values do not fit the experiment.
    """
    if study.kind.own_design:
        make_estimator(study, experiment, contrasts)
    else:
        checked_design(experiment, study.model)
        study_trials(study, experiment)


def design_warnings(study: Study, experiment: Experiment) -> list[str]:
    """Say what is doubtful in a design that can be used.

    Parameters
    ----------
    study, experiment
        That `check_estimator` accepts.

    Returns
    -------
    list of str
    """
    found = alike_conditions(experiment, study.model)
    if trials := study_trials(study, experiment):
        found += trial_notes(experiment, trials, n_free_scans(experiment, study.model))
    return found


def regressors_of(study: Study, experiment: Experiment) -> list[Columns]:
    """Name the columns of the design of each run, confounds apart.

    Where responses are estimated the conditions' are those of the canonical response.

    Parameters
    ----------
    study, experiment
        That `check_estimator` accepts.

    Returns
    -------
    list of dict of str to array, shape (n_scans,)
    """
    if not study.kind.own_design:
        return named_regressors(experiment, study.model)
    own: list[Columns] = make_estimator(study, experiment, {}).regressors()  # type: ignore[attr-defined]  # the GLM's
    return own


def study_trials(study: Study, experiment: Experiment) -> list[Trial]:
    """List the single trials of a study, in the order of their maps.

    Parameters
    ----------
    study, experiment
        That `check_estimator` accepts.

    Returns
    -------
    list of Trial
        Empty where there are to be none.

    Raises
    ------
    InputError
        As `pyhrf.model.trials.trials_of`.
    """
    own = study.own
    if not isinstance(own, TrialSettings):
        return []
    return trials_of(experiment, own, hrf_duration=study.model.hrf_duration)


def check_trials(study: Study, experiment: Experiment) -> None:
    """Refuse single trials of which no level could be told.

    Raises
    ------
    InputError
        As `pyhrf.model.trials.trials_of` and `pyhrf.model.trial_means.check_trial_means`.
    """
    if isinstance(study.own, TrialSettings):
        trials = study_trials(study, experiment)
        by_condition = study.own.trial_prior == "condition"
        check_trial_means(experiment, trials, study.model, by_condition=by_condition)


def code_versions(study: Study) -> dict[str, str]:
    """Name the versions of the code on which the numbers of a study depend."""
    versions = {"version of the numerical code": str(numerics_version())}
    return versions | {f"version of {name}": version(name) for name in study.kind.packages}


def numerics_version() -> int:
    """Tell the version of PyHRF's own numerical code."""
    from pyhrf.estimators import NUMERICS_VERSION

    return NUMERICS_VERSION
