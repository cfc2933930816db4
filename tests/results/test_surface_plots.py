"""A map on its meshes: what is near hides what is far, and both halves are seen from outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis
from report_results import make_cifti_results

from pyhrf.errors import InputError
from pyhrf.results.plots import save_map_figure
from pyhrf.results.surface_plots import surface_figure
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.space import MapSurface, Space
from pyhrf.spaces.surfaces import Mesh, mesh_edges


def two_plates(name: str) -> MapSurface:
    """A plate on the left and one on the right, of three nodes each."""
    plate = np.array([[0, 0, 0], [0, 9, 0], [0, 0, 9.0]])
    aside = np.array([5, 0, 0])
    points = np.concatenate([plate - aside, plate + aside])
    triangles = np.array([[0, 1, 2], [3, 4, 5]], np.int32)
    mesh = Mesh(Path("two.surf.gii"), points, triangles, mesh_edges(triangles), name)
    return MapSurface(name, mesh, np.arange(6), np.arange(6))


def drawn(name: str, values: np.ndarray, threshold: float = 0.0) -> list[np.ndarray]:
    """Colours of the farther and the nearer triangle, by side."""
    figure = surface_figure([two_plates(name)], values, "nrl_a", threshold)
    return [axis.collections[0].get_facecolors()[:, :3] for axis in figure.axes[:2]]


def is_red(colour: np.ndarray) -> bool:
    return bool(colour[0] > colour[2] + 0.2)


@pytest.mark.parametrize(("name", "near_first"), [("CortexLeft", "left"), ("CortexRight", "right")])
def test_surface_figure__outer_side_comes_first_and_near_hides_far(name, near_first):
    values = np.repeat([4.0, -4.0], 3)  # red on the left, blue on the right
    outer, inner = drawn(name, values)
    assert is_red(outer[-1]) == (near_first == "left")
    assert is_red(outer[0]) == (near_first == "right")
    assert is_red(inner[-1]) == (near_first == "right")


def test_surface_figure__draws_a_large_mesh_with_fewer_nodes(monkeypatch):
    strip = np.arange(900)
    points = np.stack([np.zeros(900), strip % 30, strip // 30], axis=1).astype(float)
    corner = strip[(strip % 30 < 29) & (strip < 870)]
    triangles = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 30], 1),
            np.stack([corner + 1, corner + 30, corner + 31], 1),
        ]
    ).astype(np.int32)
    mesh = Mesh(Path("sheet.surf.gii"), points, triangles, mesh_edges(triangles), "CortexLeft")
    sheet = MapSurface("CortexLeft", mesh, strip, strip)
    values = np.where(points[:, 1] < 15, 4.0, -4.0)
    monkeypatch.setattr("pyhrf.results.surface_plots._MOST_NODES", 400)
    axis = surface_figure([sheet], values, "nrl_a", 0.0).axes[0]
    (drawn,) = axis.collections
    assert 200 < len(drawn.get_paths()) < 800  # of 1682 triangles
    # Seen from the left, what is behind lies at the right of the figure, in its own colour.
    for path, colour in zip(drawn.get_paths(), drawn.get_facecolors(), strict=True):
        places = -path.vertices[:, 0]
        if places.max() < 15 or places.min() >= 15:
            assert is_red(colour[:3]) == (places.max() < 15)


def test_surface_figure__greys_what_is_below_the_threshold_or_not_known():
    values = np.array([1.0, 1, 1, np.nan, np.nan, np.nan])
    for colours in (*drawn("CortexLeft", values, threshold=2.0), drawn("CortexLeft", values)[1]):
        near = colours[-1]
        assert np.ptp(near) < 1e-9


def test_map_figure__draws_cifti_results_and_names_what_is_missing(tmp_path):
    results = make_cifti_results(tmp_path)
    save_map_figure(results, "nrl_audio", tmp_path / "map.png", threshold=11.5)
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="an anatomy and cuts are for volumes"):
        save_map_figure(results, "nrl_audio", tmp_path / "cut.png", display="x")
    with pytest.raises(InputError, match="more than one value per position"):
        save_map_figure(results, "hrf", tmp_path / "hrf.png")
    for path in tmp_path.glob("*.surf.gii"):
        path.unlink()
    with pytest.raises(InputError, match=r"no longer where the run found it.*CortexRight"):
        save_map_figure(results, "nrl_audio", tmp_path / "gone.png")


def test_map_figure__does_not_look_for_meshes_that_its_values_never_lie_on(tmp_path, monkeypatch):
    results = make_cifti_results(tmp_path)
    monkeypatch.setattr(Grayordinates, "surfaces", Space.surfaces)
    monkeypatch.setattr(Grayordinates, "volume", Space.volume)
    with pytest.raises(InputError, match="on no surface and in no voxels"):
        save_map_figure(results, "nrl_audio", tmp_path / "map.png")


def test_surface_figure__cuts_voxels_where_they_are_strong_and_many():
    grid = np.argwhere(np.ones((4, 5, 6), bool))
    at = np.concatenate([grid + 3, [[2, 5, 5]]])  # one voxel at the rim
    affine = np.array([[-2.0, 0, 0, 40], [0, 3, 0, 0], [0, 0, 4, 0], [0, 0, 0, 1]])
    voxels = BrainModelAxis("ThalamusLeft", voxel=at, affine=affine, volume_shape=(12, 12, 12))
    nodes = BrainModelAxis.from_surface(np.arange(6), 6, name="CortexLeft")
    space = Grayordinates.of(nodes + voxels)
    values = np.concatenate([np.full(6, 4.0), np.zeros(len(at))])
    peak = 6 + int(np.flatnonzero((at == [4, 6, 7]).all(axis=1))[0])
    values[[peak, -1]] = 5, -9
    figure = surface_figure([two_plates("CortexLeft")], values, "nrl_a", 1.0, space)
    assert len(figure.axes) == 2 + 3 + 1  # sides, cuts, the bar
    axial, coronal, sagittal = figure.axes[2:5]
    titles = [axis.get_title(loc="left") for axis in (axial, coronal, sagittal)]
    assert titles == ["z = 28 mm", "y = 18 mm", "x = 32 mm"]
    cuts = [axis.images[0].get_array() for axis in (axial, coronal, sagittal)]
    # Of the box: 5 voxels of x, which runs to the left in the file, 5 of y, 6 of z.
    assert [cut.shape[:2] for cut in cuts] == [(5, 5), (6, 5), (6, 5)]
    places = [(3, 2), (4, 2), (4, 3)]  # rows and columns of the strongest voxel
    for cut, place, axis in zip(cuts, places, (axial, coronal, sagittal), strict=True):
        assert axis.images[0].origin == "lower"
        red = np.argwhere(cut[..., 0] > cut[..., 2] + 0.2)
        assert [tuple(one) for one in red] == [place]
    # What is no voxel is white, what is below the threshold grey.
    assert (cuts[0][:, 4] == 1).sum(axis=1).tolist() == [3] * 5
    assert np.ptp(cuts[0][0, 0]) == 0 < cuts[0][0, 0, 0] < 1


def test_map_figure__draws_voxels_without_any_mesh(tmp_path):
    results = make_cifti_results(tmp_path)
    path = results.directory / "run.json"
    run = json.loads(path.read_text())
    del run["study"]["data"]["meshes"]
    path.write_text(json.dumps(run))
    save_map_figure(results, "nrl_audio", tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
