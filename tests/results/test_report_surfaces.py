"""The report of surfaces: meshes, thinned where they are large, and the voxels of CIFTI."""

from __future__ import annotations

import base64
import json
import shutil

import nibabel as nib
import numpy as np
import pytest
from report_results import make_cifti_results, make_report_results, unpacked

from pyhrf.data import ParcelEstimate
from pyhrf.errors import InputError
from pyhrf.results import Results, write_results
from pyhrf.results.report import write_report
from pyhrf.results.report_maps import pack_maps
from pyhrf.results.thinning import thinned
from pyhrf.spaces.nodes import Nodes
from pyhrf.spaces.space import MapSurface
from pyhrf.spaces.surfaces import open_mesh


def integers(text: str, kind: str = "<i4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def levels_of(packed: dict) -> dict[int, float]:
    """Give the level of each place of the page."""
    (one,) = (one for one in packed["maps"] if one["name"] == "nrl_audio")
    places = integers(packed["index"]).tolist()
    return dict(zip(places, unpacked(one).round(3).tolist(), strict=True))


@pytest.fixture
def surface(tmp_path):
    """Results on a tetrahedron, of whose nodes the first belongs to no parcel."""
    nodes = np.array([[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]], np.float32)
    triangles = np.array([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]], np.int32)
    arrays = [
        nib.gifti.GiftiDataArray(nodes, intent="NIFTI_INTENT_POINTSET"),
        nib.gifti.GiftiDataArray(triangles, intent="NIFTI_INTENT_TRIANGLE"),
    ]
    nib.save(nib.gifti.GiftiImage(darrays=arrays), tmp_path / "mesh.gii")
    volume = make_report_results(tmp_path / "volume")
    estimate = ParcelEstimate(
        4,
        "ok",
        "",
        np.array([1, 2, 3]),
        summary={"time_to_peak": 5.0},
        conditions={},
        hrf={"time": np.arange(3.0), "hrf": np.array([0, 1.0, 0]), "sd": np.zeros(3)},
        maps={("nrl", "audio"): np.array([-2, np.nan, 4], np.float32)},
    )
    labels = np.array([0, 4, 4, 4], np.int32)
    grid = Nodes(labels.shape, "CortexLeft")
    results = write_results(tmp_path / "surface", [estimate], conditions=("audio",), space=grid)
    run = json.loads((volume.directory / "run.json").read_text())
    run["study"]["data"] |= {"kind": "surface", "meshes": [str(tmp_path / "mesh.gii")]}
    (results.directory / "run.json").write_text(json.dumps(run))
    return results


def test_pack_maps__gives_each_node_its_value(surface):
    packed = pack_maps(surface)
    (one,) = (one for one in packed["maps"] if one["name"] == "nrl_audio")
    assert np.frombuffer(base64.b64decode(packed["index"]), "<i4").tolist() == [1, 2, 3]
    np.testing.assert_allclose(unpacked(one), [-2, np.nan, 4], atol=1e-3)
    (mesh,) = packed["meshes"]
    triangles = np.frombuffer(base64.b64decode(mesh["triangles"]), "<u2")
    assert triangles.reshape(-1, 3)[3].tolist() == [1, 2, 3]
    steps = np.frombuffer(base64.b64decode(mesh["coordinates"]), "<i2").reshape(-1, 3)
    nodes = [[0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]]
    np.testing.assert_allclose(steps * mesh["step"] + mesh["centre"], nodes, atol=1e-3)
    assert packed["not_drawn"] == 0


def test_report__of_a_surface_does_without_its_mesh(surface, tmp_path):
    assert 'id="map"' in write_report(surface.directory).read_text("utf-8")
    (tmp_path / "mesh.gii").unlink()
    assert "nor a mesh" in write_report(surface.directory).read_text("utf-8")


def test_report__of_a_surface_refuses_an_anatomy(surface, tmp_path):
    with pytest.raises(
        InputError, match=r"maps of a surface.* an anatomy and cuts are for volumes"
    ):
        write_report(surface.directory, anatomy=tmp_path / "nowhere.nii")
    assert not (surface.directory / "report.html").exists()


def test_pack_maps__leaves_out_what_is_too_large(surface):
    assert pack_maps(surface, max_bytes=30) is None


def test_pack_maps__puts_two_hemispheres_one_after_the_other(tmp_path):
    """Of CIFTI: cortical nodes at their meshes, then the voxels."""
    packed = pack_maps(make_cifti_results(tmp_path))
    assert [(one["name"], one["first"]) for one in packed["meshes"]] == [
        ("CortexRight", 0),
        ("CortexLeft", 4),
    ]
    assert packed["volume"]["first"] == 9
    # left nodes 1, 3 and 4 have the levels 10, 11, 12; right nodes 0 and 2 have 13, 14
    nodes = {place: level for place, level in levels_of(packed).items() if place < 9}
    assert nodes == {4 + 1: 10, 4 + 3: 11, 4 + 4: 12, 0: 13, 2: 14}
    assert packed["not_drawn"] == 0


