"""The work on a prepared study, and what is written of it."""

from __future__ import annotations

import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyhrf.analysis.prepare import Prepared
from pyhrf.config.study import Study
from pyhrf.data import Estimator, ParcelEstimate
from pyhrf.estimation import design_warnings, numerics_version
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Engine
from pyhrf.execution.journal import Journal
from pyhrf.execution.progress import make_progress
from pyhrf.execution.result_files import collected_log
from pyhrf.execution.runner import Keeper, run_batches
from pyhrf.inputs.dataset import Dataset
from pyhrf.notices import DoneBefore
from pyhrf.results import Results, collect_provenance, write_provenance, write_results
from pyhrf.study_data import Tell

LOG_FILE = "pyhrf.log"
"""Warnings of a run, in the output directory; there when there are any."""

_HERE = ("serial", "local")
_NOT_REACHED = "not reached: an earlier parcel failed and the run was to stop there"
_log = logging.getLogger(__name__)


def bring_home(engine: Engine, journal: Keeper, key: object, *, fresh: bool) -> None:
    """Keep what an engine on other machines finished in earlier runs and did not bring home.

    Parameters
    ----------
    engine : Engine
    journal : Keeper
    key : object
        Everything that the results depend on, of what JSON can hold.
    fresh : bool
        Whether that is to be removed instead.
    """
    if not engine.resumes:
        return
    # Work that continues elsewhere is found by the notes beside the journal, which move with it.
    where = "" if engine.detaches else str(journal.directory)
    results = engine.resume(json.dumps([where, key]), fresh=fresh)
    done = journal.done() if results else set()
    for result in results:
        if not done.issuperset(result.batch.parcels):
            journal.add(result)
            done.update(result.batch.parcels)


def compile_here(engine: Engine, estimator: Estimator, tell: Tell) -> None:
    """Compile before the work begins, if it is done in this process."""
    if engine.name in _HERE:
        slow = _said_if_slow("compiling the estimator, once on this machine", tell)
        with slow, collected_log(told=True) as logged:
            estimator.compile()
        for note in logged.notes:
            tell(f"note: {note}")


@contextmanager
def _said_if_slow(what: str, tell: Tell) -> Iterator[None]:
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
    if path.is_symlink():  # somebody's, to have us write elsewhere
        path.unlink()
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


def keep_in_log(warnings: Sequence[str], name: str = "") -> None:
    """Write warnings that the user has been told into the files of the log.

    Parameters
    ----------
    warnings : sequence of str
    name : str
        Of their study, where there are several.
    """
    log = logging.getLogger("pyhrf")
    files = [handler for handler in log.handlers if isinstance(handler, logging.FileHandler)]
    for text in warnings:
        named = f"{name}: {text}" if name else text
        record = log.makeRecord(_log.name, logging.WARNING, "", 0, named, (), None)
        for file in files:
            file.handle(record)


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
        bring_home(self.engine, self.journal, dict(self.prepared.key), fresh=fresh)
        done = self.journal.done() & dataset.parcels.keys()
        left = {n: estimator.cost(size) for n, size in dataset.parcels.items() if n not in done}
        if done:
            tell(DoneBefore(len(done), len(dataset.parcels)))
        if left:
            compile_here(self.engine, estimator, tell)
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
        return write_study(
            self.study,
            self.prepared.dataset,
            self.journal,
            checksums=self.prepared.checksums,
            engine=self.engine,
            started=started,
            command=command,
        )


def write_study(
    study: Study,
    dataset: Dataset,
    journal: Journal,
    *,
    checksums: Mapping[str, str],
    engine: Engine,
    started: datetime,
    command: Sequence[str],
) -> Results:
    """Write tables, maps and provenance of a study from its journal.

    Parameters
    ----------
    study : Study
    dataset : Dataset
        Its data.
    journal : Journal
        Parcels that it lacks are written as skipped.
    checksums : mapping of str to str
        Of the input files, by path.
    engine : Engine
        Which did the work.
    started : datetime
        When this run began.
    command : sequence of str
        The command line.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        If something cannot be read or written.
    """
    estimates = _all_estimates(dataset, journal)
    results = write_results(
        study.output,
        estimates,
        conditions=dataset.experiment.conditions,
        space=dataset.space,
    )
    provenance = collect_provenance(
        command=command,
        started=started,
        study=study.model_dump(mode="json"),
        checksums=checksums,
        engine={"name": engine.name, "n_workers": engine.n_workers},
        batches=[
            {"parcels": record.parcels, "host": record.host, "seconds": record.seconds}
            for record in journal.history()
        ],
        parcels=Counter(estimate.status for estimate in estimates),
        notes=[
            *dataset.notes,
            *design_warnings(study, dataset.experiment),
            *journal.notes,
        ],
        numerics_version=numerics_version(),
        runs=[
            {
                "tr": run.tr,
                "n_scans": run.n_scans,
                "n_censored": run.n_scans - int(run.kept.sum()),
                "n_not_steady": n_not_steady,
                "n_spm_confounds": n_spm_confounds,
            }
            for run, n_not_steady, n_spm_confounds in zip(
                dataset.experiment.runs,
                dataset.n_not_steady,
                dataset.n_spm_confounds,
                strict=True,
            )
        ],
    )
    write_provenance(study.output, provenance)
    return results


def _all_estimates(dataset: Dataset, journal: Journal) -> list[ParcelEstimate]:
    """Return the estimates of the journal, and a row for each parcel that was not reached."""
    found = journal.estimates()
    missing = (
        ParcelEstimate(number, "skipped", _NOT_REACHED, dataset.load([number])[0].positions)
        for number in dataset.parcels
        if number not in found
    )
    return [*found.values(), *missing]
