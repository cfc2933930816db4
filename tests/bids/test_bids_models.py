"""Models made from a BIDS data set give what ``pyhrf bids`` gives of the same data."""

from __future__ import annotations

import filecmp
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from bids_names_only import MNI, PREP, DataSet

import pyhrf
from pyhrf.bids.app import analyse_bids
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.words import ARGUMENTS, OPTIONS
from pyhrf.inputs.bids import Selection


@pytest.mark.parametrize(("space", "size"), [(None, 60), ("fsnative", 40), ("fsLR", 40)])
def test_models_of_a_data_set_give_the_bytes_of_the_app(
    surface_set: Path, tmp_path: Path, space: str | None, size: int
) -> None:
    options = BidsOptions(
        bids_dir=surface_set,
        out_dir=tmp_path / "out",
        participants=("01",),
        parcellation=size,
        estimator="glm",
        selection=Selection(space=space),
    )
    answer = analyse_bids(options, engine="serial", tell=lambda _: None)
    models, images, events, confounds = pyhrf.jde_from_bids(
        surface_set, sub_labels=["01"], space_label=space, model=pyhrf.GLM(size, engine="serial")
    )
    assert len(models) == len(answer) >= 1
    for model, name, *data in zip(models, answer, images, events, confounds, strict=True):
        model.fit(*data)
        of_app = answer[name].directory
        names = [p.name for p in of_app.iterdir() if p.suffix in (".gz", ".tsv", ".nii", ".gii")]
        same, different, lacking = filecmp.cmpfiles(
            of_app, model.results_.directory, names, shallow=False
        )
        assert (different, lacking) == ([], [])
        assert len(same) > 8


def test_an_image_in_memory_is_no_atlas_of_a_data_set(made_set: Path) -> None:
    import nibabel as nib
    import numpy as np

    atlas = nib.Nifti1Image(np.ones((4, 4, 4), np.int32), np.eye(4))
    with pytest.raises(pyhrf.InputError, match="must be a path or a size"):
        pyhrf.jde_from_bids(made_set, model=pyhrf.GLM(atlas))


def test_what_is_not_there_is_said(made_set: Path) -> None:
    with pytest.raises(pyhrf.InputError, match="99"):
        pyhrf.jde_from_bids(made_set, sub_labels=["99"])


def _message(data: DataSet, **arguments: Any) -> str:
    with pytest.raises(pyhrf.PyhrfError) as raised:
        pyhrf.jde_from_bids(data.root, **arguments)
    return str(raised.value)


@pytest.mark.parametrize(
    ("spaces", "arguments", "said"),
    [
        (["space-A", "space-B"], {}, "choose one with space_label"),
        (["space-A"], {"space_label": "C"}, 'space_label="C": there is no such space'),
        (["space-A_res-1", "space-A_res-2"], {"space_label": "A"}, 'space_label="A" could be'),
        (["space-A_cohort-1", "space-A_cohort-2"], {}, 'choose one with space_label="A:cohort-1"'),
        ([""], {}, 'with space_label, or a single run with img_filters=[("run", …)] and [("ses"'),
    ],
)
def test_spaces_are_arguments(
    data: DataSet, spaces: list[str], arguments: dict[str, Any], said: str
) -> None:
    data.run("sub-01_task-a_run-1", *spaces)
    data.run("sub-01_task-a_run-2", *spaces)
    assert said in _message(data, **arguments)


def test_notes_are_logged_with_arguments(data: DataSet, caplog: pytest.LogCaptureFixture) -> None:
    data.run("sub-01_task-a", MNI, "space-T1w")
    data.touch(f"{PREP}/sub-01/func/sub-01_task-a_hemi-L_space-fsnative_bold.func.gii")
    data.touch(f"{PREP}/sub-01/func/sub-01_task-a_{MNI}_desc-aroma_bold.nii.gz")
    with pytest.raises(pyhrf.PyhrfError):  # the files are empty
        pyhrf.jde_from_bids(data.root)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "using volumes; space_label chooses surfaces" in said
    assert "space_label chooses another (T1w)" in said
    assert 'img_filters=[("desc", "aroma")] chooses it' in said


