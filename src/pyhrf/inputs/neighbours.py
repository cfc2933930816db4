"""Parcels of a volume: their voxels and which of them touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["VoxelParcels", "find_parcels"]


@dataclass(frozen=True, slots=True)
class VoxelParcels:
    """Voxels of all parcels, parcel after parcel.

    Attributes
    ----------
    numbers : tuple of int
        Labels of the parcels, ascending.
    bounds : int array, shape (n_parcels + 1,)
        Parcel k has the voxels ``bounds[k]`` to ``bounds[k + 1]``.
    voxels : int64 array, shape (n_voxels,)
        Flat C-order indices, ascending within a parcel.
    edges : int32 array, shape (n_edges, 2)
        Pairs of touching voxels of one parcel, as places in ``voxels``; each pair once, smaller
        first, in lexicographic order.
    edge_bounds : int array, shape (n_parcels + 1,)
        Parcel k has the edges ``edge_bounds[k]`` to ``edge_bounds[k + 1]``.
    """

    numbers: tuple[int, ...]
    bounds: NDArray[np.int64]
    voxels: NDArray[np.int64]
    edges: NDArray[np.int32]
    edge_bounds: NDArray[np.int64]

    def edges_of(self, index: int) -> NDArray[np.int32]:
        """Edges of the parcel at a place in ``numbers``, counted from its own first voxel."""
        edges = self.edges[self.edge_bounds[index] : self.edge_bounds[index + 1]]
        return edges - np.int32(self.bounds[index])


def find_parcels(labels: NDArray[Any]) -> VoxelParcels:
    """Collect the voxels of each parcel and their 6-neighbourhoods.

    Parameters
    ----------
    labels : int array, shape (n_x, n_y, n_z)
        Number of the parcel of each voxel; 0 is background.
    """
    inside = np.flatnonzero(labels)
    numbers = labels.ravel()[inside]
    order = np.argsort(numbers, kind="stable")
    voxels = inside[order].astype(np.int64)
    unique, starts = np.unique(numbers[order], return_index=True)
    bounds = np.append(starts, len(voxels)).astype(np.int64)

    places = np.zeros(labels.shape, np.int32)
    places.ravel()[voxels] = np.arange(len(voxels), dtype=np.int32)
    pairs = []
    for axis in range(labels.ndim):
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(labels.ndim))
        next_ = tuple(slice(1, None) if a == axis else slice(None) for a in range(labels.ndim))
        touch = (labels[here] == labels[next_]) & (labels[here] != 0)
        pairs.append(np.stack([places[here][touch], places[next_][touch]], axis=1))
    edges = np.concatenate(pairs)
    edges = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    return VoxelParcels(
        numbers=tuple(int(number) for number in unique),
        bounds=bounds,
        voxels=voxels,
        edges=edges,
        edge_bounds=np.searchsorted(edges[:, 0], bounds).astype(np.int64),
    )
