"""Files that are there whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pyhrf.errors import InputError
from pyhrf.files import replacing, why_unwritable
from pyhrf.wording import named


@contextmanager
def replace_file(path: Path, *, cure: str | None = None) -> Iterator[BinaryIO]:
    """Write a file that is there whole or not at all, as `pyhrf.files.replacing` does.

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
