"""Values of NIfTI files, as nibabel reads them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from input_files import AFFINE, WriteNifti, patch, read_all

from pyhrf.errors import InputError
from pyhrf.spaces import voxels as voxels_module
from pyhrf.spaces.volumes import open_volume
from pyhrf.spaces.voxels import read_voxels, scaled

INTEGERS = ["i1", "u1", "<i2", ">i2", "u2", "<i4", "u4", "i8", "u8"]
FLOATS = ["<f4", ">f4", "<f8", ">f8"]


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("dtype", INTEGERS + FLOATS)
def test_read_voxels__equals_nibabel_for_every_type(
    tmp_path: Path, rng: np.random.Generator, dtype: str, kind: type, suffix: str
) -> None:
    values = rng.integers(0, 120, (4, 5, 3, 7)).astype(dtype)
    header = kind.header_class(endianness=">" if dtype.startswith(">") else "<")
    header.set_data_dtype(dtype)
    path = tmp_path / f"bold{suffix}"
    kind(values, AFFINE, header, dtype=values.dtype).to_filename(path)
    expected = nib.load(path).get_fdata(dtype=np.float32).reshape(-1, 7).T

    voxels = rng.permutation(60)[:23]
    volume = open_volume(path, n_dims=4)
    stored = read_voxels(volume, voxels)
    assert volume.dtype == np.dtype(dtype)
    assert stored.dtype == (np.float32 if dtype in FLOATS else np.dtype(dtype).newbyteorder("="))
    result = scaled(volume, stored)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected[:, voxels])


@pytest.mark.parametrize(("slope", "inter"), [(0.25, 0.0), (-3.7, 12.5), (1.0, -1000.0)])
def test_read_voxels__honours_the_scale(
    write_nifti: WriteNifti, bold: np.ndarray, slope: float, inter: float
) -> None:
    path = write_nifti("bold.nii", bold)
    patch(path, 112, [slope, inter])  # scl_slope, scl_inter
    expected = nib.load(path).get_fdata().reshape(-1, bold.shape[3]).T
    np.testing.assert_allclose(read_all(path), expected, rtol=1e-6)
    assert not np.array_equal(read_all(path), bold.reshape(-1, bold.shape[3]).T)


@pytest.mark.parametrize("slope", [0.0, np.nan, np.inf])
def test_read_voxels__takes_no_scale_for_none(
    write_nifti: WriteNifti, bold: np.ndarray, slope: float
) -> None:
    path = write_nifti("bold.nii", bold)
    patch(path, 112, [slope])
    np.testing.assert_array_equal(read_all(path), bold.reshape(-1, bold.shape[3]).T)


def test_read_voxels__keeps_nan_and_turns_what_is_too_large_to_inf(
    write_nifti: WriteNifti,
) -> None:
    values = np.zeros((2, 2, 1, 3))
    values[0, 0, 0], values[1, 1, 0, 1] = np.nan, 1e300
    result = read_all(write_nifti("bold.nii", values))
    assert np.isnan(result[:, 0]).all()
    assert result[1, 3] == np.inf


@pytest.mark.parametrize("chunk", [1, 500, 10**9])
def test_read_voxels__does_not_depend_on_the_chunk(
    write_nifti: WriteNifti, bold: np.ndarray, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(voxels_module, "_CHUNK_BYTES", chunk)
    path = write_nifti("bold.nii.gz", bold)
    np.testing.assert_array_equal(read_all(path), bold.reshape(-1, bold.shape[3]).T)


def test_read_volume__equals_nibabel(write_nifti: WriteNifti, labels: np.ndarray) -> None:
    path = write_nifti("labels.nii.gz", labels)
    np.testing.assert_array_equal(read_all(path, 3), nib.load(path).get_fdata())


def test_read_voxels__finds_damage_in_a_compressed_file(
    write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    path = write_nifti("bold.nii.gz", bold)
    content = path.read_bytes()
    for place in (len(content) // 2, len(content) - 6):  # the data; their checksum
        path.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        volume = open_volume(path, n_dims=4)
        with pytest.raises(InputError, match=r"bold\.nii\.gz: the compressed data are damaged"):
            read_voxels(volume, np.arange(60))


def test_read_voxels__finds_a_file_that_shrank(write_nifti: WriteNifti, bold: np.ndarray) -> None:
    path = write_nifti("bold.nii", bold)
    volume = open_volume(path, n_dims=4)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"bold\.nii: the file ends too early"):
        read_voxels(volume, np.arange(60))
