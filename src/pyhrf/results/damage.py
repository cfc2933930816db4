"""Files of results that somebody changed or damaged since the analysis."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers.expat import ExpatError

from pyhrf.errors import InputError


@contextmanager
def made_by_analysis(path: Path | str) -> Iterator[None]:
    """Turn what is met in a file of results that somebody changed or damaged into a sentence.

    Parameters
    ----------
    path : Path or str
        The file, or the folder of results, or a name for several.

    Raises
    ------
    InputError
        For whatever damaged content makes Python and its libraries raise inside.
    """
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        yield
    except (
        *(OSError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError),
        *(AssertionError, EOFError, RecursionError, csv.Error, zlib.error),
        *(ImageFileError, HeaderDataError, WrapStructError, ExpatError),
    ) as error:
        if isinstance(error, OSError) and error.strerror:
            what = error.filename or path
            raise InputError(f"{what} cannot be read: {error.strerror}") from error
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(
            f"{path} is damaged or was changed since the analysis ({reason}): run the analysis "
            "again, which rewrites it"
        ) from error
