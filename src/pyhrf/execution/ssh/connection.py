"""Connections to other machines over ssh, as the user's own ``ssh`` would make them.

``~/.ssh/config`` (aliases, ports, jump hosts), agents and ``known_hosts`` are honoured. Nothing is
ever asked, and a host whose key is not known is never talked to, whatever the configuration says.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import asyncssh

from pyhrf.execution.ssh.commands import HostName
from pyhrf.execution.ssh.known_hosts import KnownHosts
from pyhrf.execution.ssh.own_keys import OwnKeys
from pyhrf.execution.ssh.refusals import HostError, Target

_KEEPALIVE_SECONDS = 5
_KEEPALIVES = 4


async def connect(
    host: str, *, user: str | None = None, timeout: float = 10
) -> asyncssh.SSHClientConnection:
    """Log in to a host.

    Parameters
    ----------
    host : str
        ``[USER@]HOST[:PORT]``; an alias of ``~/.ssh/config`` as well.
    user : str, optional
        Login, unless ``host`` names one; without it that of ``~/.ssh/config`` or the own one.
    timeout : float
        Seconds for everything, jump hosts included each for itself.

    Returns
    -------
    asyncssh.SSHClientConnection
        To be closed by the caller; jump hosts are closed with it.

    Raises
    ------
    HostError
        With cause and cure.
    """
    return await _connect(host, user, timeout, None)


async def hang_up(connection: asyncssh.SSHClientConnection, *, seconds: float = 2) -> None:
    """Close a connection, by force when that takes longer."""
    connection.close()
    with contextlib.suppress(OSError, asyncssh.Error, TimeoutError):
        async with asyncio.timeout(seconds):
            await connection.wait_closed()
    connection.abort()


class _Client(asyncssh.SSHClient):
    """Notes the key of a host that is not trusted; asyncssh has one message for two cases."""

    def __init__(self) -> None:
        self.address = ""
        self.untrusted: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self,
        host: str,  # noqa: ARG002 - by contract of asyncssh
        addr: str,
        port: int,  # noqa: ARG002 - by contract of asyncssh
        key: asyncssh.SSHKey,
    ) -> bool:
        """Trust no key that known_hosts does not hold."""
        self.address, self.untrusted = addr, key
        return False


async def _connect(
    host: str, user: str | None, timeout: float, tunnel: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    """Log in to a host, through a jump host if there is one, which ends with it."""
    name = HostName.parse(host)
    login = name.user or user
    given: dict[str, Any] = {"port": name.port} if name.port else {}
    if login:
        given["username"] = login
    try:
        # Keys are not needed to read the configuration, and one that is missing would be an error.
        options = await asyncssh.SSHClientConnectionOptions.construct(
            config=(), host=name.host, client_keys=None, **given
        )
    except (asyncssh.ConfigParseError, asyncssh.KeyImportError, OSError, ValueError) as error:
        raise HostError(
            host,
            f"the configuration of ssh cannot be used: {error}",
            "correct ~/.ssh/config",
            kind="configuration",
        ) from error
    if tunnel is None and isinstance(options.tunnel, str):
        for hop in options.tunnel.split(","):
            tunnel = await _connect(hop.strip().removeprefix("ssh://"), None, timeout, tunnel)
    client, known, keys = _Client(), KnownHosts.of(options), OwnKeys.of(options)
    try:
        connection = await asyncssh.connect(
            name.host,
            **given,
            **keys.options(),
            tunnel=tunnel,
            known_hosts=list(known.files) or b"",
            client_factory=lambda: client,
            connect_timeout=timeout,
            keepalive_interval=_KEEPALIVE_SECONDS,
            keepalive_count_max=_KEEPALIVES,
            password_auth=False,
            kbdint_auth=False,
            agent_forwarding=False,
            x11_forwarding=False,
        )
    except BaseException as error:
        jump = "" if tunnel is None else str(tunnel.get_extra_info("host"))
        if tunnel is not None:
            tunnel.abort()
        if not isinstance(error, Exception):
            raise
        target = Target(host, options.host, options.port, login, jump)
        if isinstance(error, asyncssh.HostKeyNotVerifiable) or (
            isinstance(error, asyncssh.KeyExchangeFailed) and "host key" in str(error)
        ):
            raise known.refusal(target, client.untrusted, client.address) from error
        if isinstance(error, asyncssh.PermissionDenied):
            raise await keys.refusal(target) from error
        raise _host_error(target, error) from error
    if tunnel is not None:
        connection.set_tunnel(tunnel)
    return connection


def _host_error(target: Target, error: Exception) -> HostError:
    """Say what an error of a connection means and what helps."""
    host, address = target.host, target.address
    where = f"{address} port {target.port}"
    works = f"check that it is switched on and that this works: ssh {target.login}"
    if isinstance(error, socket.gaierror):
        return HostError(
            host,
            f"the name {address} cannot be resolved",
            "correct the name in hosts, or give it an entry in ~/.ssh/config or /etc/hosts",
            kind="name",
        )
    if isinstance(error, asyncssh.KeyImportError):
        return HostError(
            host,
            f"one of your keys cannot be read: {error}",
            "have ssh-agent hold it (ssh-add), and take it out of ~/.ssh",
            kind="configuration",
        )
    if isinstance(error, asyncssh.ChannelOpenError) and target.jump:
        return _jump_error(target, error)
    if isinstance(error, TimeoutError):
        cause = f"no answer from {where} in time"
    elif isinstance(error, ConnectionRefusedError):
        cause = f"no ssh server at {where} (connection refused)"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        cause = f"{where} cannot be reached: {reason}"
    return HostError(host, cause, works)


def _jump_error(target: Target, error: asyncssh.ChannelOpenError) -> HostError:
    """Say that the host on the way is at fault, and not the one behind it."""
    where = f"{target.address} port {target.port}"
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        port = f"{target.address}:{target.port}"
        return HostError(
            target.host,
            f"the jump host {target.jump} forbids to forward ports to {where}",
            f"have the administrator of {target.jump} set AllowTcpForwarding yes, "
            f"DisableForwarding no and PermitOpen any (or {port}) in its sshd_config",
        )
    return HostError(
        target.host,
        f"the jump host {target.jump} does not reach {where}: {error.reason}",
        f"check that it is switched on and that this works: ssh {target.login}",
    )