def test_files_that_lack_are_arguments(data: DataSet) -> None:
    data.run("sub-01_task-a", MNI)
    mask, confounds = (
        data.root / PREP / "sub-01" / "func" / f"sub-01_task-a{rest}"
        for rest in (f"_{MNI}_desc-brain_mask.nii.gz", "_desc-confounds_timeseries.tsv")
    )
    mask.unlink()
    assert "give an atlas (parcellation of the model)" in _message(data)
    confounds.unlink()
    assert 'confound_columns="none" of the model works without' in _message(data)
    # what the model says of confounds counts
    without = pyhrf.GLM(confound_columns="none")
    assert "there is no brain mask" in _message(data, model=without)
    (data.root / "sub-01" / "func" / "sub-01_task-a_events.tsv").unlink()
    assert "dataset_path is the data set with the events, derivatives_folder" in _message(data)


def test_folders_are_arguments(data: DataSet, tmp_path: Path) -> None:
    (data.root / "dataset_description.json").unlink()
    assert "validate=False takes it as it is" in _message(data)
    assert "validate" not in _message(data, validate=False)
    (data.root / PREP).rename(data.root / "else")
    assert "name their folder (derivatives_folder)" in _message(data, validate=False)


@pytest.mark.parametrize(
    ("filters", "said"),
    [
        ([("task", "a")], "img_filters: ('task', 'a') is not allowed"),
        (["run-1"], "img_filters: 'run-1' is not allowed"),
        ([("desc", "a"), ("desc", "b")], "desc is given twice"),
        ([("run", "7")], "7"),
    ],
)
def test_filters_that_are_refused(data: DataSet, filters: list[Any], said: str) -> None:
    data.run("sub-01_task-a_run-1")
    assert said in _message(data, img_filters=filters)


def test_filters_choose_runs(made_set: Path) -> None:
    some = {"sub_labels": ["01"], "model": pyhrf.GLM(60)}
    _, (images,), _, _ = pyhrf.jde_from_bids(made_set, img_filters=[("run", "2")], **some)
    _, (both,), _, _ = pyhrf.jde_from_bids(made_set, **some)
    assert images == both[1:]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"fd_threshold": -1.0}, "fd_threshold: -1.0 is not allowed"),
        ({"event_column": "nix"}, "(event_column of the model)"),
        ({"amplitude_column": "nix"}, "(amplitude_column of the model)"),
    ],
)
def test_parameters_of_the_model_count_and_are_named(
    made_set: Path, parameters: dict[str, Any], said: str
) -> None:
    with pytest.raises(pyhrf.PyhrfError) as raised:
        pyhrf.jde_from_bids(made_set, sub_labels=["01"], model=pyhrf.GLM(60, **parameters))
    assert said in str(raised.value)


def test_surfaces_name_the_model(surface_set: Path, tmp_path: Path) -> None:
    mesh = min((surface_set / PREP / "sub-01" / "anat").glob("*hemi-L*midthickness.surf.gii"))
    atlas = tmp_path / "x.label.gii"
    shutil.copy(mesh, atlas)
    for model, space, said in (
        (pyhrf.GLM(60, meshes=mesh), None, "meshes of the model"),
        (pyhrf.GLM(60, meshes=mesh), None, "ask for a surface with space_label"),
        (pyhrf.GLM(atlas), "fsnative", "parcellation of the model"),
        (pyhrf.GLM(mesh), None, "parcellation of the model"),
    ):
        with pytest.raises(pyhrf.PyhrfError) as raised:
            pyhrf.jde_from_bids(surface_set, sub_labels=["01"], space_label=space, model=model)
        assert said in str(raised.value)


def test_both_have_a_word_for_the_same_things() -> None:
    """Every name that messages of BIDS data sets ask for has a word in Python, no option."""
    assert ARGUMENTS.keys() == OPTIONS.keys() - {"output", "fresh"}
    assert not [word for word in ARGUMENTS.values() if re.search(r"(^|\W)-{1,2}[a-z]", word)]
    texts = [
        path.read_text("utf-8")
        for folder in ("bids", "inputs")
        for path in (Path(pyhrf.__file__).parent / folder).glob("*.py")
        if folder == "bids" or path.name.startswith("bids")
    ]
    asked = {name for text in texts for name in re.findall(r"""named\(['"](\w+)""", text)}
    assert asked <= ARGUMENTS.keys()
    options = "|".join(word.split()[0] for word in OPTIONS.values() if word.startswith("--"))
    for text in texts:
        assert "OPTIONS = " in text or not re.search(rf'"[^"\n]*({options})\b', text)
