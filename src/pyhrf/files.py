"""Files that are what they seem: no pipe or device is read, no link is followed in writing.

A folder may be one that others can write too. Who plants a link or a pipe there must not make us
wait for ever, or write over a file of the user's elsewhere.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from pyhrf.errors import InputError
from pyhrf.wording import named

FileState = tuple[float, int, int]
"""Time of the last change, size, and number of a file in its file system."""

TEMPORARY = ".tmp"
"""Suffix of files that are not finished yet."""

_OURS = re.compile(rf"\..*\.[0-9a-f]{{16}}{re.escape(TEMPORARY)}", re.DOTALL)
_SETTLED = 2.0  # seconds; file systems tell changes apart by ticks
_SHOWN = 50  # characters of a name in that of its temporary file: 255 bytes are the limit
OF_THE_DISK = ("make room", "have it mounted for writing")
"""Cures of `reason_and_cure` where no right to write is lacking."""
_CURES = {
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG): OF_THE_DISK[0],
    (errno.EROFS,): OF_THE_DISK[1],
    (errno.EACCES, errno.EPERM): "have that allowed",
}


def regular_file(path: Path | str) -> BufferedReader:
    """Open a regular file for reading, through links too; nothing else, which could wait for ever.

    Parameters
    ----------
    path : Path or str

    Raises
    ------
    OSError
        If it cannot be opened; for a pipe, a socket or a device its ``strerror`` says so.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            text = "it is a pipe or a device; give a file"
            raise OSError(errno.EINVAL, text, str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def state_of(path: Path) -> FileState | None:
    """Tell what a file is now; None if it is not there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime, found.st_size, found.st_ino


def settled_state(path: Path) -> FileState | None:
    """Tell what a file is; None if it was changed just now: it may be so again within a tick."""
    state = state_of(path)
    return None if state is None or abs(time.time() - state[0]) < _SETTLED else state


def read_regular(path: Path | str) -> bytes:
    """Read a regular file whole, as `regular_file` opens it."""
    with regular_file(path) as file:
        return file.read()


def new_file(path: Path, *, mode: int = 0o666) -> BinaryIO:
    """Make a file for writing where there is none yet, not even a link.

    Raises
    ------
    OSError
        If something is there, or it cannot be made.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(path, flags, mode), "wb")


@contextmanager
def replacing(path: Path, *, durable: bool = False, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Write a file under a name that nobody can predict, and give it its own when it is whole.

    A reader, or a run that is killed, never meets half a file. A link of the name is replaced, and
    what it points to is left alone.

    Parameters
    ----------
    path : Path
        Where the file is to be; an older one is replaced.
    durable : bool
        Have the content on the disk before the file gets its name.
    mode : int
        Who may read and write it, less what the umask forbids.

    Yields
    ------
    binary file
        To write into.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind then.
    """
    temporary = path.with_name(f".{path.name[:_SHOWN]}.{secrets.token_hex(8)}{TEMPORARY}")
    try:
        with new_file(temporary, mode=mode) as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_whole(path: Path, content: bytes, *, durable: bool = False, mode: int = 0o666) -> None:
    """Write a file so that after any crash it is there in full or not at all; see `replacing`.

    With ``durable`` it survives the end of the process when this returns; to survive a power
    failure too its name needs `sync_directory`, which takes as long again as all the rest.
    """
    with replacing(path, durable=durable, mode=mode) as file:
        file.write(content)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory survive a power failure, as the files' contents do.

    Raises
    ------
    OSError
        If that fails; on file systems that cannot do it nothing happens.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems
            raise
    finally:
        os.close(descriptor)


def left_by_killed(folder: Path) -> list[Path]:
    """Find the temporary files of `replacing` in a folder; to be called while nobody writes."""
    return [path for path in folder.glob(f".*{TEMPORARY}") if _OURS.fullmatch(path.name)]


def remove_folder(folder: Path, *, seconds: float) -> None:
    """Remove a folder into which others may still write for a while; it may be gone already.

    Raises
    ------
    OSError
        If it is still there after that time.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            # What others rename or remove meanwhile does no harm; what they add is seen below.
            shutil.rmtree(folder, ignore_errors=True)
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)


def try_writing(folder: Path, *, n_bytes: int = 1 << 20) -> None:
    """Write a file into a folder and remove it: a full disk often takes small files.

    Parameters
    ----------
    folder : Path
    n_bytes : int
        Size of the file.

    Raises
    ------
    OSError
        If it cannot be written; nothing is left behind then.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(n_bytes))
        file.flush()
        os.fsync(file.fileno())  # a quota on another machine may show only then


def reason_and_cure(error: OSError) -> tuple[str, str]:
    """Say why a file cannot be written, and what helps, each as a clause."""
    reason = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        reason += ", disk full"
    for numbers, cure in _CURES.items():
        if error.errno in numbers:
            return reason, cure
    return reason, "correct that"


def why_unwritable(error: OSError) -> str:
    """Say why a file cannot be written, and what helps, in a sentence."""
    return "; ".join(reason_and_cure(error))


@contextmanager
def replace_file(path: Path, *, cure: str | None = None) -> Iterator[BinaryIO]:
    """Write a file that is there whole or not at all, as `replacing` does.

    Parameters
    ----------
    path : Path
        Where the file is to be; an older one is replaced.
    cure : str
        What helps who cannot have it written there; by default another output directory.

    Yields
    ------
    binary file
        To write into.

    Raises
    ------
    InputError
        When the disk is full or the folder cannot be written.
    """
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        cure = cure or f"choose another output directory ({named('output')})"
        raise InputError(f"{path} cannot be written: {why_unwritable(error)}, or {cure}") from error
