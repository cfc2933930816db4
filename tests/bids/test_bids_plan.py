"""Which studies a data set gives, from its names alone."""

from __future__ import annotations

import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bids_names_only import MNI, PREP, DataSet, Planning, runs_of

from pyhrf import InputError


def test_plan__runs_and_sessions_of_a_task_are_one_study(data: DataSet, plan: Planning) -> None:
    for stem in ("task-x_run-10", "task-x_run-2", "task-y"):
        for session in "ab":
            data.run(f"sub-01_ses-{session}_{stem}")
    assert runs_of(plan()) == {
        f"sub-01_task-x_{MNI}": [
            f"sub-01_ses-{session}_task-x_run-{n}" for session in "ab" for n in (2, 10)
        ],
        f"sub-01_task-y_{MNI}": [f"sub-01_ses-{session}_task-y" for session in "ab"],
    }


def test_plan__the_name_is_what_all_runs_share(data: DataSet, plan: Planning) -> None:
    for n in (1, 2):
        data.run(f"sub-01_ses-a_task-x_run-{n}")
        data.run(f"sub-01_ses-b_task-x_run-{n}")
    assert list(plan(sessions=["b"]).studies) == [f"sub-01_ses-b_task-x_{MNI}"]
    assert list(plan(sessions=["b"], runs=["02"]).studies) == [f"sub-01_ses-b_task-x_run-2_{MNI}"]
    assert list(plan(runs=["1"]).studies) == [f"sub-01_task-x_run-1_{MNI}"]


def test_plan__participants(data: DataSet, plan: Planning) -> None:
    for label in ("10", "9", "pilot"):
        data.run(f"sub-{label}_task-x")
    assert [name[:8] for name in plan().studies] == ["sub-9_ta", "sub-10_t", "sub-pilo"]
    assert list(plan(participants=("9",)).studies) == [f"sub-9_task-x_{MNI}"]
    with pytest.raises(InputError, match="no participant 11; there are 9, 10, pilot"):
        plan(participants=("11",))


def test_plan__one_without_derivatives(data: DataSet, plan: Planning, told: list[str]) -> None:
    data.run("sub-01_task-x")
    data.touch("sub-02/func/sub-02_task-x_events.tsv")
    assert list(plan().studies) == [f"sub-01_task-x_{MNI}"]
    assert "sub-02 is left out: there are no derivatives" in told[-1]
    found = plan(participants=("01", "02"))
    assert list(found.failed) == ["sub-02"]


def test_plan__rest_has_no_events(data: DataSet, plan: Planning, told: list[str]) -> None:
    data.run("sub-01_task-x")
    data.run("sub-01_task-rest", events=False)
    assert list(plan().studies) == [f"sub-01_task-x_{MNI}"]
    assert told == ["note: the task rest is left out: no participant has events of it"]
    with pytest.raises(InputError, match="no participant has events of the task rest"):
        plan(tasks=["rest"])
    with pytest.raises(InputError, match=r"there is no task z .* there are rest, x"):
        plan(tasks=["z"])


