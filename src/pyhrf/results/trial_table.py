"""What is known of single trials only when all parcels are: their table, and the noise ceiling."""

from __future__ import annotations

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

_LEVEL = ("trials", "")


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
    information = _information(estimates, len(trials))
    for number, trial in enumerate(trials):
        yield (
            number,
            trial.run + 1,
            trial.condition,
            *(trial.onset, trial.duration, trial.amplitude, trial.n_scans),
            float(information[number]),
            trial.reason,
        )


def _information(estimates: Sequence[ParcelEstimate], n_trials: int) -> NDArray[np.float64]:
    """Give that of each trial, the mean over parcels, each as often as it has positions."""
    owners = [one for one in estimates if "information" in one.trials]
    if not owners:
        return np.full(n_trials, np.nan)
    values = np.array([one.trials["information"] for one in owners])
    return np.average(values, axis=0, weights=[len(one.positions) for one in owners])


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
