"""A map on the meshes of its results, as a figure."""

from __future__ import annotations

import math
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.results.thinning import thinned
from pyhrf.results.voxel_plots import draw_voxels
from pyhrf.spaces.space import MapSurface, Space

_GREY = (0.68, 0.68, 0.68)
_TILT = math.radians(10)
_LEAST_LIGHT = 0.5
_MOST_NODES = 1 << 16  # of a mesh; more are smaller than a dot of the figure, and take its time


def surface_figure(
    surfaces: list[MapSurface],
    values: NDArray[Any],
    title: str,
    threshold: float,
    space: Space | None = None,
) -> Figure:
    """Draw each mesh from two sides, the outer side of a hemisphere first; large ones thinned.

    Voxels beside the meshes are drawn in three cuts below them, in the same colours.

    Parameters
    ----------
    surfaces : list of MapSurface
        At least one, or voxels.
    values : array, shape (n_positions,)
        The map.
    title : str
    threshold : float
        What is not farther from 0 is grey, as are nodes without a value.
    space : Space, optional
        Of the map, if it has voxels.

    Returns
    -------
    matplotlib Figure
    """
    surfaces = [thinned(surface, _MOST_NODES)[0] for surface in surfaces]
    known = values[np.isfinite(values)]
    top = float(np.percentile(np.abs(known), 99)) or float(np.abs(known).max()) or 1.0
    signed = bool((known < 0).any())
    norm = Normalize(-top if signed else 0, top)
    colours = mpl.colormaps["RdBu_r" if signed else "inferno"]

    def colour(some: FloatArray) -> FloatArray:
        rgb: FloatArray = np.asarray(colours(norm(some)))[..., :3]
        rgb[~(np.abs(some) > threshold)] = _GREY  # NaN too
        return rgb

    n_rows = len(surfaces) + (space is not None)
    figure = Figure(figsize=(8, 3.1 * n_rows + 0.3), layout="constrained")
    grid = figure.add_gridspec(n_rows, 6)
    for row, surface in enumerate(surfaces):
        rgb = colour(surface.on_nodes(values))
        outer = 270 if "left" in surface.name.lower() else 90
        pair = [figure.add_subplot(grid[row, k : k + 3]) for k in (0, 3)]
        for axis, turn in zip(pair, (outer, (outer + 180) % 360), strict=True):
            _draw(axis, surface, rgb, math.radians(turn))
        pair[0].set_title(surface.name, fontsize=8, loc="left")
    if space is not None:
        cuts = [figure.add_subplot(grid[-1, k : k + 2]) for k in (0, 2, 4)]
        draw_voxels(cuts, space, values, colour)
    figure.suptitle(title, fontsize=10)
    bar = mpl.cm.ScalarMappable(norm, colours)
    figure.colorbar(bar, ax=figure.axes, shrink=0.5, aspect=25)
    return figure


def _draw(axis: Axes, surface: MapSurface, rgb: FloatArray, turn: float) -> None:
    """Draw the triangles from the farthest to the nearest, lit from where the reader is."""
    a, b, c = surface.mesh.coordinates.T
    behind = b * math.cos(turn) - a * math.sin(turn)
    across = a * math.cos(turn) + b * math.sin(turn)
    up = c * math.cos(_TILT) + behind * math.sin(_TILT)
    far = behind * math.cos(_TILT) - c * math.sin(_TILT)
    place = np.column_stack([across, up, far])
    corners = surface.mesh.triangles
    order = np.argsort(-far[corners].sum(axis=1), kind="stable")
    corners = corners[order]
    first, second, third = (place[corners[:, k]] for k in range(3))
    normal = np.cross(second - first, third - first)
    length = np.linalg.norm(normal, axis=1)
    light = np.abs(normal[:, 2]) / np.where(length > 0, length, 1)
    light = _LEAST_LIGHT + (1 - _LEAST_LIGHT) * light
    faces = rgb[corners].mean(axis=1) * light[:, None]
    axis.add_collection(
        PolyCollection(
            list(place[corners, :2]),
            facecolors=faces,
            edgecolors=faces,
            linewidths=0.2,
            rasterized=True,  # tens of thousands of triangles in an SVG or PDF would be slow
        )
    )
    axis.autoscale_view()
    axis.set_aspect("equal")
    axis.set_axis_off()
