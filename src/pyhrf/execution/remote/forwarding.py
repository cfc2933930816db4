"""Whether the ssh server of a host lets us send through it what workers and scheduler say."""

from __future__ import annotations

import asyncio
import contextlib

import asyncssh

from pyhrf.execution.remote.refusals import HostError

__all__ = ["check_forwarding"]

_SECONDS = 10


async def check_forwarding(connection: asyncssh.SSHClientConnection, host: str) -> None:
    """Send a byte from the host through one tunnel to us, fetched through another.

    Parameters
    ----------
    connection : asyncssh.SSHClientConnection
        To the host.
    host : str
        As it is written in the settings.

    Raises
    ------
    HostError
        If its ssh server forwards no ports.
    """

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b".")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        with contextlib.suppress(OSError, asyncssh.Error, asyncssh.ChannelListenError):
            async with asyncio.timeout(_SECONDS):
                if await _round_trip(connection, port) == b".":
                    return
    finally:
        server.close()
    raise HostError(
        host,
        "its ssh server forwards no ports, through which its workers would talk",
        "have its administrator set AllowTcpForwarding yes in sshd_config there",
        kind="login",
    )


async def _round_trip(connection: asyncssh.SSHClientConnection, port: int) -> bytes:
    listener = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
    try:
        there = listener.get_port()
        reader, writer = await connection.open_connection("127.0.0.1", there, encoding=None)
        try:
            answer: bytes = await reader.read(1)
            return answer
        finally:
            writer.close()
    finally:
        listener.close()
