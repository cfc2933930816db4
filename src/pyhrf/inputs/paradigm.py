"""Paradigms: what was shown when, from PyHRF's CSV or a BIDS events TSV."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from pyhrf.data import Events
from pyhrf.errors import InputError, counted
from pyhrf.inputs.text import read_text

__all__ = ["EventColumns", "read_paradigm"]

_CSV_COLUMNS = ("session", "condition", "onset", "duration", "amplitude")
_MISSING = "n/a"
_BIDS_DEFAULTS = {"duration": 0.0, "amplitude": 1.0}  # of what may lack
_WORDS = re.compile(r'(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^\s"]\S*))(?P<end>\s+|$)')


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Columns of a BIDS events file that are read beside ``onset`` and ``duration``.

    Attributes
    ----------
    condition : str
        Names the condition of each event.
    amplitude : str, optional
        Has the amplitude of each event; without it ``amplitude`` does, where it is there.
    """

    condition: str = "trial_type"
    amplitude: str | None = None

    def refuse_for(self, path: Path | str, why: str) -> None:
        """Refuse columns that were asked for where there is none.

        Parameters
        ----------
        path : Path or str
            The file.
        why : str
            What it is.

        Raises
        ------
        InputError
            If others than the usual ones are asked for.
        """
        if self != EventColumns():
            name = self.amplitude if self.condition == "trial_type" else self.condition
            raise InputError(
                f"{path}: {why}, in which there is no column {name}: --event-column and "
                "--amplitude-column (<event_column> and <amplitude_column> of a study file) are "
                "for BIDS events files; leave them out"
            )


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of the file, cut into fields."""

    path: Path
    number: int
    fields: tuple[str, ...]

    def error(self, column: str, text: str) -> InputError:
        return InputError(f"{self.path}, line {self.number}, column {column}: {text}")

    def number_in(self, index: int, column: str) -> float:
        """Read a finite number."""
        text = self.fields[index]
        try:
            value = math.nan if "_" in text else float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            cure = "; write the decimals with a point" if re.fullmatch(r"-?\d+,\d+", text) else ""
            raise self.error(column, f'"{text}" is not a finite number{cure}')
        return value


@dataclass(frozen=True, slots=True)
class _Event:
    """One event, and the line it stands on."""

    line: _Line
    session: int
    condition: str
    onset: float
    duration: float = 0.0
    amplitude: float = 1.0


def read_paradigm(
    path: Path | str,
    *,
    n_runs: int,
    notes: list[str] | None = None,
    columns: EventColumns | None = None,
) -> list[dict[str, Events]]:
    r"""Read the events of one or several runs.

    Two formats are known by their content. PyHRF's CSV has no header and the columns
    ``session "condition" onset [duration [amplitude]]``, separated by spaces, tabs, commas or
    semicolons; its sessions, in ascending order, are the runs. A BIDS events TSV has a header with
    ``onset`` and ``trial_type``, perhaps ``duration`` and ``amplitude``, and serves one run;
    ``columns`` says which others hold conditions and amplitudes. Blank lines and lines that begin
    with ``#`` are passed over.

    Parameters
    ----------
    path : Path or str
        The file, UTF-8.
    n_runs : int
        Number of runs that use this file. A file of one session serves each of them.
    notes : list of str, optional
        What the user should be told is appended here.
    columns : EventColumns, optional
        Other columns of a BIDS events file.

    Returns
    -------
    list of dict of str to Events
        For each run the events by condition, in order of onset; seconds.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, a line of it cannot be understood, an event
        stands there twice, or its sessions are not as many as the runs.
    """
    path = Path(path)
    notes = [] if notes is None else notes
    columns = EventColumns() if columns is None else columns
    lines = _read_lines(path)
    names = [name.lower() for name in lines[0].fields]
    # A session's number comes first in PyHRF's columns: there a condition may be called "onset".
    if "onset" in names and not names[0].isdecimal():
        events = list(_read_bids(lines, names, columns, notes))
    else:
        columns.refuse_for(path, "has the columns of PyHRF without a header")
        events = [_parse_csv_line(line) for line in lines]
    if not events:
        raise InputError(f"{path}: holds no event")
    _refuse_duplicates(events)
    sessions = sorted({event.session for event in events})
    runs = [_group([e for e in events if e.session == session]) for session in sessions]
    if len(runs) == 1:
        return [dict(runs[0]) for _ in range(n_runs)]
    if len(runs) != n_runs:
        raise InputError(
            f"{path}: holds {len(runs)} sessions ({', '.join(map(str, sessions))}) for "
            f"{counted(n_runs, 'run')}; give as many BOLD files as sessions"
        )
    return runs


def _read_lines(path: Path) -> list[_Line]:
    text = read_text(path, what="a paradigm file")
    numbered = [
        (number, line)
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1)
        if line.strip() and not line.lstrip().startswith("#")
    ]
    if not numbered:
        raise InputError(f"{path}: the file is empty; events are needed")
    separator = _find_separator(numbered[0][1])
    return [_Line(path, number, _split(path, number, line, separator)) for number, line in numbered]


def _find_separator(line: str) -> str | None:
    """Tell how a line is separated; None stands for any white space."""
    bare = re.sub(r'"[^"]*"', "", line)
    # Semicolons go first, for a comma may then be a decimal one.
    for separator in (";", "\t", ","):
        if separator in bare.strip():
            return separator
    return None


def _split(path: Path, number: int, line: str, separator: str | None) -> tuple[str, ...]:
    """Cut a line into fields; double quotes protect separators, and a double one is a quote."""
    if separator is None:
        line, pattern = line.strip(), _WORDS
    else:
        pattern = _fields_between(separator)
    fields: list[str] = []
    place, more = 0, True
    while more:
        match = pattern.match(line, place)
        if match is None:
            raise InputError(f'{path}, line {number}: a quote (") is not closed or stands alone')
        quoted = match["quoted"]
        fields.append((match["plain"] if quoted is None else quoted.replace('""', '"')).strip())
        place, more = match.end(), bool(match["end"])
    while len(fields) > 1 and not fields[-1] and separator != "\t":
        fields.pop()  # spreadsheets end lines with separators
    return tuple(fields)


@cache
def _fields_between(separator: str) -> re.Pattern[str]:
    """Make the pattern of a field and the separator after it."""
    if separator == "\t":  # white space itself
        return re.compile(
            r' *(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^\t"][^\t]*|)) *(?P<end>\t|$)'
        )
    return re.compile(
        rf'\s*(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^{separator}"][^{separator}]*|))\s*'
        rf"(?P<end>{separator}|$)"
    )


def _parse_csv_line(line: _Line) -> _Event:
    n_fields = len(line.fields)
    if not 3 <= n_fields <= len(_CSV_COLUMNS):
        raise InputError(
            f"{line.path}, line {line.number}: has {counted(n_fields, 'column')} instead of 3 to "
            f'5: {", ".join(_CSV_COLUMNS)} (a name with spaces stands in double quotes: "go left")'
        )
    session, condition = line.fields[:2]
    if not re.fullmatch(r"\d{1,9}", session):
        raise line.error("session", f'"{session}" is not a whole number')
    if not condition:
        raise line.error("condition", "the name is empty")
    return _checked(
        _Event(
            line,
            int(session),
            condition,
            onset=line.number_in(2, "onset"),
            duration=line.number_in(3, "duration") if n_fields > 3 else 0.0,
            amplitude=line.number_in(4, "amplitude") if n_fields > 4 else 1.0,
        )
    )


def _read_bids(
    lines: list[_Line], names: list[str], columns: EventColumns, notes: list[str]
) -> Iterator[_Event]:
    """Read the lines under a header; what is ``n/a`` is left out or gets its default."""
    path = lines[0].path
    called = {
        "onset": "onset",
        "condition": columns.condition,
        "duration": "duration",
        "amplitude": columns.amplitude or "amplitude",
    }
    places = _find_bids_columns(lines[0], names, columns, called)
    # A column that was asked for is a modulation: without it nothing is known of the event.
    needed = ["onset", "condition", *(["amplitude"] if columns.amplitude else [])]
    left_out: list[int] = []
    gaps: dict[str, list[int]] = {what: [] for what in _BIDS_DEFAULTS if what in places}
    for line in lines[1:]:
        if len(line.fields) != len(names):
            raise InputError(
                f"{path}, line {line.number}: has {counted(len(line.fields), 'column')} and the "
                f"header {len(names)}"
            )
        condition = line.fields[places["condition"]]
        if not condition:
            raise line.error(columns.condition, f"is empty; write {_MISSING} if there is none")
        if _MISSING in (line.fields[places[what]] for what in needed):
            left_out.append(line.number)
            continue
        values = {}
        for what, lines_without in gaps.items():
            if line.fields[places[what]] == _MISSING:
                lines_without.append(line.number)
            else:
                values[what] = line.number_in(places[what], called[what])
        onset = line.number_in(places["onset"], "onset")
        yield _checked(_Event(line, 0, condition, onset, **values))
    if left_out:
        names_of = [called[what] for what in needed]
        which = f"{', '.join(names_of[:-1])} or {names_of[-1]}"
        notes.append(f"{path}: {_rows(left_out)} left out, for {which} is {_MISSING}")
    notes.extend(
        f"{path}: {called[what]} is {_MISSING} in {_rows(lines_without)}, taken as "
        f"{_BIDS_DEFAULTS[what]:g}"
        for what, lines_without in gaps.items()
        if lines_without
    )


def _find_bids_columns(
    header: _Line, names: list[str], columns: EventColumns, called: Mapping[str, str]
) -> dict[str, int]:
    """Find the columns by what they hold; those that are there."""
    there = ", ".join(header.fields)
    if columns.condition.lower() not in names:
        raise InputError(
            f"{header.path}: the header has no column {columns.condition} but {there}; name the "
            "one of the conditions with --event-column (<event_column> of a study file); PyHRF's "
            "own five columns have no header"
        )
    if columns.amplitude is not None and columns.amplitude.lower() not in names:
        raise InputError(
            f"{header.path}: the header has no column {columns.amplitude} but {there}; name the "
            "one of the amplitudes with --amplitude-column (<amplitude_column> of a study file)"
        )
    for name in called.values():
        if names.count(name.lower()) > 1:
            raise InputError(f"{header.path}: the header has the column {name} twice")
    return {
        what: names.index(name.lower()) for what, name in called.items() if name.lower() in names
    }


def _rows(numbers: list[int]) -> str:
    shown = ", ".join(map(str, numbers[:5])) + (", ..." if len(numbers) > 5 else "")
    return f"{len(numbers)} row{'s' if len(numbers) > 1 else ''} (line {shown})"


def _checked(event: _Event) -> _Event:
    if event.duration < 0:
        raise event.line.error("duration", f"{event.duration:g} is negative")
    return event


def _refuse_duplicates(events: list[_Event]) -> None:
    seen: dict[tuple[int, str, float], _Line] = {}
    for event in events:
        key = event.session, event.condition, event.onset
        if key in seen:
            raise InputError(
                f'{event.line.path}, lines {seen[key].number} and {event.line.number}: "'
                f'{event.condition}" at {event.onset:g} s stands there twice; remove one'
            )
        seen[key] = event.line


def _group(events: list[_Event]) -> dict[str, Events]:
    grouped = {}
    for condition in sorted({event.condition for event in events}):
        mine = sorted((e for e in events if e.condition == condition), key=lambda e: e.onset)
        grouped[condition] = Events(
            onsets=np.array([event.onset for event in mine]),
            durations=np.array([event.duration for event in mine]),
            amplitudes=np.array([event.amplitude for event in mine]),
        )
    return grouped
