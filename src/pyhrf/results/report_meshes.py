"""Meshes of a report: what a browser needs to draw them, packed as base64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.results.packing import as_base64
from pyhrf.results.results import Results
from pyhrf.results.thinning import thinned
from pyhrf.spaces.space import MapSurface
from pyhrf.spaces.surfaces import Mesh

MOST_NODES = 1 << 16
"""Of a mesh in the page: more than its pixels show, and 16 bits name a corner."""

_LEVELS = 32767


@dataclass(frozen=True)
class DrawnMeshes:
    """The meshes of results, thinned where they are large.

    Attributes
    ----------
    whole : sequence of MapSurface
        As they are in their files.
    surfaces : sequence of MapSurface
        As they are drawn.
    kept : sequence of int array, shape (n_nodes,)
        Number in its file of each node that is drawn, by mesh.
    """

    whole: Sequence[MapSurface]
    surfaces: Sequence[MapSurface]
    kept: Sequence[NDArray[np.int64]]

    @classmethod
    def of(cls, results: Results, most_nodes: int) -> DrawnMeshes:
        """Find those that are still there, and draw ``most_nodes`` of each, 65536 at most."""
        whole = results.surfaces()
        both = [thinned(surface, most_nodes) for surface in whole]
        return cls(whole, [surface for surface, _ in both], [kept for _, kept in both])

    @property
    def n_nodes(self) -> int:
        """Nodes that are drawn."""
        return sum(len(kept) for kept in self.kept)

    @property
    def n_whole(self) -> int:
        """Nodes of all files."""
        return sum(surface.mesh.n_nodes for surface in self.whole)

    @property
    def names(self) -> str:
        """Names of their files."""
        names = ", ".join(surface.mesh.path.name for surface in self.surfaces)
        return f"the mesh{'es' if len(self.surfaces) > 1 else ''} {names}"

    def on_nodes(self, values: NDArray[Any]) -> FloatArray:
        """Put a map on the nodes of all meshes, one after the other; NaN where it has no value."""
        parts = [surface.on_nodes(values) for surface in self.surfaces]
        return np.concatenate([np.empty(0), *parts])

    def packed(self) -> list[dict[str, Any]]:
        """Pack the meshes, coordinates to a hundred-thousandth of their size; see `pack_maps`."""
        first, packed = 0, []
        for whole, surface, kept in zip(self.whole, self.surfaces, self.kept, strict=True):
            numbers = as_base64(kept.astype("<i4")) if len(kept) < whole.mesh.n_nodes else None
            one = {"name": surface.name, "first": first, "n_nodes": len(kept)}
            packed.append(one | {"numbers": numbers} | _packed(surface.mesh))
            first += len(kept)
        return packed


def _packed(mesh: Mesh) -> dict[str, Any]:
    points = mesh.coordinates
    centre = (points.min(axis=0) + points.max(axis=0)) / 2
    step = (np.abs(points - centre).max() or 1.0) / _LEVELS
    return {
        "centre": centre.tolist(),
        "step": float(step),
        "coordinates": as_base64(np.rint((points - centre) / step).astype("<i2")),
        "triangles": as_base64(mesh.triangles.astype("<u2")),
    }
