"""Images in memory, written to files as the analysis reads them; maps as images of their kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.errors import InputError
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.untyped import nib

_STRUCTURES = {"left": "CIFTI_STRUCTURE_CORTEX_LEFT", "right": "CIFTI_STRUCTURE_CORTEX_RIGHT"}
_MESH_STRUCTURES = {"left": "CortexLeft", "right": "CortexRight"}
_WHOLE = 4  # bytes of a whole number that every reader of NIfTI knows


def is_surface_image(value: object) -> bool:
    """Tell whether something is nilearn's SurfaceImage."""
    return hasattr(value, "mesh") and hasattr(value, "data") and hasattr(value.mesh, "parts")


def is_image(value: object) -> bool:
    """Tell whether something is an image of nibabel or nilearn, in memory."""
    nifti = nib()
    kinds = (nifti.spatialimages.SpatialImage, nifti.GiftiImage, nifti.Cifti2Image)
    return isinstance(value, kinds) or is_surface_image(value)


def written_series(image: Any, folder: Path, stem: str, t_r: float | None) -> Path:
    """Give the file of a BOLD series, which is written if it is not on the disk as it is.

    Parameters
    ----------
    image : nibabel image or SurfaceImage
    folder : Path
    stem : str
        Name of the file without ending.
    t_r : float, optional
        Seconds between scans, for files that cannot be without.

    Raises
    ------
    InputError
        If it is no image of a series.
    """
    return _written(image, folder, stem, series=True, t_r=t_r)


def written_labels(image: Any, folder: Path, stem: str) -> Path:
    """Give the file of a parcellation or mask, as `written_series`."""
    return _written(image, folder, stem, series=False, t_r=None)


def written_meshes(image: Any, folder: Path) -> tuple[Path, ...]:
    """Write the meshes of a SurfaceImage."""
    nifti = nib()
    paths = []
    for part, mesh in image.mesh.parts.items():
        about = nifti.gifti.GiftiMetaData({"AnatomicalStructurePrimary": _MESH_STRUCTURES[part]})
        arrays = [
            nifti.gifti.GiftiDataArray(
                np.asarray(mesh.coordinates, np.float32),
                intent="NIFTI_INTENT_POINTSET",
                datatype="NIFTI_TYPE_FLOAT32",
                meta=about,
            ),
            nifti.gifti.GiftiDataArray(
                np.asarray(mesh.faces, np.int32),
                intent="NIFTI_INTENT_TRIANGLE",
                datatype="NIFTI_TYPE_INT32",
            ),
        ]
        path = folder / f"mesh_{part}.surf.gii"
        nifti.save(nifti.GiftiImage(darrays=arrays, meta=about), path)
        paths.append(path)
    return tuple(paths)


def as_surface_image(values: Any, like: Any) -> Any:
    """Put values of all nodes of a SurfaceImage, one part after the other, in one of its kind."""
    from nilearn.surface import SurfaceImage

    sizes = [part.n_vertices for part in like.mesh.parts.values()]
    parts = np.split(np.asarray(values), np.cumsum(sizes)[:-1])
    return SurfaceImage(mesh=like.mesh, data=dict(zip(like.mesh.parts, parts, strict=True)))


def _written(image: Any, folder: Path, stem: str, *, series: bool, t_r: float | None) -> Path:
    nifti = nib()
    if is_surface_image(image):
        return _write_cifti(image, folder / stem, series=series, t_r=t_r)
    if isinstance(image, nifti.Cifti2Image):
        path = folder / f"{stem}{'.dtseries.nii' if series else '.dscalar.nii'}"
    elif isinstance(image, nifti.GiftiImage):
        path = folder / f"{stem}.func.gii"
    else:
        return _written_volume(image, folder, stem, series=series, t_r=t_r)
    nifti.save(image, path)
    return path


def _written_volume(
    image: Any, folder: Path, stem: str, *, series: bool, t_r: float | None
) -> Path:
    """Write a volume with the values that it has, whatever type its header would store."""
    nifti = nib()
    there = _untouched(image)
    if there is not None:
        return there
    header = image.header.copy() if isinstance(image, nifti.Nifti1Pair) else None
    if series and t_r is None and len(image.shape) > 3:
        _check_step(image.shape, header, stem)
    values = _values_of(image, stem)
    if values.dtype.kind == "c":
        raise InputError(f"{stem} has complex values: give their magnitude, as np.abs does")
    if values.dtype.kind == "f":
        # labels need all of their digits
        values = values.astype(np.float32 if series else np.float64)
    elif values.dtype.kind == "b":
        values = values.astype(np.uint8)
    elif values.dtype.itemsize > _WHOLE:
        is_small = np.abs(values).max(initial=0) < 2**31
        values = values.astype(np.int32 if is_small else np.float32 if series else np.float64)
    made = nifti.Nifti1Image(values, image.affine, header, dtype=values.dtype)
    made.header.set_slope_inter(1, 0)
    path = folder / f"{stem}.nii"
    nifti.save(made, path)
    return path


