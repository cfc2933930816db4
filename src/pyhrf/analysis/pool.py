"""The studies of a pool of work: checked one by one, worked on together, written one by one."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

from pyhrf.analysis.earlier_runs import Identity, bring_home_all
from pyhrf.analysis.notes import alike
from pyhrf.analysis.prepare import open_journal, prepare
from pyhrf.analysis.work import LOG_FILE, Member, estimate, keep_in_log, show_in_report
from pyhrf.config.study import Study
from pyhrf.errors import EngineError, InputError, PyhrfError
from pyhrf.execution.engine import Engine
from pyhrf.execution.engines import keep_aside, tell_unfinished
from pyhrf.execution.studies import packed_recipe
from pyhrf.execution.together import Journals, Loads
from pyhrf.execution.watch import RUNS
from pyhrf.files import write_whole
from pyhrf.inputs.dataset import Dataset
from pyhrf.notices import LeftOut
from pyhrf.results import Results
from pyhrf.study_data import StudyData, Tell, study_data

Answer = dict[str, Results | PyhrfError]
"""What came of each study."""

Done = Callable[[str, Results], object]
"""What is called with name and results of each study that is whole."""

_WRITTEN = "written.json"
"""Beside a journal: the files that were there when all were written."""

_log = logging.getLogger(__name__)


class Pool:
    """The studies that can be worked on, and what came of all.

    Parameters
    ----------
    engine : Engine
    folder : Path
        Where the run keeps its state and its log.
    tell : callable
        Called with each sentence that the user should read.
    done : callable
        Called with name and results of each study that is whole.
    started, command
        What ``run.json`` gives.

    Attributes
    ----------
    answer : dict of str to Results or PyhrfError
        What came of each study so far.
    """

    def __init__(
        self,
        engine: Engine,
        folder: Path,
        tell: Tell,
        *,
        done: Done,
        started: datetime,
        command: Sequence[str],
    ) -> None:
        self.answer: Answer = {}
        self._folder, self._done = folder, done
        self._engine, self._tell = engine, tell
        self._started, self._command = started, command
        self._members: list[Member] = []
        self._notes: list[tuple[str, str]] = []
        self._cancelled = False

    def take(self, name: str, study: Study, stack: ExitStack, *, fresh: bool) -> None:
        """Check a study and open its journal; what is wrong with it is told, and its answer."""
        with self._answering(name), ExitStack() as own:
            tell = _named(name, self._tell)
            data = own.enter_context(study_data(study, fresh=fresh, tell=tell))
            prepared = prepare(study, data)
            self._notes += [(name, note) for note in [*prepared.dataset.notes, *prepared.warnings]]
            keep_in_log(prepared.warnings, name)
            if fresh:
                self._begin_anew(study.output, tell)
            tell_unfinished(study.output, self._engine, tell=tell)
            journal = own.enter_context(open_journal(study, data, prepared, tell))
            # Neither data nor estimator are held: of many studies they would not fit in memory.
            self._members.append(
                Member(
                    study,
                    journal,
                    key=prepared.key,
                    checksums=prepared.checksums,
                    costs=prepared.costs,
                    estimator=packed_recipe(prepared.estimator),
                    open_data=partial(_open_again, data, _stamps(prepared.dataset.files)),
                    name=name,
                )
            )
            stack.push(own.pop_all())  # held to the end of the run

    def _begin_anew(self, output: Path, tell: Tell) -> None:
        """Set older results aside; before the first of them, stop what is running elsewhere."""
        if self._engine.detaches and not self._cancelled:
            self._engine.cancel()
            self._cancelled = True
        keep_aside(output, self._engine, tell=tell)

    def work(self, *, fresh: bool, verbosity: int | None) -> None:
        """Estimate what is missing in any study, and write each as it is complete."""
        for note in alike(self._notes):
            self._tell(note)
        members = self._members
        if not members:
            return
        load = Loads(len(members), lambda place: members[place].open_data().load)
        journals = Journals(
            [member.journal for member in members],
            folder=self._folder,
            waiting=[member.left() for member in members],
            broken=load.broken,
            complete=lambda place: self._write(members[place]),
        )
        complete = [member for member in members if not member.left()]
        identity = Identity(tuple((member.name, dict(member.key)) for member in members))
        bring_home_all(self._engine, journals, identity, self._folder, fresh=fresh, tell=self._tell)
        for member in complete:
            self._keep_or_write(member)
        estimate(members, self._engine, journals, load, verbosity=verbosity, tell=self._tell)
        for place, error in load.broken.items():
            self._failed(members[place].name, error)

    def _keep_or_write(self, member: Member) -> None:
        """Take results that are whole as they are, and write those that are not."""
        if not _is_written(member):
            self._write(member)
            return
        with self._answering(member.name):
            results = Results(member.study.output)
            self._done(member.name, results)
            self.answer[member.name] = results

    def _write(self, member: Member) -> None:
        with self._answering(member.name):
            results = member.write(self._engine, started=self._started, command=self._command)
            show_in_report(results, _named(member.name, self._tell))
            _note_written(member)
            self._done(member.name, results)
            self.answer[member.name] = results

    @contextmanager
    def _answering(self, name: str) -> Iterator[None]:
        """Make what goes wrong with a study its answer; the others go on."""
        try:
            yield
        except EngineError:
            raise
        except PyhrfError as error:
            self._failed(name, error)
        except Exception as error:
            _log.exception("%s: the analysis failed", name)
            what = f"{type(error).__name__}: {' '.join(str(error).split())}"
            where = self._folder / LOG_FILE
            self._failed(name, PyhrfError(f"internal error: {what} (traceback in {where})"))

    def _failed(self, name: str, error: PyhrfError) -> None:
        self.answer[name] = error
        self._tell(LeftOut(name, error))


def _note_written(member: Member) -> None:
    """Note which files there are when all are written."""
    output = member.study.output
    names = sorted(path.name for path in output.iterdir() if path.is_file())
    try:
        write_whole(output / RUNS / _WRITTEN, json.dumps(names, indent=1).encode(), durable=True)
    except OSError as error:
        raise InputError(f"{output} cannot be written ({error.strerror or error})") from error


def _is_written(member: Member) -> bool:
    """Tell whether the results of a study are whole, and newer than all that is in its journal."""
    from pyhrf.results.report import REPORT  # its figures take half a second to import

    output = member.study.output
    noted = output / RUNS / _WRITTEN
    try:
        names = json.loads(noted.read_bytes())
        latest = noted.stat().st_mtime_ns
    except (OSError, ValueError):
        return False
    whole = REPORT in names and all((output / name).is_file() for name in names)
    return whole and latest >= member.journal.latest()


def _open_again(data: StudyData, stamps: Mapping[Path, tuple[int, int]]) -> Dataset:
    """Open the data, which have to be those that were checked."""
    if _stamps(stamps) != stamps:
        changed = next(path for path, stamp in stamps.items() if _stamp(path) != stamp)
        raise InputError(f"{changed} was changed while the run worked on it: run again")
    return data.open()


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except OSError:
        return (-1, -1)
    return (found.st_size, found.st_mtime_ns)


def _stamps(paths: Sequence[Path] | Mapping[Path, object]) -> dict[Path, tuple[int, int]]:
    return {path: _stamp(path) for path in paths}


def _named(name: str, tell: Tell) -> Tell:
    return lambda text: tell(f"{name}: {text}")
