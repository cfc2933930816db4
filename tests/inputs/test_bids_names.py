"""Names of BIDS, and which file speaks for which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf import InputError
from pyhrf.inputs.bids_names import Tree, natural, parse_name

RUN = {"sub": "01", "ses": "a", "task": "x", "run": "1"}
LABELS = st.from_regex(r"[A-Za-z0-9]{1,8}", fullmatch=True)


@given(st.dictionaries(st.sampled_from(["sub", "ses", "task", "run", "space", "desc"]), LABELS))
def test_parse_name__takes_apart_what_is_put_together(entities: dict[str, str]) -> None:
    stem = "".join(f"{key}-{label}_" for key, label in entities.items())
    name = parse_name(Path("folder") / f"{stem}bold.nii.gz")
    assert name is not None
    assert (dict(name.entities), name.suffix, name.extension) == (entities, "bold", ".nii.gz")


@pytest.mark.parametrize(
    "text", ["README", "sub-01_bold", "sub_01_bold.nii", "sub-01_sub-02_bold.nii", "a b.tsv", ".x"]
)
def test_parse_name__none_of_others(text: str) -> None:
    assert parse_name(Path(text)) is None


def test_natural__counts() -> None:
    assert sorted(["10", "2", "a10", "a9", "1"], key=natural) == ["1", "2", "10", "a9", "a10"]


def touch(root: Path, *paths: str) -> None:
    for text in paths:
        path = root / text
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["task-x_events.tsv"], "task-x_events.tsv"),
        (["task-y_events.tsv"], None),
        (["task-x_events.tsv", "sub-01/sub-01_task-x_events.tsv"], "sub-01_task-x_events.tsv"),
        (
            ["sub-01/sub-01_task-x_events.tsv", "sub-01/ses-a/sub-01_ses-a_task-x_events.tsv"],
            "sub-01_ses-a_task-x_events.tsv",
        ),
        (
            [
                "sub-01/ses-a/func/sub-01_ses-a_task-x_run-01_events.tsv",
                "sub-01/ses-a/func/sub-01_ses-a_task-x_run-02_events.tsv",
            ],
            "sub-01_ses-a_task-x_run-01_events.tsv",  # 01 and 1 are one number
        ),
        (
            ["task-x_events.tsv", "task-x_run-1_events.tsv"],
            "task-x_run-1_events.tsv",
        ),
        (["sub-01/ses-b/func/sub-01_ses-b_task-x_run-1_events.tsv"], None),
        (["sub-01/ses-a/func/sub-01_ses-a_task-x_acq-hi_run-1_events.tsv"], None),
        (["sub-01/ses-a/func/sub-01_ses-a_task-x_run-1_events.json"], None),
        (["sub-02/sub-02_task-x_events.tsv"], None),
    ],
)
def test_inherited__the_nearest_that_fits(
    tmp_path: Path, there: list[str], expected: str | None
) -> None:
    touch(tmp_path, *there)
    found = Tree(tmp_path).inherited(RUN, ["events"], [".tsv"])
    assert (None if found is None else found.path.name) == expected


def test_inherited__never_leaves_the_data_set(tmp_path: Path) -> None:
    touch(tmp_path, "task-x_events.tsv", "ds/sub-01/x")
    assert Tree(tmp_path / "ds").inherited(RUN, ["events"], [".tsv"]) is None


def test_inherited__two_that_fit_alike(tmp_path: Path) -> None:
    touch(tmp_path, "task-x_events.tsv", "run-1_events.tsv")
    with pytest.raises(InputError, match="are both for the same run: remove one"):
        Tree(tmp_path).inherited(RUN, ["events"], [".tsv"])


def test_metadata__nearer_files_win(tmp_path: Path) -> None:
    near = "sub-01/ses-a/func/sub-01_ses-a_task-x_run-1_bold.json"
    touch(tmp_path, near, "task-x_bold.json")
    (tmp_path / "task-x_bold.json").write_text(json.dumps({"RepetitionTime": 2, "a": 1}))
    (tmp_path / near).write_text(json.dumps({"RepetitionTime": 3}))
    assert Tree(tmp_path).metadata(RUN, "bold") == {"RepetitionTime": 3, "a": 1}


@pytest.mark.parametrize(
    ("text", "said"),
    [("[1]", "must hold one JSON object"), ("{", "is not JSON"), ("\0", "is not JSON")],
)
def test_metadata__names_the_broken_file(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "task-x_bold.json").write_text(text)
    with pytest.raises(InputError, match=rf"task-x_bold\.json.*{said}"):
        Tree(tmp_path).metadata(RUN, "bold")
