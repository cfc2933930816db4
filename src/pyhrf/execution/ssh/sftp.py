"""SFTP over a connection: what a server that speaks no such thing means."""

from __future__ import annotations

import asyncio

import asyncssh

from pyhrf.execution.ssh.refusals import HostError

_SECONDS = 30


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
