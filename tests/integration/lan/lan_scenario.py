"""Runs on the client: many short batches on an engine, into a journal, as a run does.

``lan_scenario.py OUT --batches N --seconds S`` estimates N parcels that take S seconds each, and
prints as JSON how that went. The values of the estimates follow from the number of the parcel.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pyhrf.config.settings import load_settings
from pyhrf.data import Parcel, ParcelEstimate
from pyhrf.execution.engine import Batch, Engine
from pyhrf.execution.journal import Journal
from pyhrf.execution.lan import host
from pyhrf.execution.lan.engine import LanEngine
from pyhrf.execution.output_folder import folder_of_engine
from pyhrf.execution.packing import pack_estimates
from pyhrf.execution.queues.engine import QueueEngine
from pyhrf.execution.runner import Interrupted, run_batches


class Sleeper:
    """Sleeps over each parcel; at one of them, kills the worker."""

    name = "sleeper"

    def __init__(self, seconds: float, killer: int) -> None:
        self.seconds, self.killer = seconds, killer

    def recipe(self) -> dict[str, object]:
        return {"seconds": self.seconds, "killer": self.killer}

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        if parcel.number == self.killer:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        mean = parcel.bold.mean(axis=0)
        maps = {("nrl", "a"): mean, ("active", "a"): np.sqrt(np.abs(mean))}
        return ParcelEstimate(parcel.number, "ok", "", parcel.positions, maps=maps)


class Compiled(Sleeper):
    """Has a kernel to compile, which takes some seconds where its code is not kept."""

    def compile(self) -> None:
        from pyhrf.estimators.vem_kernels import contract_design

        contract_design(np.ones((1, 1, 4)), np.eye(2), np.ones(1, dtype=bool), 1)


class Stopwatch:
    """Notes when results arrive."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __enter__(self) -> Stopwatch:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, batch: Batch, *, n_failed: int) -> None:
        self.times.append(time.monotonic())


def loader(n_scans: int):
    def load(numbers: Sequence[int]) -> list[Parcel]:
        return [
            Parcel(
                number,
                np.random.default_rng(number).standard_normal((n_scans, 10), dtype=np.float32),
                np.array([[0, 1]], dtype=np.int32),
                np.arange(10) + 10 * number,
            )
            for number in numbers
        ]

    return load


def make_engine(name: str, out: Path, tell: Callable[[str], None]) -> Engine:
    settings = load_settings()
    if name == "LAN":
        return LanEngine(settings.parallel_LAN, tell=tell)
    engine = QueueEngine(name, settings.parallel_queue, tell=tell)
    engine.folder = folder_of_engine(out, name)
    return engine


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--batches", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--killer", type=int, default=0)
    parser.add_argument("--kernel", action="store_true")
    parser.add_argument("--scans", type=int, default=100)
    parser.add_argument("--engine", default="LAN")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--silence", type=float, default=60.0, help="of a client that is gone")
    options = parser.parse_args()
    begin = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - begin:.1f} {text}", file=sys.stderr, flush=True)

    host._SILENCE_SECONDS = options.silence
    engine = make_engine(options.engine, options.out, tell)
    # Workers import this module by its name: hosts by their sshd, jobs by the environment.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    import lan_scenario

    kind = lan_scenario.Compiled if options.kernel else lan_scenario.Sleeper
    estimator, load = kind(options.seconds, options.killer), loader(options.scans)
    everything = range(1, options.batches + 1)
    stopwatch = Stopwatch()
    with Journal(options.out, {"scenario": str(options.scans)}) as journal:
        n_before = len(journal.done())
        for result in engine.resume(f"{options.scans} {options.out}", fresh=options.fresh):
            if not journal.done().issuperset(result.batch.parcels):
                journal.add(result)
        n_fetched = len(journal.done()) - n_before
        left = [number for number in everything if number not in journal.done()]
        batches = [Batch(i, (number,), options.seconds) for i, number in enumerate(left)]
        try:
            run_batches(
                engine, batches, journal, load=load, estimator=estimator, progress=stopwatch
            )
        except Interrupted as interruption:
            tell(str(interruption))
            return 130
        found = journal.estimates()
        hosts = Counter(record.host for record in journal.history())
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    estimator.seconds = 0
    ok = [number for number, estimate in found.items() if estimate.status == "ok"]
    expected = [estimator.fit_parcel(load([number])[0]) for number in ok]
    same = pack_estimates(expected) == pack_estimates([found[number] for number in ok])
    times = stopwatch.times or [begin]
    figures = {
        "n_found": len(found),
        "n_fetched": n_fetched,
        "n_before": n_before,
        "failed": {n: e.reason for n, e in found.items() if e.status != "ok"},
        "same": same,
        "hosts": dict(hosts),
        "start_seconds": times[0] - begin - options.seconds,
        "work_seconds": times[-1] - times[0] + options.seconds,
        "peak_bytes": peak_bytes,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
