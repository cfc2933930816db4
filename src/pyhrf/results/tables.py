"""The tables: tab-separated, one header line, ``n/a`` where there is no value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pyhrf.data import FloatArray, ParcelEstimate
from pyhrf.results.files import replace_file

HRF_COLUMNS = ("time", "hrf", "sd")
PARCEL_COLUMNS = (
    "n_iterations",
    "converged",
    "time_to_peak",
    "fwhm",
    "peak_to_undershoot",
    "hrf_quality",
)
CONDITION_COLUMNS = ("mean_active", "sd_active", "sd_inactive", "beta", "fraction_active")
CONVERGENCE_COLUMNS = ("parcel", "chain", "iteration", "criterion")

_MOST_POINTS = 200  # of a chain in convergence.tsv

Cell = str | int | float


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
    summary = _columns(PARCEL_COLUMNS, (estimate.summary for estimate in usable))
    per_condition = _columns(CONDITION_COLUMNS, (estimate.conditions for estimate in usable))
    _write(
        directory / "parcels.tsv",
        ("parcel", "status", "reason", "n_positions", *summary),
        _parcel_rows(estimates, summary),
    )
    _write_hrfs(directory / "hrf.tsv", usable, conditions)
    _write(
        directory / "conditions.tsv",
        ("parcel", "condition", *per_condition),
        _condition_rows(usable, conditions, per_condition),
    )
    traced = [estimate for estimate in usable if estimate.trace.size]
    if traced:
        _write(directory / "convergence.tsv", CONVERGENCE_COLUMNS, _trace_rows(traced))


def _columns(first: Sequence[str], rows: Iterable[Mapping[str, object]]) -> tuple[str, ...]:
    """Columns that are always there, then those that an estimator adds, as they appear."""
    columns = dict.fromkeys(first)
    for row in rows:
        columns.update(dict.fromkeys(row))
    return tuple(columns)


def _parcel_rows(
    estimates: Iterable[ParcelEstimate], columns: Sequence[str]
) -> Iterator[list[Cell]]:
    for estimate in estimates:
        values = [estimate.summary.get(column, math.nan) for column in columns]
        size = int(estimate.positions.size)
        yield [estimate.parcel, estimate.status, estimate.reason, size, *values]


def _write_hrfs(path: Path, estimates: Sequence[ParcelEstimate], conditions: Sequence[str]) -> None:
    """Write the HRFs; with a column ``condition`` if any estimate has them by condition."""
    by_condition = any(_of_condition("hrf") in estimate.hrf for estimate in estimates)
    shared = [
        {name: values for name, values in estimate.hrf.items() if np.ndim(values) == 1}
        for estimate in estimates
    ]
    columns = _columns(HRF_COLUMNS, shared)
    header = ("parcel", "condition", *columns) if by_condition else ("parcel", *columns)
    _write(path, header, _hrf_rows(estimates, conditions if by_condition else None, columns))


def _hrf_rows(
    estimates: Iterable[ParcelEstimate], conditions: Sequence[str] | None, columns: Sequence[str]
) -> Iterator[list[Cell]]:
    """Give the HRF of all conditions together, which are no condition, then that of each."""
    for estimate in estimates:
        found = estimate.hrf
        label = [] if conditions is None else [""]
        yield from _samples([estimate.parcel, *label], found, columns)
        if conditions is None or _of_condition("hrf") not in found:
            continue
        for index, condition in enumerate(conditions):
            own = {
                column: found[_of_condition(column)][index]
                for column in columns
                if _of_condition(column) in found
            }
            yield from _samples(
                [estimate.parcel, condition], {"time": found["time"], **own}, columns
            )


def _of_condition(column: str) -> str:
    return f"{column}_by_condition"


def _samples(
    label: list[Cell], values: Mapping[str, FloatArray], columns: Sequence[str]
) -> Iterator[list[Cell]]:
    missing = np.full(len(values["time"]), np.nan)
    for sample in zip(*(values.get(column, missing).tolist() for column in columns), strict=True):
        yield [*label, *sample]


def _condition_rows(
    estimates: Iterable[ParcelEstimate], conditions: Sequence[str], columns: Sequence[str]
) -> Iterator[list[Cell]]:
    for estimate in estimates:
        for index, condition in enumerate(conditions):
            values = [
                float(estimate.conditions[column][index])
                if column in estimate.conditions
                else math.nan
                for column in columns
            ]
            yield [estimate.parcel, condition, *values]


def _trace_rows(estimates: Iterable[ParcelEstimate]) -> Iterator[list[Cell]]:
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
                yield [estimate.parcel, chain, before + place + 1, float(values[place])]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    with replace_file(path) as file:
        file.write(("\t".join(header) + "\n").encode())
        for row in rows:
            file.write(("\t".join(map(_text, row)) + "\n").encode())


def _text(value: Cell) -> str:
    if isinstance(value, str):
        # A tab or a line's end inside a reason or a name would break the row.
        return " ".join(value.split()) or "n/a"
    if isinstance(value, int):
        return str(value)
    return f"{value:.9g}" if math.isfinite(value) else "n/a"
