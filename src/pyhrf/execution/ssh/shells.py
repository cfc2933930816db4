"""Commands on this machine or on another one, and their answers amid what start-up files print."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import asyncssh

AS_SOMA = "".join(
    f"[ -f ~/{name} ] && . ~/{name}; " for name in (".profile", ".bash_profile", ".bashrc")
)
"""What soma-workflow's client has the shell of a cluster do before each command."""

_SECONDS = 40.0
"""For one command, if nothing else is said."""
_MOST = 4 << 20
"""Bytes of output, after which a command is ended: a start-up file may print for ever."""
_LATE = 2.0
"""Seconds of silence after the end of a command, in which what it printed may still arrive."""
_SHOWN = 100
"""Letters of a command in a message."""


class NoAnswerError(TimeoutError):
    """A command did not end in time."""

    def __init__(self, command: str, seconds: float) -> None:
        shown = command.removeprefix(AS_SOMA)
        if len(shown) > _SHOWN:
            shown = f"{shown[:_SHOWN]} …"
        super().__init__(f"no answer within {seconds:g} s to the command: {shown}")


@dataclass(frozen=True)
class Reply:
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

    async def run(self, command: str, *, text: str = "", seconds: float = _SECONDS) -> Reply:
        """Run a command of the shell with a text on its standard input; wait for its end.

        Raises
        ------
        NoAnswerError
            If it does not end in time; it is ended then.
        ConnectionError
            If the machine is lost meanwhile.
        """
        ...


def find_answer(text: str, key: str) -> Any:
    """Find the answer of a program of ours, ``{"KEY": …}``, wherever it stands.

    Start-up files may print before it, without an end of line as titles of terminals are, and
    after it.

    Returns
    -------
    object
        What stands under the key; None if there is no answer.
    """
    begin = f'{{"{key}"'
    at = text.find(begin)
    while at >= 0:
        with contextlib.suppress(ValueError):
            return json.JSONDecoder().raw_decode(text, at)[0][key]
        at = text.find(begin, at + 1)
    return None


async def run_marked(shell: Shell, command: str, *, before: str = "", text: str = "") -> Reply:
    """Run a command, and leave out what the start-up files of the shell printed before.

    Parameters
    ----------
    shell : Shell
        Where.
    command : str
        What.
    before : str
        Commands that count as start-up files too, such as `AS_SOMA`.
    text : str
        For its standard input.
    """
    mark = secrets.token_hex(8)
    said = await shell.run(f"{before}echo {mark}; {command}", text=text)
    return replace(said, out=said.out.partition(f"{mark}\n")[2])


class LocalShell:
    """The machine of this process."""

    async def run(self, command: str, *, text: str = "", seconds: float = _SECONDS) -> Reply:
        """Run a command of the shell with a text on its standard input; see `Shell.run`."""
        try:
            return await run_here(("/bin/bash", "-c", command), text=text, seconds=seconds)
        except TimeoutError as error:
            raise NoAnswerError(command, seconds) from error


async def run_here(
    words: Sequence[str],
    *,
    text: str = "",
    seconds: float,
    environment: Mapping[str, str] | None = None,
) -> Reply:
    """Run a program on this machine, out of the reach of Ctrl-C, and wait for its end.

    Raises
    ------
    TimeoutError
        If it does not end in time; it is ended then, with all that it started.
    OSError
        If it cannot be run.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *words, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
    )
    try:
        async with asyncio.timeout(seconds):
            out, err = await process.communicate(text.encode())
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    return Reply(process.returncode or 0, _text(out), _text(err))


class RemoteShell:
    """The machine at the other end of a connection.

    Parameters
    ----------
    connection : asyncssh.SSHClientConnection
        Closed by whoever opened it. Also an attribute.
    """

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self.connection = connection

    async def run(self, command: str, *, text: str = "", seconds: float = _SECONDS) -> Reply:
        """Run a command of the shell with a text on its standard input; see `Shell.run`."""
        from asyncssh import Error

        process = None
        try:
            async with asyncio.timeout(seconds):
                process = await self.connection.create_process(
                    command, encoding=None, request_pty=False
                )
                with contextlib.suppress(OSError):  # it may have ended without reading
                    process.stdin.write(text.encode())
                    process.stdin.write_eof()
                out, err = await _all_of(process)
        except TimeoutError as error:
            raise NoAnswerError(command, seconds) from error
        except Error as error:
            raise ConnectionError(f"the connection is lost: {error}") from error
        finally:
            if process is not None:
                with contextlib.suppress(OSError):
                    if process.exit_status is None:
                        process.kill()
                process.close()
        status = -1 if process.exit_status is None else process.exit_status
        return Reply(status, _text(out), _text(err))


async def _all_of(process: asyncssh.SSHClientProcess[bytes]) -> tuple[bytes, bytes]:
    """Read both streams of a process, until its end or `_MOST`.

    What start-up files have put into the background may hold the streams open for ever.
    """
    pieces: tuple[list[bytes], list[bytes]] = ([], [])

    async def read(stream: asyncssh.SSHReader[bytes], kept: list[bytes]) -> None:
        while sum(map(len, kept)) < _MOST and (piece := await stream.read(1 << 16)):
            kept.append(piece)

    async def read_all() -> None:
        await asyncio.gather(read(process.stdout, pieces[0]), read(process.stderr, pieces[1]))
        if process.stdout.at_eof():  # the status comes after it
            await process.wait_closed()

    reading = asyncio.ensure_future(read_all())
    try:
        n_heard = -1
        while not reading.done():
            await asyncio.wait({reading}, timeout=_LATE)
            heard = sum(map(len, (*pieces[0], *pieces[1])))
            over = process.exit_status is not None and heard == n_heard
            if over or heard >= _MOST:
                break
            n_heard = heard
        else:
            reading.result()
    finally:
        reading.cancel()
    return b"".join(pieces[0]), b"".join(pieces[1])


def _text(said: bytes) -> str:
    """Decode what a machine says, which may be of any encoding."""
    return said.decode("utf-8", "replace")
