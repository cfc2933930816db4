"""The keys of hosts that are known here, and how one is learnt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import asyncssh

from pyhrf.execution.ssh.commands import quoted_path, shown_path
from pyhrf.execution.ssh.refusals import HostError, Target

_OWN = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_COMMON = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_COMPARE = "which its administrator can confirm by its fingerprint, "


@dataclass(frozen=True, slots=True)
class KnownHosts:
    """Files of known keys, as ``~/.ssh/config`` names them.

    Attributes
    ----------
    files : tuple of str
        Those that are there.
    own : Path
        Into which ssh writes the key of a host that is new.
    alias : str or None
        Name under which the host is known, if it is another one.
    proxied : bool
        Whether a command makes the connection.
    kept : bool
        Whether ssh keeps new keys in ``own`` by itself.
    """

    files: tuple[str, ...]
    own: Path
    alias: str | None = None
    proxied: bool = False
    kept: bool = True

    @classmethod
    def of(cls, options: asyncssh.SSHClientConnectionOptions) -> KnownHosts:
        """Find the files; "none" or /dev/null does not mean that any key will do."""
        config = options.config
        named, common = (
            [
                _expanded(path, options)
                for path in cast("list[str] | None", config.get(f"{whose}KnownHostsFile")) or ()
            ]
            for whose in ("User", "Global")
        )
        own = [path for path in named if path not in ("none", os.devnull)] or [
            _expanded(path, options) for path in _OWN
        ]
        return cls(
            tuple(path for path in (*own, *(common or _COMMON)) if Path(path).is_file()),
            Path(own[0]),
            cast("str | None", config.get("HostKeyAlias")),
            config.get("ProxyCommand") is not None,
            not named or named[0] == own[0],
        )

    def refusal(self, target: Target, key: asyncssh.SSHKey | None, address: str) -> HostError:
        """Say why the key of a host is not trusted, and how it is learnt.

        Parameters
        ----------
        target : Target
            Of the host.
        key : asyncssh.SSHKey or None
            That it shows; None if it shows none of a type that is known of it, or a revoked one.
        address : str
            From which it came.
        """
        shown = "its host key"
        if key is not None:
            shown += f" ({key.get_algorithm()} {key.get_fingerprint()})"
        learn = self._learn(target)
        for file in self.files:
            for name in (self.alias or target.address, address):
                port = target.port if target.port != 22 else None
                found = asyncssh.match_known_hosts(file, name, "", port) if name else ((),) * 3
                if found[2] and (key is None or key in found[2]):
                    return HostError(
                        target.host,
                        f"{shown} is marked as revoked in {file}",
                        "do not continue, and ask its administrator",
                        kind="host key",
                    )
                if found[0]:
                    return _changed(target, shown, file, name, learn)
        return HostError(
            target.host, f"{shown}, {_COMPARE}is not known here", f"run: {learn}", kind="host key"
        )

    def _learn(self, target: Target) -> str:
        """Write the command that notes the key which a host shows now."""
        file = shown_path(self.own)
        before = ""
        if not self.own.parent.is_dir():
            before = f"mkdir -p -m 700 {shown_path(self.own.parent)} && "
        elif self.own.is_file() and self.own.read_bytes()[-1:] not in (b"", b"\n"):
            before = f"echo >> {file} && "
        if self.alias is None and not target.jump and not self.proxied:
            return f"{before}ssh-keyscan -p {target.port} {target.address} >> {file}"
        # ssh-keyscan knows neither another way nor another name.
        option = "" if self.kept else f"-o UserKnownHostsFile={file} "
        return f"{before}ssh -o StrictHostKeyChecking=accept-new {option}{target.login} true"


def _changed(target: Target, shown: str, file: str, name: str, learn: str) -> HostError:
    cause = f"{shown} is not the one that {file} holds: it was reinstalled, or another machine "
    cause += "answers in its place"
    ask = "ask its administrator for the fingerprint; if it is right, run: "
    if os.access(file, os.W_OK) and os.access(Path(file).parent, os.W_OK):
        entry = name if target.port == 22 else f"[{name}]:{target.port}"
        default = Path(file) == Path("~/.ssh/known_hosts").expanduser()
        option = "" if default else f"-f {shown_path(Path(file))} "
        learn = f"ssh-keygen {option}-R {quoted_path(entry)} && {learn}"
    return HostError(target.host, cause, ask + learn, kind="host key")


def _expanded(path: str, options: asyncssh.SSHClientConnectionOptions) -> str:
    """Replace what ssh replaces in the name of a file."""
    for token, value in (
        ("%d", str(Path.home())),
        ("%h", options.host),
        ("%p", str(options.port)),
        ("%r", options.username),
        ("%u", os.environ.get("USER", "")),
        ("%%", "%"),
    ):
        path = path.replace(token, value)
    return str(Path(os.path.expandvars(path)).expanduser())
