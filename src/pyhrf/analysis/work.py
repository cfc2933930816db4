"""The work on prepared studies, one or many, and what is written of each."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pyhrf.config.study import Study
from pyhrf.data import Estimator, ParcelEstimate, ParcelId
from pyhrf.errors import InputError
from pyhrf.estimation import design_warnings, numerics_version, regressors_of, study_trials
from pyhrf.execution.batches import study_by_study
from pyhrf.execution.engine import Engine, Load
from pyhrf.execution.journal import Journal
from pyhrf.execution.progress import make_progress
from pyhrf.execution.result_files import collected_log
from pyhrf.execution.runner import run_batches
from pyhrf.execution.studies import Studies
from pyhrf.execution.together import Journals
from pyhrf.inputs.dataset import Dataset
from pyhrf.notices import DoneBefore
from pyhrf.results import Results, collect_provenance, write_provenance, write_results
from pyhrf.results.fit_tables import Design
from pyhrf.spaces.parcellations import parcel_names
from pyhrf.study_data import Tell

LOG_FILE = "pyhrf.log"
"""Warnings of a run, in the output directory; there when there are any."""

_HERE = ("serial", "local")
_NOT_REACHED = "not reached: an earlier parcel failed and the run was to stop there"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """A study of a run, ready for work.

    Attributes
    ----------
    study : Study
    journal : Journal
        Held open.
    key : mapping of str to str
        Everything that the results depend on.
    checksums : mapping of str to str
        Of the input files, by path.
    costs : mapping of int to float
        Seconds of each parcel.
    estimator : Estimator or str
        Itself, or its packed recipe.
    open_data : callable
        Gives the data.
    name : str
        Where there are several, as the user reads it.
    """

    study: Study
    journal: Journal
    key: Mapping[str, str]
    checksums: Mapping[str, str]
    costs: Mapping[int, float]
    estimator: Estimator | str
    open_data: Callable[[], Dataset]
    name: str = ""

    def left(self) -> dict[int, float]:
        """Give the costs of the parcels that are to be done."""
        done = self.journal.done()
        return {number: cost for number, cost in self.costs.items() if number not in done}

    def write(self, engine: Engine, *, started: datetime, command: Sequence[str]) -> Results:
        """Write tables, maps and provenance from the journal.

        Parcels that it lacks are written as skipped.

        Parameters
        ----------
        engine : Engine
            Which did the work.
        started : datetime
            When this run began.
        command : sequence of str
            The command line.

        Raises
        ------
        InputError
            If something cannot be read or written.
        """
        study, dataset, journal = self.study, self.open_data(), self.journal
        estimates = _all_estimates(dataset, journal)
        results = write_results(
            study.output,
            estimates,
            conditions=dataset.experiment.conditions,
            space=dataset.space,
            regions=_regions(study.data.parcellation),
            design=Design(
                experiment=dataset.experiment,
                regressors=regressors_of(study, dataset.experiment),
                confound_names=dataset.confound_names,
                displacement=dataset.displacement,
                trials=study_trials(study, dataset.experiment),
            ),
        )
        provenance = collect_provenance(
            command=command,
            started=started,
            study=study.model_dump(mode="json"),
            checksums=self.checksums,
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


def _regions(parcellation: Path | None) -> dict[int, str]:
    """Give the names of parcels; none where the file has gone since it was read."""
    try:
        return {} if parcellation is None else parcel_names(parcellation)
    except (InputError, OSError):
        return {}


def estimate(
    members: Sequence[Member],
    engine: Engine,
    journals: Journals,
    load: Load,
    *,
    verbosity: int | None,
    tell: Tell,
    stop_at_first_failure: bool = False,
) -> None:
    """Estimate the parcels of all studies that their journals lack, as one pool of work."""
    names = [member.name for member in members if member.name]
    studies = Studies([member.estimator for member in members], names)
    left = {
        ParcelId(place, number): cost
        for place, member in enumerate(members)
        for number, cost in member.left().items()
    }
    n_all = sum(len(member.costs) for member in members)
    if len(left) < n_all:
        tell(DoneBefore(n_all - len(left), n_all))
    if left:
        compile_here(engine, studies.estimator(0), tell)
    batches = study_by_study(left, target_cost=engine.batch_seconds, n_workers=engine.n_workers)
    run_batches(
        engine,
        batches,
        journals,
        load=load,
        studies=studies,
        progress=make_progress(batches, n_before=n_all - len(left), verbosity=verbosity),
        stop_at_first_failure=stop_at_first_failure,
    )


def compile_here(engine: Engine, estimator: Estimator, tell: Tell) -> None:
    """Compile before the work begins, if it is done in this process; all share what is compiled."""
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


def _all_estimates(dataset: Dataset, journal: Journal) -> list[ParcelEstimate]:
    """Return the estimates of the journal, and a row for each parcel that was not reached."""
    found = journal.estimates()
    missing = (
        ParcelEstimate(number, "skipped", _NOT_REACHED, dataset.load([number])[0].positions)
        for number in dataset.parcels
        if number not in found
    )
    return [*found.values(), *missing]
