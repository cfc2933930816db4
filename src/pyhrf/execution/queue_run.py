"""A run in the jobs of a batch scheduler: submitted, watched, replaced, and removed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import psutil

from pyhrf.errors import EngineError
from pyhrf.execution.dask_pool import LOOPBACK, Pool
from pyhrf.execution.dask_run import DaskRun
from pyhrf.execution.dask_settings import DASK_SETTINGS
from pyhrf.execution.engine import Batch, Load
from pyhrf.execution.host_facts import host_facts
from pyhrf.execution.queue_folder import QueueFolder
from pyhrf.execution.queue_jobs import QueueJobs, SchedulerError
from pyhrf.execution.queue_kinds import QueueKind
from pyhrf.execution.remote_worker import Job, host_of_worker

__all__ = ["QueuePlan", "QueueRun"]

_SOON, _LATER = 2.0, 10.0
"""Seconds between two looks at the queue: while something is expected, and else."""
_PATIENCE = 10.0
"""Seconds that a job may wait before the user is told why."""
_REPEAT = 60.0
"""Seconds after which another reason of waiting is told."""
_GRACE = 6.0
"""Seconds after its submission in which the queue may not know a job yet."""
_MAX_STILLBORN = 4
"""Jobs in a row that may end before any of their workers was there."""
_MAX_FRUITLESS = 8
"""Jobs in a row that may end without a result of any; twice their number if that is more."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """Where and how to run.

    Attributes
    ----------
    kind : QueueKind
        The scheduler.
    jobs : QueueJobs
        Its jobs.
    n_jobs, n_workers : int
        Jobs at one time, and workers of each.
    folder : QueueFolder
        Where they meet.
    job : Job
        What to do.
    """

    kind: QueueKind
    jobs: QueueJobs
    n_jobs: int
    n_workers: int
    folder: QueueFolder
    job: Job


@dataclass(slots=True)
class _Submitted:
    """A job that is in the queue, as far as is known."""

    token: str
    number: str
    since: float
    state: str = "waiting"
    joined: bool = False


class QueueRun(DaskRun):
    """Work on batches in the jobs of a batch scheduler.

    Parameters
    ----------
    plan : QueuePlan
        Where.
    batches, load, tell
        As in `pyhrf.execution.dask_run.DaskRun`.
    """

    thread_name = "pyhrf-queue"
    end_seconds = 15.0

    def __init__(
        self, plan: QueuePlan, batches: Sequence[Batch], *, load: Load, tell: Callable[[str], None]
    ) -> None:
        super().__init__(plan.job, batches, load=load, tell=tell)
        self.addresses = own_addresses()
        self._plan = plan
        self._jobs: dict[str, _Submitted] = {}
        self._present: set[str] = set()
        self._n_submitted = self._n_stillborn = self._n_fruitless = self._n_results = 0
        self._told: tuple[Counter[str], str] = (Counter(), "")
        self._told_at = -math.inf
        self._look = asyncio.Event()

    # --- workers

    def _n_slots(self) -> int:
        return len(self._present)

    def _worker_joined(self, name: str) -> None:
        self._present.add(name)
        if job := self._jobs.get(_token_of(name)):
            job.joined, job.state = True, "running"
            self._n_stillborn = 0
        self._look.set()
        self._changed.set()

    def _worker_lost(self, name: str) -> None:
        self._present.discard(name)
        self._look.set()
        if not self._ending:
            self._n_again += 1
            self._tell(f"a worker on {host_of_worker(name)} is lost; its batch is done again")

    @asynccontextmanager
    async def _workers(self, pool: Pool) -> AsyncIterator[None]:
        plan = self._plan
        watching: asyncio.Task[None] | None = None
        try:
            await self._remove_leftovers()
            plan.folder.write_config(
                {
                    "contacts": [*pool.contacts[1:], pool.contacts[0]],
                    "tls": pool.pem,
                    "dask": DASK_SETTINGS,
                    "versions": host_facts()["versions"],
                }
            )
            _log.info("the script of each job:\n%s", plan.jobs.script("JOB"))
            await self._submit_missing()
            jobs = "1 job" if len(self._jobs) == 1 else f"{len(self._jobs)} jobs"
            numbers = ", ".join(job.number for job in self._jobs.values())
            self._tell(f"{jobs} submitted to {plan.kind.title}, {plan.jobs.name}: {numbers}")
            watching = asyncio.create_task(self._watch())
            yield
        finally:
            if watching is not None:
                watching.cancel()
            await asyncio.shield(self._end())

    # --- jobs

    async def _remove_leftovers(self) -> None:
        """Remove what a run that was killed left in the queue."""
        plan = self._plan
        name, numbers = plan.folder.read_jobs()
        if not numbers:
            return
        with contextlib.suppress(SchedulerError):
            left = await plan.jobs.states(numbers, name=name)
            if left:
                self._tell(f"jobs of an earlier run are removed: {', '.join(left)}")
                await plan.jobs.cancel(list(left))

    def _n_wanted(self) -> int:
        """Count the jobs that the work that is left can keep busy."""
        n_left = len(self._batches) - self._done_by.total()
        return min(self._plan.n_jobs, math.ceil(max(n_left, 1) / self._plan.n_workers))

    async def _submit_missing(self) -> None:
        """Submit jobs until there are as many as are wanted."""
        plan, loop = self._plan, asyncio.get_running_loop()
        while len(self._jobs) < self._n_wanted():
            self._n_submitted += 1
            token = f"j{self._n_submitted}"
            try:
                number = await plan.jobs.submit(token)
            except SchedulerError as error:
                if self._n_submitted > 1:  # such as: too many jobs of this user
                    self._tell(f"{plan.kind.title} takes no further job: {error}")
                if self._jobs:
                    return
                raise EngineError(
                    f"{plan.kind.title} refuses the job: {error}; see section [parallel-queue] "
                    "of the settings"
                ) from error
            self._jobs[token] = _Submitted(token, number, loop.time())
            self._note_jobs()

    def _note_jobs(self) -> None:
        self._plan.folder.write_jobs(
            self._plan.jobs.name, [job.number for job in self._jobs.values()]
        )

    async def _watch(self) -> None:
        """Look at the queue now and then, for as long as there is work."""
        try:
            while True:
                await self._look_at_queue()
                running = all(job.joined for job in self._jobs.values())
                self._look.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LATER if running else _SOON):
                        await self._look.wait()
                await asyncio.sleep(0.5)  # several workers come, or go, at one time
        except EngineError as error:
            self._fail(error)
        except OSError as error:
            self._fail(EngineError(f"{error.filename}: {error.strerror}"))
        except Exception as error:  # a run that nobody watches would wait for ever
            self._fail(error)

    async def _look_at_queue(self) -> None:
        plan, now = self._plan, asyncio.get_running_loop().time()
        try:
            states = await plan.jobs.states([job.number for job in self._jobs.values()])
        except SchedulerError as error:
            self._tell_state(Counter(), f"{plan.kind.title} does not answer: {error}")
            return
        for job in list(self._jobs.values()):
            if job.number in states:
                if states[job.number] == "waiting" and job.state == "running":
                    job.since, job.joined = now, False  # put back into the queue
                job.state = states[job.number]
            elif now - job.since > _GRACE or job.joined:
                self._lose(job)
        await self._tell_waiting(now)
        if len(self._jobs) < self._n_wanted():
            await self._submit_missing()

    def _lose(self, job: _Submitted) -> None:
        """Take note of a job that ended by itself."""
        plan = self._plan
        del self._jobs[job.token]
        self._note_jobs()
        if self._done_by.total() > self._n_results:
            self._n_results, self._n_fruitless = self._done_by.total(), 0
        self._n_fruitless += 1
        trouble = plan.folder.trouble(job.token)
        said = trouble.text if trouble else plan.folder.log_end(job.number)
        # One that said something has begun, even if it was over before it was seen to run.
        self._n_stillborn += not job.joined and (job.state != "waiting" or bool(said))
        if trouble and trouble.final:
            raise EngineError(trouble.text)
        self._give_up_if_in_vain(job, said)
        # What a killed job said last is the noise of its end, unless it never worked.
        why = f": {said}" if said and not job.joined else ""
        self._tell(f"job {job.number} is lost{why}; it is replaced")

    def _give_up_if_in_vain(self, job: _Submitted, said: str) -> None:
        """End the run when one job after the other ended without a result."""
        plan = self._plan
        if self._n_stillborn >= _MAX_STILLBORN:
            n = self._n_stillborn
        elif self._n_fruitless >= max(_MAX_FRUITLESS, 2 * plan.n_jobs):
            n = self._n_fruitless
        else:
            return
        cure = f"see {plan.folder.path}"
        if not said:
            said, cure = "nothing", f"see that the nodes can write {plan.folder.path}"
        raise EngineError(
            f"{n} jobs in a row ended without a result; the last one, {job.number}, said: {said}; "
            f"{cure}"
        )

    async def _tell_waiting(self, now: float) -> None:
        """Say which jobs wait, and why, when they have done so for a while."""
        plan = self._plan
        waiting = [job for job in self._jobs.values() if job.state == "waiting"]
        counts = Counter(job.state for job in self._jobs.values())
        if not waiting:
            if self._told[1]:
                self._tell_state(counts, "")
            return
        reason = await plan.jobs.reason(waiting[0].number)
        if reason in plan.kind.hopeless and not self._present and not self._done_by:
            raise EngineError(
                f"job {waiting[0].number} would wait for ever: {plan.kind.title} says {reason}; "
                "see walltime, queue and account in section [parallel-queue] of the settings"
            )
        if now - min(job.since for job in waiting) >= _PATIENCE:
            why = f"{plan.kind.title} says: {reason}" if reason else "no reason is given"
            numbers = ", ".join(job.number for job in waiting)
            n_jobs = len(self._jobs)
            text = f"{len(waiting)} of {n_jobs} jobs wait in the queue ({why}): {numbers}"
            self._tell_state(counts, text)

    def _tell_state(self, counts: Counter[str], text: str) -> None:
        """Tell what is new, and not too often."""
        now = asyncio.get_running_loop().time()
        is_new = (counts, text) != self._told
        if is_new and (now - self._told_at >= _REPEAT or not text or not self._told[1]):
            self._told, self._told_at = (counts, text), now
            self._tell(text or f"all {len(self._jobs)} jobs run")

    async def _end(self) -> None:
        """Leave nothing in the queue, and nothing in the folder that is of no use."""
        self._ending = True
        plan = self._plan
        numbers = [job.number for job in self._jobs.values()]
        plan.folder.forget_keys()
        left = numbers
        try:
            async with asyncio.timeout(self.end_seconds - 3):
                await plan.jobs.cancel(numbers)
                while left := list(await plan.jobs.states(left) if left else ()):
                    await asyncio.sleep(0.3)
        except (TimeoutError, SchedulerError):
            self._tell(f"{plan.kind.title} has not ended these jobs yet: {', '.join(left)}")
            return
        if self._failure is None:
            await asyncio.to_thread(plan.folder.remove)
        else:
            plan.folder.write_jobs("", [])


def _token_of(worker: str) -> str:
    """Take the job out of the name of a worker, ``NODE#TOKEN-START-NUMBER``."""
    return worker.rpartition("#")[2].partition("-")[0]


def own_addresses() -> tuple[str, ...]:
    """Return the IPv4 addresses of this machine, ``127.0.0.1`` first.

    Nobody knows beforehand by which of them the nodes reach it: each worker tries all.
    """
    stats = psutil.net_if_stats()
    found = [
        each.address
        for name, addresses in psutil.net_if_addrs().items()
        for each in addresses
        if each.family == socket.AF_INET and name in stats and stats[name].isup
    ]
    others = dict.fromkeys(address for address in found if not address.startswith("127."))
    return (*LOOPBACK, *others)
