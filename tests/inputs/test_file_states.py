"""A file that is replaced after it was opened is not read as the one whose checksum is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from input_files import Files, WriteNifti

from pyhrf.errors import InputError
from pyhrf.inputs.dataset import open_dataset


@pytest.mark.parametrize("which", ["bold", "parcellation"])
@pytest.mark.parametrize("when", ["before the checksums", "before the values are read"])
def test_dataset__refuses_files_that_were_replaced(
    files: tuple[Files, Path], write_nifti: WriteNifti, bold: np.ndarray, which: str, when: str
) -> None:
    run, parcellation = files
    dataset = open_dataset(runs=[run], parcellation=parcellation)
    path = run.bold if which == "bold" else parcellation
    if when == "before the values are read":
        dataset.checksums()
    other = path.with_name(f"other-{path.name}")
    other.write_bytes(path.read_bytes())
    other.replace(path)
    step = dataset.checksums if when == "before the checksums" else dataset.read
    with pytest.raises(InputError, match="was changed or replaced") as caught:
        step()
    assert str(path) in str(caught.value)
    with pytest.raises(InputError, match="was changed or replaced"):
        dataset.load([2])
