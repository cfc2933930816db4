"""One host of a LAN run: the connection to it, its launcher, and how it comes back when lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncssh

from pyhrf.config.settings import LanSettings
from pyhrf.execution.backoff import Backoff
from pyhrf.execution.dask.pool import WorkerPool
from pyhrf.execution.dask.settings import DASK_SETTINGS
from pyhrf.execution.news import TellOnce
from pyhrf.execution.ssh.commands import ssh_login
from pyhrf.execution.ssh.connection import connect, hang_up
from pyhrf.execution.ssh.forwarding import check_forwarding
from pyhrf.execution.ssh.python import probe, python_command, python_of_lan
from pyhrf.execution.ssh.refusals import HostError
from pyhrf.execution.ssh.shells import find_answer

_CONNECT_SECONDS = 10
_LAUNCH_SECONDS = 60
_SIGN_OF_LIFE_SECONDS = 10
_SILENCE_SECONDS = 60
"""How long a launcher hears nothing before it ends."""
_WAITS = (1.0, 15.0)
"""Seconds before the next attempt to reach a lost host: at first, and at most."""
_END_SECONDS = 5

_LAUNCHER = "pyhrf.execution.lan.launcher"


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """Where the workers of a run meet its scheduler.

    Attributes
    ----------
    pool : WorkerPool
        The scheduler, in this process.
    settings : LanSettings
        Login, interpreter and niceness on the hosts.
    folder : str or None
        Of the run, on the hosts.
    """

    pool: WorkerPool
    settings: LanSettings
    folder: str | None


class Host:
    """A host and its job slots.

    Parameters
    ----------
    name : str
        As in the settings.
    n_slots : int
        Workers to run there.
    meeting : Meeting
        Where they join.
    tell : callable
        Told when the host is lost and when it is back.

    Attributes
    ----------
    up, was_up : bool
        Whether its workers are there, and whether they ever were.
    tried : asyncio.Event
        Set once the first attempt succeeded or failed.
    error : HostError or None
        Why it is not up.
    """

    def __init__(
        self, name: str, n_slots: int, *, meeting: Rendezvous, tell: Callable[[str], object]
    ) -> None:
        self.name, self.n_slots = name, n_slots
        self.up = False
        self.was_up = False
        self.tried = asyncio.Event()
        self.error: HostError | None = None
        self._meeting, self._tell, self._tell_once = meeting, tell, TellOnce(tell)
        self._process: asyncssh.SSHClientProcess[str] | None = None
        self._n_sessions = 0
        self._ending = asyncio.Event()

    async def serve(self, changed: Callable[[], object]) -> None:
        """Keep the workers of the host running until `end`; ``changed`` is called with ``up``.

        A host that cannot be used for a reason that will not mend itself is left at once. One
        that does not answer is tried again, as is one that was lost.
        """
        waits = Backoff(*_WAITS)
        while not self._ending.is_set():
            rose = False
            try:
                async with self._session() as process:
                    waits.reset()
                    rose = True
                    self._rise()
                    changed()
                    await self._keep_alive(process)
                self.error = HostError(self.name, _how_it_ended(process), "check that host")
            except HostError as error:
                self.error = error
            except TimeoutError:
                self.error = HostError(
                    self.name, "no answer in time", "check that it is switched on"
                )
            except Exception as error:  # whatever it is, the other hosts can do without this one
                cause = f"{type(error).__name__}: {error}"
                self.error = HostError(self.name, cause, "check that it is switched on")
            if self._ending.is_set():
                return
            changed()
            lost_for_good = not self.was_up and self.error.kind != "network"
            self._say_why(was_up=rose, lost_for_good=lost_for_good)
            self.tried.set()
            if lost_for_good:
                return
            await asyncio.sleep(waits.failed())

    def _rise(self) -> None:
        if self.tried.is_set():
            self._tell(f"host {self.name} is {'back' if self.was_up else 'now available'}")
        self.up, self.was_up, self.error = True, True, None
        self.tried.set()

    def _say_why(self, *, was_up: bool, lost_for_good: bool) -> None:
        assert self.error is not None
        if was_up:
            self._tell(
                f"host {self.name} is lost: {self.error.cause}; its batches will be rerun on the "
                "others while PyHRF keeps trying to reach it"
            )
        elif lost_for_good or not self.tried.is_set() or self.error.kind != "network":
            self._tell_once(str(self.error))

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncssh.SSHClientProcess[str]]:
        """Connect, compare versions, start the launcher and wait until its workers have joined."""
        settings = self._meeting.settings
        path = settings.python or sys.executable
        connection = await connect(self.name, user=settings.user, timeout=_CONNECT_SECONDS)
        try:
            there = await probe(connection, python_of_lan(connection, path, 0), self.name)
            if differences := there.differences():
                raise HostError(
                    self.name,
                    f"its versions differ: {', '.join(differences)}",
                    "install the same ones there, or set python in section [parallel-LAN]",
                    kind="python",
                )
            await check_forwarding(connection, self.name)
            command = python_command(path, "-m", _LAUNCHER, niceness=settings.niceness)
            process = await connection.create_process(command, request_pty=False, errors="replace")
            async with asyncio.timeout(_LAUNCH_SECONDS):
                await self._launch(connection, process)
            self._process = process
            yield process
        finally:
            # First of all: the workers that now go are not told one by one.
            self._process, self.up = None, False
            await hang_up(connection, seconds=1)

    async def _launch(
        self, connection: asyncssh.SSHClientConnection, process: asyncssh.SSHClientProcess[str]
    ) -> None:
        """Tell the launcher what it needs, and forward ports both ways."""
        meeting, pool = self._meeting, self._meeting.pool
        self._n_sessions += 1
        listener = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", pool.port)
        config = {
            "host": self.name,
            "login": ssh_login(self.name, meeting.settings.user),
            "names": [f"{self.name}#{self._n_sessions}-{i}" for i in range(self.n_slots)],
            "scheduler": f"tls://127.0.0.1:{listener.get_port()}",
            "tls": pool.pem,
            "folder": meeting.folder,
            "run": pool.run,
            "silence": _SILENCE_SECONDS,
            "dask": DASK_SETTINGS,
        }
        _write(process, config)
        message = await self._hear(process)
        addresses = []
        for port in message["ports"]:
            forward = await connection.forward_local_port("127.0.0.1", 0, "127.0.0.1", port)
            addresses.append(f"tls://127.0.0.1:{forward.get_port()}")
        _write(process, {"addresses": addresses})
        await self._hear(process)

    async def _hear(self, process: asyncssh.SSHClientProcess[str]) -> dict[str, Any]:
        """Wait for the next message of the launcher, past what a login shell may print."""
        while line := await process.stdout.readline():
            message: dict[str, Any] | None = find_answer(line, "pyhrf")
            if message is None:
                continue
            if "error" in message:
                cure = message["cure"] or "check that pyhrf works there"
                raise HostError(self.name, message["error"], cure, kind="python")
            return message
        said = str(await process.stderr.read()).strip().splitlines()
        reason = said[-1] if said else f"status {process.exit_status}"
        raise HostError(
            self.name,
            f"its launcher ended: {reason}",
            "check that pyhrf works there",
            kind="python",
        )

    async def _keep_alive(self, process: asyncssh.SSHClientProcess[str]) -> None:
        """Give a sign of life now and then, until the launcher or the connection has ended."""
        ended = asyncio.ensure_future(process.wait_closed())
        while not ended.done():
            _write(process, None)
            await asyncio.wait({ended}, timeout=_SIGN_OF_LIFE_SECONDS)

    async def end(self, *, remove: bool, arrived: Sequence[str]) -> bool:
        """Let the workers go home.

        Parameters
        ----------
        remove : bool
            Whether nothing that is kept on the host is needed any more.
        arrived : sequence of str
            Files of batches that need not be kept there.

        Returns
        -------
        bool
            Whether they are gone and what is not needed is removed.
        """
        self._ending.set()
        process = self._process
        if process is None:
            return not self.was_up
        with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
            _write(process, {"remove": remove, "arrived": list(arrived)})
            process.stdin.write_eof()
            async with asyncio.timeout(_END_SECONDS):
                while line := await process.stdout.readline():
                    if "bye" in (find_answer(line, "pyhrf") or ()):
                        return True
        return False


def _how_it_ended(process: asyncssh.SSHClientProcess[str]) -> str:
    if process.exit_signal is not None:
        return f"its launcher was ended by the signal {process.exit_signal[0]}"
    if process.exit_status is not None:
        return f"its launcher ended with status {process.exit_status}"
    return "the connection is broken"


def _write(process: asyncssh.SSHClientProcess[str], content: object) -> None:
    process.stdin.write("\n" if content is None else json.dumps(content) + "\n")
