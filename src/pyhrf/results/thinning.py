"""Large meshes with fewer nodes, as many as a screen can show."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.spaces.space import MapSurface
from pyhrf.spaces.surfaces import Mesh, mesh_edges


def thinned(surface: MapSurface, most_nodes: int) -> tuple[MapSurface, NDArray[np.int64]]:
    """Leave out nodes of a mesh until few enough are left, each with its own place and value.

    Nodes are kept in the order of their numbers, none beside one that is kept, so that each other
    one has a neighbour that is: its corners of triangles move to the nearest of these. Of a mesh
    that was made by dividing the triangles of a coarser one, as fsaverage was, that gives the
    coarser one.

    Parameters
    ----------
    surface : MapSurface
    most_nodes : int
        That may be left. About a quarter of the nodes is left by each round.

    Returns
    -------
    surface : MapSurface
        The same one when it is small enough.
    kept : int array, shape (n_nodes,)
        Number that each node has in the file of the mesh, ascending.
    """
    mesh, kept = surface.mesh, np.arange(surface.mesh.n_nodes)
    while mesh.n_nodes > most_nodes:
        mesh, chosen = _thinner(mesh)
        kept = kept[chosen]
    place = np.full(surface.mesh.n_nodes, -1)
    place[kept] = np.arange(len(kept))
    nodes = place[surface.nodes]
    here = nodes >= 0
    return MapSurface(surface.name, mesh, nodes[here], surface.positions[here]), kept


def _thinner(mesh: Mesh) -> tuple[Mesh, NDArray[np.int64]]:
    """Give the mesh between nodes that are no neighbours, and these nodes."""
    # Each pair in both directions, those of one node beside each other.
    pairs = np.concatenate([mesh.edges, mesh.edges[:, ::-1]])
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    kept = _no_neighbours(pairs, mesh.n_nodes)
    is_kept = np.zeros(mesh.n_nodes, bool)
    is_kept[kept] = True

    to_kept = pairs[~is_kept[pairs[:, 0]] & is_kept[pairs[:, 1]]]
    way = mesh.coordinates[to_kept[:, 0]] - mesh.coordinates[to_kept[:, 1]]
    to_kept = to_kept[np.lexsort((np.linalg.norm(way, axis=1), to_kept[:, 0]))]
    moved, nearest = np.unique(to_kept[:, 0], return_index=True)

    place = np.full(mesh.n_nodes, -1, np.int32)
    place[kept] = np.arange(len(kept))
    place[moved] = place[to_kept[nearest, 1]]
    corners = np.sort(place[mesh.triangles], axis=1)
    corners = corners[(corners[:, 0] != corners[:, 1]) & (corners[:, 1] != corners[:, 2])]
    triangles = np.unique(corners, axis=0)
    edges = mesh_edges(triangles)
    return Mesh(mesh.path, mesh.coordinates[kept], triangles, edges, mesh.structure), kept


def _no_neighbours(pairs: NDArray[np.int32], n_nodes: int) -> NDArray[np.int64]:
    """Choose nodes, the smallest number first, that are no neighbours; none without neighbours."""
    ends = np.concatenate([[0], np.cumsum(np.bincount(pairs[:, 0], minlength=n_nodes))]).tolist()
    others = pairs[:, 1].tolist()
    free = bytearray(b"\1") * n_nodes
    kept = []
    for node in range(n_nodes):
        if free[node] and ends[node] < ends[node + 1]:
            kept.append(node)
            for other in others[ends[node] : ends[node + 1]]:
                free[other] = 0
    return np.array(kept, np.int64)
