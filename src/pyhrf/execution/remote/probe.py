"""What a host says of itself, and how an interpreter is run there."""

from __future__ import annotations

import asyncio
import json
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import asyncssh

from pyhrf.execution.remote import host_facts
from pyhrf.execution.remote.refusals import HostError

__all__ = ["Probe", "probe", "python_command"]

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
    home, slash, rest = python.partition("/")
    path = f"~/{shlex.quote(rest)}" if home == "~" and slash else shlex.quote(python)
    words = " ".join(map(shlex.quote, arguments))
    return f"exec nice -n {niceness} env PYTHONSAFEPATH=1 {path} {words}"


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
        If the interpreter cannot be run.
    """
    host = host or str(connection.get_extra_info("host") or "")
    command = python_command(python, "-", niceness=niceness)
    source = Path(host_facts.__file__).read_text("utf-8")
    cure = "set python in section [parallel-LAN] to an interpreter there that has pyhrf[lan]"
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            done = await connection.run(command, input=source, request_pty=False)
    except (OSError, asyncssh.Error, TimeoutError) as error:
        reason = str(error) or f"no answer within {_PROBE_SECONDS} s"
        raise HostError(host, f"{python} cannot be run: {reason}", cure, kind="python") from error
    for line in str(done.stdout or "").splitlines():  # a login shell may print lines of its own
        if line.startswith('{"pyhrf_host"'):
            return Probe(**json.loads(line)["pyhrf_host"])
    said = str(done.stderr or "").strip().splitlines()
    reason = said[-1] if said else f"it ended with status {done.exit_status}"
    raise HostError(host, f"{python} cannot be run: {reason}", cure, kind="python")
