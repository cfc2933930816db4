"""What a host says of itself, and how an interpreter is run there."""

from __future__ import annotations

import shlex
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from pyhrf.execution.remote import host_facts
from pyhrf.execution.remote.commands import quoted_path, ssh_login
from pyhrf.execution.remote.refusals import HostError
from pyhrf.execution.remote.shells import There, find_answer
from pyhrf.execution.remote.startup import StartupError, say_hello

_PROBE_SECONDS = 30


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
        """Name the versions that differ from those here, as ``numpy 1.26 (here 2.1)``.

        Parameters
        ----------
        but : collection of str
            Packages that do not matter.
        """
        here = host_facts.host_facts()["versions"]
        return host_facts.differences(here, self.versions, but=but)


def python_command(python: str, *arguments: str, niceness: int) -> str:
    """Write the command line that runs an interpreter on a host, in place of the login shell.

    A folder that lies where the login shell starts, and is called pyhrf, is not imported.
    """
    words = " ".join([quoted_path(python), *map(shlex.quote, arguments)])
    return f"exec nice -n {niceness} env PYTHONSAFEPATH=1 {words}"


async def check_startup(connection: asyncssh.SSHClientConnection, host: str) -> None:
    """See that a login runs the commands that it is given.

    Raises
    ------
    HostError
        Naming its start-up files if it does not.
    """
    trial = f"ssh {ssh_login(host, str(connection.get_extra_info('username')))}"
    try:
        await say_hello(There(connection), trial=trial)
    except StartupError as error:
        raise HostError(host, error.cause, error.cure, kind="login") from error
    except (OSError, asyncssh.Error) as error:
        cause = f"the login works, but no command can be run there: {error}"
        cure = f"see that this prints hello: {trial} echo hello"
        raise HostError(host, cause, cure, kind="login") from error


async def probe(
    connection: asyncssh.SSHClientConnection, python: str, *, host: str = "", niceness: int = 0
) -> Probe:
    """Ask a host for its versions and means.

    Parameters
    ----------
    connection : asyncssh.SSHClientConnection
        To the host.
    python : str
        Interpreter there.
    host : str
        Name of the host for messages; that of the connection if not given.
    niceness : int
        With which the interpreter is started.

    Returns
    -------
    Probe

    Raises
    ------
    HostError
        If the login runs no commands, or the interpreter cannot be run.
    """
    host = host or str(connection.get_extra_info("host") or "")
    start = time.monotonic()
    await check_startup(connection, host)
    seconds = _PROBE_SECONDS + time.monotonic() - start  # start-up files may take their time
    command = python_command(python, "-", niceness=niceness)
    source = Path(host_facts.__file__).read_text("utf-8")
    cure = "set python in section [parallel-LAN] to an interpreter there that has pyhrf[lan]"
    try:
        said = await There(connection).run(command, text=source, seconds=seconds)
    except (OSError, asyncssh.Error, TimeoutError) as error:
        raise HostError(host, f"{python} cannot be run: {error}", cure, kind="python") from error
    answer = find_answer(said.out, "pyhrf_host")
    if answer is None:
        raise HostError(host, f"{python} cannot be run: {said.reason}", cure, kind="python")
    return Probe(**answer)
