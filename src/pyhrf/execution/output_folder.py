"""The output directory of a run: where its journal lies, who holds it, how it is set aside."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.execution.directory_lock import DirectoryLock
from pyhrf.execution.run_state import STATE_FILE
from pyhrf.files import TEMPORARY
from pyhrf.wording import named

FOLDER = ".journal"
"""Of the journal, in the output directory."""

LOCK = "lock"
"""What a run holds there."""

STUDY = "study.json"
"""What the results there depend on."""


def folder_of_engine(directory: Path, engine: str) -> Path:
    """Name the folder beside a journal in which an engine keeps its own notes.

    Returns
    -------
    Path
        Absolute; it need not be there.
    """
    return Path(directory).resolve() / FOLDER / engine


@contextlib.contextmanager
def held(directory: Path) -> Iterator[None]:
    """Hold an output directory against runs; nothing happens if it has no journal.

    Raises
    ------
    InputError
        If a run holds it, or it cannot be written.
    """
    directory = Path(directory).resolve()
    folder = directory / FOLDER
    if not folder.is_dir():
        yield
        return
    refuse_link(folder)
    try:
        lock = DirectoryLock(folder / LOCK, owner=directory)
    except OSError as error:
        raise InputError(f"{directory} cannot be written ({error.strerror or error})") from error
    try:
        yield
    finally:
        lock.release()


def check_aside(directory: Path) -> None:
    """See that an output directory could be set aside; nothing is done.

    Raises
    ------
    InputError
        If it is not an output directory, or the folder in which it is cannot be written.
    """
    directory = Path(directory).resolve()
    if not directory.exists() or not any(directory.iterdir()):
        return
    folder = directory / FOLDER
    refuse_link(folder)
    if not (folder.is_dir() and ((folder / STUDY).exists() or is_ours(folder))):
        raise InputError(
            f"{directory} holds other files and no journal of an analysis, so it is not set "
            f"aside: choose another output directory ({named('output')})"
        )
    if not os.access(directory.parent, os.W_OK | os.X_OK):
        raise _not_aside(directory, os.strerror(errno.EACCES))


def _not_aside(directory: Path, reason: str) -> InputError:
    return InputError(
        f"{directory} cannot be set aside ({reason}): choose another output directory "
        f"({named('output')})"
    )


def set_aside(directory: Path) -> Path | None:
    """Rename an output directory to the first free one of ``DIR.old-1``, ``DIR.old-2`` and so on.

    Returns
    -------
    Path or None
        Its new name, None if there was nothing to keep.

    Raises
    ------
    InputError
        If it is not an output directory, is in use by a run, or cannot be renamed.
    """
    directory = Path(directory).resolve()
    try:
        if not directory.exists() or not any(directory.iterdir()):
            return None
        check_aside(directory)
        lock = DirectoryLock(directory / FOLDER / LOCK, owner=directory)
        try:
            number = 1
            while (new := directory.with_name(f"{directory.name}.old-{number}")).exists():
                number += 1
            return directory.rename(new)
        finally:
            lock.release()
    except OSError as error:
        raise _not_aside(directory, error.strerror or str(error)) from error


def refuse_link(folder: Path) -> None:
    """Refuse a journal that lies elsewhere: whoever made the link may not be who runs us."""
    if folder.is_symlink():
        raise InputError(
            f"{folder} is a link, and PyHRF does not write through it: remove it, or choose "
            f"another output directory ({named('output')})"
        )


def is_ours(folder: Path) -> bool:
    """Tell whether a folder without study.json is what a run leaves that was killed as it began."""
    if not folder.exists():
        return True
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()} - {LOCK, STATE_FILE}
    return all(name.endswith(TEMPORARY) for name in names)
