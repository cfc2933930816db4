"""The maps: on the grid of the input or the nodes of its mesh, equal bytes from equal estimates.

Those of volumes are gzipped NIfTI, those of surfaces GIFTI.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray, ParcelEstimate
from pyhrf.files import replace_file
from pyhrf.outputs.columns import COLUMNS
from pyhrf.outputs.maps import MAPS, MapName, map_title
from pyhrf.results.names import file_stem

FloatMap = NDArray[np.float32]

# zlib's levels above 4 cost twice the time for a few per cent of these mostly empty maps.
_COMPRESSION = 4


class MapGrid(Protocol):
    """Where maps lie, and how they are written."""

    @property
    def labels(self) -> NDArray[np.int32]:
        """The parcel of each position, 0 for background."""
        ...

    def write(
        self,
        path: Path,
        name: str,
        frames: Iterable[NDArray[Any]],
        *,
        dtype: type[np.float32] | type[np.int32],
        n_samples: int | None,
        step: float | None,
    ) -> Path:
        """Write a map.

        Parameters
        ----------
        path : Path
            Without an ending.
        name : str
            What it shows.
        frames : iterable of array, shape (n_positions,)
            The map, or one after the other its samples.
        dtype : float32 or int32
        n_samples : int or None
            Number of samples; None for a single map.
        step : float or None
            Seconds between samples, if they are evenly spaced.

        Returns
        -------
        Path
            The file, with its ending.
        """
        ...


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the positions of the parcels lie.

    Attributes
    ----------
    labels : int array, shape (n_x, n_y, n_z)
        The parcellation: the parcel of each voxel, 0 for background.
    affine : float array, shape (4, 4)
        From voxel indices to millimetres.
    header : nibabel NIfTI header
        That of the input, whose codes and units the maps keep.
    """

    labels: NDArray[np.int32]
    affine: NDArray[np.float64]
    header: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along each axis."""
        return self.labels.shape

    def write(
        self,
        path: Path,
        name: str,
        frames: Iterable[NDArray[Any]],
        *,
        dtype: type[np.float32] | type[np.int32],
        n_samples: int | None,
        step: float | None,
    ) -> Path:
        """Write a map as ``.nii.gz``; see `MapGrid`."""
        path = path.with_name(f"{path.name}.nii.gz")
        _write_volume(path, _header(self, name, np.dtype(dtype), n_samples, step), frames, self)
        return path


def write_maps(directory: Path, estimates: Sequence[ParcelEstimate], grid: MapGrid) -> list[Path]:
    """Write every map of the estimates, and those that hold one value per parcel.

    A map is 0 outside the parcellation and NaN where a parcel could not be estimated. If there are
    such positions, ``left_out`` tells why.

    Parameters
    ----------
    directory : Path
        The output directory.
    estimates : sequence of ParcelEstimate
        In any order.
    grid : Grid or NodeGrid
        Of the input.

    Returns
    -------
    list of Path
        What was written.
    """
    usable = [estimate for estimate in estimates if estimate.status == "ok"]
    blank = np.where(grid.labels.reshape(-1) > 0, np.float32(np.nan), np.float32(0))
    names = dict.fromkeys(name for estimate in usable for name in estimate.maps)
    labels = grid.labels.astype(np.int32, copy=False).reshape(-1)
    written = [_write(directory, ("parcels", ""), [labels], grid)]
    written.extend(_write_map(directory, name, usable, blank, grid) for name in names)
    if usable:
        for column in COLUMNS["parcels"]:
            if column in MAPS:
                values = (estimate.summary.get(column, np.nan) for estimate in usable)
                filled = _fill(blank, usable, values)
                written.append(_write(directory, (column, ""), [filled], grid))
        written.append(_write_hrf(directory, usable, blank, grid))
    left_out = _left_out(estimates, grid)
    if left_out.any():
        written.append(_write(directory, ("left_out", ""), [left_out], grid))
    return written


def _left_out(estimates: Iterable[ParcelEstimate], grid: MapGrid) -> NDArray[np.int32]:
    """Tell where no map of the estimator has a value, and whether that is a whole parcel."""
    codes = np.zeros(grid.labels.size, np.int32)
    for estimate in estimates:
        if estimate.status != "ok":
            codes[estimate.positions] = 2
        elif estimate.maps:
            values = [values.reshape(len(values), -1) for values in estimate.maps.values()]
            unknown = [np.isnan(one).all(axis=1) for one in values]
            codes[estimate.positions] = np.logical_and.reduce(unknown)
    return codes


def _write_map(
    directory: Path, name: MapName, usable: Sequence[ParcelEstimate], blank: FloatMap, grid: MapGrid
) -> Path:
    """Write one map; 4D if it has samples, one volume in memory at a time."""
    owners = [estimate for estimate in usable if name in estimate.maps]
    first = owners[0].maps[name]
    if first.ndim == 1:
        return _write(directory, name, [_gathered(owners, name, ..., blank)], grid)
    frames = (_gathered(owners, name, (..., i), blank) for i in range(first.shape[1]))
    step = _step(owners[0].hrf["time"])
    return _write(directory, name, frames, grid, n_samples=first.shape[1], step=step)


def _gathered(
    owners: Sequence[ParcelEstimate], name: MapName, sample: Any, blank: FloatMap
) -> FloatMap:
    """Put one sample of every parcel's map at its positions."""
    values = blank.copy()
    for estimate in owners:
        values[estimate.positions] = estimate.maps[name][sample]
    return values


