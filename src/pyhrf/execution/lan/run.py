"""A run on the hosts of a LAN: how they come up, come back, and are left as they were."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from pyhrf.config.settings import LanSettings
from pyhrf.errors import EngineError
from pyhrf.execution.dask.pool import WorkerPool
from pyhrf.execution.dask.run import DaskRun
from pyhrf.execution.dask.worker import Job, host_of_worker
from pyhrf.execution.engine import Batch, Load
from pyhrf.execution.lan.host import Host, Rendezvous
from pyhrf.execution.studies import Studies
from pyhrf.wording import named

_PATIENCE = 120.0
"""Seconds without any host after which the run ends."""


class LanRun(DaskRun):
    """Work on batches on the hosts of a LAN."""

    thread_name = "pyhrf-lan"

    def __init__(
        self,
        job: Job,
        batches: Sequence[Batch],
        *,
        settings: LanSettings,
        load: Load,
        studies: Studies,
        tell: Callable[[str], object],
    ) -> None:
        super().__init__(job, batches, load=load, studies=studies, tell=tell)
        self._settings = settings
        self._begun = False
        self._at_start: list[str] = []
        self._hosts: list[Host] = []

    def _n_slots(self) -> int:
        return sum(host.n_slots for host in self._hosts if host.up)

    @asynccontextmanager
    async def _workers(self, pool: WorkerPool) -> AsyncIterator[None]:
        meeting = Rendezvous(pool, self._settings, self._job.folder)
        self._hosts = [
            Host(name, n_slots, meeting=meeting, tell=self._tell_of_host)
            for name, n_slots in Counter(self._settings.slots()).items()
        ]
        serving = [asyncio.create_task(h.serve(self._changed.set)) for h in self._hosts]
        watching = asyncio.create_task(self._watch())
        try:
            await self._first_host()
            yield
        finally:
            watching.cancel()
            await asyncio.shield(self._end(serving, remove=self._done))

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
            self._tell(f"{text}; the run continues without it")
        self._tell(f"hosts and their job slots: {names}")

    def _tell_of_host(self, text: str) -> None:
        # Until a host is up nobody knows whether the run continues.
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
        self._fail(EngineError(f"all hosts are lost:\n{reasons}\n{named('again')} to continue"))

    def _worker_lost(self, name: str) -> None:
        host = host_of_worker(name)
        if not self._ending and any(each.name == host and each.up for each in self._hosts):
            self._n_again += 1
            self._tell(f"a worker on {host} died; its batch will be rerun")

    async def _send_home(self, *, remove: bool) -> None:
        """End all launchers, and tell where one may have left something."""
        goodbyes = [
            asyncio.create_task(host.end(remove=remove, arrived=self._arrived))
            for host in self._hosts
        ]
        _, late = await asyncio.wait(goodbyes, timeout=self.end_seconds)
        for goodbye in late:
            goodbye.cancel()
        for goodbye, host in zip(goodbyes, self._hosts, strict=True):
            gone = goodbye not in late and goodbye.exception() is None and goodbye.result()
            if not gone and host.was_up and self._job.folder is not None:
                self._tell(f"host {host.name}: {self._job.folder} may be left there")

    async def _end(self, serving: Sequence[asyncio.Task[None]], *, remove: bool) -> None:
        """Send the launchers home and check that nobody stays."""
        self._ending = True
        await self._send_home(remove=remove)
        for each in serving:
            each.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
