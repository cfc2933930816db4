"""Runs on the client: many short parcels on the engine cluster, into a journal, as a run does.

``soma_scenario.py OUT --parcels N --seconds S`` estimates N parcels that take S seconds each, and
prints as JSON how that went. The values of the estimates follow from the number of the parcel.
Jobs import the estimator from here, so that this folder has to be on their PYTHONPATH.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyhrf.config.settings import load_settings
from pyhrf.data import Parcel, ParcelEstimate
from pyhrf.errors import PyhrfError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.journal import Journal
from pyhrf.execution.output_folder import folder_of_engine, held
from pyhrf.execution.packing import pack_estimates
from pyhrf.execution.runner import Interrupted, run_batches
from pyhrf.execution.soma.engine import SomaEngine


class Sleeper:
    """Sleeps over each parcel and writes down that it did; at one of them, kills its process."""

    name = "sleeper"

    def __init__(self, seconds: float, killer: int, log: str) -> None:
        self.seconds, self.killer, self.log = seconds, killer, log

    def recipe(self) -> dict[str, object]:
        return {"seconds": self.seconds, "killer": self.killer, "log": self.log}

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        if parcel.number == self.killer:
            print("Segmentation fault (as it were)", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        if self.log:
            with Path(self.log).open("a") as file:
                file.write(f"{parcel.number}\n")
        mean = parcel.bold.mean(axis=0)
        maps = {("nrl", "a"): mean, ("active", "a"): np.sqrt(np.abs(mean))}
        return ParcelEstimate(parcel.number, "ok", "", parcel.positions, maps=maps)


def load(numbers: Sequence[int]) -> list[Parcel]:
    return [
        Parcel(
            number,
            np.random.default_rng(number).standard_normal((20, 10), dtype=np.float32),
            np.array([[0, 1]], dtype=np.int32),
            np.arange(10) + 10 * number,
        )
        for number in numbers
    ]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--parcels", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--killer", type=int, default=0)
    parser.add_argument("--log", default="")
    parser.add_argument("--cancel", action="store_true")
    options = parser.parse_args()
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:.1f} {text}", file=sys.stderr, flush=True)

    # As the program gives it: what it starts imports this module by its name.
    from soma_scenario import Sleeper as Imported

    engine = SomaEngine(load_settings().parallel_cluster, tell=tell)
    engine.folder = folder_of_engine(options.out, engine.name)
    if options.cancel:
        with held(options.out):
            print(engine.cancel())
        return 0
    estimator = Imported(options.seconds, options.killer, options.log)
    with Journal(options.out, {}) as journal:
        n_before = len(journal.done())
        for result in engine.resume(f"sleeper {options.out}", fresh=False):
            if not journal.done().issuperset(result.batch.parcels):
                journal.add(result)
        n_fetched = len(journal.done()) - n_before
        left = [n for n in range(1, options.parcels + 1) if n not in journal.done()]
        batches = make_batches(dict.fromkeys(left, 1.0), target_cost=1.0)
        try:
            run_batches(engine, batches, journal, load=load, estimator=estimator)
        except Interrupted as interruption:
            tell(str(interruption))
            return 130
        except PyhrfError as error:
            tell(str(error))
            return 1
        found = journal.estimates()
    expected = Imported(0, 0, "")
    ok = [number for number, estimate in found.items() if estimate.status == "ok"]
    correct = pack_estimates([expected.fit_parcel(load([number])[0]) for number in ok])
    figures = {
        "n_found": len(found),
        "n_before": n_before,
        "n_fetched": n_fetched,
        "failed": {n: e.reason for n, e in found.items() if e.status != "ok"},
        "same": correct == pack_estimates([found[number] for number in ok]),
        "seconds": time.monotonic() - begin,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
