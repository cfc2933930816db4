"""An interpreter on this machine or another one: how it is run, and what it says of its host."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyhrf.errors import EngineError
from pyhrf.execution.ssh import host_facts, host_folder
from pyhrf.execution.ssh.commands import quoted_path, ssh_login
from pyhrf.execution.ssh.refusals import HostError
from pyhrf.execution.ssh.shells import RemoteShell, Shell, find_answer
from pyhrf.execution.ssh.startup import say_hello

if TYPE_CHECKING:
    import asyncssh

_SECONDS = 40.0
_OLDEST = (3, 11)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a host says of itself.

    Attributes
    ----------
    versions : dict of str to str or None
        Of ``python``, of the packages that count (None: not installed), and of the text of PyHRF.
    name : str
        Its own name for itself.
    n_cores : int
        Cores that a process may use.
    free_memory : int or None
        Bytes; None if it is not known there.
    niceness : int
        As seen by a process that was started with the niceness that was asked for.
    """

    versions: dict[str, str | None]
    name: str
    n_cores: int
    free_memory: int | None
    niceness: int

    def differences(self, *, but: Collection[str] = ()) -> list[str]:
        """Name the versions that differ from those here, as ``numpy 1.26 (here 2.1)``."""
        here = host_facts.host_facts()["versions"]
        return host_facts.differences(here, self.versions, but=but)


def python_command(python: str, *arguments: str, niceness: int) -> str:
    """Write the command line that runs an interpreter on a host, in place of the login shell.

    A folder that lies where the login shell starts, and is called pyhrf, is not imported.
    """
    words = " ".join([quoted_path(python), *map(shlex.quote, arguments)])
    return f"exec nice -n {niceness} env PYTHONSAFEPATH=1 {words}"


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter that has PyHRF.

    Attributes
    ----------
    shell : Shell
        Where it is.
    path : str
        As in the settings.
    cure : str
        What helps if it cannot be run.
    niceness : int
        With which it is started.
    """

    shell: Shell
    path: str
    cure: str
    niceness: int = 0

    async def ask(
        self, key: str, *arguments: str, text: str = "", seconds: float = _SECONDS
    ) -> Any:
        """Run it and take its answer, ``{"KEY": …}``.

        Raises
        ------
        EngineError
            If it does not answer.
        """
        command = python_command(self.path, *arguments, niceness=self.niceness)
        said = await self.shell.run(command, text=text, seconds=seconds)
        answer = find_answer(said.out, key)
        if answer is not None:
            return answer
        cause = f"{self.path} cannot be run there: {said.reason}"
        version = await self.shell.run(f"{quoted_path(self.path)} -V")
        match = re.search(r"Python (\d+)\.(\d+)\S*", version.out + version.err)
        if match and (int(match[1]), int(match[2])) < _OLDEST:
            cause = f"{self.path} there is {match[0]}: PyHRF needs 3.11 or newer"
        raise EngineError(cause, self.cure)

    async def facts(self, *, seconds: float = _SECONDS) -> Probe:
        """Ask for versions and means of its machine, where PyHRF may not be installed."""
        source = Path(host_facts.__file__).read_text("utf-8")
        return Probe(**await self.ask("pyhrf_host", "-", text=source, seconds=seconds))

    async def folder(self, action: str, *words: str) -> Any:
        """Have it do something in a folder; see `pyhrf.execution.ssh.host_folder`."""
        return await self.ask("pyhrf_folder", "-m", host_folder.MODULE, action, *words)


async def check_startup(connection: asyncssh.SSHClientConnection, host: str) -> None:
    """See that a login runs the commands that it is given.

    Raises
    ------
    HostError
        Naming its start-up files if it does not.
    """
    trial = f"ssh {ssh_login(host, str(connection.get_extra_info('username')))}"
    try:
        await say_hello(RemoteShell(connection), trial=trial)
    except EngineError as fault:
        raise HostError(host, fault.cause, fault.cure, kind="login") from fault
    except OSError as error:
        cause = f"the login works, but no command can be run there: {error}"
        cure = f"check that this prints hello: {trial} echo hello"
        raise HostError(host, cause, cure, kind="login") from error


async def probe(connection: asyncssh.SSHClientConnection, python: Python, host: str) -> Probe:
    """Ask a host for its versions and means.

    Raises
    ------
    HostError
        If the login runs no commands, or the interpreter cannot be run.
    """
    start = time.monotonic()
    await check_startup(connection, host)
    seconds = _SECONDS + time.monotonic() - start  # start-up files may take their time
    try:
        return await python.facts(seconds=seconds)
    except EngineError as fault:
        raise HostError(host, fault.cause, fault.cure, kind="python") from fault
    except OSError as error:
        cause = f"{python.path} cannot be run: {error}"
        raise HostError(host, cause, python.cure, kind="python") from error


def python_of_lan(connection: asyncssh.SSHClientConnection, path: str, niceness: int) -> Python:
    """Give the interpreter of section ``[parallel-LAN]`` on a host."""
    cure = "set python in section [parallel-LAN] to an interpreter there that has pyhrf[lan]"
    return Python(RemoteShell(connection), path, cure, niceness)
