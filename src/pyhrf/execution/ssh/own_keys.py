"""Our own keys: those that ssh would use, and why none of them was of use."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncssh

from pyhrf.execution.ssh.commands import shown_path
from pyhrf.execution.ssh.refusals import HostError, Target

_DEFAULT = [
    f"~/.ssh/id_{kind}"
    for kind in ("ed25519_sk", "ecdsa_sk", "ed448", "ed25519", "ecdsa", "rsa", "dsa")
]
_NEW = "~/.ssh/id_ed25519"


@dataclass(frozen=True, slots=True)
class OwnKeys:
    """Our private keys.

    Attributes
    ----------
    named : tuple of str
        Those that ``~/.ssh/config`` names; empty if it names none.
    files : tuple of str
        Those that are there, of these or of the usual ones.
    agent : str
        Socket of ssh-agent; empty if none is named.
    """

    named: tuple[str, ...]
    files: tuple[str, ...]
    agent: str

    @classmethod
    def of(cls, options: asyncssh.SSHClientConnectionOptions) -> OwnKeys:
        """Find the keys that ssh would use."""
        named = cast("list[str] | None", options.config.get("IdentityFile")) or []
        agent = cast("str | None", options.config.get("IdentityAgent"))
        if agent in (None, "SSH_AUTH_SOCK"):
            agent = os.environ.get("SSH_AUTH_SOCK", "")
        files = tuple(path for path in named or _DEFAULT if Path(path).expanduser().is_file())
        return cls(tuple(named), files, str(Path(agent or "").expanduser()) if agent else "")

    def options(self) -> dict[str, Any]:
        """Leave out the keys that are not there or that others can read, as ssh does."""
        safe = [path for path in self.files if not _open_to_others(path)]
        if len(self.files) >= len(self.named) and len(safe) == len(self.files):
            return {}
        if self.files and not safe:
            # asyncssh takes an empty list for the usual keys, and None would shut out the agent.
            return {"client_keys": [asyncssh.generate_private_key("ssh-ed25519")]}
        return {"client_keys": safe, "ignore_encrypted": True}

    async def refusal(self, target: Target) -> HostError:
        """Say why we were not let in, and what helps."""
        cause, cure = await self._why(target)
        return HostError(target.host, cause, cure, kind="login")

    async def _why(self, target: Target) -> tuple[str, str]:
        files = [Path(path).expanduser() for path in self.files]
        opened = [path for path in files if _open_to_others(path)]
        if opened:
            names = ", ".join(map(str, opened))
            return (
                f"your key is not used, since others can read it ({names})",
                f"run: chmod 600 {shlex.join(map(str, opened))}",
            )
        held = await self._held()
        locked = [path for path in files if _is_locked(path) and not _is_among(path, held)]
        if locked and len(locked) == len(files):
            names = " and ".join(map(str, locked))
            add = f"ssh-add {' '.join(map(shown_path, locked))}"
            if held is None:
                add = f'eval "$(ssh-agent)" && {add}'
            return (
                f"your key {names} has a passphrase, and no ssh-agent holds it",
                f"run, in the shell from which PyHRF is started: {add}",
            )
        if not files and not held:
            new = shown_path(Path((self.named or (_NEW,))[0]).expanduser())
            return (
                f"you have no key: {new} is not there, and no ssh-agent holds one",
                f"run: ssh-keygen -t ed25519 -f {new} && ssh-copy-id -i {new} {target.login}",
            )
        untried = f" ({' and '.join(map(str, locked))} needs ssh-add)" if locked else ""
        return (
            f"your key is refused for {target.user or 'this user'}{untried}",
            f"run: {self._copy(target, files)}",
        )

    async def _held(self) -> list[bytes] | None:
        """Ask ssh-agent for its keys; None if there is none."""
        if not self.agent:
            return None
        try:
            async with asyncssh.connect_agent(self.agent) as agent:
                return [key.public_data for key in await agent.get_keys()]
        except (OSError, ValueError, asyncssh.Error):
            return None

    def _copy(self, target: Target, files: list[Path]) -> str:
        """Write the command that takes a key to a host; by itself it knows the usual ones only."""
        key = next((path for path in files if not _is_locked(path)), None)
        if key is None or (not self.named and _public(key).is_file()):
            return f"ssh-copy-id {target.login}"
        name, public = shown_path(key), shown_path(_public(key))
        make = "" if _public(key).is_file() else f"ssh-keygen -y -f {name} > {public} && "
        return f"{make}ssh-copy-id -i {public} {target.login}"


def _open_to_others(path: str | Path) -> bool:
    """Tell whether ssh would pass a private key over because others can read it."""
    status = Path(path).expanduser().stat()
    return status.st_uid == os.getuid() and bool(status.st_mode & 0o077)


def _public(path: Path) -> Path:
    return path.with_name(f"{path.name}.pub")


def _is_locked(path: Path) -> bool:
    """Tell whether a private key has a passphrase."""
    try:
        asyncssh.import_private_key(path.read_bytes())
    except asyncssh.KeyImportError as error:
        return "assphrase" in str(error)
    except OSError:
        return False
    return False


def _is_among(path: Path, held: list[bytes] | None) -> bool:
    """Tell whether ssh-agent holds a key; if we cannot know, any that it holds may be it."""
    try:
        return asyncssh.read_public_key(_public(path)).public_data in (held or ())
    except (OSError, asyncssh.KeyImportError):
        return bool(held)