def _check_step(shape: tuple[int, ...], header: Any, stem: str) -> None:
    """Refuse a time between scans of 1, which a header has where nobody set it."""
    steps = (1.0,) if header is None else header.get_zooms()[3:]
    step = float(steps[int(np.argmax(shape[3 : 3 + len(steps)]))])
    if step in (0, 1):
        raise InputError(
            f"{stem}: the header of this image in memory does not say the time between scans, or "
            "says 1, as one that nobody set does: give t_r, seconds"
        )


def _values_of(image: Any, stem: str) -> Any:
    """Give the values: what `get_fdata` gave once, and may have been changed, goes first."""
    cached = image.in_memory and nib().is_proxy(image.dataobj)
    try:
        return image.get_fdata() if cached else np.asanyarray(image.dataobj)
    except OSError as error:
        raise InputError(
            f"{stem}: the file of the image cannot be read any more: {error}; load it again"
        ) from error


def _untouched(image: Any) -> Path | None:
    """Give the file that an image is, if its values are those of the file."""
    nifti = nib()
    if not nifti.is_proxy(image.dataobj):
        return None
    # not its own file name, which is another one after it was saved
    name = image.dataobj.file_like
    if not isinstance(name, str | Path) or not Path(name).is_file():
        return None
    if not isinstance(image, nifti.Nifti1Image) or not str(name).endswith((".nii", ".nii.gz")):
        return None
    if image.in_memory and not np.array_equal(image.get_fdata(), np.asarray(image.dataobj)):
        return None  # the values in memory were changed
    there = nifti.load(name)
    same = (
        np.array_equal(there.affine, image.affine)
        and there.header == image.header
        and there.shape == image.shape
    )
    return Path(name).absolute() if same else None


def _write_cifti(image: Any, stem: Path, *, series: bool, t_r: float | None) -> Path:
    """Write a SurfaceImage as CIFTI, which holds both hemispheres, with all of their nodes."""
    nifti = nib()
    unknown = sorted(set(image.mesh.parts) - set(_STRUCTURES))
    if unknown:
        raise InputError(
            f"the surface image has a part {unknown[0]!r}: parts must be left and right"
        )
    positions = None
    for part, mesh in image.mesh.parts.items():
        everywhere = np.ones(mesh.n_vertices, np.bool_)
        one = nifti.cifti2.BrainModelAxis.from_mask(everywhere, name=_STRUCTURES[part])
        positions = one if positions is None else positions + one
    values = np.concatenate([np.asarray(image.data.parts[part]) for part in image.mesh.parts])
    frames = values.reshape(len(values), -1).T
    step = (1.0 if t_r is None else t_r) if series else None
    return Grayordinates.of(positions).write(stem, "values", frames, step=step)


def as_list(value: Any) -> list[Any]:
    """Give the runs of what may be one run or a list of them."""
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]


def with_values(values: Any, like: Any, *, time_step: float | None = None) -> Any:
    """Make an image of values as another one is, of one scan or of a series.

    Parameters
    ----------
    values : array, shape (n_x, n_y, n_z[, n_scans]) or (n_positions[, n_scans])
    like : nibabel image
        A map of the same positions.
    time_step : float, optional
        Seconds between scans of a series.
    """
    nifti = nib()
    values = np.asarray(values, np.float32)
    if isinstance(like, nifti.Cifti2Image):
        positions = like.header.get_axis(1)
        rows = np.atleast_2d(values.T)
        first: Any = nifti.cifti2.ScalarAxis(["values"])
        if time_step is not None:
            first = nifti.cifti2.SeriesAxis(0, time_step, len(rows))
        return nifti.Cifti2Image(rows, (first, positions))
    if isinstance(like, nifti.GiftiImage):
        arrays = [
            nifti.gifti.GiftiDataArray(
                row, intent=like.darrays[0].intent, datatype="NIFTI_TYPE_FLOAT32"
            )
            for row in np.atleast_2d(values.T)
        ]
        return nifti.GiftiImage(darrays=arrays, meta=like.meta)
    made = nifti.Nifti1Image(values, like.affine)
    made.header.set_xyzt_units("mm", "sec")
    if time_step is not None:
        made.header.set_zooms((*made.header.get_zooms()[:3], time_step))
    return made


def untied(image: Any) -> Any:
    """Give a map with its values in memory, which needs its file no more."""
    nifti = nib()
    if isinstance(image, nifti.GiftiImage):
        return image
    if isinstance(image, nifti.Cifti2Image):
        return nifti.Cifti2Image(np.asarray(image.dataobj), image.header, image.nifti_header)
    return type(image)(np.asarray(image.dataobj), image.affine, image.header)
