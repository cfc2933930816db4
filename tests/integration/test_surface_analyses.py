"""Surfaces through the installed programs: one of the simulator and one that is real."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from surface_files import real_surface, simulated_surface
from test_volume_analyses import program

import pyhrf
from pyhrf.estimators import JDEVEM
from pyhrf.inputs.dataset import open_dataset
from pyhrf.simulation.spec import SimulationSpec

SPEC = SimulationSpec(
    region="box", shape=(8, 6, 4), n_parcels=3, n_scans=120, tr=2.4, n_conditions=2, seed=5
)
OPTIONS = {"bold": "-f", "parcellation": "-k", "mesh": "-g", "paradigm": "-r"}
SOURCES = ("simulated", pytest.param("real", marks=pytest.mark.shared_data))


@dataclass(frozen=True)
class Surface:
    """The options of buildcfg with their files, and what is in these."""

    files: dict[str, Path]
    parcels: dict[int, int]
    conditions: tuple[str, str]

    @property
    def options(self) -> list[object]:
        return [part for pair in self.files.items() for part in pair] + ["-I", "2.4"]


@pytest.fixture(scope="module", params=SOURCES)
def surface(request, tmp_path_factory) -> Surface:
    if request.param == "simulated":
        files = simulated_surface(tmp_path_factory.mktemp("surface"), SPEC)
        labels = nib.load(files["parcellation"]).agg_data()
        numbers, sizes = np.unique(labels, return_counts=True)
        parcels = dict(zip(numbers.tolist(), sizes.tolist(), strict=True))
        return Surface(options_of(files), parcels, ("cond1", "cond2"))
    files = real_surface(request.getfixturevalue("shared_data"))
    return Surface(options_of(files), {36: 15, 38: 24, 39: 24}, ("audio", "video"))


def options_of(files: dict[str, Path]) -> dict[str, Path]:
    return {OPTIONS[name]: path for name, path in files.items()}


@pytest.mark.parametrize("name", ["jde", "rfir"])
def test_surface__gives_maps_of_its_nodes(surface, tmp_path, name):
    options = ["-u", "out", "-o", "study.xml", "-d", "surface"]
    done = program(f"pyhrf_{name}_buildcfg", *surface.options, *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for output, engine in (("out", "serial"), ("other", "local")):
        run = ["-c", "study.xml", "-x", engine, "-u", output, "-v1"]
        done = program(f"pyhrf_{name}_estim", *run, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        n_parcels = len(surface.parcels)
        assert f"{n_parcels} of {n_parcels} parcels estimated" in done.stdout
    results = pyhrf.Results(tmp_path / "out")
    assert results.parcels["parcel"].tolist() == list(surface.parcels)
    assert results.parcels["n_positions"].tolist() == list(surface.parcels.values())
    given = nib.load(surface.files["-k"]).agg_data()
    np.testing.assert_array_equal(results.map_values("parcels"), given)
    assert {*(f"nrl_{c}" for c in surface.conditions), "noise_sd", "hrf"} <= set(results.maps())
    for path in results.maps().values():
        assert path.name.endswith(".func.gii")
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
        assert all(len(array.data) == len(given) for array in nib.load(path).darrays)


@pytest.mark.shared_data
def test_tiny_surface__says_how_little_the_data_tell(shared_data, tmp_path):
    """The GLM finds no response in parcels 36 and 38: nor may the HRF there look known."""
    files = [part for pair in options_of(real_surface(shared_data)).items() for part in pair]
    for name in ("jde", "glm"):
        options = ["-I", "2.4", "-u", name, "-o", f"{name}.xml"]
        assert program(f"pyhrf_{name}_buildcfg", *files, *options, folder=tmp_path).returncode == 0
        done = program(f"pyhrf_{name}_estim", "-c", f"{name}.xml", "-x", "serial", folder=tmp_path)
        assert done.returncode == 0, done.stderr
    jde, glm = (pyhrf.Results(tmp_path / name) for name in ("jde", "glm"))
    silent = np.isin(jde.map_values("parcels"), [36, 38])
    for condition in ("audio", "video"):
        # of 39 nodes and two conditions, by chance about 0.1
        assert (np.abs(glm.map_values(f"z_{condition}")[silent]) > 3.2).sum() <= 1
        assert jde.map_values(f"active_{condition}")[silent].max() < 0.1
    shown = jde.parcels.set_index("parcel")
    assert (shown.loc[[36, 38], "time_to_peak_sd"] > 3).all()
    assert (shown.loc[[36, 38], "hrf_quality"] < 0.1).all()
    noise = jde.map_values("noise_sd")[np.asarray(jde.map_values("parcels")) > 0]
    residual = glm.map_values("noise_sd")[np.asarray(jde.map_values("parcels")) > 0]
    np.testing.assert_allclose(noise, residual, rtol=0.25)


def test_surface__estimate_is_that_of_the_arrays(surface):
    files, number = surface.files, list(surface.parcels)[1]
    bold, labels, mesh = (nib.load(files[option]) for option in ("-f", "-k", "-g"))
    nodes = np.flatnonzero(labels.agg_data() == number)
    data = open_dataset(
        runs=[_Run(files["-f"], files["-r"])],
        parcellation=files["-k"],
        meshes=[files["-g"]],
        tr=2.4,
    )
    (parcel,) = data.load([number])
    series = np.stack([array.data for array in bold.darrays]).reshape(-1, len(labels.agg_data()))
    np.testing.assert_array_equal(parcel.bold, series[:, nodes])
    joined = {
        tuple(sorted((a, b)))
        for triangle in mesh.agg_data("triangle").tolist()
        for a in triangle
        for b in triangle
        if a != b and {a, b} <= set(nodes.tolist())
    }
    assert {tuple(sorted(nodes[edge].tolist())) for edge in parcel.edges} == joined
    estimate = JDEVEM(data.experiment).fit_parcel(parcel)
    assert estimate.status == "ok"
    assert np.isfinite(estimate.maps["nrl", surface.conditions[0]]).all()


class _Run:
    """The files of a run."""

    def __init__(self, bold, paradigm):
        self.bold, self.paradigm = bold, paradigm
