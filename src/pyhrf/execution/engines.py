"""The engines by their names, and what is done with work that continues without us."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyhrf.config.settings import Settings
from pyhrf.errors import ConfigError
from pyhrf.execution.engine import Engine
from pyhrf.execution.output_folder import check_aside, folder_of_engine, held, set_aside
from pyhrf.execution.queues.schedulers import SCHEDULERS
from pyhrf.execution.soma.notes import WorkflowNotes
from pyhrf.wording import named

ENGINES = ("serial", "local", "LAN", "cluster", *SCHEDULERS)
_DETACHING = "cluster"

Tell = Callable[[str], object]


def make_engine(
    engine: str | Engine, settings: Settings, *, tell: Tell, n_jobs: int | None = None
) -> Engine:
    """Make the engine of a name; what it needs is imported only now.

    Parameters
    ----------
    engine : str or Engine
        One of `ENGINES`; an engine is returned as it is.
    settings : Settings
        Where its section is.
    tell : callable
        Called with each sentence that the user should read.
    n_jobs : int, optional
        Job slots of ``local``; by default ``nb_procs`` of the settings.

    Raises
    ------
    ConfigError, EngineError
        If there is no such engine, its section is not complete, or a package is missing.
    """
    if not isinstance(engine, str):
        return engine
    engine = {name.casefold(): name for name in ENGINES}.get(engine.casefold(), engine)
    if engine == "serial":
        from pyhrf.execution.serial import SerialEngine

        return SerialEngine()
    if engine == "local":
        from pyhrf.execution.local import LocalEngine

        local = settings.parallel_local
        return LocalEngine(n_jobs or local.nb_procs, niceness=local.niceness)
    if engine == "LAN":
        from pyhrf.execution.lan.engine import LanEngine

        return LanEngine(settings.parallel_LAN, tell=tell)
    if engine == "cluster":
        from pyhrf.execution.soma.engine import SomaEngine

        return SomaEngine(settings.parallel_cluster, tell=tell)
    if engine in SCHEDULERS:
        from pyhrf.execution.queues.engine import QueueEngine

        return QueueEngine(engine, settings.parallel_queue, tell=tell)
    raise ConfigError(f"there is no engine {engine!r}: it must be {' or '.join(ENGINES)}")


def make_detaching(engine: str, settings: Settings, *, tell: Tell) -> Engine:
    """Make an engine whose work continues without its command, to find that work again.

    Raises
    ------
    ConfigError, EngineError
        As `make_engine`, and if the engine ends with the command that started it.
    """
    chosen = make_engine(engine, settings, tell=tell)
    if not chosen.detaches:
        raise ConfigError(
            f"{named('engine', name=engine)} leaves nothing running: there is nothing to cancel"
        )
    return chosen


def cancel(directory: Path, engine: str, settings: Settings, *, tell: Tell) -> bool:
    """Stop what is running elsewhere for an output directory, and remove what is left there.

    Results that were fetched stay in the output directory; those that were not are lost.

    Returns
    -------
    bool
        Whether there was something to stop.

    Raises
    ------
    ConfigError
        If the engine ends with the command that started it.
    InputError
        If a run holds the output directory.
    EngineError
        If the cluster cannot be reached.
    """
    chosen = make_detaching(engine, settings, tell=tell)
    chosen.folder = folder_of_engine(directory, engine)
    with held(directory):
        return chosen.cancel()


def begin_anew(directory: Path, engine: Engine, *, tell: Tell) -> None:
    """Set older results aside, and stop what is running for them elsewhere.

    Raises
    ------
    InputError
        If it is no output directory, or a run holds it.
    EngineError
        If the cluster, where something is running for it, cannot be reached.
    """
    if engine.detaches:
        with held(directory):
            check_aside(directory)  # before anything is stopped
            engine.cancel()
    keep_aside(directory, engine, tell=tell)


def keep_aside(directory: Path, engine: Engine, *, tell: Tell) -> None:
    """Set older results aside, and say so.

    Raises
    ------
    InputError
        If it is no output directory, or a run holds it.
    """
    if (kept := set_aside(directory)) is not None:
        tell(f"{directory}: older results are kept in {kept}")
        tell_unfinished(kept, engine, tell=tell)


def tell_workflow(folder: Path, *, tell: Tell, output: Path | None = None) -> None:
    """Say that a workflow of an earlier run may still be running.

    Parameters
    ----------
    folder : Path
        Where the engines of that run keep their notes.
    tell : callable
    output : Path, optional
        By which that run is known, if another one than this run's may be given.
    """
    notes = WorkflowNotes.load(folder / _DETACHING)
    if notes is None:
        return
    cluster = named("engine", name=_DETACHING)
    how = f"the {named('command')} of that run"
    if output is not None:
        how = f"the same {named('command')} with {cluster} and {named('output')} {output}"
    tell(
        f"a workflow of an earlier run with {cluster} ({notes.name}) may still be running: {how} "
        f"fetches its results, and {named('cancel')} stops it"
    )


def tell_unfinished(directory: Path, engine: Engine, *, tell: Tell) -> None:
    """Say so of an output directory, if the engine that is to run there would not find it."""
    if engine.name != _DETACHING:
        folder = folder_of_engine(directory, _DETACHING).parent
        tell_workflow(folder, tell=tell, output=directory)