def _fill(blank: FloatMap, usable: Sequence[ParcelEstimate], values: Iterable[float]) -> FloatMap:
    """One value for each parcel, at all its positions."""
    filled = blank.copy()
    for estimate, value in zip(usable, values, strict=True):
        filled[estimate.positions] = value
    return filled


def _write_hrf(
    directory: Path, usable: Sequence[ParcelEstimate], blank: FloatMap, grid: MapGrid
) -> Path:
    """Write every parcel's HRF at its positions."""
    time = usable[0].hrf["time"]
    # A sample at a time: all of them would be a whole 4D volume in memory.
    samples = (
        _fill(blank, usable, (float(estimate.hrf["hrf"][index]) for estimate in usable))
        for index in range(time.size)
    )
    return _write(directory, ("hrf", ""), samples, grid, n_samples=time.size, step=_step(time))


def _step(time: FloatArray) -> float | None:
    """Seconds between samples; None if they are not evenly spaced, which no header can say."""
    steps = np.diff(time)
    return float(steps[0]) if np.allclose(steps, steps[0]) else None


def _write(
    directory: Path,
    name: MapName,
    frames: Iterable[NDArray[Any]],
    grid: MapGrid,
    *,
    n_samples: int | None = None,
    step: float | None = None,
) -> Path:
    title = map_title(*name)
    dtype = np.int32 if MAPS[name[0]].is_code else np.float32
    path = directory / file_stem(title)
    return grid.write(path, title, frames, dtype=dtype, n_samples=n_samples, step=step)


def _header(
    grid: Grid, name: str, dtype: np.dtype[Any], n_samples: int | None, step: float | None
) -> Any:
    """Return the header of the input, without what is true of its scans only."""
    shape = grid.shape if n_samples is None else (*grid.shape, n_samples)
    header = grid.header.copy()
    if not np.allclose(header.get_best_affine(), grid.affine, rtol=0, atol=1e-4):
        header.set_qform(None, 0)
        header.set_sform(grid.affine, 2)
    header.extensions.clear()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape)
    header["pixdim"][4:] = 0 if step is None else [step, 0, 0, 0]
    header.set_xyzt_units(header.get_xyzt_units()[0], "unknown" if step is None else "sec")
    for field in ("slice_start", "slice_end", "slice_code", "slice_duration", "toffset"):
        header[field] = 0
    for field in ("dim_info", "cal_min", "cal_max"):
        header[field] = 0
    header["aux_file"] = b""
    header["descrip"] = f"PyHRF {name}".encode("ascii", "replace")[:79]
    header.set_intent("none")
    # One file, also when the input was a pair of header and image.
    header["magic"] = header.single_magic
    header["vox_offset"] = header.single_vox_offset
    header.set_slope_inter(1, 0)
    return header


def _write_volume(path: Path, header: Any, frames: Iterable[NDArray[Any]], grid: Grid) -> None:
    with (
        replace_file(path) as file,
        # No name and no time in the gzip header: equal estimates are equal bytes.
        gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packed,
    ):
        header.write_to(packed)
        packed.write(b"\0" * (header.single_vox_offset - packed.tell()))
        for frame in _ordered(frames, grid.shape, header.get_data_dtype()):
            packed.write(frame)


def _ordered(
    frames: Iterable[NDArray[Any]], shape: tuple[int, ...], dtype: np.dtype[Any]
) -> Iterator[bytes]:
    """Yield each frame as NIfTI wants it: the first axis fastest, the bytes in the file's order."""
    for frame in frames:
        yield frame.reshape(shape).astype(dtype, copy=False).tobytes(order="F")
