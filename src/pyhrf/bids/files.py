"""Files of BIDS derivatives that are rewritten only when their content changes."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyhrf.errors import InputError
from pyhrf.files import replace_file


def keep_current(path: Path, content: bytes) -> bool:
    """Write a file if it is not there with this content; say whether it was written.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    _make_folder(path.parent)
    with replace_file(path) as file:
        file.write(content)
    return True


def keep_first(path: Path, content: bytes) -> None:
    """Write a file whose name stands for its content, once: one that is there is not touched.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    if path.exists():
        return
    _make_folder(path.parent)
    with scratch_beside(path.parent) as scratch:
        whole = scratch / path.name
        with replace_file(whole) as file:
            file.write(content)
        try:
            # Unlike a rename, it leaves alone what another process has written meanwhile.
            os.link(whole, path)
        except FileExistsError:
            pass
        except OSError:  # a file system without links
            whole.replace(path)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror or error}") from error


def write_json(path: Path, content: Mapping[str, Any]) -> bool:
    """Write a JSON file as `keep_current` does."""
    return keep_current(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


@contextmanager
def scratch_beside(folder: Path) -> Iterator[Path]:
    """Provide a folder, in another that is made when missing, for files on their way.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{os.getpid()}-", dir=folder))
    except OSError as error:
        raise InputError(f"{folder} cannot be written: {error.strerror or error}") from error
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
