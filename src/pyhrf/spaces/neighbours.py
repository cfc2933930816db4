"""Parcels: their voxels, or the nodes of a mesh, and which of them touch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class VoxelParcels:
    """Voxels (or nodes of a mesh) of all parcels, parcel after parcel.

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
    voxels, places = _ordered(labels)
    pairs = []
    for axis in range(labels.ndim):
        here = tuple(slice(None, -1) if a == axis else slice(None) for a in range(labels.ndim))
        next_ = tuple(slice(1, None) if a == axis else slice(None) for a in range(labels.ndim))
        touch = (labels[here] == labels[next_]) & (labels[here] != 0)
        pairs.append(np.stack([places[here][touch], places[next_][touch]], axis=1))
    return _collect(labels, voxels, np.concatenate(pairs))


def find_graph_parcels(labels: NDArray[Any], edges: NDArray[Any]) -> VoxelParcels:
    """Collect the nodes of each parcel and the edges inside it.

    Parameters
    ----------
    labels : int array, shape (n_nodes,)
        Number of the parcel of each node; 0 is background.
    edges : int array, shape (n_edges, 2)
        Neighbours on the whole mesh, each pair once.
    """
    nodes, places = _ordered(labels)
    ends = labels[edges]
    inside = edges[(ends[:, 0] == ends[:, 1]) & (ends[:, 0] != 0)]
    return _collect(labels, nodes, np.sort(places[inside], axis=1))


def _ordered(labels: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Order positions by parcel; return them, and the place in that order of each position."""
    inside = np.flatnonzero(labels)
    order = np.argsort(labels.ravel()[inside], kind="stable")
    positions = inside[order].astype(np.int64)
    places = np.zeros(labels.shape, np.int32)
    places.ravel()[positions] = np.arange(len(positions), dtype=np.int32)
    return positions, places


def _collect(
    labels: NDArray[Any], positions: NDArray[np.int64], edges: NDArray[np.int32]
) -> VoxelParcels:
    """Cut ordered positions and the edges between their places into parcels."""
    numbers, starts = np.unique(labels.ravel()[positions], return_index=True)
    bounds = np.append(starts, len(positions)).astype(np.int64)
    edges = edges[np.lexsort((edges[:, 1], edges[:, 0]))]
    return VoxelParcels(
        numbers=tuple(int(number) for number in numbers),
        bounds=bounds,
        voxels=positions,
        edges=edges,
        edge_bounds=np.searchsorted(edges[:, 0], bounds).astype(np.int64),
    )
