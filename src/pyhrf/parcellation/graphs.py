"""Positions and who is beside whom: connected pieces, numbering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.model.graph import grid_edges


@dataclass(frozen=True)
class Piece:
    """Some positions, and the edges between their places in ``nodes``."""

    nodes: NDArray[Any]
    edges: NDArray[Any]


def inside(labels: NDArray[Any], edges: NDArray[Any] | None) -> Piece:
    """Collect what is not background.

    Parameters
    ----------
    labels : array, shape (n_x, n_y, n_z) or (n_positions,)
        0 is background.
    edges : int array, shape (n_edges, 2), or None
        Neighbours among all positions; None for voxels, which are neighbours if they share a face.

    Returns
    -------
    Piece
        Its ``nodes`` are flat C-order indices, ascending.
    """
    nodes = np.flatnonzero(labels)
    if edges is None:
        return Piece(nodes, grid_edges(np.argwhere(labels)))
    place = np.full(labels.size, -1, np.int64)
    place[nodes] = np.arange(len(nodes))
    found = place[edges]
    return Piece(nodes, found[(found >= 0).all(axis=1)])


def sparse_graph(n_nodes: int, edges: NDArray[Any]) -> Any:
    """Make the symmetric matrix of neighbours, compressed rows."""
    from scipy.sparse import coo_array

    ones = np.ones(2 * len(edges), np.int8)
    both = np.concatenate([edges, edges[:, ::-1]])
    return coo_array((ones, (both[:, 0], both[:, 1])), shape=(n_nodes, n_nodes)).tocsr()


def pieces_of(piece: Piece) -> list[Piece]:
    """Find the connected parts."""
    from scipy.sparse.csgraph import connected_components

    n_nodes = len(piece.nodes)
    n_parts, part_of = connected_components(sparse_graph(n_nodes, piece.edges), directed=False)
    order = np.argsort(part_of, kind="stable")
    sizes = np.bincount(part_of, minlength=n_parts)
    starts = np.cumsum(sizes) - sizes
    place = np.empty(n_nodes, np.int64)
    place[order] = np.arange(n_nodes) - np.repeat(starts, sizes)
    owner = part_of[piece.edges[:, 0]]
    by_owner = np.argsort(owner, kind="stable")
    ends = np.cumsum(np.bincount(owner, minlength=n_parts))[:-1]
    nodes = np.split(piece.nodes[order], starts[1:])
    edges = np.split(place[piece.edges[by_owner]], ends)
    return [Piece(*part) for part in zip(nodes, edges, strict=True)]


def renumbered(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Renumber parcels from 1 in the order of their first positions."""
    _, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1, dtype=np.int32)
    return rank[places]
