"""The folder of a run on a host: finished batches, the log and the scratch space of its workers."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pyhrf.errors import EngineError
from pyhrf.execution.ssh.commands import make_folder
from pyhrf.files import OF_THE_DISK, reason_and_cure, try_writing


class RunFolder:
    """Make the folder, or find that of an earlier run of the same study.

    Parameters
    ----------
    path : str or None
        Below ``remote_path``; its parent must be there. None for a temporary folder, in which
        nothing is kept beyond the run.
    host : str
        Name of this host in the settings: hosts may share the folder.
    run : str
        Name of the run, for the temporary folder: a launcher that starts anew finds, and clears
        up, what one that was killed has left there.
    login : str
        What ``ssh`` is given to get here, for messages.

    Attributes
    ----------
    scratch : Path
        For the workers of this host.
    log_descriptor : int
        File to which they print.

    Raises
    ------
    EngineError
        If it cannot be made or written, or belongs to someone else.
    """

    def __init__(self, path: str | None, *, host: str, run: str, login: str = "HOST") -> None:
        self._keeps = path is not None
        self._login = login
        self._owner = f"{host}-{os.uname().nodename}-".replace("/", "_")
        token = f"{self._owner}{os.getpid()}"
        try:
            self.path = _temporary(run) if path is None else Path(path).expanduser()
            self._make()
            try_writing(self.path)
            self._log = self.path / f"log-{token}.txt"
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self.log_descriptor = os.open(self._log, flags, mode=0o600)
            self.scratch = self.path / f"scratch-{token}"
            self.scratch.mkdir(exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from error

    def _make(self) -> None:
        if not self.path.parent.is_dir():
            raise EngineError(
                f"remote_path {self.path.parent} is not a folder there",
                "correct remote_path in section [parallel-LAN], or make it there; run: "
                + make_folder(self._login, str(self.path.parent)),
            )
        self.path.mkdir(mode=0o700, exist_ok=True)
        # Where anyone may write, anyone may have put a folder of this name there before.
        status = self.path.lstat()
        others = stat.S_IMODE(status.st_mode) & 0o022
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or others:
            raise EngineError(
                f"{self.path} belongs to someone else, or others may write it",
                "remove it, or set another remote_path in section [parallel-LAN]",
            )

    def _unwritable(self, error: OSError) -> EngineError:
        what, other = "the folder for temporary files", "remote_path"
        if self._keeps:
            what, other = "remote_path", "another remote_path"
        where = error.filename or self.path
        with contextlib.suppress(OSError):  # not empty: it holds results of an earlier run
            self.path.rmdir()
        reason, cure = reason_and_cure(error)
        if cure not in OF_THE_DISK:
            cure = "make it a folder that your login can write"
        return EngineError(
            f"{what} cannot be written ({reason}: {where})",
            f"{cure} there, or set {other} in section [parallel-LAN]",
        )

    def leave(self, *, remove: bool, arrived: Iterable[str]) -> None:
        """Clear up what this run no longer needs here.

        Parameters
        ----------
        remove : bool
            Whether the study is done, so that nothing here is needed any more.
        arrived : iterable of str
            Files of batches that the client has safely.
        """
        shutil.rmtree(self.scratch, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.close(self.log_descriptor)
            self._log.unlink(missing_ok=True)
        names = [self.path / Path(name).name for name in arrived]
        if remove or not self._keeps:
            # Another host may still be at its own files in a folder that they share.
            names = [*self.path.glob("batch-*.npz"), *self.path.glob("*batch-*.tmp")]
            self._clear_after_killed()
        for name in names:
            with contextlib.suppress(OSError):
                name.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty: something is still needed
            self.path.rmdir()

    def _clear_after_killed(self) -> None:
        """Remove what launchers left on this host that had no time to clear up."""
        for path in [*self.path.glob("log-*.txt"), *self.path.glob("scratch-*")]:
            owner, _, number = path.name.partition("-")[2].removesuffix(".txt").rpartition("-")
            # On another host that shares the folder the same number may be alive.
            if f"{owner}-" != self._owner or not number.isdecimal() or _is_alive(int(number)):
                continue
            if path.name.startswith("scratch-"):
                shutil.rmtree(path, ignore_errors=True)
            else:
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)


def _temporary(run: str) -> Path:
    try:
        return Path(tempfile.gettempdir()) / f"pyhrf-{run}"
    except OSError as error:
        raise EngineError(
            f"no folder for temporary files can be written ({error.strerror or error})",
            "make room there, or set remote_path in section [parallel-LAN]",
        ) from error


def _is_alive(pid: int) -> bool:
    """Tell whether a process of this user has that number."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError, OverflowError):
        return False
    return True
