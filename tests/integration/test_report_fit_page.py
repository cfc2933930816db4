"""The report's courses and design in a real browser."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from typing import Any

import numpy as np
import pytest
from test_report_page import dumped

from pyhrf.analysis import analyse
from pyhrf.config.study import Study
from pyhrf.results import Results
from pyhrf.results.report import write_report

ASK = r"""
<script>
const found = {};
const text = id => document.getElementById(id).textContent;
const drawing = () => document.querySelector("#fitCourse div svg");
const key = name => drawing().dispatchEvent(new KeyboardEvent("keydown", { key: name }));
const set = (id, value) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("input"));
};
found.first = document.getElementById("fitParcel").value;
set("fitParcel", 3);
found.chosen = document.querySelector("#grid .chosen").dataset.parcel;
found.said = text("fitText");
key("ArrowRight");
key("PageDown");
found.value = text("fitValue");
document.querySelector('#grid .hrf[data-parcel="1"]').click();
found.fromGrid = document.getElementById("fitParcel").value;
document.getElementById("fitPrevious").click();
found.previous = document.getElementById("fitParcel").value;
found.label = drawing().getAttribute("aria-label");
const drawn = ["fitCourse div", "fitLags", "designMatrix", "designCorrelation"];
found.svg = drawn.map(box => standalone(document.querySelector(`#${box} svg`)));
found.lags = document.querySelectorAll("#fitLags line[stroke='var(--blue)']").length;
document.title = JSON.stringify(found);
</script>
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    folder = tmp_path_factory.mktemp("fit")
    study = Study.build(data={"example": "small"}, output=folder / "out")
    results = analyse(study, engine="serial")
    # a name that is no HTML
    for name in ("events", "design", "conditions"):
        path = results.directory / f"{name}.tsv"
        path.write_text(path.read_text("utf-8").replace("cond1", "<b>&odd"), "utf-8")
    write_report(results.directory)
    return Results(results.directory)


@pytest.fixture(scope="module")
def found(results: Results, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    page = (results.directory / "report.html").read_text("utf-8")
    folder = tmp_path_factory.mktemp("asked")
    asking = folder / "report.html"
    asking.write_text(page.replace("</body>", f"{ASK}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, folder), re.S)[0]
    answer: dict[str, Any] = json.loads(html.unescape(title))
    return answer


def test_fit__goes_with_the_parcel_that_is_chosen(results: Results, found: dict[str, Any]) -> None:
    best = results.parcels.set_index("parcel")["r2"].idxmax()
    assert found["first"] == str(best)
    assert found["chosen"] == "3"
    assert found["fromGrid"] == "1"
    assert found["previous"] == "3"  # the last of them
    assert found["label"] == "measured and fitted signal of parcel 3, run 1"


def test_fit__reads_out_what_the_table_holds(results: Results, found: dict[str, Any]) -> None:
    rows = results.courses.query("parcel == 3").reset_index()
    measured, fitted = rows["measured"], rows["fitted"]
    numbers = re.fullmatch(r"Scan (\d+), ([\d.]+) s: measured (\S+), fitted (\S+)", found["value"])
    assert numbers is not None
    assert (numbers[1], float(numbers[2])) == ("11", 22.0)
    assert float(numbers[3]) == pytest.approx(measured[11], rel=0.01)
    assert float(numbers[4]) == pytest.approx(fitted[11], rel=0.01, abs=1e-3)
    share = 1 - np.var(measured - fitted) / np.var(measured)
    assert f"R² of what is drawn {share:.2f}" in found["said"]
    assert found["lags"] == 10


def test_fit__figures_stand_alone(found: dict[str, Any]) -> None:
    assert len(found["svg"]) == 4
    for drawing in found["svg"]:
        ElementTree.fromstring(drawing)
        assert "var(--" not in drawing
    assert sum("&lt;b&gt;&amp;odd" in drawing for drawing in found["svg"]) == 3


def test_fit__is_in_the_folder_of_the_results(results: Results) -> None:
    page = (results.directory / "report.html").read_text("utf-8")
    assert "<b>&odd" not in page
