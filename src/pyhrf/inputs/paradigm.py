"""Paradigms: what was shown when, from PyHRF's CSV or a BIDS events TSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyhrf.data import Events
from pyhrf.errors import InputError, counted
from pyhrf.inputs.condition_names import NO_VALUE, clean_name, same_letters, says_missing
from pyhrf.inputs.event_lines import Line, is_number, read_lines
from pyhrf.inputs.headless import refuse_other_formats
from pyhrf.notices import Figures, Note
from pyhrf.wording import line_of, lines_of, named

_CSV_COLUMNS = ("session", "condition", "onset", "duration", "amplitude")
_ONLY_CONDITION = "events"
# Columns of BIDS that name no condition: where there is no other one, all events are of one.
_NO_CONDITION = {"onset", "duration", "amplitude", "response_time", "sample", "hed"}
_BIDS_DEFAULTS = {"duration": 0.0, "amplitude": 1.0}  # of what may lack


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
                f"{path}: {why}, in which there is no column {name}: "
                f"{named('event_column')} and {named('amplitude_column')} are for BIDS events "
                "files; leave them out"
            )


@dataclass(frozen=True, slots=True)
class _Event:
    """One event, and the line it stands on."""

    line: Line
    session: int
    written: str
    onset: float
    duration: float = 0.0
    amplitude: float = 1.0

    @property
    def condition(self) -> str:
        """Its name, in one way of writing."""
        return clean_name(self.written)


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
    ``columns`` says which others hold conditions and amplitudes; all events are of one condition
    where no column could name one. Blank lines are passed over, and comments, which begin with
    ``#``: in a BIDS file, which has none, only what cannot be read as a row is one, and noted.

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
    lines, comments = read_lines(path)
    names = [clean_name(name).lower() for name in lines[0].fields]
    # A session's number comes first in PyHRF's columns: there a condition may be called "onset".
    if "onset" in names and not names[0].isdecimal():
        rows = _rows_below(lines, comments, names, notes)
        events = list(_read_bids(lines[0], rows, names, columns, notes))
    else:
        columns.refuse_for(path, "has the columns of PyHRF without a header")
        refuse_other_formats(lines, comments, n_runs=n_runs)
        events = [_parse_csv_line(line) for line in lines]
    if not events:
        raise InputError(f"{path}: holds no event: leave its run out")
    notes.extend(
        Note(
            '{path}: the name "{name}" is written in two ways that look the same (its accents '
            "composed or not), and taken as one condition",
            path=path,
            name=name,
        )
        for name in same_letters(event.written for event in events)
    )
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


def _parse_csv_line(line: Line) -> _Event:
    n_fields = len(line.fields)
    if not 3 <= n_fields <= len(_CSV_COLUMNS):
        raise InputError(
            f"{line_of(line.path, line.number)}: has {counted(n_fields, 'column')} instead of 3 to "
            f'5: {", ".join(_CSV_COLUMNS)} (put a name with spaces in double quotes: "go left")'
        )
    session, condition = line.text_in(0), line.text_in(1)
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


def _rows_below(
    lines: Sequence[Line], comments: Sequence[Line], names: Sequence[str], notes: list[str]
) -> list[Line]:
    """Give the rows below a header, among them those that begin with # and are events."""
    header, rows = lines[0], list(lines[1:])
    onset = names.index("onset")
    below = [line for line in comments if line.number > header.number]
    events = [x for x in below if len(x.fields) == len(names) and is_number(x.fields[onset])]
    others = [line.number for line in below if line not in events]
    if events:
        numbers = [line.number for line in events]
        notes.append(
            Note(
                "{path}: {rows} read as events though they begin with #, because BIDS has no "
                "comments: remove them if they are meant as such",
                path=header.path,
                rows=_rows(header.path, numbers),
            )
        )
    if others:
        form = "{path}: {rows} skipped, because they begin with #"
        notes.append(Note(form, path=header.path, rows=_rows(header.path, others)))
    return sorted([*rows, *events], key=lambda line: line.number)


