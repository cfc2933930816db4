"""The folder of a run on the cluster, as the client sees it; here where it is on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from pyhrf.errors import EngineError
from pyhrf.execution.ssh.shells import LocalShell, Shell
from pyhrf.files import reason_and_cure, remove_folder, try_writing

STEP_SECONDS = 300.0
"""For one piece of a file, or one other step, at most."""
REMOVE_SECONDS = 15.0
"""For which jobs that are about to end may still write into a folder that is removed."""

T = TypeVar("T")


class ClusterLostError(EngineError):
    """The cluster cannot be reached now; its jobs may still be running."""


class ClusterFolder(Protocol):
    """A folder that only its owner may read, in which the files of a run lie side by side.

    Attributes
    ----------
    path : str
        Absolute path on the cluster, once the folder was opened.
    host : str
        Where it is; empty for this machine.
    """

    path: str
    host: str

    def open(self) -> None:
        """Find out where it is; nothing is written.

        Raises
        ------
        EngineError
            If the machine cannot be reached.
        """
        ...

    def make(self) -> None:
        """Make it.

        Raises
        ------
        EngineError
            If it cannot be made there.
        """
        ...

    def names(self) -> list[str]:
        """List its files; none if it is not there.

        Raises
        ------
        EngineError
            As from all that follows, if that cannot be done there.
        """
        ...

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        ...

    def try_writing(self) -> None:
        """See that a file of some size can be written.

        Raises
        ------
        EngineError
            If it cannot, with the reason.
        """
        ...

    def read(self, names: list[str]) -> list[bytes]:
        """Read files."""
        ...

    def remove(self) -> None:
        """Remove it and its files; when this returns it is gone, also if it never was there."""
        ...

    def ask(self, what: Callable[[Shell], Coroutine[Any, Any, T]]) -> T:
        """Do something short with a shell of the machine where the folder is."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


def unusable(where: str, error: OSError) -> EngineError:
    """Make the error of a folder that cannot be written."""
    reason, cure = reason_and_cure(error)
    return EngineError(
        f"{where} cannot be written ({reason}): {cure}, or set another remote_path in section "
        "[parallel-cluster]"
    )


class LocalFolder:
    """A folder on this machine."""

    host = ""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.path = str(path)

    def open(self) -> None:
        """Do nothing: it is here."""

    def make(self) -> None:
        """Make the folder; see `ClusterFolder.make`."""
        try:
            self._path.mkdir(mode=0o700)
        except OSError as error:
            raise unusable(str(self._path.parent), error) from error

    def names(self) -> list[str]:
        """List the files."""
        try:
            return [path.name for path in self._path.iterdir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._failed("read", error) from error

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        try:
            (self._path / name).write_bytes(content)
        except OSError as error:
            raise unusable(str(self._path), error) from error

    def try_writing(self) -> None:
        """See that files can be written; see `ClusterFolder.try_writing`."""
        try:
            try_writing(self._path)
        except OSError as error:
            raise unusable(str(self._path), error) from error

    def read(self, names: list[str]) -> list[bytes]:
        """Read files."""
        try:
            return [(self._path / name).read_bytes() for name in names]
        except OSError as error:
            raise self._failed("read", error) from error

    def remove(self) -> None:
        """Remove the folder; see `ClusterFolder.remove`."""
        try:
            remove_folder(self._path, seconds=REMOVE_SECONDS)
        except OSError as error:
            raise self._failed("removed", error) from error

    def ask(self, what: Callable[[Shell], Coroutine[Any, Any, T]]) -> T:
        """Do something with a shell; see `ClusterFolder.ask`."""
        try:
            return asyncio.run(what(LocalShell()))
        except OSError as error:
            raise EngineError(f"a command cannot be run here: {error}") from error

    def _failed(self, what: str, error: OSError) -> EngineError:
        return EngineError(f"{self.path} cannot be {what}: {error.strerror or error}")

    def close(self) -> None:
        """Do nothing."""
