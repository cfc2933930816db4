"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from pyhrf.errors import InputError

__all__ = ["replace_file"]


@contextmanager
def replace_file(path: Path) -> Iterator[BinaryIO]:
    """Write a file under a temporary name and give it its own when all is written.

    A reader, or a run that is killed, never meets half a file.

    Parameters
    ----------
    path : Path
        Where the file is to be; an older one is replaced.

    Yields
    ------
    binary file
        To write into.

    Raises
    ------
    InputError
        When the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
        temporary.replace(path)
    except OSError as error:
        cause = error.strerror or error
        raise InputError(
            f"{path} cannot be written: {cause}; "
            "make room or choose another output directory with -u"
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
