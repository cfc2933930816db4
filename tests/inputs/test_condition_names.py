"""What is a condition and what is none, and which names may be mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhrf.inputs.condition_names import name_notes
from pyhrf.inputs.paradigm import read_paradigm

HEADER = "trial_type\tonset\tduration\n"


def read(tmp_path: Path, text: str) -> tuple[dict[str, list[float]], list[str]]:
    """Give the onsets by condition, and the notes."""
    path = tmp_path / "events.tsv"
    path.write_text(text)
    notes: list[str] = []
    (run,) = read_paradigm(path, n_runs=1, notes=notes)
    return {name: events.onsets.tolist() for name, events in run.items()}, notes


@pytest.mark.parametrize("word", ["nan", "NaN", "N/A", "n/a", "<NA>"])
def test_read_paradigm__takes_no_condition_for_none(tmp_path: Path, word: str) -> None:
    found, notes = read(tmp_path, f"{HEADER}a\t1\t0\n{word}\t3\t0\n")
    assert found == {"a": [1]}
    assert any("1 row (line 3) left out" in note for note in notes)
    assert any(f"{word} is read as n/a" in note for note in notes) == (word != "n/a")


@pytest.mark.parametrize("word", ["nan", "None", "NA", "N/A"])
def test_read_paradigm__takes_no_number_for_none(tmp_path: Path, word: str) -> None:
    found, notes = read(tmp_path, f"{HEADER}a\t1\t{word}\na\t{word}\t0\n")
    assert found == {"a": [1]}
    assert any("duration is n/a in 1 row (line 2), taken as 0" in note for note in notes)
    assert any("1 row (line 3) left out" in note for note in notes)


def test_read_paradigm__composed_and_decomposed_accents_are_one_condition(tmp_path: Path) -> None:
    found, notes = read(tmp_path, f"{HEADER}pr\u00e9\t1\t0\npre\u0301\t3\t0\n")
    assert found == {"pr\u00e9": [1, 3]}
    assert any("pr\u00e9" in note and "look the same" in note for note in notes)
    assert read(tmp_path, f"{HEADER}pre\u0301\t1\t0\n") == ({"pr\u00e9": [1]}, [])


def test_read_paradigm__rows_that_begin_with_a_hash_are_events_or_noted(tmp_path: Path) -> None:
    rows = "#face\t1\t0\nhouse\t3\t0\n#\n# the end of it\n#face\t5\t0\n"
    found, notes = read(tmp_path, f"# made by hand\n{HEADER}{rows}")
    assert found == {"#face": [1, 5], "house": [3]}
    assert any("2 rows (line 3, 7) read as events though they begin with #" in n for n in notes)
    assert any("2 rows (line 5, 6) skipped" in n for n in notes)
    # an onset behind # is no number: that row was taken out by somebody
    found, notes = read(tmp_path, "onset\ttrial_type\n1\ta\n#3\ta\n")
    assert found == {"a": [1]}
    assert any("1 row (line 3) skipped, because they begin with #" in note for note in notes)


def test_read_paradigm__all_events_are_one_condition_where_nothing_names_any(
    tmp_path: Path,
) -> None:
    found, notes = read(tmp_path, "onset\tduration\tresponse_time\n1\t0\t0.4\n3\t0\tn/a\n")
    assert found == {"events": [1, 3]}
    (note,) = notes
    assert "no column trial_type" in note


def test_read_paradigm__quotes_in_a_column_that_is_not_read(tmp_path: Path) -> None:
    rows = '1\ta\t"hello\n3\ta\t"so" he said\n5\ta\tsize 5" "x"\n7\t"b"\t"with ""quotes"""\n'
    found, notes = read(tmp_path, f"onset\ttrial_type\tanswer\n{rows}")
    assert found == {"a": [1, 3, 5], "b": [7]}
    assert not notes


@pytest.mark.parametrize(
    ("runs", "words"),
    [
        ([{"Go", "go"}], ("'Go' and 'go' differ only in case",)),
        ([{"go left"}, {"go_left"}], ("'go left' and 'go_left' differ only", "only one has")),
        ([{"go", "go\u200b"}], ("'go' and 'go\\u200b' differ only",)),
        ([{"None"}], ('a condition is called "None"', "n/a")),
        (
            [{"a", "b"}, {"a"}, {"a", "c"}],
            ('of 3 runs only one has the condition "b" (run 1), "c"',),
        ),
        ([{"a"}, {"a"}], ()),
        ([{"word+", "word"}], ()),
    ],
)
def test_name_notes__says_which_names_may_be_mistakes(
    runs: list[set[str]], words: tuple[str, ...]
) -> None:
    notes = list(name_notes([dict.fromkeys(sorted(names), None) for names in runs]))  # type: ignore[misc]
    assert bool(notes) == bool(words)
    for word in words:
        assert any(word in note for note in notes)
