"""Events against the scans of their run: what is asked about onsets that mostly miss them."""

from __future__ import annotations

import numpy as np
import pytest

from pyhrf.data import Events
from pyhrf.inputs.scan_time import within_scan_time


@pytest.mark.parametrize(
    ("onsets", "asked"),
    [
        ([0.0, 20_000, 60_000, 150_000], "are these milliseconds?"),
        ([10.0, 620, 660, 710], "are these milliseconds?"),
        ([0.0, 1e6, 2e6], "do these count from another time?"),
        ([0.0, 20, 150, 900], None),
        ([-900.0, -800, 0], None),
    ],
)
def test_within_scan_time__asks_about_onsets_that_mostly_come_after_the_scans(
    onsets: list[float], asked: str | None
) -> None:
    zeros = np.zeros(len(onsets))
    events = {"a": Events(np.array(onsets), zeros, zeros + 1)}
    notes: list[str] = []
    kept = within_scan_time(events, duration=200, hrf_duration=25, label="file, run 1", notes=notes)
    assert (kept["a"].onsets < 200).all()
    questions = [note for note in notes if note.endswith("?")]
    assert len(questions) == (asked is not None)
    assert all(
        note.startswith("file, run 1: ") and note.endswith(asked or "") for note in questions
    )
