"""A run in a process of its own, to be killed: DIR ENGINE N_PARCELS SECONDS_PER_PARCEL."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from execution_fakes import FakeEstimator, ids, load, only

from pyhrf.errors import PyhrfError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.journal import Journal
from pyhrf.execution.local import LocalEngine
from pyhrf.execution.runner import Interrupted, run_batches
from pyhrf.execution.serial import SerialEngine
from pyhrf.execution.together import Journals


def main() -> int:
    directory, engine_name, n_parcels, seconds = sys.argv[1:]
    # A test runner in the background, or under nohup, hands on signals that are ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    engine = SerialEngine() if engine_name == "serial" else LocalEngine(2)
    log = Path(directory).with_name("worked_on.txt")
    started = Path(directory).with_name("started.txt")
    estimator = FakeEstimator(
        seconds=float(seconds), log=log, before=lambda _number: started.touch()
    )
    try:
        with Journal(Path(directory), {"study": "1"}) as journal:
            todo = set(range(1, int(n_parcels) + 1)) - journal.done()
            batches = make_batches(
                dict.fromkeys(ids(*todo), float(seconds)),
                target_cost=0.3,
                n_workers=engine.n_workers,
            )
            run_batches(engine, batches, Journals([journal]), load=load, studies=only(estimator))
    except Interrupted as error:
        print(error, file=sys.stderr)
        return 130
    except PyhrfError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
