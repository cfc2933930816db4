"""A run on the hosts of a LAN, in a thread of its own: batches out, results into a queue."""

from __future__ import annotations

import asyncio
import logging
import platform
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from queue import SimpleQueue

from pyhrf.errors import EngineError
from pyhrf.execution.dask_pool import Pool, WorkerDiedError, open_pool
from pyhrf.execution.engine import Batch, BatchResult, Load, failed_internally
from pyhrf.execution.lan_host import Host, Meeting
from pyhrf.execution.packing import pack_parcels, unpack_estimates
from pyhrf.execution.remote_worker import Job, file_of_batch

__all__ = ["LanRun", "Plan"]

_BATCHES_PER_SLOT = 2
_MAX_BYTES = 256 * 2**20
"""Packed parcels that may be under way."""
_ATTEMPTS = 2
"""Times that a parcel alone may fail, or kill three workers, before it is given up."""
_PATIENCE = 120.0
"""Seconds without any host after which the run ends."""
_END_SECONDS = 6.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """Where and how to run.

    Attributes
    ----------
    slots : Counter of str
        Job slots of each host.
    user, python, niceness, folder
        As in `pyhrf.execution.lan_host.Meeting`.
    job : Job
        What to do.
    """

    slots: Counter[str]
    user: str | None
    python: str
    niceness: int
    folder: str | None
    job: Job


