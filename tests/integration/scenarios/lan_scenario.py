"""Runs on the client: many short batches on an engine, into a journal, as a run does.

``lan_scenario.py OUT --batches N --seconds S`` estimates N parcels that take S seconds each, and
prints as JSON how that went.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sleeper import Compiled, Sleeper, fetch, loader, outcome, telling

from pyhrf.config.settings import load_settings
from pyhrf.data import ParcelId
from pyhrf.execution.engine import Batch, Engine
from pyhrf.execution.journal import Journal
from pyhrf.execution.lan import host
from pyhrf.execution.lan.engine import LanEngine
from pyhrf.execution.output_folder import folder_of_engine
from pyhrf.execution.queues.engine import QueueEngine
from pyhrf.execution.runner import Interrupted, run_batches
from pyhrf.execution.studies import Studies
from pyhrf.execution.together import Journals


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
    tell, load = telling(begin), loader(options.scans)
    host._SILENCE_SECONDS = options.silence
    engine = make_engine(options.engine, options.out, tell)
    # Workers import the estimator by its name: hosts by their sshd, jobs by the environment.
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    kind = Compiled if options.kernel else Sleeper
    estimator = kind(options.seconds, options.killer)
    stopwatch = Stopwatch()
    with Journal(options.out, {"scenario": str(options.scans)}) as journal:
        fetched = fetch(engine, journal, f"{options.scans} {options.out}", fresh=options.fresh)
        left = [n for n in range(1, options.batches + 1) if n not in journal.done()]
        batches = [Batch(i, (ParcelId(0, n),), options.seconds) for i, n in enumerate(left)]
        studies = Studies([estimator])
        try:
            run_batches(
                engine, batches, Journals([journal]), load=load, studies=studies, progress=stopwatch
            )
        except Interrupted as interruption:
            tell(str(interruption))
            return 130
        figures = {**fetched, **outcome(journal, load)}
        hosts = Counter(record.host for record in journal.history())
    times = stopwatch.times or [begin]
    figures |= {
        "hosts": dict(hosts),
        "start_seconds": times[0] - begin - options.seconds,
        "work_seconds": times[-1] - times[0] + options.seconds,
        "peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
