"""Commands on this machine or on another one, as the checks of a cluster give them."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncssh

__all__ = ["AS_SOMA", "Here", "Said", "Shell", "There"]

AS_SOMA = "".join(
    f"[ -f ~/{name} ] && . ~/{name}; " for name in (".profile", ".bash_profile", ".bashrc")
)
"""What soma-workflow's client has the shell of a cluster do before each command."""


@dataclass(frozen=True)
class Said:
    """What came of a command.

    Attributes
    ----------
    status : int
        Exit status; -1 if a signal ended it.
    out, err : str
        What it printed.
    """

    status: int
    out: str
    err: str

    @property
    def reason(self) -> str:
        """Give the last line of its complaint, for a message."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"it ended with status {self.status}"


class Shell(Protocol):
    """Where commands are run."""

    async def run(self, command: str, *, text: str = "") -> Said:
        """Run a command of the shell with a text on its standard input; wait for its end."""
        ...


class Here:
    """The machine of this process."""

    async def run(self, command: str, *, text: str = "") -> Said:
        """Run a command of the shell with a text on its standard input; wait for its end."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            "/bin/bash", "-c", command, stdin=pipe, stdout=pipe, stderr=pipe
        )
        try:
            out, err = await process.communicate(text.encode())
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        return Said(process.returncode or 0, out.decode(), err.decode())


class There:
    """The machine at the other end of a connection.

    Parameters
    ----------
    connection : asyncssh.SSHClientConnection
        Closed by whoever opened it. Also an attribute.
    """

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.connection = connection

    async def run(self, command: str, *, text: str = "") -> Said:
        """Run a command of the shell with a text on its standard input; wait for its end."""
        done = await self.connection.run(command, input=text, request_pty=False)
        status = -1 if done.exit_status is None else done.exit_status
        return Said(status, str(done.stdout or ""), str(done.stderr or ""))
