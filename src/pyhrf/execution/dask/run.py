"""A run over Dask workers, in a thread of its own: batches out, results into a queue.

Where the workers are, and how they come back when they are lost, is the business of those who
derive from `DaskRun`; that no batch is lost with them, and none is in memory too early, is ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import platform
import threading
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from pyhrf.execution.dask.pool import LOOPBACK, WorkerDiedError, WorkerPool, open_pool
from pyhrf.execution.dask.worker import Job
from pyhrf.execution.engine import Batch, BatchResult, Load, failed_internally
from pyhrf.execution.news import TellOnce
from pyhrf.execution.packing import pack_parcels
from pyhrf.execution.result_files import file_of_batch, unpack_result
from pyhrf.execution.studies import Studies

_BATCHES_PER_SLOT = 2
_MAX_BYTES = 256 * 2**20
"""Packed parcels that may be under way."""
_ATTEMPTS = 2
"""Times that a parcel alone may fail, or kill three workers, before it is given up."""

_log = logging.getLogger(__name__)


class DaskRun:
    """Work on batches in the background.

    Parameters
    ----------
    job : Job
        What to do.
    batches : sequence of Batch
        With what, in this order.
    load : callable
        Brings parcels.
    studies : Studies
        Theirs.
    tell : callable
        Told what the user should know.

    Attributes
    ----------
    results : SimpleQueue
        Results, then None; or the exception that ended the run. Each result that is taken from
        it has to be followed by `taken`.
    """

    thread_name = "pyhrf-dask"
    end_seconds = 6.0
    """How long the end of all workers may take."""
    causes_of_death = "perhaps out of memory, or a fault in compiled code"
    """Why worker after worker may die at a parcel."""
    addresses: Sequence[str] = LOOPBACK
    """Of this machine, at which workers join."""

    def __init__(
        self,
        job: Job,
        batches: Sequence[Batch],
        *,
        load: Load,
        studies: Studies,
        tell: Callable[[str], object],
    ) -> None:
        self.results: SimpleQueue[BatchResult | BaseException | None] = SimpleQueue()
        self._job, self._batches, self._load, self._tell = job, batches, load, tell
        self._studies = studies
        self._tell_once = TellOnce(tell)
        self._thread = threading.Thread(target=self._run, name=self.thread_name, daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._n_under_way = 0
        self._n_bytes = 0
        self._arrived: list[str] = []
        self._done_by: Counter[str] = Counter()
        self._n_again = 0
        self._done = self._ending = False
        self._failure: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # --- for those who derive

    def _n_slots(self) -> int:
        """Count the workers that are there."""
        raise NotImplementedError

    def _workers(self, pool: WorkerPool) -> AbstractAsyncContextManager[None]:
        """Bring workers up; send all of them home at the end.

        ``self._changed`` has to be set when some came or went, and ``self._done`` says at the end
        whether all work was done.
        """
        raise NotImplementedError

    def _worker_joined(self, name: str, address: str) -> None:
        """Note that a worker is there, and where it listens."""

    def _worker_lost(self, name: str) -> None:
        """Note that a worker went away."""
        raise NotImplementedError

    def _fail(self, error: BaseException) -> None:
        """End the run by an error."""
        if self._failure is None and self._main is not None:
            self._failure = error
            self._main.cancel()

    # --- from the other thread

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End the work and all workers; what is under way is dropped."""
        if self._main is not None:
            self._call_in_thread(self._main.cancel)
        self._thread.join(2 * self.end_seconds)

    def taken(self, result: BatchResult) -> None:
        """Make room for another batch: a result is where it is safe."""
        self._call_in_thread(self._count_taken, result)

    def _call_in_thread(self, what: Callable[..., object], *arguments: object) -> None:
        # Its loop is closed when the run has ended, which may be at any moment.
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(what, *arguments)

    # --- in the thread

    def _count_taken(self, result: BatchResult) -> None:
        self._arrived.append(file_of_batch(result.batch.parcels))
        self._n_under_way -= 1
        self._changed.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except asyncio.CancelledError:
            self.results.put(None)
        except BaseException as error:
            self.results.put(error)
        else:
            self.results.put(None)
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        """Open the pool, bring workers up, work, and send everyone home."""
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._loop.set_exception_handler(self._note_unawaited)
        self._changed = asyncio.Event()
        self._ready.set()
        async with open_pool(
            self._job,
            addresses=self.addresses,
            joined=self._worker_joined,
            lost=self._worker_lost,
        ) as pool:
            try:
                async with self._workers(pool):
                    try:
                        self._tell(f"the dashboard of this run is at {pool.dashboard}")
                        await self._work(pool)
                        self._done = True
                    finally:
                        self._ending = True
                        for task in self._tasks:
                            task.cancel()
            except asyncio.CancelledError:
                if self._failure is None:
                    raise
                raise self._failure from None
            finally:
                await asyncio.gather(*self._tasks, return_exceptions=True)
                self._tell_shares()

    def _note_unawaited(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Keep from the user what nobody waits for at the end, as distributed's last messages."""
        if self._ending:
            _log.debug("%s", context["message"], exc_info=context.get("exception"))
        else:
            loop.default_exception_handler(context)

    def _tell_shares(self) -> None:
        if self._done_by:
            shares = ", ".join(f"{n} on {host}" for host, n in sorted(self._done_by.items()))
            lost = f"; {self._n_again} workers died" if self._n_again else ""
            self._tell(f"batches done: {shares}{lost}")

    async def _work(self, pool: WorkerPool) -> None:
        """Send batches as there is room, until each result was taken."""
        for batch in self._batches:
            await self._room()
            self._n_under_way += 1
            self._send(pool, batch, await self._pack(batch))
        while self._n_under_way:
            await self._change()

    async def _room(self) -> None:
        """Wait until one more batch may be under way."""
        while True:
            n_most = max(2, _BATCHES_PER_SLOT * self._n_slots())
            if self._n_under_way < n_most and (self._n_bytes < _MAX_BYTES or not self._n_under_way):
                return
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _pack(self, batch: Batch) -> bytes:
        return await asyncio.to_thread(
            lambda: pack_parcels(dict(zip(batch.parcels, self._load(batch.parcels), strict=True)))
        )

    def _send(self, pool: WorkerPool, batch: Batch, blob: bytes, *, attempt: int = 1) -> None:
        self._n_bytes += len(blob)
        task = asyncio.create_task(self._deliver(pool, batch, blob, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, pool: WorkerPool, batch: Batch, blob: bytes, attempt: int) -> None:
        """See one batch through to its result, or to another attempt."""
        size = len(blob)
        estimating = pool.estimate(blob)
        del blob  # it is large, and the scheduler has it
        try:
            try:
                self._put(batch, await estimating)
            except WorkerDiedError as error:
                await self._again(pool, batch, f"{error}: {self.causes_of_death}", attempt)
            except Exception as error:
                await self._again(pool, batch, f"{type(error).__name__}: {error}", attempt)
        except Exception as error:  # the data cannot be loaded any more
            self._fail(error)
        finally:
            self._n_bytes -= size
            self._changed.set()

    def _put(self, batch: Batch, packed: bytes) -> None:
        """Pass a result on, and what was logged where it was made."""
        result = unpack_result(packed, self._job.digest, tell=self._tell_once)
        if result is None or result.batch.parcels != batch.parcels:
            raise RuntimeError("the worker answered for other parcels")
        self._done_by[result.host] += 1
        self.results.put(replace(result, batch=batch))

    async def _again(self, pool: WorkerPool, batch: Batch, reason: str, attempt: int) -> None:
        """Try parcel by parcel what failed as a batch; give up a parcel that fails alone."""
        n_parcels = len(batch.parcels)
        if n_parcels == 1 and attempt == _ATTEMPTS:
            (parcel,) = await asyncio.to_thread(self._load, batch.parcels)
            estimate = failed_internally(parcel, reason)
            self._tell(f"{self._studies.called(batch.parcels)} is given up: {reason}")
            self.results.put(BatchResult(batch, [estimate], platform.node(), 0.0))
            return
        self._tell(f"{self._studies.called(batch.parcels)}: {reason}; trying again")
        self._n_under_way += n_parcels - 1
        attempt = attempt + 1 if n_parcels == 1 else 1
        for each in batch.parcels:
            single = replace(batch, parcels=(each,), cost=batch.cost / n_parcels)
            self._send(pool, single, await self._pack(single), attempt=attempt)


def results_of(run: DaskRun) -> Generator[BatchResult, None, None]:
    """Start a run and yield what it brings; its workers end with the generator.

    Yields
    ------
    BatchResult
        After a `KeyboardInterrupt`, what has arrived by then.
    """
    run.start()
    try:
        while (item := run.results.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
            run.taken(item)
    except KeyboardInterrupt:
        yield from _arrived(run)
        raise
    finally:
        run.stop()


def _arrived(run: DaskRun) -> Generator[BatchResult, None, None]:
    """Yield what is there already."""
    while True:
        try:
            item = run.results.get_nowait()
        except Empty:
            return
        if not isinstance(item, BatchResult):
            return
        yield item
        run.taken(item)
