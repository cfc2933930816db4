"""Single trials among the derivatives of ``pyhrf bids``."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bids_sets import SPACE, derivatives_of, run_bids

from pyhrf.results import Results

WORDS = ("participant", "-x", "serial", "--parcellation", 30, "--participant-label", "01")
NAME = f"sub-01_task-sim_{SPACE}"
STATS = ("effect", "variance", "trialMean", "trialSd", "trialSnr", "noiseCeiling")


def about(out: Path, rest: str) -> dict[str, object]:
    text = (out / "sub-01" / "func" / f"{NAME}_desc-trials_{rest}.json").read_text()
    found: dict[str, object] = json.loads(text)
    return found


def test_bids__single_trials_have_maps_events_and_what_to_know(
    made_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    ended = run_bids(capfd, made_set, out, *WORDS, "--single-trials")
    assert ended.code == 0, ended.err
    func = out / "sub-01" / "func"
    results = Results(out / ".pyhrf" / NAME)

    events = pd.read_csv(func / f"{NAME}_desc-trials_events.tsv", sep="\t", na_values=["n/a"])
    assert list(events)[:3] == ["onset", "duration", "trial_type"]
    table = results.trial_table
    assert events["trial_type"].tolist() == table["condition"].tolist()
    for column in ("onset", "run", "trial", "information"):
        np.testing.assert_array_equal(events[column], table[column])
    said = about(out, "events")
    assert set(events) <= said.keys()
    assert said["onset"] == {
        "Description": "When the event begins, after the first scan of the run",
        "Units": "s",
    }

    volumes = {stat: func / f"{NAME}_desc-trials_stat-{stat}_statmap.nii.gz" for stat in STATS}
    assert volumes["effect"].read_bytes() == results.maps()["trials"].read_bytes()
    variance = np.asarray(nib.load(volumes["variance"]).dataobj)
    np.testing.assert_array_equal(variance, results.map_values("trials_sd") ** 2)
    assert variance.shape[3] == len(events)
    for stat in STATS:
        said = about(out, f"stat-{stat}_statmap")
        assert said["Trials"] == f"bids::sub-01/func/{NAME}_desc-trials_events.tsv"
        assert (said["TrialPrior"], said["TrialHyperparameters"]) == ("common", "all")
        assert not {"Warning", "RepetitionTime"} & said.keys()

    written = {path: path.stat().st_mtime_ns for path in func.iterdir()}
    assert run_bids(capfd, made_set, out, *WORDS, "--single-trials").code == 0
    assert {path: path.stat().st_mtime_ns for path in func.iterdir()} == written


def test_bids__a_prior_of_conditions_is_warned_of(
    made_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--single-trials", "--trial-prior", "condition")
    ended = run_bids(capfd, made_set, tmp_path, *WORDS, *words)
    assert ended.code == 0, ended.err
    for rest in ("events", "stat-effect_statmap"):
        said = about(tmp_path, rest)
        assert said["TrialPrior"] == "condition"
        assert "circular" in str(said["Warning"])


def test_bids__without_single_trials_says_nothing_of_them(
    made_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_bids(capfd, made_set, tmp_path, *WORDS).code == 0
    files = {name: x for name, x in derivatives_of(tmp_path).items() if name.startswith("sub-")}
    files = {name: x for name, x in files.items() if not name.endswith(".html")}  # has its script
    assert files
    assert not [name for name, x in files.items() if "rial" in name or b"Trial" in x]


def test_bids__derivatives_of_single_trials_go_with_them(
    made_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with_trials, again = (tmp_path / name for name in ("with", "again"))
    assert run_bids(capfd, made_set, again, *WORDS).code == 0
    assert run_bids(capfd, made_set, with_trials, *WORDS, "--single-trials").code == 0
    ended = run_bids(capfd, made_set, with_trials, *WORDS, "--fresh")
    assert ended.code == 0, ended.err
    ours, theirs = (derivatives_of(folder) for folder in (with_trials, again))
    assert ours.keys() == theirs.keys()
