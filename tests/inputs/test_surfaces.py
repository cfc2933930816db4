"""Surfaces: GIFTI files written with nibabel, and what may be wrong with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from input_files import Files

from pyhrf.errors import InputError
from pyhrf.inputs.dataset import open_dataset
from pyhrf.spaces.neighbours import find_graph_parcels
from pyhrf.spaces.nodes import Nodes
from pyhrf.spaces.surfaces import Mesh, mesh_edges, open_mesh, open_nodes

# Two squares of two triangles each, side by side, and one triangle apart.
TRIANGLES = np.array([[0, 1, 3], [1, 4, 3], [1, 2, 4], [2, 5, 4], [6, 7, 8]], np.int32)
EDGES = [(0, 1), (0, 3), (1, 2), (1, 3), (1, 4), (2, 4), (2, 5), (3, 4), (4, 5)]
EDGES += [(6, 7), (6, 8), (7, 8)]
N_NODES = 9

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write arrays as GIFTI."""

    def write_it(name: str, arrays: list[np.ndarray], intents: Any = "none", **meta: str) -> Path:
        intents = [intents] * len(arrays) if isinstance(intents, str) else intents
        image = nib.GiftiImage(meta=nib.gifti.GiftiMetaData(meta))
        for array, intent in zip(arrays, intents, strict=True):
            image.add_gifti_data_array(
                nib.gifti.GiftiDataArray(array, intent=intent, datatype=array.dtype)
            )
        path = tmp_path / name
        image.to_filename(path)
        return path

    return write_it


@pytest.fixture
def points(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(size=(N_NODES, 3)).astype(np.float32)


@pytest.fixture
def mesh_file(write: Write, points: np.ndarray) -> Path:
    meta = {"AnatomicalStructurePrimary": "CortexLeft"}
    return write("mesh.surf.gii", [points, TRIANGLES], ["pointset", "triangle"], **meta)


@pytest.fixture
def mesh(mesh_file: Path) -> Mesh:
    return open_mesh(mesh_file)


@pytest.fixture
def signal(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(100, 5, (20, N_NODES)).astype(np.float32)


def test_open_mesh__gives_each_side_of_a_triangle_once(mesh: Mesh, points: np.ndarray) -> None:
    assert [tuple(edge) for edge in mesh.edges] == EDGES
    np.testing.assert_array_equal(mesh.coordinates, points)
    assert mesh.structure == "CortexLeft"


def test_mesh_edges__of_a_large_mesh_are_the_different_rows() -> None:
    """Node numbers of fsaverage, whose products do not fit into 32 bits."""
    triangles = np.random.default_rng(3).integers(163_842, size=(5000, 3))
    triangles[:50, 1] = triangles[:50, 0]  # sides of no length
    sides = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    rows = np.unique(np.sort(sides, axis=1), axis=0)
    found = mesh_edges(triangles)
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found, rows[rows[:, 0] != rows[:, 1]])
    assert mesh_edges(np.empty((0, 3), np.int32)).shape == (0, 2)


@given(st.lists(st.tuples(*[st.integers(0, 7)] * 3), min_size=1, max_size=12))
def test_mesh_edges__are_those_of_brute_force(triangles: list[tuple[int, ...]]) -> None:
    expected = {tuple(sorted(pair)) for t in triangles for pair in itertools.combinations(t, 2)} - {
        (node, node) for node in range(8)
    }
    found = [tuple(edge) for edge in mesh_edges(np.array(triangles))]
    assert found == sorted(expected)


@given(st.lists(st.integers(0, 3), min_size=N_NODES, max_size=N_NODES).filter(any))
def test_find_graph_parcels__keeps_the_edges_inside_parcels(labels: list[int]) -> None:
    parcels = find_graph_parcels(np.array(labels), np.array(EDGES))
    assert parcels.numbers == tuple(sorted(set(labels) - {0}))
    for place, number in enumerate(parcels.numbers):
        nodes = parcels.voxels[parcels.bounds[place] : parcels.bounds[place + 1]]
        assert nodes.tolist() == [node for node, label in enumerate(labels) if label == number]
        found = {tuple(nodes[edge]) for edge in parcels.edges_of(place)}
        inside = {(a, b) for a, b in EDGES if labels[a] == labels[b] == number}
        assert found == inside
        assert len(parcels.edges_of(place)) == len(inside)


@pytest.mark.parametrize("layout", ["one array per scan", "scans x nodes", "nodes x scans"])
def test_open_nodes__reads_every_layout(
    write: Write, mesh: Mesh, signal: np.ndarray, layout: str
) -> None:
    arrays = {
        "one array per scan": list(signal),
        "scans x nodes": [signal],
        "nodes x scans": [signal.T.copy()],
    }[layout]
    series = open_nodes(write("bold.func.gii", arrays, "time series"), mesh)
    np.testing.assert_array_equal(series.values, signal)
    assert series.tr is None


def test_open_nodes__reads_the_time_step_in_milliseconds(
    write: Write, mesh: Mesh, signal: np.ndarray
) -> None:
    assert open_nodes(write("bold.gii", [signal], TimeStep="2400.0"), mesh).tr == 2.4


def test_open_nodes__reads_compressed_files_and_integers(
    write: Write, mesh: Mesh, signal: np.ndarray
) -> None:
    whole = signal.astype(np.int16)
    # nibabel writes three types only; old PyHRF wrote int16.
    path = write("bold.gii.gz", [whole.astype(np.int32)])
    np.testing.assert_array_equal(open_nodes(path, mesh).values, whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: [s[:, :4]], r"has 4 nodes, and the mesh .*mesh.surf.gii has 9"),
        (lambda s: [s[0]], "holds one scan where a series is needed"),
        (lambda s: [s[:9]], "as many scans as nodes"),
        (lambda s: [s[0], s[1, :5]], "2 arrays have the sizes 5, 9"),
        (lambda s: [s, s], "2 arrays have the sizes 20x9"),
        (lambda s: [], "holds no array"),
    ],
)
def test_open_nodes__refuses_other_arrays(write, mesh, signal, make, message) -> None:
    path = write("bold.gii", make(signal))
    with pytest.raises(InputError, match=message) as caught:
        open_nodes(path, mesh)
    assert str(caught.value).startswith(str(path))


