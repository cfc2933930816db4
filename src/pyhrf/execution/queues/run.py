"""A run in the jobs of a batch scheduler: submitted, watched, replaced, and removed at the end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from pyhrf.errors import EngineError, counted
from pyhrf.execution.backoff import Backoff
from pyhrf.execution.dask.pool import WorkerPool
from pyhrf.execution.dask.run import DaskRun
from pyhrf.execution.dask.settings import DASK_SETTINGS
from pyhrf.execution.dask.worker import Job, host_of_worker
from pyhrf.execution.engine import Batch, Load
from pyhrf.execution.queues.failed_jobs import FailedJobs
from pyhrf.execution.queues.folder import NotedJobs, QueueFolder
from pyhrf.execution.queues.jobs import QueueJobs, SchedulerError
from pyhrf.execution.queues.leftovers import remove_leftovers
from pyhrf.execution.queues.schedulers.base import Scheduler
from pyhrf.execution.queues.submitted import Submitted, own_addresses, token_of
from pyhrf.execution.ssh.host_facts import host_facts
from pyhrf.execution.studies import Studies
from pyhrf.files import why_unwritable
from pyhrf.notices import Lost

_SOON, _LATER = 2.0, 10.0
"""Seconds between two looks at the queue: while something is expected, and else."""
_TOGETHER = 0.5
"""Seconds in which several workers come, or go, at one time."""
_PATIENCE = 10.0
"""Seconds that a job may wait before the user is told why."""
_REPEAT = 60.0
"""Seconds after which another reason of waiting is told."""
_GRACE = 6.0
"""Seconds after its submission in which the queue may not know a job yet."""
_WAITS = (2.0, 300.0)
"""Seconds before a job is replaced or submitted again: at first, and at most."""
_SUBMIT_SECONDS = 3.0
"""Seconds that a submission may take after the end of the run has begun."""
_ENDING_SECONDS = 4.0
"""Seconds to wait for jobs that end anyway, as long as nothing else is in the queue."""

_log = logging.getLogger(__name__)


class QueueRun(DaskRun):
    """Work on batches in the jobs of a batch scheduler.

    Parameters
    ----------
    scheduler : Scheduler
        Whose jobs they are.
    queue : QueueJobs
        Its jobs.
    n_jobs, n_workers : int
        Jobs at one time, and workers of each.
    folder : QueueFolder
        Where the run meets them.
    job, batches, load, studies, tell
        As for `DaskRun`.
    """

    thread_name = "pyhrf-queue"
    end_seconds = 15.0
    causes_of_death = (
        "perhaps out of memory, a fault in compiled code, or more time than a job may take (see "
        "memory and walltime in section [parallel-queue])"
    )

    def __init__(
        self,
        job: Job,
        batches: Sequence[Batch],
        *,
        scheduler: Scheduler,
        queue: QueueJobs,
        n_jobs: int,
        n_workers: int,
        folder: QueueFolder,
        load: Load,
        studies: Studies,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(job, batches, load=load, studies=studies, tell=tell)
        self.addresses = own_addresses()
        self._scheduler, self._queue, self._folder = scheduler, queue, folder
        self._n_jobs, self._n_workers = n_jobs, n_workers
        self._pool: WorkerPool | None = None
        self._jobs: dict[str, Submitted] = {}
        self._leftovers: list[NotedJobs] = []
        self._present: set[str] = set()
        self._failed_jobs = FailedJobs(n_jobs)
        self._replacing, self._refused = Backoff(*_WAITS), Backoff(*_WAITS)
        # Times until which as many jobs are not replaced, and nothing is submitted at all.
        self._held: list[float] = []
        self._refused_until = -math.inf
        self._refusals: set[str] = set()
        self._n_submitted = self._n_accepted = 0
        self._submitting: asyncio.Task[None] | None = None
        self._told: tuple[Counter[str], str] = (Counter(), "")
        self._told_at = -math.inf
        self._look = asyncio.Event()

    @property
    def job_states(self) -> tuple[str, ...]:
        """States of the jobs as they were last seen in the queue."""
        return tuple(job.state for job in list(self._jobs.values()))

    # --- workers

    def _n_slots(self) -> int:
        return len(self._present)

    def _worker_joined(self, name: str, address: str) -> None:
        self._present.add(name)
        if job := self._jobs.get(token_of(name)):
            job.joined, job.state = True, "running"
        self._failed_jobs.joined()
        self._replacing.reset()
        self._held.clear()
        task = asyncio.create_task(self._try_way_back(name, address))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._look.set()
        self._changed.set()

    async def _try_way_back(self, name: str, address: str) -> None:
        """See that a worker is reached from here, from where its results have to be fetched."""
        if self._pool is None or await self._pool.reaches(address):
            return
        if name not in self._present or self._ending:
            return  # it is gone
        text = (
            f"the worker on node {host_of_worker(name)} has joined, but the login node does not "
            f"reach it at {address} to fetch results: a firewall between them has to let the "
            "login node in"
        )
        if self._done_by:
            self._tell(text)
        else:
            self._fail(EngineError(text))

    def _worker_lost(self, name: str) -> None:
        self._present.discard(name)
        self._look.set()
        if not self._ending:
            self._n_again += 1
            self._tell(Lost(f"a worker on {host_of_worker(name)} is lost; its batch will be rerun"))

    def _is_at_work(self, job: Submitted) -> bool:
        return any(token_of(name) == job.token for name in self._present)

    @asynccontextmanager
    async def _workers(self, pool: WorkerPool) -> AsyncIterator[None]:
        self._pool = pool
        watching: asyncio.Task[None] | None = None
        try:
            self._leftovers = await remove_leftovers(
                self._folder, self._queue, title=self._scheduler.title, tell=self._tell
            )
            self._prepare_folder(pool)
            _log.info("the script of each job:\n%s", self._queue.script("JOB"))
            await self._submit_missing()
            jobs = counted(len(self._jobs), "job")
            numbers = ", ".join(job.number for job in self._jobs.values())
            self._tell(
                f"{jobs} submitted to {self._scheduler.title}, {self._queue.name}: {numbers}"
            )
            watching = asyncio.create_task(self._watch())
            yield
        finally:
            ending = asyncio.create_task(self._end(watching))
            while not ending.done():  # however often someone asks for it
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.shield(ending)

    def _prepare_folder(self, pool: WorkerPool) -> None:
        """Write what the jobs have to know, and the name by which they can be found."""
        try:
            self._folder.write_config(
                {
                    "contacts": [*pool.contacts[1:], pool.contacts[0]],
                    "tls": pool.pem,
                    "dask": DASK_SETTINGS,
                    "versions": host_facts()["versions"],
                }
            )
            self._note_jobs()
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> EngineError:
        where = error.filename or self._folder.path  # a full disk has no name
        return EngineError(f"{where}: cannot be written: {why_unwritable(error)}")

    # --- jobs

    def _n_wanted(self) -> int:
        """Count the jobs that the work that is left can keep busy."""
        n_left = len(self._batches) - self._done_by.total()
        return min(self._n_jobs, math.ceil(max(n_left, 1) / self._n_workers))

    async def _submit_missing(self) -> None:
        """Submit jobs until there are as many as are wanted."""
        now = asyncio.get_running_loop().time()
        self._held = [until for until in self._held if until > now]
        while now >= self._refused_until and len(self._jobs) + len(self._held) < self._n_wanted():
            self._n_submitted += 1
            # No job of an earlier run has the same.
            token = f"{self._queue.name.rpartition('-')[2]}j{self._n_submitted}"
            self._submitting = asyncio.create_task(self._submit(token))
            try:
                await asyncio.shield(self._submitting)
            except SchedulerError as error:
                if not self._n_accepted:
                    raise EngineError(
                        f"{self._scheduler.title} refuses the job: {error}; see section "
                        "[parallel-queue] of the settings"
                    ) from error
                # Such as: too many jobs of this user.
                self._refused_until = now + self._refused.failed()
                if str(error) not in self._refusals:
                    self._refusals.add(str(error))
                    self._tell(f"{self._scheduler.title} accepts no more jobs: {error}")

    async def _submit(self, token: str) -> None:
        """Submit a job and note it, even if the run ends meanwhile."""
        number = await self._queue.submit(token)
        job = Submitted(token, number, asyncio.get_running_loop().time())
        self._jobs[token] = job
        if self._is_at_work(job):  # it was faster than the answer
            job.joined, job.state = True, "running"
        self._n_accepted += 1
        self._refused.reset()
        self._note_jobs()

    def _note_jobs(self) -> None:
        numbers = tuple(job.number for job in self._jobs.values())
        self._folder.write_jobs([*self._leftovers, NotedJobs(self._queue.name, numbers)])

    async def _watch(self) -> None:
        """Look at the queue now and then, for as long as there is work."""
        try:
            while True:
                await self._look_at_queue()
                self._look.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause()):
                        await self._look.wait()
                await asyncio.sleep(_TOGETHER)
        except EngineError as error:
            self._fail(error)
        except OSError as error:
            self._fail(self._unwritable(error))
        except Exception as error:  # a run that nobody watches would wait for ever
            self._fail(error)

    def _pause(self) -> float:
        """Return the seconds until the next look."""
        now = asyncio.get_running_loop().time()
        pause = _LATER if all(job.joined for job in self._jobs.values()) else _SOON
        times = [until - now for until in (*self._held, self._refused_until) if until > now]
        return min([pause, *times])

    async def _look_at_queue(self) -> None:
        now = asyncio.get_running_loop().time()
        try:
            states = await self._queue.states([job.number for job in self._jobs.values()])
        except SchedulerError as error:
            self._tell_state(Counter(), f"{self._scheduler.title} does not answer: {error}")
            return
        lost = []
        for job in list(self._jobs.values()):
            if job.number in states:
                job.state = states[job.number]
                if job.state == "waiting" and job.joined and not self._is_at_work(job):
                    job.since, job.joined = now, False  # put back into the queue
                job.begun |= job.state == "running"
            elif now - job.since > _GRACE or job.joined:
                lost.append(job)
        if lost:
            await self._lose(lost)
        await self._tell_waiting(now)
        await self._submit_missing()

    async def _lose(self, lost: Sequence[Submitted]) -> None:
        """Take note of jobs that ended by themselves."""
        for job in lost:
            del self._jobs[job.token]
        self._note_jobs()
        await self._queue.cancel([job.number for job in lost])  # should one only have been hidden
        n_unseen = sum(not job.joined for job in lost)
        seconds = self._replacing.failed() if n_unseen else 0.0
        self._held += [asyncio.get_running_loop().time() + seconds] * n_unseen
        for job in lost:
            trouble = self._folder.trouble(job.token)
            said = trouble.text if trouble else self._folder.log_end(job.number)
            self._failed_jobs.lost(
                joined=job.joined,
                begun=job.begun or bool(said),
                n_results=self._done_by.total(),
            )
            if trouble and trouble.final and not self._present and not self._done_by:
                raise EngineError(trouble.text)
            self._give_up_if_in_vain(job, said)
            # What a killed job said last is the noise of its end, unless it never worked.
            why = f": {said}" if said and not job.joined else ""
            when = "" if job.joined else f" in {seconds:.0f} s"
            self._tell(Lost(f"job {job.number} is lost{why}; it is replaced{when}"))

    def _give_up_if_in_vain(self, job: Submitted, said: str) -> None:
        """End the run when one job after the other ended without a result."""
        n = self._failed_jobs.n_in_vain(healthy=bool(self._present))
        if not n:
            return
        path = self._folder.path
        cure = f"see {path}"
        if not said:
            said, cure = "nothing", f"check that the nodes can write {path}"
        raise EngineError(
            f"{n} jobs in a row ended without a result; the last one, {job.number}, said: {said}",
            cure,
        )

    async def _tell_waiting(self, now: float) -> None:
        """Say which jobs wait, and why, when they have done so for a while."""
        waiting = [job for job in self._jobs.values() if job.state == "waiting"]
        counts = Counter(job.state for job in self._jobs.values())
        if stopped := [job.number for job in self._jobs.values() if job.state == "suspended"]:
            n_jobs = len(self._jobs)
            text = f"{len(stopped)} of {n_jobs} jobs are suspended: {', '.join(stopped)}"
            self._tell_state(counts, text)
            return
        if not waiting:
            if self._told[1]:
                self._tell_state(counts, "")
            return
        reason = await self._queue.reason(waiting[0].number)
        if reason in self._scheduler.hopeless and not self._present and not self._done_by:
            raise EngineError(
                f"job {waiting[0].number} would wait for ever: {self._scheduler.title} says "
                f"{reason}; see walltime, queue and account in section [parallel-queue] of the "
                "settings"
            )
        if now - min(job.since for job in waiting) >= _PATIENCE:
            why = f"{self._scheduler.title} says: {reason}" if reason else "no reason is given"
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
            self._tell(text or f"all {len(self._jobs)} jobs are running")

    async def _end(self, watching: asyncio.Task[None] | None) -> None:
        """Leave nothing in the queue, and nothing in the folder that is of no use."""
        self._ending = True
        folder = self._folder
        if watching is not None:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
        if self._submitting is not None:
            await asyncio.wait([self._submitting], timeout=_SUBMIT_SECONDS)
            self._submitting.cancel()
            await asyncio.gather(self._submitting, return_exceptions=True)
        if not await self._empty_queue():
            return
        # What is not needed any more may as well stay, where nothing can be written.
        with contextlib.suppress(OSError):
            if self._failure is None and not self._leftovers:
                await asyncio.to_thread(folder.remove)
            else:
                folder.write_jobs(self._leftovers)

    async def _empty_queue(self) -> bool:
        """Remove the jobs; return whether they are gone."""
        left = [job.number for job in self._jobs.values()]
        try:
            async with asyncio.timeout(self.end_seconds - _SUBMIT_SECONDS - 2):
                await self._queue.cancel(left, name=self._queue.name)
                self._forget_keys()
                await self._wait_for_end(left)
                if self._leftovers:
                    self._folder.write_jobs(self._leftovers)
                    self._leftovers = await remove_leftovers(
                        self._folder, self._queue, title=self._scheduler.title, tell=_log.debug
                    )
        except (TimeoutError, SchedulerError, OSError):
            if left:
                self._tell(
                    f"{self._scheduler.title} has not ended these jobs yet: {', '.join(left)}"
                )
            return False
        finally:
            self._forget_keys()
        return True

    async def _wait_for_end(self, left: list[str]) -> None:
        """Take each job that is gone out of a list, until none is left that may still work."""
        loop = asyncio.get_running_loop()
        start = loop.time()
        while left:
            states = await self._queue.states(left)
            left[:] = list(states)
            patient = loop.time() - start < _ENDING_SECONDS
            if not patient and set(states.values()) <= {"ending"}:
                left.clear()
            if left:
                await asyncio.sleep(0.3)

    def _forget_keys(self) -> None:
        with contextlib.suppress(OSError):
            self._folder.forget_keys()
