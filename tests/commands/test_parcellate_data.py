"""``pyhrf parcellate data``, and parcels on a mesh: from file to file."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, ScalarAxis
from sklearn.metrics import adjusted_rand_score

from pyhrf.commands.exits import run_command
from pyhrf.commands.parcellate import parcellate
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec
from pyhrf.spaces.kinds import open_data
from pyhrf.spaces.parcellations import open_placed


@pytest.fixture
def call(capfd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call_it(*args):
        with pytest.raises(SystemExit) as caught:
            run_command(parcellate, "pyhrf parcellate", [str(arg) for arg in args])
        out, err = capfd.readouterr()
        return int(caught.value.code or 0), out + err

    return call_it


@pytest.fixture(scope="module")
def volumes(tmp_path_factory):
    """Files of two regions that respond differently, and options that name them."""
    spec = SimulationSpec(
        region="box",
        shape=(8, 6, 4),
        n_parcels=2,
        n_scans=120,
        tr=2.0,
        active_fraction=1.0,
        inactive_fraction=0.5,
        snr=3.0,
    )
    return write_dataset(simulate(spec), tmp_path_factory.mktemp("data") / "sim")


def options(files):
    return ["-f", files.bold[0], "-r", files.paradigm[0]]


def parcels_of(path):
    return np.asarray(nib.load(path).dataobj)


def test_data__keeps_within_the_regions_of_a_parcellation(call, volumes):
    code, text = call("data", volumes.parcellation, *options(volumes), "--size", 30)
    assert code == 0, text
    found, regions = parcels_of("parcellation.nii.gz"), parcels_of(volumes.parcellation)
    numbers, sizes = np.unique(found, return_counts=True)
    assert 3 <= sizes.min() <= sizes.max() <= 30
    assert all(len(np.unique(regions[found == number])) == 1 for number in numbers)
    assert f"{len(numbers)} parcels of {sizes.min()} to {sizes.max()} voxels" in text


def test_data__leaves_out_and_counts_voxels_that_say_nothing(call, volumes, tmp_path):
    image = nib.load(volumes.bold[0])
    bold = image.get_fdata(dtype=np.float32)
    bold[0, 0, 0] = 5
    bold[3, 2, 1, 7] = np.nan
    nib.Nifti1Image(bold, image.affine, image.header).to_filename("bold.nii")
    mask = nib.Nifti1Image(np.ones(image.shape[:3], np.uint8), image.affine)
    mask.to_filename("mask.nii")
    given = ["mask.nii", "-f", "bold.nii", "-r", volumes.paradigm[0], "-o", "out.nii.gz"]
    code, text = call("data", *given)
    assert code == 0, text
    assert "note: 2 of 192 voxels of the mask are constant or not finite" in text
    assert np.argwhere(parcels_of("out.nii.gz") == 0).tolist() == [[0, 0, 0], [3, 2, 1]]
    assert call("data", *given)[0] == 1  # not written over


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "give the BOLD data with -f"),
        (["-f", "BOLD"], 2, "-f needs -r"),
        (["-f", "BOLD", "-r", "EVENTS", "--size", 5, "--smallest", 6], 2, "is above --size 5"),
        (["-f", "BOLD", "-r", "EVENTS", "-o", "out.nii"], 1, "written as .nii.gz"),
        (["-f", "BOLD", "-r", "none.tsv"], 1, "none.tsv: there is no such file"),
    ],
)
def test_data__refuses_before_any_work(call, volumes, tmp_path, arguments, code, message):
    names = {"BOLD": volumes.bold[0], "EVENTS": volumes.paradigm[0]}
    given = [names.get(one, one) for one in arguments]
    ended, text = call("data", volumes.parcellation, *given)
    assert ended == code
    assert message in text
    assert not list(tmp_path.iterdir())


# ---- a mesh of 4 x 5 nodes -----------------------------------------------------------------------


@pytest.fixture
def mesh(tmp_path):
    across, along = np.meshgrid(range(5), range(4))
    points = np.stack([across.ravel(), along.ravel(), np.zeros(20)], axis=1).astype(np.float32)
    corner = (np.arange(3)[:, None] * 5 + np.arange(4)).ravel()
    lower = np.stack([corner, corner + 1, corner + 6], axis=1)
    upper = np.stack([corner, corner + 6, corner + 5], axis=1)
    triangles = np.concatenate([lower, upper]).astype(np.int32)
    image = nib.GiftiImage(
        darrays=[
            nib.gifti.GiftiDataArray(points, intent="pointset"),
            nib.gifti.GiftiDataArray(triangles, intent="triangle"),
        ],
        meta=nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": "CortexLeft"}),
    )
    image.to_filename(tmp_path / "mesh.surf.gii")
    return tmp_path / "mesh.surf.gii"


def write_nodes(name, values):
    values = np.asarray(values)
    array = nib.gifti.GiftiDataArray(values, datatype=values.dtype)
    nib.GiftiImage(darrays=[array]).to_filename(name)
    return name


def test_mesh__operations_follow_each_other(call, mesh):
    rows = [[1, 1, 0, 1, 1], [1, 1, 0, 1, 1], [0, 0, 0, 0, 0], [2, 2, 2, 3, 4]]
    source = write_nodes("in.label.gii", np.int32(rows).ravel())
    on = ["-g", mesh]
    assert call("contiguous", source, *on, "-o", "1.label.gii")[0] == 0
    assert call("merge", "1.label.gii", *on, "--smallest", 2, "-o", "2.label.gii")[0] == 0
    code, text = call("extract", "2.label.gii", 5, 2, *on, "-o", "3.label.gii")
    assert code == 0, text
    assert "3.label.gii: 2 parcels of 4 to 5 nodes (median 4.5)" in text
    found = [open_placed(Path(f"{k}.label.gii"), [mesh]).labels().reshape(4, 5) for k in (1, 2, 3)]
    assert found[0].tolist() == [[1, 1, 0, 5, 5], [1, 1, 0, 5, 5], [0] * 5, [2, 2, 2, 3, 4]]
    assert found[1][3].tolist() == [2, 2, 2, 2, 2]
    assert set(np.unique(found[2])) == {0, 2, 5}
    image = nib.load("3.label.gii")
    assert image.meta["AnatomicalStructurePrimary"] == "CortexLeft"
    assert image.labeltable.get_labels_as_dict() == {0: "background", 2: "parcel 2", 5: "parcel 5"}


def test_mesh__mask_is_cut_along_its_edges(call, mesh):
    source = write_nodes("mask.shape.gii", np.float32(np.arange(20) % 5 != 2))
    code, text = call("mask", source, "-g", mesh, "--size", 4)
    assert code == 0, text
    labels = open_placed(Path("parcellation.label.gii"), [mesh]).labels().reshape(4, 5)
    assert (labels[:, 2] == 0).all()
    assert set(np.unique(labels[:, :2])) & set(np.unique(labels[:, 3:])) == set()
    assert np.unique(labels, return_counts=True)[1].max() <= 4


def test_mesh__mask_of_many_arrays_or_maps_is_refused_as_a_mask(call, mesh):
    write_nodes("one.shape.gii", np.ones(20, np.float32))
    image = nib.load("one.shape.gii")
    image.add_gifti_data_array(image.darrays[0])
    image.to_filename("two.shape.gii")
    axis = BrainModelAxis.from_surface(np.arange(20), 20, name="CortexLeft")
    two = Cifti2Image(np.ones((2, 20), np.float32), (ScalarAxis(["a", "b"]), axis))
    two.to_filename("two.dscalar.nii")
    for source, holds in (("two.shape.gii", "2 arrays"), ("two.dscalar.nii", "2 maps")):
        code, text = call("mask", source, "-g", mesh)
        assert code == 1
        assert f"{source}: holds {holds}, and a parcellation or mask is one: keep that one" in text


def test_mesh__cifti_keeps_its_grayordinates(call, mesh):
    axis = BrainModelAxis.from_surface(np.arange(2, 20), 20, name="CortexLeft")
    values = np.ones((1, 18), np.float32)
    Cifti2Image(values, (ScalarAxis(["mask"]), axis)).to_filename("mask.dscalar.nii")
    code, text = call("mask", "mask.dscalar.nii", "-g", mesh, "--size", 9)
    assert code == 0, text
    code, text = call(
        *("merge", "parcellation.dlabel.nii", "-g", mesh, "--smallest", 18, "-o", "one.dlabel.nii")
    )
    assert code == 0, text
    assert "one.dlabel.nii: 1 parcel of 18 grayordinates" in text
    series = Cifti2Image(np.ones((3, 18), np.float32), (nib.cifti2.SeriesAxis(0, 2, 3), axis))
    series.to_filename("bold.dtseries.nii")
    opened = open_data([Path("bold.dtseries.nii")], Path("one.dlabel.nii"), [mesh])
    assert len(opened.parcels.numbers) == 1


def test_mesh__data_cuts_where_the_responses_differ(call, mesh, volumes):
    simulated = parcels_of(volumes.parcellation)
    bold = nib.load(volumes.bold[0]).get_fdata(dtype=np.float32)
    halves = np.repeat([1, 2], 10)
    means = np.stack([bold[simulated == k].mean(axis=0) for k in (1, 2)])
    noise = np.random.default_rng(1).normal(0, 1, (120, 20))
    signal = (means[halves - 1].T + noise).astype(np.float32)
    arrays = [
        nib.gifti.GiftiDataArray(np.ascontiguousarray(scan), intent="time series")
        for scan in signal
    ]
    nib.GiftiImage(darrays=arrays).to_filename("bold.func.gii")
    source = write_nodes("mask.label.gii", np.ones(20, np.int32))
    code, text = call(
        *("data", source, "-g", mesh, "-f", "bold.func.gii", "-r", volumes.paradigm[0]),
        *("-I", 2, "--size", 10, "--smallest", 5),
    )
    assert code == 0, text
    labels = open_placed(Path("parcellation.label.gii"), [mesh]).labels()
    assert labels.tolist() == halves.tolist()


def test_mesh__merge_drops_what_touches_nothing(call, mesh):
    rows = [[1, 1, 1, 1, 1], [0, 0, 0, 0, 0], [0, 2, 0, 0, 0], [0, 0, 0, 0, 0]]
    source = write_nodes("in.label.gii", np.int32(rows).ravel())
    code, text = call("merge", source, "-g", mesh, "--smallest", 3, "--drop")
    assert code == 0, text
    assert "parcellation.label.gii: 1 parcel of 5 nodes" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mask", "in.label.gii"], "in.label.gii: surface data need their mesh"),
        (["mask", "in.label.gii", "-g", "MESH", "-g", "MESH"], "a second mesh"),
        (["mask", "in.label.gii", "-g", "MESH", "-o", "a.nii.gz"], "are written as .label.gii"),
        (["contiguous", "short.label.gii", "-g", "MESH"], "has 3 nodes, and the mesh"),
    ],
)
def test_mesh__refuses_with_one_sentence(call, mesh, arguments, message):
    write_nodes("in.label.gii", np.ones(20, np.int32))
    write_nodes("short.label.gii", np.ones(3, np.int32))
    code, text = call(*[mesh if one == "MESH" else one for one in arguments])
    assert code == 1
    assert message in text
    assert len(text.splitlines()) == 1


def test_data__runs_confounds_and_bad_scans_count_as_in_a_study(call, tmp_path):
    """What confounds explain, and scans that are censored, change nothing."""
    spec = SimulationSpec(
        region="box", shape=(6, 6, 3), n_parcels=2, n_runs=2, n_scans=80, tr=2.0, snr=3.0
    )
    made = write_dataset(simulate(spec), tmp_path / "sim")
    rng = np.random.default_rng(0)
    bold, confounds, censored = [], [], []
    for k, path in enumerate(made.bold):
        image = nib.load(path)
        values = image.get_fdata(dtype=np.float32)
        wave = rng.normal(size=80)
        weights = rng.normal(0, 50, values.shape[:3])[..., None]
        values = (values + weights * wave).astype(np.float32)
        values[..., 30] += 50 * weights[..., 0]
        nib.Nifti1Image(values, image.affine, image.header).to_filename(f"bold{k}.nii")
        lines = "\n".join(f"{one:.9f}" for one in wave)
        (tmp_path / f"confounds{k}.tsv").write_text(f"wave\n{lines}\n")
        (tmp_path / f"bad{k}.txt").write_text("30\n")
        bold += ["-f", f"bold{k}.nii", "-r", made.paradigm[k]]
        confounds += ["--confounds", f"confounds{k}.tsv"]
        censored += ["--censored", f"bad{k}.txt"]
    clean = [part for k in (0, 1) for part in ("-f", made.bold[k], "-r", made.paradigm[k])]
    how = ["--size", 40, "-o"]
    assert call("data", made.parcellation, *clean, *how, "clean.nii.gz")[0] == 0
    same = [*bold, *confounds, "--confound-columns", "wave", *censored]
    code, text = call("data", made.parcellation, *same, *how, "same.nii.gz")
    assert code == 0, text
    assert call("data", made.parcellation, *bold, *how, "spoilt.nii.gz")[0] == 0
    expected = parcels_of("clean.nii.gz").ravel()
    agreement = adjusted_rand_score(expected, parcels_of("same.nii.gz").ravel())
    assert agreement > adjusted_rand_score(expected, parcels_of("spoilt.nii.gz").ravel()) + 0.1
    assert agreement > 0.6
