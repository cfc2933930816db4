"""Connections to other machines over ssh, as the user's own ``ssh`` would make them.

``~/.ssh/config`` (aliases, ports, jump hosts), agents and ``known_hosts`` are honoured. Nothing is
ever asked, and a host whose key is not known is never talked to, whatever the configuration says.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import asyncssh

from pyhrf.errors import EngineError
from pyhrf.execution.remote import host_facts

__all__ = ["HostError", "HostName", "Kind", "Probe", "connect", "probe", "python_command"]

Kind = Literal["name", "network", "host key", "login", "configuration", "python"]
"""What stood in the way: name resolution, the network, the key of the host, ours, a file of
settings, or the interpreter there."""

_KEEPALIVE_SECONDS = 5
_KEEPALIVES = 4
_PROBE_SECONDS = 30
_NAME = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<inner>[^]]+)\]|(?P<host>.+?))(?::(?P<port>\d+))?"
)
_DEFAULT_KEYS = [
    f"~/.ssh/id_{kind}"
    for kind in ("ed25519_sk", "ecdsa_sk", "ed448", "ed25519", "ecdsa", "rsa", "dsa")
]
_SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts"


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
class HostName:
    """``[USER@]HOST[:PORT]`` in its parts; None where one is not given.

    Attributes
    ----------
    host : str
        Name, alias or address.
    user : str or None
        Login.
    port : int or None
        Port of the ssh server.
    """

    host: str
    user: str | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> HostName:
        """Take ``user@host:port`` apart; a bare IPv6 address has no port."""
        user, _, rest = text.rpartition("@")
        if rest.count(":") > 1 and not rest.startswith("["):
            return cls(rest, user or None)
        match = _NAME.fullmatch(rest)
        if match is None:
            return cls(rest, user or None)
        port = match["port"]
        return cls(match["inner"] or match["host"], user or None, int(port) if port else None)


@dataclass(frozen=True, slots=True)
class Probe:
    """What a host says of itself.

    Attributes
    ----------
    versions : dict of str to str or None
        Of ``python``, of the packages that count (None: not installed), and of the text of PyHRF.
    name : str
        Its own name for itself.
    n_cores : int
        Cores that a process may use.
    free_memory : int or None
        Bytes; None if it is not known there.
    niceness : int
        As seen by a process that was started with the niceness that was asked for.
    """

    versions: dict[str, str | None]
    name: str
    n_cores: int
    free_memory: int | None
    niceness: int

    def differences(self, *, but: Collection[str] = ()) -> list[str]:
        """Name the versions that differ from those here, as ``numpy 1.26 (here 2.1)``.

        Parameters
        ----------
        but : collection of str
            Packages that do not matter.
        """
        here = host_facts.host_facts()["versions"]
        return host_facts.differences(here, self.versions, but=but)


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


def python_command(python: str, *arguments: str, niceness: int) -> str:
    """Write the command line that runs an interpreter on a host, in place of the login shell.

    A folder that lies where the login shell starts, and is called pyhrf, is not imported.
    """
    home, slash, rest = python.partition("/")
    path = f"~/{shlex.quote(rest)}" if home == "~" and slash else shlex.quote(python)
    words = " ".join(map(shlex.quote, arguments))
    return f"exec nice -n {niceness} env PYTHONSAFEPATH=1 {path} {words}"


async def probe(
    connection: asyncssh.SSHClientConnection, python: str, *, host: str = "", niceness: int = 0
) -> Probe:
    """Ask a host for its versions and means.

    Parameters
    ----------
    connection : asyncssh.SSHClientConnection
        To the host.
    python : str
        Interpreter there.
    host : str
        Name of the host for messages; that of the connection if not given.
    niceness : int
        With which the interpreter is started.

    Returns
    -------
    Probe

    Raises
    ------
    HostError
        If the interpreter cannot be run.
    """
    host = host or str(connection.get_extra_info("host") or "")
    command = python_command(python, "-", niceness=niceness)
    source = Path(host_facts.__file__).read_text("utf-8")
    cure = "set python in section [parallel-LAN] to an interpreter there that has pyhrf[lan]"
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            done = await connection.run(command, input=source, request_pty=False)
    except (OSError, asyncssh.Error, TimeoutError) as error:
        reason = str(error) or f"no answer within {_PROBE_SECONDS} s"
        raise HostError(host, f"{python} cannot be run: {reason}", cure, kind="python") from error
    for line in str(done.stdout or "").splitlines():  # a login shell may print lines of its own
        if line.startswith('{"pyhrf_host"'):
            return Probe(**json.loads(line)["pyhrf_host"])
    said = str(done.stderr or "").strip().splitlines()
    reason = said[-1] if said else f"it ended with status {done.exit_status}"
    raise HostError(host, f"{python} cannot be run: {reason}", cure, kind="python")


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


@dataclass(frozen=True, slots=True)
class _Place:
    """A host, for the message on why it cannot be used."""

    host: str
    address: str
    port: int
    user: str | None
    known: Sequence[str]
    jumped: bool
    open_keys: Sequence[str] = ()

    @property
    def entry(self) -> str:
        """Name under which known_hosts knows it."""
        return self.address if self.port == 22 else f"[{self.address}]:{self.port}"

    @property
    def login(self) -> str:
        """What ``ssh`` is given."""
        name = HostName.parse(self.host)
        port = f"-p {name.port} " if name.port else ""
        return f"{port}{self.user}@{name.host}" if self.user else f"{port}{name.host}"


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
        for jump in options.tunnel.split(","):
            tunnel = await _connect(jump.strip().removeprefix("ssh://"), None, timeout, tunnel)
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
            jumped = tunnel is not None
            place = _Place(host, options.host, options.port, login, known, jumped, opened)
            raise _host_error(place, error, client) from error
        raise
    if tunnel is not None:
        connection.set_tunnel(tunnel)
    return connection


def _host_error(place: _Place, error: Exception, client: _Client) -> HostError:
    """Say what an error means and what helps."""
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
        return _key_error(place, client)
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


def _key_error(place: _Place, client: _Client) -> HostError:
    key = client.untrusted
    shown = f" ({key.get_algorithm()} {key.get_fingerprint()})" if key else ""
    learn = f"ssh-keyscan -p {place.port} {place.address} >> ~/.ssh/known_hosts"
    if place.jumped:
        learn = f"ssh {place.login}"
    for file in place.known:
        for name in (place.address, client.address):
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
