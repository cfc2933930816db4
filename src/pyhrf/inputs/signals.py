"""Signals that no estimate can be made of: parcels that miss the data, data without a mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Run
from pyhrf.errors import InputError
from pyhrf.inputs.series import Series, values_of
from pyhrf.inputs.voxels import has_level

__all__ = ["refuse_centred", "refuse_silence"]

_AT_ONCE = 1000  # positions


def refuse_silence(
    runs: Sequence[Run],
    bold: Sequence[Series],
    stored: Sequence[NDArray[Any]],
    parcellation: Path,
) -> None:
    """Refuse parcels of which no position can be used in all runs.

    Parameters
    ----------
    runs : sequence of Run
    bold : sequence of Series
        The file of each run.
    stored : sequence of array, shape (n_scans, n_positions)
        What was read of each run, see `read_stored`.
    parcellation : Path
        The file to name.

    Raises
    ------
    InputError
        If all positions are constant or not finite, in one run or another.
    """
    n_positions = stored[0].shape[1]
    # the first few tell, unless the parcellation is that of other data
    for first in range(0, n_positions, _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        usable = [_varies(values[run.kept, some]) for run, values in zip(runs, stored, strict=True)]
        if np.logical_and.reduce(usable).any():
            return
    raise InputError(
        f"{parcellation}: misses the data: all {n_positions} positions of its parcels are "
        f"constant or not finite in {bold[0].path}: give the parcellation of these data"
    )


def refuse_centred(
    runs: Sequence[Run], bold: Sequence[Series], stored: Sequence[NDArray[Any]]
) -> None:
    """Refuse to give in per cent of their mean data of which the mean was taken off.

    Parameters
    ----------
    runs, bold, stored
        As for `refuse_silence`.

    Raises
    ------
    InputError
        If the signal of a run varies about 0.
    """
    for run, series, values in zip(runs, bold, stored, strict=True):
        if not has_level(values_of(series, values[:, :_AT_ONCE])[run.kept]):
            raise InputError(
                f"{series.path}: cannot be given in percent of its mean, which is not above "
                "the spread of the signal over time: the mean was taken off before; leave the "
                "scaling out, or give data that have their mean"
            )


def _varies(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which columns are finite and not constant."""
    with np.errstate(invalid="ignore"):  # inf - inf
        finite = np.isfinite(values.sum(axis=0, dtype=np.float64))
    return np.asarray(finite & (values != values[:1]).any(axis=0))
