"""Connections to other machines over ssh, as the user's own ``ssh`` would make them.

``~/.ssh/config`` (aliases, ports, jump hosts), agents and ``known_hosts`` are honoured. Nothing is
ever asked, and a host whose key is not known is never talked to, whatever the configuration says.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import asyncssh

from pyhrf.execution.remote.commands import HostName
from pyhrf.execution.remote.refusals import HostError, Place, host_error

__all__ = ["connect"]

_KEEPALIVE_SECONDS = 5
_KEEPALIVES = 4
_DEFAULT_KEYS = [
    f"~/.ssh/id_{kind}"
    for kind in ("ed25519_sk", "ecdsa_sk", "ed448", "ed25519", "ecdsa", "rsa", "dsa")
]
_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"


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


def _known_hosts_files(options: asyncssh.SSHClientConnectionOptions) -> list[str]:
    """Find the files of known keys; "none" does not mean that any key will do."""
    own, common = (
        cast("list[str] | None", options.config.get(f"{whose}KnownHostsFile"))
        for whose in ("User", "Global")
    )
    own = own or ["~/.ssh/known_hosts", "~/.ssh/known_hosts2"]
    paths = (Path(path).expanduser() for path in [*own, *(common or [_SYSTEM_KNOWN_HOSTS])])
    return [str(path) for path in paths if path.is_file()]


def _key_files(options: asyncssh.SSHClientConnectionOptions) -> tuple[list[str], bool]:
    """Find our private keys, and whether all that are named are there."""
    named = cast("list[str] | None", options.config.get("IdentityFile"))
    there = [path for path in named or _DEFAULT_KEYS if Path(path).expanduser().is_file()]
    return there, not named or len(there) == len(named)


def _open_to_others(path: str) -> bool:
    """Tell whether ssh would pass a private key over because others can read it."""
    status = Path(path).expanduser().stat()
    return status.st_uid == os.getuid() and bool(status.st_mode & 0o077)


def _own_keys(there: list[str], *, complete: bool) -> dict[str, Any]:
    """Leave out the keys that are not there or that others can read, as ssh does."""
    safe = [path for path in there if not _open_to_others(path)]
    if complete and len(safe) == len(there):
        return {}
    if there and not safe:
        # asyncssh takes an empty list for the default keys, and None would shut out the agent.
        return {"client_keys": [asyncssh.generate_private_key("ssh-ed25519")]}
    return {"client_keys": safe, "ignore_encrypted": True}


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
            "mend ~/.ssh/config",
            kind="configuration",
        ) from error
    if tunnel is None and isinstance(options.tunnel, str):
        for hop in options.tunnel.split(","):
            tunnel = await _connect(hop.strip().removeprefix("ssh://"), None, timeout, tunnel)
    client, known = _Client(), _known_hosts_files(options)
    keys, complete = _key_files(options)
    try:
        connection = await asyncssh.connect(
            name.host,
            **given,
            **_own_keys(keys, complete=complete),
            tunnel=tunnel,
            known_hosts=known or b"",
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
        if tunnel is not None:
            tunnel.abort()
        if isinstance(error, Exception):
            opened = [path for path in keys if _open_to_others(path)]
            jump = "" if tunnel is None else str(tunnel.get_extra_info("host"))
            place = Place(
                host,
                options.host,
                options.port,
                login,
                known,
                jump,
                opened,
                client.untrusted,
                client.address,
            )
            raise host_error(place, error) from error
        raise
    if tunnel is not None:
        connection.set_tunnel(tunnel)
    return connection
