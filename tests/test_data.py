"""The vocabulary checks itself: what cannot be an experiment is refused where it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError

GOOD = Events(np.array([1.0, 5.0]), np.zeros(2), np.ones(2))


def events(**changed: Any) -> Events:
    return Events(**{"onsets": [1.0, 5.0], "durations": [0, 0], "amplitudes": [1, 1], **changed})


def test_events__take_lists() -> None:
    assert events().onsets.dtype == np.float64
    assert events().durations.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: events(onsets=[1.0, np.nan]), "onsets of events must be finite"),
        (lambda: events(amplitudes=[1.0, np.inf]), "amplitudes of events must be finite"),
        (lambda: events(durations=[0.0, -1.0]), "durations of events must be 0 or more"),
        (lambda: events(durations=[0.0]), "must be as many"),
        (lambda: events(onsets=["a", "b"]), "onsets of events must be an array of numbers"),
        (lambda: events(onsets=[[1.0], [2.0]]), "of one dimension"),
        (lambda: Run(0, 2.0, {}), "n_scans of a run is 0"),
        (lambda: Run(10.5, 2.0, {}), "n_scans of a run is 10.5"),
        (lambda: Run(10, 0.0, {}), "tr of a run is 0.0"),
        (lambda: Run(10, float("nan"), {}), "tr of a run is nan"),
        (lambda: Run(10, None, {}), "tr of a run is None"),
        (lambda: Run(10, 2.0, {"a": [1.0, 5.0]}), "condition 'a' of a run must be Events"),
        (lambda: Experiment("ab", (Run(10, 2.0, {"a": GOOD}),)), "give a tuple of names"),
        (lambda: Experiment(("a", "a"), (Run(10, 2.0, {"a": GOOD}),)), "different names"),
        (lambda: Experiment(("a",), Run(10, 2.0, {"a": GOOD})), "must be a tuple of Run"),
    ],
)
def test_vocabulary__refuses_what_cannot_be(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()
