"""A lock on a directory, which does not survive the process that holds it."""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import stat
from datetime import datetime
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.wording import named


class DirectoryLock:
    """Hold a directory for one run; the system lets go of it when the process ends in any way.

    Parameters
    ----------
    path : Path
        The lock file; made when missing, never removed.
    owner : Path
        What the lock stands for, for the message.

    Raises
    ------
    InputError
        If another run holds it, or the name is that of a link, a pipe or a folder.
    OSError
        If the file cannot be opened for writing.
    """

    def __init__(self, path: Path, *, owner: Path) -> None:
        while True:
            self._file = os.fdopen(_open_lock(path), "a+", encoding="utf-8")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._file.seek(0)
                holder = self._file.read().strip()
                self._file.close()
                raise InputError(
                    f"{owner} is in use by another run ({holder or 'just started'}): "
                    f"wait until it ends, or choose another output directory ({named('output')})"
                ) from None
            except OSError as error:
                # A file system without locks: better a run without the lock than none.
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                    self._file.close()
                    raise
            if self._is_still(path):
                if os.fstat(self._file.fileno()).st_nlink == 1:
                    break
                path.unlink()  # a file of another name too, which is not ours to write over
            self._file.close()  # the directory was set aside in between
        self._file.truncate(0)
        now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        self._file.write(f"process {os.getpid()} on {platform.node()}, since {now}\n")
        self._file.flush()

    def _is_still(self, path: Path) -> bool:
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(there, os.fstat(self._file.fileno()))

    def release(self) -> None:
        """Let go; more than once does no harm."""
        self._file.close()


def _open_lock(path: Path) -> int:
    """Open the file of a lock; anything else of its name was put there by someone else."""
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.EISDIR, errno.ENXIO):
            raise _no_lock(path) from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_lock(path)
    return descriptor


def _no_lock(path: Path) -> InputError:
    return InputError(
        f"{path} is a link or not a regular file, and PyHRF does not write through it: remove it, "
        f"or choose another output directory ({named('output')})"
    )
