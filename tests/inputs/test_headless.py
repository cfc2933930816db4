"""Texts of other programs: named for what they look like, and never taken for PyHRF's columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhrf.errors import InputError
from pyhrf.inputs.paradigm import read_paradigm

FSL, AFNI = "FSL's three columns", "AFNI's times"


@pytest.mark.parametrize(
    ("text", "n_runs", "looks_like"),
    [
        ("10 1 1\n40 1 1\n90 1 1\n", 1, FSL),
        ("10.5\t1\t1\n40\t1\t1\n", 1, FSL),
        ("1.0e+01 1.0e+00 1.0e+00\n4.0e+01 1.0e+00 1.0e+00\n", 1, FSL),
        ("12 1 1\n", 1, FSL),
        ("20 60 120\n", 1, AFNI),
        ("0 60 120\n", 1, AFNI),
        ("0 30 60\n0 20 50\n", 2, AFNI),
        ("20 60 120 150\n", 1, AFNI),
        ("1 5 9 13 17 21 30\n2 4 6\n", 2, AFNI),
        ("1.5*2 5*3 9*1\n*\n", 2, AFNI),
        ("20:1 60:2 90:1\n", 1, AFNI),
        ("3\n8\n14\n", 1, "a list of onsets"),
    ],
)
def test_read_paradigm__names_the_format_of_another_program(
    tmp_path: Path, text: str, n_runs: int, looks_like: str
) -> None:
    path = tmp_path / "face times.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_paradigm(path, n_runs=n_runs)
    assert f"{path}: looks like {looks_like}" in str(caught.value)
    assert "give such a file for each condition" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "n_runs"),
    [
        ("0 1 12.5\n0 2 20\n0 1 31\n", 1),  # conditions called 1 and 2
        ("0 1 10\n0 2 20\n0 3 30\n", 1),  # one for each trial
        ("0 1 10 0 1\n", 1),
        ("1 1 10\n", 1),
        ("0 1 10\n1 1 12\n", 2),
        ("1 7 10\n2 7 12\n", 2),
        ('20 "60" 120\n', 1),
        ("# session condition onset\n0 a 12\n", 1),
        ("# onset in seconds\n0 a 12\n", 1),
    ],
)
def test_read_paradigm__still_reads_numbers_in_its_own_columns(
    tmp_path: Path, text: str, n_runs: int
) -> None:
    path = tmp_path / "paradigm.csv"
    path.write_text(text)
    assert len(read_paradigm(path, n_runs=n_runs)) == n_runs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("# onset duration trial_type\n10 1 1\n40 1 2\n", ("line 1", "header begins with #")),
        ("#onset,duration,trial_type\n10,1,face\n", ("line 1", "header begins with #")),
        ("Time,Length,Stimulus\n10,1,face\n", ("line 1", "header without a column onset")),
        ("10\t1\tface\n40\t1\thouse\n", ("onset, duration and condition without a header",)),
        ("10.5 1 face\n", ("onset, duration and condition without a header",)),
    ],
)
def test_read_paradigm__says_what_is_amiss_with_the_header(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    path = tmp_path / "events.txt"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_paradigm(path, n_runs=1)
    for word in (str(path), *words):
        assert word in str(caught.value)
