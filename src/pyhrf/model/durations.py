"""Durations of a condition in one unit: events of 0 s beside others that last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from pyhrf.data import Events
from pyhrf.errors import counted
from pyhrf.notices import Figures, Note

_LONGEST = 1.0  # seconds: of an event as strong as an impulse, of which the integral is 1


def in_one_unit(runs: Sequence[Mapping[str, Events]], notes: list[str]) -> list[dict[str, Events]]:
    """Let an event of 0 s last as long as the shortest one of its condition, 1 s at most.

    An event of ``d`` seconds counts ``d`` times one of 1 s, and one of 0 s, an impulse, as much as
    one of 1 s. In a condition of both, say of reaction times, of which 0 stands for none, the
    impulses would count most, and the level fall by as much. Where all events last 0 s nothing is
    to be weighed, and nothing is changed.

    Parameters
    ----------
    runs : sequence of dict of str to Events
        Events of each run.
    notes : list of str
        What is changed is appended here.

    Returns
    -------
    list of dict of str to Events
    """
    changed = dict(_mixed(runs, notes))
    return [
        {
            name: replace(
                these, durations=np.where(these.durations == 0, changed[name], these.durations)
            )
            if name in changed
            else these
            for name, these in run.items()
        }
        for run in runs
    ]


def _mixed(runs: Sequence[Mapping[str, Events]], notes: list[str]) -> Iterator[tuple[str, float]]:
    """Give the conditions of both kinds, and how long an event of 0 s is to last."""
    for name in sorted({name for run in runs for name in run}):
        durations = np.concatenate([run[name].durations for run in runs if name in run])
        lasting = durations[durations > 0]
        n_impulses = len(durations) - len(lasting)
        if lasting.size and n_impulses:
            length = min(float(lasting.min()), _LONGEST)
            notes.append(
                Note(
                    '{n} of {events} of "{name}" have the duration 0 and the others last: they are '
                    "taken as events of {length:g} s, since an impulse counts as much as 1 s; if 0 "
                    "means that the duration is unknown, write one",
                    n=n_impulses,
                    events=Figures(counted(len(durations), "event")),
                    name=name,
                    length=length,
                )
            )
            yield name, length
