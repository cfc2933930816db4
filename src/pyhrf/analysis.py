"""From a study to its results: the whole way of the data through the rooms, in order.

Everything is checked before anything is written. Then parcels go to an engine, their estimates
into the journal, and from there into tables and maps. A run that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyhrf.config.contrasts import parse_contrast
from pyhrf.config.settings import Settings, load_settings
from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study
from pyhrf.data import Experiment, ParcelEstimate
from pyhrf.errors import ConfigError, InputError
from pyhrf.estimation import StudyEstimator, code_versions, make_estimator, numerics_version
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Detaching, Engine, Keeping, Resumable
from pyhrf.execution.engines import ENGINES, begin_anew, make_engine, tell_what_goes_on
from pyhrf.execution.journal import Journal, folder_of_engine
from pyhrf.execution.progress import make_progress
from pyhrf.execution.runner import run_batches
from pyhrf.inputs.cifti import Grayordinates
from pyhrf.inputs.dataset import Dataset
from pyhrf.inputs.surfaces import Mesh
from pyhrf.model.levels import spread_weights
from pyhrf.results import (
    GrayordinateGrid,
    Grid,
    MapGrid,
    NodeGrid,
    Results,
    check_names,
    collect_provenance,
    write_provenance,
    write_results,
)
from pyhrf.study_data import EXAMPLE_DATA, StudyData, Tell, open_files, study_data

__all__ = ["ENGINES", "LOG_FILE", "analyse", "check_study", "load_study"]

_HERE = ("serial", "local")
LOG_FILE = "pyhrf.log"

_NOT_REACHED = "not reached: an earlier parcel failed and the run was to stop there"
_log = logging.getLogger(__name__)


def load_study(path: str | Path) -> Study:
    """Read a study file.

    Parameters
    ----------
    path : path
        Such as ``detectestim.xml``.

    Returns
    -------
    Study
        With absolute paths.

    Raises
    ------
    ConfigError
        Naming file, line, element, value and what is allowed.
    """
    return read_study(path)


def check_study(study: Study) -> list[str]:
    """Check that the files of a study can be used and that its parameters fit them.

    Parameters
    ----------
    study : Study
        Of kind ``volume`` or ``surface``.

    Returns
    -------
    list of str
        What the user should know, such as events outside the scan time.

    Raises
    ------
    InputError, ConfigError
        Naming file, place, value and cure.
    """
    data = study.data
    dataset = open_files(study, data.runs, data.parcellation, data.meshes)
    _check_fit(study, dataset)
    return dataset.notes


def analyse(
    study: Study | str | Path,
    *,
    engine: str | Engine = "local",
    n_jobs: int | None = None,
    output: str | Path | None = None,
    fresh: bool = False,
    stop_at_first_failure: bool = False,
    verbosity: int = 0,
    settings: Settings | None = None,
    tell: Tell | None = None,
    command: Sequence[str] = (),
) -> Results:
    """Estimate every parcel of a study and write tables, maps and provenance.

    The results do not depend on the engine. Parcels that are already in the output directory's
    journal, for the same study and data, are not estimated again.

    Parameters
    ----------
    study : Study or path
        The study, or its file.
    engine : {"serial", "local", "LAN", "cluster", "slurm", "pbs", ...} or Engine
        One parcel after the other, on the cores of this machine, on the hosts of
        ``[parallel-LAN]`` in the settings, in jobs of the cluster of ``[parallel-cluster]``, or
        in jobs of a batch scheduler on whose login node this runs.
    n_jobs : int, optional
        Job slots of ``local``; by default ``nb_procs`` of the settings.
    output : path, optional
        Output directory, in place of the study's.
    fresh : bool
        Rename an output directory with older results to ``DIR.old-1`` … and begin anew.
    stop_at_first_failure : bool
        Start nothing more when a parcel has failed.
    verbosity : int
        0 shows nothing, 1 and more a progress bar on standard error.
    settings : Settings, optional
        By default those of ``~/.pyhrf/config.cfg``.
    tell : callable, optional
        Called with each sentence that the user should read; by default they are logged.
    command : sequence of str, optional
        What ``run.json`` gives as the command line.

    Returns
    -------
    Results
        ``results.failed`` names the parcels that could not be estimated.

    Raises
    ------
    InputError, ConfigError
        Before any work, naming file, place, value and cure.
    pyhrf.execution.runner.Interrupted
        On Ctrl-C or SIGTERM; the same call goes on where this one was.

    Examples
    --------
    >>> results = analyse("detectestim.xml", engine="serial")  # doctest: +SKIP
    >>> results.parcels[["parcel", "time_to_peak"]]  # doctest: +SKIP
    """
    started = datetime.now(UTC)
    tell = tell or _log.warning
    study = study if isinstance(study, Study) else load_study(study)
    study = study.with_absolute_paths()
    if output is not None:
        study = study.replaced(output=Path(output).absolute())
    settings = settings or load_settings()
    chosen = make_engine(engine, settings, tell=tell, n_jobs=n_jobs)
    if isinstance(chosen, Keeping):
        chosen.folder = folder_of_engine(study.output, chosen.name)
    with study_data(study, fresh=fresh, tell=tell) as data:
        prepared = _prepare(study, data)
        prepared.dataset.read()  # damage inside a file shows only here: before anything is written
        for note in prepared.dataset.notes:
            tell(f"note: {note}")
        if fresh:
            begin_anew(study.output, chosen, tell=tell)
        tell_what_goes_on(study.output, chosen, tell=tell)
        expected = (EXAMPLE_DATA,) if study.data.kind == "simulation" else ()
        with (
            Journal(study.output, prepared.key, expected=expected) as journal,
            _warnings_in(study.output / LOG_FILE),
        ):
            for note in journal.notes:
                tell(f"note: {note}")
            data.keep()
            run = _Run(study, prepared, journal, chosen)
            run.work(fresh=fresh, stop=stop_at_first_failure, verbosity=verbosity, tell=tell)
            results = run.write(started=started, command=command or sys.argv)
            _show_in_report(results, tell)
            return results


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


def _show_in_report(results: Results, tell: Tell) -> None:
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
def _warnings_in(path: Path) -> Iterator[None]:
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
class _Prepared:
    """All that the work needs, checked."""

    dataset: Dataset
    estimator: StudyEstimator
    key: Mapping[str, str]
    checksums: Mapping[str, str]


def _check_fit(study: Study, dataset: Dataset) -> dict[str, dict[str, float]]:
    """Check parameters against the data; return the weights of each contrast."""
    if study.hrf.dt > 2 * dataset.tr:
        raise ConfigError(
            f"element <hrf><dt>: {study.hrf.dt:g} is not allowed: must be at most twice the "
            f"repetition time of {dataset.tr:g}, so {2 * dataset.tr:g} (seconds)"
        )
    conditions = dataset.experiment.conditions
    _check_distinct(dataset.experiment)
    check_names(conditions, (contrast.name for contrast in study.contrasts))
    parts = dataset.run_conditions
    known = tuple(dict.fromkeys([*parts, *conditions]))
    return {
        contrast.name: spread_weights(
            parse_contrast(contrast.expression, known, name=contrast.name), parts
        )
        for contrast in study.contrasts
    }


def _check_distinct(experiment: Experiment) -> None:
    """Refuse conditions with the same events: nothing could tell their responses apart."""
    seen: dict[bytes, str] = {}
    for condition in experiment.conditions:
        events = [run.events.get(condition) for run in experiment.runs]
        content = b"|".join(
            b"-" if e is None else e.onsets.tobytes() + e.durations.tobytes() for e in events
        )
        if content in seen:
            raise InputError(
                f"the conditions {seen[content]!r} and {condition!r} have the same events, so that "
                "their responses cannot be told apart: make one condition of them"
            )
        seen[content] = condition


def _map_grid(dataset: Dataset, labels: NDArray[np.int32]) -> MapGrid:
    """Say where the maps lie: on the grid of the input, or on the nodes of its mesh."""
    space = dataset.space
    if isinstance(space, Mesh):
        return NodeGrid(labels, space.structure)
    if isinstance(space, Grayordinates):
        return GrayordinateGrid(labels, space.axis)
    return Grid(labels, space.affine, space.header)


def _prepare(study: Study, data: StudyData) -> _Prepared:
    dataset = data.open()
    contrasts = _check_fit(study, dataset)
    # Only now: compiled code takes a second to import, and the user waits for what is wrong.
    estimator = make_estimator(study, dataset.experiment, contrasts)
    checksums = {data.home_of(path): sum_ for path, sum_ in dataset.checksums().items()}
    key = {
        **study.numerical_parameters(),
        # What the files hold counts, not where they lie: the data may be moved between runs.
        **{f"content of input file {i + 1}": sum_ for i, sum_ in enumerate(checksums.values())},
        **code_versions(study),
    }
    return _Prepared(dataset, estimator, key, checksums)


@dataclass(frozen=True)
class _Run:
    """The work on a prepared study, and what is written of it."""

    study: Study
    prepared: _Prepared
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
            with _said_if_slow("compiling the estimator, once on this machine", tell):
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
            grid=_map_grid(dataset, labels),
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
