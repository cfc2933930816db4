from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bids_names_only import DataSet, Planning
from bids_sets import SPEC
from bids_surface_sets import add_cifti, add_gifti

from pyhrf.bids.options import BidsOptions
from pyhrf.bids.plan import Plan, make_plan
from pyhrf.bids.words import OPTIONS
from pyhrf.inputs.bids import Selection
from pyhrf.simulation.bids import write_bids
from pyhrf.wording import speaking


@pytest.fixture
def as_the_command() -> Iterator[None]:
    """Read messages as the command says them, of functions below it, too."""
    with speaking(OPTIONS):
        yield


@pytest.fixture(scope="session")
def made_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of three participants with two runs; not to be changed."""
    folder = tmp_path_factory.mktemp("bids") / "ds"
    write_bids(SPEC, 3, folder)
    return folder


@pytest.fixture(scope="session")
def surface_set(made_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set with series of two participants on surfaces too; not to be changed."""
    root = Path(shutil.copytree(made_set, tmp_path_factory.mktemp("surfaces") / "ds"))
    add_gifti(root, "01", "02")
    add_cifti(root, "01", "02")
    return root


@pytest.fixture
def dataset(made_set: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made_set, tmp_path / "ds"))


@pytest.fixture
def data(tmp_path: Path) -> DataSet:
    return DataSet(tmp_path / "ds")


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def plan(data: DataSet, told: list[str], as_the_command: None) -> Planning:
    def make(*, space: str | None = None, **values: Any) -> Plan:
        names = ("sessions", "tasks", "runs", "acq", "ce", "rec", "dir")
        labels = {key: values.pop(key, ()) for key in names}
        options = BidsOptions(
            bids_dir=data.root,
            out_dir=data.root.parent / "out",
            selection=Selection(space=space, desc=values.pop("desc", "preproc"), **labels),
            **values,
        )
        return make_plan(options, told.append)

    return make
