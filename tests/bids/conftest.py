from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from bids_sets import SPEC

from pyhrf.simulation.bids import write_bids


@pytest.fixture(scope="session")
def made_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three participants with two runs; not to be changed."""
    folder = tmp_path_factory.mktemp("bids") / "ds"
    write_bids(SPEC, 3, folder)
    return folder


@pytest.fixture
def dataset(made_set: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made_set, tmp_path / "ds"))
