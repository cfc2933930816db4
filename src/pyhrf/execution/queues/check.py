"""Whether ``slurm`` and its like can work: the scheduler answers, a job of it works for us."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

from pyhrf.config.settings import QueueSettings
from pyhrf.data import Estimator, Parcel, ParcelEstimate, ParcelId
from pyhrf.errors import EngineError, PyhrfError
from pyhrf.execution.check_steps import Check, Step, check_extra, go_through
from pyhrf.execution.engine import Batch
from pyhrf.execution.queues.engine import QueueEngine
from pyhrf.execution.queues.schedulers import SCHEDULERS
from pyhrf.execution.ssh.host_folder import cache_problem
from pyhrf.execution.ssh.shells import LocalShell
from pyhrf.execution.studies import Studies
from pyhrf.files import try_writing, why_unwritable
from pyhrf.notices import Lost
from pyhrf.wording import named

_SECTION = "section [parallel-queue] of ~/.pyhrf/config.cfg"
_JOB_SECONDS = 120.0
_JOB_STEP = "a job, there and back"


class TrialEstimator(Estimator):
    """Estimates nothing, at once."""

    name = "trial"

    def recipe(self) -> dict[str, object]:
        """Return no arguments."""
        return {}

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        """Say that all is well."""
        return ParcelEstimate(parcel.number, "ok", "", parcel.positions)

    def cost(self, n_positions: int) -> float:  # noqa: ARG002 - it costs nothing, however many
        """Return the seconds that a parcel takes."""
        return 0.01


def check_queue(name: str, settings: QueueSettings, *, job_seconds: float = _JOB_SECONDS) -> Check:
    """Try what the engine of a scheduler needs, in order, up to the first thing that fails.

    A job is submitted as the engine does it. It writes into a folder that is made in the current
    directory, as a run would write into its output directory, and is removed.

    Parameters
    ----------
    name : str
        Of the engine, such as ``slurm``.
    settings : QueueSettings
        Section ``[parallel-queue]``.
    job_seconds : float
        Seconds to wait for the job; one that still waits in the queue then is no fault.
    """
    visit = _QueueVisit(name, settings)
    actions = {
        "installed here": visit.installed,
        "its programs": visit.programs,
        "scheduler": visit.scheduler,
        **({"queue": visit.queue} if settings.queue else {}),
    }
    job = Step(_JOB_STEP)
    check = Check(named("engine", name=name), [*map(Step, actions), job])
    asyncio.run(go_through(check, list(actions.values())))
    if not check.failed:
        # Not among those: an engine has an event loop of its own.
        try:
            job.fact, job.passed = visit.job(job_seconds, check.notes), True
        except EngineError as fault:
            check.fail(job.name, fault.cause, fault.cure)
    return check


class _QueueVisit:
    """A scheduler, for as long as the check takes."""

    def __init__(self, name: str, settings: QueueSettings) -> None:
        self._name, self._settings = name, settings
        self._scheduler = SCHEDULERS[name]
        self._engine: QueueEngine | None = None

    async def installed(self) -> str:
        check_extra("queue")
        return f"distributed {version('distributed')}"

    async def programs(self) -> str:
        missing = [program for program in self._scheduler.programs if not shutil.which(program)]
        if missing:
            raise EngineError(
                f"{' and '.join(missing)} of {self._scheduler.title} not found on the PATH",
                "run this on a login node of the cluster, where jobs are submitted",
            )
        return ", ".join(self._scheduler.programs)

    async def scheduler(self) -> str:
        said = await LocalShell().run(self._scheduler.question)
        if said.status:
            raise EngineError(
                f"{self._scheduler.title} does not answer ({self._scheduler.question}): "
                f"{said.reason}",
                "ask the administrators of the cluster",
            )
        return f"{self._scheduler.title} answers"

    async def queue(self) -> str:
        name, scheduler = str(self._settings.queue), self._scheduler
        if not scheduler.queue_question:
            return f"{scheduler.title} has none"
        said = await LocalShell().run(scheduler.queue_question.format(queue=shlex.quote(name)))
        if said.status or not said.out.strip():
            names = (await LocalShell().run(scheduler.queues)).out.split()
            raise EngineError(
                f"{scheduler.title} has no queue {name}",
                f"set queue in {_SECTION} to one of {', '.join(dict.fromkeys(names)) or '?'}",
            )
        return name

    def job(self, seconds: float, notes: list[str]) -> str:
        """Have the engine work on nothing in one job."""
        said: list[str] = []
        settings = self._settings.model_copy(update={"max_jobs": 1})
        if problem := cache_problem():
            notes.append(problem)
        start = time.monotonic()
        try:
            with _folder() as folder, _time_limit(seconds):
                self._work_on_nothing(settings, folder, said)
        except _TimeUp as error:
            last = f" ({said[-1]})" if said else ""
            if any(isinstance(text, Lost) for text in said) or not self._waits():
                raise EngineError(
                    f"the job did not return its result within {seconds:.0f} s{last}",
                    "check that the nodes reach the login node and the reverse: page On a cluster, "
                    "Open ports and the firewall",
                ) from error
            notes.append(
                f"the job was not done after {seconds:.0f} s{last} and was withdrawn: the queue "
                "may be long"
            )
            return "waits in the queue"
        return f"{time.monotonic() - start:.1f} s"

    def _waits(self) -> bool:
        """Tell whether the job was in the queue, and had not begun."""
        states = self._engine.job_states if self._engine else ()
        return bool(states) and set(states) <= {"waiting", "suspended"}

    def _work_on_nothing(self, settings: QueueSettings, folder: Path, said: list[str]) -> None:
        batch = Batch(0, (ParcelId(0, 1),), 0.01)
        try:
            engine = self._engine = QueueEngine(self._name, settings, tell=said.append)
            engine.folder = folder
            for _ in engine.run([batch], load=_load, studies=Studies([TrialEstimator()])):
                pass
        except PyhrfError as error:
            # its cure may name a log, which is gone by then; the folder was of this check alone
            cause = error.cause.replace(str(folder), str(folder.parent))
            raise EngineError(cause, "") from error


def _load(parcels: Sequence[ParcelId]) -> list[Parcel]:
    """Make parcels of which nothing is to be found out."""
    bold, edges = np.zeros((1, 1), np.float32), np.zeros((0, 2), np.int32)
    return [Parcel(parcel.number, bold, edges, np.zeros(1, np.int64)) for parcel in parcels]


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder where the user is, which nodes should see, and remove it."""
    here = Path.cwd()
    try:
        try_writing(here, n_bytes=4 << 20)
        made = Path(tempfile.mkdtemp(prefix=".pyhrf-check-", dir=here))
    except OSError as error:
        raise EngineError(
            f"{here} cannot be written: {why_unwritable(error)}",
            "run this where analyses are run, in a folder of yours that the nodes see",
        ) from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


class _TimeUp(KeyboardInterrupt):
    """Ends an engine as Ctrl-C does."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    def up(*_: object) -> None:
        raise _TimeUp

    before = signal.signal(signal.SIGALRM, up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
