"""When the scans of single BOLD files were acquired, by the JSON files that speak for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.inputs.bids import DESCRIPTION, BidsData
from pyhrf.inputs.bids_names import json_beside, parse_name, read_json
from pyhrf.inputs.sidecars import ScanTimes, doubts_of, scan_times
from pyhrf.inputs.timing import tr_of_files
from pyhrf.notices import Figures, Note
from pyhrf.spaces.kinds import time_step
from pyhrf.wording import named


@dataclass(frozen=True)
class RunTimes:
    """When the scans of runs were acquired.

    Attributes
    ----------
    tr : float or None
        Seconds, of all runs; None for that of each header.
    starts : tuple of float
        When the first scan of each run was acquired, seconds after the time that onsets count from.
    notes : tuple of str
        What JSON files say that is used, or that is not.
    """

    tr: float | None
    starts: tuple[float, ...]
    notes: tuple[str, ...] = ()


def times_beside(bold: Sequence[Path], *, tr: float | None = None) -> RunTimes:
    """Look for the JSON files of BOLD files and read when scans were acquired.

    The file of the same name is one. For a name of BIDS in the folders of a data set, all that
    speak for it count, as for ``pyhrf bids``.

    Parameters
    ----------
    bold : sequence of Path
        One per run.
    tr : float, optional
        The repetition time that is given, which goes before all others. What the JSON files then
        say of it, right or wrong, is a note at most.

    Returns
    -------
    RunTimes

    Raises
    ------
    InputError
        If they say what cannot be, or not all headers are right and no single TR is.
    """
    notes: list[str] = []
    times = [_times_of(path, given=tr is not None, notes=notes) for path in bold]
    starts = tuple(each.start for each in times)
    if any(starts):
        first = next(path for path, start in zip(bold, starts, strict=True) if start)
        notes.append(
            Note(
                "{path}: its JSON says that the scans begin {said} s after the time that onsets "
                "count from (StartTime, by slice timing correction): onsets are moved by that; "
                "{otherwise} says otherwise",
                otherwise=named("start_time"),
                path=first,
                said=Figures(" or ".join(f"{start:g}" for start in sorted(set(starts)))),
            )
        )
    notes += doubts_of(times)
    used, of_json = tr, [each.tr for each in times]
    if tr is None and any(each is not None for each in of_json):
        used = tr_of_files(bold, of_json, [time_step(path) for path in bold])
    for path, each in zip(bold, of_json, strict=True):
        if each is None or used is None:
            continue
        if tr is None:
            form = "{path}: its JSON says TR {tr:g} s, which is used, not its header's"
            notes.append(Note(form, path=path, tr=each))
        elif not math.isclose(each, tr, rel_tol=1e-3):
            form = "{path}: its JSON says TR {tr:g} s; the TR that is given is used"
            notes.append(Note(form, path=path, tr=each))
    return RunTimes(used, starts, tuple(notes))


def _times_of(path: Path, *, given: bool, notes: list[str]) -> ScanTimes:
    """Read the times of a run; if a TR is given, what is wrong with them is only noted."""
    nothing = ScanTimes(None, 0.0)
    try:
        if (times := _times_by_name(path)) is not None:
            return times
        if (beside := json_beside(path)) is None:
            return nothing
        try:
            about = read_json(beside)
        except InputError as error:  # perhaps of another program
            notes.append(f"{error}; it is ignored")
            return nothing
        return scan_times(path, about)
    except InputError as error:
        if not given:
            raise
        notes.append(f"{error}; the TR that is given is used")
    return nothing


def _times_by_name(path: Path) -> ScanTimes | None:
    """Read the times of a file with a name of BIDS in its place of a data set; None of others."""
    name = parse_name(path.absolute())
    if name is None or "sub" not in name.entities:
        return None
    roots = [x for x in name.path.parents if (x / DESCRIPTION).is_file()]
    if not roots:
        return None
    # What was acquired lies around its derivatives, or is the data set itself.
    data = BidsData(roots[min(1, len(roots) - 1)], roots[0], {})
    return data.scan_times(name) if data.holds(name) else None
