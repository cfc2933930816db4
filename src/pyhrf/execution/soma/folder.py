"""The folder of a run on the cluster, as the client sees it: on this machine, or over SFTP."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from pyhrf.errors import EngineError
from pyhrf.execution.remote.shells import Said, There

__all__ = ["ClusterFolder", "ClusterLostError", "LocalFolder", "SftpFolder"]

_SECONDS = 300.0
"""For one piece of a file, or one other step, at most."""
_PIECE = 4 << 20
"""Bytes that are sent or fetched in one step."""
_CONNECT_SECONDS = 10.0
_AT_A_TIME = 8
"""Files that are read or removed at the same time."""
_REMOVE_SECONDS = 15.0
"""For which jobs that are about to end may still write into a folder that is removed."""
_REMOVE_PAUSE = 0.3

T = TypeVar("T")


class ClusterLostError(EngineError):
    """The cluster cannot be reached now; what goes on there goes on."""


class ClusterFolder(Protocol):
    """A folder that only its owner may read, in which the files of a run lie side by side.

    Attributes
    ----------
    path : str
        Absolute path on the cluster, once the folder was opened.
    """

    path: str

    def open(self) -> None:
        """Find out where it is; nothing is written.

        Raises
        ------
        EngineError
            If the machine cannot be reached.
        """
        ...

    def make(self) -> None:
        """Make it.

        Raises
        ------
        EngineError
            If it cannot be made there.
        """
        ...

    def names(self) -> list[str]:
        """List its files; none if it is not there.

        Raises
        ------
        EngineError
            As from all that follows, if that cannot be done there.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        ...

    def read(self, names: list[str]) -> list[bytes]:
        """Read files."""
        ...

    def remove(self) -> None:
        """Remove it and its files; when this returns it is gone, also if it never was there."""
        ...

    def call(self, command: str) -> Said:
        """Run a short command of the shell on the machine where the folder is."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def _unusable(where: str, reason: str) -> EngineError:
    return EngineError(
        f"{where} cannot be written ({reason}): mend that, or set another remote_path in section "
        "[parallel-cluster]"
    )


class LocalFolder:
    """A folder on this machine.

    Parameters
    ----------
    path : Path
        Its parent has to be there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.path = str(path)

    def open(self) -> None:
        """Do nothing: it is here."""

    def make(self) -> None:
        """Make the folder; see `ClusterFolder.make`."""
        try:
            self._path.mkdir(mode=0o700)
        except OSError as error:
            raise _unusable(str(self._path.parent), error.strerror or str(error)) from error

    def names(self) -> list[str]:
        """List the files."""
        try:
            return [path.name for path in self._path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed("read", error) from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        try:
            (self._path / name).write_bytes(content)
        except OSError as error:
            raise _unusable(str(self._path), error.strerror or str(error)) from error

    def read(self, names: list[str]) -> list[bytes]:
        """Read files."""
        try:
            return [(self._path / name).read_bytes() for name in names]
        except OSError as error:
            raise self._failed("read", error) from error

    def remove(self) -> None:
        """Remove the folder; see `ClusterFolder.remove`."""
        end = time.monotonic() + _REMOVE_SECONDS
        while True:
            try:
                # What a job renames or removes meanwhile is no fault; what it adds is seen below.
                shutil.rmtree(self._path, ignore_errors=True)
                self._path.rmdir()
            except FileNotFoundError:
                return
            except OSError as error:
                if time.monotonic() > end:
                    raise self._failed("removed", error) from error
                time.sleep(_REMOVE_PAUSE)

    def call(self, command: str) -> Said:
        """Run a command; see `ClusterFolder.call`."""
        try:
            done = subprocess.run(
                ["/bin/bash", "-c", command],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EngineError(f"{command} cannot be run: {error}") from error
        return Said(done.returncode, done.stdout, done.stderr)

    def _failed(self, what: str, error: OSError) -> EngineError:
        return EngineError(f"{self.path} cannot be {what}: {error.strerror or error}")

    def close(self) -> None:
        """Do nothing."""


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
        from pyhrf.execution.remote.ssh import HostError

        try:
            self._do(self._client, seconds=_SECONDS)
        except HostError as error:
            if error.kind != "name":
                raise
            raise EngineError(
                f"host {self.host}: {error.cause}; correct server in section [parallel-cluster], "
                "or give it an entry in ~/.ssh/config or /etc/hosts"
            ) from error
        self._opened = True

    def probe(self, python: str) -> Any:
        """Ask the machine for its versions; see `pyhrf.execution.remote.ssh.probe`."""
        from pyhrf.execution.remote.ssh import probe

        async def ask() -> Any:
            await self._client()
            return await probe(self._connection, python, host=self.host)

        return self._do(ask, seconds=_SECONDS)

    def make(self) -> None:
        """Make the folder; see `ClusterFolder.make`."""
        import asyncssh

        async def make() -> None:
            sftp = await self._client()
            parent = posixpath.dirname(self.path)
            if not await sftp.isdir(parent):
                raise EngineError(
                    f"{self.host}: remote_path {parent} is no folder there: make it there, or "
                    "correct remote_path in section [parallel-cluster]"
                )
            try:
                await sftp.mkdir(self.path, asyncssh.SFTPAttrs(permissions=0o700))
                # what the umask there makes of it may be too little, or too much
                await sftp.chmod(self.path, 0o700)
            except asyncssh.SFTPError as error:
                where = f"{self.host}: remote_path {parent}"
                raise _unusable(where, error.reason or str(error)) from error

        self._do(make, seconds=_SECONDS)

    def names(self) -> list[str]:
        """List the files."""
        import asyncssh

        async def names() -> list[str]:
            sftp = await self._client()
            try:
                found = await sftp.listdir(self.path)
            except asyncssh.SFTPNoSuchFile:
                return []
            return [str(name) for name in found if name not in (".", "..")]

        return self._do(names, seconds=_SECONDS)

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""

        async def write() -> None:
            sftp = await self._client()
            path = posixpath.join(self.path, name)
            async with sftp.open(path, "wb", encoding=None) as file:
                for start in range(0, len(content), _PIECE):
                    async with asyncio.timeout(_SECONDS):
                        await file.write(content[start : start + _PIECE])

        self._do(write)

    def read(self, names: list[str]) -> list[bytes]:
        """Read files."""

        async def read() -> list[bytes]:
            sftp = await self._client()
            gate = asyncio.Semaphore(_AT_A_TIME)

            async def read_one(name: str) -> bytes:
                path = posixpath.join(self.path, name)
                pieces = []
                async with gate, sftp.open(path, "rb", encoding=None) as file:
                    while True:
                        async with asyncio.timeout(_SECONDS):
                            pieces.append(cast("bytes", await file.read(_PIECE)))
                        if not pieces[-1]:
                            return b"".join(pieces)

            return await asyncio.gather(*map(read_one, names))

        return self._do(read)

    def remove(self) -> None:
        """Remove the folder; see `ClusterFolder.remove`."""
        import asyncssh

        lost = (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection)

        async def remove() -> None:
            end = time.monotonic() + _REMOVE_SECONDS
            while True:
                try:
                    async with asyncio.timeout(_SECONDS):
                        return await self._remove_once()
                except asyncssh.SFTPError as error:
                    if isinstance(error, lost) or time.monotonic() > end:
                        raise
                await asyncio.sleep(_REMOVE_PAUSE)

        self._do(remove)

    async def _remove_once(self) -> None:
        """Remove what is there now; fails if something came meanwhile."""
        import asyncssh

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

    def call(self, command: str) -> Said:
        """Run a command; see `ClusterFolder.call`."""

        async def call() -> Said:
            await self._client()
            return await There(self._connection).run(command)

        return self._do(call, seconds=_SECONDS)

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
        from pyhrf.execution.remote.ssh import connect

        if self._connection is not None and self._connection.is_closed():
            self._connection = None
        if self._connection is None:
            self._connection = await connect(self.host, user=self._user, timeout=_CONNECT_SECONDS)
            self._sftp = await self._connection.start_sftp_client()
            if self.path.startswith("~/"):
                home = str(await self._sftp.realpath("."))
                self.path = posixpath.join(home, self.path[2:])
        return self._sftp

    def _do(self, work: Callable[[], Coroutine[Any, Any, T]], *, seconds: float | None = None) -> T:
        """Do something in the thread of the connection; say so when that is lost."""
        import asyncssh

        from pyhrf.execution.remote.ssh import HostError

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
            if self._opened:  # it was right once: now it is away
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
