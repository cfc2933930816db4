"""Files of the times of one condition: FSL's columns and AFNI's rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhrf.errors import InputError
from pyhrf.inputs.condition_times import read_times

Rows = list[tuple[float, float, float]]  # onset, duration, amplitude


def read(
    tmp_path: Path, text: str, n_runs: int = 1, name: str = "face.txt"
) -> tuple[list[Rows | None], list[str]]:
    path = tmp_path / name
    path.write_text(text)
    notes: list[str] = []
    found = read_times(path, n_runs=n_runs, notes=notes)
    columns = [
        x and (x.onsets.tolist(), x.durations.tolist(), x.amplitudes.tolist()) for x in found
    ]
    return [x and list(zip(*x, strict=True)) for x in columns], notes


@pytest.mark.parametrize(
    ("text", "n_runs", "expected"),
    [
        # FSL
        ("40 2 0.5\n10 1 1\n", 1, [[(10, 1, 1), (40, 2, 0.5)]]),
        ("10\t1\t1\n40\t1\t1\n60\t1\t1\n", 2, [[(10, 1, 1), (40, 1, 1), (60, 1, 1)]] * 2),
        ("10 1 1\n40 1 1\n", 2, [[(10, 1, 1), (40, 1, 1)]] * 2),
        ("0 0 0\n", 1, [None]),
        # AFNI
        ("20 60 90 120\n", 1, [[(20, 0, 1), (60, 0, 1), (90, 0, 1), (120, 0, 1)]]),
        ("# a comment\n5 2\n*\n-1 *\n7\n", 4, [[(2, 0, 1), (5, 0, 1)], None, None, [(7, 0, 1)]]),
        ("20*2:3 60*-1 90:4\n", 1, [[(20, 3, 2), (60, 0, -1), (90, 4, 1)]]),
        ("3\n8\n5\n", 1, [[(3, 0, 1), (5, 0, 1), (8, 0, 1)]]),
    ],
)
def test_read_times__reads_both_formats(
    tmp_path: Path, text: str, n_runs: int, expected: list[Rows | None]
) -> None:
    assert read(tmp_path, text, n_runs) == (expected, [])


def test_read_times__says_how_three_ascending_numbers_are_read(tmp_path: Path) -> None:
    text = "20 60 120\n"
    onsets = [[(20, 0, 1), (60, 0, 1), (120, 0, 1)]]
    found, notes = read(tmp_path, text)
    assert found == onsets
    (note,) = notes
    assert "read as AFNI's times" in note
    assert read(tmp_path, text, name="face.1D") == (onsets, [])


@pytest.mark.parametrize(
    ("text", "n_runs", "words"),
    [
        ("1 2 3 4\n5 6\n", 3, "2 rows for 3 runs"),
        ("10 1\n40 1\n", 1, "2 rows for 1 run"),
        ("onset duration weight\n", 1, "line 1: 'onset' is not a time"),
        ("20*2,5:3 60\n", 1, "is not a time"),
        ("10 -1 1\n40 1 1\n", 1, "line 1, column duration: -1 is negative"),
        ("10 1 1\n10 2 1\n", 1, "two events at 10 s"),
        ("1 nan 5 7\n", 1, "'nan' is not a time"),
    ],
)
def test_read_times__refuses_what_it_is_not(
    tmp_path: Path, text: str, n_runs: int, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, text, n_runs)
    assert str(tmp_path / "face.txt") in str(caught.value)
    assert words in str(caught.value)
