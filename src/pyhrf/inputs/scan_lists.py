"""Lists of censored scans: their numbers, and never a 0 or 1 for each scan."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.inputs.text import read_text
from pyhrf.wording import line_of

_RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?")


def read_scans(path: Path, n_scans: int) -> NDArray[np.intp]:
    """Read the numbers of scans, such as ``0 1 17-20``; the first is 0.

    Parameters
    ----------
    path : Path
        Text of numbers and ranges, apart by blanks, commas or lines; ``#`` begins a comment.
    n_scans : int
        Scans of the run.

    Returns
    -------
    int array
        Ascending, each once.

    Raises
    ------
    InputError
        If it cannot be read, holds what is no scan, or has one value for each scan: programs do not
        agree whether 0 or 1 then means a bad one.
    """
    text = read_text(path, what="a list of scans")
    lines = [line.partition("#")[0].replace(",", " ").split() for line in text.splitlines()]
    _refuse_mask(path, [line for line in lines if line], n_scans)
    scans: set[int] = set()
    for number, word in ((k, word) for k, line in enumerate(lines, start=1) for word in line):
        match = _RANGE.fullmatch(word)
        first, last = (0, -1) if match is None else (int(match[1]), int(match[2] or match[1]))
        if not 0 <= first <= last < n_scans:
            raise InputError(
                f"{line_of(path, number)}: {word!r} is not a scan: give numbers from 0 (the first) "
                f"to {n_scans - 1}, or ranges such as 17-20"
            )
        scans.update(range(first, last + 1))
    return np.array(sorted(scans), dtype=np.intp)


def _refuse_mask(path: Path, lines: Sequence[Sequence[str]], n_scans: int) -> None:
    """Refuse one value for each scan, which would be read as the scans 0 and 1."""
    if lines and not any(map(_is_number, lines[0])):
        lines = lines[1:]  # names of columns
    words = [word for line in lines for word in line]
    if not all(map(_is_number, words)):
        return
    values = [float(word) for word in words]
    n_zeros, n_ones = values.count(0), values.count(1)
    # Who lists scans names none of them twice, let alone as often as there are scans.
    if n_zeros + n_ones == len(values) > 2:
        raise InputError(
            f"{path}: holds {n_zeros} times 0 and {n_ones} times 1, as a mask of one value for "
            "each scan, where the numbers of the censored scans are needed. " + _cure(path, lines)
        )
    if len(values) == n_scans > len(set(values)):
        raise InputError(
            f"{path}: holds {n_scans} numbers, one for each scan of the run, and some of them "
            "several times: these are not scan numbers. List the censored scans, such as "
            "0 1 17-20, where the first is 0"
        )


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word  # which Python allows inside a number


def _cure(path: Path, lines: Sequence[Sequence[str]]) -> str:
    """Say how to make a list of a mask: of a column, of a row, or of a column for each bad scan."""
    name = shlex.quote(str(path))
    if len(lines) > 1 and max(map(len, lines)) > 1:
        return (
            "If each column marks one bad scan by 1, as fsl_motion_outliers writes them, make the "
            f"list with {_command(name, '/^[^#]*1/')}"
        )
    # A row becomes a column first.
    before = f"tr -s ', \\t' '\\n' < {name} | " if len(lines) == 1 else ""
    where_0, where_1 = (
        before + _command("" if before else name, f"$1 + 0 == {bad}") for bad in (0, 1)
    )
    return (
        "AFNI marks a bad scan by 0, FSL by 1. Make the list where 0 is bad with "
        f"{where_0}, where 1 is bad with {where_1}"
    )


def _command(name: str, is_bad: str) -> str:
    """Make the command that writes the numbers of the bad scans; it passes over a header."""
    of = f" {name}" if name else ""
    return f"awk '/^[ \\t]*[01]/ {{ if ({is_bad}) print n + 0; n++ }}'{of} > bad_scans.txt"
