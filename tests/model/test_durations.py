"""Events of 0 s beside others in a condition: one unit for both."""

from __future__ import annotations

import numpy as np
import pytest

from pyhrf.data import Events
from pyhrf.model.design import design_matrix
from pyhrf.model.durations import in_one_unit


def events(*durations: float) -> Events:
    n = len(durations)
    return Events(10.0 * np.arange(n), np.array(durations), np.ones(n))


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([[0, 0.3, 0.5]], [[0.3, 0.3, 0.5]]),
        ([[0, 20.0, 30.0]], [[1.0, 20.0, 30.0]]),
        ([[0, 0], [0.4, 0.8]], [[0.4, 0.4], [0.4, 0.8]]),
        ([[0, 0], [0]], [[0, 0], [0]]),
        ([[0.3, 2]], [[0.3, 2]]),
    ],
)
def test_in_one_unit__an_impulse_lasts_as_long_as_the_shortest_event(
    runs: list[list[float]], expected: list[list[float]]
) -> None:
    notes: list[str] = []
    # a condition of impulses alone stays so
    given = [{"a": events(*durations), "b": events(0, 0)} for durations in runs]
    changed = in_one_unit(given, notes)
    assert [run["a"].durations.tolist() for run in changed] == expected
    assert all(not run["b"].durations.any() for run in changed)
    assert len(notes) == (runs != expected)


def test_in_one_unit__no_event_counts_more_than_its_share() -> None:
    """By hand: of one long event and one of 0 s, far apart, the sums of the design are 0.3 each."""
    ((name, changed),) = in_one_unit([{"a": events(0.3, 0, 0.3)}], [])[0].items()
    X = design_matrix(changed, np.arange(0, 40, 0.1), 1.0, 6)
    parts = [X[100 * k : 100 * (k + 1)].sum() for k in range(3)]
    assert name == "a"
    np.testing.assert_allclose(parts, parts[0], rtol=1e-6)
