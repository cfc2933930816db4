"""Clusters of a map: neighbours that lie above a threshold, as nilearn lists them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.outputs.map_kind import Look
from pyhrf.results.report_maps import chosen_maps
from pyhrf.results.results import Results
from pyhrf.results.thresholds import PROBABILITY, TESTED, Z, look_of, strength
from pyhrf.spaces.space import MapSurface

MOST_CLUSTERS = 10
"""Of a map, the largest: more are not read."""


@dataclass(frozen=True)
class Cluster:
    """Voxels that share faces, or nodes that share edges, above a threshold on the same side.

    Attributes
    ----------
    x, y, z : float
        Where the peak is, mm.
    size : float
        mm³ of voxels, or the number of nodes.
    peak : float
        The value there.
    parcel : int
        The parcel there.
    on : str
        Name of the mesh; empty for voxels.
    """

    x: float
    y: float
    z: float
    size: float
    peak: float
    parcel: int
    on: str = ""


def cluster_tables(results: Results) -> list[dict[str, Any]]:
    """List the clusters of each condition and contrast, of its first map of a report.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of dict
        ``name`` of the map, its ``look``, ``rows`` of the largest clusters and the number of
        ``more``. Where nothing reaches the usual threshold there are none.
    """
    tables, seen = [], set()
    study = results.provenance["study"]
    names = results.map_names
    for name, kind in chosen_maps(names).items():
        subject = (kind.subject, names[name][1])
        look = look_of(kind, study)
        if look not in TESTED or subject in seen:
            continue
        seen.add(subject)
        values = np.asarray(results.map_values(name), np.float64)
        threshold = Z if look == "z" else PROBABILITY
        found = list(clusters_of(results, values, look, threshold))
        found.sort(key=lambda one: (-one.size, -float(strength(np.array(one.peak), look))))
        tables.append(
            {"name": name, "look": look, "more": max(0, len(found) - MOST_CLUSTERS)}
            | {"rows": [asdict(one) for one in found[:MOST_CLUSTERS]]}
        )
    return tables


def clusters_of(
    results: Results, values: NDArray[Any], look: Look, threshold: float
) -> Iterator[Cluster]:
    """Find the clusters of a map, in any order.

    Parameters
    ----------
    results : Results
    values : array
        As `Results.map_values` gives them.
    look : str
        Of the map: which values are strong, and which lie on the same side.
    threshold : float
        Of the strength.
    """
    space = results.space
    if space is None:
        return
    labels = results.labels
    values = np.where(labels > 0, np.nan_to_num(values, posinf=0, neginf=0), np.nan)
    for surface in results.surfaces():
        yield from _on_mesh(surface, values, labels, look, threshold)
    image = space.volume(values)
    if image is not None:
        grid = np.asarray(space.volume(labels).dataobj).astype(int)
        # CIFTI has 0 where there is no voxel
        inside = np.where(grid > 0, np.asarray(image.dataobj, np.float64), np.nan)
        yield from _in_volume(inside, grid, np.asarray(image.affine), look, threshold)


def _sides(values: FloatArray, look: Look, threshold: float) -> Iterator[NDArray[np.bool_]]:
    """Give where values are strong, above and below the middle."""
    middle = 0.5 if look == "sides" else 0.0
    strong = strength(values, look) >= threshold
    yield strong & (values > middle)
    yield strong & (values < middle)


def _in_volume(
    values: FloatArray, labels: NDArray[Any], affine: FloatArray, look: Look, threshold: float
) -> Iterator[Cluster]:
    from scipy import ndimage

    size = abs(float(np.linalg.det(affine[:3, :3])))
    for is_strong in _sides(values, look, threshold):
        numbered, n_clusters = ndimage.label(is_strong)
        which = range(1, n_clusters + 1)
        counts = np.bincount(numbered.reshape(-1), minlength=n_clusters + 1)
        strong = np.where(is_strong, strength(values, look), 0.0)
        peaks: Any = ndimage.maximum_position(strong, numbered, which) if n_clusters else []
        for number, at in zip(which, peaks, strict=True):
            x, y, z, _ = (affine @ [*at, 1.0]).tolist()
            at = tuple(at)
            yield Cluster(x, y, z, size * int(counts[number]), float(values[at]), int(labels[at]))


def _on_mesh(
    surface: MapSurface, values: FloatArray, labels: NDArray[Any], look: Look, threshold: float
) -> Iterator[Cluster]:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    mesh = surface.mesh
    on_nodes = surface.on_nodes(values)
    parcels = np.nan_to_num(surface.on_nodes(labels)).astype(int)
    for is_strong in _sides(on_nodes, look, threshold):
        edges = mesh.edges[is_strong[mesh.edges].all(axis=1)]
        links = coo_array(
            (np.ones(len(edges), bool), (edges[:, 0], edges[:, 1])), (mesh.n_nodes,) * 2
        )
        _, numbered = connected_components(links, directed=False)
        nodes = np.flatnonzero(is_strong)
        order = nodes[np.lexsort((-strength(on_nodes[nodes], look), numbered[nodes]))]
        _, first, counts = np.unique(numbered[order], return_index=True, return_counts=True)
        for node, count in zip(order[first], counts, strict=True):
            x, y, z = map(float, mesh.coordinates[node])
            peak = float(on_nodes[node])
            yield Cluster(x, y, z, int(count), peak, int(parcels[node]), surface.name)
