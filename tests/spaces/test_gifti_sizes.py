"""What is read of a GIFTI file without its values."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf import InputError
from pyhrf.spaces.gifti import read_head
from pyhrf.spaces.surfaces import structure_of


def written(path: Path, *arrays: np.ndarray) -> Path:
    image = nib.GiftiImage()
    for array in arrays:
        one = nib.gifti.GiftiDataArray(array, intent="time series", datatype="float32")
        image.add_gifti_data_array(one)
    image.meta["AnatomicalStructurePrimary"] = "CortexRight"
    image.to_filename(path)
    return path


def test_read_head__of_an_array_per_scan_or_of_all(tmp_path: Path) -> None:
    values = np.arange(14, dtype=np.float32).reshape(2, 7)
    assert read_head(written(tmp_path / "scans.gii", *values)) == ((7,), "CortexRight")
    assert read_head(written(tmp_path / "all.gii", values)) == ((2, 7), "CortexRight")
    packed = tmp_path / "scans.gii.gz"
    packed.write_bytes(gzip.compress((tmp_path / "scans.gii").read_bytes()))
    assert read_head(packed) == ((7,), "CortexRight")


def test_read_head__looks_no_further(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.gii", *np.random.default_rng(1).normal(size=(9, 9000)))
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    assert read_head(whole) == ((9000,), "CortexRight")


@pytest.mark.parametrize("content", [b"", b"no XML", b"<GIFTI>", b"<GIFTI></GIFTI>"])
def test_read_head__refuses_what_is_no_gifti(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gii"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.gii"):
        read_head(path)
    with pytest.raises(InputError, match="there is no such file"):
        read_head(tmp_path / "none.gii")


def test_read_head__takes_the_structure_from_the_first_array_too(tmp_path: Path) -> None:
    image = nib.load(written(tmp_path / "a.gii", *np.zeros((2, 5), np.float32)))
    del image.meta["AnatomicalStructurePrimary"]
    image.to_filename(tmp_path / "none.gii")
    assert read_head(tmp_path / "none.gii") == ((5,), "")
    image.meta["Name"] = "AnatomicalStructurePrimary"  # a value, not a name
    for one, structure in zip(image.darrays, ("CortexLeft", "CortexRight"), strict=True):
        one.meta["AnatomicalStructurePrimary"] = structure
    image.to_filename(tmp_path / "left.gii")
    assert read_head(tmp_path / "left.gii") == ((5,), "CortexLeft")


def test_structure_of__a_file(tmp_path: Path) -> None:
    values = np.zeros(3, np.float32)
    path = written(tmp_path / "a.gii", values)
    assert structure_of(path) == "CortexRight"
    image = nib.load(path)
    del image.meta["AnatomicalStructurePrimary"]
    image.to_filename(path)
    assert structure_of(path) == ""
