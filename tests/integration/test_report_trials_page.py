"""The report's single trials in a real browser."""

from __future__ import annotations

import html
import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report_page import dumped

from pyhrf.results import Results
from pyhrf.results.report import write_report

sys.path.append(str(Path(__file__).parents[1] / "results"))
from trial_results import make_trial_results

ASK = r"""
<script>
const found = {};
const text = id => document.getElementById(id).textContent;
const drawing = () => document.querySelector("#trialLevels svg");
const key = name => drawing().dispatchEvent(new KeyboardEvent("keydown", { key: name }));
const set = (id, value) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("input"));
};
const marks = () => drawing().querySelectorAll("path[transform]:not([opacity])").length;
found.first = document.getElementById("trialParcel").value;
found.marks = [marks()];
set("trialParcel", 1);
found.chosen = document.querySelector("#grid .chosen").dataset.parcel;
found.said = text("trialText");
key("ArrowRight");
key("PageDown");
found.value = text("trialValue");
document.querySelector('#grid .hrf[data-parcel="2"]').click();
found.fromGrid = document.getElementById("trialParcel").value;
document.getElementById("trialPrevious").click();
found.previous = document.getElementById("trialParcel").value;
set("trialCondition", 1);
found.marks.push(marks());
set("trialRun", 2);
found.marks.push(marks());
found.label = drawing().getAttribute("aria-label");
found.svg = standalone(drawing());
found.trends = drawing().querySelectorAll(".trend").length;
document.title = JSON.stringify(found);
</script>
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    return make_trial_results(tmp_path_factory.mktemp("trials") / "out")


@pytest.fixture(scope="module")
def found(results: Results, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    page = write_report(results.directory).read_text("utf-8")
    folder = tmp_path_factory.mktemp("asked")
    asking = folder / "report.html"
    asking.write_text(page.replace("</body>", f"{ASK}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, folder), re.S)[0]
    answer: dict[str, Any] = json.loads(html.unescape(title))
    return answer


def test_trials__go_with_the_parcel_that_is_chosen(found: dict[str, Any]) -> None:
    assert found["chosen"] == "1"
    assert found["fromGrid"] == "2"
    assert found["previous"] == "1"
    assert found["said"].startswith("parcel 1: 2 voxels, median trial_snr ")


def test_trials__reads_out_level_error_and_information(
    results: Results, found: dict[str, Any]
) -> None:
    snr, labels, levels, sd = (
        results.map_values(name) for name in ("trial_snr", "parcels", "trials", "trials_sd")
    )
    best = np.argsort(np.where(labels == 1, snr, -1).ravel())[-2:]
    level, error = (values.reshape(-1, 12)[best, 11].mean() for values in (levels, sd))
    numbers = re.fullmatch(
        r"Trial (\d+), run 2, 23.5 s, <b>&odd: (\S+) ± (\S+) signal, information 0.25",
        found["value"],
    )
    assert numbers is not None
    assert numbers[1] == "11"  # ten after the second that has a level
    assert float(numbers[2]) == pytest.approx(level, abs=0.01)
    assert float(numbers[3]) == pytest.approx(error, abs=0.06)


def test_trials__tells_how_levels_change_within_runs(found: dict[str, Any]) -> None:
    # an eighth less from one event to the next, which comes after 4 s
    said = re.search(r"levels fall by (\S+) ± (\S+) signal a minute", found["said"])
    assert said is not None
    assert float(said[1]) == pytest.approx(60 / 4 / 8, rel=0.05)
    assert float(said[2]) < 0.01


def test_trials__shows_what_is_asked_for(found: dict[str, Any]) -> None:
    # trials with a level and the two of the legend; those of one condition, and of one run
    assert found["marks"] == [11 + 2, 6 + 1, 3 + 1]
    assert found["trends"] == 1
    assert found["label"] == "levels of single trials in parcel 1, run 2, <b>&odd"


def test_trials__figure_stands_alone(found: dict[str, Any]) -> None:
    ElementTree.fromstring(found["svg"])
    assert "var(--" not in found["svg"]
    assert "&lt;b&gt;&amp;odd" in found["svg"]
