"""The tables: tab-separated, one header line, ``n/a`` where there is no value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pyhrf.data import FloatArray, ParcelEstimate
from pyhrf.outputs.columns import Table, by_condition, columns_of
from pyhrf.results.files import replace_file

_MOST_POINTS = 200  # of a chain in convergence.tsv

Cell = str | int | float
Row = Mapping[str, Cell]


def write_tables(
    directory: Path, estimates: Sequence[ParcelEstimate], conditions: Sequence[str]
) -> None:
    """Write ``parcels.tsv``, ``hrf.tsv``, ``conditions.tsv`` and perhaps ``convergence.tsv``.

    The last is the course of the criterion of estimators that iterate, thinned where it is long.

    The same estimates give the same bytes, whatever engine made them.

    Parameters
    ----------
    directory : Path
        The output directory.
    estimates : sequence of ParcelEstimate
        Sorted by parcel, all of one estimator. Those that are not ``ok`` get a row in
        ``parcels.tsv`` only.
    conditions : sequence of str
        Names, in the order of the values in ``ParcelEstimate.conditions``.
    """
    usable = [estimate for estimate in estimates if estimate.status == "ok"]
    summary = {name for one in usable for name in one.summary}
    _write(directory, "parcels", summary, _parcel_rows(estimates))
    hrf = {name for one in usable for name in one.hrf}
    if by_condition("hrf") in hrf:
        hrf.add("condition")
    _write(directory, "hrf", hrf, _hrf_rows(usable, conditions))
    of_conditions = {name for one in usable for name in one.conditions}
    _write(directory, "conditions", of_conditions, _condition_rows(usable, conditions))
    if traced := [one for one in usable if one.trace.size]:
        _write(directory, "convergence", (), _trace_rows(traced))


def _parcel_rows(estimates: Iterable[ParcelEstimate]) -> Iterator[Row]:
    for estimate in estimates:
        yield {
            "parcel": estimate.parcel,
            "status": estimate.status,
            "reason": estimate.reason,
            "n_positions": int(estimate.positions.size),
            **estimate.summary,
        }


def _hrf_rows(estimates: Iterable[ParcelEstimate], conditions: Sequence[str]) -> Iterator[Row]:
    """Give the HRF of all conditions together, which are no condition, then that of each."""
    for estimate in estimates:
        shared = {name: values for name, values in estimate.hrf.items() if values.ndim == 1}
        yield from _samples(estimate.parcel, "", shared)
        own = {
            name: estimate.hrf[by_condition(name)]
            for name in shared
            if by_condition(name) in estimate.hrf
        }
        for index, condition in enumerate(conditions if own else ()):
            values = {name: of_all[index] for name, of_all in own.items()}
            yield from _samples(estimate.parcel, condition, {"time": shared["time"], **values})


def _samples(parcel: int, condition: str, values: Mapping[str, FloatArray]) -> Iterator[Row]:
    for sample in zip(*(one.tolist() for one in values.values()), strict=True):
        yield {"parcel": parcel, "condition": condition, **dict(zip(values, sample, strict=True))}


def _condition_rows(
    estimates: Iterable[ParcelEstimate], conditions: Sequence[str]
) -> Iterator[Row]:
    for estimate in estimates:
        for index, condition in enumerate(conditions):
            values = {name: float(of_all[index]) for name, of_all in estimate.conditions.items()}
            yield {"parcel": estimate.parcel, "condition": condition, **values}


def _trace_rows(estimates: Iterable[ParcelEstimate]) -> Iterator[Row]:
    """Give the criterion after iterations of each chain, the last one among them."""
    for estimate in estimates:
        n_chains = int(estimate.summary.get("n_chains", 1))
        for chain, values in enumerate(np.split(estimate.trace, n_chains), start=1):
            n_values = len(values)
            # The first iterations of VEM, with other fields, are not in its trace.
            before = 0
            if n_chains == 1:
                before = max(int(estimate.summary.get("n_iterations", 0)) - n_values, 0)
            step = -(-n_values // _MOST_POINTS)
            for place in range((n_values - 1) % step, n_values, step):
                yield {
                    "parcel": estimate.parcel,
                    "chain": chain,
                    "iteration": before + place + 1,
                    "criterion": float(values[place]),
                }


def _write(directory: Path, table: Table, found: Iterable[str], rows: Iterable[Row]) -> None:
    """Write the columns that a table always has, and those that are found in its rows."""
    columns = columns_of(table, found)
    with replace_file(directory / f"{table}.tsv") as file:
        file.write(("\t".join(columns) + "\n").encode())
        for row in rows:
            cells = [_text(row.get(column, math.nan)) for column in columns]
            file.write(("\t".join(cells) + "\n").encode())


def _text(value: Cell) -> str:
    if isinstance(value, str):
        # A tab or a line's end inside a reason or a name would break the row. One blank for each:
        # a name must lead to the files of its maps.
        return re.sub(r"\s", " ", value) if value.strip() else "n/a"
    if isinstance(value, int):
        return str(value)
    return f"{value:.9g}" if math.isfinite(value) else "n/a"
