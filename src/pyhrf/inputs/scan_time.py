"""Events against the scans of their run: those outside, and conditions of which none is left."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Events
from pyhrf.errors import InputError, counted
from pyhrf.notices import Figures, Note

_LONG_ONSET = 3600.0  # seconds; hardly a run goes on for an hour
_LONG_EVENT = 60.0  # seconds; a longer one that fills half of its run is asked about


def moved(events: Mapping[str, Events], start: float) -> dict[str, Events]:
    """Give events whose onsets count from ``start``, in seconds of those that are given."""
    if not start:
        return dict(events)
    return {
        # What a subtraction leaves beyond microseconds is not meant: 2.4 - 1.2 is 1.2.
        name: Events(np.round(these.onsets - start, 6), these.durations, these.amplitudes)
        for name, these in events.items()
    }


def within_scan_time(
    events: dict[str, Events],
    *,
    duration: float,
    hrf_duration: float,
    label: str,
    notes: list[str],
) -> dict[str, Events]:
    """Keep the events of a run that a scan can show; note the others.

    Parameters
    ----------
    events : dict of str to Events
        By condition.
    duration : float
        From the first scan to the end of the last, seconds.
    hrf_duration : float
        How long an event is felt after its end, seconds.
    label : str
        File and run, for the notes.
    notes : list of str
        What is left out, and durations that look like milliseconds, are added to these.

    Returns
    -------
    dict of str to Events
        Conditions that have an event left.
    """
    kept = {}
    notes.extend(_doubted_onsets(events, duration, label))
    for condition, these in events.items():
        inside = _inside(these, duration, hrf_duration)
        if inside.any():
            kept[condition] = _some(these, inside)
        if these.durations.max() > max(_LONG_EVENT, duration / 2):
            notes.append(
                Note(
                    '{of}: events of "{condition}" last up to {longest:g} s; durations are in '
                    "seconds: are they?",
                    of=label,
                    condition=condition,
                    longest=float(these.durations.max()),
                )
            )
        outside = these.onsets[~inside]
        if outside.size:
            shown = ", ".join(f"{onset:g}" for onset in outside[:5])
            notes.append(
                Note(
                    '{of}: {events} of "{condition}" outside the scan time (0 to {end:g} s) left '
                    "out: onset {shown} s",
                    of=label,
                    events=Figures(counted(outside.size, "event")),
                    condition=condition,
                    end=duration,
                    shown=Figures(f"{shown}{', ...' if outside.size > 5 else ''}"),
                )
            )
    return kept


def outside_scan_time(
    events: Mapping[str, Events], *, duration: float, hrf_duration: float
) -> dict[str, Events]:
    """Give the events that `within_scan_time` leaves out."""
    where = {name: ~_inside(these, duration, hrf_duration) for name, these in events.items()}
    return {name: _some(events[name], out) for name, out in where.items() if out.any()}


def _inside(events: Events, duration: float, hrf_duration: float) -> NDArray[np.bool_]:
    inside = (events.onsets + events.durations > -hrf_duration) & (events.onsets < duration)
    return np.asarray(inside)


def _some(events: Events, which: NDArray[np.bool_]) -> Events:
    return Events(events.onsets[which], events.durations[which], events.amplitudes[which])


def _doubted_onsets(events: Mapping[str, Events], duration: float, label: str) -> Iterator[str]:
    """Ask about onsets of which most come after the last scan."""
    onsets = np.concatenate([these.onsets for these in events.values()])
    n_late = int(np.count_nonzero(onsets >= duration))
    if 2 * n_late > len(onsets):
        milliseconds = onsets.max() / 1000 < duration
        ask = "are these milliseconds?" if milliseconds else "do these count from another time?"
        yield Note(
            "{of}: {n} of {events} begin after the last scan, at {end:g} s: onsets are seconds "
            "after the first scan of their run: {ask}",
            of=label,
            n=n_late,
            events=Figures(counted(len(onsets), "event")),
            end=duration,
            ask=ask,
        )


def check_conditions(
    read: Sequence[dict[str, Events]], kept: Sequence[dict[str, Events]], paths: Sequence[Path]
) -> tuple[str, ...]:
    """Give the conditions in alphabetical order, each with an event that counts.

    Parameters
    ----------
    read, kept : sequence of dict of str to Events
        The events of each run, as they were read and within its scans.
    paths : sequence of Path
        The file of each run.

    Raises
    ------
    InputError
        If all events of a condition are outside the scans, or have the amplitude 0.
    """
    conditions = sorted({condition for run in read for condition in run})
    for condition in conditions:
        path = next(p for p, run in zip(paths, read, strict=True) if condition in run)
        mine = [run[condition] for run in kept if condition in run]
        if not mine:
            onsets = np.concatenate([run[condition].onsets for run in read if condition in run])
            ask = "are these milliseconds?" if onsets.min() >= _LONG_ONSET else "is the TR right?"
            raise InputError(
                f'{path}: the condition "{condition}" has no event within the scan time; onsets '
                f"are seconds after the first scan of their run ({ask})"
            )
        if not any(events.amplitudes.any() for events in mine):
            raise InputError(f'{path}: all events of "{condition}" have the amplitude 0')
    return tuple(conditions)
