"""``pyhrf parcellate``: from file to file."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from pyhrf.commands.exits import run_command
from pyhrf.commands.parcellate import parcellate

AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, 1], [0, 0, 4, 2], [0, 0, 0, 1]])


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call_it(*args):
        with pytest.raises(SystemExit) as caught:
            run_command(parcellate, "pyhrf parcellate", [str(arg) for arg in args])
        out, err = capfd.readouterr()
        return int(caught.value.code or 0), out + err

    return call_it


def write(labels):
    nib.Nifti1Image(np.asarray(labels), AFFINE).to_filename("in.nii")
    return "in.nii"


def test_parcellate__mask_gives_what_an_analysis_takes(call):
    source = write(np.ones((6, 5, 3), np.uint8))
    code, text = call("mask", source, "--size", 40, "-o", "out.nii.gz")
    assert code == 0, text
    image = nib.load("out.nii.gz")
    np.testing.assert_array_equal(image.affine, AFFINE)
    assert image.get_data_dtype() == np.int32
    numbers, sizes = np.unique(image.dataobj, return_counts=True)
    assert numbers[0] == 1
    assert sizes.max() <= 40
    assert f"{len(numbers)} parcels of {sizes.min()} to {sizes.max()} voxels" in text


def test_parcellate__operations_follow_each_other(call):
    labels = np.zeros((7, 1, 1), np.int16)
    labels[:, 0, 0] = [4, 4, 2, 0, 4, 5, 5]
    write(labels)
    assert call("contiguous", "in.nii", "-o", "1.nii.gz")[0] == 0
    assert call("merge", "1.nii.gz", "--smallest", 2, "-o", "2.nii.gz")[0] == 0
    assert call("extract", "2.nii.gz", 4, "-o", "3.nii.gz")[0] == 0
    found = [nib.load(f"{i}.nii.gz").get_fdata().ravel().tolist() for i in (1, 2, 3)]
    assert found[0] == [4, 4, 2, 0, 6, 5, 5]
    assert found[1] == [4, 4, 4, 0, 5, 5, 5]
    assert found[2] == [4, 4, 4, 0, 0, 0, 0]


def test_parcellate__resample_lies_on_the_grid_of_the_data(call):
    labels = np.zeros((4, 4, 4), np.int16)
    labels[0], labels[3] = 5, 8
    write(labels)
    affine = AFFINE.copy()
    affine[0, 3] = 6  # one voxel on: the first plane is outside
    nib.Nifti1Image(np.ones((3, 4, 4, 5), np.float32), affine).to_filename("bold.nii")
    code, text = call("resample", "in.nii", "--onto", "bold.nii", "-o", "out.nii.gz")
    assert code == 0, text
    assert "nearest neighbour: 1 of 2 parcels lie on the grid" in text
    image = nib.load("out.nii.gz")
    np.testing.assert_array_equal(image.get_fdata(), labels[1:])
    np.testing.assert_array_equal(image.affine, affine)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mask", "in.nii", "-o", "out.nii"], "written as .nii.gz"),
        (["mask", "in.nii", "-o", "there.nii.gz"], "is not overwritten"),
        (["mask", "in.nii", "-o", "no/out.nii.gz"], "there is no folder"),
        (["mask", "none.nii"], "none.nii: there is no such file"),
        (["extract", "in.nii", "3"], "in.nii: there is no parcel 3"),
        (["mask", "empty.nii"], "empty.nii: the mask is empty"),
    ],
)
def test_parcellate__refuses_with_one_sentence(call, tmp_path, arguments, message):
    write(np.zeros((2, 2, 2), np.int16))
    (tmp_path / "in.nii").rename("empty.nii")
    write(np.ones((2, 2, 2), np.int16))
    (tmp_path / "there.nii.gz").write_bytes(b"mine")
    before = sorted(path.name for path in tmp_path.iterdir())
    code, text = call(*arguments)
    assert code == 1
    assert message in text
    assert len(text.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert (tmp_path / "there.nii.gz").read_bytes() == b"mine"


def test_resample__takes_the_names_with_it(call, tmp_path):
    atlas = nib.Nifti1Image(np.ones((4, 4, 4), np.int32), np.diag([4.0, 4, 4, 1]))
    bold = nib.Nifti1Image(np.zeros((8, 8, 8, 3), np.float32), np.diag([2.0, 2, 2, 1]))
    nib.save(atlas, tmp_path / "atlas.nii.gz")
    nib.save(bold, tmp_path / "bold.nii.gz")
    names = "index\tname\n1\tcortex\n"
    (tmp_path / "atlas.tsv").write_text(names)
    (tmp_path / "two.tsv").write_text("mine")
    words = ["resample", "atlas.nii.gz", "--onto", "bold.nii.gz", "-o"]
    assert call(*words, "one.nii.gz")[0] == 0
    assert (tmp_path / "one.tsv").read_text() == names
    code, said = call(*words, "two.nii.gz")
    assert code == 0
    assert "two.tsv exists and stays as it is" in said
    assert (tmp_path / "two.tsv").read_text() == "mine"
    assert call("extract", "one.nii.gz", 1, "-o", "three.nii.gz")[0] == 0
    assert (tmp_path / "three.tsv").read_text() == names
