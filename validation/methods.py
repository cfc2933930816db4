"""The programs that are compared, each as a function from artificial data to an `Outcome`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from scipy.stats import norm
from threadpoolctl import threadpool_limits

from pyhrf.data import Estimator, FloatArray, ParcelEstimate
from pyhrf.estimators import JDEMCMC, JDEVEM, RFIR
from pyhrf.outputs.maps import MapName
from pyhrf.simulation.simulate import Simulated
from validation.glm import fit_glm
from validation.mixture import activation_probability
from validation.outcome import Outcome

__all__ = ["METHODS", "Method", "run_method"]

Method = Callable[[Simulated], Outcome]


@dataclass
class _Clock:
    seconds: float = field(default=0.0)


@contextmanager
def _timed() -> Iterator[_Clock]:
    """CPU seconds of what is done within, on one thread."""
    clock = _Clock()
    with threadpool_limits(1):
        start = time.process_time()
        yield clock
        clock.seconds = time.process_time() - start


def fit_jde(data: Simulated, **settings: object) -> Outcome:
    """Estimate every parcel by `JDEVEM`."""
    return _outcome(data, JDEVEM(data.experiment, **settings))  # type: ignore[arg-type]  # any


def fit_mcmc(data: Simulated) -> Outcome:
    """Estimate every parcel by `JDEMCMC`."""
    return _outcome(data, JDEMCMC(data.experiment))


def fit_rfir(data: Simulated) -> Outcome:
    """Estimate every parcel by `RFIR`, which has no classes.

    What a user would have: the level over its sd, whose spread where nothing responds is not 1
    since levels are regularised, and the mixture of classes that the GLM is given too.
    """
    outcome = _outcome(data, RFIR(data.experiment))
    assert outcome.level is not None
    assert outcome.level_sd is not None
    z = outcome.level / np.maximum(outcome.level_sd, 1e-12)
    z /= np.median(np.abs(z), axis=1, keepdims=True) / norm.ppf(0.75)
    negative = data.spec.negative_fraction > 0
    probability = np.stack([activation_probability(row, two_sided=negative) for row in z])
    return replace(outcome, score=np.abs(z) if negative else z, probability=probability)


def _outcome(data: Simulated, estimator: Estimator) -> Outcome:
    """Estimate every parcel; activation is 0 where an estimator has no such map."""
    estimates = [estimator.fit_parcel(parcel) for parcel in data.parcels()]
    conditions = data.experiment.conditions
    active = _gather(data, estimates, [("active", name) for name in conditions])
    return Outcome(
        score=active,
        probability=active,
        level=_gather(data, estimates, [("nrl", name) for name in conditions]),
        level_sd=_gather(data, estimates, [("nrl_sd", name) for name in conditions]),
        hrfs=[(e.hrf["time"], e.hrf["hrf"]) if e.hrf else None for e in estimates],
        estimates=estimates,
    )


def _gather(data: Simulated, estimates: list[ParcelEstimate], names: list[MapName]) -> FloatArray:
    """Maps of all parcels in the order of the positions; 0 where there is no estimate."""
    values = np.zeros((len(names), len(data.positions)))
    for estimate in estimates:
        members = np.searchsorted(data.positions, estimate.positions)
        for row, name in zip(values, names, strict=True):
            if name in estimate.maps:
                row[members] = np.nan_to_num(estimate.maps[name])
    return values


def run_method(name: str, data: Simulated) -> tuple[Outcome, float]:
    """Run a method and give its CPU seconds."""
    with _timed() as clock:
        outcome = METHODS[name](data)
    return outcome, clock.seconds


METHODS: dict[str, Method] = {
    "jde": fit_jde,
    "jde-white": partial(fit_jde, noise="white"),
    "jde-mcmc": fit_mcmc,
    "rfir": fit_rfir,
    **{
        f"glm-{model}" + (f"-{fwhm}mm" if fwhm else ""): partial(fit_glm, model=model, fwhm=fwhm)
        for model in ("canonical", "derivatives", "fir")
        for fwhm in (0, 5, 8)
    },
}
"""By name; the default estimator comes first."""