def test_plan__data_set_without_events(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x", events=False)
    with pytest.raises(InputError, match="no participant has events of the task x"):
        plan()


def test_plan__one_without_events_fails_also_alone(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x")
    data.run("sub-02_task-x", events=False)
    for found in (plan(), plan(participants=("02",))):
        assert "there are no events of this run" in str(found.failed[f"sub-02_task-x_{MNI}"])
    assert list(plan().studies) == [f"sub-01_task-x_{MNI}"]


def test_plan__events_of_all_participants_at_the_top(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x", events=False)
    data.touch("task-x_events.tsv")
    (study,) = plan().studies.values()
    assert study.runs[0].events == data.root / "task-x_events.tsv"


def test_plan__confounds_and_masks(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x")
    folder = data.root / PREP / "sub-01" / "func"
    (folder / "sub-01_task-x_desc-confounds_timeseries.tsv").unlink()
    assert "no confounds" in str(plan().failed[f"sub-01_task-x_{MNI}"])
    assert plan(parameters={"confounds": {"columns": "none"}}).studies
    assert plan(parameters={"confounds": {"columns": "none", "fd_threshold": 0.5}}).failed
    data.touch(f"{PREP}/sub-01/func/sub-01_task-x_desc-confounds_regressors.tsv")  # until 2020
    assert plan().studies
    (folder / f"sub-01_task-x_{MNI}_desc-brain_mask.nii.gz").unlink()
    assert "no brain mask" in str(plan().failed[f"sub-01_task-x_{MNI}"])
    data.touch(f"{PREP}/sub-01/func/sub-01_task-x_space-T1w_desc-brain_mask.nii.gz")
    data.touch(f"{PREP}/sub-01/func/sub-01_task-x_desc-brain_mask.nii.gz")
    assert "no brain mask" in str(plan().failed[f"sub-01_task-x_{MNI}"])
    atlas = data.root / "atlas.nii.gz"
    nib.save(nib.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4)), atlas)
    assert plan(parcellation=atlas).studies


@pytest.mark.parametrize(
    ("spaces", "wanted", "expected"),
    [
        (["space-T1w"], None, "space-T1w"),
        (["space-T1w", MNI], None, MNI),
        (["", MNI], None, MNI),
        ([""], None, ""),
        (["", MNI], "func", ""),
        (["space-T1w", MNI], "T1w", "space-T1w"),
        ([f"{MNI}_res-2", "space-T1w"], None, f"{MNI}_res-2"),
        ([f"{MNI}_res-2", f"{MNI}_res-1"], "MNI152NLin2009cAsym:res-1", f"{MNI}_res-1"),
        ([f"{MNI}_res-2", "space-T1w"], "MNI152NLin2009cAsym", f"{MNI}_res-2"),
    ],
)
def test_plan__space(
    data: DataSet, plan: Planning, spaces: list[str], wanted: str | None, expected: str
) -> None:
    data.run("sub-01_task-x", *spaces)
    (study,) = plan(space=wanted).studies.values()
    stem = "_".join(word for word in ("sub-01_task-x", expected) if word)
    (run,) = study.runs
    assert run.bold.path.name == f"{stem}_desc-preproc_bold.nii.gz"
    assert run.mask is not None
    assert run.mask.name == f"{stem}_desc-brain_mask.nii.gz"
    assert study.name == stem


def test_plan__space_that_is_chosen_is_said(data: DataSet, plan: Planning, told: list[str]) -> None:
    data.run("sub-01_task-x", "space-T1w", MNI)
    plan()
    assert told == ["note: the space is MNI152NLin2009cAsym; --space chooses another (T1w)"]


@pytest.mark.parametrize(
    ("spaces", "wanted", "said"),
    [
        (["space-T1w", "space-MNIPediatricAsym"], None, "choose one with --space"),
        ([f"{MNI}_res-2", f"{MNI}_res-1"], None, "choose one with --space"),
        ([f"{MNI}_res-2", f"{MNI}_res-1"], "MNI152NLin2009cAsym", "could be .*res-1 or .*res-2"),
        ([MNI], "T1w", "no such space; there are MNI152NLin2009cAsym"),
    ],
)
def test_plan__space_that_cannot_be_chosen(
    data: DataSet, plan: Planning, spaces: list[str], wanted: str | None, said: str
) -> None:
    data.run("sub-01_task-x", *spaces)
    with pytest.raises(InputError, match=said):
        plan(space=wanted)


def test_plan__single_echoes_phases_and_other_versions_are_no_runs(
    data: DataSet, plan: Planning
) -> None:
    data.run("sub-01_task-x")
    data.run("sub-01_task-x_echo-1", events=False)
    data.run("sub-01_task-x_part-phase", events=False)
    data.touch(f"{PREP}/sub-01/func/sub-01_task-x_{MNI}_desc-smoothed_bold.nii.gz")
    data.touch(f"{PREP}/sub-01/func/sub-01_task-x_{MNI}_bold.nii.gz")
    assert runs_of(plan()) == {f"sub-01_task-x_{MNI}": ["sub-01_task-x"]}


def test_plan__selection_that_is_empty(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x_run-1")
    data.run("sub-01_task-y_run-2")
    with pytest.raises(InputError, match=r"no preprocessed BOLD data for this combination"):
        plan(tasks=["x"], runs=["2"])
    with pytest.raises(InputError, match=r"there is no run 3 .*; there are 1, 2"):
        plan(runs=["3"])
    with pytest.raises(InputError, match=r"there is no session a .*; no file names one"):
        plan(sessions=["a"])


def test_plan__folders(data: DataSet, plan: Planning, tmp_path: Path) -> None:
    data.run("sub-01_task-x")
    with pytest.raises(InputError, match="nowhere: no derivatives: there is no such folder"):
        plan(derivatives=tmp_path / "nowhere")
    with pytest.raises(InputError, match="DatasetType is 'raw'"):
        plan(derivatives=data.root)
    data.describe(data.root, Name="")
    (data.root / "dataset_description.json").write_text('{"Name": "x"}')
    with pytest.raises(InputError, match="the key BIDSVersion, which BIDS requires, is missing"):
        plan()
    assert plan(check=False).studies


def test_plan__derivatives_of_other_names(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x")
    prep = data.root / PREP
    prep.rename(prep.with_name("fmriprep-24.1.1"))
    assert plan().studies
    data.describe(prep.with_name("fmriprep-20.2"))
    with pytest.raises(InputError, match=r"holds fmriprep-20\.2 and fmriprep-24\.1\.1: say which"):
        plan()
    assert plan(derivatives=prep.with_name("fmriprep-24.1.1")).studies


def test_plan__derivatives_themselves(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x", events=False)
    data.root = data.root / PREP
    data.touch("sub-01/func/sub-01_task-x_events.tsv")
    (study,) = plan().studies.values()
    assert study.runs[0].events is not None


def test_plan__times_of_the_json_files(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x")
    (data.root / "task-x_bold.json").write_text('{"RepetitionTime": 2.0, "StartTime": 5}')
    (run,) = plan().studies[f"sub-01_task-x_{MNI}"].runs
    assert (run.times.tr, run.times.start) == (2.0, 0.0)
    sidecar = data.root / PREP / "sub-01" / "func" / f"sub-01_task-x_{MNI}_desc-preproc_bold.json"
    sidecar.write_text('{"RepetitionTime": 2.1, "StartTime": 1.05}')
    (run,) = plan().studies[f"sub-01_task-x_{MNI}"].runs
    assert (run.times.tr, run.times.start) == (2.1, 1.05)
    for value, said in {
        '"2.1 s"': "as '2.1 s': seconds are needed",
        "2100": "as 2100: it is",
    }.items():
        sidecar.write_text(f'{{"RepetitionTime": {value}}}')
        assert f"RepetitionTime {said}" in str(plan().failed[f"sub-01_task-x_{MNI}"])


def test_plan__links_to_nothing_are_named(data: DataSet, plan: Planning) -> None:
    def link(path: Path) -> str:
        path.symlink_to(data.root / ".git" / "annex" / "x")
        return f"{path}: is a link to a file that is not there: fetch it"

    for label in ("01", "02"):
        data.run(f"sub-{label}_task-x")
    prep = data.root / PREP
    said = link(prep / "sub-01" / "func" / f"sub-01_task-x_{MNI}_desc-preproc_bold.json")
    assert said in str(plan().failed[f"sub-01_task-x_{MNI}"])
    (prep / "sub-02").rename(prep / "gone")
    said = link(prep / "sub-02")
    assert said in str(plan().failed["sub-02"])
    about = prep / "dataset_description.json"
    about.unlink()
    said = link(about)
    with pytest.raises(InputError, match=re.escape(said)):
        plan()
    # Nobody asks for it then.
    assert "sub-02" in plan(check=False).failed
