"""Surface files that cannot be, or do not go together: one clear sentence, exit 1."""

from __future__ import annotations

import re

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, LabelAxis, ScalarAxis, SeriesAxis

N_NODES, N_SCANS = 12, 80


def save_gifti(path, *arrays, structure=None):
    """Write arrays, each a pair of intent and values."""
    image = nib.GiftiImage()
    for intent, values in arrays:
        image.add_gifti_data_array(
            nib.gifti.GiftiDataArray(values, intent=intent, datatype=values.dtype)
        )
    if structure:
        image.meta["AnatomicalStructurePrimary"] = structure
    image.to_filename(path)
    return path


def mesh_arrays(n_nodes):
    nodes = np.arange(n_nodes - 2)
    points = np.random.default_rng(0).normal(size=(n_nodes, 3)).astype(np.float32)
    triangles = np.stack([nodes, nodes + 1, nodes + 2], axis=1).astype(np.int32)
    return ("pointset", points), ("triangle", triangles)


def series_arrays(values):
    return [("time series", row) for row in values]


@pytest.fixture
def files(study):
    """Options of a sound surface study."""
    folder = study.folder
    signal = np.random.default_rng(1).normal(100, 1, (N_SCANS, N_NODES)).astype(np.float32)
    labels = np.repeat(np.int32([1, 2]), N_NODES // 2)
    return {
        "-f": save_gifti(folder / "bold.func.gii", *series_arrays(signal)),
        "-k": save_gifti(folder / "parcels.label.gii", ("label", labels)),
        "-g": save_gifti(folder / "mesh.surf.gii", *mesh_arrays(N_NODES), structure="CortexLeft"),
        "-r": study.events,
        "-I": "2",
        "-o": study.xml,
        "-u": study.output,
    }


def refused(run, study, files, expected):
    before = study.snapshot()
    ended = run("pyhrf_jde_buildcfg", *(str(part) for pair in files.items() for part in pair))
    assert ended.code == 1, ended
    assert ended.out == ""
    assert re.search(expected, ended.err), ended.err
    assert ended.err.count("\n") == 1
    assert study.snapshot() == before


def labels_of(values):
    return lambda path: save_gifti(path, ("none", values))


def text(content):
    return lambda path: path.write_bytes(content)


def damaged_mesh(path):
    points, (intent, triangles) = mesh_arrays(N_NODES)
    triangles[0, 0] = 99
    save_gifti(path, points, (intent, triangles))


MENDED = {
    "series of another mesh": (
        "-f",
        lambda p: save_gifti(p, *series_arrays(np.ones((N_SCANS, 11), np.float32))),
        r"bold.func.gii: has 11 nodes, and the mesh .*mesh.surf.gii has 12: give the mesh on which",
    ),
    "mesh of other data": (
        "-g",
        lambda p: save_gifti(p, *mesh_arrays(20)),
        r"bold.func.gii: has 12 nodes, and the mesh .*mesh.surf.gii has 20: give the mesh on which",
    ),
    "labels of other data": (
        "-k",
        labels_of(np.ones(9, np.int32)),
        r"parcels.label.gii: has 9 nodes, and the mesh .* has 12",
    ),
    "scans of two sizes": (
        "-f",
        lambda p: save_gifti(p, *series_arrays([np.ones(12, np.float32), np.ones(11, np.float32)])),
        r"bold.func.gii: its 2 arrays have the sizes 11, 12; a series is one array per scan",
    ),
    "one scan": (
        "-f",
        lambda p: save_gifti(p, *series_arrays(np.ones((1, 12), np.float32))),
        r"bold.func.gii: holds one scan where a series is needed",
    ),
    "triangle of a node that is not there": (
        "-g",
        damaged_mesh,
        r"mesh.surf.gii: a triangle names node 99, but the mesh has 12 nodes",
    ),
    "labels that are no whole numbers": (
        "-k",
        labels_of(np.full(12, 1.5, np.float32)),
        r"parcels.label.gii: .*values that are not whole numbers, such as 1.5",
    ),
    "negative labels": ("-k", labels_of(np.full(12, -2, np.int32)), r"negative labels, such as -2"),
    "labels that lack": (
        "-k",
        labels_of(np.full(12, np.nan, np.float32)),
        r"parcels.label.gii: the parcellation holds NaN",
    ),
    "no parcel": (
        "-k",
        labels_of(np.zeros(12, np.int32)),
        r"parcels.label.gii: the parcellation is empty: all its nodes are 0",
    ),
    "empty series": ("-f", text(b""), r"bold.func.gii: the file is empty"),
    "empty mesh": ("-g", text(b""), r"mesh.surf.gii: the file is empty"),
    "empty labels": ("-k", text(b""), r"parcels.label.gii: the file is empty"),
    "series that is a text": (
        "-f",
        text(b"no XML at all"),
        r"bold.func.gii: the GIFTI file is truncated or damaged",
    ),
    "series that is other XML": (
        "-f",
        text(b"<study></study>"),
        r"bold.func.gii: the GIFTI file holds no array of values|not a valid GIFTI file",
    ),
}


@pytest.mark.parametrize(("option", "make", "expected"), MENDED.values(), ids=MENDED)
def test_buildcfg__names_the_bad_surface_file(run, study, files, option, make, expected):
    files[option].unlink()
    make(files[option])
    refused(run, study, files, expected)


SWAPPED = {
    "mesh for series": ("-f", "-g", r"mesh.surf.gii: its 2 arrays have the sizes 10x3, 12x3"),
    "labels for series": ("-f", "-k", r"parcels.label.gii: holds one scan where a series is"),
    "series for mesh": ("-g", "-f", r"bold.func.gii: holds 0 arrays of points and 0 of triangles"),
    "mesh for labels": ("-k", "-g", r"mesh.surf.gii: holds 2 arrays, and a parcellation or"),
    "series for labels": ("-k", "-f", r"bold.func.gii: holds 80 arrays, and a parcellation or"),
}


@pytest.mark.parametrize(("option", "other", "expected"), SWAPPED.values(), ids=SWAPPED)
def test_buildcfg__names_the_file_in_the_wrong_place(run, study, files, option, other, expected):
    files[option] = files[other]
    refused(run, study, files, expected)


def test_buildcfg__refuses_volumes_on_a_mesh(run, study, files):
    refused(
        run,
        study,
        {**files, "-f": study.bold},
        r"bold\.nii: this is not a GIFTI file .*leave out the mesh \(-g\) for a volume",
    )
    refused(
        run, study, {**files, "-k": study.parcellation}, r"parcels\.nii: this is not a GIFTI file"
    )


def cifti(path, values, first, axis):
    Cifti2Image(np.asarray(values, np.float32), (first, axis)).to_filename(path)
    return path


@pytest.fixture
def dense(study, files):
    """Give options of a sound CIFTI study, and its axis."""
    axis = BrainModelAxis.from_surface(np.arange(N_NODES), N_NODES, name="CortexLeft")
    signal = np.random.default_rng(2).normal(100, 1, (N_SCANS, N_NODES))
    bold = cifti(study.folder / "b.dtseries.nii", signal, SeriesAxis(0, 2, N_SCANS), axis)
    labels = cifti(study.folder / "k.dscalar.nii", np.ones((1, N_NODES)), ScalarAxis(["all"]), axis)
    return {**files, "-f": bold, "-k": labels}, axis


def test_buildcfg__refuses_cifti_of_other_kinds(run, study, dense):
    files, axis = dense
    square = np.ones((N_NODES, N_NODES))
    connectome = cifti(study.folder / "c.dconn.nii", square, axis, axis)
    refused(run, study, {**files, "-f": connectome}, r"c\.dconn\.nii: .* nor a CIFTI series")
    named = study.folder / "named.dtseries.nii"
    cifti(named, square, axis, axis)
    refused(run, study, {**files, "-f": named}, r"named\.dtseries\.nii: its axes are BrainModel")
    refused(run, study, {**files, "-f": files["-k"]}, r"k\.dscalar\.nii: its axes are ScalarAxis")
    refused(run, study, {**files, "-k": files["-f"]}, r"b\.dtseries\.nii: its axes are SeriesAxis")
    table = LabelAxis(["one"], {1: ("one", (1, 0, 0, 1))})
    two = cifti(
        study.folder / "two.dlabel.nii",
        np.ones((2, N_NODES)),
        LabelAxis(["one", "two"], [table.label[0]] * 2),
        axis,
    )
    refused(run, study, {**files, "-k": two}, r"two\.dlabel\.nii: holds 2 maps, and a parcell")


def test_buildcfg__refuses_cifti_and_gifti_mixed(run, study, files, dense):
    both, _ = dense
    refused(
        run, study, {**both, "-k": files["-k"]}, r"parcels\.label\.gii: CIFTI series need a CIFTI"
    )
    refused(run, study, {**files, "-k": both["-k"]}, r"k\.dscalar\.nii: this is not a GIFTI file")


def test_buildcfg__refuses_cifti_without_its_mesh(run, study, dense):
    files, _ = dense
    save_gifti(files["-g"], *mesh_arrays(N_NODES), structure="CortexRight")
    refused(
        run, study, files, r"the mesh of CIFTI_STRUCTURE_CORTEX_LEFT is missing: give it \(-g\)"
    )
    save_gifti(files["-g"], *mesh_arrays(20), structure="CortexLeft")
    refused(run, study, files, r"mesh\.surf\.gii: has 20 nodes, and CIFTI_STRUCTURE_CORTEX_LEFT")


@pytest.mark.parametrize("cut", [0, 300, 3000])
def test_buildcfg__refuses_cifti_that_is_cut(run, study, dense, cut):
    files, _ = dense
    whole = files["-f"].read_bytes()
    files["-f"].write_bytes(whole[:cut])
    refused(run, study, files, r"b\.dtseries\.nii: ")
