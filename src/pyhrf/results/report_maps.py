"""Maps of a report: what a browser needs to draw slices, packed as base64."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.inputs.volumes import open_volume
from pyhrf.results.comparison import level_maps
from pyhrf.results.results import Results
from pyhrf.results.surfaces import MapSurface, surfaces_of

__all__ = ["MAX_BYTES", "background_image", "chosen_maps", "pack_maps", "pack_meshes"]

nib: Any = nibabel  # whose functions have no types

MAX_BYTES = 9_000_000
"""Of all packed maps together, in base64; what does not fit is named in the report."""

_MAX_BACKGROUND = 2_000_000  # voxels
_SCANS_OF_MEAN = 20
_NOTHING = -32768  # int16 that stands for NaN
_LEVELS = 32767
_MARGIN = 2  # voxels around the parcels
_MOST_OF_MESHES = 0.75  # of the room that maps and meshes have

# What is looked at most comes first; a map that starts with none of these is left to the files.
_KINDS = (
    ("contrast", "levels"),
    ("nrl", "levels"),
    ("active", "probability"),
    ("contrast_ppm", "probability"),
    ("ppm", "probability"),
    ("contrast_z", "levels"),
    ("z", "levels"),
)
_OTHERS = (
    ("time_to_peak", "time"),
    ("parcels", "labels"),
    ("left_out", "flag"),
    ("noise_sd", "amount"),
    ("ar1", "levels"),
)
_RANGES = {"probability": (0.0, 1.0), "flag": (0.0, 2.0)}
_COLOURS = {
    "levels": "RdBu_r",
    "probability": "inferno",
    "time": "viridis",
    "amount": "viridis",
    "flag": "plasma",
    "labels": "tab20",
}


@dataclass(frozen=True)
class _Box:
    """The part of the grid around the parcels, axes turned to right, anterior, superior."""

    labels: NDArray[np.int64]
    affine: FloatArray
    cut: tuple[slice, slice, slice]

    def of(self, image: Any) -> FloatArray:
        """Cut the values of an image of the same grid, shape of ``labels``."""
        turned = nib.as_closest_canonical(image)
        values: FloatArray = np.asarray(turned.dataobj, dtype=np.float64)[self.cut]
        return values


def chosen_maps(names: Iterable[str]) -> list[tuple[str, str]]:
    """Choose the maps that a report shows, the most looked at first.

    Parameters
    ----------
    names : iterable of str
        Of all maps.

    Returns
    -------
    list of (str, str)
        Name, and kind: ``levels``, ``probability``, ``time``, ``amount``, ``flag`` or ``labels``.
    """
    names = list(names)
    levels = level_maps(names, ("nrl", "contrast"))
    chosen: dict[str, str] = {}
    for prefix, kind in _KINDS:
        among = levels if prefix in ("nrl", "contrast") else names
        chosen |= {name: kind for name in among if name.startswith(f"{prefix}_")}
    chosen |= {name: kind for name, kind in _OTHERS if name in names}
    return list(chosen.items())


def background_image(results: Results, anatomy: Path | None = None) -> tuple[Any, str] | None:
    """Find what the maps are drawn on.

    Parameters
    ----------
    results : Results
    anatomy : Path, optional
        A 3D image in the space of the data; it is resampled to their grid.

    Returns
    -------
    (image, str) or None
        A 3D image on the grid of the results and what it is: the anatomy, or the mean of the first
        scans of the first run. None when the BOLD data are no longer where they were.

    Raises
    ------
    InputError
        When the anatomy cannot be read or has no three axes.
    """
    grid = results.load_map("parcels")
    if anatomy is not None:
        return _resampled(anatomy, grid), f"the anatomy {anatomy.name}"
    path = _first_bold(results)
    if path is None:
        return None
    try:
        bold: Any = nib.load(path)
        if bold.shape[:3] != grid.shape or len(bold.shape) != 4:
            return None
        n_scans = min(_SCANS_OF_MEAN, bold.shape[3])
        mean = np.asarray(bold.dataobj[..., :n_scans], dtype=np.float32).mean(axis=3)
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError):
        return None
    image = nib.Nifti1Image(mean, grid.affine)
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
        image: Any = nib.load(path)
        values = np.asarray(image.dataobj, dtype=np.float64)
    except InputError as error:
        raise InputError(f"the anatomy {error}") from error
    except (OSError, EOFError, ValueError, zlib.error, ImageFileError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"the anatomy {path}: cannot be read: {reason}; copy it again") from error
    from nilearn.image import resample_to_img

    return resample_to_img(
        nib.Nifti1Image(values.reshape(values.shape[:3]), image.affine),
        grid,
        interpolation="linear",
        copy_header=True,
        force_resample=True,
    )


def pack_maps(
    results: Results, *, anatomy: Path | None = None, max_bytes: int = MAX_BYTES
) -> dict[str, Any]:
    """Pack the maps for a browser.

    Parameters
    ----------
    results : Results
        With maps of voxels.
    anatomy : Path, optional
        What to draw on, in place of the mean BOLD.
    max_bytes : int
        Of all maps together.

    Returns
    -------
    dict
        ``shape``, ``affine`` (of the box around the parcels), ``index`` (base64 of int32: the
        voxels of the parcels in the box, the first axis running fastest) and their ``labels``
        (int32), ``background`` (base64 of uint8, or None) and what it is, ``maps`` (name, kind,
        ``low``, ``high``, ``data``: base64 of int16, 32767 for ``high``, -32768 for NaN),
        ``colours`` (base64 of 256 RGB triples by kind) and the names ``left_out`` for want of
        room.
    """
    box = _make_box(results)
    inside = box.labels.reshape(-1, order="F") > 0
    index = np.flatnonzero(inside).astype("<i4")

    def values_of(name: str) -> FloatArray:
        values: FloatArray = box.of(results.load_map(name)).reshape(-1, order="F")[index]
        return values

    drawn_on = background_image(results, anatomy)
    behind, what = None, "plain grey: the BOLD data cannot be read where the run found them"
    if drawn_on is not None:
        behind, what = _grey(box, drawn_on[0], inside), drawn_on[1]
        if behind is None:
            what = f"plain grey: {what} has too many voxels for this file"
    return {
        "shape": list(box.labels.shape),
        "affine": box.affine.tolist(),
        "index": _base64(index),
        "labels": _base64(box.labels.reshape(-1, order="F")[index].astype("<i4")),
        "background": behind,
        "background_is": what,
        **_packed_values(results, values_of, max_bytes),
    }


def pack_meshes(results: Results, *, max_bytes: int = MAX_BYTES) -> dict[str, Any] | None:
    """Pack the maps of surfaces and their meshes for a browser.

    Parameters
    ----------
    results : Results
        With maps of nodes or grayordinates.
    max_bytes : int
        Of all meshes and maps together.

    Returns
    -------
    dict or None
        As of `pack_maps`, with ``meshes`` in place of a background, and ``not_drawn``, the number
        of positions of parcels that lie on none of them. Places count the nodes of one mesh after
        those of another. A mesh has its ``name``, the number of its ``first`` place, the middle of
        its nodes and the millimetres of a step (``centre``, ``step``), base64 of its
        ``coordinates`` in steps (int16) and of its ``triangles`` (uint16, or int32 where
        ``wide``). None when there is no mesh, or too large ones.
    """
    surfaces = surfaces_of(results)
    meshes, first = [], 0
    for surface in surfaces:
        meshes.append(_packed_mesh(surface, first))
        first += surface.mesh.n_nodes
    used = sum(len(one["coordinates"]) + len(one["triangles"]) for one in meshes)
    if not surfaces or used > _MOST_OF_MESHES * max_bytes:
        return None
    parcels = results.map_values("parcels")
    labels = np.nan_to_num(_joined(surfaces, parcels)).astype("<i4")
    index = np.flatnonzero(labels > 0)

    def values_of(name: str) -> FloatArray:
        values: FloatArray = _joined(surfaces, results.map_values(name))[index]
        return values

    names = ", ".join(surface.mesh.path.name for surface in surfaces)
    return {
        "shape": [first, 1, 1],
        "affine": np.eye(4).tolist(),
        "index": _base64(index.astype("<i4")),
        "labels": _base64(labels[index]),
        "background": None,
        "background_is": f"the mesh{'es' if len(surfaces) > 1 else ''} {names}",
        "meshes": meshes,
        "not_drawn": int(np.count_nonzero(parcels)) - len(index),
        **_packed_values(results, values_of, max_bytes - used),
    }


def _joined(surfaces: Sequence[MapSurface], values: NDArray[Any]) -> FloatArray:
    """Put the nodes of all meshes one after the other."""
    return np.concatenate([surface.on_nodes(values) for surface in surfaces])


def _packed_mesh(surface: MapSurface, first: int) -> dict[str, Any]:
    """Pack a mesh: coordinates to a hundred-thousandth of its size."""
    mesh = surface.mesh
    centre = (mesh.coordinates.min(axis=0) + mesh.coordinates.max(axis=0)) / 2
    step = (np.abs(mesh.coordinates - centre).max() or 1.0) / _LEVELS
    wide = mesh.n_nodes > 1 << 16
    return {
        "name": surface.name,
        "first": first,
        "centre": centre.tolist(),
        "step": float(step),
        "coordinates": _base64(np.rint((mesh.coordinates - centre) / step).astype("<i2")),
        "triangles": _base64(mesh.triangles.astype("<i4" if wide else "<u2")),
        "wide": wide,
    }


def _packed_values(
    results: Results, values_of: Callable[[str], FloatArray], max_bytes: int
) -> dict[str, Any]:
    """Pack maps until there is no room, and name the others."""
    packed, left_out, used = [], [], 0
    for name, kind in chosen_maps(results.maps()):
        one: dict[str, Any] = {"name": name, "kind": kind, "low": 0.0, "high": 1.0, "top": 1.0}
        if kind == "labels":  # they are in "labels"
            one["data"] = ""
        else:
            one |= _quantised(values_of(name), kind)
        size = len(one["data"])
        if used + size > max_bytes:
            left_out.append(name)
            continue
        used += size
        packed.append(one)
    return {
        "maps": packed,
        "left_out": left_out,
        "colours": {kind: _colour_table(name) for kind, name in _COLOURS.items()},
    }


def _make_box(results: Results) -> _Box:
    image = nib.as_closest_canonical(results.load_map("parcels"))
    labels = np.asarray(image.dataobj).astype(np.int64)
    where = np.argwhere(labels > 0)
    if not where.size:
        where = np.array([[0, 0, 0], np.array(labels.shape) - 1])
    low = np.maximum(where.min(axis=0) - _MARGIN, 0)
    high = np.minimum(where.max(axis=0) + _MARGIN + 1, labels.shape)
    x, y, z = (slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    affine = np.array(image.affine, dtype=np.float64)
    affine[:3, 3] += affine[:3, :3] @ low
    return _Box(labels[x, y, z], affine, (x, y, z))


def _quantised(values: FloatArray, kind: str) -> dict[str, Any]:
    """Turn values into 16-bit numbers and the range that they cover."""
    known = np.isfinite(values)
    if kind in _RANGES:
        low, high = _RANGES[kind]
    else:
        found = values[known]
        low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    span = (high - low) or 1.0
    codes = np.full(values.shape, _NOTHING, "<i2")
    codes[known] = np.rint(np.clip((values[known] - low) / span, 0, 1) * _LEVELS)
    return {
        "low": low,
        "high": low + span,
        "top": _top(values[known], kind),
        "data": _base64(codes),
    }


def _top(values: FloatArray, kind: str) -> float:
    """Choose the value that has the strongest colour: few outliers must not hide the rest."""
    if kind in _RANGES:
        return _RANGES[kind][1]
    top = float(np.percentile(np.abs(values), 99)) if values.size else 1.0
    return top or 1.0


def _grey(box: _Box, image: Any, inside: NDArray[np.bool_]) -> str | None:
    """Pack the background in 256 greys; None when it would be too large."""
    if box.labels.size > _MAX_BACKGROUND:
        return None
    values = np.nan_to_num(box.of(image).reshape(-1, order="F"))
    low, high = np.percentile(values, 1), np.percentile(values[inside], 99)
    span = (high - low) or 1.0
    grey = np.rint(np.clip((values - low) / span, 0, 1) * 255).astype(np.uint8)
    return _base64(grey)


def _colour_table(name: str) -> str:
    colours = mpl.colormaps[name](np.linspace(0, 1, 256))
    return _base64(np.rint(np.asarray(colours)[:, :3] * 255).astype(np.uint8))


def _base64(values: NDArray[Any]) -> str:
    return b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