@pytest.mark.parametrize(
    ("arrays", "intents", "message"),
    [
        (lambda p: [p], ["pointset"], "1 arrays of points and 0 of triangles"),
        (
            lambda p: [p, TRIANGLES + 3],
            ["pointset", "triangle"],
            "triangle names node 11, but the mesh has 9 nodes",
        ),
        (lambda p: [p * np.float32(np.nan), TRIANGLES], ["pointset", "triangle"], "not finite"),
        (lambda p: [p, TRIANGLES[:, :2]], ["pointset", "triangle"], "not three whole numbers"),
    ],
)
def test_open_mesh__refuses_what_is_no_mesh(write, points, arrays, intents, message) -> None:
    with pytest.raises(InputError, match=message):
        open_mesh(write("m.gii", arrays(points), intents))


def test_open__refuses_what_is_no_parcellation(write: Write, mesh_file: Path, signal) -> None:
    bold = write("bold.gii", [*signal])
    ones = np.ones(N_NODES, np.int32)
    for arrays, message in [
        ([ones[:5]], "has 5 nodes, .*: give a parcellation of the nodes of that mesh$"),
        ([ones, ones], "holds 2 arrays"),
        ([-ones], "negative labels"),
        ([0 * ones], "empty: all its nodes are 0"),
        ([ones.astype(np.float32) / 2], "each node needs the number"),
    ]:
        with pytest.raises(InputError, match=message):
            Nodes.open([bold], write("labels.gii", arrays, "label"), [mesh_file])


@pytest.mark.parametrize("cut", [0.3, 0.7, 0.99])
def test_open_nodes__refuses_a_truncated_file(write, mesh, signal, cut) -> None:
    path = write("bold.gii", [signal])
    path.write_bytes(path.read_bytes()[: int(cut * path.stat().st_size)])
    with pytest.raises(InputError, match=r"bold\.gii: the GIFTI file is truncated or damaged"):
        open_nodes(path, mesh)


@pytest.mark.parametrize("content", [b"", b"no XML", b"<a><b/></a>", b"\x1f\x8bx"])
def test_open_mesh__refuses_what_is_no_gifti(tmp_path: Path, content: bytes) -> None:
    for name in ("m.gii", "m.gii.gz"):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=str(path)):
            open_mesh(path)


def test_open_mesh__refuses_what_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "m.gii").mkdir()
    (tmp_path / "m.nii").write_bytes(b"x")
    for name, message in [("x.gii", "no such file"), ("m.gii", "folder"), ("m.nii", r"\(.gii\)")]:
        with pytest.raises(InputError, match=message):
            open_mesh(tmp_path / name)


@pytest.fixture
def surface(write: Write, mesh_file: Path, signal: np.ndarray, tmp_path: Path) -> dict[str, Any]:
    """Arguments of `open_dataset` for two runs on the mesh."""
    paradigm = tmp_path / "paradigm.csv"
    paradigm.write_text('0 "a" 2 0 1\n0 "a" 15 0 1\n')
    bold = [
        write("one.gii", [signal], TimeStep="2000"),
        write("two.gii", list(signal[:15] + 1), TimeStep="2000"),
    ]
    labels = np.array([5, 5, 0, 5, 5, 2, 2, 2, 2], np.int32)
    return {
        "runs": [Files(path, paradigm) for path in bold],
        "parcellation": write("labels.gii", [labels], "label"),
        "meshes": [mesh_file],
    }


def test_open_dataset__gives_the_nodes_of_a_parcel(surface: dict, signal: np.ndarray) -> None:
    data = open_dataset(**surface)
    assert (data.shape, data.tr, data.parcels) == ((N_NODES,), 2.0, {2: 4, 5: 4})
    parcel, other = data.load([5, 2])
    assert parcel.positions.tolist() == [0, 1, 3, 4]
    expected = np.concatenate([signal, signal[:15] + 1])
    np.testing.assert_array_equal(parcel.bold, expected[:, [0, 1, 3, 4]])
    assert parcel.edges.tolist() == [[0, 1], [0, 2], [1, 2], [1, 3], [2, 3]]
    # node 5 touches none of the others of its parcel
    assert other.edges.tolist() == [[1, 2], [1, 3], [2, 3]]
    assert str(surface["meshes"][0]) in data.checksums()


def test_open_dataset__surface_without_mesh_is_refused(surface: dict) -> None:
    del surface["meshes"]
    with pytest.raises(InputError, match=r"one\.gii: surface data need their mesh"):
        open_dataset(**surface)


def test_open_dataset__volume_with_mesh_is_refused(surface: dict, files) -> None:
    with pytest.raises(InputError, match=r"bold\.nii\.gz: this is not a GIFTI file"):
        open_dataset(**{**surface, "runs": [files[0]]})
