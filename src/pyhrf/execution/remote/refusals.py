"""Why a host cannot be used, and what helps."""

from __future__ import annotations

import shlex
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncssh

from pyhrf.errors import EngineError
from pyhrf.execution.remote.commands import HostName, ssh_login

__all__ = ["HostError", "Kind", "Place", "forbidden_forwarding", "host_error"]

Kind = Literal["name", "network", "host key", "login", "configuration", "python", "sftp"]
"""What stood in the way: name resolution, the network, the key of the host, ours, a file of
settings, the interpreter there, or SFTP."""


class HostError(EngineError):
    """A host cannot be used.

    Parameters
    ----------
    host : str
        As it is written in the settings.
    cause : str
        Why, as a clause.
    cure : str
        What the user can do, as a clause, with the command if there is one.
    kind : str
        What stood in the way, for tables.
    """

    def __init__(self, host: str, cause: str, cure: str, *, kind: Kind = "network") -> None:
        super().__init__(f"host {host}: {cause}; {cure}")
        self.host, self.cause, self.cure, self.kind = host, cause, cure, kind


@dataclass(frozen=True, slots=True)
class Place:
    """A host, for the message on why it cannot be used.

    Attributes
    ----------
    host : str
        As it is written in the settings.
    address : str
        As `ssh` makes of it.
    port : int
        Of its ssh server.
    user : str or None
        Login, if one is given.
    known : sequence of str
        Files of known keys that are there.
    jump : str
        The host through which it is reached; empty if there is none.
    open_keys : sequence of str
        Private keys of ours that others can read.
    key : asyncssh.SSHKey or None
        Its own key, if that is not trusted.
    key_address : str
        The address that showed this key.
    """

    host: str
    address: str
    port: int
    user: str | None
    known: Sequence[str]
    jump: str
    open_keys: Sequence[str] = ()
    key: asyncssh.SSHKey | None = None
    key_address: str = ""

    @property
    def entry(self) -> str:
        """Name under which known_hosts knows it."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def login(self) -> str:
        """What ``ssh`` is given."""
        return ssh_login(self.host, self.user)


def host_error(place: Place, error: Exception) -> HostError:
    """Say what an error of a connection means and what helps."""
    host, address = place.host, place.address
    if isinstance(error, socket.gaierror):
        return HostError(
            host,
            f"the name {address} cannot be resolved",
            "correct the name in hosts, or give it an entry in ~/.ssh/config or /etc/hosts",
            kind="name",
        )
    if isinstance(error, asyncssh.HostKeyNotVerifiable) or (
        isinstance(error, asyncssh.KeyExchangeFailed) and "host key" in str(error)
    ):
        return _key_error(place)
    if isinstance(error, asyncssh.PermissionDenied) and place.open_keys:
        files = [str(Path(path).expanduser()) for path in place.open_keys]
        return HostError(
            host,
            f"our key is not used, since others can read it ({', '.join(files)})",
            f"run: chmod 600 {shlex.join(files)}",
            kind="login",
        )
    if isinstance(error, asyncssh.PermissionDenied):
        return HostError(
            host,
            f"our key is refused for {place.user or 'this user'}",
            f"run: ssh-copy-id {place.login} (a key with a passphrase needs ssh-agent and ssh-add)",
            kind="login",
        )
    if isinstance(error, asyncssh.ChannelOpenError) and place.jump:
        return _jump_error(place, error)
    where = f"{address} port {place.port}"
    if isinstance(error, TimeoutError):
        cause = f"no answer from {where} in time"
    elif isinstance(error, ConnectionRefusedError):
        cause = f"no ssh server at {where} (connection refused)"
    else:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        cause = f"{where} cannot be reached: {reason}"
    return HostError(
        host, cause, f"see that it is switched on and that this works: ssh {place.login}"
    )


def _jump_error(place: Place, error: asyncssh.ChannelOpenError) -> HostError:
    """Say that the host on the way is at fault, and not the one behind it."""
    where = f"{place.address} port {place.port}"
    if error.code == asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED:
        target = f"{place.address}:{place.port}"
        return HostError(
            place.host,
            f"the jump host {place.jump} forbids to forward ports to {where}",
            f"have the administrator of {place.jump} set AllowTcpForwarding yes, "
            f"DisableForwarding no and PermitOpen any (or {target}) in its sshd_config",
        )
    return HostError(
        place.host,
        f"the jump host {place.jump} does not reach {where}: {error.reason}",
        f"see that it is switched on and that this works: ssh {place.login}",
    )


def forbidden_forwarding(host: str, purpose: str, ways: Sequence[str]) -> HostError:
    """Make the error for a host whose ssh server forbids forwarding.

    Parameters
    ----------
    host : str
        As it is written in the settings.
    purpose : str
        For which it is needed, as a clause.
    ways : sequence of str
        ``"from here to it"``, ``"from it to here"``, or both.
    """
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
        "its sshd_config; the line of our key in ~/.ssh/authorized_keys there must not hold "
        "restrict, no-port-forwarding, permitopen or permitlisten",
        kind="login",
    )


def _key_error(place: Place) -> HostError:
    key = place.key
    shown = f" ({key.get_algorithm()} {key.get_fingerprint()})" if key else ""
    learn = f"ssh-keyscan -p {place.port} {place.address} >> ~/.ssh/known_hosts"
    if place.jump:
        learn = f"ssh {place.login}"
    for file in place.known:
        for name in (place.address, place.key_address):
            port = place.port if place.port != 22 else None
            found = asyncssh.match_known_hosts(file, name, "", port) if name else ()
            if any(found):
                entry = place.entry if name == place.address else name
                option = (
                    "" if file == str(Path("~/.ssh/known_hosts").expanduser()) else f"-f {file} "
                )
                return HostError(
                    place.host,
                    f"its host key{shown} is not the one that {file} holds: it was set up anew, "
                    "or another machine answers in its place",
                    "ask its administrator for the fingerprint; if it is right, run: "
                    f"ssh-keygen {option}-R {shlex.quote(entry)} && {learn}",
                    kind="host key",
                )
    return HostError(
        place.host,
        f"its host key{shown} is not known here",
        f"run: {learn} (and compare the fingerprint with that of its administrator)",
        kind="host key",
    )
