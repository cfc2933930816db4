"""Parcellations as arrays: made of a mask, cut into pieces, merged, picked.

All take and give int32 arrays of shape (n_x, n_y, n_z): the parcel of each voxel, 0 for background.
Voxels that share a face are neighbours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.model.graph import grid_edges

__all__ = ["extract", "make_contiguous", "merge_small", "split_mask"]

Labels = NDArray[np.int32]


def split_mask(mask: NDArray[Any], *, size: int) -> Labels:
    """Cut a mask into connected parcels of bounded size.

    Each connected piece is halved again and again, by distance from one of its ends within the
    piece, until no part is larger than ``size``; parts that a cut has split off are joined to a
    neighbour where both together are small enough.

    Parameters
    ----------
    mask : array, shape (n_x, n_y, n_z)
        What is not 0 is inside.
    size : int
        Voxels of a parcel at most.

    Returns
    -------
    int32 array, shape of ``mask``
        Numbered from 1, in the order of their first voxels.

    Raises
    ------
    InputError
        If the mask is empty or the size is less than 1.
    """
    if size < 1:
        raise InputError(f"a parcel of at most {size} voxels cannot be: give a size of 1 or more")
    ijk = np.argwhere(mask)
    if len(ijk) == 0:
        raise InputError("the mask is empty: all its voxels are 0")
    edges = grid_edges(ijk)
    numbers = np.zeros(len(ijk), np.int32)
    waiting = _pieces(_Piece(np.arange(len(ijk)), edges))
    n_parcels = 0
    while waiting:
        piece = waiting.pop()
        if len(piece.nodes) <= size:
            n_parcels += 1
            numbers[piece.nodes] = n_parcels
        else:
            waiting.extend(_halves(piece, size))
    labels = np.zeros(mask.shape, np.int32)
    labels[tuple(ijk.T)] = _renumbered(_joined(numbers, edges, smallest=size, largest=size))
    return labels


def make_contiguous(labels: Labels) -> Labels:
    """Give each connected piece of a parcel a number of its own.

    The largest piece keeps the number; the others follow after the largest number there is.
    """
    ijk = np.argwhere(labels)
    numbers = labels[tuple(ijk.T)].copy()
    edges = grid_edges(ijk)
    inside = edges[numbers[edges[:, 0]] == numbers[edges[:, 1]]]
    pieces = [piece.nodes for piece in _pieces(_Piece(np.arange(len(ijk)), inside))]
    pieces.sort(key=lambda nodes: (-len(nodes), nodes[0]))
    seen: set[int] = set()
    last = int(labels.max(initial=0))
    for piece in pieces:
        number = int(numbers[piece[0]])
        if number in seen:
            last += 1
            numbers[piece] = last
        seen.add(number)
    result = labels.copy()
    result[tuple(ijk.T)] = numbers
    return result


def merge_small(labels: Labels, *, smallest: int) -> Labels:
    """Merge parcels with the neighbour of which they touch most, the smallest parcel first.

    Parameters
    ----------
    labels : int32 array
    smallest : int
        A parcel of fewer voxels is merged; one that touches no other stays as it is.
    """
    ijk = np.argwhere(labels)
    result = labels.copy()
    numbers = labels[tuple(ijk.T)]
    result[tuple(ijk.T)] = _joined(numbers, grid_edges(ijk), smallest=smallest)
    return result


def extract(labels: Labels, numbers: Sequence[int]) -> Labels:
    """Keep some parcels, with their numbers.

    Raises
    ------
    InputError
        If there is no such parcel.
    """
    there = set(np.unique(labels).tolist()) - {0}
    for number in numbers:
        if number not in there:
            raise InputError(
                f"there is no parcel {number}: there are {len(there)}, "
                f"from {min(there)} to {max(there)}"
            )
    return np.where(np.isin(labels, list(numbers)), labels, 0).astype(np.int32)


@dataclass(frozen=True)
class _Piece:
    """Some positions, and the edges between their places in ``nodes``."""

    nodes: NDArray[Any]
    edges: NDArray[Any]


def _graph(n_nodes: int, edges: NDArray[Any]) -> Any:
    from scipy.sparse import coo_array

    ones = np.ones(2 * len(edges), np.int8)
    both = np.concatenate([edges, edges[:, ::-1]])
    return coo_array((ones, (both[:, 0], both[:, 1])), shape=(n_nodes, n_nodes)).tocsr()


def _pieces(piece: _Piece) -> list[_Piece]:
    """Find the connected parts."""
    from scipy.sparse.csgraph import connected_components

    n_nodes = len(piece.nodes)
    n_parts, part_of = connected_components(_graph(n_nodes, piece.edges), directed=False)
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
    return [_Piece(*part) for part in zip(nodes, edges, strict=True)]


def _halves(piece: _Piece, size: int) -> list[_Piece]:
    """Cut a connected piece in two, near the multiple of the size that halves it best."""
    from scipy.sparse.csgraph import breadth_first_order

    graph = _graph(len(piece.nodes), piece.edges)
    end = int(breadth_first_order(graph, 0, directed=False, return_predecessors=False)[-1])
    order = breadth_first_order(graph, end, directed=False, return_predecessors=False)
    n_parts = -(-len(piece.nodes) // size)
    cut = round(len(piece.nodes) * (n_parts // 2) / n_parts)
    side = np.ones(len(piece.nodes), bool)
    side[order[:cut]] = False
    kept = side[piece.edges[:, 0]] == side[piece.edges[:, 1]]
    return _pieces(_Piece(piece.nodes, piece.edges[kept]))


def _joined(
    numbers: NDArray[np.int32], edges: NDArray[Any], *, smallest: int, largest: int | None = None
) -> NDArray[np.int32]:
    """Join parcels below a size to the neighbour that they touch most, the smallest first."""
    touching: dict[int, dict[int, int]] = {}
    for one, other in numbers[edges].tolist():
        if one != other:
            for a, b in ((one, other), (other, one)):
                row = touching.setdefault(a, {})
                row[b] = row.get(b, 0) + 1
    found, counts = np.unique(numbers, return_counts=True)
    sizes = dict(zip(found.tolist(), counts.tolist(), strict=True))
    joined = {number: number for number in sizes}
    waiting = {number for number, n in sizes.items() if n < smallest}
    while waiting:
        small = min(waiting, key=lambda number: (sizes[number], number))
        waiting.discard(small)
        fitting = [
            (-contact, other)
            for other, contact in touching.get(small, {}).items()
            if largest is None or sizes[small] + sizes[other] <= largest
        ]
        if not fitting:
            continue
        target = min(fitting)[1]
        joined[small] = target
        sizes[target] += sizes.pop(small)
        for other, contact in touching.pop(small).items():
            del touching[other][small]
            if other != target:
                for a, b in ((target, other), (other, target)):
                    touching[a][b] = touching[a].get(b, 0) + contact
        if sizes[target] >= smallest:
            waiting.discard(target)
    for number in joined:
        target = joined[number]
        while joined[target] != target:
            target = joined[target]
        joined[number] = target
    return np.array([joined[number] for number in numbers.tolist()], np.int32)


def _renumbered(numbers: NDArray[np.int32]) -> NDArray[np.int32]:
    """Renumber parcels from 1 in the order of their first positions."""
    _, first, places = np.unique(numbers, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(1, len(first) + 1, dtype=np.int32)
    return rank[places]