class LanRun:
    """Work on batches in the background.

    Parameters
    ----------
    plan : Plan
        Where.
    batches : sequence of Batch
        What, in this order.
    load : callable
        Brings parcels.
    tell : callable
        Told what the user should know.

    Attributes
    ----------
    results : SimpleQueue
        Results, then None; or the exception that ended the run. Each result that is taken from
        it has to be followed by `taken`.
    """

    def __init__(
        self, plan: Plan, batches: Sequence[Batch], *, load: Load, tell: Callable[[str], object]
    ) -> None:
        self.results: SimpleQueue[BatchResult | BaseException | None] = SimpleQueue()
        self._plan, self._batches, self._load, self._tell = plan, batches, load, tell
        self._thread = threading.Thread(target=self._run, name="pyhrf-lan", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._main: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._n_under_way = 0
        self._n_bytes = 0
        self._arrived: list[str] = []
        self._done_by: Counter[str] = Counter()
        self._n_again = 0
        self._begun = self._ending = False
        self._at_start: list[str] = []
        self._failure: BaseException | None = None
        self._hosts: list[Host] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._ready.wait()

    def stop(self) -> None:
        """End the work and everything on the hosts; what is under way is dropped."""
        if self._loop is not None and self._main is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._main.cancel)
        self._thread.join(2 * _END_SECONDS)

    def taken(self, result: BatchResult) -> None:
        """Make room for another batch: a result is where it is safe."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._count_taken, result)

    def _count_taken(self, result: BatchResult) -> None:
        self._arrived.append(file_of_batch(result.batch.parcels))
        self._n_under_way -= 1
        self._changed.set()

    def _run(self) -> None:
        try:
            asyncio.run(self._with_hosts())
        except asyncio.CancelledError:
            self.results.put(None)
        except BaseException as error:
            self.results.put(error)
        else:
            self.results.put(None)
        finally:
            self._ready.set()

    async def _with_hosts(self) -> None:
        """Bring the hosts up, work, and send everyone home."""
        plan = self._plan
        self._loop, self._main = asyncio.get_running_loop(), asyncio.current_task()
        self._changed = asyncio.Event()
        self._ready.set()
        async with open_pool(plan.job, lost=self._worker_lost) as pool:
            meeting = Meeting(
                pool.port, pool.pem, plan.user, plan.python, plan.niceness, plan.folder, pool.run
            )
            self._hosts = [
                Host(name, n_slots, meeting=meeting, tell=self._tell_of_host)
                for name, n_slots in plan.slots.items()
            ]
            serving = [asyncio.create_task(h.serve(self._changed.set)) for h in self._hosts]
            watching = asyncio.create_task(self._watch())
            done = False
            try:
                await self._first_host()
                self._tell(f"the dashboard of this run is at {pool.dashboard}")
                await self._work(pool)
                done = True
            except asyncio.CancelledError:
                if self._failure is None:
                    raise
                raise self._failure from None
            finally:
                watching.cancel()
                await asyncio.shield(self._end(serving, remove=done))

    async def _first_host(self) -> None:
        """Wait until a host is up, or all were tried in vain."""
        while not any(host.up for host in self._hosts):
            if all(host.tried.is_set() for host in self._hosts):
                reasons = "\n".join(f"  {host.error}" for host in self._hosts)
                raise EngineError(f"no host of section [parallel-LAN] can be used:\n{reasons}")
            waits = [asyncio.create_task(host.tried.wait()) for host in self._hosts]
            open_ones = [w for w, h in zip(waits, self._hosts, strict=True) if not h.tried.is_set()]
            await asyncio.wait(open_ones, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        names = ", ".join(f"{h.name} ({h.n_slots})" for h in self._hosts if h.up or not h.error)
        self._begun = True
        for text in self._at_start:
            self._tell(f"{text}; the run goes on without it")
        self._tell(f"hosts and their job slots: {names}")

    def _tell_of_host(self, text: str) -> None:
        # Until a host is up nobody knows whether the run goes on.
        if self._begun:
            self._tell(text)
        else:
            self._at_start.append(text)

    async def _watch(self) -> None:
        """End the run when no host has been there for too long."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while loop.time() - last < _PATIENCE:
            await asyncio.sleep(1)
            if any(host.up for host in self._hosts) or not any(h.error for h in self._hosts):
                last = loop.time()
        reasons = "\n".join(f"  {host.error}" for host in self._hosts)
        self._fail(EngineError(f"all hosts are lost:\n{reasons}\nrun the same command to go on"))

    def _fail(self, error: BaseException) -> None:
        if self._failure is None and self._main is not None:
            self._failure = error
            self._main.cancel()

    def _worker_lost(self, host: str) -> None:
        if not self._ending and any(each.name == host and each.up for each in self._hosts):
            self._n_again += 1
            self._tell(f"a worker on {host} died; what it was at is done again")

    async def _work(self, pool: Pool) -> None:
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
            n_slots = sum(host.n_slots for host in self._hosts if host.up)
            n_most = max(2, _BATCHES_PER_SLOT * n_slots)
            if self._n_under_way < n_most and (self._n_bytes < _MAX_BYTES or not self._n_under_way):
                return
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    async def _pack(self, batch: Batch) -> bytes:
        return await asyncio.to_thread(lambda: pack_parcels(self._load(batch.parcels)))

    def _send(self, pool: Pool, batch: Batch, blob: bytes, *, attempt: int = 1) -> None:
        self._n_bytes += len(blob)
        task = asyncio.create_task(self._deliver(pool, batch, blob, attempt))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, pool: Pool, batch: Batch, blob: bytes, attempt: int) -> None:
        """See one batch through to its result, or to another attempt."""
        size = len(blob)
        estimating = pool.estimate(blob)
        del blob  # it is large, and the scheduler has it
        try:
            try:
                self._put(batch, await estimating)
            except WorkerDiedError as error:
                await self._again(pool, batch, str(error), attempt)
            except Exception as error:
                await self._again(pool, batch, f"{type(error).__name__}: {error}", attempt)
        except Exception as error:  # the data cannot be loaded any more
            self._fail(error)
        finally:
            self._n_bytes -= size
            self._changed.set()

    def _put(self, batch: Batch, packed: bytes) -> None:
        """Pass a result on, and what was logged where it was made."""
        estimates, about = unpack_estimates(packed)
        if [estimate.parcel for estimate in estimates] != list(batch.parcels):
            raise RuntimeError("the worker answered for other parcels")
        host = str(about["host"])
        if "log" in about:
            _log.error("on host %s: %s", host, about["log"])
        self._done_by[host] += 1
        self.results.put(BatchResult(batch, estimates, host, float(about["seconds"])))

    async def _again(self, pool: Pool, batch: Batch, reason: str, attempt: int) -> None:
        """Try parcel by parcel what failed as a batch; give up a parcel that fails alone."""
        n_parcels = len(batch.parcels)
        if n_parcels == 1 and attempt == _ATTEMPTS:
            (parcel,) = await asyncio.to_thread(self._load, batch.parcels)
            estimate = failed_internally(parcel, reason)
            self._tell(f"parcel {parcel.number} is given up: {reason}")
            self.results.put(BatchResult(batch, [estimate], platform.node(), 0.0))
            return
        numbers = ", ".join(map(str, batch.parcels))
        self._tell(f"parcel{'s' if n_parcels > 1 else ''} {numbers}: {reason}; tried again")
        self._n_under_way += n_parcels - 1
        attempt = attempt + 1 if n_parcels == 1 else 1
        for number in batch.parcels:
            single = replace(batch, parcels=(number,), cost=batch.cost / n_parcels)
            self._send(pool, single, await self._pack(single), attempt=attempt)

    async def _send_home(self, *, remove: bool) -> None:
        """End all launchers, and tell where one may have left something."""
        goodbyes = [
            asyncio.create_task(host.end(remove=remove, arrived=self._arrived))
            for host in self._hosts
        ]
        _, late = await asyncio.wait(goodbyes, timeout=_END_SECONDS)
        for goodbye in late:
            goodbye.cancel()
        for goodbye, host in zip(goodbyes, self._hosts, strict=True):
            gone = goodbye not in late and goodbye.exception() is None and goodbye.result()
            if not gone and host.was_up and self._plan.folder is not None:
                self._tell(f"host {host.name}: {self._plan.folder} may be left there")

    async def _end(self, serving: Sequence[asyncio.Task[None]], *, remove: bool) -> None:
        """Send the launchers home and see that nobody stays."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
        await self._send_home(remove=remove)
        for each in serving:
            each.cancel()
        await asyncio.gather(*serving, *self._tasks, return_exceptions=True)
        if self._done_by:
            shares = ", ".join(f"{n} on {host}" for host, n in sorted(self._done_by.items()))
            lost = f"; {self._n_again} workers died" if self._n_again else ""
            self._tell(f"batches done: {shares}{lost}")
