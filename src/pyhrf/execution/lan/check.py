"""Whether the machines of ``[parallel-LAN]`` can be used: each is tried, all at once."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import uuid
from collections import Counter
from dataclasses import dataclass, field

import asyncssh

from pyhrf.config.settings import LanSettings
from pyhrf.errors import EngineError
from pyhrf.execution.check_steps import Check, Step
from pyhrf.execution.ssh.commands import folder_cure, ssh_login
from pyhrf.execution.ssh.connection import connect, hang_up
from pyhrf.execution.ssh.forwarding import check_forwarding
from pyhrf.execution.ssh.python import Probe, probe, python_of_lan
from pyhrf.execution.ssh.refusals import HostError
from pyhrf.execution.ssh.sftp import open_sftp

STEPS = ("name", "network", "host key", "login", "python", "versions", "remote_path")
"""What has to hold for a host, in the order in which it is tried."""

_COMMAND_SECONDS = 30
_MEMORY_OF_A_SLOT = 0.5e9
"""Bytes that a worker takes with little data."""


class HostCheck(Check):
    """What was found out about a host.

    Parameters
    ----------
    host : str
        As it is written in the settings.
    n_slots : int
        How often.

    Attributes
    ----------
    facts : Probe or None
        What it says of itself.
    """

    def __init__(self, host: str, n_slots: int) -> None:
        super().__init__(host, [Step(name) for name in STEPS])
        self.n_slots = n_slots
        self.facts: Probe | None = None

    @property
    def usable(self) -> bool:
        """Whether the engine can work there; ``remote_path`` is not looked at if it is not set."""
        return not self.failed


@dataclass
class LanCheck:
    """What was found out about all hosts.

    Attributes
    ----------
    hosts : list of HostCheck
        In the order of the settings.
    shared : bool or None
        Whether all usable hosts see one folder under ``remote_path``; None if it is not set, or
        fewer than two hosts can write there.
    notes : list of str
        On ``remote_path`` and ``remote_host``.
    """

    hosts: list[HostCheck]
    shared: bool | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def usable(self) -> list[HostCheck]:
        """The hosts on which the engine can work."""
        return [host for host in self.hosts if host.usable]


def check_lan(settings: LanSettings, *, timeout: float = 10) -> LanCheck:
    """Try every host of the settings, all at the same time.

    Nothing is left behind: the small files that are put under ``remote_path`` are removed.

    Raises
    ------
    ConfigError
        If the list of hosts cannot be read.
    """
    return asyncio.run(_check(settings, Counter(settings.slots()), timeout))


async def _check(settings: LanSettings, slots: Counter[str], timeout: float) -> LanCheck:
    # One name for the files of all: whoever reads it knows the others'.
    token = f".pyhrf-check-{uuid.uuid4().hex[:12]}"
    visits = [
        _HostVisit(settings, HostCheck(host, n), f"{token}-{i}", timeout)
        for i, (host, n) in enumerate(slots.items())
    ]
    found = LanCheck([visit.check for visit in visits])
    try:
        await asyncio.gather(*(visit.try_host() for visit in visits))
        if settings.remote_path:
            await _compare_folders(settings, visits, found, timeout)
    finally:
        await asyncio.gather(*(visit.leave() for visit in visits))
    return found


class _HostVisit:
    """One host, for as long as the check takes."""

    def __init__(self, settings: LanSettings, check: HostCheck, note: str, timeout: float) -> None:
        self.settings, self.check, self.note, self._timeout = settings, check, note, timeout
        self.wrote = False
        self._connection: asyncssh.SSHClientConnection | None = None

    async def try_host(self) -> None:
        """Go through the steps up to the first that fails."""
        settings, check = self.settings, self.check
        path = settings.python or sys.executable
        try:
            self._connection = await connect(check.what, user=settings.user, timeout=self._timeout)
            self.python = python_of_lan(self._connection, path, settings.niceness)
            await check_forwarding(self._connection, check.what)
            facts = await probe(self._connection, self.python, check.what)
        except HostError as error:
            check.fail(error.kind, error.cause, error.cure)
            return
        check.facts = facts
        if differences := facts.differences():
            check.fail(
                "versions",
                "versions differ: " + ", ".join(differences),
                "install the same versions there as here, or set python in section "
                "[parallel-LAN] to an interpreter that has them",
            )
            return
        reason, cure = await self._try_folder(settings.remote_path)
        if reason:
            check.fail("remote_path", reason, cure)
            return
        self.wrote = bool(settings.remote_path)
        if settings.remote_path and not settings.remote_host:
            await self._try_sftp()
        for step in check.steps if settings.remote_path else check.steps[:-1]:
            step.passed = True
        check.notes += _notes_on_means(facts, check.n_slots, settings.niceness)
        with contextlib.suppress(EngineError, OSError):
            if problem := await self.python.folder("cache"):
                check.notes.append(problem)

    async def _try_folder(self, folder: str | None) -> tuple[str, str]:
        """Write into the folder or that for temporary files; say what fails, and what helps."""
        words = ("write", folder, self.note) if folder else ("temporary",)
        remedy = ""
        try:
            reason, remedy = await self.python.folder(*words)
        except EngineError as fault:
            reason = fault.cause
        except OSError as error:
            reason = str(error) or "no answer in time"
        if not reason:
            return "", ""
        section = "section [parallel-LAN]"
        if not folder:
            cure = f"{remedy or 'correct that'} there, or set remote_path in {section}"
            return f"its folder for temporary files cannot be written: {reason}", cure
        login = ssh_login(self.check.what, self.settings.user)
        cure = folder_cure(folder, remedy, login=login, section=section)
        return f"{folder} cannot be written there: {reason}", cure

    async def _try_sftp(self) -> None:
        """Note it if what is left in the folder could not be fetched by a later run."""
        assert self._connection is not None
        try:
            (await open_sftp(self._connection, self.check.what)).exit()
        except HostError as error:
            self.check.notes.append(
                "results that have not arrived when a run is stopped cannot be fetched later: "
                f"{error.cause}; {error.cure}"
            )

    async def leave(self) -> None:
        """Remove what was written and close the connection."""
        if self._connection is None:
            return
        with contextlib.suppress(EngineError, OSError):
            if self.wrote and self.settings.remote_path:
                await self.python.folder("remove", self.settings.remote_path, self.note)
        await hang_up(self._connection, seconds=5)


def _notes_on_means(facts: Probe, n_slots: int, niceness: int) -> list[str]:
    notes = []
    if n_slots > facts.n_cores:
        notes.append(
            f"{n_slots} slots, but only {facts.n_cores} cores: more slots than cores do not help"
        )
    if facts.free_memory is not None and facts.free_memory < n_slots * _MEMORY_OF_A_SLOT:
        notes.append(
            f"{facts.free_memory / 1e9:.1f} GB of memory are free, which is little for "
            f"{n_slots} slots"
        )
    if facts.niceness != niceness:
        notes.append(f"a worker runs with niceness {facts.niceness}, not {niceness}")
    return notes


async def _compare_folders(
    settings: LanSettings, visits: list[_HostVisit], found: LanCheck, timeout: float
) -> None:
    """Find out whether what one host wrote is read by the others, and by ``remote_host``."""
    assert settings.remote_path is not None
    writers = [visit for visit in visits if visit.wrote]
    names = [visit.note for visit in writers]
    answers = await asyncio.gather(
        *(visit.python.folder("read", settings.remote_path, *names) for visit in writers),
        return_exceptions=True,
    )
    if len(writers) > 1:
        found.shared = all(answer == names for answer in answers)
        found.notes.append(
            f"remote_path {settings.remote_path} is the same folder on every host"
            if found.shared
            else f"remote_path {settings.remote_path} is not the same folder on every host: that "
            "is allowed; results that had not arrived when a run was stopped can only be fetched "
            "from the host that has them"
        )
    if settings.remote_host and writers:
        found.notes.append(await _note_on_remote_host(settings, writers, timeout))


async def _note_on_remote_host(
    settings: LanSettings, writers: list[_HostVisit], timeout: float
) -> str:
    """Try to see over SFTP what the hosts wrote."""
    host = str(settings.remote_host)
    seen: list[str] = []
    try:
        connection = await connect(host, user=settings.user, timeout=timeout)
        async with (
            connection,
            asyncio.timeout(_COMMAND_SECONDS),
            await open_sftp(connection, host) as sftp,
        ):
            folder = str(settings.remote_path).removeprefix("~/")  # SFTP starts in the home
            seen += [v.check.what for v in writers if await sftp.exists(f"{folder}/{v.note}")]
    except HostError as error:
        return f"remote_host {host} cannot be used: {error.cause}; {error.cure}"
    except (OSError, asyncssh.Error, TimeoutError) as error:
        return (
            f"remote_host {host} cannot be used: SFTP failed ({error or 'no answer in time'}); "
            "check that the machine is not overloaded"
        )
    if len(seen) == len(writers):
        return f"remote_host {host} sees the folder of every host"
    unseen = ", ".join(v.check.what for v in writers if v.check.what not in seen)
    return (
        f"remote_host {host} does not see what {unseen} wrote under remote_path: choose a "
        "remote_path that all share, or leave remote_host out"
    )
