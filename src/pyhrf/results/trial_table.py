"""What is known of single trials only when all parcels are: their table, and the noise ceiling."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import ParcelEstimate
from pyhrf.model.noise_ceiling import noise_ceiling
from pyhrf.model.trials import Trial
from pyhrf.outputs.columns import columns_of
from pyhrf.results.tables import Cell, write_table

TRIAL_TABLE = "trials.tsv"
"""Name of the table."""

_LEVEL, _ERROR, _SPREAD = ("trials", ""), ("trials_sd", ""), ("trial_sd", "")


def write_trial_table(
    directory: Path, estimates: Sequence[ParcelEstimate], trials: Sequence[Trial]
) -> None:
    """Write ``trials.tsv``, one row for each volume of the maps of single trials.

    Parameters
    ----------
    directory : Path
        The output directory.
    estimates : sequence of ParcelEstimate
        Sorted by parcel.
    trials : sequence of Trial
        In the order of the maps. Without any there is no table, and an older one goes.
    """
    path = directory / TRIAL_TABLE
    if trials:
        write_table(path, columns_of("trials"), _rows(estimates, trials))
    else:
        path.unlink(missing_ok=True)


def _rows(estimates: Sequence[ParcelEstimate], trials: Sequence[Trial]) -> Iterator[Sequence[Cell]]:
    owners = [estimate for estimate in estimates if _ERROR in estimate.maps]
    for number, trial in enumerate(trials):
        yield (
            number,
            trial.run + 1,
            trial.condition,
            *(trial.onset, trial.duration, trial.amplitude, trial.n_scans),
            math.nan if trial.reason else _information(owners, number),
            trial.reason,
        )


def _information(owners: Sequence[ParcelEstimate], number: int) -> float:
    """Give the median of 1 - posterior / prior variance over positions in which trials differ."""
    ratios: list[NDArray[np.float64]] = [np.empty(0)]
    for estimate in owners:
        error = estimate.maps[_ERROR][:, number].astype(np.float64)
        spread = estimate.maps[_SPREAD].astype(np.float64)
        differ = spread > 0  # False where it is NaN
        ratios.append((error[differ] / spread[differ]) ** 2)
    joined = np.concatenate(ratios)
    return float(np.clip(1 - np.median(joined), 0.0, 1.0)) if joined.size else math.nan


def with_noise_ceiling(
    estimates: Sequence[ParcelEstimate], trials: Sequence[Trial]
) -> list[ParcelEstimate]:
    """Add the map of the noise ceiling, where conditions are repeated.

    It depends on the names of conditions, of which the estimate of a parcel knows nothing.

    Parameters
    ----------
    estimates : sequence of ParcelEstimate
    trials : sequence of Trial
        In the order of the maps.
    """
    conditions = [trial.condition for trial in trials]
    has_level = [not trial.reason for trial in trials]
    found = []
    for one in estimates:
        if _LEVEL in one.maps:
            share = noise_ceiling(one.maps[_LEVEL], conditions, has_level)
            if share is not None:
                maps = {**one.maps, ("noise_ceiling", ""): share.astype(np.float32)}
                one = replace(one, maps=maps)
        found.append(one)
    return found
