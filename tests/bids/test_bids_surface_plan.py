"""Which studies of surfaces a data set gives, from its names alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from bids_names_only import MNI, PREP, DataSet, Planning, runs_of
from bids_surface_sets import labels, mesh

from pyhrf import ConfigError, InputError
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.nodes import Nodes

FUNC = f"{PREP}/sub-01/func"
ANAT = f"{PREP}/sub-01/anat"


def surface(data: DataSet, stem: str, *ends: str) -> None:
    """Add a run with series of these ends."""
    data.touch(f"sub-01/func/{stem}_events.tsv", f"{FUNC}/{stem}_desc-confounds_timeseries.tsv")
    data.touch(*(f"{FUNC}/{stem}_{end}" for end in ends))


def gii(space: str = "fsaverage5") -> tuple[str, str]:
    left, right = (f"hemi-{hemi}_space-{space}_bold.func.gii" for hemi in "LR")
    return left, right


def test_plan__each_hemisphere_is_a_study(data: DataSet, plan: Planning, told: list[str]) -> None:
    for run in (1, 2):
        surface(data, f"sub-01_task-x_run-{run}", *gii())
    made = plan()
    stems = [f"sub-01_task-x_run-{run}_hemi-{{}}" for run in (1, 2)]
    assert runs_of(made) == {
        f"sub-01_task-x_hemi-{hemi}_space-fsaverage5": [stem.format(hemi) for stem in stems]
        for hemi in "LR"
    }
    assert {study.kind for study in made.studies.values()} == {Nodes}
    assert (made.failed, told) == ({}, [])


def test_plan__names_of_older_fmriprep_are_put_in_order(data: DataSet, plan: Planning) -> None:
    ends = (f"space-fsaverage5_hemi-{hemi}_bold.func.gii" for hemi in "LR")
    surface(data, "sub-01_task-x", *ends)
    assert list(plan().studies) == [f"sub-01_task-x_hemi-{hemi}_space-fsaverage5" for hemi in "LR"]


def test_plan__dense_series_hold_both_hemispheres(data: DataSet, plan: Planning) -> None:
    surface(data, "sub-01_task-x", "space-fsLR_den-91k_bold.dtseries.nii", *gii())
    (study,) = plan(space="fsLR").studies.values()
    assert (study.name, study.kind) == ("sub-01_task-x_space-fsLR_den-91k", Grayordinates)
    assert list(plan(space="fsLR:den-91k").studies) == [study.name]
    with pytest.raises(InputError, match=r"no such space; there are fsLR:den-91k, fsaverage5"):
        plan(space="fsLR:den-170k")


def test_plan__surfaces_are_taken_where_they_are_asked_for_or_alone(
    data: DataSet, plan: Planning
) -> None:
    surface(data, "sub-01_task-x", "space-fsLR_den-91k_bold.dtseries.nii", *gii())
    with pytest.raises(InputError, match=r"\(fsLR:den-91k, fsaverage5\): choose one with --space"):
        plan()
    data.run("sub-01_task-x", events=False)
    assert list(plan().studies) == [f"sub-01_task-x_{MNI}"]
    assert len(plan(space="fsaverage5").studies) == 2


def test_plan__hemispheres_of_one_name_fail_by_themselves(
    data: DataSet, plan: Planning, told: list[str]
) -> None:
    surface(data, "sub-01_task-x", *gii())
    data.touch(f"{FUNC}/sub-01_task-x_hemi-R_space-fsaverage5_desc-preproc_bold.func.gii")
    made = plan()
    assert list(made.studies) == ["sub-01_task-x_hemi-L_space-fsaverage5"]
    assert list(made.failed) == ["sub-01_task-x_hemi-R_space-fsaverage5"]
    assert "may be one scan" in str(made.failed["sub-01_task-x_hemi-R_space-fsaverage5"])


def test_plan__a_run_of_one_hemisphere_is_said(
    data: DataSet, plan: Planning, told: list[str]
) -> None:
    surface(data, "sub-01_task-x_run-1", *gii())
    surface(data, "sub-01_task-x_run-2", gii()[1])
    assert len(plan().studies) == 2
    assert told == ["note: sub-01_task-x: the hemisphere L lacks run-2, which the other has"]


def test_plan__a_series_must_name_its_hemisphere(data: DataSet, plan: Planning) -> None:
    surface(data, "sub-01_task-x", "space-fsaverage5_bold.func.gii")
    assert "which hemisphere" in str(plan().failed["sub-01_task-x_space-fsaverage5"])


def test_plan__no_mask_is_needed_but_confounds_are(data: DataSet, plan: Planning) -> None:
    surface(data, "sub-01_task-x", *gii())
    (data.root / FUNC / "sub-01_task-x_desc-confounds_timeseries.tsv").unlink()
    assert all("no confounds" in str(error) for error in plan().failed.values())
    assert len(plan(parameters={"confounds": {"columns": "none"}}).studies) == 2


def test_plan__meshes_of_the_space_and_hemisphere_the_middle_first(
    data: DataSet, plan: Planning
) -> None:
    surface(data, "sub-01_task-x", *gii("fsnative"), "space-fsLR_den-91k_bold.dtseries.nii")
    names = [
        f"sub-01_hemi-{hemi}_{rest}.surf.gii"
        for hemi in "LR"
        for rest in ("inflated", "pial", "midthickness", "white", "desc-reg_sphere")
    ]
    fslr = [f"sub-01_hemi-{hemi}_space-fsLR_den-32k_midthickness.surf.gii" for hemi in "LR"]
    data.touch(*(f"{ANAT}/{name}" for name in [*names, *fslr]))
    left, right = plan(space="fsnative").studies.values()
    for hemi, study in (("L", left), ("R", right)):
        assert [name.path.name for name in study.meshes] == [
            f"sub-01_hemi-{hemi}_{kind}.surf.gii" for kind in ("midthickness", "pial", "white")
        ]
    (dense,) = plan(space="fsLR").studies.values()
    assert [name.path.name for name in dense.meshes] == fslr


def test_plan__meshes_of_the_session_come_first(data: DataSet, plan: Planning) -> None:
    surface(data, "sub-01_ses-b_task-x", *gii("fsnative"))
    for path in list((data.root / FUNC).iterdir()):
        home = data.root / PREP / "sub-01" / "ses-b" / "func"
        home.mkdir(parents=True, exist_ok=True)
        path.rename(home / path.name)
    (data.root / "sub-01" / "ses-b").mkdir()
    (data.root / "sub-01" / "func").rename(data.root / "sub-01" / "ses-b" / "func")
    for session in ("", "ses-a", "ses-b"):
        name = "_".join(word for word in ("sub-01", session, "hemi-L_pial.surf.gii") if word)
        folder = f"{PREP}/sub-01/{session}/anat" if session else ANAT
        data.touch(f"{folder}/{name}")
    (study,) = (x for x in plan().studies.values() if x.entities["hemi"] == "L")
    assert [name.entities.get("ses") for name in study.meshes] == ["b", None, "a"]


def test_plan__surfaces_begin_when_their_volumes_do(data: DataSet, plan: Planning) -> None:
    folder = data.root / FUNC
    for run in (1, 2):
        surface(data, f"sub-01_task-x_run-{run}", *gii())
    for name, start in (
        ("run-1_space-T1w_desc-preproc_bold", 0.7),
        (f"run-1_{MNI}_desc-preproc_bold", 0.7),
        ("run-1_hemi-R_space-fsaverage5_bold", 0.9),
        ("run-2_space-T1w_desc-preproc_bold", None),
        (f"run-2_{MNI}_desc-preproc_bold", 0.3),
    ):
        about = {} if start is None else {"StartTime": start}
        (folder / f"sub-01_task-x_{name}.json").write_text(json.dumps(about))
    left, right = plan().studies.values()
    # A volume that says nothing does not contradict the others.
    assert [run.times.start for run in left.runs] == [0.7, 0.3]
    assert [run.times.start for run in right.runs] == [0.9, 0.3]


def test_plan__volumes_that_begin_at_several_times_tell_no_surface(
    data: DataSet, plan: Planning
) -> None:
    folder = data.root / FUNC
    surface(data, "sub-01_task-x", *gii())
    for name, start in (
        ("space-T1w_desc-preproc_bold", 0.2),
        (f"{MNI}_desc-preproc_bold", 0.3),
        ("hemi-R_space-fsaverage5_bold", 0.2),
    ):
        (folder / f"sub-01_task-x_{name}.json").write_text(json.dumps({"StartTime": start}))
    made = plan()
    # The right hemisphere says it itself.
    assert [study.entities["hemi"] for study in made.studies.values()] == ["R"]
    (error,) = made.failed.values()
    for word in ("hemi-L_space-fsaverage5_bold.func.gii", "0.2", "0.3", "gives no StartTime"):
        assert word in str(error)


def test_plan__a_volume_is_not_told_when_another_begins(data: DataSet, plan: Planning) -> None:
    data.run("sub-01_task-x", "space-T1w", MNI)
    path = data.root / FUNC / "sub-01_task-x_space-T1w_desc-preproc_bold.json"
    path.write_text(json.dumps({"StartTime": 0.7}))
    assert [
        run.times.start for run in plan(space="T1w").studies["sub-01_task-x_space-T1w"].runs
    ] == [0.7]
    (study,) = plan().studies.values()
    assert [run.times.start for run in study.runs] == [0]


@pytest.mark.parametrize(
    ("space", "atlas", "said"),
    [
        (None, "hemi-L.label.gii", "are volumes .*; give one NIfTI, or a number"),
        ("fsaverage5", "a.dlabel.nii", "are series of each hemisphere .*; give a .label.gii of"),
        ("fsLR", "hemi-L.label.gii", "fsLR:den-91k are dense series .*; give a .dlabel.nii"),
    ],
)
def test_plan__an_atlas_of_other_data_is_refused(
    data: DataSet, plan: Planning, space: str | None, atlas: str, said: str
) -> None:
    surface(data, "sub-01_task-x", "space-fsLR_den-91k_bold.dtseries.nii", *gii())
    data.run("sub-01_task-x", events=False)
    path = data.root / atlas
    labels(path, [1, 1]) if atlas.endswith(".gii") else path.touch()
    with pytest.raises(ConfigError, match=said):
        plan(space=space, parcellation=path)


def test_plan__a_mesh_of_volumes_is_refused(data: DataSet, plan: Planning, tmp_path: Path) -> None:
    data.run("sub-01_task-x")
    with pytest.raises(ConfigError, match="is the mesh of data on a surface, and the BOLD data in"):
        plan(meshes=(mesh(tmp_path / "lh.surf.gii"),))


def test_plan__the_atlas_tells_which_of_two_formats_is_meant(
    data: DataSet, plan: Planning, tmp_path: Path
) -> None:
    surface(data, "sub-01_task-x", *gii(), "space-fsaverage5_bold.dtseries.nii")
    assert [x.kind for x in plan().studies.values()] == [Nodes, Nodes]
    atlas = tmp_path / "a.dlabel.nii"
    atlas.touch()
    assert [x.kind for x in plan(parcellation=atlas).studies.values()] == [Grayordinates]


def test_plan__atlases_are_told_apart(data: DataSet, plan: Planning, tmp_path: Path) -> None:
    surface(data, "sub-01_task-x", *gii())
    left = labels(tmp_path / "lh.label.gii", [1])
    dense = tmp_path / "a.dlabel.nii"
    for wrong, said in (
        ((left, dense), "of data of several kinds"),
        ((dense, dense), "give one"),
        ((left, labels(tmp_path / "a_hemi-L.label.gii", [1])), "a second file of the hemisphere L"),
        ((labels(tmp_path / "atlas.label.gii", [1]),), "is not known"),
        ((dense,), "there is no such file"),
        ((tmp_path / "rh.label.gii",), "there is no such file"),
    ):
        with pytest.raises((ConfigError, InputError), match=said):
            plan(parcellation=wrong)
