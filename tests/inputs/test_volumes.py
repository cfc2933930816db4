"""NIfTI files: what their headers say, and what is wrong with bad ones."""

from __future__ import annotations

import contextlib
import gzip
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from input_files import AFFINE, WriteNifti, patch, read_all

from pyhrf.errors import InputError
from pyhrf.spaces.volumes import grid_difference, open_volume
from pyhrf.spaces.voxels import read_voxels


def test_open_volume__goes_by_content_not_by_name(
    write_nifti: WriteNifti, tmp_path: Path, bold: np.ndarray
) -> None:
    path = write_nifti("bold.nii.gz", bold).rename(tmp_path / "bold.nii")
    assert open_volume(path, n_dims=4).compressed
    np.testing.assert_array_equal(read_all(path), bold.reshape(-1, bold.shape[3]).T)


def test_open_volume__accepts_several_gzip_members_and_a_tail(
    write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    path = write_nifti("bold.nii", bold)
    raw = path.read_bytes() + b"tail"
    path.write_bytes(gzip.compress(raw[:700]) + gzip.compress(raw[700:]) + gzip.compress(b""))
    np.testing.assert_array_equal(read_all(path), bold.reshape(-1, bold.shape[3]).T)


def test_open_volume__accepts_trailing_dimensions_of_one(
    write_nifti: WriteNifti, bold: np.ndarray, labels: np.ndarray
) -> None:
    assert open_volume(write_nifti("a.nii", bold[..., None]), n_dims=4).shape == bold.shape
    assert open_volume(write_nifti("b.nii", labels[..., None]), n_dims=3).shape == labels.shape


@pytest.mark.parametrize(
    ("tr", "units", "seconds"),
    [
        (2.4, "sec", 2.4),
        (2.4, "unknown", 2.4),
        (2400, "msec", 2.4),
        (7.2e5, "usec", 0.72),
        (0, "sec", None),
        (np.nan, "sec", None),
        (2.0, "hz", None),
    ],
)
def test_open_volume__gives_tr_in_seconds(
    write_nifti: WriteNifti, bold: np.ndarray, tr: float, units: str, seconds: float | None
) -> None:
    assert open_volume(write_nifti("b.nii", bold, tr=tr, units=units), n_dims=4).tr == seconds


# What is wrong with a file, and what is to be read about it


def refuse(path: Path, n_dims: int, *words: str) -> None:
    """Expect an InputError in one line, with the path and some words."""
    with pytest.raises(InputError) as caught:
        open_volume(path, n_dims=n_dims)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_open_volume__refuses_a_missing_file(tmp_path: Path) -> None:
    refuse(tmp_path / "nowhere.nii.gz", 4, "there is no such file")


def test_open_volume__refuses_a_folder(tmp_path: Path) -> None:
    refuse(tmp_path, 4, "folder")


@pytest.mark.parametrize("content", [b"", gzip.compress(b"")], ids=["plain", "gz"])
def test_open_volume__refuses_an_empty_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(content)
    refuse(path, 4, "the file is empty")


@pytest.mark.parametrize(
    "content", [b"0 a 1.0\n" * 100, b"x", gzip.compress(b"y" * 1000)], ids=["text", "x", "gz"]
)
def test_open_volume__refuses_what_is_no_nifti(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bold.nii"
    path.write_bytes(content)
    refuse(path, 4, "not a NIfTI file")


@pytest.mark.parametrize("name", ["bold.nii", "bold.nii.gz"])
def test_open_volume__refuses_a_truncated_file(
    write_nifti: WriteNifti, bold: np.ndarray, name: str
) -> None:
    path = write_nifti(name, bold)
    content = path.read_bytes()
    for n_bytes in (len(content) - 1, len(content) - 9, len(content) // 2, 700):
        path.write_bytes(content[:n_bytes])
        refuse(path, 4, "truncated", "copy it again")


@pytest.mark.parametrize("n_bytes", [1, 11, 30])
def test_open_volume__refuses_a_gzip_file_cut_in_its_first_bytes(
    write_nifti: WriteNifti, bold: np.ndarray, n_bytes: int
) -> None:
    path = write_nifti("bold.nii.gz", bold)
    path.write_bytes(path.read_bytes()[:n_bytes])
    refuse(path, 4, "truncated" if n_bytes > 1 else "not a NIfTI file")


def test_open_volume__refuses_a_complete_gzip_file_of_too_few_values(
    write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    path = write_nifti("bold.nii", bold)
    path.write_bytes(gzip.compress(path.read_bytes()[:-2]))
    refuse(path, 4, "truncated", "promises 2752 bytes and 2750 are there")


def test_open_volume__refuses_one_volume_as_series(
    write_nifti: WriteNifti, labels: np.ndarray
) -> None:
    refuse(write_nifti("a.nii", labels), 4, "one volume (5x4x3)", "4D")
    refuse(write_nifti("b.nii", labels[..., None]), 4, "one volume (5x4x3x1)", "4D")


def test_open_volume__refuses_a_series_as_volume(write_nifti: WriteNifti, bold: np.ndarray) -> None:
    refuse(write_nifti("a.nii", bold), 3, "4 dimensions (5x4x3x20) instead of 3")


def test_open_volume__refuses_other_than_real_numbers(write_nifti: WriteNifti) -> None:
    complex_ = np.zeros((2, 2, 2, 3), np.complex64)
    rgb = np.zeros((2, 2, 2, 3), [("R", "u1"), ("G", "u1"), ("B", "u1")])
    refuse(write_nifti("a.nii", complex_), 4, "complex64")
    refuse(write_nifti("b.nii", rgb), 4, "RGB")


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_open_volume__refuses_an_affine_that_maps_nothing(
    write_nifti: WriteNifti, bold: np.ndarray, bad: float
) -> None:
    path = write_nifti("bold.nii", bold)
    patch(path, 296, [0, bad, 0, -93])  # srow_y
    refuse(path, 4, "affine")


def test_open_volume__refuses_half_a_pair(
    write_nifti: WriteNifti, tmp_path: Path, bold: np.ndarray
) -> None:
    write_nifti("bold.img", bold, kind=nib.Nifti1Pair)
    refuse(tmp_path / "bold.hdr", 4, ".hdr/.img pair")


def test_open_volume__refuses_a_scale_without_meaning(
    write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    path = write_nifti("bold.nii", bold)
    patch(path, 112, [2.0, np.nan])
    refuse(path, 4, "scl_slope and scl_inter")


@given(
    changes=st.lists(st.tuples(st.integers(0, 351), st.integers(0, 255)), min_size=1, max_size=4)
)
@example(changes=[(111, 127)])  # the offset of the values is NaN
@example(changes=[(110, 128), (111, 127)])  # and infinite
def test_open_volume__never_fails_otherwise_on_a_broken_header(
    changes: list[tuple[int, int]],
) -> None:
    image = nib.Nifti1Image(np.ones((2, 2, 2, 3), np.int16), AFFINE)
    raw = bytearray(image.to_bytes())
    for place, byte in changes:
        raw[place] = byte
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bold.nii")
        path.write_bytes(raw)
        with contextlib.suppress(InputError):
            volume = open_volume(path, n_dims=4)
            read_voxels(volume, np.arange(np.prod(volume.grid)))


# The same grid


@pytest.mark.parametrize("n_scans", [1, 4])
def test_grid_difference__compares_volume_and_series(
    write_nifti: WriteNifti, bold: np.ndarray, labels: np.ndarray, n_scans: int
) -> None:
    series = open_volume(write_nifti("a.nii", bold), n_dims=4)
    assert grid_difference(open_volume(write_nifti("b.nii", labels), n_dims=3), series) is None


def test_grid_difference__measures_the_shift_of_corners(
    write_nifti: WriteNifti, labels: np.ndarray
) -> None:
    reference = open_volume(write_nifti("a.nii", labels), n_dims=3)

    def shifted(entry: tuple[int, int], by: float) -> str | None:
        affine = AFFINE.copy()
        affine[entry] += by
        path = write_nifti("b.nii", labels, affine=affine)
        return grid_difference(open_volume(path, n_dims=3), reference)

    assert shifted((0, 3), 1e-4) is None
    assert shifted((0, 0), 1e-4) is None
    assert "0.5 mm" in str(shifted((1, 3), 0.5))
    assert "0.4 mm" in str(shifted((0, 0), 0.1))  # four voxels away


def test_grid_difference__names_both_sizes(write_nifti: WriteNifti, labels: np.ndarray) -> None:
    reference = open_volume(write_nifti("a.nii", labels), n_dims=3)
    other = open_volume(write_nifti("b.nii", labels[1:]), n_dims=3)
    assert grid_difference(other, reference) == "its grid is 4x4x3 voxels instead of 5x4x3"


@pytest.mark.parametrize(("pixdim", "tr"), [((0, 2), 2), ((2, 2), 2), ((2, 0), None)])
def test_open_volume__takes_a_series_along_the_fifth_dimension(
    write_nifti: WriteNifti, bold: np.ndarray, pixdim: tuple[float, float], tr: float | None
) -> None:
    flat = open_volume(write_nifti("flat.nii", bold), n_dims=4)
    path = write_nifti("a.nii", bold[:, :, :, np.newaxis])
    image = nib.load(path)
    image.header["pixdim"][4:6] = pixdim
    image.header.set_xyzt_units("mm", "sec")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj).copy(), None, image.header), path)
    volume = open_volume(path, n_dims=4)
    assert (volume.shape, volume.tr) == (flat.shape, tr)
    everywhere = np.arange(np.prod(volume.grid))
    np.testing.assert_array_equal(read_voxels(volume, everywhere), read_voxels(flat, everywhere))


def test_open_volume__vectors_are_no_series(write_nifti: WriteNifti, bold: np.ndarray) -> None:
    path = write_nifti("a.nii", bold[:, :, :, np.newaxis])
    image = nib.load(path)
    image.header.set_intent("vector")
    nib.save(image, path)
    with pytest.raises(InputError, match=r"5 dimensions \(5x4x3x1x20\) instead of 4"):
        open_volume(path, n_dims=4)
