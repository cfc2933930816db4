"""What the values of any parcellation must be, and what parcels are called in files of labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError

Colour = tuple[float, float, float, float]

_LABEL_ROUNDING = 1e-3


def whole_labels(path: Path, values: NDArray[Any], *, place: str) -> NDArray[np.int64]:
    """Turn the values of a parcellation into numbers of parcels.

    Parameters
    ----------
    path : Path
        Where they are from.
    values : array
        0 is background.
    place : str
        What has a value: ``voxel`` or ``node``.

    Returns
    -------
    int64 array, shape of ``values``

    Raises
    ------
    InputError
        If a value is negative, too large, no whole number, or all are 0.
    """
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise InputError(f"{path}: the parcellation holds NaN or infinite values")
        # A file that stores labels with a scale gives them back with rounding errors.
        rounded = np.round(values)
        broken = values[np.abs(values - rounded) > _LABEL_ROUNDING]
        if broken.size:
            raise InputError(
                f"{path}: the parcellation holds values that are not whole numbers, "
                f"such as {broken[0]:g}; each {place} needs the number of its parcel"
            )
        values = rounded
    if values.min() < 0:
        raise InputError(
            f"{path}: the parcellation holds negative labels, such as {values.min():g}; "
            "parcels are numbered from 1, and 0 is background"
        )
    if values.max() == 0:
        raise InputError(f"{path}: the parcellation is empty: all its {place}s are 0")
    # as a float of Python: compared in single precision, 2**31 is no more than the largest
    if float(values.max()) > np.iinfo(np.int32).max:
        raise InputError(f"{path}: the label {values.max():g} is too large")
    return values.astype(np.int64)


def label_table(labels: NDArray[Any], names: Mapping[int, str]) -> dict[int, tuple[str, Colour]]:
    """Give each parcel a name, by default ``parcel 7`` and such, and a colour (RGBA)."""
    import matplotlib as mpl

    palette = mpl.colormaps["tab20"]
    table: dict[int, tuple[str, Colour]] = {0: ("background", (0.0, 0.0, 0.0, 0.0))}
    for number in np.unique(labels[labels > 0]).tolist():
        red, green, blue, _ = palette(number % 20)
        name = names.get(number, f"parcel {number}")
        table[number] = (name, (float(red), float(green), float(blue), 1.0))
    return table
