"""SFTP over a connection: what a server that speaks no such thing means."""

from __future__ import annotations

import asyncio
import posixpath
from typing import cast

import asyncssh

from pyhrf.execution.ssh.refusals import HostError

_SECONDS = 30
PIECE = 4 << 20
"""Bytes that are sent or fetched in one step."""


async def open_sftp(connection: asyncssh.SSHClientConnection, host: str) -> asyncssh.SFTPClient:
    """Begin SFTP.

    Raises
    ------
    HostError
        If it does not begin; start-up files that print spoil it where sshd runs a program.
    """
    try:
        async with asyncio.timeout(_SECONDS):
            return await connection.start_sftp_client()
    except (OSError, asyncssh.Error, TimeoutError) as error:
        reason = str(error) or f"no answer within {_SECONDS} s"
        raise HostError(
            host,
            f"SFTP does not start there ({reason})",
            "check that the start-up files of the login there (such as ~/.bashrc) print nothing "
            "where there is no terminal, and that its sshd has the subsystem sftp",
            kind="sftp",
        ) from error


async def absolute(sftp: asyncssh.SFTPClient, path: str) -> str:
    """Replace ``~/``, which SFTP does not know, by the home folder there."""
    if not path.startswith("~/"):
        return path
    return posixpath.join(str(await sftp.realpath(".")), path[2:])


async def read_file(sftp: asyncssh.SFTPClient, path: str, *, seconds: float) -> bytes:
    """Read a file, of which no piece may take longer than some seconds."""
    pieces = []
    async with sftp.open(path, "rb", encoding=None) as file:
        while True:
            async with asyncio.timeout(seconds):
                pieces.append(cast("bytes", await file.read(PIECE)))
            if not pieces[-1]:
                return b"".join(pieces)
