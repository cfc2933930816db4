"""Bring home, over SFTP, what an earlier run finished on a host and could not deliver."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatch
from typing import cast

import asyncssh

from pyhrf.execution.engine import Batch, BatchResult
from pyhrf.execution.packing import unpack_estimates
from pyhrf.execution.ssh import HostError, connect

__all__ = ["fetch", "remove"]

_SECONDS = 4


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
        Told how much was found, and of a sole host that does not answer.

    Returns
    -------
    list of BatchResult
        Each parcel once.
    """
    return asyncio.run(_fetch(hosts, user, folder, study, tell))


async def _fetch(
    hosts: Sequence[str], user: str | None, folder: str, study: str, tell: Callable[[str], object]
) -> list[BatchResult]:
    found = await asyncio.gather(
        *(_read_all(host, user, folder) for host in hosts), return_exceptions=True
    )
    results: dict[tuple[int, ...], BatchResult] = {}
    for host, outcome in zip(hosts, found, strict=True):
        if isinstance(outcome, HostError):
            if len(hosts) == 1:
                tell(f"{outcome}; what may lie finished there is estimated again")
            continue  # as one of several hosts it is spoken of at the start of the run
        if isinstance(outcome, BaseException):
            tell(f"host {host}: {folder} cannot be read: {outcome}")
            continue
        for blob in outcome:
            result = _result(blob, study)
            if result is not None:
                results.setdefault(result.batch.parcels, result)
    if results:
        n_parcels = sum(len(parcels) for parcels in results)
        tell(f"{n_parcels} parcels were finished by an earlier run and are fetched")
    return list(results.values())


def remove(hosts: Sequence[str], *, user: str | None, folder: str) -> None:
    """Remove the finished batches of a folder, and the folder; a host that is away is let be.

    Parameters
    ----------
    hosts : sequence of str
        Where.
    user : str or None
        Login.
    folder : str
        Of the run.
    """

    async def remove_all() -> None:
        each = (_remove_all(host, user, folder) for host in hosts)
        await asyncio.gather(*each, return_exceptions=True)

    asyncio.run(remove_all())


@asynccontextmanager
async def _sftp(
    host: str, user: str | None, folder: str
) -> AsyncIterator[tuple[asyncssh.SFTPClient, str, list[str]]]:
    """Open a folder: the client, the path of the folder and the paths of its batches."""
    connection = await connect(host, user=user, timeout=_SECONDS)
    try:
        async with connection.start_sftp_client() as sftp:
            path = folder
            if path.startswith("~/"):
                path = posixpath.join(str(await sftp.realpath(".")), path[2:])
            names = []
            with contextlib.suppress(asyncssh.SFTPNoSuchFile):
                names = [str(name) for name in await sftp.listdir(path)]
            batches = [name for name in names if fnmatch(name, "batch-*.npz")]
            yield sftp, path, [posixpath.join(path, name) for name in sorted(batches)]
    finally:
        connection.close()
        await connection.wait_closed()


async def _read_all(host: str, user: str | None, folder: str) -> list[bytes]:
    blobs = []
    async with _sftp(host, user, folder) as (sftp, _, paths):
        for path in paths:
            async with sftp.open(path, "rb", encoding=None) as file:
                blobs.append(cast("bytes", await file.read()))
    return blobs


async def _remove_all(host: str, user: str | None, folder: str) -> None:
    async with _sftp(host, user, folder) as (sftp, path, paths):
        for each in paths:
            await sftp.remove(each)
        await sftp.rmdir(path)


def _result(blob: bytes, study: str) -> BatchResult | None:
    try:
        estimates, about = unpack_estimates(blob)
    except ValueError:
        return None
    if about.get("study") != study or not estimates:
        return None
    parcels = tuple(estimate.parcel for estimate in estimates)
    return BatchResult(
        Batch(0, parcels, 0.0), estimates, str(about["host"]), float(about["seconds"])
    )
