"""The report in a real browser: its script runs, draws, and answers the reader."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from surface_files import real_surface, simulated_surface

from pyhrf.analysis import analyse
from pyhrf.config.study import Study
from pyhrf.data import ParcelEstimate
from pyhrf.results import Results, write_results
from pyhrf.results.report import write_report
from pyhrf.simulation.spec import SimulationSpec
from pyhrf.spaces.grid import Grid
from pyhrf.spaces.nodes import Nodes

# Run at the end of the page; what it finds is left in the page for the test to read.
ASK = r"""
<script>
const found = {};
const inked = id => {
  const canvas = document.getElementById(id);
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(bytes).size;
};
const order = () => [...document.querySelectorAll("#grid .hrf")].map(box => box.dataset.parcel);
const set = (id, value) => {
  document.getElementById(id).value = value;
  document.getElementById(id).dispatchEvent(new Event("input"));
};
const key = (element, name) => element.dispatchEvent(
  new KeyboardEvent("keydown", { key: name, bubbles: true, cancelable: true }));
const text = id => document.getElementById(id).textContent;
found.first = document.getElementById("map").value;
found.shown = text("shown");
set("map", "contrast_all");
found.parcels = order().join(" ");
found.colours = ["axial", "coronal", "sagittal"].map(inked).join(" ");
set("sort", "time_to_peak");
found.byPeak = order().join(" ");
document.getElementById("down").checked = true;
set("sort", "time_to_peak");
found.byPeakDown = order().join(" ");
const grey = () => {
  const canvas = document.getElementById("axial");
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let count = 0;
  for (let i = 0; i < bytes.length; i += 4) {
    count += bytes[i] === bytes[i + 1] && bytes[i] === bytes[i + 2];
  }
  return count;
};
const atFirst = grey();
found.hidden = document.getElementById("threshold").value;
set("threshold", 0);
found.seenBehind = atFirst - grey();
const before = document.getElementById("axial").toDataURL();
set("threshold", document.getElementById("threshold").max);
found.thresholdChanges = before !== document.getElementById("axial").toDataURL();
set("map", "time_to_peak");
document.querySelector('#grid .hrf[data-parcel="2"]').click();
found.value = document.getElementById("value").textContent;
found.trace = document.querySelector("#chosen polyline").getAttribute("points");
found.chosen = document.querySelector("#chosen b").textContent;
// What is saved, what keys do, and where a cluster leads.
found.svg = [...document.querySelectorAll("#chosen svg, #overview svg")].map(standalone);
found.table = asTsv(hrfTable([2]));
const here = () => text("value").match(/\((.*)\) mm/)[1].split(", ").map(Number);
const cut = document.getElementById("axial");
goToPeak("contrast_all", { x: 0, y: 0, z: 0, on: "" });
const began = here();
["ArrowRight", "ArrowUp", "PageUp"].forEach(name => key(cut, name));
found.moved = here().map((one, a) => one - began[a]);
found.region = text("region");
const panels = [...document.querySelectorAll("#grid .hrf")];
panels[0].focus();
key(panels[0], "ArrowRight");
const reached = panels.filter(one => one.tabIndex === 0);
found.focus = [document.activeElement === panels[1], reached.length];
document.activeElement.click();
found.pressed = panels.map(box => box.getAttribute("aria-pressed")).join(" ");
document.querySelector("#clusters ~ #tables tr button").click();
found.peak = { value: text("value"), row: data.clusters[0].rows[0], name: data.clusters[0].name };
set("map", "contrast_all");
set("exact", "7.25");
found.typed = [text("shown"), document.getElementById("threshold").value];
found.unlabelled = [...document.querySelectorAll("button, input, select, canvas, svg")].filter(
  one => !one.closest("label, [aria-hidden]") && !one.ariaLabel && !one.textContent).length;
