"""Commands as a user can type them, with whatever blanks and quotes names hold."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from pyhrf.files import OF_THE_DISK

_NAME = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<inner>[^]]+)\]|(?P<host>.+?))(?::(?P<port>\d+))?"
)


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


def quoted_path(path: str) -> str:
    """Quote a path for a shell, which still replaces a home folder, ``~`` or ``~ann``."""
    home, slash, rest = path.partition("/")
    if re.fullmatch(r"~[\w.-]*", home, re.ASCII):
        return home + slash + _escaped(rest)
    return _escaped(path)


def _escaped(text: str) -> str:
    """Quote by backslashes, which read well within the quotes that a second shell needs."""
    if "\n" in text:  # a backslash would take it away
        return shlex.quote(text)
    return re.sub(r"([^\w@%+=:,./-])", r"\\\1", text)


def shown_path(path: Path) -> str:
    """Quote the path of a file of this machine, and write ``~`` for the home folder."""
    home = Path.home()
    if home in path.parents:
        return quoted_path(f"~/{path.relative_to(home)}")
    return _escaped(str(path))


def ssh_login(host: str, user: str | None = None) -> str:
    """Write the arguments of ``ssh`` and ``ssh-copy-id`` that name a host.

    Parameters
    ----------
    host : str
        ``[USER@]HOST[:PORT]``.
    user : str, optional
        Login, unless ``host`` names one.
    """
    name = HostName.parse(host)
    login = name.user or user
    port = ["-p", str(name.port)] if name.port else []
    return shlex.join([*port, f"{login}@{name.host}" if login else name.host])


def on_host(login: str, command: str) -> str:
    """Write the command that runs another one on a host."""
    # What a shell changes is left for the one there.
    plain = re.fullmatch(r"[\w@%+=:,./ -]+", command, re.ASCII)
    return f"ssh {login} {command if plain else shlex.quote(command)}"


def make_folder(login: str, path: str) -> str:
    """Write the command that makes a folder on a host."""
    return on_host(login, f"mkdir -p {quoted_path(path)}")


def folder_cure(folder: str, remedy: str, *, login: str | None, section: str) -> str:
    """Say what makes ``remote_path`` a folder that can be written.

    Parameters
    ----------
    folder : str
        As in the settings.
    remedy : str
        From `pyhrf.execution.ssh.host_folder.write_note` on the host.
    login : str or None
        From `ssh_login`; None for this machine.
    section : str
        Of the settings, as it is called in the message.
    """
    other = f"set another remote_path in {section}"
    if remedy in OF_THE_DISK:
        return f"{remedy} there, or {other}"
    if not remedy:
        return f"{other}, a folder of yours"
    command = f"{remedy} {quoted_path(folder)}"
    if login is not None:
        command = on_host(login, command)
    return f"{other}, or make it a folder of yours; run: {command}"
