"""BOLD series of any format and their parcels, on one space: voxels or the nodes of a mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError, counted
from pyhrf.notices import Figures, Note
from pyhrf.spaces.cifti import (
    Grayordinates,
    cifti_length,
    cifti_time_step,
    is_cifti,
    open_cifti,
    read_cifti_labels,
)
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.neighbours import VoxelParcels, find_graph_parcels, find_parcels
from pyhrf.spaces.surfaces import (
    Mesh,
    NodeSeries,
    is_gifti,
    open_mesh,
    open_nodes,
    read_labels,
    series_lengths,
    series_time_step,
)
from pyhrf.spaces.volumes import Volume, check_oriented, grid_difference, open_volume
from pyhrf.spaces.voxels import read_volume, read_voxels, scaled
from pyhrf.wording import named

Series = Volume | NodeSeries
Space = Volume | Mesh | Grayordinates


@dataclass(frozen=True, slots=True)
class Opened:
    """Series and parcels that lie on one space.

    Attributes
    ----------
    series : tuple of Volume or NodeSeries
        One for each run.
    parcels : VoxelParcels
        Their positions and neighbours.
    space : Volume, Mesh or Grayordinates
        The first BOLD volume, whose grid all share, or where the nodes lie.
    shape : tuple of int
        Of a map: voxels along each axis, or the number of nodes.
    notes : tuple of str
        What is in doubt of them.
    """

    series: tuple[Series, ...]
    parcels: VoxelParcels
    space: Space
    shape: tuple[int, ...]
    notes: tuple[str, ...] = ()


def open_series(bold: Sequence[Path], parcellation: Path, meshes: Sequence[Path]) -> Opened:
    """Open the series of all runs, and the parcellation.

    Parameters
    ----------
    bold : sequence of Path
        4D NIfTI, or with meshes GIFTI or CIFTI.
    parcellation : Path
        Of the same format.
    meshes : sequence of Path
        Surfaces; none for volumes.

    Returns
    -------
    Opened

    Raises
    ------
    InputError
        If a file cannot be used or they do not lie on one space.
    """
    if not meshes:
        for path in (*bold, parcellation):
            if is_gifti(path) or is_cifti(path):
                raise InputError(f"{path}: surface data need their mesh: give it ({named('mesh')})")
        return _open_volumes(bold, parcellation)
    surfaces = [open_mesh(mesh) for mesh in meshes]
    for path in bold:
        if path.is_file() and not (is_gifti(path) or is_cifti(path)):
            raise InputError(
                f"{path}: this is not a GIFTI file (.gii) nor a CIFTI series (.dtseries.nii), as "
                f"data on a mesh are: leave out the mesh ({named('mesh')}) for a volume"
            )
    if is_cifti(bold[0]):
        series, positions = open_cifti(bold, surfaces)
        labels = read_cifti_labels(parcellation, positions)
        parcels = find_graph_parcels(labels, positions.edges)
        return Opened(series, parcels, positions, labels.shape)
    if len(surfaces) > 1:
        raise InputError(
            f"{meshes[1]}: a second mesh; GIFTI data lie on one (each hemisphere is a study of "
            "its own, or both are one CIFTI file)"
        )
    surface = surfaces[0]
    # First the data: if the mesh is not theirs, that is what is wrong, and not the parcellation.
    series = tuple(open_nodes(path, surface) for path in bold)
    labels = read_labels(parcellation, surface)
    return Opened(
        series=series,
        parcels=find_graph_parcels(labels, surface.edges),
        space=surface,
        shape=labels.shape,
    )


def read_stored(series: Series, positions: NDArray[np.int64]) -> NDArray[Any]:
    """Read some positions of a series, as they are stored.

    Returns
    -------
    array, shape (n_scans, n_positions)
        See `values_of` for what they mean.

    Raises
    ------
    InputError
        If the file cannot be read to its end.
    """
    if isinstance(series, Volume):
        return read_voxels(series, positions)
    return series.values[:, positions]


def time_step(bold: Path) -> float | None:
    """Read the time between scans of a series, seconds; None if its file does not say."""
    if is_gifti(bold):
        return series_time_step(bold)
    if is_cifti(bold):
        return cifti_time_step(bold)
    return open_volume(bold, n_dims=4).tr


def lengths(bold: Path) -> tuple[int, ...]:
    """Read how many scans a series has; several numbers where its file leaves that open."""
    if is_gifti(bold):
        return series_lengths(bold)
    if is_cifti(bold):
        return (cifti_length(bold),)
    return (open_volume(bold, n_dims=4).n_scans,)


def values_of(series: Series, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Turn stored values into the values that are meant."""
    if isinstance(series, Volume):
        return scaled(series, stored)
    return stored.astype(np.float32)


def _open_volumes(bold: Sequence[Path], parcellation: Path) -> Opened:
    volumes = [open_volume(path, n_dims=4) for path in bold]
    labels_volume = open_volume(parcellation, n_dims=3)
    for volume in (*volumes[1:], labels_volume):
        difference = grid_difference(volume, volumes[0])
        if difference:
            if volume.grid == volumes[0].grid:
                check_oriented(volume, volumes[0])  # else the affine is no reason
            raise InputError(
                f"{volume.path}: does not lie on the grid of {volumes[0].path}: {difference}; "
                "resample it (a parcellation by nearest neighbour)"
            )
    labels = whole_labels(labels_volume.path, read_volume(labels_volume), place="voxel")
    return Opened(
        series=tuple(volumes),
        parcels=find_parcels(labels),
        space=volumes[0],
        shape=volumes[0].grid,
        notes=_unoriented([*volumes, labels_volume]),
    )


def _unoriented(volumes: Sequence[Volume]) -> tuple[str, ...]:
    """Say if volumes that fit together by their voxels do not tell left from right."""
    lost = [volume.path for volume in volumes if not volume.oriented]
    if not lost:
        return ()
    others = f", nor does that of {counted(len(lost) - 1, 'other file')}" if lost[1:] else ""
    return (
        Note(
            "{path}: its header does not say how it lies in space (qform_code and sform_code are "
            "0){others}: files are matched voxel by voxel, and left and right cannot be known, "
            "here and in the maps",
            path=lost[0],
            others=Figures(others),
        ),
    )
