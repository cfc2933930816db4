"""Whether a host can write its folders, and whether other hosts see one of them as theirs.

A host runs this as a program once it is known to have the same PyHRF.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyhrf.files import reason_and_cure, try_writing

__all__ = [
    "MODULE",
    "OF_THE_DISK",
    "cache_problem",
    "locate",
    "read_notes",
    "remedy",
    "remove_note",
    "try_temporary",
    "write_note",
]

MODULE = "pyhrf.execution.remote.host_folder"
OF_THE_DISK = ("make room", "have it mounted for writing")
"""Cures that no right to write helps to."""
_ROOM = 4 << 20
"""Bytes that a folder has to take: some batches of results."""


def write_note(folder: str, name: str) -> tuple[str, str]:
    """Put a small file into a folder, and for a moment a larger one.

    Returns
    -------
    reason, cure : str
        Why that is impossible, and what helps; empty if it is possible.
    """
    path = Path(folder).expanduser() / name
    try:
        try_writing(path.parent, n_bytes=_ROOM)
        # Not over something that is there, which a link might lead to.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(name)
    except OSError as error:
        return reason_and_cure(error)
    return "", ""


def try_temporary() -> tuple[str, str]:
    """Write something into the folder for temporary files; say what `write_note` says."""
    try:
        try_writing(Path(tempfile.gettempdir()), n_bytes=_ROOM)
    except OSError as error:
        return reason_and_cure(error)
    return "", ""


def locate(folder: str, _: str) -> str:
    """Return the absolute path of a folder."""
    return str(Path(folder).expanduser().absolute())


def remedy(folder: str, _: str) -> str:
    """Find out what would let us write into a folder.

    Returns
    -------
    str
        A command that takes its path: ``mkdir -p`` or ``chmod u+rwx``; ``make room`` if nothing
        but space is lacking; empty if nothing of ours helps.
    """
    path = Path(folder).expanduser().absolute()
    if not os.path.lexists(path):
        above = next(parent for parent in path.parents if os.path.lexists(parent))
        return "mkdir -p" if above.is_dir() and os.access(above, os.W_OK | os.X_OK) else ""
    if not path.is_dir():
        return ""
    if os.access(path, os.W_OK | os.X_OK):
        return "make room"
    about = path.stat()
    ours = about.st_uid == os.geteuid() and about.st_mode & 0o300 != 0o300
    return "chmod u+rwx" if ours else ""


def read_notes(folder: str, *names: str) -> list[str]:
    """Return those of the files that can be read: by name, since a listing may be an old one."""
    found = []
    for name in names:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if (Path(folder).expanduser() / name).read_text("ascii") == name:
                found.append(name)
    return found


def remove_note(folder: str, name: str) -> str:
    """Remove the file that `write_note` made."""
    with contextlib.suppress(OSError):
        (Path(folder).expanduser() / name).unlink()
    return ""


def cache_problem() -> str:
    """Say why compiled code cannot be kept; empty if it can."""
    # It takes a second: only who asks for it waits.
    from pyhrf.estimators import kernel_cache

    return kernel_cache.cache_problem()


if __name__ == "__main__":
    actions: dict[str, Callable[..., Any]] = {
        "locate": locate,
        "write": write_note,
        "read": read_notes,
        "remedy": remedy,
        "remove": remove_note,
        "cache": cache_problem,
        "temporary": try_temporary,
    }
    answer = actions[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"pyhrf_folder": answer}), flush=True)
    if sys.argv[1] == "write" and any(answer):  # a job says why it failed on its standard error
        sys.exit(f"{sys.argv[2]} cannot be written: {'; '.join(answer)}")
