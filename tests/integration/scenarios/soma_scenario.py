"""Runs on the client: many short parcels on the engine cluster, into a journal, as a run does.

``soma_scenario.py OUT --parcels N --seconds S`` estimates N parcels that take S seconds each, and
prints as JSON how that went.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from sleeper import Sleeper, fetch, loader, outcome, telling

from pyhrf.config.settings import load_settings
from pyhrf.data import ParcelId
from pyhrf.errors import PyhrfError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.journal import Journal
from pyhrf.execution.output_folder import folder_of_engine, held
from pyhrf.execution.runner import Interrupted, run_batches
from pyhrf.execution.soma.engine import SomaEngine
from pyhrf.execution.studies import Studies
from pyhrf.execution.together import Journals


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
    tell, load = telling(begin), loader(20)
    engine = SomaEngine(load_settings().parallel_cluster, tell=tell)
    engine.folder = folder_of_engine(options.out, engine.name)
    if options.cancel:
        with held(options.out):
            print(engine.cancel())
        return 0
    estimator = Sleeper(options.seconds, options.killer, options.log)
    with Journal(options.out, {}) as journal:
        fetched = fetch(engine, journal, f"sleeper {options.out}")
        left = [ParcelId(0, n) for n in range(1, options.parcels + 1) if n not in journal.done()]
        batches = make_batches(dict.fromkeys(left, 1.0), target_cost=1.0)
        try:
            run_batches(
                engine, batches, Journals([journal]), load=load, studies=Studies([estimator])
            )
        except PyhrfError as error:
            tell(str(error))
            return 130 if isinstance(error, Interrupted) else 1
        figures = {**fetched, **outcome(journal, load)}
    print(json.dumps({**figures, "seconds": time.monotonic() - begin}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
