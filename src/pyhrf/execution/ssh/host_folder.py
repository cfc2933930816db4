"""Whether a host can write its folders, and whether other hosts see one of them as theirs.

A host runs this as a program once it is known to have the same PyHRF.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyhrf.files import OF_THE_DISK, reason_and_cure, try_writing

MODULE = "pyhrf.execution.ssh.host_folder"
_ROOM = 4 << 20
"""Bytes that a folder has to take: some batches of results."""


def write_note(folder: str, name: str) -> tuple[str, str]:
    """Put a small file into a folder, and for a moment a larger one.

    Returns
    -------
    reason : str
        Why that is impossible; empty if it is possible.
    remedy : str
        What would help: one of `OF_THE_DISK`, or a command that takes the path, ``mkdir -p`` or
        ``chmod u+rwx``; empty if nothing of ours does.
    """
    path = Path(folder)
    try:
        path = path.expanduser()
        try_writing(path, n_bytes=_ROOM)
        # Not over something that is there, which a link might lead to.
        descriptor = os.open(path / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(name)
    except RuntimeError as error:  # a home folder that nobody has
        return str(error), ""
    except OSError as error:
        reason, cure = reason_and_cure(error)
        return reason, cure if cure in OF_THE_DISK else _remedy(path.absolute())
    return "", ""


def _remedy(path: Path) -> str:
    """Find the command that would let us write into a folder; empty if there is none."""
    there = next(each for each in (path, *path.parents) if os.path.lexists(each))
    try:
        about = there.stat()
    except OSError:
        return ""
    if not stat.S_ISDIR(about.st_mode):
        return ""
    if there != path:
        return "mkdir -p" if os.access(there, os.W_OK | os.X_OK) else ""
    ours = about.st_uid == os.geteuid() and about.st_mode & 0o300 != 0o300
    return "chmod u+rwx" if ours else ""


def try_temporary() -> tuple[str, str]:
    """Write something into the folder for temporary files; say why that fails, and what helps."""
    try:
        try_writing(Path(tempfile.gettempdir()), n_bytes=_ROOM)
    except OSError as error:
        return reason_and_cure(error)
    return "", ""


def locate(folder: str, _: str) -> str:
    """Return the absolute path of a folder."""
    return str(Path(folder).expanduser().absolute())


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
        "remove": remove_note,
        "cache": cache_problem,
        "temporary": try_temporary,
    }
    answer = actions[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"pyhrf_folder": answer}), flush=True)
    if sys.argv[1] == "write" and any(answer):  # a job says why it failed on its standard error
        why, helps = answer
        cure = f"; {helps}" if helps in OF_THE_DISK else ""
        sys.exit(f"{sys.argv[2]} cannot be written: {why}{cure}")
