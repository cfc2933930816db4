"""Names that the fixtures and the tests of this folder share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

AFFINE = np.array([[-3.0, 0, 0, 78], [0, 3, 0, -93], [0, 0, 3.5, -67.5], [0, 0, 0, 1]])

WriteNifti = Callable[..., Path]


class Files(NamedTuple):
    """The files of one run."""

    bold: Path
    paradigm: Path
