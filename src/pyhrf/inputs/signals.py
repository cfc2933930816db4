"""Signals that no estimate can be made of: parcels that miss the data, data without a mean."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Run
from pyhrf.errors import InputError
from pyhrf.spaces.space import Series
from pyhrf.spaces.voxels import has_level

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
        What was read of each run, see `Series`.
    parcellation : Path
        The file to name.

    Raises
    ------
    InputError
        If all positions are constant or not finite, in one run or another. A run in which all are,
        and not so in others, is named.
    """
    n_positions = stored[0].shape[1]
    n_usable = [0] * len(runs)
    # the first few tell, unless the parcellation is that of other data
    for first in range(0, n_positions, _AT_ONCE):
        some = slice(first, first + _AT_ONCE)
        usable = [varies(values[run.kept, some]) for run, values in zip(runs, stored, strict=True)]
        if np.logical_and.reduce(usable).any():
            return
        n_usable = [n + int(each.sum()) for n, each in zip(n_usable, usable, strict=True)]
    refuse_silent_run(
        [series.path for series in bold], n_usable, f"all {n_positions} positions of the parcels"
    )
    where = "in one run or another" if any(n_usable) else f"in {bold[0].path}"
    raise InputError(
        f"{parcellation}: misses the data: all {n_positions} positions of its parcels are "
        f"constant or not finite {where}: give the parcellation of these data"
    )


def refuse_silent_run(paths: Sequence[Path], n_usable: Sequence[int], positions: str) -> None:
    """Refuse a run without any signal beside runs that have one: it is what is wrong.

    Parameters
    ----------
    paths : sequence of Path
        The BOLD file of each run.
    n_usable : sequence of int
        How many positions are finite and vary in each run.
    positions : str
        What was looked at, such as ``all nodes``.

    Raises
    ------
    InputError
        Naming the file of the first such run.
    """
    if not any(n_usable):
        return
    for path, n in zip(paths, n_usable, strict=True):
        if n == 0:
            raise InputError(
                f"{path}: its data are constant or not finite at {positions}, and those of other "
                "runs are not: make the file again, or leave this run out"
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
        if not has_level(series.meant(values[:, :_AT_ONCE])[run.kept]):
            raise InputError(
                f"{series.path}: cannot be given in percent of its mean, which is not above "
                "the spread of the signal over time: the mean was taken off before; leave the "
                "scaling out, or give data that have their mean"
            )


def varies(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Tell which positions are finite in all scans and not constant.

    Parameters
    ----------
    values : array, shape (n_scans, n_positions)
        Of the scans that are not censored.

    Returns
    -------
    bool array, shape (n_positions,)
    """
    with np.errstate(invalid="ignore"):  # inf - inf
        finite = np.isfinite(values.sum(axis=0, dtype=np.float64))
    return np.asarray(finite & (values != values[:1]).any(axis=0))
