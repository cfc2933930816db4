"""Results that are not there, and files that somebody changed or damaged since the analysis."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.parsers.expat import ExpatError

from pyhrf.errors import InputError
from pyhrf.results.names import BIDS_RESULTS
from pyhrf.wording import named


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


def why_none(directory: Path) -> str:
    """Say why there are no results in a folder, and where they are."""
    if not directory.exists():
        return f"{directory} is not there: give the output directory of an analysis"
    if not directory.is_dir():
        return f"{directory} is a file: give the output directory of an analysis"
    of_bids = sorted(path.parent for path in directory.glob(f"{BIDS_RESULTS}/*/parcels.tsv"))
    if of_bids:
        return (
            f"{directory} is an OUT_DIR of pyhrf bids: its reports are there, such as "
            f"{directory / of_bids[0].name}.html; give the folder of one analysis, such as "
            f"{of_bids[0]}"
        )
    if (directory / ".journal").is_dir():
        return (
            f"the analysis in {directory} is not finished: if it does not run ('pyhrf monitor' "
            f"tells), start it again with the same {named('command')}, which continues it"
        )
    return f"{directory} holds no results: there is no parcels.tsv in it"
