"""Parcellations as arrays: made of a mask, cut into pieces, merged, picked.

All take and give int32 arrays of the parcel of each position, 0 for background: of voxels, shape
(n_x, n_y, n_z), which are neighbours if they share a face; or, with ``edges``, of shape
(n_positions,), with neighbours as these int pairs of shape (n_edges, 2) say (see
`pyhrf.spaces.surfaces.mesh_edges`).
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heapify, heappop, heappush
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.parcellation.graphs import Piece, inside, pieces_of, renumbered, sparse_graph

Labels = NDArray[np.int32]
Edges = NDArray[Any] | None


def split_mask(mask: NDArray[Any], *, size: int, edges: Edges = None) -> Labels:
    """Cut a mask into connected parcels of bounded size.

    Each connected piece is halved again and again, by distance from one of its ends within the
    piece, until no part is larger than ``size``; crumbs beyond a cut stay with its nearer side, and
    small parts are joined to a neighbour where both together are small enough.

    Parameters
    ----------
    mask : array, shape (n_x, n_y, n_z) or (n_positions,)
        What is not 0 is inside.
    size : int
        Positions of a parcel at most.
    edges : int array, shape (n_edges, 2), optional
        Neighbours, where they are not those of voxels.

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
        raise InputError(f"a parcel cannot have at most {size} voxels: give a size of 1 or more")
    whole = inside(mask, edges)
    n_inside = len(whole.nodes)
    if n_inside == 0:
        raise InputError("the mask is empty: all its values are 0")
    numbers = np.zeros(n_inside, np.int32)
    waiting = pieces_of(Piece(np.arange(n_inside), whole.edges))
    n_parcels = 0
    while waiting:
        piece = waiting.pop()
        if len(piece.nodes) <= size:
            n_parcels += 1
            numbers[piece.nodes] = n_parcels
        else:
            waiting.extend(_halves(piece, size))
    joined = _joined(numbers, whole.edges, smallest=size, largest=size)
    labels = np.zeros(mask.shape, np.int32)
    labels.reshape(-1)[whole.nodes] = renumbered(joined)
    return labels


def make_contiguous(labels: Labels, *, edges: Edges = None) -> Labels:
    """Give each connected piece of a parcel a number of its own.

    The largest piece keeps the number; the others follow after the largest number there is.
    """
    whole = inside(labels, edges)
    numbers = labels.reshape(-1)[whole.nodes]
    kept = numbers[whole.edges[:, 0]] == numbers[whole.edges[:, 1]]
    parts = pieces_of(Piece(np.arange(len(numbers)), whole.edges[kept]))
    pieces = [piece.nodes for piece in parts]
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
    result.reshape(-1)[whole.nodes] = numbers
    return result


def merge_small(
    labels: Labels, *, smallest: int, drop: bool = False, edges: Edges = None
) -> Labels:
    """Merge parcels with the neighbour of which they touch most, the smallest parcel first.

    Parameters
    ----------
    labels : int32 array
    smallest : int
        A parcel of fewer positions is merged; one that touches no other stays as it is.
    drop : bool
        Make parcels that stay small background.
    edges : int array, shape (n_edges, 2), optional
        Neighbours, where they are not those of voxels.

    Raises
    ------
    InputError
        If no parcel would be left.
    """
    whole = inside(labels, edges)
    numbers = labels.reshape(-1)[whole.nodes]
    joined = _joined(numbers, whole.edges, smallest=smallest)
    if drop:
        _, places, counts = np.unique(joined, return_inverse=True, return_counts=True)
        joined[counts[places] < smallest] = 0
        if not joined.any():
            raise InputError(
                f"no parcel would be left: all have fewer than {smallest} voxels or nodes"
            )
    result = labels.copy()
    result.reshape(-1)[whole.nodes] = joined
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


def _halves(piece: Piece, size: int) -> list[Piece]:
    """Cut a connected piece in two of whole parcels each, by distance from one of its ends.

    The nearer half is connected; the farther one may not be. What is too small there to be a parcel
    goes back to the nearer half, which it touches: parcels are full, and none would take it later.
    """
    from scipy.sparse.csgraph import breadth_first_order

    graph = sparse_graph(len(piece.nodes), piece.edges)
    end = int(breadth_first_order(graph, 0, directed=False, return_predecessors=False)[-1])
    order = breadth_first_order(graph, end, directed=False, return_predecessors=False)
    n_parts = -(-len(piece.nodes) // size)
    far = np.zeros(len(piece.nodes), bool)
    far[order[round(len(piece.nodes) * (n_parts // 2) / n_parts) :]] = True
    places = Piece(np.arange(len(piece.nodes)), piece.edges)
    beyond = [part.nodes for part in _sides(places, far) if far[part.nodes[0]]]
    crumbs = [nodes for nodes in beyond if 4 * len(nodes) < size]
    if len(crumbs) < len(beyond):
        for nodes in crumbs:
            far[nodes] = False
    return _sides(piece, far)


def _sides(piece: Piece, far: NDArray[np.bool_]) -> list[Piece]:
    """Find the connected parts of both sides of a cut."""
    kept = far[piece.edges[:, 0]] == far[piece.edges[:, 1]]
    return pieces_of(Piece(piece.nodes, piece.edges[kept]))


def _joined(
    numbers: NDArray[np.int32], edges: NDArray[Any], *, smallest: int, largest: int | None = None
) -> NDArray[np.int32]:
    """Join parcels below a size to the neighbour that they touch most, the smallest first."""
    touching = _contacts(numbers, edges)
    found, counts = np.unique(numbers, return_counts=True)
    sizes = dict(zip(found.tolist(), counts.tolist(), strict=True))
    joined = {number: number for number in sizes}
    # A parcel that grows is put in again: only its last entry, of the size that it has, counts.
    waiting = [(n, number) for number, n in sizes.items() if n < smallest]
    heapify(waiting)
    while waiting:
        size, small = heappop(waiting)
        if sizes.get(small) != size:
            continue
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
        if sizes[target] < smallest:
            heappush(waiting, (sizes[target], target))
    for number in joined:
        target = joined[number]
        while joined[target] != target:
            target = joined[target]
        joined[number] = target
    return np.array([joined[number] for number in numbers.tolist()], np.int32)


def _contacts(numbers: NDArray[np.int32], edges: NDArray[Any]) -> dict[int, dict[int, int]]:
    """Count the edges between each parcel and each that it touches."""
    touching: dict[int, dict[int, int]] = {}
    for one, other in numbers[edges].tolist():
        if one != other:
            for a, b in ((one, other), (other, one)):
                row = touching.setdefault(a, {})
                row[b] = row.get(b, 0) + 1
    return touching
