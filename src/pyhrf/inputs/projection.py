"""Volumes brought onto the nodes of a mesh, by nilearn."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.surfaces import Mesh
from pyhrf.spaces.untyped import nib
from pyhrf.spaces.volumes import Volume, check_oriented
from pyhrf.spaces.voxels import read_volume, read_voxels, scaled

_CHUNK_BYTES = 256 << 20


def check_nested(mesh: Mesh, inner: Mesh) -> None:
    """Refuse two meshes of which the nodes do not correspond.

    Raises
    ------
    InputError
        If they have different numbers of nodes.
    """
    if inner.n_nodes != mesh.n_nodes:
        raise InputError(
            f"{inner.path}: has {inner.n_nodes} nodes, and {mesh.path} has {mesh.n_nodes}: the "
            "inner and the outer mesh of a cortex have the same ones"
        )


def project_series(
    volume: Volume, mesh: Mesh, *, inner: Mesh | None = None, radius: float = 3.0
) -> NDArray[np.float32]:
    """Sample a series at the nodes of a mesh, by nilearn's ``vol_to_surf``.

    The value of a node is the mean of ten trilinear samples: between the two meshes, or along the
    normal of the only one. Samples outside the volume do not count.

    Parameters
    ----------
    volume : Volume
        The series, in the space of the mesh.
    mesh : Mesh
        Its only, or outer, surface.
    inner : Mesh, optional
        The inner surface, whose nodes correspond.
    radius : float
        Without an inner surface: how far samples go to both sides, millimetres.

    Returns
    -------
    float32 array, shape (n_scans, n_nodes)
        NaN at nodes of which all samples are outside.

    Raises
    ------
    InputError
        If the header gives no orientation, the meshes do not correspond, no node lies in the
        volume, or the file cannot be read.
    """
    check_oriented(volume)
    n_voxels = int(np.prod(volume.grid))
    stored = read_voxels(volume, np.arange(n_voxels))
    projected = np.empty((volume.n_scans, mesh.n_nodes), np.float32)
    per_chunk = max(1, _CHUNK_BYTES // (4 * n_voxels))
    for first in range(0, volume.n_scans, per_chunk):
        scans = scaled(volume, stored[first : first + per_chunk])
        values = np.moveaxis(scans.reshape(-1, *volume.grid), 0, -1)
        projected[first : first + per_chunk] = _sampled(
            values, volume.affine, mesh, inner, radius=radius, interpolation="linear"
        ).T
    _check_overlap(not np.isnan(projected).all(), volume, mesh)
    return projected


def project_labels(
    volume: Volume, mesh: Mesh, *, inner: Mesh | None = None, radius: float = 3.0
) -> NDArray[np.int32]:
    """Give each node of a mesh the label that most of its samples have.

    Parameters
    ----------
    volume : Volume
        An atlas of whole numbers, 0 for background, in the space of the mesh.
    mesh, inner, radius
        As for `project_series`; a sample takes the nearest voxel.

    Returns
    -------
    int32 array, shape (n_nodes,)
        0 outside the atlas.

    Raises
    ------
    InputError
        If the volume is no parcellation, its header gives no orientation, none of its parcels
        meets the mesh, the meshes do not correspond, or the file cannot be read.
    """
    check_oriented(volume)
    labels = whole_labels(volume.path, read_volume(volume), place="voxel")
    padded, affine = _covering(labels.astype(np.float64), volume, mesh, inner, radius)
    found = _sampled(
        padded, affine, mesh, inner, radius=radius, interpolation="nearest_most_frequent"
    )
    numbers = found.astype(np.int32)
    _check_overlap(bool(numbers.any()), volume, mesh)
    return numbers


def _covering(
    labels: FloatArray, volume: Volume, mesh: Mesh, inner: Mesh | None, radius: float
) -> tuple[FloatArray, FloatArray]:
    """Add background around an atlas until it holds all samples, of which nilearn needs one."""
    nodes = mesh.coordinates if inner is None else np.vstack([mesh.coordinates, inner.coordinates])
    to_voxels = np.linalg.inv(volume.affine)
    voxels = nodes @ to_voxels[:3, :3].T + to_voxels[:3, 3]
    margin = np.ceil(radius * np.linalg.norm(to_voxels[:3, :3], axis=1)) + 1
    low, high = voxels.min(axis=0) - margin, voxels.max(axis=0) + margin
    _check_overlap(bool(((high >= 0) & (low < volume.grid)).all()), volume, mesh)
    before = np.ceil(np.maximum(-low, 0)).astype(int)
    after = np.ceil(np.maximum(high + 1 - volume.grid, 0)).astype(int)
    affine = volume.affine.copy()
    affine[:3, 3] -= affine[:3, :3] @ before
    return np.pad(labels, np.column_stack([before, after])), affine


def _check_overlap(some: bool, volume: Volume, mesh: Mesh) -> None:
    if not some:
        raise InputError(
            f"no node of {mesh.path} lies in {volume.path}: are both in the same space?"
        )


def _sampled(
    values: NDArray[Any],
    affine: FloatArray,
    mesh: Mesh,
    inner: Mesh | None,
    *,
    radius: float,
    interpolation: str,
) -> NDArray[Any]:
    """Sample the values of a grid, shape (n_nodes[, n_scans])."""
    from nilearn.surface import InMemoryMesh, vol_to_surf

    if inner is not None:
        check_nested(mesh, inner)
    with warnings.catch_warnings():
        # of nodes that have no sample inside, which become NaN and are counted
        warnings.filterwarnings("ignore", "Mean of empty slice")
        sampled: NDArray[Any] = vol_to_surf(
            nib().Nifti1Image(values, affine),
            InMemoryMesh(mesh.coordinates, mesh.triangles),
            inner_mesh=None if inner is None else InMemoryMesh(inner.coordinates, inner.triangles),
            radius=radius,
            interpolation=interpolation,
        )
    return sampled
