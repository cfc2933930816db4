"""How the parcels of a report are spread, and how they converged: what the page draws."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from pyhrf.data import FloatArray
from pyhrf.outputs.columns import COLUMNS
from pyhrf.results.results import Results

_BINS = 30
_MOST_SHOWN_SINGLY = 40  # parcels that still have a point of their own


def overview_of(results: Results, *, assumed: bool = False) -> list[dict[str, Any]]:
    """Give times to peak, qualities and iterations: of each parcel, or of many how they spread.

    Parameters
    ----------
    results : Results
    assumed : bool
        Whether responses were given, and not estimated: then their times to peak tell nothing.

    Returns
    -------
    list of dict
        One for each figure: ``name`` of the column, its ``label`` with unit, ``title``, and either
        ``points`` (parcel, value, its standard deviation or None, whether it converged) or ``bars``
        (left, right, parcels that converged, parcels that did not). None without parcels.
    """
    good = results.parcels[results.parcels["status"] == "ok"]
    columns = ["hrf_quality", "rhat" if "rhat" in good else "n_iterations"]
    if not assumed:
        columns.insert(0, "time_to_peak")
    return [
        _overview(good[good[name].notna()], name) for name in columns if good[name].notna().any()
    ]


def _overview(table: pd.DataFrame, name: str) -> dict[str, Any]:
    figure = {"name": name, "label": axis_label(name), "title": ""}
    ended = np.ones(len(table), np.bool_)
    if name in ("n_iterations", "rhat"):
        ended = table["converged"].to_numpy() != 0
        figure["title"] = f"{int(ended.sum())} of {len(table)} converged"
    if len(table) > _MOST_SHOWN_SINGLY:
        values = table[name].to_numpy(float)
        return figure | {"bars": list(_bars(values, ended, whole=name == "n_iterations"))}
    return figure | {"points": list(_points(table, name, ended))}


def _points(table: pd.DataFrame, name: str, ended: Any) -> Iterator[list[Any]]:
    deviations = table.get(f"{name}_sd", pd.Series(np.nan, table.index))
    for number, value, sd, end in zip(table["parcel"], table[name], deviations, ended, strict=True):
        known = round(float(sd), 4) if np.isfinite(sd) else None
        yield [int(number), round(float(value), 4), known, bool(end)]


def bar_edges(values: FloatArray, *, whole: bool) -> FloatArray:
    """Give where the bars of a histogram begin and end; of whole numbers each holds as many."""
    if not whole:
        return np.histogram_bin_edges(values, _BINS)
    low, high = values.min(), values.max()
    width = max(1, -(-(high - low + 1) // _BINS))
    return np.arange(low - 0.5, high + width, width)


def axis_label(column: str) -> str:
    """Call a column of the table of parcels as it is called on an axis, with its unit."""
    known = COLUMNS["parcels"][column]
    return f"{known.title}, {known.unit}" if known.unit else known.title


def _bars(values: FloatArray, ended: Any, *, whole: bool) -> Iterator[list[float]]:
    """Count in bars of equal width; of whole numbers each bar holds as many of them."""
    edges = bar_edges(values, whole=whole)
    good, others = (np.histogram(values[which], edges)[0] for which in (ended, ~ended))
    for left, right, n_good, n_others in zip(edges[:-1], edges[1:], good, others, strict=True):
        yield [round(float(left), 4), round(float(right), 4), int(n_good), int(n_others)]
