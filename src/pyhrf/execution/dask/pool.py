"""The scheduler of a LAN run, in the client, and the way of a batch to a worker and back."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import dask
from distributed import Client, Scheduler
from distributed.client import FutureCancelledError
from distributed.comm.core import connect
from distributed.diagnostics.plugin import SchedulerPlugin
from distributed.scheduler import KilledWorker

from pyhrf.execution.dask.settings import DASK_SETTINGS, MemorySecurity, temporary_security
from pyhrf.execution.dask.worker import Job, JobPlugin, host_of_worker, work

LOOPBACK = ("127.0.0.1",)

NameOfWorker = Callable[[str], object]
WorkerAt = Callable[[str, str], object]


class WorkerDiedError(Exception):
    """Worker after worker died at this batch."""


class _Workers(SchedulerPlugin):
    """Tells of the workers that come and go."""

    name = "pyhrf-workers"

    def __init__(self, *, joined: WorkerAt, lost: NameOfWorker) -> None:
        self._joined, self._lost = joined, lost
        self._names: dict[str, str] = {}

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        self._names[worker] = str(scheduler.workers[worker].name)
        self._joined(self._names[worker], worker)

    def remove_worker(
        self,
        scheduler: Scheduler,  # noqa: ARG002 - by contract of distributed
        worker: str,
        **_: Any,
    ) -> None:
        name = self._names.pop(worker, None)
        if name is not None:
            self._lost(name)


class WorkerPool:
    """Workers that may come and go.

    Attributes
    ----------
    contacts : tuple of str
        Where workers join, ``tls://ADDRESS:PORT``, one for each of the addresses.
    port : int
        That of the first.
    pem : dict of str to str
        The keys of this run, as texts.
    dashboard : str
        Address for a browser on this machine.
    run : str
        A name that no other run has.
    """

    def __init__(self, scheduler: Scheduler, client: Client, security: MemorySecurity) -> None:
        self._client, self._security = client, security
        self.run = uuid.uuid4().hex[:12]
        self._n_submitted = 0
        self.contacts = tuple(listener.contact_address for listener in scheduler.listeners)
        self.port = int(self.contacts[0].rpartition(":")[2])
        self.pem = security.pem
        port: int = scheduler.http_server.port  # type: ignore[attr-defined]  # set at start
        self.dashboard = f"http://127.0.0.1:{port}/status"

    async def reaches(self, address: str) -> bool:
        """Tell whether results can be fetched from a worker."""
        try:
            comm = await connect(address, **self._security.get_connection_args("scheduler"))
        except OSError:
            return False
        await comm.close()
        return True

    async def estimate(self, blob: bytes) -> bytes:
        """Have a worker estimate packed parcels; nothing of them is kept here.

        Raises
        ------
        WorkerDiedError
            If several workers died at it.
        Exception
            Whatever the worker raised.
        """
        self._n_submitted += 1
        # A key that was used before would bring the old result.
        key = f"batch-{self.run}-{self._n_submitted}"
        future = self._client.submit(work, blob, key=key, pure=False)
        del blob
        try:
            packed: bytes = await future
        except KilledWorker as error:
            host = host_of_worker(getattr(error.last_worker, "name", ""))
            n_times = DASK_SETTINGS["distributed.scheduler.allowed-failures"] + 1
            raise WorkerDiedError(
                f"its worker died each of {n_times} times, the last on host {host}"
            ) from error
        except FutureCancelledError as error:
            # Not a cancelled task: the client lost its scheduler, as after hours of sleep.
            raise ConnectionError("the connection to the scheduler was lost") from error
        finally:
            future.release()
        return packed


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep distributed from printing; what matters to a user is told by `Host` and `DaskRun`."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client", "tornado")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@asynccontextmanager
async def open_pool(
    job: Job, *, addresses: Sequence[str] = LOOPBACK, joined: WorkerAt, lost: NameOfWorker
) -> AsyncIterator[WorkerPool]:
    """Start the scheduler; workers that join are told the job.

    Parameters
    ----------
    job : Job
        What is to be done with parcels.
    addresses : sequence of str
        Of this machine, at which workers join; the first one has to be ``127.0.0.1``.
    joined : callable
        Called with name and address of a worker that came.
    lost : callable
        Called with the name of one that went away.
    """
    security = temporary_security()
    with dask.config.set(DASK_SETTINGS), _quiet():
        async with (
            Scheduler(
                host=list(addresses),  # type: ignore[arg-type]  # a list is allowed, not annotated
                port=0,
                protocol="tls://",
                security=security,
                dashboard=True,
                dashboard_address="127.0.0.1:0",
                plugins=(_Workers(joined=joined, lost=lost),),
            ) as scheduler,
            Client(
                scheduler.address, security=security, asynchronous=True, set_as_default=False
            ) as client,
        ):
            await client.register_plugin(JobPlugin(job))
            yield WorkerPool(scheduler, client, security)
