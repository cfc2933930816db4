"""What the scenarios share: parcels, an estimator that sleeps over them, and how a run went.

Hosts and jobs import the estimator from here, so that this folder has to be on their PYTHONPATH.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pyhrf.data import Estimator, Parcel, ParcelEstimate, ParcelId
from pyhrf.execution.engine import Engine
from pyhrf.execution.journal import Journal
from pyhrf.execution.packing import pack_estimates
from pyhrf.execution.together import Journals

Load = Callable[[Sequence[ParcelId]], list[Parcel]]


class Sleeper(Estimator):
    """Sleeps over each parcel and writes down that it did; at one of them, kills its process."""

    name = "sleeper"

    def __init__(self, seconds: float, killer: int = 0, log: str = "") -> None:
        self.seconds, self.killer, self.log = seconds, killer, log

    def recipe(self) -> dict[str, object]:
        return {"seconds": self.seconds, "killer": self.killer, "log": self.log}

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        if parcel.number == self.killer:
            print("Segmentation fault (as it were)", file=sys.stderr, flush=True)
            # srun passes it on meanwhile: last words of a step that is killed at once can be lost
            time.sleep(0.5)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{parcel.number}\n")
        mean = parcel.bold.mean(axis=0)
        maps = {("nrl", "a"): mean, ("active", "a"): np.sqrt(np.abs(mean))}
        return ParcelEstimate(parcel.number, "ok", "", parcel.positions, maps=maps)


class Compiled(Sleeper):
    """Has a kernel to compile, which takes some seconds where its code is not kept."""

    def compile(self) -> None:
        from pyhrf.estimators.vem_kernels import contract_design

        contract_design(np.ones((1, 1, 4)), np.eye(2), np.ones(1, dtype=bool), 1)


def loader(n_scans: int) -> Load:
    """Give what makes parcels: their values follow from their numbers."""

    def load(parcels: Sequence[ParcelId]) -> list[Parcel]:
        return [
            Parcel(
                number,
                np.random.default_rng(number).standard_normal((n_scans, 10), dtype=np.float32),
                np.array([[0, 1]], dtype=np.int32),
                np.arange(10) + 10 * number,
            )
            for _, number in parcels
        ]

    return load


def telling(begin: float) -> Callable[[str], None]:
    """Give what writes each sentence of a run with the seconds since its begin."""

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:.1f} {text}", file=sys.stderr, flush=True)

    return tell


def fetch(engine: Engine, journal: Journal, study: str, *, fresh: bool = False) -> dict[str, int]:
    """Keep what an earlier run did not bring home; tell how much that was."""
    journals, n_before = Journals([journal]), len(journal.done())
    for result in engine.resume(study, fresh=fresh):
        if not journals.done().issuperset(result.batch.parcels):
            journals.add(result)
    return {"n_before": n_before, "n_fetched": len(journal.done()) - n_before}


def outcome(journal: Journal, load: Load) -> dict[str, object]:
    """Tell what is in the journal, and whether it has the bytes that it should have."""
    found = journal.estimates()
    ok = [number for number, estimate in found.items() if estimate.status == "ok"]
    expected = [Sleeper(0).fit_parcel(load([ParcelId(0, number)])[0]) for number in ok]
    return {
        "n_found": len(found),
        "failed": {n: e.reason for n, e in found.items() if e.status != "ok"},
        "same": pack_estimates(expected) == pack_estimates([found[number] for number in ok]),
    }
