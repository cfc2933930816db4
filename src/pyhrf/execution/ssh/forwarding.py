"""Whether the ssh server of a host lets us send through it what workers and scheduler say."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncssh

from pyhrf.execution.ssh.commands import HostName
from pyhrf.execution.ssh.refusals import HostError

_SECONDS = 10


async def check_forwarding(connection: asyncssh.SSHClientConnection, host: str) -> None:
    """Send a byte from the host through one tunnel to us, fetched through another.

    Raises
    ------
    HostError
        If its ssh server forwards no ports; it says in which direction.
    """

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b".")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    # A server may forbid both: all is found out at once, since it is for an administrator.
    forbidden = [] if await _allows_there(connection) else ["from here to it"]
    reason = ""
    try:
        async with asyncio.timeout(_SECONDS):
            if await _round_trip(connection, port, there=not forbidden):
                return
    except asyncssh.ChannelListenError:
        forbidden.append("from it to here")
    except (OSError, asyncssh.Error, TimeoutError) as error:
        reason = str(error) or f"no answer within {_SECONDS} s"
    finally:
        server.close()
    if forbidden:
        raise _forbidden(host, "through which its workers would talk", forbidden)
    raise HostError(
        host,
        f"its ssh server forwards no ports, through which its workers would talk ({reason})",
        "have its administrator set AllowTcpForwarding yes in sshd_config there",
        kind="login",
    )


async def check_forwarding_there(
    connection: asyncssh.SSHClientConnection, host: str, purpose: str
) -> None:
    """See that a server forwards ports from here to it.

    Raises
    ------
    HostError
        If it does not.
    """
    if not await _allows_there(connection):
        raise _forbidden(host, purpose, ["from here to it"])


async def _allows_there(connection: asyncssh.SSHClientConnection) -> bool:
    """Ask for a port at which nobody listens: a server that forbids it says so."""
    try:
        async with asyncio.timeout(_SECONDS):
            _, writer = await connection.open_connection("127.0.0.1", 1)
            writer.close()
    except asyncssh.ChannelOpenError as error:
        return error.code != asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED
    except (OSError, asyncssh.Error, TimeoutError):
        return True
    return True


async def _round_trip(connection: asyncssh.SSHClientConnection, port: int, *, there: bool) -> bool:
    """Forward a port of the host to ours; fetch a byte from it if that is allowed."""
    listener = await connection.forward_remote_port("127.0.0.1", 0, "127.0.0.1", port)
    try:
        if not there:
            return False
        reader, writer = await connection.open_connection(
            "127.0.0.1", listener.get_port(), encoding=None
        )
        try:
            return bool(await reader.read(1) == b".")
        finally:
            writer.close()
    finally:
        listener.close()


def _forbidden(host: str, purpose: str, ways: Sequence[str]) -> HostError:
    """Make the error for a host whose ssh server forbids forwarding."""
    needed = {
        "from here to it": "PermitOpen any (or 127.0.0.1:*)",
        "from it to here": "PermitListen any (or 127.0.0.1:*)",
    }
    options = " and ".join(["DisableForwarding no", *(needed[way] for way in ways)])
    name = HostName.parse(host).host
    return HostError(
        host,
        f"its ssh server forwards no ports {' nor '.join(ways)}, {purpose}: it forbids that",
        f"have the administrator of {name} set AllowTcpForwarding yes, {options} for your login in "
        "its sshd_config; the line of your key in ~/.ssh/authorized_keys there must not hold "
        "restrict, no-port-forwarding, permitopen or permitlisten",
        kind="login",
    )
