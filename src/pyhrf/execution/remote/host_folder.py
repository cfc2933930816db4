"""Whether a folder on a host can be written, and whether other hosts see it as theirs.

Uses the standard library alone: a host runs the text of this file, whatever is installed there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["locate", "read_notes", "remedy", "remove_note", "write_note"]


def write_note(folder: str, name: str) -> str:
    """Put a small file into a folder; return why that is impossible, empty if it is not."""
    path = Path(folder).expanduser() / name
    try:
        # Not over something that is there, which a link might lead to.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(name)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def locate(folder: str, _: str) -> str:
    """Return the absolute path of a folder."""
    return str(Path(folder).expanduser().absolute())


def remedy(folder: str, _: str) -> str:
    """Find out what would let us write into a folder.

    Returns
    -------
    str
        A command that takes its path: ``mkdir -p`` or ``chmod u+rwx``; ``room`` if nothing but
        space is lacking; empty if nothing of ours helps.
    """
    path = Path(folder).expanduser().absolute()
    if not os.path.lexists(path):
        above = next(parent for parent in path.parents if os.path.lexists(parent))
        return "mkdir -p" if above.is_dir() and os.access(above, os.W_OK | os.X_OK) else ""
    if not path.is_dir():
        return ""
    if os.access(path, os.W_OK | os.X_OK):
        return "room"
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


if __name__ == "__main__":
    actions: dict[str, Callable[..., object]] = {
        "locate": locate,
        "write": write_note,
        "read": read_notes,
        "remedy": remedy,
        "remove": remove_note,
    }
    answer = actions[sys.argv[1]](*sys.argv[2:])
    print(json.dumps({"pyhrf_folder": answer}), flush=True)
