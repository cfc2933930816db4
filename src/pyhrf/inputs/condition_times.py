"""Times of one condition in a file of their own: FSL's three columns, or AFNI's rows of onsets."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from pyhrf.data import Events
from pyhrf.errors import InputError, counted
from pyhrf.inputs.event_lines import Line, is_number, read_lines
from pyhrf.inputs.headless import AFNI_TIME
from pyhrf.inputs.paradigm import grouped_events
from pyhrf.notices import Note
from pyhrf.wording import line_of

_Event = tuple[float, float, float]  # onset, duration, amplitude
_NO_EVENT = ("*", "-1")  # of AFNI, alone in a row
_AFNI = "AFNI's times (a row of onsets for each run)"


def read_times(path: Path, *, n_runs: int, notes: list[str]) -> list[Events | None]:
    """Read the events of one condition in one or several runs.

    FSL's files have three columns, onset, duration and weight, which is the amplitude; one file
    serves each run. AFNI's have a row of onsets for each run, in which an onset may be married to
    an amplitude and a duration (``12.5*2:3``) and ``*`` stands for none; of a single run they may
    stand below each other.

    Parameters
    ----------
    path : Path
        The file, UTF-8.
    n_runs : int
        Number of runs that use it.
    notes : list of str
        What the user should be told is appended here.

    Returns
    -------
    list of Events or None
        For each run, seconds; None without an event.

    Raises
    ------
    InputError
        If it cannot be read or is no such file.
    """
    lines, _ = read_lines(path)
    if _is_fsl(path, lines, n_runs, notes):
        return [_events(path, [_of_fsl(line) for line in lines])] * n_runs
    if n_runs == 1 and all(len(line.fields) == 1 for line in lines):
        return [_events(path, [event for line in lines for event in _of_afni(line)])]
    if len(lines) != n_runs:
        raise InputError(
            f"{path}: has {counted(len(lines), 'row')} for {counted(n_runs, 'run')}: {_AFNI} are "
            "as many rows as runs name the file, and FSL's files have three columns"
        )
    return [_events(path, _of_afni(line)) for line in lines]


def _is_fsl(path: Path, lines: Sequence[Line], n_runs: int, notes: list[str]) -> bool:
    """Tell FSL's columns from as many of AFNI's rows, which ascend."""
    if any(len(line.fields) != 3 or not all(map(is_number, line.fields)) for line in lines):
        return False
    if len(lines) != n_runs:
        return True
    if path.suffix.lower() == ".1d":
        return False
    if not all(float(x) < float(y) for line in lines for x, y in pairwise(line.fields)):
        return True
    notes.append(
        Note(
            "{path}: is read as {afni}; if it is FSL's onset, duration and weight, write the "
            "events in a BIDS events file",
            path=path,
            afni=_AFNI,
        )
    )
    return False


def _of_fsl(line: Line) -> _Event:
    onset, duration, weight = (
        line.number_in(k, name) for k, name in enumerate(("onset", "duration", "weight"))
    )
    _check_duration(line, duration)
    return onset, duration, weight


def _check_duration(line: Line, duration: float) -> None:
    if duration < 0:
        raise line.error("duration", f"{duration:g} is negative")


def _of_afni(line: Line) -> list[_Event]:
    """Read a row of onsets."""
    if set(line.fields) <= set(_NO_EVENT):
        return []
    events = []
    for field in line.fields:
        if field == "*":
            continue
        match = AFNI_TIME.fullmatch(field)
        parts = (field,) if match is None else match.groups()
        given = [part for part in parts if part is not None]
        if match is None or not all(map(is_number, given)):
            raise InputError(
                f"{line_of(line.path, line.number)}: {field!r} is not a time: {_AFNI} are numbers, "
                "perhaps with one amplitude and a duration (12.5*2:3), and FSL's files have three "
                "columns"
            )
        onset, amplitude, duration = (None if part is None else float(part) for part in parts)
        events.append((onset or 0.0, duration or 0.0, 1.0 if amplitude is None else amplitude))
        _check_duration(line, events[-1][1])
    return events


def _events(path: Path, events: Sequence[_Event]) -> Events | None:
    """Give the events in order; FSL's row of zeros stands for none."""
    some = [event for event in events if event != (0, 0, 0)]
    onsets = [onset for onset, _, _ in some]
    for onset in onsets:
        if onsets.count(onset) > 1:
            raise InputError(f"{path}: there are two events at {onset:g} s; remove one")
    return grouped_events(some) if some else None
