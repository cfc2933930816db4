"""Neighbour graph of a parcel: who sits beside whom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pyhrf.errors import InputError


@dataclass(frozen=True, slots=True)
class NeighbourGraph:
    """Neighbours in compressed rows: those of ``v`` are ``neighbours[start[v]:start[v + 1]]``.

    Attributes
    ----------
    start : int32 array, shape (n_positions + 1,)
    neighbours : int32 array, shape (2 * n_edges,)
    """

    start: NDArray[np.int32]
    neighbours: NDArray[np.int32]

    @classmethod
    def from_edges(cls, edges: ArrayLike, n_positions: int) -> NeighbourGraph:
        """Build the graph from pairs of neighbours, integers of shape (n_edges, 2).

        Raises
        ------
        InputError
            If a pair names a position that does not exist, or the same position twice, or stands
            twice (in either order).
        """
        pairs = _as_pairs(edges)
        if len(pairs) and (pairs.min() < 0 or pairs.max() >= n_positions):
            wrong = pairs.min() if pairs.min() < 0 else pairs.max()
            raise InputError(
                f"the edges name position {wrong}, but there are {n_positions} positions: "
                "give pairs of column numbers of the data, from 0"
            )
        if np.any(pairs[:, 0] == pairs[:, 1]):
            raise InputError("an edge joins a position with itself: remove it")
        pairs = pairs.astype(np.int32, copy=False)
        both = np.concatenate([pairs, pairs[:, ::-1]])
        order = np.lexsort((both[:, 1], both[:, 0]))
        both = both[order]
        if np.any((both[1:] == both[:-1]).all(axis=1)):
            raise InputError("an edge is given twice: give each pair of neighbours once")
        start = np.zeros(n_positions + 1, dtype=np.int32)
        np.cumsum(np.bincount(both[:, 0], minlength=n_positions), out=start[1:])
        return cls(start=start, neighbours=np.ascontiguousarray(both[:, 1]))

    @property
    def n_edges(self) -> int:
        """Number of pairs of neighbours."""
        return len(self.neighbours) // 2

    def subgraph(self, kept: NDArray[np.bool_]) -> NeighbourGraph:
        """Graph of the kept positions only, renumbered in their order."""
        number = np.cumsum(kept, dtype=np.int32) - 1
        pairs = self.pairs()
        pairs = pairs[kept[pairs].all(axis=1)]
        return NeighbourGraph.from_edges(number[pairs], int(kept.sum()))

    def pairs(self) -> NDArray[np.int32]:
        """Each pair of neighbours once, the lower number first; shape (n_edges, 2)."""
        n_positions = len(self.start) - 1
        owner = np.repeat(np.arange(n_positions, dtype=np.int32), np.diff(self.start))
        first = owner < self.neighbours
        return np.column_stack([owner[first], self.neighbours[first]])


def _as_pairs(edges: ArrayLike) -> NDArray[np.integer]:
    """Check that `edges` are pairs of integers; nothing at all is no pair."""
    pairs = np.asarray(edges)
    if pairs.size == 0:
        return np.empty((0, 2), dtype=np.int32)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
        raise InputError(
            "edges must be pairs of column numbers, an integer array of shape (n_edges, 2), "
            f"not {pairs.dtype} of shape {pairs.shape}"
        )
    return pairs


def grid_edges(coordinates: ArrayLike) -> NDArray[np.int32]:
    """Pairs of voxels that share a face (6-neighbourhood).

    Parameters
    ----------
    coordinates : integer array, shape (n_positions, 3)
        Voxel indices, each voxel once.

    Returns
    -------
    int32 array, shape (n_edges, 2)

    Raises
    ------
    InputError
        If a voxel stands twice.
    """
    ijk = np.asarray(coordinates)
    if ijk.ndim != 2 or ijk.shape[1] != 3 or not np.issubdtype(ijk.dtype, np.integer):
        raise InputError(
            "coordinates must be voxel indices, an integer array of shape (n_positions, 3), "
            f"not {ijk.dtype} of shape {ijk.shape}"
        )
    if len(ijk) == 0:
        return np.empty((0, 2), dtype=np.int32)
    # small integer types would overflow below
    ijk = ijk.astype(np.int64)
    ijk -= ijk.min(axis=0)
    # one more plane on each axis: a step over the border never meets a voxel
    sizes = ijk.max(axis=0) + 2
    flat = np.ravel_multi_index(tuple(ijk.T), tuple(sizes))
    order = np.argsort(flat)
    ordered = flat[order]
    if np.any(np.diff(ordered) == 0):
        raise InputError("the same voxel is twice in coordinates: give each voxel once")
    pairs = []
    for step in (int(sizes[1] * sizes[2]), int(sizes[2]), 1):
        place = np.minimum(np.searchsorted(ordered, flat + step), len(flat) - 1)
        hit = ordered[place] == flat + step
        pairs.append(np.column_stack([np.flatnonzero(hit), order[place[hit]]]))
    return np.sort(np.concatenate(pairs), axis=1).astype(np.int32)
