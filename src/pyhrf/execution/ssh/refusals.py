"""Why a host cannot be used, and what helps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyhrf.errors import EngineError
from pyhrf.execution.ssh.commands import ssh_login

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
class Target:
    """Where ssh goes for a host, for the message on why it cannot be used.

    Attributes
    ----------
    host : str
        As it is written in the settings.
    address : str
        Name or address, as ``~/.ssh/config`` has it.
    port : int
        Of its ssh server.
    user : str or None
        Login, if the settings give one.
    jump : str
        The host through which it is reached; empty if there is none.
    """

    host: str
    address: str
    port: int
    user: str | None
    jump: str = ""

    @property
    def login(self) -> str:
        """What ``ssh`` is given."""
        return ssh_login(self.host, self.user)
