"""The maps, where the values of the input lie: equal bytes from equal estimates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray, ParcelEstimate
from pyhrf.outputs.columns import COLUMNS
from pyhrf.outputs.maps import MAPS, MapName, map_title
from pyhrf.results.names import file_stem
from pyhrf.spaces.space import Space

FloatMap = NDArray[np.float32]


def write_maps(directory: Path, estimates: Sequence[ParcelEstimate], space: Space) -> list[Path]:
    """Write every map of the estimates, and those that hold one value per parcel.

    A map is 0 outside the parcellation and NaN where a parcel could not be estimated. If there are
    such positions, ``left_out`` tells why.

    Parameters
    ----------
    directory : Path
        The output directory.
    estimates : sequence of ParcelEstimate
        In any order.
    space : Space
        Of the input.

    Returns
    -------
    list of Path
        What was written.
    """
    usable = [estimate for estimate in estimates if estimate.status == "ok"]
    labels = np.zeros(math.prod(space.shape), np.int32)
    for estimate in estimates:
        labels[estimate.positions] = estimate.parcel
    blank = np.where(labels > 0, np.float32(np.nan), np.float32(0))
    names = dict.fromkeys(name for estimate in usable for name in estimate.maps)
    written = [_write(directory, ("parcels", ""), [labels], space)]
    written.extend(_write_map(directory, name, usable, blank, space) for name in names)
    if usable:
        for column in COLUMNS["parcels"]:
            if column in MAPS and MAPS[column].subject == "parcel":
                values = (estimate.summary.get(column, np.nan) for estimate in usable)
                filled = _fill(blank, usable, values)
                written.append(_write(directory, (column, ""), [filled], space))
        written.append(_write_hrf(directory, usable, blank, space))
    left_out = _left_out(estimates, labels.size)
    if left_out.any():
        written.append(_write(directory, ("left_out", ""), [left_out], space))
    return written


def _left_out(estimates: Iterable[ParcelEstimate], n_positions: int) -> NDArray[np.int32]:
    """Tell where no map of the estimator has a value, and whether that is a whole parcel."""
    codes = np.zeros(n_positions, np.int32)
    for estimate in estimates:
        if estimate.status != "ok":
            codes[estimate.positions] = 2
        elif estimate.maps:
            values = [values.reshape(len(values), -1) for values in estimate.maps.values()]
            unknown = [np.isnan(one).all(axis=1) for one in values]
            codes[estimate.positions] = np.logical_and.reduce(unknown)
    return codes


def _write_map(
    directory: Path, name: MapName, usable: Sequence[ParcelEstimate], blank: FloatMap, space: Space
) -> Path:
    """Write one map; 4D if it has samples, one volume in memory at a time."""
    owners = [estimate for estimate in usable if name in estimate.maps]
    first = owners[0].maps[name]
    if first.ndim == 1:
        return _write(directory, name, [_gathered(owners, name, ..., blank)], space)
    frames = (_gathered(owners, name, (..., i), blank) for i in range(first.shape[1]))
    has_times = MAPS[name[0]].samples == "time"
    step = _step(owners[0].hrf["time"]) if has_times else None
    return _write(directory, name, frames, space, n_samples=first.shape[1], step=step)


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
    directory: Path, usable: Sequence[ParcelEstimate], blank: FloatMap, space: Space
) -> Path:
    """Write every parcel's HRF at its positions."""
    time = usable[0].hrf["time"]
    # A sample at a time: all of them would be a whole 4D volume in memory.
    samples = (
        _fill(blank, usable, (float(estimate.hrf["hrf"][index]) for estimate in usable))
        for index in range(time.size)
    )
    return _write(directory, ("hrf", ""), samples, space, n_samples=time.size, step=_step(time))


def _step(time: FloatArray) -> float | None:
    """Seconds between samples; None if they are not evenly spaced, which no header can say."""
    steps = np.diff(time)
    return float(steps[0]) if np.allclose(steps, steps[0]) else None


def _write(
    directory: Path,
    name: MapName,
    frames: Iterable[NDArray[Any]],
    space: Space,
    *,
    n_samples: int | None = None,
    step: float | None = None,
) -> Path:
    title = map_title(*name)
    dtype = np.int32 if MAPS[name[0]].is_code else np.float32
    path = directory / file_stem(title)
    return space.write(path, title, frames, dtype=dtype, n_samples=n_samples, step=step)
