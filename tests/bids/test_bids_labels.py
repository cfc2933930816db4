"""Labels of conditions: a file of its own for each, named the same for every participant."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bids_sets import SPACE, run_bids
from hypothesis import given
from hypothesis import strategies as st

from pyhrf import ConfigError
from pyhrf.bids.names import bids_label, check_labels, condition_labels

NAME = f"sub-01_task-sim_{SPACE}"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("word+", "wordPlus"),
        ("word-", "wordMinus"),
        ("+", "Plus"),
        ("a>b", "aGtB"),
        ("left-hand", "leftHand"),
        ("left hand_2", "leftHand2"),
    ],
)
def test_bids_label__of_a_condition(name: str, label: str) -> None:
    assert bids_label(name) == label
    assert condition_labels([name, "other"]) == {name: label, "other": "other"}


@given(st.sets(st.text("ab AB-_+.12", min_size=1), max_size=8).filter(all))
def test_condition_labels__are_apart_and_letters_and_digits(names: set[str]) -> None:
    names = {name for name in names if bids_label(name)}
    labels = condition_labels(names)
    assert labels.keys() == names
    assert len({label.lower() for label in labels.values()}) == len(names)
    assert all(label.isascii() and label.isalnum() for label in labels.values())


@given(st.permutations(["go-left", "go_left", "Go left", "stop"]))
def test_condition_labels__do_not_depend_on_order(names: list[str]) -> None:
    assert condition_labels(names) == condition_labels(sorted(names))


def test_condition_labels__a_participant_without_a_condition_mixes_none() -> None:
    every = condition_labels(["go-left", "go_left", "Go left", "stop"])
    some = condition_labels(["go_left", "Go left", "stop"])
    assert every["stop"] == "stop"
    assert some == {name: every[name] for name in some}


def test_check_labels__contrasts_are_renamed_by_the_user() -> None:
    check_labels({"word+", "word-", "a-b", "a_b"}, ["word+ - word-"])
    with pytest.raises(ConfigError, match="'wordPlus' would both be written as contrast-wordPlus"):
        check_labels({"word+", "word-"}, ["wordPlus"])
    with pytest.raises(ConfigError, match="needs a letter"):
        check_labels({"***"}, [])


def test_bids__conditions_of_signs_get_files_of_their_own(
    dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in (dataset / "sub-01").rglob("*_events.tsv"):
        text = path.read_text()
        path.write_text(text.replace("cond1", "word+").replace("cond2", "word-"))
    out = tmp_path / "out"
    words = ("--participant-label", "01", "--parcellation", "30", "-x", "serial")
    ended = run_bids(capfd, dataset, out, "participant", *words)
    assert ended.code == 0, ended.err
    for sign, name in (("Plus", "word+"), ("Minus", "word-")):
        stem = out / "sub-01" / "func" / f"{NAME}_contrast-word{sign}_stat-effect_statmap"
        assert json.loads(Path(f"{stem}.json").read_text())["Condition"] == name
        ours = {"word+": "word_", "word-": "word-"}[name]
        native = out / ".pyhrf" / NAME / f"nrl_{ours}.nii.gz"
        assert Path(f"{stem}.nii.gz").read_bytes() == native.read_bytes()


def test_check_labels__refuses_labels_that_are_too_long_for_a_file() -> None:
    study = "sub-01_task-sim_space-MNI152NLin2009cAsym"
    check_labels({"x" * 140}, [], study=study)
    with pytest.raises(
        ConfigError, match=r"label of 150 characters, .* begin with sub-01_task-sim"
    ):
        check_labels({"x" * 150}, [], study=study)