def millimetres(volume: dict, place: int) -> tuple[float, ...]:
    voxel = np.unravel_index(place - volume["first"], volume["shape"], order="F")
    return tuple((np.array(volume["affine"]) @ [*voxel, 1])[:3].round(6).tolist())


def test_pack_maps__puts_cifti_voxels_where_they_are_in_the_head(tmp_path):
    results = make_cifti_results(tmp_path)
    packed = pack_maps(results)
    image = results.load_map("nrl_audio")
    axis, values = image.header.get_axis(1), image.get_fdata()[0]
    expected = {
        tuple((axis.affine @ [*voxel, 1])[:3].tolist()): value
        for voxel, value, is_voxel in zip(axis.voxel, values, axis.volume_mask, strict=True)
        if is_voxel
    }
    assert len(expected) == 2
    volume = packed["volume"]
    levels = levels_of(packed)
    found = {millimetres(volume, place): levels[place] for place in levels if place >= 9}
    assert found == expected
    assert volume["affine"][0][0] == 3  # turned: in the file the first axis runs to the left
    assert (volume["background"], packed["voxels_on"]) == (None, "plain grey")


def test_pack_maps__draws_cifti_voxels_on_an_anatomy(tmp_path):
    affine = np.diag([3.0, 3, 3, 1])
    grey = np.arange(20, dtype=np.float32)[:, None, None] * np.ones((20, 20, 20), np.float32)
    nib.save(nib.Nifti1Image(grey, affine), tmp_path / "head.nii")
    packed = pack_maps(make_cifti_results(tmp_path), anatomy=tmp_path / "head.nii")
    volume = packed["volume"]
    drawn = integers(volume["background"], np.uint8).reshape(volume["shape"], order="F")
    # It rises to the right up to the voxels, which have the lightest grey.
    steps = np.diff(drawn[:, 0, 0].astype(int))
    assert np.all(steps >= 0)
    assert np.all(steps[:2] > 0)
    assert packed["voxels_on"] == "the anatomy head.nii"


def test_report__of_cifti_draws_voxels_without_the_meshes(tmp_path):
    results = make_cifti_results(tmp_path)
    for path in tmp_path.glob("*.surf.gii"):
        path.unlink()
    packed = pack_maps(results)
    assert packed["meshes"] == []
    assert sorted(levels_of(packed).values()) == [15, 16]
    assert packed["not_drawn"] == 5
    page = write_report(results.directory).read_text("utf-8")
    assert "5 grayordinates of parcels lie on no mesh that is there" in page


def test_map_values__of_cifti_are_those_that_nibabel_reads(tmp_path):
    results = make_cifti_results(tmp_path)
    for name in ("nrl_audio", "parcels", "hrf"):
        matrix = np.asarray(results.load_map(name).dataobj)
        expected = matrix[0] if len(matrix) == 1 else matrix.T
        assert np.array_equal(results.map_values(name), expected)


def test_space__holds_the_positions_of_cifti_maps(surface, tmp_path):
    (tmp_path / "cifti").mkdir()
    results = make_cifti_results(tmp_path / "cifti")
    assert results.space.axis == results.load_map("nrl_audio").header.get_axis(1)
    assert surface.space == Nodes((4,), "CortexLeft")


