"""``pyhrf report`` and ``pyhrf plot``: the files that they write, and what they refuse."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from pyhrf.commands.exits import run_command
from pyhrf.commands.main import pyhrf
from pyhrf.data import ParcelEstimate
from pyhrf.results import write_results
from pyhrf.spaces.grid import Grid

STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An output directory with two parcels, one of them not estimated."""
    folder = tmp_path_factory.mktemp("plot") / "out"
    labels = np.ones((8, 8, 6), np.int32)
    labels[4:] = 2
    positions = np.flatnonzero(labels == 1)
    time = np.arange(26.0)
    good = ParcelEstimate(
        1,
        "ok",
        "",
        positions,
        summary={"n_iterations": 9.0, "converged": 1.0, "time_to_peak": 5.0},
        conditions={"mean_active": np.ones(1)},
        hrf={"time": time, "hrf": np.exp(-0.5 * (time - 5) ** 2), "sd": np.full(26, 0.1)},
        maps={("nrl", "a"): np.linspace(-2, 4, positions.size, dtype=np.float32)},
        trace=-np.exp(-np.arange(9.0)),
    )
    lost = ParcelEstimate(2, "failed", "constant", np.flatnonzero(labels == 2))
    affine = np.diag([3.0, 3, 3, 1])
    grid = Grid(labels.shape, affine, nib.Nifti1Header())
    write_results(folder, [good, lost], conditions=("a",), space=grid)
    (folder / "run.json").write_text(json.dumps({"study": {"data": {}}}))
    return folder


@pytest.fixture
def run(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run_it(*args):
        with pytest.raises(SystemExit) as caught:
            run_command(pyhrf, "pyhrf", [str(arg) for arg in args])
        out, err = capfd.readouterr()
        return int(caught.value.code or 0), out, err

    return run_it


@pytest.mark.parametrize("ending", STARTS)
@pytest.mark.parametrize(
    "arguments", [("hrf", "-p", "1"), ("convergence",), ("convergence", "-p", "1")]
)
def test_plot__writes_every_format(run, made, tmp_path, arguments, ending):
    kind, *options = arguments
    code, out, _ = run("plot", kind, made, *options, "-o", f"figure.{ending}")
    assert (code, out) == (0, f"the figure is figure.{ending}\n")
    assert (tmp_path / f"figure.{ending}").read_bytes().startswith(STARTS[ending])


@pytest.mark.parametrize("cuts", ["ortho", "z", "mosaic"])
def test_plot__draws_a_map(run, made, tmp_path, cuts):
    code, _, err = run("plot", "map", made, "nrl_a", "-t", "1", "--cuts", cuts, "-o", "map.png")
    assert code == 0, err
    assert (tmp_path / "map.png").read_bytes().startswith(STARTS["png"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("hrf", "-o", "figure.bmp"), "-o figure.bmp: the ending must be .png, .svg or .pdf"),
        (("hrf", "-o", "missing/a.png"), "there is no folder"),
        (("hrf", "-p", "one"), "-p one: must be numbers of parcels"),
        (("hrf", "-p", "2"), "parcel 2 was not estimated (constant): choose among 1"),
        (("hrf", "-p", "7"), "parcel 7 is not in the parcellation"),
        (("convergence", "-p", "2"), "parcel 2 was not estimated (constant): choose among 1"),
        (("map", "nrl_b"), "there is no map 'nrl_b'"),
        (("map", "nrl_a", "-t", "4"), "exceeds the threshold 4: its largest value is 4 from 0"),
        (("map", "hrf"), "the map 'hrf' has more than one value per position"),
    ],
)
def test_plot__refuses_in_one_sentence(run, made, tmp_path, arguments, expected):
    kind, *options = arguments
    code, out, err = run("plot", kind, made, *options)
    assert code == 1
    assert expected in err
    assert err.count("\n") == 1
    assert (out, list(tmp_path.iterdir())) == ("", [])


def test_plot__overwrites_nothing(run, made, tmp_path):
    (tmp_path / "hrf.png").write_text("mine")
    code, _, err = run("plot", "hrf", made)
    assert code == 1
    assert "hrf.png already exists: choose another name with -o" in err
    assert (tmp_path / "hrf.png").read_text() == "mine"


def test_report__refuses_a_folder_without_results(run, tmp_path):
    code, _, err = run("report", tmp_path)
    assert code == 1
    assert "holds no results" in err


@pytest.mark.parametrize("command", [("report",), ("plot", "hrf"), ("plot", "map")])
@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ((), "out is not there: give the output directory of an analysis"),
        (("",), "out is a file: give the output directory of an analysis"),
        (
            (".journal/study.json",),
            "the analysis in out is not finished: if it does not run ('pyhrf monitor' tells), "
            "start it again with the same command",
        ),
        (
            (".journal/run-1/members.json", ".pyhrf/sub-2/parcels.tsv", ".pyhrf/sub-1/parcels.tsv"),
            "such as out/sub-1.html; give the folder of one analysis, such as out/.pyhrf/sub-1",
        ),
        ((".pyhrf/sub-1/hrf.tsv", ".journal/run-1/members.json"), "out is not finished"),
    ],
)
def test_report_and_plot__say_why_a_folder_has_no_results(run, tmp_path, command, there, expected):
    for name in there:
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    code, out, err = run(*command, "out", *(["nrl_a"] if command[-1] == "map" else []))
    assert (code, out) == (1, "")
    assert expected in err
    assert err.count("\n") == 1
    assert not list(tmp_path.glob("*.*"))