found.saved = [];
URL.createObjectURL = blob => { found.saved.push(blob.type); return "#"; };
HTMLAnchorElement.prototype.click = () => {};  // to save a file would keep chromium waiting
document.querySelectorAll("#chosen .save button, #all button").forEach(one => one.click());
found.parcelEvents = 0;
document.addEventListener("parcel", event => { found.parcelEvents += event.detail; });
choose(1);
document.title = "FOUND" + JSON.stringify(found) + "END";
</script>
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    study = Study.build(
        data={"example": "small"},
        contrasts=[{"name": "all", "expression": "cond1 + cond2"}],
        output=tmp_path_factory.mktemp("page") / "out",
    )
    return analyse(study, engine="serial")


@pytest.fixture(scope="module")
def found(results, tmp_path_factory) -> dict[str, object]:
    """What the page answers in chromium."""
    page = (results.directory / "report.html").read_text("utf-8")
    folder = tmp_path_factory.mktemp("browser")
    asking = folder / "report.html"
    asking.write_text(page.replace("</body>", f"{ASK}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, folder), re.DOTALL)[0]
    match = re.fullmatch("FOUND(.*)END", html.unescape(title), re.DOTALL)
    assert match, f"the script of the page stopped; its title is {title!r}"
    answer: dict[str, object] = json.loads(match[1])
    return answer


def dumped(page: Path, folder: Path, *options: str) -> str:
    """Return the page as it is after its scripts."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no chromium")
    done = subprocess.run(
        [
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}"),
            *options,
            *("--dump-dom", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_page__draws_every_response_and_three_cuts(results, found):
    numbers = results.parcels["parcel"].astype(str)
    assert found["parcels"] == " ".join(numbers)
    assert min(int(count) for count in str(found["colours"]).split()) > 20


def test_page__begins_with_probabilities_and_says_what_it_shows(results, found):
    ppm = results.map_values("contrast_ppm_all")[results.map_values("parcels") > 0]
    n_shown = int(((ppm >= 0.95) | (ppm <= 0.05)).sum())
    assert found["first"] == "contrast_ppm_all"
    assert str(found["shown"]).endswith(
        "Shown: a probability of at least 0.95 that it is above 0 (red), or below it "
        f"(blue); {n_shown} of {ppm.size} voxels."
    )


def test_page__takes_a_threshold_that_is_typed(results, found):
    levels = np.abs(results.map_values("contrast_all")[results.map_values("parcels") > 0])
    shown, slider = found["typed"]
    n_shown = int((levels >= 7.25).sum())
    assert f"Shown: at least 7.25 signal from 0; {n_shown} of {levels.size} voxels." in shown
    assert float(slider) == 7.25


def test_page__leads_from_a_cluster_to_its_peak(results, found):
    row, name = found["peak"]["row"], found["peak"]["name"]
    values = results.map_values(name)
    image = results.load_map(name)
    at = np.rint(np.linalg.inv(image.affine) @ [row["x"], row["y"], row["z"], 1])[:3].astype(int)
    assert values[tuple(at)] == pytest.approx(row["peak"])
    assert results.map_values("parcels")[tuple(at)] == row["parcel"]
    said = re.fullmatch(rf"{name} at \((.*)\) mm: (.*)", found["peak"]["value"])
    assert [int(one) for one in said[1].split(", ")] == pytest.approx(
        [row[axis] for axis in "xyz"], abs=0.51
    )
    assert float(said[2]) == pytest.approx(row["peak"], abs=1e-4)


def test_page__answers_to_keys_and_has_a_name_for_all_that_can_be_used(results, found):
    assert found["moved"] == pytest.approx([3, 3, 3], abs=1)  # one voxel to the right, front, top
    assert re.fullmatch(r" · parcel [123]", found["region"])
    assert found["focus"] == [True, 1]  # one of the responses is reached by Tab
    assert found["pressed"] == "false true false"
    assert found["unlabelled"] == 0
    assert found["parcelEvents"] == 1


def test_page__saves_figures_that_stand_alone(results, found):
    assert len(found["svg"]) == 5
    for text in found["svg"]:
        assert "var(" not in text
        root = ElementTree.fromstring(text)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert root[0].get("fill") == "#ffffff"
    drawing, table = "image/svg+xml", "text/tab-separated-values"
    # all responses, then response and convergence of the parcel
    assert found["saved"] == [table, drawing, table, drawing, table]
    header, *rows = [line.split("\t") for line in found["table"].splitlines()]
    assert header == ["parcel", "region", "condition", "time", "hrf", "sd"]
    table = results.hrf.query("parcel == 2")
    np.testing.assert_allclose([float(row[4]) for row in rows], table["hrf"], atol=6e-4)
    assert [float(row[3]) for row in rows] == table["time"].tolist()


def test_page__sorts_responses_by_time_to_peak(results, found):
    order = results.parcels.sort_values("time_to_peak")["parcel"].astype(str).tolist()
    assert found["byPeak"] == " ".join(order)
    assert found["byPeakDown"] == " ".join(order[::-1])


def test_page__hides_what_lies_below_the_threshold(found):
    assert found["thresholdChanges"] is True


def test_page__shows_at_once_what_the_levels_lie_on(results, found):
    levels = np.abs(results.map_values("contrast_all")[results.map_values("parcels") > 0])
    top = np.percentile(levels, 99)
    assert 0.1 * top < float(str(found["hidden"])) < 0.2 * top
    assert int(str(found["seenBehind"])) > 0


def test_page__leads_from_a_response_to_its_parcel(results, found):
    table = results.parcels.set_index("parcel")
    value = float(str(found["value"]).rsplit(":", 1)[1])
    assert value == pytest.approx(table["time_to_peak"][2], abs=2e-3)
    assert found["chosen"] == "parcel 2"


def test_page__draws_how_a_parcel_converged(found):
    heights = [float(point.split(",")[1]) for point in str(found["trace"]).split()]
    assert len(heights) >= 2
    assert (heights[0], heights[-1]) == (94, 20)  # of the frame; downwards: the free energy rises
    assert heights == sorted(heights, reverse=True)


ASK_MESH = """
<script>
{
  const canvas = document.querySelector(".mesh canvas"), map = document.getElementById("map");
  map.value = [...map.options].find(one => one.value.startsWith("nrl_")).value;
  map.dispatchEvent(new Event("input"));
  document.querySelector('#grid .hrf[data-parcel="NUMBER"]').click();
  const chosen = document.querySelector("#chosen b").textContent;
  const said = () => document.getElementById("value").textContent, before = said();
  for (let k = 0; k < 9; k++) {
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  }
  if (said() === before) { throw new Error("arrow keys name no other node"); }
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  document.title = `${new Set(bytes).size} ${chosen}`;
}
</script>
"""


def draws_a_surface(folder: Path, number: int, *, tr: float, **files: Path) -> None:
    """Analyse a surface and look at its page, where a parcel is chosen."""
    runs = [{"bold": files["bold"], "paradigm": files["paradigm"]}]
    study = Study.build(
        data={
            "kind": "surface",
            "tr": tr,
            "runs": runs,
            "parcellation": files["parcellation"],
            "meshes": [files["mesh"]],
        },
        output=folder / "out",
    )
    results = analyse(study, engine="serial")
    page = (results.directory / "report.html").read_text("utf-8")
    asking, ask = folder / "report.html", ASK_MESH.replace("NUMBER", str(number))
    asking.write_text(page.replace("</body>", f"{ask}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, folder))[0]
    n_colours, chosen = title.split(" ", 1)
    assert int(n_colours) > 50
    assert chosen == f"parcel {number}"


def test_page__draws_a_simulated_surface_on_its_mesh(tmp_path):
    spec = SimulationSpec(region="box", shape=(8, 6, 4), n_parcels=3, n_scans=100, seed=5)
    draws_a_surface(tmp_path, 2, tr=spec.tr, **simulated_surface(tmp_path, spec))


def test_page__draws_a_real_surface_on_its_mesh(shared_data, tmp_path):
    draws_a_surface(tmp_path, 38, tr=2.4, **real_surface(shared_data))


# Of the nodes and voxels of CIFTI, and of meshes that are thinned.
ASK_PARTS = """
<script>
{
  const pixels = canvas =>
    canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const isRed = canvas => {
    const bytes = pixels(canvas);
    let count = 0;
    for (let i = 0; i < bytes.length; i += 4) { count += bytes[i] > bytes[i + 2] + 60; }
    return count;
  };
  const meshes = [...document.querySelectorAll(".mesh canvas")];
  const cuts = [...document.querySelectorAll(".cut canvas")];
  const found = { cuts: cuts.map(canvas => canvas.id), shapes: cuts.map(c => [c.width, c.height]) };
  found.names = [...document.querySelectorAll(".mesh figcaption")].map(one => one.textContent);
  const set = (id, value) => {
    document.getElementById(id).value = value;
    document.getElementById(id).dispatchEvent(new Event("input"));
  };
  const said = () => document.getElementById("value").textContent;
  const goTo = number => {
    document.querySelector(`#grid .hrf[data-parcel="${number}"]`).click();
    return said();
  };
  set("map", "nrl_audio");
  set("threshold", 0);
  found.colours = meshes.map(canvas => new Set(pixels(canvas)).size);
  found.said = {};
  for (const box of document.querySelectorAll("#grid .hrf")) {
    found.said[box.dataset.parcel] = goTo(box.dataset.parcel);
    found.red = cuts.map(isRed);  // of the cuts through the last parcel
  }
  if (cuts.length) {
    const corner = cuts[0].getBoundingClientRect();
    cuts[0].dispatchEvent(
      new MouseEvent("click", { clientX: corner.left + 2, clientY: corner.top + 2 }));
    found.aside = said();
    goTo(document.querySelector("#chosen b").textContent.split(" ")[1]);
  }
  set("threshold", document.getElementById("threshold").max);
  found.redAbove = cuts.map(isRed);
  set("map", "time_to_peak");
  found.peak = said();
  document.title = JSON.stringify(found);
}
</script>
"""


def asked(results: Results, folder: Path) -> dict[str, Any]:
    """Ask the page of results for its parts."""
    page = (results.directory / "report.html").read_text("utf-8")
    asking = folder / "report.html"
    asking.write_text(page.replace("</body>", f"{ASK_PARTS}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, folder))[0]
    answer: dict[str, Any] = json.loads(html.unescape(title))
    return answer


def write_mesh(path: Path, points: np.ndarray, triangles: np.ndarray, structure: str) -> Path:
    arrays = [
        nib.gifti.GiftiDataArray(points.astype(np.float32), intent="pointset"),
        nib.gifti.GiftiDataArray(triangles.astype(np.int32), intent="triangle"),
    ]
    meta = nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    nib.GiftiImage(darrays=arrays, meta=meta).to_filename(path)
    return path


# Its first axis runs to the left.
VOXELS = np.array([[-2.0, 0, 0, 40], [0, 2, 0, -10], [0, 0, 2, -20], [0, 0, 0, 1]])
INSIDE = (slice(5, 9), slice(6, 9), slice(7, 9))


@pytest.fixture(scope="module")
def grayordinates(tmp_path_factory) -> Results:
    """Parcels 1 and 2 are hemispheres, 3 and 4 halves of a thalamus."""
    folder = tmp_path_factory.mktemp("cifti")
    n_nodes, axes, meshes = 60, [], []
    for side in ("Left", "Right"):
        angle, nodes = np.arange(n_nodes) * 0.7, np.arange(n_nodes - 2)
        points = np.stack([9 * np.cos(angle), 9 * np.sin(angle), np.arange(n_nodes)], axis=1)
        strip = np.stack([nodes, nodes + 1, nodes + 2], axis=1)
        meshes.append(write_mesh(folder / f"{side}.surf.gii", points, strip, f"Cortex{side}"))
        every = np.arange(n_nodes)
        axes.append(nib.cifti2.BrainModelAxis.from_surface(every, n_nodes, name=f"Cortex{side}"))
    mask = np.zeros((20, 20, 20), bool)
    mask[INSIDE] = True
    thalamus = nib.cifti2.BrainModelAxis.from_mask(mask, affine=VOXELS, name="ThalamusLeft")
    axis = axes[0] + axes[1] + thalamus
    labels = np.concatenate([np.repeat([1, 2], n_nodes), 3 + (thalamus.voxel[:, 0] >= 7)])
    bold = np.random.default_rng(2).normal(100, 1, (90, len(axis))).astype(np.float32)
    series = nib.cifti2.SeriesAxis(0, 2, 90)
    nib.Cifti2Image(bold, (series, axis)).to_filename(folder / "bold.dtseries.nii")
    scalars = nib.cifti2.ScalarAxis(["parcels"])
    parcels = nib.Cifti2Image(labels[None].astype(np.float32), (scalars, axis))
    parcels.to_filename(folder / "parcels.dscalar.nii")
    events = "onset\tduration\ttrial_type\n" + "".join(
        f"{onset}\t0\taudio\n" for onset in range(6, 160, 11)
    )
    (folder / "events.tsv").write_text(events)
    study = Study.build(
        data={
            "kind": "surface",
            "runs": [{"bold": folder / "bold.dtseries.nii", "paradigm": folder / "events.tsv"}],
            "parcellation": folder / "parcels.dscalar.nii",
            "meshes": meshes,
        },
        output=folder / "out",
    )
    return analyse(study, engine="serial")


def test_page__draws_hemispheres_and_voxels_of_cifti(grayordinates, tmp_path):
    """A click on a response leads to the node of its mesh, or to its voxels."""
    found = asked(grayordinates, tmp_path)
    assert found["names"] == ["CortexLeft", "CortexRight"]
    assert min(found["colours"]) > 20
    said = found["said"]
    assert re.match("nrl_audio at node [0-9]+ of CortexLeft: ", said["1"])
    assert re.match("nrl_audio at node [0-9]+ of CortexRight: ", said["2"])

    assert found["cuts"] == ["axial", "coronal", "sagittal"]
    x, y, z = (one.stop - one.start + 4 for one in INSIDE)  # two voxels around
    assert found["shapes"] == [[x, y], [x, z], [y, z]]
    image = grayordinates.load_map("nrl_audio")
    axis = image.header.get_axis(1)
    levels = dict(zip(map(tuple, axis.voxel.tolist()), image.get_fdata()[0], strict=True))
    for parcel in (3, 4):
        where, value = re.fullmatch(r"nrl_audio at \((.*)\) mm: (.*)", said[str(parcel)]).groups()
        place = np.linalg.inv(VOXELS) @ [*(float(one) for one in where.split(",")), 1]
        voxel = tuple(np.rint(place[:3]).astype(int).tolist())
        assert (voxel[0] >= 7) == (parcel == 4)
        assert float(value) == pytest.approx(levels[voxel], abs=1e-4 + 2e-3 * abs(levels[voxel]))
    assert found["aside"].endswith("outside the parcels")
    peak = grayordinates.parcels.set_index("parcel")["time_to_peak"][4]
    assert float(found["peak"].rsplit(":", 1)[1]) == pytest.approx(peak, abs=2e-3)


def test_page__hides_voxels_of_cifti_below_the_threshold(grayordinates, tmp_path):
    levels = grayordinates.map_values("nrl_audio")
    assert levels[-1] != 0
    found = asked(grayordinates, tmp_path)
    assert max(found["red"]) > 0
    assert sum(found["redAbove"]) < sum(found["red"])


ASK_LOOK = """
<script>
{
  const wide = [...document.querySelectorAll("body *")].filter(one =>
    one.getBoundingClientRect().right > innerWidth + 1 && !one.closest("table, #grid, svg, .skip"));
  document.title = JSON.stringify({
    width: innerWidth, page: document.documentElement.scrollWidth,
    wide: wide.map(one => one.id || one.className),
    paper: getComputedStyle(document.body).backgroundColor,
  });
}
</script>
"""


@pytest.mark.parametrize(("scheme", "paper"), [(0, "rgb(21, 24, 28)"), (1, "rgb(255, 255, 255)")])
def test_page__fits_a_narrow_window_in_the_colours_of_the_reader(results, tmp_path, scheme, paper):
    page = (results.directory / "report.html").read_text("utf-8")
    inner, outer = tmp_path / "inner.html", tmp_path / "report.html"
    inner.write_text(page.replace("</body>", f"{ASK_LOOK}</body>"), "utf-8")
    # no window of chromium is as narrow as a frame may be
    outer.write_text(
        '<title></title><iframe src="inner.html" width="400" height="800"></iframe><script>'
        "onload = () => { document.title = frames[0].document.title; };</script>"
    )
    options = ("--allow-file-access-from-files", f"--blink-settings=preferredColorScheme={scheme}")
    title = re.findall("<title>(.*?)</title>", dumped(outer, tmp_path, *options))[0]
    found = json.loads(html.unescape(title))
    assert (found["width"], found["wide"]) == (400, [])
    assert found["page"] <= 400
    assert found["paper"] == paper


ASK_FIRST = """
<script>
document.title = JSON.stringify({
  said: document.getElementById("value").textContent,
  sliders: [...document.querySelectorAll(".cut input")].map(one => one.value).join(" "),
});
</script>
"""


ASK_GLASS = """
<script>
{
  const images = [...document.querySelectorAll("#glass image")];
  const pictures = images.map(one => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [one.getAttribute("width"), one.getAttribute("height")];
    return [canvas.width, canvas.height, one.getAttribute("href").length > 100];
  });
  document.title = JSON.stringify({
    pictures, paths: document.querySelectorAll("#glass path").length,
    places: images.map(one => [Number(one.getAttribute("x")), Number(one.getAttribute("y"))]) });
}
</script>
"""


def test_page__has_a_glass_brain_of_data_in_a_standard_space(tmp_path):
    labels = np.zeros((12, 10, 8), np.int32)
    labels[3:9, 3:7, 3:5] = 1
    results = write_volume_results(tmp_path, labels, labels * 1.0)
    page = results.directory / "report.html"
    assert "say that these data lie in MNI" in page.read_text("utf-8")
    run = json.loads((results.directory / "run.json").read_text())
    run["study"]["data"]["runs"][0]["bold"] = "sub-01_space-MNI152NLin6Asym_bold.nii"
    (results.directory / "run.json").write_text(json.dumps(run))
    write_report(results.directory)
    asking = tmp_path / "report.html"
    asking.write_text(page.read_text("utf-8").replace("</body>", f"{ASK_GLASS}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, tmp_path))[0]
    found = json.loads(html.unescape(title))
    # two voxels around the parcel, of 1 mm; half of a voxel before the middle of the first
    assert found["pictures"] == [[10, 8, True], [10, 6, True], [8, 6, True]]
    assert found["places"] == [[0.5, -8.5], [0.5, -6.5], [0.5, -6.5]]
    assert found["paths"] == 3


def write_volume_results(folder: Path, labels: np.ndarray, levels: np.ndarray) -> Results:
    """Write results of parcel 1 with these levels, on voxels of 1 mm."""
    where = np.flatnonzero(labels)
    time = np.arange(0, 26.0)
    hrf = {"time": time, "hrf": np.exp(-(((time - 5) / 2) ** 2)), "sd": np.full(26, 0.1)}
    maps = {("nrl", "audio"): levels.reshape(-1)[where].astype(np.float32)}
    estimate = ParcelEstimate(1, "ok", "", where, summary={"time_to_peak": 5.0}, hrf=hrf, maps=maps)
    grid = Grid(labels.shape, np.eye(4), nib.Nifti1Header())
    results = write_results(folder / "out", [estimate], conditions=("audio",), space=grid)
    runs = [{"bold": folder / "bold.nii", "paradigm": folder / "events.tsv"}]
    data = {"kind": "volume", "tr": 2.0, "parcellation": folder / "parcels.nii", "runs": runs}
    study = Study.build(data=data).model_dump(mode="json")
    run = {"study": study, "versions": {"pyhrf": "1"}, "inputs": {}, "notes": []}
    (results.directory / "run.json").write_text(json.dumps(run))
    write_report(results.directory)
    return results


def begun(results: Results, folder: Path) -> tuple[str, str]:
    """Where the cuts of a page are at first: what it says, and the sliders x, y, z in the box."""
    page = (results.directory / "report.html").read_text("utf-8")
    asking = folder / "report.html"
    asking.write_text(page.replace("</body>", f"{ASK_FIRST}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, folder))[0]
    answer = json.loads(html.unescape(title))
    return answer["said"], " ".join(answer["sliders"].split()[::-1])


def test_page__begins_where_the_map_is_strong_and_cuts_are_full(tmp_path):
    labels = np.zeros((12, 12, 12), np.int32)
    labels[2:10, 2:10, 2:10] = 1
    labels[10, 5, 5] = 1  # the rim, where the largest value is
    levels = np.zeros(labels.shape)
    levels[10, 5, 5] = -9
    levels[8, 3, 4] = -7
    levels[4, 6, 7] = 6
    said, sliders = begun(write_volume_results(tmp_path, labels, levels), tmp_path)
    assert said == "nrl_audio at (8, 3, 4) mm: -7.000"
    assert sliders == "8 3 4"  # the box begins at the first voxel


def test_page__begins_where_the_map_is_strongest_if_no_cuts_are_full(tmp_path):
    """Two slabs that lie apart: of no voxel are all three cuts as full as the fullest."""
    labels = np.zeros((30, 30, 30), np.int32)
    labels[2, 2:28, 2:6] = 1  # full across x
    labels[2, 14] = 0
    labels[5:28, 14, 20:28] = 1  # full across y
    levels = np.where(labels, 1.0, 0.0)
    levels[2, 9, 3] = 5
    said, _ = begun(write_volume_results(tmp_path, labels, levels), tmp_path)
    assert said == "nrl_audio at (2, 9, 3) mm: 5.000"


def test_page__draws_a_mesh_that_is_too_large_for_it_with_fewer_nodes(tmp_path):
    """A bent sheet of 90,000 nodes; its left half is parcel 1, its right half parcel 2."""
    size = 300
    row, column = np.divmod(np.arange(size**2), size)
    points = np.stack([column, 20 * np.sin(column / 30), row], axis=1)
    corner = np.flatnonzero((row < size - 1) & (column < size - 1))
    below, right, across = corner + size, corner + 1, corner + size + 1
    triangles = np.concatenate(
        [np.stack([corner, below, right], axis=1), np.stack([right, below, across], axis=1)]
    )
    mesh = write_mesh(tmp_path / "sheet.surf.gii", points, triangles, "CortexRight")
    labels = np.where(column < size // 2, 1, 2).astype(np.int32)
    levels = np.where(labels == 1, row - 150.0, 400.0 + row).astype(np.float32)
    time = np.arange(0, 26.0)
    estimates = [
        ParcelEstimate(
            number,
            "ok",
            "",
            np.flatnonzero(labels == number),
            summary={"time_to_peak": 4.0 + number},
            hrf={"time": time, "hrf": np.exp(-(((time - 5) / 2) ** 2)), "sd": np.full(26, 0.1)},
            maps={("nrl", "audio"): levels[labels == number]},
        )
        for number in (1, 2)
    ]
    grid = Nodes(labels.shape, "CortexRight")
    results = write_results(tmp_path / "out", estimates, conditions=("audio",), space=grid)
    data = {
        "kind": "surface",
        "tr": 2.0,
        "parcellation": tmp_path / "parcels.gii",
        "runs": [{"bold": tmp_path / "bold.func.gii", "paradigm": tmp_path / "events.tsv"}],
        "meshes": [mesh],
    }
    study = Study.build(data=data).model_dump(mode="json")
    run = {"study": study, "versions": {"pyhrf": "1"}, "inputs": {}, "notes": []}
    (results.directory / "run.json").write_text(json.dumps(run))
    write_report(results.directory)
    found = asked(results, tmp_path)
    assert found["names"] == ["CortexRight"]
    assert min(found["colours"]) > 50
    for parcel, said in found["said"].items():
        node, value = re.fullmatch("nrl_audio at node (.*) of CortexRight: (.*)", said).groups()
        assert labels[int(node)] == int(parcel)
        assert float(value) == pytest.approx(levels[int(node)], abs=0.2)
    page = (results.directory / "report.html").read_text("utf-8")
    (drawn,) = re.findall("Of their 90,000 nodes ([0-9,]+) are drawn", page)
    assert 20_000 < int(drawn.replace(",", "")) < 40_000