def _read_bids(
    header: Line,
    rows: Sequence[Line],
    names: list[str],
    columns: EventColumns,
    notes: list[str],
) -> Iterator[_Event]:
    """Read the lines under a header; what is ``n/a`` is left out or gets its default."""
    path = header.path
    called = {
        "onset": "onset",
        "condition": columns.condition,
        "duration": "duration",
        "amplitude": columns.amplitude or "amplitude",
    }
    places = _find_bids_columns(header, names, columns, called)
    if "condition" not in places:
        notes.append(
            Note(
                "{path}: has no column {column} nor another one that could name conditions: all "
                f'events are taken as one condition, "{_ONLY_CONDITION}"',
                path=path,
                column=columns.condition,
            )
        )
    # A column that was asked for is a modulation: without it nothing is known of the event.
    needed = ["onset", "condition", *(["amplitude"] if columns.amplitude else [])]
    left_out: list[int] = []
    words: set[str] = set()
    gaps: dict[str, list[int]] = {what: [] for what in _BIDS_DEFAULTS if what in places}
    for line in rows:
        if len(line.fields) != len(names):
            raise InputError(
                f"{line_of(path, line.number)}: has {counted(len(line.fields), 'column')} and the "
                f"header {len(names)}"
            )
        texts = {what: line.text_in(place) for what, place in places.items()}
        condition = texts.setdefault("condition", _ONLY_CONDITION)
        if not condition:
            raise line.error(columns.condition, f"is empty; write {NO_VALUE} if there is none")
        missing = [x for x in texts if says_missing(texts[x], number=x != "condition")]
        words.update(texts[what] for what in missing)
        if set(missing).intersection(needed):
            left_out.append(line.number)
            continue
        values = {}
        for what, lines_without in gaps.items():
            if what in missing:
                lines_without.append(line.number)
            else:
                values[what] = line.number_in(places[what], called[what])
        onset = line.number_in(places["onset"], "onset")
        yield _checked(_Event(line, 0, condition, onset, **values))
    if left_out:
        names_of = [called[what] for what in needed]
        which = f"{', '.join(names_of[:-1])} or {names_of[-1]}"
        form = f"{{path}}: {{rows}} left out, because {{which}} is {NO_VALUE}"
        notes.append(Note(form, path=path, rows=_rows(path, left_out), which=which))
    notes.extend(
        Note(
            f"{{path}}: {{column}} is {NO_VALUE} in {{rows}}, taken as {{default:g}}",
            path=path,
            column=called[what],
            rows=_rows(path, lines_without),
            default=_BIDS_DEFAULTS[what],
        )
        for what, lines_without in gaps.items()
        if lines_without
    )
    if others := sorted(words - {NO_VALUE}):
        form = f"{{path}}: {{words}} is read as {NO_VALUE}, what is not there"
        notes.append(Note(form, path=path, words=" and ".join(others)))


def _find_bids_columns(
    header: Line, names: list[str], columns: EventColumns, called: Mapping[str, str]
) -> dict[str, int]:
    """Find the columns by what they hold; those that are there."""
    there = ", ".join(header.fields)
    condition = clean_name(columns.condition).lower()
    is_usual = columns.condition == EventColumns().condition
    if condition not in names and not (is_usual and _NO_CONDITION.issuperset(names)):
        own = "; PyHRF's own five columns have no header" if "session" in names else ""
        raise InputError(
            f"{header.path}: the header has no column {columns.condition} but {there}; name the "
            f"one of the conditions ({named('event_column')}){own}"
        )
    if columns.amplitude is not None and clean_name(columns.amplitude).lower() not in names:
        raise InputError(
            f"{header.path}: the header has no column {columns.amplitude} but {there}; name the "
            f"one of the amplitudes ({named('amplitude_column')})"
        )
    for name in called.values():
        if names.count(name.lower()) > 1:
            raise InputError(f"{header.path}: the header has the column {name} twice")
    words = {what: clean_name(name).lower() for what, name in called.items()}
    return {what: names.index(word) for what, word in words.items() if word in names}


def _rows(path: Path, numbers: list[int]) -> Figures:
    return Figures(f"{counted(len(numbers), 'row')} ({lines_of(path, numbers)})")


def _checked(event: _Event) -> _Event:
    if event.duration < 0:
        raise event.line.error("duration", f"{event.duration:g} is negative")
    return event


def _refuse_duplicates(events: list[_Event]) -> None:
    seen: dict[tuple[int, str, float], Line] = {}
    for event in events:
        key = event.session, event.condition, event.onset
        if key in seen:
            raise InputError(
                f'{event.line.path}, lines {seen[key].number} and {event.line.number}: "'
                f'{event.condition}" at {event.onset:g} s is there twice; remove one'
            )
        seen[key] = event.line


def _group(events: Sequence[_Event]) -> dict[str, Events]:
    conditions = sorted({event.condition for event in events})
    return {
        condition: grouped_events(
            (e.onset, e.duration, e.amplitude) for e in events if e.condition == condition
        )
        for condition in conditions
    }


def grouped_events(events: Iterable[tuple[float, float, float]]) -> Events:
    """Give events of one condition in order of onset.

    Parameters
    ----------
    events : iterable of tuple
        Onset, duration and amplitude of each.
    """
    onsets, durations, amplitudes = zip(*sorted(events, key=lambda event: event[0]), strict=True)
    return Events(np.array(onsets), np.array(durations), np.array(amplitudes))
