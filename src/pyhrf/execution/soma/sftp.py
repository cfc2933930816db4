"""The folder of a run on a cluster that is another machine: over SFTP."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import posixpath
import shlex
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import asyncssh

from pyhrf.errors import EngineError
from pyhrf.execution.soma.folder import (
    REMOVE_SECONDS,
    STEP_SECONDS,
    ClusterLostError,
    T,
    unusable,
)
from pyhrf.execution.ssh.commands import make_folder, ssh_login
from pyhrf.execution.ssh.connection import connect
from pyhrf.execution.ssh.refusals import HostError
from pyhrf.execution.ssh.sftp import PIECE, absolute, open_sftp, read_file
from pyhrf.execution.ssh.shells import RemoteShell, Shell

_CONNECT_SECONDS = 10.0
_REMOVE_PAUSE = 0.3
"""Seconds between attempts to remove the folder."""
_AT_A_TIME = 8
"""Files that are read or removed at the same time."""
# As much as a piece, so that what was refused to one is refused to the other.
_TRY_WRITING = (
    "LC_ALL=C; export LC_ALL; f=$(mktemp {0}/.pyhrf-XXXXXX) || exit 1; "
    'head -c {1} /dev/zero >"$f"; s=$?; rm -f "$f"; exit $s'
)


class SftpFolder:
    """A folder on another machine, over one connection that is made again when it was lost.

    Parameters
    ----------
    host : str
        ``[USER@]HOST[:PORT]``, or an alias of ``~/.ssh/config``.
    user : str or None
        Login.
    path : str
        The folder; ``~/`` is the home folder there. Its parent has to be there.

    Attributes
    ----------
    host : str
        As given.
    """

    def __init__(self, host: str, user: str | None, path: str) -> None:
        self.path, self.host = path, host
        self._user = user
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="pyhrf-cluster-folder", daemon=True
        )
        self._thread.start()
        self._connection: Any = None
        self._sftp: Any = None
        self._opened = False

    def open(self) -> None:
        """Log in; see `ClusterFolder.open`."""
        try:
            self._do(self._client, seconds=STEP_SECONDS)
        except HostError as error:
            if error.kind != "name":
                raise
            raise EngineError(
                f"host {self.host}: {error.cause}; correct server in section [parallel-cluster], "
                "or give it an entry in ~/.ssh/config or /etc/hosts"
            ) from error
        self._opened = True

    def make(self) -> None:
        """Make the folder; see `ClusterFolder.make`."""

        async def make() -> None:
            sftp = await self._client()
            parent = posixpath.dirname(self.path)
            if not await sftp.isdir(parent):
                raise EngineError(
                    f"{self.host}: remote_path {parent} is not a folder there: correct remote_path "
                    "in section [parallel-cluster], or make it there; run: "
                    + make_folder(ssh_login(self.host, self._user), parent)
                )
            try:
                await sftp.mkdir(self.path, asyncssh.SFTPAttrs(permissions=0o700))
                # what the umask there makes of it may be too little, or too much
                await sftp.chmod(self.path, 0o700)
            except asyncssh.SFTPError as error:
                await self._try_writing(parent)
                raise self._failed(parent, OSError(error.reason or str(error))) from error

        self._do(make, seconds=STEP_SECONDS)

    def names(self) -> list[str]:
        """List the files."""

        async def names() -> list[str]:
            sftp = await self._client()
            try:
                found = await sftp.listdir(self.path)
            except asyncssh.SFTPNoSuchFile:
                return []
            return [str(name) for name in found if name not in (".", "..")]

        return self._do(names, seconds=STEP_SECONDS)

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""

        async def write() -> None:
            sftp = await self._client()
            path = posixpath.join(self.path, name)
            try:
                async with sftp.open(path, "wb", encoding=None) as file:
                    for start in range(0, len(content), PIECE):
                        async with asyncio.timeout(STEP_SECONDS):
                            await file.write(content[start : start + PIECE])
            except asyncssh.SFTPFailure:
                await self._try_writing(self.path)
                raise

        self._do(write)

    def try_writing(self) -> None:
        """See that files can be written; see `ClusterFolder.try_writing`."""

        async def try_writing() -> None:
            await self._client()
            await self._try_writing(self.path)

        self._do(try_writing, seconds=STEP_SECONDS)

    async def _try_writing(self, folder: str) -> None:
        """Have the shell there write a file: SFTP has one word for a full disk and much else."""
        said = await RemoteShell(self._connection).run(
            _TRY_WRITING.format(shlex.quote(folder), PIECE)
        )
        if said.status:
            reason = said.reason.rpartition(": ")[2]
            number = next((n for n in errno.errorcode if os.strerror(n) == reason), 0)
            raise self._failed(folder, OSError(number, reason))

    def _failed(self, folder: str, error: OSError) -> EngineError:
        return unusable(f"{self.host}: remote_path {folder}", error)

    def read(self, names: list[str]) -> list[bytes]:
        """Read files."""

        async def read() -> list[bytes]:
            sftp = await self._client()
            gate = asyncio.Semaphore(_AT_A_TIME)

            async def read_one(name: str) -> bytes:
                async with gate:
                    path = posixpath.join(self.path, name)
                    return await read_file(sftp, path, seconds=STEP_SECONDS)

            return await asyncio.gather(*map(read_one, names))

        return self._do(read)

    def remove(self) -> None:
        """Remove the folder; see `ClusterFolder.remove`."""
        lost = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)

        async def remove() -> None:
            end = time.monotonic() + REMOVE_SECONDS
            while True:
                try:
                    async with asyncio.timeout(STEP_SECONDS):
                        return await self._remove_once()
                except asyncssh.SFTPError as error:
                    if isinstance(error, lost) or time.monotonic() > end:
                        raise
                await asyncio.sleep(_REMOVE_PAUSE)

        self._do(remove)

    async def _remove_once(self) -> None:
        """Remove what is there now; fails if something came meanwhile."""
        sftp = await self._client()
        gate = asyncio.Semaphore(_AT_A_TIME)

        async def remove_one(name: str) -> None:
            # A job may have renamed it, or removed it itself.
            with contextlib.suppress(asyncssh.SFTPNoSuchFile):
                async with gate:
                    await sftp.remove(posixpath.join(self.path, name))

        with contextlib.suppress(asyncssh.SFTPNoSuchFile):
            names = map(str, await sftp.listdir(self.path))
            await asyncio.gather(*(remove_one(n) for n in names if n not in (".", "..")))
            await sftp.rmdir(self.path)

    def ask(self, what: Callable[[Shell], Coroutine[Any, Any, T]]) -> T:
        """Do something with a shell there; see `ClusterFolder.ask`."""

        async def ask() -> T:
            await self._client()
            return await what(RemoteShell(self._connection))

        return self._do(ask, seconds=STEP_SECONDS)

    def close(self) -> None:
        """Let go of the connection."""

        async def close() -> None:
            if self._connection is not None:
                self._connection.abort()

        if self._thread.is_alive():
            asyncio.run_coroutine_threadsafe(close(), self._loop).result(_CONNECT_SECONDS)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(_CONNECT_SECONDS)
            if not self._thread.is_alive():
                self._loop.close()

    async def _client(self) -> Any:
        """Return the SFTP client; connect if there is no connection, or no more."""
        if self._connection is not None and self._connection.is_closed():
            self._connection = None
        if self._connection is None:
            self._connection = await connect(self.host, user=self._user, timeout=_CONNECT_SECONDS)
            self._sftp = await open_sftp(self._connection, self.host)
            self.path = await absolute(self._sftp, self.path)
        return self._sftp

    def _do(self, work: Callable[[], Coroutine[Any, Any, T]], *, seconds: float | None = None) -> T:
        """Do something in the thread of the connection; say so when that is lost."""

        async def timed() -> T:
            async with asyncio.timeout(seconds):
                return await work()

        future = asyncio.run_coroutine_threadsafe(timed(), self._loop)
        try:
            return future.result()
        except KeyboardInterrupt:
            future.cancel()
            raise
        except HostError as error:
            # it was right once: now it is away
            if self._opened and error.kind not in ("python", "login"):
                raise ClusterLostError(str(error)) from error
            raise
        except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
            raise self._lost(error) from error
        except asyncssh.SFTPError as error:
            raise EngineError(
                f"{self.host}: {self.path}: {error.reason or type(error).__name__}"
            ) from error
        except (asyncssh.Error, OSError, TimeoutError) as error:
            raise self._lost(error) from error

    def _lost(self, error: BaseException) -> ClusterLostError:
        if self._connection is not None:
            self._loop.call_soon_threadsafe(self._connection.abort)
            self._connection = None
        reason = str(error) or "no answer in time"
        return ClusterLostError(f"{self.host} cannot be reached any more: {reason}")
