"""Voxels of a report: the box around the parcels, what they are drawn on, packed as base64."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.inputs.bids_anatomy import anatomy_of
from pyhrf.results.packing import as_base64
from pyhrf.results.results import Results
from pyhrf.spaces.kinds import kind_of_file
from pyhrf.spaces.space import Space
from pyhrf.spaces.untyped import nib
from pyhrf.spaces.volumes import open_volume

_MAX_BACKGROUND = 2_000_000  # voxels
_SCANS_OF_MEAN = 20
_MARGIN = 2  # voxels around the parcels


@dataclass(frozen=True)
class VoxelBox:
    """The part of a grid around the parcels, its axes turned to right, anterior, superior.

    Attributes
    ----------
    labels : int array, shape (n_x, n_y, n_z)
        The parcel of each voxel, 0 for none.
    affine : float array, shape (4, 4)
        From voxels of the box to millimetres.
    cut : tuple of three slices
        Where the box is in the turned grid.
    space : Space
        Which has the voxels.
    """

    labels: NDArray[np.int64]
    affine: FloatArray
    cut: tuple[slice, slice, slice]
    space: Space

    @classmethod
    def of(cls, results: Results) -> VoxelBox | None:
        """Find the box; None where no parcel has any voxel."""
        space = results.space
        image = None if space is None else space.volume(results.labels)
        if space is None or image is None:
            return None
        image = nib().as_closest_canonical(image)
        labels = np.asarray(image.dataobj).astype(np.int64)
        where = np.argwhere(labels > 0)
        if not where.size and not space.fills_grid:
            return None
        if not where.size:
            where = np.array([[0, 0, 0], np.array(labels.shape) - 1])
        low = np.maximum(where.min(axis=0) - _MARGIN, 0)
        high = np.minimum(where.max(axis=0) + _MARGIN + 1, labels.shape)
        x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        affine = np.array(image.affine, dtype=np.float64)
        affine[:3, 3] += affine[:3, :3] @ low
        return cls(labels[x, y, z], affine, (x, y, z), space)

    def values(self, values: NDArray[Any]) -> FloatArray:
        """Give a map in the box, the first axis running fastest; shape (n_voxels,)."""
        return self._cut(self.space.volume(values))

    def _cut(self, image: Any) -> FloatArray:
        turned = nib().as_closest_canonical(image)
        values: FloatArray = np.asarray(turned.dataobj, dtype=np.float64)[self.cut]
        return values.reshape(-1, order="F")

    def packed(self, results: Results, anatomy: Path | None) -> tuple[dict[str, Any], str]:
        """Pack the box and what its maps are drawn on, which is also named; see `pack_maps`."""
        behind, drawn_on = None, "plain grey"
        grid = self.space.volume(results.labels)
        found = background_image(results, anatomy, grid)
        if found is not None:
            behind, drawn_on = self._grey(found[0]), found[1]
            if behind is None:
                drawn_on = f"plain grey: {drawn_on} has too many voxels for this file"
        elif self.space.fills_grid:
            drawn_on += ": the BOLD data cannot be read where the run found them"
        shape = list(self.labels.shape)
        return {"shape": shape, "affine": self.affine.tolist(), "background": behind}, drawn_on

    def _grey(self, image: Any) -> str | None:
        """Pack the background in 256 greys; None when it would be too large."""
        if self.labels.size > _MAX_BACKGROUND:
            return None
        values = np.nan_to_num(self._cut(image))
        inside = self.labels.reshape(-1, order="F") > 0
        low, high = np.percentile(values, 1), np.percentile(values[inside], 99)
        span = (high - low) or 1.0
        return as_base64(np.rint(np.clip((values - low) / span, 0, 1) * 255).astype(np.uint8))


def refuse_cuts(results: Results) -> NoReturn:
    """Say that maps of a surface are drawn on meshes, not on an anatomy.

    Raises
    ------
    InputError
        Always.
    """
    raise InputError(
        f"{results.directory} has maps of a surface, which are drawn on its meshes: an anatomy and "
        "cuts are for volumes"
    )


def background_image(results: Results, anatomy: Path | None, grid: Any) -> tuple[Any, str] | None:
    """Find what the maps are drawn on.

    Parameters
    ----------
    results : Results
    anatomy : Path, optional
        A 3D image in the space of the data; it is resampled to their grid.
    grid : nibabel image
        A map on the voxels.

    Returns
    -------
    (image, str) or None
        A 3D image on the grid of the results and what it is: the anatomy, else fMRIPrep's T1w in
        the space of the data, else the mean of the first scans of the first run. None when the BOLD
        data are no longer where they were.

    Raises
    ------
    InputError
        When the anatomy that is given cannot be read or has no three axes.
    """
    if anatomy is not None:
        return _resampled(anatomy, grid), f"the anatomy {anatomy.name}"
    path = _first_bold(results)
    if path is None or kind_of_file(path).needs_mesh:
        return None
    # The results were made without it: one that cannot be used is as one that is not there.
    with suppress(InputError):
        if (found := anatomy_of(path)) is not None:
            return _resampled(found, grid), f"the anatomy {found.name}"
    try:
        bold: Any = nib().load(path)
        if bold.shape[:3] != grid.shape or len(bold.shape) != 4:
            return None
        n_scans = min(_SCANS_OF_MEAN, bold.shape[3])
        mean = np.asarray(bold.dataobj[..., :n_scans], dtype=np.float32).mean(axis=3)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError):
        return None
    image = nib().Nifti1Image(mean, grid.affine)
    return image, f"the mean of the first {n_scans} scans"


def _first_bold(results: Results) -> Path | None:
    """Find the BOLD data of the first run, if they are still where the run found them."""
    data = results.provenance.get("study", {}).get("data", {})
    paths = [Path(run["bold"]) for run in data.get("runs", ())]
    if not paths:  # example data, beside the results
        paths = sorted((results.directory / "example-data").glob("bold*.nii*"))
    return paths[0] if paths and paths[0].is_file() else None


def _resampled(path: Path, grid: Any) -> Any:
    try:
        open_volume(path, n_dims=3)
        image: Any = nib().load(path)
        values = np.asarray(image.dataobj, dtype=np.float64)
    except InputError as error:
        raise InputError(f"the anatomy {error}") from error
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the anatomy {path}: cannot be read: {reason}; copy it again") from error
    from nilearn.image import resample_to_img

    return resample_to_img(
        nib().Nifti1Image(values.reshape(values.shape[:3]), image.affine),
        grid,
        interpolation="linear",
        copy_header=True,
        force_resample=True,
    )
