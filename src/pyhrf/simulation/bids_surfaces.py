"""Artificial data on two small flat meshes, as fMRIPrep writes those on the cortex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError

if TYPE_CHECKING:
    from pyhrf.simulation.simulate import Simulated

SURFACE_SPACE = "fsnative"
_STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}


@dataclass(frozen=True)
class Hemisphere:
    """A slice of the artificial volume as a flat mesh, whose nodes are the middles of its voxels.

    Attributes
    ----------
    hemi : {"L", "R"}
    points : float32 array, shape (n_nodes, 3)
        Millimetres.
    triangles : int32 array, shape (n_triangles, 3)
        Halves of the squares between four nodes.
    labels : int32 array, shape (n_nodes,)
        Parcels; 0 where the nodes lie outside of the region.
    columns : int array, shape (n_nodes,)
        Which of the simulated series a node has; -1 for none.
    """

    hemi: str
    points: NDArray[np.float32]
    triangles: NDArray[np.int32]
    labels: NDArray[np.int32]
    columns: NDArray[np.int64]

    @property
    def structure(self) -> str:
        """What the files say that they are of."""
        return _STRUCTURES[self.hemi]

    def series(self, bold: NDArray[Any]) -> NDArray[np.float32]:
        """Give the series of the nodes, NaN where there is none.

        Parameters
        ----------
        bold : array, shape (n_scans, n_positions)

        Returns
        -------
        float32 array, shape (n_scans, n_nodes)
        """
        values = np.full((len(bold), len(self.columns)), np.nan, np.float32)
        values[:, self.columns >= 0] = bold[:, self.columns[self.columns >= 0]]
        return values


def hemispheres_of(simulated: Simulated) -> Iterator[Hemisphere]:
    """Take the two slices in the middle of the volume as two hemispheres.

    Raises
    ------
    InputError
        If the volume has less than two voxels along an axis.
    """
    volume = simulated.parcellation
    if min(volume.shape) < 2:
        raise InputError(
            f"simulation: a volume of {' x '.join(map(str, volume.shape))} voxels gives no two "
            "flat surfaces; use 2 voxels or more along each axis"
        )
    numbers = np.full(volume.shape, -1, np.int64)
    numbers.reshape(-1)[simulated.positions] = np.arange(len(simulated.positions))
    middle = volume.shape[2] // 2
    grid = np.arange(volume[..., 0].size).reshape(volume.shape[:2])
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[:-1, 1:], grid[1:, 1:]
    halves = [np.stack(corners, -1).reshape(-1, 3) for corners in ((a, b, c), (b, d, c))]
    for hemi, place in (("L", middle - 1), ("R", middle)):
        first, second = np.indices(volume.shape[:2]).reshape(2, -1)
        voxels = np.stack([first, second, np.full_like(first, place), np.ones_like(first)])
        yield Hemisphere(
            hemi=hemi,
            points=(simulated.affine @ voxels)[:3].T.astype(np.float32),
            triangles=np.concatenate(halves).astype(np.int32),
            labels=volume[..., place].reshape(-1).astype(np.int32),
            columns=numbers[..., place].reshape(-1),
        )


def write_gifti(path: Path, structure: str, **arrays: Any) -> None:
    """Write a GIFTI file.

    Parameters
    ----------
    path : Path
    structure : str
        What it is of, such as ``CortexLeft``.
    **arrays
        By their intents, such as ``pointset``; of ``time_series`` one for each scan.
    """
    from nibabel.gifti import gifti

    make: Any = gifti  # without types
    darrays = [
        make.GiftiDataArray(
            np.ascontiguousarray(one),
            intent=f"NIFTI_INTENT_{intent.upper()}",
            datatype=one.dtype,
            endian="little",
        )
        for intent, values in arrays.items()
        for one in (values if intent == "time_series" else [values])
    ]
    meta = make.GiftiMetaData({"AnatomicalStructurePrimary": structure})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(make.GiftiImage(darrays=darrays, meta=meta).to_bytes())
