"""Text files that people write: read whole, or refused in a sentence."""

from __future__ import annotations

import csv
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.files import regular_file

_MOST_BYTES = 256 << 20

csv.field_size_limit(_MOST_BYTES)  # or else csv raises an error of its own in longer fields


def read_text(path: Path, *, what: str) -> str:
    """Read a text file in UTF-8, with or without a byte order mark.

    Parameters
    ----------
    path : Path
    what : str
        What is wanted, for error messages, as ``a paradigm file``.

    Raises
    ------
    InputError
        If the file cannot be read or is no such text.
    """
    try:
        with regular_file(path) as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise InputError(
                f"{path}: is larger than {_MOST_BYTES >> 20} MB, and no text; {what} is needed"
            )
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: this is a folder; {what} is needed") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        if b"\0" in error.object:
            raise InputError(f"{path}: is not a text file") from None
        raise InputError(
            f"{path}: is not UTF-8 text (byte {error.start + 1}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{path}: is not a text file")
    return text
