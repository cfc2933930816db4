"""Each scan counts once, runs of a study lie on one another, and their number names nothing."""

from __future__ import annotations

import pytest
from bids_names_only import MNI, PREP, DataSet, Planning, runs_of

from pyhrf import InputError

FOLDER = f"{PREP}/sub-01/func"


@pytest.mark.parametrize(
    ("several", "single"),
    [
        (["sub-01_task-x_run-1", "sub-01_task-x_run-2"], {"runs": ["2"]}),
        (["sub-01_ses-a_task-x", "sub-01_ses-b_task-x"], {"sessions": ["b"]}),
    ],
)
def test_plan__runs_of_the_native_space_are_not_pooled(
    data: DataSet, plan: Planning, several: list[str], single: dict[str, list[str]]
) -> None:
    for stem in several:
        data.run(stem, "", "space-T1w")
    error = str(plan(space="func").failed["sub-01_task-x"])
    assert "the same voxel is not the same place" in error
    assert "choose T1w or a standard space" in error
    (study,) = plan(space="func", **single).studies.values()
    assert [run.bold.path.name.partition("_desc")[0] for run in study.runs] == several[1:]
    assert len(plan(space="T1w").studies["sub-01_task-x_space-T1w"].runs) == 2


def test_plan__reconstructions_of_a_scan_count_once(data: DataSet, plan: Planning) -> None:
    for n in (1, 2):
        for label in ("norm", "raw"):
            data.run(f"sub-01_task-x_rec-{label}_run-{n}")
    error = str(plan().failed[f"sub-01_task-x_{MNI}"])
    assert "sub-01_task-x_rec-norm_run-1" in error
    assert "rec-raw_run-1" in error
    assert "choose with --rec norm or --rec raw" in error
    assert "choose with --rec" in str(plan(rec=["raw", "norm"]).failed[f"sub-01_task-x_{MNI}"])
    assert runs_of(plan(rec=["raw"])) == {
        f"sub-01_task-x_rec-raw_{MNI}": [f"sub-01_task-x_rec-raw_run-{n}" for n in (1, 2)]
    }
    with pytest.raises(InputError, match=r"no reconstruction odd .*; there are norm, raw"):
        plan(rec=["odd"])


@pytest.mark.parametrize("entity", ["acq", "ce"])
def test_plan__acquisitions_of_a_run_are_chosen(entity: str, data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x")
    data.run(f"sub-01_task-x_{entity}-mb")
    data.run(f"sub-02_task-x_{entity}-mb")
    found = plan()
    assert f"choose with --{entity} mb or --{entity} none" in str(
        found.failed[f"sub-01_task-x_{MNI}"]
    )
    assert list(found.studies) == [f"sub-02_task-x_{MNI}"]
    assert runs_of(plan(**{entity: ["none"]}, participants=("01",))) == {
        f"sub-01_task-x_{MNI}": ["sub-01_task-x"]
    }
    assert runs_of(plan(**{entity: ["mb"]})) == {
        f"sub-0{n}_task-x_{entity}-mb_{MNI}": [f"sub-0{n}_task-x_{entity}-mb"] for n in (1, 2)
    }
    # Both are named: they are scans of their own.
    both = runs_of(plan(**{entity: ["mb", "none"]}))[f"sub-01_task-x_{MNI}"]
    assert sorted(both) == ["sub-01_task-x", f"sub-01_task-x_{entity}-mb"]


def test_plan__directions_are_runs(data: DataSet, plan: Planning) -> None:
    for label in ("LR", "RL"):
        data.run(f"sub-01_task-x_dir-{label}")
    assert len(runs_of(plan())[f"sub-01_task-x_{MNI}"]) == 2
    assert runs_of(plan(dir=["RL"])) == {f"sub-01_task-x_dir-RL_{MNI}": ["sub-01_task-x_dir-RL"]}


@pytest.mark.parametrize("other", ["sub-01_task-x_run-01", "sub-01_task-x_run-1_part-mag"])
def test_plan__other_names_of_one_scan(data: DataSet, plan: Planning, other: str) -> None:
    data.run("sub-01_task-x_run-1")
    data.touch(f"{FOLDER}/{other}_{MNI}_desc-preproc_bold.nii.gz")
    assert "take one of them away" in str(plan().failed[f"sub-01_task-x_{MNI}"])


def test_plan__an_unpacked_copy_is_no_run(data: DataSet, plan: Planning, told: list[str]) -> None:
    for n in (1, 2):
        data.run(f"sub-01_task-x_run-{n}")
    for rest in ("desc-preproc_bold", "desc-brain_mask"):
        data.touch(f"{FOLDER}/sub-01_task-x_run-2_{MNI}_{rest}.nii")
    (study,) = plan().studies.values()
    assert [run.bold.extension for run in study.runs] == [".nii.gz", ".nii.gz"]
    assert [(run.mask or run.bold.path).suffix for run in study.runs] == [".gz", ".gz"]
    assert any("of files that are there as .nii.gz and .nii" in text for text in told)


def test_plan__a_run_that_comes_or_goes_changes_no_name(data: DataSet, plan: Planning) -> None:
    for session in "ab":
        data.run(f"sub-01_ses-{session}_task-x_acq-mb_run-1")
        assert list(plan().studies) == [f"sub-01_task-x_{MNI}"]
    data.run("sub-01_ses-b_task-x_acq-mb_run-2")
    assert list(plan().studies) == [f"sub-01_task-x_{MNI}"]
    assert list(plan(sessions=["a"]).studies) == [f"sub-01_ses-a_task-x_{MNI}"]
    assert list(plan(sessions=["b"]).studies) == [f"sub-01_ses-b_task-x_{MNI}"]
    assert list(plan(sessions=["b", "a"]).studies) == [f"sub-01_task-x_{MNI}"]


PEDIATRIC = "space-MNIPediatricAsym_cohort-{}"


@pytest.mark.parametrize("wanted", [None, "MNIPediatricAsym", "MNIPediatricAsym:res-2"])
def test_plan__cohorts_of_a_template_are_taken_together(
    wanted: str | None, data: DataSet, plan: Planning
) -> None:
    for n in (1, 2):
        data.run(f"sub-0{n}_task-x", f"{PEDIATRIC.format(n)}_res-2")
    names = [f"sub-0{n}_task-x_{PEDIATRIC.format(n)}_res-2" for n in (1, 2)]
    assert list(plan(space=wanted).studies) == names
    found = plan(space="MNIPediatricAsym:cohort-1")
    assert list(found.studies) == names[:1]
    assert "MNIPediatricAsym:cohort-1:res-2" in str(found.failed["sub-02_task-x"])


def test_plan__a_participant_of_two_cohorts(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_ses-a_task-x", PEDIATRIC.format(1))
    data.run("sub-01_ses-b_task-x", PEDIATRIC.format(2))
    data.run("sub-02_ses-a_task-x", PEDIATRIC.format(2))
    found = plan(space="MNIPediatricAsym")
    assert list(found.studies) == [f"sub-02_task-x_{PEDIATRIC.format(2)}"]
    assert "--space MNIPediatricAsym:cohort-1" in str(found.failed["sub-01_task-x"])


def test_plan__native_resolution_has_no_label(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x", MNI, f"{MNI}_res-2")
    asked = "MNI152NLin2009cAsym:res-native"
    assert list(plan(space=asked).studies) == [f"sub-01_task-x_{MNI}"]
    data.run("sub-02_task-x", "space-T1w_res-1")
    with pytest.raises(InputError, match="no such space"):
        plan(space="T1w:res-native")
