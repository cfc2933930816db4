"""The programs that are compared, each as a function from artificial data to an `Outcome`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from pyhrf.data import FloatArray, ParcelEstimate
from pyhrf.estimators import JDEVEM
from pyhrf.simulation.simulate import Simulated
from validation.glm import fit_glm
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
    parcels = data.parcels()
    estimator = JDEVEM(data.experiment, **settings)  # type: ignore[arg-type]  # any setting
    estimates = [estimator.fit_parcel(parcel) for parcel in parcels]
    conditions = data.experiment.conditions
    return Outcome(
        score=_gather(data, estimates, [f"active_{name}" for name in conditions]),
        probability=_gather(data, estimates, [f"active_{name}" for name in conditions]),
        level=_gather(data, estimates, [f"nrl_{name}" for name in conditions]),
        level_sd=_gather(data, estimates, [f"nrl_sd_{name}" for name in conditions]),
        hrfs=[(e.hrf["time"], e.hrf["hrf"]) if e.hrf else None for e in estimates],
        estimates=estimates,
    )


def _gather(data: Simulated, estimates: list[ParcelEstimate], names: list[str]) -> FloatArray:
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
    **{
        f"glm-{model}" + (f"-{fwhm}mm" if fwhm else ""): partial(fit_glm, model=model, fwhm=fwhm)
        for model in ("canonical", "derivatives", "fir")
        for fwhm in (0, 5, 8)
    },
}
"""By name; the default estimator comes first."""
