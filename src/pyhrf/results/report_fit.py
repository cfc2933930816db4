"""Measured and fitted courses, and the design, packed for the report."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import counted
from pyhrf.results.naming import signal_unit
from pyhrf.results.packing import LEVELS, as_base64, as_codes
from pyhrf.results.results import Results

MAX_BYTES = 3_500_000
"""What the courses may take of the page."""

_MOST_ROWS = 500  # of the picture of the design
_MOST_COLUMNS = 130
_ALIKE = 0.8
_HALF = 0.5
_MOST_SENTENCES = 6
_OF_NUISANCE = ("drift", "confound")


def pack_fit(results: Results, max_bytes: int = MAX_BYTES) -> dict[str, Any] | None:
    """Pack courses and events.

    Parameters
    ----------
    results : Results
    max_bytes : int
        Courses for which there is no room are left out, those of the lowest R² first.

    Returns
    -------
    dict or None
        ``runs`` with scans, events and displacement, ``conditions``, ``unit``, ``first``, the
        parcel of highest R², ``left_out``, how many have no room, and ``courses`` by parcel: its
        ``scale`` and ``data``, base64 of int16, -32768 for NaN and else `scale` times the value,
        measured of all runs before fitted of all runs. None without courses.
    """
    table = results.courses
    if table.empty or results.design.empty:
        return None
    r2 = results.parcels.set_index("parcel")["r2"].fillna(-np.inf)
    n_scans = len(results.design)
    size = 4 * n_scans * 4 // 3
    numbers = np.array(table["parcel"].unique())
    ranked = sorted(numbers.tolist(), key=lambda number: (-float(r2.get(number, -np.inf)), number))
    shown = sorted(ranked[: max(1, max_bytes // size)])
    values = table[["measured", "fitted"]].to_numpy(np.float64).reshape(len(numbers), n_scans, 2)
    places = {int(number): k for k, number in enumerate(numbers)}
    return {
        "runs": _runs(results),
        "conditions": results.condition_names,
        "unit": signal_unit(results),
        "first": ranked[0],
        "left_out": len(numbers) - len(shown),
        "courses": {number: _packed(values[places[number]].T) for number in shown},
    }


def _packed(values: FloatArray) -> dict[str, Any]:
    known = np.isfinite(values)
    top = float(np.abs(values[known]).max(initial=0.0)) or 1.0
    return {"scale": top / LEVELS, "data": as_codes(values / top)}


def _runs(results: Results) -> list[dict[str, Any]]:
    """Describe each run: its scans, those censored, its events by condition, displacement."""
    events = results.events
    place = {name: k for k, name in enumerate(results.condition_names)}
    runs = []
    for number, rows in results.design.groupby("run"):
        times = rows["time"].to_numpy(np.float64)
        mine = events[events["run"] == number]
        runs.append(
            {
                "n_scans": len(rows),
                "tr": float(times[1] - times[0]) if len(times) > 1 else 1.0,
                "censored": np.flatnonzero(rows["kept"] == 0).tolist(),
                "moved": _moved(rows),
                "events": [
                    [
                        place[str(name)],
                        *(of_one[x].round(2).tolist() for x in ("onset", "duration")),
                    ]
                    for name, of_one in mine.groupby("condition", sort=False)
                    if str(name) in place
                ],
            }
        )
    return runs


def _moved(rows: pd.DataFrame) -> list[float | None]:
    if "framewise_displacement" not in rows or rows["framewise_displacement"].isna().all():
        return []
    found = rows["framewise_displacement"].round(3)
    return [None if np.isnan(value) else value for value in found.tolist()]


def pack_design(results: Results) -> dict[str, Any] | None:
    """Pack the design: a picture of it, and how its conditions go together.

    Returns
    -------
    dict or None
        ``columns``, their names; ``rows`` of the picture, ``runs``, how many rows each has, and
        ``data``, base64 of uint8 row by row: 0 where there is nothing, else 1 to 255 from the
        lowest to the highest value of a column. ``task``, names of the columns of conditions, and
        ``correlations`` between them, in hundredths, without drift and confounds; ``explained``,
        by condition, the share of its columns that drift and confounds explain; ``said``,
        sentences about what is too much. None without a design.
    """
    table = results.design
    names = [name for name in map(str, table) if "." in name]
    if table.empty or not names:
        return None
    task = [name for name in names if name.partition(".")[0] not in _OF_NUISANCE]
    whole, left = _without_nuisance(table, task, [name for name in names if name not in task])
    correlation = _correlation(left)
    explained = _explained(task, whole, left)
    shown = names[:_MOST_COLUMNS]
    few = task[:_MOST_COLUMNS]
    return {
        **_picture(table, shown),
        "columns": shown,
        "left_out": len(names) - len(shown),
        "task": few,
        "correlations": np.rint(100 * correlation[: len(few), : len(few)]).astype(int).tolist(),
        "explained": explained,
        "said": [*_said_alike(task, correlation), *_said_explained(explained)],
    }


def _picture(table: pd.DataFrame, names: Sequence[str]) -> dict[str, Any]:
    """Give values of columns as greys, with fewer rows than scans if these are many."""
    step = -(-len(table) // _MOST_ROWS)
    rows = table.groupby("run")[["run", *names]].apply(lambda run: run.iloc[::step])
    values = rows[list(names)].to_numpy(np.float64)
    codes = np.zeros(values.shape, np.uint8)
    for column, code in zip(values.T, codes.T, strict=True):
        known = np.isfinite(column)
        if known.any():
            low, high = column[known].min(), column[known].max()
            part = (column[known] - low) / (high - low) if high > low else np.ones(known.sum())
            code[known] = 1 + np.rint(254 * part)
    return {
        "rows": len(codes),
        "step": step,
        "runs": rows["run"].value_counts(sort=False).tolist(),
        "data": as_base64(codes),
    }


def _without_nuisance(
    table: pd.DataFrame, task: Sequence[str], nuisance: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """Take the mean of each run out of the task's columns, and drift and confounds out of them.

    Returns
    -------
    whole, left : array, shape (n_kept_scans, n_columns)
    """
    whole, left = [], []
    for _, run in table[table["kept"] == 1].groupby("run"):
        values = run[list(task)].fillna(0.0).to_numpy(np.float64)
        whole.append(values - values.mean(axis=0))
        others = run[list(nuisance)].dropna(axis=1).to_numpy(np.float64)
        others = np.column_stack([others, np.ones(len(run))])
        others = others / np.maximum(np.linalg.norm(others, axis=0), 1e-300)
        left.append(values - others @ np.linalg.lstsq(others, values, rcond=1e-7)[0])
    return np.concatenate(whole), np.concatenate(left)


def _correlation(left: FloatArray) -> NDArray[np.float64]:
    norm = np.linalg.norm(left, axis=0)
    unit = left / np.where(norm > 0, norm, 1.0)
    return np.asarray(unit.T @ unit)


def _condition(column: str) -> str:
    return column.partition(".")[2]


def _explained(task: Sequence[str], whole: FloatArray, left: FloatArray) -> dict[str, float]:
    """Tell which share of the columns of each condition drift and confounds explain."""
    shares = {}
    for condition in dict.fromkeys(map(_condition, task)):
        mine = [k for k, name in enumerate(task) if _condition(name) == condition]
        total = float(np.sum(whole[:, mine] ** 2))
        rest = float(np.sum(left[:, mine] ** 2))
        shares[condition] = round(1 - rest / total, 3) if total > 0 else 1.0
    return shares


def _said_alike(task: Sequence[str], correlation: FloatArray) -> list[str]:
    pairs: dict[tuple[str, str], float] = {}
    for m, n in combinations(range(len(task)), 2):
        pair = (_condition(task[m]), _condition(task[n]))
        if pair[0] != pair[1] and abs(correlation[m, n]) > _ALIKE:
            pairs[pair] = max(pairs.get(pair, 0.0), float(correlation[m, n]), key=abs)
    ranked = sorted(pairs.items(), key=lambda one: -abs(one[1]))
    said = [
        f"The regressors of {one} and {other} correlate by {value:.2f}: their levels can hardly be "
        "told apart."
        for (one, other), value in ranked[:_MOST_SENTENCES]
    ]
    if (more := len(ranked) - _MOST_SENTENCES) > 0:
        said.append(
            f"{counted(more, 'more pair')} of conditions correlate by more than {_ALIKE:g}."
        )
    return said


def _said_explained(explained: dict[str, float]) -> list[str]:
    most = {name: share for name, share in explained.items() if share > _HALF}
    return [
        f"Drift and confounds explain {100 * share:.0f} % of the regressor of {name}: little of "
        "its response is left to be seen; a longer cut-off of the drift or fewer confounds leave "
        "more."
        for name, share in list(most.items())[:_MOST_SENTENCES]
    ]
