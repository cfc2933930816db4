"""Names of regions, from the table beside a parcellation to tables and report."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import pyhrf
from pyhrf.config.study import Study
from pyhrf.results.comparison import compare_results
from pyhrf.results.naming import parcel_called, parcels_called
from pyhrf.results.plots import hrf_figure
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


def test_messages_and_figures_name_regions(example: Path, tmp_path: Path) -> None:
    results = analysed(example, tmp_path, f"1\tV1 left\n3\t{'long ' * 9}\n")
    assert results.regions == {1: "V1 left", 3: " ".join(["long"] * 9)}
    assert parcel_called(results, 1) == parcels_called(results, [1]) == "parcel 1 (V1 left)"
    assert parcel_called(results, 2) == "parcel 2"
    assert parcels_called(results, [2, 1]) == "2 parcels (2; 1 V1 left)"
    many = parcels_called(results, list(range(1, 500)))
    assert many.startswith("499 parcels (1 V1 left; 2; 3 long")
    assert many.endswith("; 4 and 495 more)")
    titles = [axis.get_title() for axis in hrf_figure(results).axes]
    assert titles[:2] == ["1 · V1 left", "parcel 2"]
    assert titles[2].startswith("3 · long long")
    assert len(titles[2]) < 40, "a panel is small"


def test_parcels_without_names_are_listed_by_number(example: Path, tmp_path: Path) -> None:
    results = analysed(example, tmp_path, "")
    assert results.regions == {}
    assert parcels_called(results, list(range(1, 11))) == (
        "10 parcels (1, 2, 3, 4, 5, 6, 7, 8 and 2 more)"
    )


def test_a_comparison_names_regions(example: Path, tmp_path: Path) -> None:
    results = analysed(example, tmp_path, "1\tV1 left\n")
    other = shutil.copytree(results.directory, tmp_path / "other")
    hrfs = compare_results([results.directory, other]).hrfs
    assert list(hrfs.columns[:2]) == ["parcel", "region"]
    assert list(hrfs["region"].fillna("")) == ["V1 left", "", ""]


def test_a_failed_parcel_is_named_on_the_screen(
    example: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from pyhrf.commands.done_before import Before
    from pyhrf.commands.estimate import _report

    results = analysed(example, tmp_path, "1\tV1 left\n")
    table = results.directory / "parcels.tsv"
    lines = table.read_text("utf-8").splitlines()
    status, reason = (lines[0].split("\t").index(name) for name in ("status", "reason"))
    row = lines[1].split("\t")
    row[status], row[reason] = "failed", "too small"
    table.write_text("\n".join([lines[0], "\t".join(row), *lines[2:]]) + "\n", "utf-8")
    _report(pyhrf.Results(results.directory), Before(lambda _: None), 1, 1.0)
    assert "parcel 1 (V1 left): too small" in capsys.readouterr().err
