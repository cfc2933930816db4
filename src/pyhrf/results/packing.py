"""Values of maps, packed as base64 for a browser."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.outputs.map_kind import Look, MapKind

_NOTHING = -32768  # int16 that stands for NaN
LEVELS = 32767
"""Of `as_codes`, what stands for 1."""
_WHOLE_RANGE = ("probability", "sides", "flag")  # shown, whatever part of it a map has
_COLOURS: dict[Look, str] = {
    "levels": "RdBu_r",
    "z": "RdBu_r",
    "sides": "RdBu_r",
    "probability": "inferno",
    "time": "viridis",
    "amount": "viridis",
    "flag": "plasma",
    "labels": "tab20",
}


def quantised(values: FloatArray, kind: MapKind) -> dict[str, Any]:
    """Turn values into 16-bit numbers and the range that they cover.

    Parameters
    ----------
    values : float array, shape (n,)
        NaN where there is none.
    kind : MapKind
        Of the map.

    Returns
    -------
    dict
        ``low`` and ``high`` of the range, ``top``, the value of the strongest colour, and ``data``,
        base64 of int16: 0 for ``low``, 32767 for ``high``, -32768 for NaN.
    """
    known = np.isfinite(values)
    if kind.look in _WHOLE_RANGE:
        low, high = kind.range
    else:
        found = values[known]
        low, high = (float(found.min()), float(found.max())) if found.size else (0.0, 1.0)
    span = (high - low) or 1.0
    parts = np.full(values.shape, np.nan)
    parts[known] = np.clip((values[known] - low) / span, 0, 1)
    return {
        "low": low,
        "high": low + span,
        "top": _top(values[known], kind),
        "data": as_codes(parts),
    }


def _top(values: FloatArray, kind: MapKind) -> float:
    """Choose the value that has the strongest colour: few outliers must not hide the rest."""
    if kind.look in _WHOLE_RANGE:
        return kind.range[1]
    top = float(np.percentile(np.abs(values), 99)) if values.size else 1.0
    return top or 1.0


def colour_tables() -> dict[str, str]:
    """Give 256 colours for each look of maps; base64 of RGB triples."""
    return {look: _colour_table(look, name) for look, name in _COLOURS.items()}


def _colour_table(look: Look, name: str) -> str:
    # Nearly all that is shown of two sides lies at the ends, which are too dark for a dark page.
    ends = (0.12, 0.88) if look == "sides" else (0.0, 1.0)
    colours = mpl.colormaps[name](np.linspace(*ends, 256))
    return as_base64(np.rint(np.asarray(colours)[:, :3] * 255).astype(np.uint8))


def as_codes(parts: FloatArray) -> str:
    """Give numbers from -1 to 1 as base64 of int16: 32767 for 1, -32768 for NaN."""
    known = np.isfinite(parts)
    codes = np.full(parts.shape, _NOTHING, "<i2")
    codes[known] = np.rint(parts[known] * LEVELS)
    return as_base64(codes)


def as_base64(values: NDArray[Any]) -> str:
    """Give the bytes of an array, in its order and type, as text."""
    return b64encode(np.ascontiguousarray(values).tobytes()).decode("ascii")
