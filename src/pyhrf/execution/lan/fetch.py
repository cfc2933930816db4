"""Bring home, over SFTP, what an earlier run finished on a host and could not deliver."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from fnmatch import fnmatch

import asyncssh

from pyhrf.data import ParcelId
from pyhrf.errors import counted
from pyhrf.execution.engine import BatchResult, is_internal_error
from pyhrf.execution.result_files import unpack_result
from pyhrf.execution.ssh.connection import connect, hang_up
from pyhrf.execution.ssh.refusals import HostError
from pyhrf.execution.ssh.sftp import absolute, open_sftp, read_file
from pyhrf.execution.ssh.shells import RemoteShell, run_marked

_LOGIN_SECONDS = 10
_ANSWER_SECONDS = 60
"""How long a listing or a file may take: a file system behind the host may hang."""
_LEFT = ("batch-*.npz", "*batch-*.tmp", "log-*.txt")
"""What runs leave in their folder, beside scratch space."""


class _ForeignFolderError(Exception):
    """The folder is not ours alone, so that what lies there may be anyone's."""


@dataclass(frozen=True, slots=True)
class _Folder:
    """The folder of a run on a host, open over SFTP.

    Attributes
    ----------
    sftp : asyncssh.SFTPClient
        The way to it.
    path : str
        Where it is there.
    files : list of str
        Names of the files in it.
    scratch : list of str
        Names of the folders in it.
    """

    sftp: asyncssh.SFTPClient
    path: str
    files: list[str]
    scratch: list[str]

    async def read(self, name: str) -> bytes:
        path = posixpath.join(self.path, name)
        return await read_file(self.sftp, path, seconds=_ANSWER_SECONDS)

    async def remove(self) -> None:
        """Remove what runs made in it, and the folder itself if nothing else is there."""
        for name in self.files:
            if any(fnmatch(name, pattern) for pattern in _LEFT):
                await self.sftp.remove(posixpath.join(self.path, name))
        for name in self.scratch:
            if fnmatch(name, "scratch-*"):
                await self.sftp.rmtree(posixpath.join(self.path, name))
        await self.sftp.rmdir(self.path)


def fetch(
    hosts: Sequence[str],
    *,
    user: str | None,
    folder: str,
    study: str,
    tell: Callable[[str], object],
) -> list[BatchResult]:
    """Read the finished batches of a folder.

    Parameters
    ----------
    hosts : sequence of str
        Where to look; they may share the folder.
    user : str or None
        Login.
    folder : str
        Of the run.
    study : str
        Digest that the batches have to bear; others are left where they are.
    tell : callable
        Told how much was found, and where the folder cannot be read.

    Returns
    -------
    list of BatchResult
        Each parcel once.
    """
    return asyncio.run(_fetch(hosts, user, folder, study, tell))


async def _fetch(
    hosts: Sequence[str], user: str | None, folder: str, study: str, tell: Callable[[str], object]
) -> list[BatchResult]:
    results: dict[tuple[ParcelId, ...], BatchResult] = {}
    async with AsyncExitStack() as stack:
        opened = await asyncio.gather(
            *(stack.enter_async_context(_open(host, user, folder)) for host in hosts),
            return_exceptions=True,
        )
        # Hosts may share the folder: each file is read once.
        seen: set[str] = set()
        for host, outcome in zip(hosts, opened, strict=True):
            if isinstance(outcome, HostError) and outcome.kind != "sftp" and len(hosts) > 1:
                continue  # it is spoken of when the run tries to begin work there
            if isinstance(outcome, BaseException):
                _tell_why(tell, host, folder, outcome)
                continue
            if outcome is None:
                continue
            names = [name for name in outcome.files if fnmatch(name, "batch-*.npz")]
            try:
                for name in sorted(set(names) - seen):
                    result = _result(await outcome.read(name), study)
                    seen.add(name)
                    if result is not None:
                        results.setdefault(result.batch.parcels, result)
            except (OSError, asyncssh.Error, TimeoutError) as error:
                _tell_why(tell, host, folder, error)
    if results:
        n_parcels = sum(len(parcels) for parcels in results)
        tell(f"fetched {counted(n_parcels, 'parcel')} that an earlier run had finished")
    return list(results.values())


def _tell_why(tell: Callable[[str], object], host: str, folder: str, error: BaseException) -> None:
    again = "results that may be there will be estimated again"
    if isinstance(error, HostError):
        tell(f"{error}; {again}")
    elif isinstance(error, Exception):
        reason = str(error) or f"no answer within {_ANSWER_SECONDS} s"
        tell(f"host {host}: {folder} cannot be read: {reason}; {again}")
    else:
        raise error


def remove(
    hosts: Sequence[str], *, user: str | None, folder: str, tell: Callable[[str], object]
) -> None:
    """Remove what runs made in a folder, and the folder; a host that is away is let be."""

    async def remove_on(host: str) -> None:
        try:
            async with _open(host, user, folder) as there:
                if there is not None:
                    async with asyncio.timeout(_ANSWER_SECONDS):
                        await there.remove()
        except (HostError, _ForeignFolderError, OSError, asyncssh.Error, TimeoutError):
            tell(f"host {host}: {folder} may be left there")

    async def remove_all() -> None:
        # One after the other: they may share the folder.
        for host in hosts:
            await remove_on(host)

    asyncio.run(remove_all())


@asynccontextmanager
async def _open(host: str, user: str | None, folder: str) -> AsyncIterator[_Folder | None]:
    """Open a folder; None if it is not there."""
    connection = await connect(host, user=user, timeout=_LOGIN_SECONDS)
    try:
        async with await open_sftp(connection, host) as sftp:
            async with asyncio.timeout(_ANSWER_SECONDS):
                there = await _look(connection, sftp, folder)
            yield there
    finally:
        await hang_up(connection)


async def _look(
    connection: asyncssh.SSHClientConnection, sftp: asyncssh.SFTPClient, folder: str
) -> _Folder | None:
    path = await absolute(sftp, folder)
    try:
        about = await sftp.lstat(path)
    except asyncssh.SFTPNoSuchFile:
        return None
    # Where anyone may write, anyone may have put a folder of this name there.
    said = (await run_marked(RemoteShell(connection), "id -u")).out.split()
    is_folder = about.type == asyncssh.FILEXFER_TYPE_DIRECTORY
    if not said or str(about.uid) != said[0] or not is_folder or (about.permissions or 0) & 0o022:
        raise _ForeignFolderError("it belongs to someone else, or others may write it")
    files, scratch = [], []
    async for entry in sftp.scandir(path):
        if entry.attrs.type == asyncssh.FILEXFER_TYPE_REGULAR:
            files.append(str(entry.filename))
        elif entry.attrs.type == asyncssh.FILEXFER_TYPE_DIRECTORY:
            scratch.append(str(entry.filename))
    return _Folder(sftp, path, files, scratch)


def _result(blob: bytes, study: str) -> BatchResult | None:
    """Read a batch; what failed by a fault of the program is tried again, as from the journal."""
    try:
        result = unpack_result(blob, study)
    except ValueError:
        return None
    if result is None:
        return None
    pairs = zip(result.batch.parcels, result.estimates, strict=True)
    kept = [parcel for parcel, estimate in pairs if not is_internal_error(estimate)]
    return result.cut_to(kept) if kept else None
