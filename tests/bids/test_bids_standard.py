"""Names of files against the schema of BIDS itself."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bids_sets import run_bids
from bidsschematools.rules import regexify_filename_rules
from bidsschematools.schema import load_schema

from pyhrf.inputs.bids_names import parse_name

Knows = Callable[[str], bool]


def rules(*groups: str) -> Knows:
    schema: Any = load_schema()
    patterns = [
        re.compile(rule["regex"])
        for group in groups
        for rule in regexify_filename_rules(schema.rules.files[group], schema, level=2)
    ]
    return lambda name: any(pattern.fullmatch(name) for pattern in patterns)


@pytest.fixture(scope="module")
def of_raw() -> Knows:
    schema: Any = load_schema()
    patterns = [
        re.compile(rule["regex"])
        for rule in regexify_filename_rules(schema.rules.files.common, schema, level=2)
    ]
    known = rules("raw")
    return lambda name: known(name) or any(pattern.fullmatch(name) for pattern in patterns)


def names_in(folder: Path) -> list[str]:
    return [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and not path.relative_to(folder).parts[0].startswith(".")
    ]


def test_schema__tells_right_from_wrong(of_raw: Knows) -> None:
    assert of_raw("sub-01/func/sub-01_task-x_bold.nii.gz")
    assert not of_raw("sub-01/func/sub-02_task-x_bold.nii.gz")
    assert not of_raw("sub-01/func/sub-01_bold.nii.gz")


def test_simulated_data_set__is_named_as_bids_has_it(made_set: Path, of_raw: Knows) -> None:
    names = [name for name in names_in(made_set) if not name.startswith("derivatives/")]
    assert len(names) > 10
    assert [name for name in names if not of_raw(name)] == []


def test_simulated_derivatives__are_named_as_bids_has_it(made_set: Path) -> None:
    known = rules("deriv")
    names = [
        name
        for name in names_in(made_set / "derivatives" / "fmriprep")
        # The schema does not have fMRIPrep's confounds yet.
        if "/" in name and "desc-confounds_timeseries" not in name
    ]
    assert len(names) == 3 * 2 * 4
    assert [name for name in names if not known(name)] == []


SPACES = pytest.mark.parametrize("space", ["MNI152NLin2009cAsym", "fsnative", "fsLR"])


@SPACES
def test_derivatives__are_named_as_bids_has_it_or_ignored(
    surface_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], space: str
) -> None:
    out = tmp_path / "out"
    words = ("participant", "-x", "serial", "--participant-label", "01", "-C", "d=cond1-cond2")
    words = (*words, "--single-trials")
    assert run_bids(capfd, surface_set, out, *words, "--space", space).code == 0
    known, at_top = rules("deriv"), {"dataset_description.json"}
    ignored = (out / ".bidsignore").read_text().split()
    names = [name for name in names_in(out) if name not in at_top]
    strange = [
        name
        for name in names
        if not known(name)
        and not any(fnmatch.fnmatch(name.rpartition("/")[2], pattern) for pattern in ignored)
    ]
    assert strange == []
    # Of volumes the parcels, map, table and JSON, and the mask of what was estimated with its JSON.
    # The schema does not have surfaces yet.
    assert sum(map(known, names)) == (5 if space.startswith("MNI") else 0)


@SPACES
def test_derivatives__entities_are_in_the_order_of_bids(
    surface_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], space: str
) -> None:
    schema: Any = load_schema()
    order = [schema.objects.entities[name]["name"] for name in schema.rules.entities]
    # Of nilearn's statistical maps, which the schema does not have yet.
    order += ["contrast", "stat"]
    words = ("participant", "-x", "serial", "--participant-label", "02", "--space", space)
    words = (*words, "--single-trials")
    assert run_bids(capfd, surface_set, tmp_path / "out", *words).code == 0
    files = list((tmp_path / "out" / "sub-02" / "func").iterdir())
    assert files
    for path in files:
        name = parse_name(path)
        assert name is not None, path
        places = [order.index(entity) for entity in name.entities]
        assert places == sorted(places), path
