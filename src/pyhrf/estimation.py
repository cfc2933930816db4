"""From a study to the estimator that it names: the one place that knows all of them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Protocol

from pyhrf.config.study import Study
from pyhrf.data import Estimator, Experiment
from pyhrf.model.alike import alike_conditions
from pyhrf.model.checks import checked_design


class StudyEstimator(Estimator, Protocol):
    """An estimator of which an analysis can plan the work."""

    def compile(self) -> None:
        """Bring compiled code into memory, before workers need it."""
        ...

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel takes, seconds, roughly."""
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
    shared = {**_model(study), "contrasts": contrasts}
    make = {"jde-vem": _vem, "jde-mcmc": _mcmc, "rfir": _rfir, "glm": _glm}[study.estimator]
    return make(study, experiment, shared)


def check_estimator(
    study: Study, experiment: Experiment, contrasts: Mapping[str, Mapping[str, float]]
) -> None:
    """Check that `make_estimator` could make the estimator of a study, by making its design.

    No compiled code is imported, which takes longer than all else that a study is checked for.
    Only the design of the GLM is nilearn's, which has to be imported: seconds.

    Parameters
    ----------
    study, experiment, contrasts
        As of `make_estimator`.

    Raises
    ------
    InputError
        If the study's values do not fit the experiment.
    """
    if study.estimator == "glm":
        make_estimator(study, experiment, contrasts)
    else:
        checked_design(experiment, dt=study.hrf.dt, **_model(study))


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
    model = _model(study)
    del model["noise"]
    return alike_conditions(experiment, dt=study.hrf.dt, **model)


def _model(study: Study) -> dict[str, Any]:
    """Give the values that all estimators take."""
    return {
        "hrf_duration": study.hrf.duration,
        "drift": study.drift.kind,
        "drift_cutoff": study.drift.cutoff,
        "drift_order": study.drift.order,
        "noise": study.noise.kind,
    }


# Imported only when they are needed: compiled code and nilearn take seconds to import.


def _vem(study: Study, experiment: Experiment, shared: dict[str, Any]) -> StudyEstimator:
    from pyhrf.estimators import JDEVEM

    vem = study.vem
    return JDEVEM(
        experiment,
        dt=study.hrf.dt,
        n_iterations=vem.n_iterations,
        tolerance=vem.tolerance,
        beta=None if vem.beta == "estimate" else vem.beta,
        shared_noise=vem.shared_noise,
        ppm_threshold=vem.ppm_threshold,
        min_positions=vem.min_positions,
        seed=study.seed,
        **shared,
    )


def _mcmc(study: Study, experiment: Experiment, shared: dict[str, Any]) -> StudyEstimator:
    from pyhrf.estimators import JDEMCMC

    mcmc = study.mcmc
    return JDEMCMC(
        experiment,
        dt=study.hrf.dt,
        n_iterations=mcmc.n_iterations,
        n_burn_in=mcmc.n_burn_in,
        n_chains=mcmc.n_chains,
        start=mcmc.start,
        beta=None if mcmc.beta == "estimate" else mcmc.beta,
        ppm_threshold=mcmc.ppm_threshold,
        min_positions=mcmc.min_positions,
        seed=study.seed,
        **shared,
    )


def _rfir(study: Study, experiment: Experiment, shared: dict[str, Any]) -> StudyEstimator:
    from pyhrf.estimators import RFIR

    rfir = study.rfir
    return RFIR(
        experiment,
        dt=study.hrf.dt,
        n_iterations=rfir.n_iterations,
        tolerance=rfir.tolerance,
        ppm_threshold=rfir.ppm_threshold,
        min_positions=rfir.min_positions,
        **shared,
    )


def _glm(study: Study, experiment: Experiment, shared: dict[str, Any]) -> StudyEstimator:
    from pyhrf.estimators.glm import GLM

    glm = study.glm
    return GLM(
        experiment,
        model=glm.model,
        fir_delays=glm.delays,
        min_positions=glm.min_positions,
        **shared,
    )


def code_versions(study: Study) -> dict[str, str]:
    """Name the versions of the code on which the numbers of a study depend."""
    versions = {"version of the numerical code": str(numerics_version())}
    if study.estimator == "glm":
        versions["version of nilearn"] = version("nilearn")
    return versions


def numerics_version() -> int:
    """Tell the version of PyHRF's own numerical code."""
    from pyhrf.estimators import NUMERICS_VERSION

    return NUMERICS_VERSION
