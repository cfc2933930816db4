"""Surface data through the commands."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis, SeriesAxis

from pyhrf import load_study
from pyhrf.config.study_xml import read_study


def gifti(path, arrays, intents):
    image = nib.GiftiImage()
    for array, intent in zip(arrays, intents, strict=True):
        image.add_gifti_data_array(
            nib.gifti.GiftiDataArray(array, intent=intent, datatype=array.dtype)
        )
    image.to_filename(path)
    return path


@pytest.fixture
def files(study):
    """Options of buildcfg for a strip of 12 nodes in two parcels."""
    rng = np.random.default_rng(3)
    folder = study.folder
    nodes = np.arange(10)
    triangles = np.stack([nodes, nodes + 1, nodes + 2], axis=1).astype(np.int32)
    points = rng.normal(size=(12, 3)).astype(np.float32)
    signal = rng.normal(100, 1, (80, 12)).astype(np.float32)
    labels = np.repeat(np.int32([1, 2]), 6)
    return {
        "-f": gifti(folder / "bold.func.gii", [*signal], ["time series"] * 80),
        "-k": gifti(folder / "parcels.label.gii", [labels], ["label"]),
        "-g": gifti(folder / "mesh.surf.gii", [points, triangles], ["pointset", "triangle"]),
        "-r": study.events,
        "-I": "2",
        "-o": study.xml,
        "-u": study.output,
    }


def options(files):
    return [str(part) for pair in files.items() for part in pair]


def test_surface__goes_from_files_to_maps(run, study, files):
    assert run("pyhrf_jde_buildcfg", *options(files)).code == 0
    written = read_study(study.xml)
    assert (written.data.kind, written.data.meshes) == ("surface", (files["-g"],))
    assert str(files["-g"].parent) not in study.xml.read_text()  # the folder may move
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial", "-v1")
    assert ended.code == 0, ended.err
    parcels = nib.load(study.output / "parcels.func.gii")
    np.testing.assert_array_equal(parcels.agg_data(), [1] * 6 + [2] * 6)
    assert not list(study.output.glob("*.nii.gz"))


def test_cifti__goes_from_files_to_maps_that_find_what_was_put_in(run, study, files):
    rng = np.random.default_rng(8)
    axis = BrainModelAxis.from_surface(np.arange(12), 12, name="CortexLeft")
    time = np.arange(0, 160, 2.0)
    onsets = [float(line.split()[2]) for line in study.paradigm if "audio" in line]
    # a response of gamma form that peaks after 5 s
    after = np.maximum(time[:, None] - onsets, 0)
    response = ((after / 5) ** 5 * np.exp(5 - after)).sum(axis=1)
    levels = np.array([3.0] * 6 + [0.0] * 6)
    signal = 100 + response[:, None] * levels + rng.normal(size=(80, 12))
    bold, labels = study.folder / "bold.dtseries.nii", study.folder / "labels.dscalar.nii"
    Cifti2Image(signal.astype("f4"), (SeriesAxis(0, 2, 80), axis)).to_filename(bold)
    Cifti2Image(np.ones((1, 12), "f4"), (ScalarAxis(["all"]), axis)).to_filename(labels)
    given = {**files, "-f": bold, "-k": labels}
    del given["-I"]  # the file says 2 s
    ended = run("pyhrf_jde_buildcfg", *options(given))
    assert ended.code == 1
    assert "does not name its structure" in ended.err
    image = nib.load(files["-g"])
    image.meta["AnatomicalStructurePrimary"] = "CortexLeft"
    image.to_filename(files["-g"])
    assert run("pyhrf_jde_buildcfg", *options(given)).code == 0
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial", "-v1")
    assert ended.code == 0, ended.err
    active = nib.load(study.output / "active_audio.dscalar.nii")
    assert active.header.get_axis(1) == axis
    assert active.get_fdata()[0, :6].min() > 0.9
    assert active.get_fdata()[0, 6:].max() < 0.5
    found = nib.load(study.output / "nrl_audio.dscalar.nii").get_fdata()[0]
    np.testing.assert_allclose(found[:6], 3, rtol=0.3)


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"-g": None}, 1, "bold.func.gii: surface data need their mesh: give it (-g)"),
        ({"-g": None, "-d": "surface"}, 2, "-d surface needs -g"),
        ({"-d": "volume"}, 2, "-g is the mesh of surface data"),
        ({"-f": None, "-k": None, "-r": None, "-I": None}, 2, "-g goes with BOLD data"),
        ({"-I": None}, 1, "bold.func.gii: the header gives no TR: give it in seconds (-I)"),
        ({"-k": "parcels.nii"}, 1, "parcels.nii: this is not a GIFTI file"),
    ],
)
def test_surface__refuses_files_that_do_not_go_together(run, study, files, changes, code, message):
    if changes.get("-k"):
        changes = {"-k": study.parcellation}
    given = {k: v for k, v in (files | changes).items() if v is not None}
    ended = run("pyhrf_jde_buildcfg", *options(given))
    assert ended.code == code
    assert message in ended.err
    assert not study.xml.exists()


def test_surface__refuses_the_mesh_of_other_data(run, study, files):
    points, triangles = np.eye(3, dtype=np.float32), np.int32([[0, 1, 2]])
    gifti(files["-g"], [points, triangles], ["pointset", "triangle"])
    ended = run("pyhrf_jde_buildcfg", *options(files))
    assert ended.code == 1
    assert "has 12 nodes, and the mesh" in ended.err
    assert len(ended.err.splitlines()) == 1


def test_surface__the_json_beside_a_series_says_its_times(run, study, files):
    beside = study.folder / "bold.json"
    beside.write_text('{"RepetitionTime": 1.5, "StartTime": 0.75}')
    del files["-I"]
    ended = run("pyhrf_jde_buildcfg", *options(files))
    assert ended.code == 0, ended.err
    data = load_study(study.xml).data
    assert (data.tr, data.runs[0].start_time) == (1.5, 0.75)
