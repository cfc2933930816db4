"""From which value on a map of a report is shown at first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.outputs.map_kind import Look, MapKind
from pyhrf.parameters.estimators import kind_of

PROBABILITY = 0.95
"""What is less probable is hidden."""

Z = 3.1
"""What is nearer to 0 is hidden: p < .001, one-sided, without correction."""

TESTED: tuple[Look, ...] = ("probability", "sides", "z")
"""Looks of maps that tell where there is something, of which clusters are listed."""

_SHARE_OF_LEVELS = 0.15  # the smallest are hidden, so that what they are drawn on is seen


def look_of(kind: MapKind, study: Mapping[str, Any]) -> Look:
    """Give the look of a map in the report of a study.

    The probability that a level is above 0 is near 0 where it surely is below: both sides count.
    """
    own = study.get(kind_of(study).section, {})
    if kind.name == "ppm" and own.get("ppm_threshold") == 0:
        return "sides"
    return kind.look


def strength(values: FloatArray, look: Look) -> FloatArray:
    """Give what the threshold is compared with, of whatever side."""
    if look == "sides":
        return np.maximum(values, 1 - values)
    return np.abs(values)


def first_threshold(values: FloatArray, look: Look, top: float) -> tuple[float, float | None]:
    """Choose what a map shows at first.

    Parameters
    ----------
    values : float array
        NaN where there is none.
    look : str
        Of the map.
    top : float
        Value of the strongest colour.

    Returns
    -------
    threshold : float
        Of the strength of values.
    missed : float or None
        The usual threshold, if nothing reaches it: then half of the way to the strongest is taken.
    """
    if look not in TESTED:
        return {"levels": _SHARE_OF_LEVELS * top, "flag": 0.5}.get(look, 0.0), None
    usual = Z if look == "z" else PROBABILITY
    found: NDArray[Any] = strength(values[np.isfinite(values)], look)
    most = float(found.max()) if found.size else 0.0
    if most >= usual:
        return usual, None
    least = 0.5 if look == "sides" else 0.0
    if most <= least:
        return usual, usual
    return float(f"{least + (most - least) / 2:.3g}"), usual


def said_of(table: Mapping[str, Any]) -> str:
    """Say how many clusters a list has, and of which threshold; see `cluster_tables`."""
    rule = {
        "probability": f"a probability of at least {PROBABILITY:g}",
        "sides": f"a probability of at least {PROBABILITY:g} that it is above 0, or below it",
        "z": f"|z| of at least {Z:g} (p < .001, one-sided, uncorrected)",
    }[table["look"]]
    n_clusters = len(table["rows"]) + table["more"]
    if not n_clusters:
        return f"Nothing has {rule}."
    return f"{n_clusters} cluster{'' if n_clusters == 1 else 's'} of {rule}."
