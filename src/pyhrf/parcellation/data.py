"""Parcels made of the data: neighbours that respond alike."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.inputs.dataset import Dataset
from pyhrf.model.graph import NeighbourGraph
from pyhrf.parcellation.features import glm_features
from pyhrf.parcellation.ward import neighbour_means, ward_parcels


def parcels_of_data(
    dataset: Dataset, *, size: int, smallest: int = 1, n_parcels: int = 1
) -> tuple[NDArray[np.int32], int]:
    """Cut each region of a data set into connected parcels in which the data respond alike.

    Parameters
    ----------
    dataset : Dataset
        Its parcels are the regions, or the only one the mask; no parcel crosses their borders.
    size, smallest : int
        Positions of a parcel at most, and at least as far as that can be; see `ward_parcels`.
    n_parcels : int
        Cut into so many at least, shared out among the regions by their sizes, before small ones
        are joined.

    Returns
    -------
    labels : int32 array, shape ``dataset.shape``
        Numbered from 1; 0 where there is no region, or the data are constant or not finite.
    n_unusable : int
        Number of such positions in the regions.

    Raises
    ------
    InputError
        If no position can be used, or the design is refused by the GLM.
    """
    labels = np.zeros(dataset.shape, np.int32)
    flat = labels.reshape(-1)
    n_all, n_unusable, n_found = sum(dataset.parcels.values()), 0, 0
    for number, n_positions in dataset.parcels.items():
        (region,) = dataset.load([number])
        features, usable = glm_features(dataset.experiment, region.bold)
        n_unusable += int((~usable).sum())
        if not usable.any():
            continue
        edges = _edges_of(region.edges, usable)
        numbers = ward_parcels(
            neighbour_means(features, edges),
            edges,
            size=size,
            smallest=smallest,
            n_parcels=-(-n_parcels * n_positions // n_all),
        )
        flat[region.positions[usable]] = numbers + n_found
        n_found += int(numbers.max())
    if not n_found:
        raise InputError(
            f"none of the {n_all} voxels or nodes of the mask can be used: all are constant or not "
            "finite"
        )
    return labels, n_unusable


def _edges_of(edges: NDArray[np.int32], usable: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Keep the neighbours that can be used, by their places among these."""
    graph = NeighbourGraph.from_edges(edges, len(usable)).subgraph(usable)
    owner = np.repeat(np.arange(len(graph.start) - 1, dtype=np.int32), np.diff(graph.start))
    once = owner < graph.neighbours
    return np.column_stack([owner[once], graph.neighbours[once]])