def divided(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divide each triangle into four, as the meshes of fsaverage were made."""
    points, numbers, parts = list(points), {}, []

    def between(i: int, j: int) -> int:
        pair = (min(i, j), max(i, j))
        if pair not in numbers:
            numbers[pair] = len(points)
            points.append((points[i] + points[j]) / 2)
        return numbers[pair]

    for a, b, c in triangles.tolist():
        ab, bc, ca = between(a, b), between(b, c), between(c, a)
        parts += [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.array(points), np.array(parts, np.int32)


def write_ball(path, times: int, order: np.random.Generator | None = None) -> None:
    """Write an octahedron whose triangles are divided some times."""
    points = np.concatenate([np.eye(3), -np.eye(3)])
    triangles = np.array(
        [(0, 1, 2), (0, 1, 5), (0, 4, 2), (0, 4, 5), (3, 1, 2), (3, 1, 5), (3, 4, 2), (3, 4, 5)]
    )
    for _ in range(times):
        points, triangles = divided(points, triangles)
    points = 50 * points / np.linalg.norm(points, axis=1, keepdims=True)
    if order is not None:
        new = order.permutation(len(points))
        points, triangles = points[np.argsort(new)], new[triangles]
    arrays = [
        nib.gifti.GiftiDataArray(points.astype(np.float32), intent="pointset"),
        nib.gifti.GiftiDataArray(triangles.astype(np.int32), intent="triangle"),
    ]
    nib.save(nib.gifti.GiftiImage(darrays=arrays), path)


def ball(path, times: int, order: np.random.Generator | None = None) -> MapSurface:
    write_ball(path, times, order)
    mesh = open_mesh(path)
    every = np.arange(mesh.n_nodes)
    return MapSurface("ball", mesh, every, every)


@pytest.mark.parametrize("rounds", [1, 2])
def test_thinned__finds_the_mesh_whose_triangles_were_divided(tmp_path, rounds):
    coarse = ball(tmp_path / "coarse.gii", 4 - rounds).mesh
    thin, kept = thinned(ball(tmp_path / "fine.gii", 4), coarse.n_nodes)
    assert kept.tolist() == list(range(coarse.n_nodes))
    np.testing.assert_allclose(thin.mesh.coordinates, coarse.coordinates, atol=1e-5)
    as_sets = [{frozenset(one) for one in m.triangles.tolist()} for m in (thin.mesh, coarse)]
    assert as_sets[0] == as_sets[1]


def test_thinned__of_nodes_in_any_order_is_closed_and_keeps_places_and_values(tmp_path):
    whole = ball(tmp_path / "ball.gii", 4, np.random.default_rng(3))
    thin, kept = thinned(whole, 500)
    assert 150 < len(kept) <= 500
    assert np.array_equal(thin.mesh.coordinates, whole.mesh.coordinates[kept])
    values = np.random.default_rng(4).normal(size=whole.mesh.n_nodes)
    assert np.array_equal(thin.on_nodes(values), values[kept])
    # A closed surface without handles: each edge has two triangles, and Euler's formula holds.
    corners = thin.mesh.triangles
    sides = np.sort(np.concatenate([corners[:, :2], corners[:, 1:], corners[:, ::2]]), axis=1)
    edges, times = np.unique(sides, axis=0, return_counts=True)
    assert set(times.tolist()) == {2}
    assert len(kept) - len(edges) + len(corners) == 2
    # Nothing is far from its node: spread evenly.
    away = whole.mesh.coordinates[:, None] - thin.mesh.coordinates[None]
    assert np.linalg.norm(away, axis=2).min(axis=1).max() < 12
    again, same = thinned(whole, 500)
    assert np.array_equal(same, kept)
    assert np.array_equal(again.mesh.triangles, corners)


def test_thinned__leaves_a_small_mesh_as_it_is(tmp_path):
    whole = ball(tmp_path / "ball.gii", 2)
    thin, kept = thinned(whole, whole.mesh.n_nodes)
    assert thin.mesh is whole.mesh
    assert kept.tolist() == list(range(whole.mesh.n_nodes))


def test_pack_maps__of_a_large_mesh_names_its_nodes_as_the_file_does(surface, tmp_path):
    """The page holds for each node that it draws the value that the map has at its number."""
    write_ball(tmp_path / "mesh.gii", 3, np.random.default_rng(5))
    n_nodes = open_mesh(tmp_path / "mesh.gii").n_nodes
    levels = np.arange(n_nodes, dtype=np.float32)
    hrf = {"time": np.arange(3.0), "hrf": np.array([0, 1.0, 0]), "sd": np.zeros(3)}
    summary = {"time_to_peak": 5.0}
    positions = np.arange(7, n_nodes)
    maps = {("nrl", "audio"): levels[7:]}
    estimate = ParcelEstimate(1, "ok", "", positions, summary=summary, hrf=hrf, maps=maps)
    grid = Nodes(levels.shape, "CortexLeft")
    results = write_results(tmp_path / "large", [estimate], conditions=("audio",), space=grid)
    shutil.copy(surface.directory / "run.json", results.directory)
    packed = pack_maps(results, most_nodes=100)
    (mesh,) = packed["meshes"]
    numbers = integers(mesh["numbers"])
    assert (packed["n_nodes"], packed["n_whole"]) == (len(numbers), n_nodes)
    assert len(numbers) == mesh["n_nodes"] <= 100
    found = {numbers[place]: level for place, level in levels_of(packed).items()}
    assert found.keys() == set(numbers[numbers >= 7].tolist())
    assert all(abs(number - level) < 0.01 for number, level in found.items())
    assert integers(mesh["triangles"], "<u2").max() == mesh["n_nodes"] - 1
    assert packed["not_drawn"] == 0


def test_report__says_how_many_nodes_of_a_large_mesh_are_drawn(surface, tmp_path, monkeypatch):
    assert "are drawn, spread evenly" not in write_report(surface.directory).read_text("utf-8")
    results = Results(surface.directory)
    packed = pack_maps(results)
    monkeypatch.setattr(
        "pyhrf.results.report.pack_maps",
        lambda *_, **__: packed | {"n_nodes": 40962, "n_whole": 163842},
    )
    page = write_report(surface.directory).read_text("utf-8")
    assert "Of their 163,842 nodes 40,962 are drawn, spread evenly, each with its own" in page
