"""Volumes whose headers do not say how they lie in space."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from input_files import Files

from pyhrf.errors import InputError
from pyhrf.inputs.dataset import open_dataset
from pyhrf.inputs.projection import project_labels
from pyhrf.inputs.templates import template_notes
from pyhrf.spaces.kinds import open_data
from pyhrf.spaces.surfaces import Mesh
from pyhrf.spaces.volumes import check_oriented, open_volume

AFFINE = np.diag([3.0, 3, 3, 1])
LABELS = np.ones((5, 4, 3), np.int16)
SERIES = np.random.default_rng(0).normal(100, 1, (5, 4, 3, 10)).astype(np.float32)


def write(path: Path, values: np.ndarray, *, codes: tuple[int, int] = (0, 2)) -> Path:
    image = nib.Nifti1Image(values, AFFINE)
    image.set_qform(AFFINE, codes[0])
    image.set_sform(AFFINE, codes[1])
    image.to_filename(path)
    return path


@pytest.mark.parametrize(("codes", "oriented"), [((0, 0), False), ((1, 0), True), ((0, 4), True)])
def test_check_oriented__either_code_is_enough(tmp_path, codes, oriented):
    volume = open_volume(write(tmp_path / "a.nii", LABELS, codes=codes), n_dims=3)
    assert volume.oriented is oriented
    if oriented:
        check_oriented(volume)
    else:
        with pytest.raises(InputError, match="qform_code and sform_code are 0"):
            check_oriented(volume)


@pytest.mark.parametrize("lost", ["bold.nii", "labels.nii"])
def test_open_series__a_grid_that_is_made_up_is_not_compared(tmp_path, lost):
    bold, labels = tmp_path / "bold.nii", tmp_path / "labels.nii"
    for path, values in ((bold, SERIES), (labels, LABELS)):
        write(path, values, codes=(0, 0) if path.name == lost else (0, 2))
    with pytest.raises(InputError, match=f"{lost}: its header does not say how it lies in space"):
        open_data([bold], labels, [])


def test_open_series__files_that_all_lost_it_lie_on_one_grid(tmp_path):
    bold = write(tmp_path / "bold.nii", SERIES, codes=(0, 0))
    labels = write(tmp_path / "labels.nii", LABELS, codes=(0, 0))
    opened = open_data([bold], labels, [])
    assert opened.space.shape == (5, 4, 3)
    (note,) = opened.notes
    assert note.startswith(f"{bold}: its header does not say how it lies in space")
    assert "nor does that of 1 other file" in note
    assert "left and right cannot be known" in note


def test_open_series__files_that_say_it_get_no_note(tmp_path):
    bold = write(tmp_path / "bold.nii", SERIES, codes=(1, 0))
    assert open_data([bold], write(tmp_path / "labels.nii", LABELS), []).notes == ()


def test_open_dataset__hands_on_that_left_and_right_are_not_known(tmp_path):
    bold = write(tmp_path / "bold.nii", SERIES, codes=(0, 0))
    labels = write(tmp_path / "labels.nii", LABELS, codes=(0, 0))
    events = tmp_path / "events.tsv"
    events.write_text("onset\tduration\ttrial_type\n1\t0\ta\n")
    data = open_dataset(runs=[Files(bold, events)], parcellation=labels, tr=2.0)
    assert any("left and right cannot be known" in note for note in data.notes)


def test_project_labels__needs_to_know_where_a_volume_lies(tmp_path):
    volume = open_volume(write(tmp_path / "a.nii", LABELS, codes=(0, 0)), n_dims=3)
    triangles = np.int32([[0, 1, 2]])
    mesh = Mesh(Path("m"), np.eye(3), triangles, np.int32([[0, 1], [0, 2], [1, 2]]), "")
    with pytest.raises(InputError, match="does not say how it lies in space"):
        project_labels(volume, mesh)


@pytest.mark.parametrize(
    ("name", "about", "space", "said"),
    [
        ("tpl-MNI152NLin6Asym_atlas-X_dseg.nii.gz", {}, "MNI152NLin2009cAsym", "MNI152NLin6Asym"),
        ("atlas-X_space-T1w_dseg.nii.gz", {}, "MNI152NLin2009cAsym", "T1w"),
        ("sub-01_space-MNI152NLin2009cAsym_dseg.nii", {}, "func", "MNI152NLin2009cAsym"),
        ("Schaefer_FSLMNI152_2mm.nii.gz", {}, "MNI152NLin2009cAsym", "MNI152NLin6Asym"),
        ("tpl-fsLR_hemi-L_dseg.label.gii", {}, "fsaverage5", "fsLR"),
        ("x.nii.gz", {"Space": "MNI152NLin6Asym"}, "MNI152NLin2009cAsym", "MNI152NLin6Asym"),
        (
            "x.nii.gz",
            {"SpatialReference": "https://x.org/tpl-MNI152NLin6Asym_res-02_T1w.nii.gz"},
            "MNI152NLin2009cAsym",
            "MNI152NLin6Asym",
        ),
        ("tpl-MNI152NLin2009cAsym_dseg.nii.gz", {}, "MNI152NLin2009cAsym", ""),
        ("Schaefer_FSLMNI152_2mm.nii.gz", {}, "MNI152NLin6Asym", ""),
        ("space-MNI152_dseg.nii.gz", {}, "MNI152NLin6Asym", ""),
        ("tpl-fsaverage_den-10k_hemi-L_dseg.label.gii", {}, "fsaverage5", ""),
        ("x.nii.gz", {"SpatialReference": "orig"}, "MNI152NLin6Asym", ""),
        ("x.nii.gz", {"SpatialReference": 5}, "MNI152NLin6Asym", ""),
        ("x.nii.gz", {}, "MNI152NLin6Asym", ""),
        ("tpl-MNI152NLin6Asym_dseg.nii.gz", {}, None, ""),
    ],
)
def test_template_notes__names_both_spaces(tmp_path, name, about, space, said):
    if about:
        (tmp_path / "x.json").write_text(json.dumps(about))
    notes = template_notes(tmp_path / name, space)
    assert len(notes) == bool(said)
    if said:
        assert f"the atlas is of {said}, and the data are in the space {space}" in notes[0]
