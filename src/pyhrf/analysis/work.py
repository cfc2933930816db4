"""The work on a prepared study, and what is written of it."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from pyhrf.analysis.prepare import Prepared, map_grid
from pyhrf.config.study import Study
from pyhrf.data import ParcelEstimate
from pyhrf.estimation import numerics_version
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Detaching, Engine, Resumable
from pyhrf.execution.journal import Journal
from pyhrf.execution.progress import make_progress
from pyhrf.execution.runner import run_batches
from pyhrf.results import Results, collect_provenance, write_provenance, write_results
from pyhrf.study_data import Tell

__all__ = ["LOG_FILE", "StudyRun", "said_if_slow", "show_in_report", "warnings_in"]

LOG_FILE = "pyhrf.log"
"""Warnings of a run, in the output directory; there when there are any."""

_HERE = ("serial", "local")
_NOT_REACHED = "not reached: an earlier parcel failed and the run was to stop there"
_log = logging.getLogger(__name__)


@contextmanager
def said_if_slow(what: str, tell: Tell) -> Iterator[None]:
    """Say what the user is waiting for if it takes longer than a second."""
    timer = threading.Timer(1.0, tell, [what])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def show_in_report(results: Results, tell: Tell) -> None:
    """Make the report; the results are whole without it, so that no fault of it may end the run."""
    from pyhrf.results.report import write_report  # its figures take half a second to import

    try:
        write_report(results.directory)
    except Exception as error:
        _log.exception("the report could not be made")
        reason = " ".join(str(error).split()) or type(error).__name__
        tell(
            f"the results are whole, but the report could not be made ({reason}): "
            f"try 'pyhrf report {results.directory}'"
        )


@contextmanager
def warnings_in(path: Path) -> Iterator[None]:
    """Keep warnings and the tracebacks of internal errors in a file, made when there is one."""
    file = logging.FileHandler(path, delay=True, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    file.setLevel(logging.WARNING)
    log = logging.getLogger("pyhrf")
    log.addHandler(file)
    try:
        yield
    finally:
        log.removeHandler(file)
        file.close()


@dataclass(frozen=True)
class StudyRun:
    """The work on a prepared study, and what is written of it."""

    study: Study
    prepared: Prepared
    journal: Journal
    engine: Engine

    def work(self, *, fresh: bool, stop: bool, verbosity: int, tell: Tell) -> None:
        """Estimate the parcels that the journal lacks."""
        dataset, estimator = self.prepared.dataset, self.prepared.estimator
        if isinstance(self.engine, Resumable):
            # What goes on elsewhere is found by the notes beside the journal, which move with it.
            detached = isinstance(self.engine, Detaching)
            where = "" if detached else str(self.journal.directory)
            identity = json.dumps([where, dict(self.prepared.key)])
            for result in self.engine.resume(identity, fresh=fresh):
                if not self.journal.done().issuperset(result.batch.parcels):
                    self.journal.add(result)
        done = self.journal.done() & dataset.parcels.keys()
        left = {n: estimator.cost(size) for n, size in dataset.parcels.items() if n not in done}
        if done:
            tell(f"{len(done)} of {len(dataset.parcels)} parcels were already done")
        if left and self.engine.name in _HERE:
            with said_if_slow("compiling the estimator, once on this machine", tell):
                estimator.compile()
        batches = make_batches(
            left, target_cost=self.engine.batch_seconds, n_workers=self.engine.n_workers
        )
        run_batches(
            self.engine,
            batches,
            self.journal,
            load=dataset.load,
            estimator=estimator,
            progress=make_progress(batches, n_before=len(done), verbosity=verbosity),
            stop_at_first_failure=stop,
        )

    def write(self, *, started: datetime, command: Sequence[str]) -> Results:
        """Write tables, maps and provenance from the journal."""
        dataset = self.prepared.dataset
        estimates = self._all_estimates()
        labels = np.zeros(dataset.shape, np.int32)
        for estimate in estimates:
            labels.reshape(-1)[estimate.positions] = estimate.parcel
        results = write_results(
            self.study.output,
            estimates,
            conditions=dataset.experiment.conditions,
            grid=map_grid(dataset, labels),
        )
        provenance = collect_provenance(
            command=command,
            started=started,
            study=self.study.model_dump(mode="json"),
            checksums=self.prepared.checksums,
            engine={"name": self.engine.name, "n_workers": self.engine.n_workers},
            batches=[
                {"parcels": record.parcels, "host": record.host, "seconds": record.seconds}
                for record in self.journal.history()
            ],
            parcels=Counter(estimate.status for estimate in estimates),
            notes=[*dataset.notes, *self.journal.notes],
            numerics_version=numerics_version(),
        )
        write_provenance(self.study.output, provenance)
        return results

    def _all_estimates(self) -> list[ParcelEstimate]:
        """Return the estimates of the journal, and a row for each parcel that was not reached."""
        dataset, found = self.prepared.dataset, self.journal.estimates()
        missing = (
            ParcelEstimate(number, "skipped", _NOT_REACHED, dataset.load([number])[0].positions)
            for number in dataset.parcels
            if number not in found
        )
        return [*found.values(), *missing]
