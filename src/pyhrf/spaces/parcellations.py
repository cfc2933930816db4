"""Parcellations and masks by themselves: of voxels, of a mesh or of grayordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.spaces.cifti import Grayordinates, is_cifti, open_cifti_map
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.series import Space
from pyhrf.spaces.surfaces import Mesh, is_gifti, open_mesh, read_node_map
from pyhrf.spaces.volumes import Volume, open_volume
from pyhrf.spaces.voxels import read_volume
from pyhrf.wording import named


@dataclass(frozen=True, slots=True)
class LabelImage:
    """One value for each position, and where the positions lie.

    Attributes
    ----------
    path : Path
        The file.
    values : array, shape (n_x, n_y, n_z) or (n_positions,)
        As the file means them.
    space : Volume, Mesh or Grayordinates
        Where they lie.
    """

    path: Path
    values: NDArray[Any]
    space: Space

    @property
    def edges(self) -> NDArray[np.int32] | None:
        """Neighbours on a mesh, shape (n_edges, 2); None for voxels, whose faces tell."""
        return None if isinstance(self.space, Volume) else self.space.edges

    def labels(self) -> NDArray[np.int32]:
        """Return the values as numbers of parcels.

        Raises
        ------
        InputError
            If they are none.
        """
        whole = whole_labels(self.path, self.values, place=place_of(self.space))
        return whole.astype(np.int32)

    def mask(self) -> NDArray[np.bool_]:
        """Tell which values are not 0.

        Raises
        ------
        InputError
            If some are not finite.
        """
        if not np.isfinite(self.values).all():
            raise InputError(f"{self.path}: the mask holds NaN or infinite values")
        return np.asarray(self.values != 0)


def place_of(space: Space) -> str:
    """Name what has a value: ``voxel``, ``node`` or ``grayordinate``."""
    if isinstance(space, Volume):
        return "voxel"
    return "node" if isinstance(space, Mesh) else "grayordinate"


def open_placed(path: Path, meshes: Sequence[Path] = ()) -> LabelImage:
    """Open a parcellation or a mask.

    Parameters
    ----------
    path : Path
        3D NIfTI; GIFTI of one array; CIFTI of one map.
    meshes : sequence of Path
        The mesh of GIFTI, or those of the cortical structures of CIFTI.

    Returns
    -------
    LabelImage

    Raises
    ------
    InputError
        If a file cannot be used, or they do not belong together.
    """
    on_surface = is_gifti(path) or is_cifti(path)
    if on_surface and not meshes:
        raise InputError(f"{path}: surface data need their mesh: give it ({named('mesh')})")
    if not on_surface:
        if meshes:
            raise InputError(
                f"{path}: is neither a GIFTI (.gii) nor a dense CIFTI file, and only these have a "
                f"mesh: leave it out ({named('mesh')})"
            )
        volume = open_volume(path, n_dims=3)
        return LabelImage(path, read_volume(volume), volume)
    surfaces = [open_mesh(mesh) for mesh in meshes]
    if is_cifti(path):
        values, positions = open_cifti_map(path, surfaces)
        space: Mesh | Grayordinates = positions
    elif len(surfaces) > 1:
        raise InputError(f"{meshes[1]}: a second mesh; a GIFTI file lies on one")
    else:
        space = surfaces[0]
        values = read_node_map(path, surfaces[0])
    return LabelImage(path, values, space)
