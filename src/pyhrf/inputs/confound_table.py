"""Tables of confounds: a row per scan below the names of the columns."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.errors import InputError, counted
from pyhrf.inputs.text import read_text
from pyhrf.wording import line_of

_MISSING = {"n/a", "na", "nan", ""}


def read_table(path: Path, n_scans: int) -> dict[str, FloatArray]:
    """Read columns by name, NaN where a value is missing; without a header their numbers are names.

    Parameters
    ----------
    path : Path
        TSV, CSV or text apart by blanks.
    n_scans : int
        Rows that there must be.

    Returns
    -------
    dict of str to array, shape (n_scans,)

    Raises
    ------
    InputError
        If it cannot be read, or has another number of rows.
    """
    lines = [
        (number, line)
        for number, line in enumerate(
            read_text(path, what="a table of confounds").splitlines(), start=1
        )
        if line.strip()
    ]
    if not lines:
        raise InputError(f"{path}: the file is empty; a line per scan is needed")
    separator = next((each for each in "\t,;" if each in lines[0][1]), None)
    rows = [(number, _fields(line, separator)) for number, line in lines]
    names = rows[0][1]
    if all(_is_value(field) for field in names):
        names = [str(k) for k in range(1, len(names) + 1)]
    else:
        rows = rows[1:]
    for name in names:
        if not name or names.count(name) > 1:
            raise InputError(f"{path}, line 1: the column {name!r} needs a name of its own")
    if len(rows) != n_scans:
        raise InputError(
            f"{path}: has {counted(len(rows), 'row')}, but its run has {n_scans} scans: there must "
            f"be one row for each{_header_of_numbers(rows, len(lines), n_scans)}"
        )
    values = np.empty((n_scans, len(names)))
    for scan, (number, fields) in enumerate(rows):
        if len(fields) != len(names):
            raise InputError(
                f"{line_of(path, number)}: has {counted(len(fields), 'field')} for "
                f"{counted(len(names), 'column')}"
            )
        for k, field in enumerate(fields):
            values[scan, k] = _number(path, number, names[k], field)
    return {name: values[:, k] for k, name in enumerate(names)}


def _header_of_numbers(rows: Sequence[tuple[int, list[str]]], n_lines: int, n_scans: int) -> str:
    """Ask whether the first line was a header, of numbers as pandas writes it, and no scan."""
    if not len(rows) == n_lines == n_scans + 1:
        return ""
    first = rows[0][1]
    shown = ", ".join(first[:3]) + (", ..." if len(first) > 3 else "")
    return (
        f"; if the first line ({shown}) is a header, take it out, or give the columns names that "
        "are no numbers"
    )


def _fields(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    return [field.strip() for field in next(csv.reader([line], delimiter=separator))]


def _is_value(field: str) -> bool:
    """Tell if a field is a number or says that one lacks, and so is no name of a column."""
    if field and field.lower() in _MISSING:
        return True
    try:
        _to_float(field)
    except ValueError:
        return False
    return True


def _to_float(field: str) -> float:
    if "_" in field:  # which Python allows inside a number
        raise ValueError(field)
    return float(field)


def _number(path: Path, number: int, name: str, field: str) -> float:
    """Read a value; NaN for one that lacks or is infinite, which is judged if it counts."""
    if field.lower() in _MISSING:
        return math.nan
    try:
        value = _to_float(field)
    except ValueError:
        point = re.fullmatch(r"-?\d+,\d+", field) is not None
        cure = "write the decimals with a point" if point else "write n/a where a value is missing"
        raise InputError(
            f"{line_of(path, number)}, column {name}: {field!r} is not a number; {cure}"
        ) from None
    return value if math.isfinite(value) else math.nan
