"""The tables: tab-separated, one header line, ``n/a`` where there is no value."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.data import FloatArray, ParcelEstimate
from pyhrf.files import replace_file
from pyhrf.outputs.columns import by_condition, columns_of

_BLANK = re.compile(r"\s")
_MOST_POINTS = 200  # of a chain in convergence.tsv

Cell = str | int | float


def write_tables(
    directory: Path,
    estimates: Sequence[ParcelEstimate],
    conditions: Sequence[str],
    regions: Mapping[int, str],
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
    regions : mapping of int to str
        Names of parcels, where they have any.
    """
    usable = [estimate for estimate in estimates if estimate.status == "ok"]
    found = {name for one in usable for name in one.summary}
    if any(estimate.parcel in regions for estimate in estimates):
        found.add("region")
    columns = columns_of("parcels", found)
    write_table(directory / "parcels.tsv", columns, _parcel_rows(estimates, columns, regions))
    found = {name for one in usable for name in one.hrf}
    if by_condition("hrf") in found:
        found.add("condition")
    columns = columns_of("hrf", found)
    write_table(directory / "hrf.tsv", columns, _hrf_rows(usable, conditions, columns))
    columns = columns_of("conditions", {name for one in usable for name in one.conditions})
    write_table(directory / "conditions.tsv", columns, _condition_rows(usable, conditions, columns))
    if traced := [one for one in usable if one.trace.size]:
        write_table(directory / "convergence.tsv", columns_of("convergence"), _trace_rows(traced))


def _parcel_rows(
    estimates: Iterable[ParcelEstimate], columns: Sequence[str], regions: Mapping[int, str]
) -> Iterator[Sequence[Cell]]:
    for estimate in estimates:
        values = {
            "parcel": estimate.parcel,
            "region": regions.get(estimate.parcel, ""),
            "status": estimate.status,
            "reason": " ".join(estimate.reason.split()),
            "n_positions": int(estimate.positions.size),
            **estimate.summary,
        }
        yield [values.get(column, math.nan) for column in columns]


def _hrf_rows(
    estimates: Iterable[ParcelEstimate], conditions: Sequence[str], columns: Sequence[str]
) -> Iterator[Sequence[Cell]]:
    """Give the HRF of all conditions together, which are no condition, then that of each."""
    for estimate in estimates:
        hrf = estimate.hrf
        shared = {name: hrf[name] for name in columns if name in hrf}
        yield from _samples(estimate.parcel, "", shared, columns)
        own = {name: hrf[by_condition(name)] for name in columns if by_condition(name) in hrf}
        for index, condition in enumerate(conditions if own else ()):
            values = {"time": hrf["time"], **{name: each[index] for name, each in own.items()}}
            yield from _samples(estimate.parcel, condition, values, columns)


def _samples(
    parcel: int, condition: str, values: Mapping[str, FloatArray], columns: Sequence[str]
) -> Iterator[Sequence[Cell]]:
    n_samples = len(values["time"])
    cells: dict[str, list[Any]] = {
        "parcel": [parcel] * n_samples,
        "condition": [condition] * n_samples,
        **{name: one.tolist() for name, one in values.items()},
    }
    missing = [math.nan] * n_samples
    yield from zip(*(cells.get(column, missing) for column in columns), strict=True)


def _condition_rows(
    estimates: Iterable[ParcelEstimate], conditions: Sequence[str], columns: Sequence[str]
) -> Iterator[Sequence[Cell]]:
    for estimate in estimates:
        for index, condition in enumerate(conditions):
            values: dict[str, Cell] = {"parcel": estimate.parcel, "condition": condition}
            values |= {name: float(each[index]) for name, each in estimate.conditions.items()}
            yield [values.get(column, math.nan) for column in columns]


def _trace_rows(estimates: Iterable[ParcelEstimate]) -> Iterator[Sequence[Cell]]:
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
                yield estimate.parcel, chain, before + place + 1, float(values[place])


def write_table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a table, in place of an older one.

    Parameters
    ----------
    path : Path
    header : sequence of str
        Names of its columns.
    rows : iterable of sequence of str, int or float
        What is not finite, and an empty text, is ``n/a``.
    """
    with replace_file(path) as file:
        file.write(("\t".join(map(_text, header)) + "\n").encode())
        for row in rows:
            file.write(("\t".join(map(_text, row)) + "\n").encode())


def _text(value: Cell) -> str:
    if isinstance(value, str):
        # A tab or a line's end inside a name would break the row. One blank for each character: a
        # name must lead to the files of its maps.
        return _BLANK.sub(" ", value) if value.strip() else "n/a"
    if isinstance(value, int):
        return str(value)
    return f"{value:.9g}" if math.isfinite(value) else "n/a"
