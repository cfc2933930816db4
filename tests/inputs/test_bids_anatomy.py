"""The T1w of fMRIPrep in the space of BOLD data is found by its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyhrf.inputs.bids_anatomy import anatomy_of

MNI = "space-MNI152NLin2009cAsym"
T1W = "desc-preproc_T1w.nii.gz"


@pytest.mark.parametrize(
    ("bold", "there", "expected"),
    [
        ("sub-1_task-a_space-T1w", [f"anat/sub-1_{T1W}", f"anat/sub-1_{MNI}_{T1W}"], 0),
        (f"sub-1_task-a_{MNI}", [f"anat/sub-1_{T1W}", f"anat/sub-1_{MNI}_{T1W}"], 1),
        (
            f"sub-1_task-a_{MNI}_res-2",
            [f"anat/sub-1_{MNI}_res-1_{T1W}", f"anat/sub-1_{MNI}_res-2_{T1W}"],
            1,
        ),
        (f"sub-1_task-a_{MNI}", [f"anat/sub-1_{MNI}_res-1_{T1W}"], 0),
        (f"sub-1_task-a_{MNI}", [f"anat/sub-1_acq-mprage_run-2_{MNI}_{T1W}"], 0),
        (
            "sub-1_task-a_space-MNIInfant_cohort-1",
            [f"anat/sub-1_space-MNIInfant_cohort-2_{T1W}"],
            None,
        ),
        # of the scanner's own space there is none
        ("sub-1_task-a", [f"anat/sub-1_{T1W}"], None),
        ("sub-1_task-a_space-T1w", [f"anat/sub-1_{MNI}_{T1W}", "anat/sub-1_T1w.nii.gz"], None),
        ("sub-1_task-a_space-T1w", [f"anat/sub-2_{T1W}"], None),
    ],
)
def test_anatomy_of__space_and_resolution(
    tmp_path: Path, bold: str, there: list[str], expected: int | None
) -> None:
    files = [_made(tmp_path / "sub-1" / name) for name in there]
    found = anatomy_of(tmp_path / "sub-1" / "func" / f"{bold}_desc-preproc_bold.nii.gz")
    assert found == (None if expected is None else files[expected])


@pytest.mark.parametrize(
    ("there", "expected"),
    [
        (["ses-2/anat/sub-1_ses-2", "anat/sub-1"], "ses-2/anat/sub-1_ses-2"),
        (["ses-1/anat/sub-1_ses-1", "anat/sub-1"], "anat/sub-1"),
        (["ses-1/anat/sub-1_ses-1"], "ses-1/anat/sub-1_ses-1"),
        (["ses-1/anat/sub-1_ses-1", "ses-3/anat/sub-1_ses-3"], None),
    ],
)
def test_anatomy_of__session_or_participant(
    tmp_path: Path, there: list[str], expected: str | None
) -> None:
    home = tmp_path / "sub-1"
    for name in there:
        _made(home / f"{name}_{T1W}")
    bold = home / "ses-2" / "func" / "sub-1_ses-2_task-a_space-T1w_desc-preproc_bold.nii.gz"
    assert anatomy_of(bold) == (None if expected is None else home / f"{expected}_{T1W}")


def test_anatomy_of__files_of_other_names(tmp_path: Path) -> None:
    assert anatomy_of(tmp_path / "bold.nii.gz") is None
    assert anatomy_of(tmp_path / "sub-1_space-T1w_bold.nii.gz") is None


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path
