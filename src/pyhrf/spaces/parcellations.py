"""Parcellations and masks by themselves: of voxels, of a mesh or of grayordinates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.spaces.kinds import check_mesh, kind_of_file
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.space import Space


@dataclass(frozen=True, slots=True)
class LabelImage:
    """One value for each position, and where the positions lie.

    Attributes
    ----------
    path : Path
        The file.
    values : array, shape (n_x, n_y, n_z) or (n_positions,)
        As the file means them.
    space : Space
        Where they lie.
    """

    path: Path
    values: NDArray[Any]
    space: Space

    def labels(self) -> NDArray[np.int32]:
        """Return the values as numbers of parcels.

        Raises
        ------
        InputError
            If they are none.
        """
        whole = whole_labels(self.path, self.values, place=self.space.place)
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
    check_mesh(path, meshes)
    return LabelImage(path, *kind_of_file(path).open_placed(path, meshes))
