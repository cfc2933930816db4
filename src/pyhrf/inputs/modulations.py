"""Parametric modulations: conditions of the events of another one, with other amplitudes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from pyhrf.data import Events, FloatArray
from pyhrf.notices import Note

_SMALL_MEAN = 0.1  # standard deviations


def off_centre(conditions: Sequence[str], runs: Sequence[Mapping[str, Events]]) -> Iterator[str]:
    """Say which modulations have their mean left in, so that they repeat what they modulate.

    Parameters
    ----------
    conditions : sequence of str
    runs : sequence of dict of str to Events
        Events of each run.

    Yields
    ------
    str
        A sentence for each condition whose events are those of another one of equal amplitudes,
        and whose amplitudes have a mean above a tenth of their standard deviation.
    """
    amplitudes = {name: _joined(name, runs) for name in conditions}
    plain = {
        _times(name, runs): name
        for name in reversed(conditions)
        if np.ptp(amplitudes[name]) == 0 and amplitudes[name][0]
    }
    for name in conditions:
        mean, sd = amplitudes[name].mean(), amplitudes[name].std()
        other = plain.get(_times(name, runs))
        if other is not None and sd > 0 and abs(mean) > _SMALL_MEAN * sd:
            yield Note(
                "the condition {name!r} has the events of {other!r} with amplitudes of mean "
                "{mean:.3g} (sd {sd:.3g}): both then say much the same, and the levels of "
                "{other!r} are those at amplitude 0; take the mean off the amplitudes of {name!r}",
                name=name,
                other=other,
                mean=float(mean),
                sd=float(sd),
            )


def _joined(condition: str, runs: Sequence[Mapping[str, Events]]) -> FloatArray:
    """Give the amplitudes of all runs."""
    return np.concatenate([run[condition].amplitudes for run in runs if condition in run])


def _times(condition: str, runs: Sequence[Mapping[str, Events]]) -> tuple[bytes, ...]:
    """Give onsets and durations by run, to compare."""
    return tuple(
        run[condition].onsets.tobytes() + run[condition].durations.tobytes()
        if condition in run
        else b""
        for run in runs
    )
