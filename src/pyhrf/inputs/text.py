"""Text files that people write: read whole, or refused in a sentence."""

from __future__ import annotations

from pathlib import Path

from pyhrf.errors import InputError

__all__ = ["read_text"]


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
        text = path.read_bytes().decode("utf-8-sig")
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
