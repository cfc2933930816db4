"""Methods of single trials by name, each run as a program of its own, whose memory can be seen.

``python -m validation.trial_methods DATA METHOD RESULT`` reads a pickled `TrialData`, and writes
the levels.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from benchmarks.measure import run_program
from threadpoolctl import threadpool_limits

from pyhrf.data import FloatArray
from pyhrf.estimators import JDEVEM
from validation.trial_data import TrialData
from validation.trial_rivals import (
    FINE_STEP,
    Estimate,
    fit_glmsingle,
    fit_lsa,
    fit_lss,
    has_glmsingle,
)

__all__ = ["METHODS", "RIVALS", "Outcome", "run_method"]


@dataclass(frozen=True)
class Outcome:
    """Levels, and what they took.

    Attributes
    ----------
    estimate : Estimate
    seconds : float
        CPU time of the estimation; all types of GLMsingle come from one.
    peak : float
        Largest memory of the program, bytes.
    """

    estimate: Estimate
    seconds: float
    peak: float


def fit_pyhrf(data: TrialData, title: str = "PyHRF", **settings: Any) -> dict[str, Estimate]:
    """Estimate every parcel by `JDEVEM`; NaN where that fails."""
    estimator = JDEVEM(data.experiment, single_trials="all", **settings)
    n_trials = len(data.trials)
    levels, errors = [], []
    for parcel in data.parcels:
        maps = estimator.fit_parcel(parcel).maps
        missing = np.full((len(parcel.positions), n_trials), np.nan)
        levels.append(maps.get(("trials", ""), missing).T)
        errors.append(maps.get(("trials_sd", ""), missing).T)
    return {title: Estimate(*(np.hstack(part).astype(np.float64) for part in (levels, errors)))}


Method = Callable[[TrialData], dict[str, Estimate]]

METHODS: dict[str, Method] = {
    "pyhrf": fit_pyhrf,
    "pyhrf-run": partial(fit_pyhrf, title="PyHRF by runs", trial_hyper="run"),
    "lsa": fit_lsa,
    "lss": fit_lss,
    "glmsingle": fit_glmsingle,
    "glmsingle-fine": partial(fit_glmsingle, step=FINE_STEP),
    "glmsingle-files": partial(fit_glmsingle, as_is=True),
}
"""By name. ``pyhrf-run`` takes means and variances for each run from the others;
``glmsingle-files`` is what it takes in all."""
RIVALS = ("lsa", "lss", *(("glmsingle", "glmsingle-fine") if has_glmsingle() else ()))
"""Those of other programs that are there."""


def run_method(name: str, data: TrialData) -> dict[str, Outcome]:
    """Run a method as a program of its own, and give what it finds by the title of each kind."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder) / "data.pickle", Path(folder) / "result.npz"
        given.write_bytes(pickle.dumps(data))
        cost = run_program(sys.executable, "-m", "validation.trial_methods", given, name, result)
        with np.load(result) as found:
            titles = [str(title) for title in found["titles"]]
            return {
                title: Outcome(
                    Estimate(found[f"{title} level"], found[f"{title} sd"]),
                    float(found["seconds"]),
                    cost.peak,
                )
                for title in titles
            }


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True))
@click.argument("method", type=click.Choice(list(METHODS)))
@click.argument("result", type=click.Path(path_type=Path))
def main(data: Path, method: str, result: Path) -> None:
    """Run METHOD on DATA and write RESULT."""
    given: TrialData = pickle.loads(data.read_bytes())
    if method.startswith("pyhrf"):
        JDEVEM(given.experiment).compile()
    # of rivals, what they warn of at every run
    warnings.simplefilter("ignore" if method.startswith("glmsingle") else "default")
    with threadpool_limits(1):
        start = time.process_time()
        found = METHODS[method](given)
        seconds = time.process_time() - start
    arrays: dict[str, FloatArray] = {}
    for title, estimate in found.items():
        arrays |= {f"{title} level": estimate.level, f"{title} sd": estimate.sd}
    np.savez(result, titles=np.array(list(found)), seconds=seconds, **arrays)


if __name__ == "__main__":
    main()
