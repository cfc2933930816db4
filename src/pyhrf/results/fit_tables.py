"""What the fit is judged by, as tables: courses of parcels, events, and the design of all scans."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pyhrf.data import Experiment, FloatArray, ParcelEstimate
from pyhrf.files import replace_file
from pyhrf.model.trials import Trial
from pyhrf.outputs.columns import columns_of
from pyhrf.results.tables import Cell, write_table

FIT_TABLES = ("courses", "events", "design")
"""Names of these tables."""

_CONFOUND = "confound"


@dataclass(frozen=True, kw_only=True)
class Design:
    """What all parcels of a study were fitted with.

    Attributes
    ----------
    experiment : Experiment
    regressors : sequence of mapping of str to array, shape (n_scans,)
        Columns of each run by their names, confounds apart: see `pyhrf.model.regressors`.
    confound_names : sequence of sequence of str
        Of the confounds of each run.
    displacement : sequence of array, shape (n_scans,), or None
        Framewise displacement in each run, millimetres, where it is known.
    trials : sequence of Trial
        Single trials in the order of their maps; none where there are no such maps.
    """

    experiment: Experiment
    regressors: Sequence[Mapping[str, FloatArray]]
    confound_names: Sequence[Sequence[str]]
    displacement: Sequence[FloatArray | None]
    trials: Sequence[Trial] = ()


def write_fit_tables(
    directory: Path, estimates: Sequence[ParcelEstimate], design: Design | None
) -> None:
    """Write ``courses.tsv``, ``events.tsv`` and ``design.tsv``; older ones go.

    Parameters
    ----------
    directory : Path
        The output directory.
    estimates : sequence of ParcelEstimate
        Sorted by parcel; those without courses have no rows.
    design : Design, optional
        Without it there are no such tables.
    """
    if design is None:
        for name in FIT_TABLES:
            (directory / f"{name}.tsv").unlink(missing_ok=True)
        return
    _write_courses(directory / "courses.tsv", estimates, design.experiment)
    events = _event_rows(design.experiment)
    write_table(directory / "events.tsv", columns_of("events"), events)
    _write_design(directory / "design.tsv", design)


def _write_courses(path: Path, estimates: Sequence[ParcelEstimate], experiment: Experiment) -> None:
    """Write the courses; hundreds of thousands of rows, of which the parts are made at once."""
    runs = np.repeat(np.arange(len(experiment.runs)) + 1, [r.n_scans for r in experiment.runs])
    scans = np.concatenate([np.arange(run.n_scans) for run in experiment.runs])
    places = [f"\t{run}\t{scan}\t" for run, scan in zip(runs, scans, strict=True)]
    with replace_file(path) as file:
        file.write(("\t".join(columns_of("courses")) + "\n").encode())
        for one in estimates:
            if not one.courses:
                continue
            pairs = zip(
                places,
                one.courses["measured"].tolist(),
                one.courses["fitted"].tolist(),
                strict=True,
            )
            rows = [
                f"{one.parcel}{place}{_short(measured)}\t{_short(fitted)}\n"
                for place, measured, fitted in pairs
            ]
            file.write("".join(rows).encode())


def _event_rows(experiment: Experiment) -> Iterator[Sequence[Cell]]:
    for number, run in enumerate(experiment.runs, start=1):
        for name in experiment.conditions:
            if name in run.events:
                events = run.events[name]
                columns = (events.onsets, events.durations, events.amplitudes)
                for row in zip(*(values.tolist() for values in columns), strict=True):
                    yield number, name, *row


def _write_design(path: Path, design: Design) -> None:
    """Write a row for each scan; what a run lacks is n/a."""
    runs = design.experiment.runs
    columns = []
    known = zip(runs, design.regressors, design.confound_names, strict=True)
    for run, regressors, names in known:
        confounds = () if run.confounds is None else run.confounds.T
        named = {f"{_CONFOUND}.{n}": v for n, v in zip(names, confounds, strict=True)}
        columns.append({**regressors, **named})
    has_displacement = any(one is not None for one in design.displacement)
    fixed = columns_of("design", ["framewise_displacement"] if has_displacement else [])
    names = _in_order(design.experiment, columns)

    def rows() -> Iterator[Sequence[Cell]]:
        for number, run in enumerate(runs, start=1):
            mine, moved = columns[number - 1], design.displacement[number - 1]
            missing = np.full(run.n_scans, np.nan)
            values = [np.where(run.kept, mine.get(name, missing), np.nan) for name in names]
            if has_displacement:
                values.insert(0, missing if moved is None else moved)
            for scan, of_scan in enumerate(zip(*(v.tolist() for v in values), strict=True)):
                time = f"{scan * run.tr:.9g}"
                shorter = [_short(value) for value in of_scan]
                yield number, scan, time, int(run.kept[scan]), *shorter

    write_table(path, [*fixed, *names], rows())


def _in_order(experiment: Experiment, runs: Sequence[Mapping[str, FloatArray]]) -> list[str]:
    """Name the columns of all runs: conditions in their order, then drifts, then confounds."""
    names = list(dict.fromkeys(name for run in runs for name in run))
    place = {name: k for k, name in enumerate(experiment.conditions)}

    def rank(name: str) -> int:
        kind, _, own = name.partition(".")
        if kind in ("drift", _CONFOUND):
            return len(place) + (kind == _CONFOUND)
        return place[own]

    return sorted(names, key=rank)


def _short(value: float) -> str:
    return f"{value:.5g}" if math.isfinite(value) else "n/a"
