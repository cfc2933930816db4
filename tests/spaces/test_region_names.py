"""Names of regions, from the table beside a parcellation to tables and report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import pyhrf
from pyhrf.config.study import Study
from pyhrf.simulation.examples import make_example
from pyhrf.spaces.parcellations import names_file, parcel_names


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "example"
    make_example("small", folder)
    return folder


@pytest.mark.parametrize(
    "name", ["a.nii", "a.nii.gz", "a.label.gii", "a.dlabel.nii", "a.func.gii", "A.NII.GZ"]
)
def test_names_are_in_the_table_of_the_same_name(tmp_path: Path, name: str) -> None:
    stem = name[0]
    assert names_file(tmp_path / name) == tmp_path / f"{stem}.tsv"


def test_a_table_of_index_and_name_names_the_parcels(tmp_path: Path) -> None:
    atlas = tmp_path / "atlas_dseg.nii.gz"
    table = tmp_path / "atlas_dseg.tsv"
    assert parcel_names(atlas) == {}
    table.write_text("index\tname\tcolor\n1\tleft  motor\t#ff0000\n3\tV1\t#00ff00\n7\t\t#0\n")
    assert parcel_names(atlas) == {1: "left motor", 3: "V1"}


@pytest.mark.parametrize(
    "text", ["", "onset\tduration\n1\t2\n", "index\tname\nx\ty\n", "index\tname\n1\n", "\0\xff"]
)
def test_another_table_is_no_table_of_names(tmp_path: Path, text: str) -> None:
    (tmp_path / "atlas.tsv").write_bytes(text.encode("latin-1"))
    assert parcel_names(tmp_path / "atlas.nii") == {}


def analysed(example: Path, folder: Path, names: str) -> pyhrf.Results:
    atlas = shutil.copy(example / "parcellation.nii.gz", folder / "atlas.nii.gz")
    if names:
        (folder / "atlas.tsv").write_text(f"index\tname\n{names}", "utf-8")
    run = {"bold": example / "bold.nii.gz", "paradigm": example / "paradigm.tsv"}
    data = {"kind": "volume", "runs": [run], "parcellation": atlas}
    study = Study.build(data=data, estimator="glm", output=folder / "out")
    return pyhrf.analyse(study, engine="serial")


def test_names_go_to_table_and_report(example: Path, tmp_path: Path) -> None:
    results = analysed(example, tmp_path, "1\tleft <b>motor</b>\n3\tV1\n")
    table = results.parcels.set_index("parcel")["region"]
    assert table[1] == "left <b>motor</b>"
    assert table[3] == "V1"
    assert table[[2]].isna().all()
    page = (results.directory / "report.html").read_text("utf-8")
    assert "left <b>" not in page
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    parcels = {one["parcel"]: one for one in json.loads(found[1])["parcels"]}
    assert parcels[1]["region"] == "left <b>motor</b>"
    assert "region" not in parcels[2]


def test_without_names_nothing_is_said_of_regions(example: Path, tmp_path: Path) -> None:
    assert "region" not in analysed(example, tmp_path, "").parcels


def test_names_may_come_later(example: Path, tmp_path: Path) -> None:
    """They are no part of what results depend on: nothing is estimated again."""
    analysed(example, tmp_path, "")
    results = analysed(example, tmp_path, "2\tmiddle\n")
    assert list(results.parcels["region"].fillna("")) == ["", "middle", ""]
    assert sum(len(batch["parcels"]) for batch in results.provenance["batches"]) == 3
