"""What is read of a GIFTI file without its values."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf import InputError
from pyhrf.inputs.surfaces import node_counts, structure_of


def written(path: Path, *arrays: np.ndarray) -> Path:
    image = nib.GiftiImage()
    for array in arrays:
        one = nib.gifti.GiftiDataArray(array, intent="time series", datatype="float32")
        image.add_gifti_data_array(one)
    image.meta["AnatomicalStructurePrimary"] = "CortexRight"
    image.to_filename(path)
    return path


def test_node_counts__of_an_array_per_scan_or_of_all(tmp_path: Path) -> None:
    values = np.arange(14, dtype=np.float32).reshape(2, 7)
    assert node_counts(written(tmp_path / "scans.gii", *values)) == (7,)
    assert node_counts(written(tmp_path / "all.gii", values)) == (2, 7)
    packed = tmp_path / "scans.gii.gz"
    packed.write_bytes(gzip.compress((tmp_path / "scans.gii").read_bytes()))
    assert node_counts(packed) == (7,)


def test_node_counts__looks_no_further(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.gii", *np.random.default_rng(1).normal(size=(9, 9000)))
    content = whole.read_bytes()
    whole.write_bytes(content[: len(content) // 2])
    assert node_counts(whole) == (9000,)


@pytest.mark.parametrize("content", [b"", b"no XML", b"<GIFTI>", b"<GIFTI></GIFTI>"])
def test_node_counts__refuses_what_is_no_gifti(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.gii"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.gii"):
        node_counts(path)
    with pytest.raises(InputError, match="there is no such file"):
        node_counts(tmp_path / "none.gii")


def test_structure_of__a_file(tmp_path: Path) -> None:
    values = np.zeros(3, np.float32)
    path = written(tmp_path / "a.gii", values)
    assert structure_of(path) == "CortexRight"
    image = nib.load(path)
    del image.meta["AnatomicalStructurePrimary"]
    image.to_filename(path)
    assert structure_of(path) == ""
