"""Tables and lists of scans in memory: taken as they were given, and written to files."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyhrf.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_AMPLITUDES = "modulation"  # nilearn's word for them


def kept(value: Any) -> Any:
    """Copy a table, array or dict, for the user may change his after the fit."""
    is_small = isinstance(value, dict | list | np.ndarray) or is_table(value)
    return copy.deepcopy(value) if is_small else value


def kept_confounds(value: Any) -> Any:
    """Take confounds of a run: a path, or a copy of a table, whose columns have names."""
    import pandas as pd

    if value is None or isinstance(value, str | Path):
        return value
    if not is_table(value):
        if not isinstance(value, np.ndarray):
            raise InputError(
                f"confounds are of the type {type(value).__name__}: give a table or an array with "
                "a column for each confound and a row for each scan, or a path"
            )
        if value.ndim != 2:
            raise InputError(
                f"confounds have the shape {value.shape}: give a column for each confound, and "
                "a row for each scan"
            )
        value = pd.DataFrame(value, columns=range(1, value.shape[1] + 1))
    # a header of numbers would be read as a row of them
    table = value.rename(columns=lambda name: name if _is_name(name) else f"confound_{name}")
    if not len(table.columns):
        return None
    if any(kind.kind == "b" for kind in table.dtypes):
        return table.replace({True: 1, False: 0})
    return table.copy()


def _is_name(name: object) -> bool:
    try:
        float(str(name))
    except ValueError:
        return True
    return False


def is_table(value: Any) -> bool:
    """Tell whether something is a DataFrame."""
    return hasattr(value, "columns") and hasattr(value, "to_csv")


def written_events(events: pd.DataFrame, number: int, folder: Path) -> Path:
    """Write events with all their digits; nilearn's column of amplitudes gets our name."""
    if _AMPLITUDES in events and "amplitude" in events:
        if not events[_AMPLITUDES].equals(events["amplitude"]):
            raise InputError(
                f"events of run {number} have the columns {_AMPLITUDES} and amplitude, which "
                "differ, and only one can be the height of events: leave the other out"
            )
    elif _AMPLITUDES in events:
        events = events.rename(columns={_AMPLITUDES: "amplitude"})
    return written_table(events, folder / f"events of run {number}.tsv")


def written_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a table with all of its digits."""
    # 17 digits: a number of double precision comes back as it was
    table.to_csv(path, sep="\t", index=False, na_rep="n/a", float_format="%.17g")
    return path


def written_censored(mask: Any, n_scans: int, number: int, path: Path) -> Path:
    """Write the scans that a mask leaves out: nilearn's is of True, or lists the others."""
    mask = np.asarray(mask)
    if mask.dtype == object and all(isinstance(one, bool | np.bool_) for one in mask.flat):
        mask = mask.astype(np.bool_)
    is_truth = mask.dtype.kind == "b"
    if not is_truth and mask.shape == (n_scans,) and n_scans > 2 and np.isin(mask, (0, 1)).all():
        raise InputError(
            f"sample_masks of run {number} holds zeros and ones, which would be numbers of scans: "
            "give True and False (mask.astype(bool))"
        )
    if mask.ndim != 1 or (mask.dtype.kind == "b" and len(mask) != n_scans):
        raise InputError(
            f"sample_masks of run {number} has the shape {mask.shape}: give the numbers of the "
            f"scans that count, or True and False for each of the {n_scans} scans"
        )
    kept = mask if mask.dtype.kind == "b" else np.isin(np.arange(n_scans), mask)
    if mask.dtype.kind != "b" and not (np.isin(mask, np.arange(n_scans)).all() and len(mask)):
        raise InputError(
            f"sample_masks of run {number} must be numbers of scans from 0 to {n_scans - 1}"
        )
    text = " ".join(map(str, np.flatnonzero(~kept)))
    path.write_text(f"{text}\n" if text else "# none\n", "utf-8")
    return path
