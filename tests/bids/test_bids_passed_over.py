"""BOLD files that are not taken are named, with the reason; ``--desc`` takes another version."""

from __future__ import annotations

from pathlib import Path

import pytest
from bids_names_only import MNI, PREP, DataSet, Planning, runs_of
from bids_sets import SPACE, func, run_bids

from pyhrf.errors import InputError

FUNC = f"{PREP}/sub-01/func"
STUDY = f"sub-01_task-x_{MNI}"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"sub-01_task-x_run-2_retake_{MNI}_desc-preproc_bold.nii.gz", "'retake' in its name"),
        (f"sub-01_task-xrun-2_{MNI}_desc-preproc_bold.nii.gz", "'task-xrun-2' in its name"),
        (f"sub-01_task-x_run-2_{MNI}desc-preproc_bold.nii.gz", f"'{MNI}desc-preproc' in its name"),
        (f"sub-01_task-x_run-2_{MNI}_desc-preprocbold.nii.gz", "an underscore is missing in"),
        (f"sub-01_task-n-back_{MNI}_desc-preproc_bold.nii", "'task-n-back' in its name"),
        (f"sub-01_task-x_task-y_{MNI}_desc-preproc_bold.nii.gz", "its name has task- twice"),
        (f"sub-01_task-x_run-2_{MNI}_desc-preproc_BOLD.nii.gz", "its suffix is 'BOLD'"),
        (f"sub-02_task-x_{MNI}_desc-preproc_bold.nii.gz", "it is of sub-02 and lies in the folder"),
        (f"sub-01_{MNI}_desc-preproc_bold.nii.gz", "its name has no task-"),
        (f"task-x_{MNI}_desc-preproc_bold.nii.gz", "its name has no sub-"),
        (f"sub-01_task-x_echo-1_{MNI}_desc-preproc_bold.nii.gz", "it is a single echo"),
        (f"sub-01_task-x_part-phase_{MNI}_desc-preproc_bold.nii.gz", "it is the phase part"),
        (f"sub-01_task-x_{MNI}_desc-denoised_bold.nii.gz", "desc denoised chooses it"),
        (f"sub-01_task-x_{MNI}_bold.nii.gz", "desc none chooses it"),
        ("sub-01_task-x_hemi-L_space-fsaverage5_desc-x_bold.func.gii", "desc x chooses it"),
    ],
)
def test_plan__a_bold_file_that_is_not_taken_is_named(
    data: DataSet, plan: Planning, told: list[str], name: str, reason: str
) -> None:
    data.touch(f"{FUNC}/{name}")
    with pytest.raises(InputError) as refused:
        plan()
    assert f"{name} is ignored: " in str(refused.value)
    assert reason in str(refused.value)
    data.run("sub-01_task-x")
    assert runs_of(plan()) == {STUDY: ["sub-01_task-x"]}
    (note,) = (text for text in told if "ignored" in text)
    assert name in note
    assert reason in note


def test_plan__files_of_one_reason_are_one_note(
    data: DataSet, plan: Planning, told: list[str]
) -> None:
    for subject in ("01", "02", "03"):
        data.run(f"sub-{subject}_task-x")
        for echo in (1, 2):
            stem = f"sub-{subject}_task-x_echo-{echo}_{MNI}_desc-preproc_bold.nii.gz"
            data.touch(f"{PREP}/sub-{subject}/func/{stem}")
    assert len(plan().studies) == 3
    (note,) = (text for text in told if "ignored" in text)
    assert "and 5 more are ignored: it is a single echo" in note


def test_plan__what_is_taken_is_not_named(data: DataSet, plan: Planning, told: list[str]) -> None:
    data.run("sub-01_ses-a_task-x")
    data.touch(f"{PREP}/sub-01/ses-a/func/sub-01_ses-a_task-x_{MNI}_boldref.nii.gz")
    plan()
    assert told == []


def test_plan__a_file_of_another_session_is_named(
    data: DataSet, plan: Planning, told: list[str]
) -> None:
    data.run("sub-01_ses-a_task-x")
    data.touch(f"{PREP}/sub-01/ses-a/func/sub-01_ses-b_task-x_{MNI}_desc-preproc_bold.nii.gz")
    plan()
    assert any("it is of ses-b and lies in the folder of ses-a" in text for text in told)


def test_plan__a_participant_without_usable_files(
    data: DataSet, plan: Planning, told: list[str]
) -> None:
    data.run("sub-01_task-x")
    data.touch(f"{PREP}/sub-02/func/sub-02_task-n-back_{MNI}_desc-preproc_bold.nii.gz")
    assert list(plan().studies) == [STUDY]
    assert any("sub-02 is left out: no BOLD file" in text for text in told)
    made = plan(participants=("01", "02"))
    assert list(made.failed) == ["sub-02"]


@pytest.mark.parametrize(
    ("desc", "file"),
    [
        ("smoothAROMAnonaggr", f"sub-01_task-x_{MNI}_desc-smoothAROMAnonaggr_bold.nii.gz"),
        ("none", f"sub-01_task-x_{MNI}_bold.nii.gz"),
    ],
)
def test_plan__another_version_is_taken_where_it_is_asked_for(
    data: DataSet, plan: Planning, desc: str, file: str
) -> None:
    data.run("sub-01_task-x")
    data.touch(f"{FUNC}/{file}")
    (run,) = plan(desc=desc).studies[STUDY].runs
    assert run.bold.path.name == file
    # What belongs to it is that of the run.
    assert run.mask is not None
    assert run.confounds is not None
    with pytest.raises(InputError, match="desc preproc chooses it"):
        plan(desc="other")


def test_bids__analyses_another_version(
    dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in sorted(func(dataset, "01").glob(f"*_{SPACE}_desc-preproc_bold.*")):
        path.rename(path.with_name(path.name.replace("desc-preproc", "desc-denoised")))
    words = (dataset, tmp_path / "out", "participant", "-x", "serial", "--parcellation", 30)
    ended = run_bids(capfd, *words, "--participant-label", "01")
    assert ended.code == 1
    assert "--desc denoised chooses it" in ended.err
    ended = run_bids(capfd, *words, "--participant-label", "01", "--desc", "desc-denoised")
    assert ended.code == 0, ended.err
    again = run_bids(capfd, *words, "--participant-label", "01", "--desc", "denoised")
    assert again.code == 0, again.err
    assert "participants and tasks were analysed before, and nothing was left to do" in again.out
