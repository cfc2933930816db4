"""Single trials of a report: which there are, and their levels in the best voxels of parcels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.results.naming import signal_unit
from pyhrf.results.packing import LEVELS, as_codes
from pyhrf.results.results import Results
from pyhrf.results.trial_text import has_no_level, is_circular, settings_text
from pyhrf.spaces.kinds import kind_of_file

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES = 500_000
"""What the levels of trials may take of the page."""

_TOP = 0.1  # of the voxels of a parcel, those that are drawn
_MOST_LOST = 40  # trials without a level that are listed


def pack_trials(results: Results, max_bytes: int = MAX_BYTES) -> dict[str, Any] | None:
    """Pack the single trials, and their mean levels in the best voxels of parcels.

    These are the tenth, one at least, with the largest ``trial_snr``. Of the 4D maps one volume is
    in memory at a time.

    Parameters
    ----------
    results : Results
    max_bytes : int
        Parcels for which there is no room are left out, those of the smallest ``trial_snr`` first.

    Returns
    -------
    dict or None
        ``conditions``, ``unit``, ``n_runs``, ``settings`` in sentences, and whether these make
        levels ``circular``. Of each trial a list of its ``run`` (from 1), ``condition`` (a place in
        ``conditions``), ``onset``, ``duration`` and ``information``. For tables ``by_condition``,
        a row of each, ``lost``, the first trials without a level, and ``n_lost``. By parcel
        ``levels``: ``n`` voxels, their median ``snr``, ``scale`` and ``data``, base64 of int16,
        -32768 for NaN and else the value over `scale`: means of the levels of all trials, then of
        their standard deviations. ``first`` is the parcel of the largest ``snr``,
        ``left_out``, how many have no room. None without trials.
    """
    table = results.trial_table
    maps = results.maps()
    if table.empty or not {"trials", "trials_sd", "trial_snr"} <= maps.keys():
        return None
    best = _best_voxels(results)
    size = 4 * len(table) * 4 // 3
    ranked = sorted(best, key=lambda number: (-best[number][1], number))
    shown = sorted(ranked[: max(1, max_bytes // size)])
    found = list(dict.fromkeys(table["condition"]))
    known = [name for name in results.condition_names if name in found]
    conditions = list(dict.fromkeys([*known, *found]))
    place = {name: k for k, name in enumerate(conditions)}
    lost = table[has_no_level(table)]
    return {
        "settings": settings_text(results),
        "circular": is_circular(results),
        "unit": signal_unit(results),
        "conditions": conditions,
        "n_runs": int(table["run"].nunique()),
        "run": table["run"].astype(int).tolist(),
        "condition": [place[name] for name in table["condition"]],
        **{name: _numbers(table[name]) for name in ("onset", "duration", "information")},
        "by_condition": _by_condition(table, conditions),
        "lost": lost[["trial", "run", "condition", "onset", "reason"]][:_MOST_LOST].to_dict(
            "records"
        ),
        "n_lost": len(lost),
        "first": ranked[0] if ranked else None,
        "left_out": len(ranked) - len(shown),
        "levels": _levels(results, {number: best[number] for number in shown}, len(table)),
    }


def _best_voxels(results: Results) -> dict[int, tuple[NDArray[np.int64], float]]:
    """Find the voxels of each parcel in which trials are the most reliable, and their SNR."""
    snr = np.asarray(results.map_values("trial_snr"), np.float64).ravel()
    labels = np.where(np.isfinite(snr), results.labels.ravel(), 0)
    order = np.lexsort((-snr, labels))
    numbers, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    found = {}
    for number, start, count in zip(numbers.tolist(), starts, counts, strict=True):
        if number > 0:
            places = order[start : start + max(1, int(_TOP * count))]
            found[number] = (places, float(np.median(snr[places])))
    return found


def _levels(
    results: Results, best: Mapping[int, tuple[NDArray[np.int64], float]], n_trials: int
) -> dict[int, dict[str, Any]]:
    if not best:
        return {}
    places = np.concatenate([voxels for voxels, _ in best.values()])
    counts = np.array([len(voxels) for voxels, _ in best.values()])
    means = [_means(results, name, places, counts) for name in ("trials", "trials_sd")]
    if any(len(one) != n_trials for one in means):
        raise ValueError("trials.tsv and the maps have not as many trials")
    packed = {}
    for (number, (voxels, snr)), both in zip(best.items(), np.concatenate(means).T, strict=True):
        top = float(np.nanmax(np.abs(both), initial=0.0)) or 1.0
        packed[number] = {
            "n": len(voxels),
            "snr": round(snr, 3),
            "scale": top / LEVELS,
            "data": as_codes(both / top),
        }
    return packed


def _means(
    results: Results, name: str, places: NDArray[np.int64], counts: NDArray[np.int64]
) -> FloatArray:
    """Average a map of trials over the voxels of each parcel; shape (n_trials, n_parcels)."""
    path = results.maps()[name]
    starts = np.cumsum(counts) - counts
    frames = kind_of_file(path).open_map(path).frames
    sums = [np.add.reduceat(frame[places], starts, dtype=np.float64) for frame in frames]
    return np.array(sums) / counts


def _by_condition(table: pd.DataFrame, conditions: list[str]) -> list[dict[str, Any]]:
    """Count the trials of each condition; what the data say of one, in the median."""
    rows = []
    for name in conditions:
        mine = table[table["condition"] == name]
        information = mine["information"].median()
        rows.append(
            {
                "condition": name,
                "n": len(mine),
                "n_lost": int(has_no_level(mine).sum()),
                "information": None if np.isnan(information) else float(information),
            }
        )
    return rows


def _numbers(column: pd.Series[float]) -> list[float | None]:
    return [None if np.isnan(value) else round(value, 3) for value in column.tolist()]
