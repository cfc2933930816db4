"""Texts without a header that are not PyHRF's: which format they look like, and what to do."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from itertools import pairwise

from pyhrf.errors import InputError
from pyhrf.inputs.event_lines import Line, is_number
from pyhrf.wording import line_of, named

AFNI_TIME = re.compile(r"([^*:]+)(?:\*([^*:]+))?(?::([^*:]+))?")
"""A time of AFNI: an onset, perhaps married to ``*AMPLITUDE`` and ``:DURATION``."""

_FSL = "FSL's three columns, onset, duration and weight"
_AFNI = "AFNI's times, a row for each run"
_ONSETS = "a list of onsets"


def refuse_other_formats(lines: Sequence[Line], comments: Sequence[Line], *, n_runs: int) -> None:
    """Refuse what would be taken for PyHRF's columns, or refused as such, and is something else.

    Parameters
    ----------
    lines, comments : sequence of Line
        Of the file.
    n_runs : int
        Runs that use it.

    Raises
    ------
    InputError
        Naming the format that it looks like, and the way to read it.
    """
    path, n_columns = lines[0].path, len(lines[0].fields)
    for comment in comments:
        if _is_header(comment, n_columns):
            raise InputError(
                f"{line_of(path, comment.number)}: the header begins with #, which makes it a "
                "comment: remove the # (numpy.savetxt has comments='' for that)"
            )
    if looks_like := _looks_like(lines, n_runs):
        cure = named("condition_file", file=shlex.quote(str(path)))
        raise InputError(f"{path}: looks like {looks_like}: {cure}")
    first = lines[0].fields
    if n_columns >= 2 and not any(map(is_number, first)):
        raise InputError(
            f"{line_of(path, lines[0].number)}: looks like a header without a column onset "
            f"({', '.join(first)}): call the columns onset, duration and trial_type; PyHRF's own "
            "five columns have no header"
        )
    if n_columns in (3, 4) and is_number(first[1]) and not is_number(first[2]):
        raise InputError(
            f"{path}: looks like onset, duration and condition without a header: write one above, "
            "of as many names, such as onset duration trial_type"
        )


def _is_header(comment: Line, n_columns: int) -> bool:
    """Tell if a comment names the columns, in another order than PyHRF's."""
    words = " ".join(comment.fields).lstrip("#").lower().replace(",", " ").split()
    if len(words) != n_columns or "onset" not in words:
        return False
    return words.index("onset") != 2 and bool({"duration", "trial_type"}.intersection(words))


def _looks_like(lines: Sequence[Line], n_runs: int) -> str:
    """Name the format of another program; empty for columns that may be PyHRF's."""
    rows = [line.fields for line in lines]
    if any(any(line.quoted) for line in lines):
        return ""
    if not all(_is_time(field) for row in rows for field in row):
        return ""
    lengths = {len(row) for row in rows}
    if lengths == {1}:
        return _ONSETS
    if any(set(field) & set("*:") for row in rows for field in row) or max(lengths) > 5:
        return _AFNI
    ascending = all(float(one) < float(other) for row in rows for one, other in pairwise(row))
    # PyHRF's columns have a condition again
    if len({row[1] for row in rows}) == len(rows) == n_runs and ascending:
        return _AFNI
    return _FSL if lengths == {3} and not _may_be_sessions([row[0] for row in rows]) else ""


def _is_time(field: str) -> bool:
    match = AFNI_TIME.fullmatch(field)
    parts = () if match is None else match.groups()
    return field == "*" or all(part is None or is_number(part) for part in parts or "x")


def _may_be_sessions(numbers: Sequence[str]) -> bool:
    """Tell if a first column may number sessions, where every row has another number."""
    distinct = sorted({float(number) for number in numbers})
    if len(distinct) < len(numbers):
        return all(number.isdecimal() for number in numbers) or len(distinct) == 1
    return distinct in ([*range(len(numbers))], [*range(1, len(numbers) + 1)])
