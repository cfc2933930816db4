"""The report in a real browser: its script runs, draws, and answers the reader."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf.analysis import analyse
from pyhrf.config.study import Study

# Run at the end of the page; what it finds is left in the page for the test to read.
ASK = """
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


def dumped(page: Path, folder: Path) -> str:
    """Return the page as it is after its scripts."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("there is no chromium")
    done = subprocess.run(
        [
            program,
            *("--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'user'}"),
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
    assert (heights[0], heights[-1]) == (30, 0)  # downwards: the free energy rises
    assert heights == sorted(heights, reverse=True)


ASK_MESH = """
<script>
{
  const canvas = document.querySelector(".mesh canvas");
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  document.querySelector('#grid .hrf[data-parcel="38"]').click();
  const chosen = document.querySelector("#chosen b").textContent;
  document.title = `${new Set(bytes).size} ${chosen}`;
}
</script>
"""


def test_page__draws_a_surface_on_its_mesh(shared_data, tmp_path):
    files = {
        name: shared_data / f"real_data_surf_tiny_{name}.gii"
        for name in ("bold", "parcellation", "mesh")
    }
    runs = [{"bold": files["bold"], "paradigm": shared_data / "paradigm_loc_av.csv"}]
    study = Study.build(
        data={
            "kind": "surface",
            "tr": 2.4,
            "runs": runs,
            "parcellation": files["parcellation"],
            "meshes": [files["mesh"]],
        },
        output=tmp_path / "out",
    )
    results = analyse(study, engine="serial")
    page = (results.directory / "report.html").read_text("utf-8")
    asking = tmp_path / "report.html"
    asking.write_text(page.replace("</body>", f"{ASK_MESH}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, tmp_path))[0]
    n_colours, chosen = title.split(" ", 1)
    assert int(n_colours) > 50
    assert chosen == "parcel 38"


ASK_MESHES = """
<script>
{
  const colours = [...document.querySelectorAll(".mesh canvas")].map(canvas => {
    const context = canvas.getContext("2d");
    const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(bytes).size;
  });
  const names = [...document.querySelectorAll(".mesh figcaption")].map(one => one.textContent);
  document.querySelector('#grid .hrf[data-parcel="2"]').click();
  const value = document.getElementById("value").textContent;
  document.title = JSON.stringify({ colours, names, value });
}
</script>
"""


def test_page__draws_both_hemispheres_of_cifti(tmp_path):
    """Each on its own mesh; a click on a response leads to the node of its mesh."""
    n_nodes, axes, meshes = 60, [], []
    rng = np.random.default_rng(2)
    for side in ("Left", "Right"):
        angle = np.arange(n_nodes) * 0.7
        points = np.stack([9 * np.cos(angle), 9 * np.sin(angle), np.arange(n_nodes)], axis=1)
        nodes = np.arange(n_nodes - 2)
        image = nib.GiftiImage(
            darrays=[
                nib.gifti.GiftiDataArray(points.astype(np.float32), intent="pointset"),
                nib.gifti.GiftiDataArray(
                    np.stack([nodes, nodes + 1, nodes + 2], axis=1).astype(np.int32),
                    intent="triangle",
                ),
            ],
            meta=nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": f"Cortex{side}"}),
        )
        meshes.append(tmp_path / f"{side}.surf.gii")
        image.to_filename(meshes[-1])
        axes.append(
            nib.cifti2.BrainModelAxis.from_surface(
                np.arange(n_nodes), n_nodes, name=f"Cortex{side}"
            )
        )
    axis = axes[0] + axes[1]
    bold = rng.normal(100, 1, (90, 2 * n_nodes)).astype(np.float32)
    series = nib.cifti2.SeriesAxis(0, 2, 90)
    nib.Cifti2Image(bold, (series, axis)).to_filename(tmp_path / "bold.dtseries.nii")
    labels = np.repeat(np.float32([[1, 2]]), n_nodes, axis=1)
    scalars = nib.cifti2.ScalarAxis(["parcels"])
    nib.Cifti2Image(labels, (scalars, axis)).to_filename(tmp_path / "parcels.dscalar.nii")
    events = "onset\tduration\ttrial_type\n" + "".join(
        f"{onset}\t0\taudio\n" for onset in range(6, 160, 11)
    )
    (tmp_path / "events.tsv").write_text(events)
    study = Study.build(
        data={
            "kind": "surface",
            "runs": [{"bold": tmp_path / "bold.dtseries.nii", "paradigm": tmp_path / "events.tsv"}],
            "parcellation": tmp_path / "parcels.dscalar.nii",
            "meshes": meshes,
        },
        output=tmp_path / "out",
    )
    results = analyse(study, engine="serial")
    page = (results.directory / "report.html").read_text("utf-8")
    asking = tmp_path / "report.html"
    asking.write_text(page.replace("</body>", f"{ASK_MESHES}</body>"), "utf-8")
    title = re.findall("<title>(.*?)</title>", dumped(asking, tmp_path))[0]
    found = json.loads(html.unescape(title))
    assert found["names"] == ["CortexLeft", "CortexRight"]
    assert min(found["colours"]) > 20
    assert re.match("nrl_audio at node [0-9]+ of CortexRight: ", found["value"])
