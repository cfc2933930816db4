"""The analysis of many studies as one pool of work, such as the subjects of a data set.

Each study has an output directory of its own, as if it were analysed alone, and its results are
the same bytes. What they share is the engine: hosts and jobs are started once, and are busy to the
last batch of the last study.
"""

from __future__ import annotations

import hashlib
import json
import logging
import resource
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from pyhrf.analysis.earlier_runs import LOCK
from pyhrf.analysis.pool import Answer, Done, Pool
from pyhrf.analysis.work import LOG_FILE, warnings_in
from pyhrf.config.settings import Settings, load_settings
from pyhrf.config.study import Study
from pyhrf.errors import InputError
from pyhrf.execution.directory_lock import DirectoryLock
from pyhrf.execution.engine import Engine
from pyhrf.execution.engines import make_detaching, make_engine, tell_workflow
from pyhrf.execution.run_state import preparing
from pyhrf.execution.watch import MEMBERS, RUNS
from pyhrf.files import write_whole
from pyhrf.study_data import Tell

_FILES_BESIDE = 256
"""Files that are open beside the locks of the journals."""


def analyse_all(
    studies: Mapping[str, Study],
    *,
    directory: str | Path,
    engine: str | Engine = "local",
    n_jobs: int | None = None,
    fresh: bool = False,
    verbosity: int = 0,
    settings: Settings | None = None,
    tell: Tell | None = None,
    command: Sequence[str] = (),
    done: Done = lambda *_: None,
) -> Answer:
    """Estimate the parcels of many studies as one pool of work on an engine.

    A study that cannot be used does not stop the others. The results of each are written as soon
    as its last parcel is done; the same call again does what is missing.

    Parameters
    ----------
    studies : mapping of str to Study
        By the names that the user reads; each with an output directory of its own.
    directory : path
        Where the run keeps its state (in ``.journal``); several runs of different studies may use
        it at the same time.
    engine, n_jobs, verbosity, settings, tell, command
        As for `pyhrf.analyse`.
    fresh : bool
        Rename output directories with older results and begin anew.
    done : callable
        Called with name and results of each study as soon as they are written, and of those that
        were whole before.

    Returns
    -------
    dict of str to Results or PyhrfError
        What came of each study, in their order.

    Raises
    ------
    ConfigError, EngineError
        If the engine cannot work.
    InputError
        If two studies share an output directory, or ``directory`` cannot be written.
    pyhrf.execution.runner.Interrupted
        On Ctrl-C or SIGTERM; the same call continues this one.
    """
    tell = logging.getLogger(__name__).warning if tell is None else tell
    studies = {name: study.with_absolute_paths() for name, study in studies.items()}
    _check_outputs(studies, Path(directory))
    settings = settings or load_settings()
    chosen = make_engine(engine, settings, tell=tell, n_jobs=n_jobs)
    folder = _folder_of_run(Path(directory), studies)
    chosen.folder = folder / chosen.name
    with ExitStack() as stack:
        _hold(folder, studies, stack)
        stack.enter_context(preparing(folder, chosen.name))
        stack.enter_context(warnings_in(folder / LOG_FILE))
        if not chosen.detaches:
            tell_workflow(folder, tell=tell)
        pool = Pool(
            chosen,
            folder,
            tell,
            done=done,
            started=datetime.now(UTC),
            command=command or sys.argv,
        )
        _allow_open_files(len(studies))
        for name, study in studies.items():
            pool.take(name, study, stack, fresh=fresh)
        pool.work(fresh=fresh, verbosity=verbosity)
    return {name: pool.answer[name] for name in studies}


def cancel_all(
    studies: Mapping[str, Study],
    *,
    directory: str | Path,
    engine: str,
    settings: Settings,
    tell: Tell,
) -> bool:
    """Stop what is running elsewhere for a run of these studies, and remove what is left there.

    Parameters
    ----------
    studies, directory
        As they were given to `analyse_all`.
    engine : str
        Whose work continues without its command: ``cluster``.
    settings : Settings
        Where its section is.
    tell : callable
        Called with each sentence that the user should read.

    Returns
    -------
    bool
        Whether there was something to stop.

    Raises
    ------
    ConfigError, EngineError
        If the engine is none that continues without us, or cannot be reached.
    InputError
        If the run still works.
    """
    chosen = make_detaching(engine, settings, tell=tell)
    studies = {name: study.with_absolute_paths() for name, study in studies.items()}
    folder = _folder_of_run(Path(directory), studies)
    if not folder.is_dir():
        return False
    chosen.folder = folder / engine
    with ExitStack() as stack:
        _hold(folder, studies, stack)
        return chosen.cancel()


def _check_outputs(studies: Mapping[str, Study], directory: Path) -> None:
    """Refuse studies that would write over each other, or over the state of the run."""
    seen: dict[Path, str] = {}
    for name, study in studies.items():
        output = study.output.resolve()
        if output in seen:
            raise InputError(
                f"{name} and {seen[output]} have the same output directory, {output}: "
                "give each one of its own"
            )
        seen[output] = name
    for output, name in seen.items():
        inside = [seen[parent] for parent in output.parents if parent in seen]
        if inside:
            raise InputError(
                f"the output directory of {name}, {output}, lies in that of {inside[0]}: give "
                "each one of its own"
            )
        if directory.resolve().is_relative_to(output):
            raise InputError(
                f"the output directory of {name}, {output}, holds the one that all share, "
                f"{directory}: give it another one"
            )


def _folder_of_run(directory: Path, studies: Mapping[str, Study]) -> Path:
    """Name the folder of a run: that of the same studies is the same."""
    places = sorted(_places(directory, studies))
    digest = hashlib.sha256(json.dumps(places).encode()).hexdigest()[:12]
    return directory.resolve() / RUNS / f"run-{digest}"


def _places(directory: Path, studies: Mapping[str, Study]) -> list[str]:
    """Give the output directories, relative to the one that they share: it may be moved."""
    root = f"{directory.resolve()}/"
    return [str(study.output.resolve()).removeprefix(root) for study in studies.values()]


def _hold(folder: Path, studies: Mapping[str, Study], stack: ExitStack) -> None:
    """Make the folder of a run, hold it against another of the same studies, and list them."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = DirectoryLock(folder / LOCK, owner=folder.parent.parent)
        stack.callback(lock.release)
        places = _places(folder.parent.parent, studies)
        write_whole(folder / MEMBERS, json.dumps(places, indent=1).encode(), durable=True)
    except OSError as error:
        raise InputError(
            f"{folder.parent.parent} cannot be written ({error.strerror or error}): correct that, "
            "or choose another output directory"
        ) from error


def _allow_open_files(n_studies: int) -> None:
    """Raise the limit of open files where the system lets us: each journal holds a lock."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_studies + _FILES_BESIDE
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InputError(
            f"{n_studies} analyses at once need {wanted} open files, and this machine allows "
            f"{hard} (ulimit -Hn): raise that limit, or analyse fewer participants at a time"
        )
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
