"""Levels of single trials, read from the maps of an output directory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.results.damage import made_by_analysis
from pyhrf.results.trial_table import TRIAL_TABLE
from pyhrf.spaces.kinds import kind_of_file
from pyhrf.wording import did_you_mean

if TYPE_CHECKING:
    import pandas as pd

    from pyhrf.results.results import Results


@dataclass(frozen=True, eq=False)
class Trials:
    """Levels of single trials; unpacks as ``levels, table``.

    Columns are in the order of the map, the last axis of a volume running fastest, as those of
    nilearn's maskers are. Trials that have no level are rows of NaN, and ``table["reason"]`` says
    why.

    Attributes
    ----------
    levels : float32 array, shape (n_trials, n_positions)
        Heights of the responses, in the unit of the data; at the positions that have an estimate.
    table : DataFrame
        A row for each trial, as in ``trials.tsv``.
    sd : float32 array, shape (n_trials, n_positions)
        Standard deviation of each level.
    parcels : array, shape (n_positions,)
        Parcel of each position.
    positions : array, shape (n_positions,)
        Where it is in ``Results.labels`` and in maps, if they are flattened.

    Examples
    --------
    >>> levels, table = results.trials(["face", "house"])  # doctest: +SKIP
    >>> cross_val_score(SVC(), levels, table["condition"], groups=table["run"],
    ...                 cv=LeaveOneGroupOut())  # doctest: +SKIP
    """

    levels: NDArray[np.float32]
    table: pd.DataFrame
    sd: NDArray[np.float32]
    parcels: NDArray[Any]
    positions: NDArray[np.int64]

    def __iter__(self) -> Iterator[Any]:
        """Give levels and table."""
        yield self.levels
        yield self.table


def read_trials(results: Results, condition: str | Sequence[str] | None = None) -> Trials:
    """Read the single trials of some conditions; see `Results.trials`."""
    table, maps = results.trial_table, results.maps()
    if not table.empty and not (results.parcels["status"] == "ok").any():
        raise InputError(
            "no parcel was estimated, so that no trial has a level: see the reasons in parcels.tsv"
        )
    if table.empty or not {"trials", "trials_sd"} <= maps.keys():
        raise InputError(
            "these results have no single trials: estimate them by JDE with --single-trials "
            "(in Python single_trials=True)"
        )
    with made_by_analysis(results.directory / TRIAL_TABLE):
        if table["trial"].tolist() != list(range(len(table))):
            raise ValueError("its trials are not numbered from 0 on")
        known = list(dict.fromkeys(table["condition"]))
    if condition is not None:
        single = isinstance(condition, str) or not isinstance(condition, Iterable)
        names = [condition] if single else list(condition)
        if not names:
            raise InputError(f"name a condition of single trials: known are {', '.join(known)}")
        for name in names:
            if name not in known:
                raise InputError(
                    f"no single trial is of a condition {name!r}: {did_you_mean(str(name), known)}"
                )
        table = table[table["condition"].isin(names)]
    labels = results.labels.reshape(-1)
    is_used = labels > 0
    if "left_out" in maps:
        is_used &= results.map_values("left_out").reshape(-1) == 0
    positions = np.flatnonzero(is_used)
    rows = {int(number): row for row, number in enumerate(table["trial"])}
    levels, sd = (_read(maps[name], rows, positions) for name in ("trials", "trials_sd"))
    return Trials(levels, table.reset_index(drop=True), sd, labels[positions], positions)


def _read(path: Path, rows: dict[int, int], positions: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read some volumes at some positions, one in memory at a time."""
    found = np.empty((len(rows), len(positions)), np.float32)
    with made_by_analysis(path):
        opened = kind_of_file(path).open_map(path)
        if (opened.n_samples or 1) <= max(rows):
            raise ValueError("it has fewer volumes than trials.tsv has trials")
        for number, frame in enumerate(opened.frames):
            if number in rows:
                found[rows[number]] = frame[positions]
    return found
