"""The tiny real surface, through the installed programs."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from test_real_data import program

import pyhrf
from pyhrf.estimators import JDEVEM
from pyhrf.inputs.dataset import open_dataset

FILES = {
    "-f": "real_data_surf_tiny_bold.gii",
    "-k": "real_data_surf_tiny_parcellation.gii",
    "-g": "real_data_surf_tiny_mesh.gii",
    "-r": "paradigm_loc_av.csv",
}


@pytest.mark.parametrize("name", ["jde", "glm", "rfir"])
def test_tiny_surface__gives_maps_of_its_nodes(shared_data, tmp_path, name):
    files = [part for option, file in FILES.items() for part in (option, shared_data / file)]
    options = ["-I", "2.4", "-u", "out", "-o", "study.xml", "-d", "surface"]
    done = program(f"pyhrf_{name}_buildcfg", *files, *options, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    for output, engine in (("out", "serial"), ("other", "local")):
        run = ["-c", "study.xml", "-x", engine, "-u", output, "-v1"]
        done = program(f"pyhrf_{name}_estim", *run, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "3 of 3 parcels estimated" in done.stdout
    results = pyhrf.Results(tmp_path / "out")
    assert results.parcels["parcel"].tolist() == [36, 38, 39]
    assert results.parcels["n_positions"].tolist() == [15, 24, 24]
    given = nib.load(shared_data / FILES["-k"]).agg_data()
    np.testing.assert_array_equal(results.map_values("parcels"), given)
    assert {"nrl_audio", "nrl_video", "noise_sd", "hrf"} <= set(results.maps())
    for path in results.maps().values():
        assert path.name.endswith(".func.gii")
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()
        assert all(len(array.data) == 63 for array in nib.load(path).darrays)


def test_tiny_surface__says_how_little_the_data_tell(shared_data, tmp_path):
    """The GLM finds no response in parcels 36 and 38: nor may the HRF there look known."""
    files = [part for option, file in FILES.items() for part in (option, shared_data / file)]
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


def test_tiny_surface__estimate_is_that_of_the_arrays(shared_data, tmp_path):
    bold, labels, mesh = (nib.load(shared_data / FILES[option]) for option in ("-f", "-k", "-g"))
    nodes = np.flatnonzero(labels.agg_data() == 38)
    data = open_dataset(
        runs=[_Run(shared_data / FILES["-f"], shared_data / FILES["-r"])],
        parcellation=shared_data / FILES["-k"],
        meshes=[shared_data / FILES["-g"]],
        tr=2.4,
    )
    (parcel,) = data.load([38])
    np.testing.assert_array_equal(parcel.bold, bold.darrays[0].data[:, nodes])
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
    assert np.isfinite(estimate.maps["nrl_audio"]).all()


class _Run:
    """The files of a run."""

    def __init__(self, bold, paradigm):
        self.bold, self.paradigm = bold, paradigm
