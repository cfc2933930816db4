"""Confounds and censored scans of a run, from tables such as fMRIPrep's."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.inputs.confound_table import read_table
from pyhrf.inputs.scan_lists import read_scans
from pyhrf.notices import Figures, Note

_MOTION = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")
_EXPANSIONS = ("", "_derivative1", "_power2", "_derivative1_power2")
STRATEGIES: Mapping[str, tuple[str, ...]] = {
    "motion6": _MOTION,
    "motion12": tuple(name + end for end in _EXPANSIONS[:2] for name in _MOTION),
    "motion24": tuple(name + end for end in _EXPANSIONS for name in _MOTION),
}
"""Columns of fMRIPrep by the name of a strategy: motion, with derivatives, with squares too."""

_NOT_STEADY = "non_steady_state_outlier*"

OUTLIERS: Mapping[str, tuple[str, ...]] = {
    "outliers": ("motion_outlier*", _NOT_STEADY),
}
"""Patterns of fMRIPrep's columns of one outlier scan each, of which a run may have none."""

FD_COLUMN = "framewise_displacement"
# A pattern of outliers is one that fits these, or would if there were some.
_SOME_OUTLIERS = [
    pattern.replace("*", f"{k:02}") for pattern in OUTLIERS["outliers"] for k in range(200)
]
_OTHERS = re.compile("cosine|aroma_motion")
_SOME_OTHERS = [f"{name}{k:02}" for name in ("cosine", "aroma_motion_") for k in range(100)]
_USUALLY_LACKING = 2  # values: of a second derivative


@dataclass(frozen=True, kw_only=True)
class NuisanceFiles:
    """Where the confounds and the censored scans of a run stand.

    Attributes
    ----------
    confounds : Path, optional
        TSV or CSV, one line per scan below the names of the columns.
    censored : Path, optional
        Text file of the numbers of censored scans.
    columns : str
        Which columns are regressors: names, patterns and strategies, as `chosen_columns` has it.
    fd_threshold : float, optional
        Scans of a larger framewise displacement are censored, millimetres.
    """

    confounds: Path | None = None
    censored: Path | None = None
    columns: str = "motion6"
    fd_threshold: float | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are given."""
        return tuple(path for path in (self.confounds, self.censored) if path is not None)

    @property
    def label(self) -> str:
        """Their names."""
        return ", ".join(str(path) for path in self.paths)


class Nuisance(NamedTuple):
    """Confounds and censored scans of a run, as `read_nuisance` gives them.

    Attributes
    ----------
    confounds : array, shape (n_scans, n_confounds), or None
        None without a file or a column.
    censored : bool array, shape (n_scans,), or None
        None if no scan is censored.
    n_not_steady : int
        How many of the censored scans fMRIPrep marks as not in steady state.
    names : tuple of str
        Of the confounds.
    displacement : array, shape (n_scans,), or None
        fMRIPrep's framewise displacement, millimetres, NaN where it lacks; None without it.
    """

    confounds: FloatArray | None
    censored: NDArray[np.bool_] | None
    n_not_steady: int
    names: tuple[str, ...] = ()
    displacement: FloatArray | None = None


def read_nuisance(files: NuisanceFiles, n_scans: int, notes: list[str] | None = None) -> Nuisance:
    """Read the confounds and the censored scans of a run.

    Scans that fMRIPrep marks as not in steady state (its columns ``non_steady_state_outlier*``)
    are censored whatever columns are chosen, as nilearn's ``load_confounds`` has it: they are
    brighter than the others, by far more than any noise.

    A value that lacks (``n/a``) at the beginning of a column, as in the first scan of fMRIPrep's
    derivatives, becomes the first one that is there, as nilearn has it. At a censored scan any
    value may lack.

    Parameters
    ----------
    files : NuisanceFiles
    n_scans : int
        Scans of the run.
    notes : list of str, optional
        What the user should be told is appended here.

    Returns
    -------
    Nuisance

    Raises
    ------
    InputError
        If a file cannot be read, has another number of lines than scans, lacks a column (the near
        ones are named) or a value, or all scans would be censored.
    """
    censored = np.zeros(n_scans, dtype=np.bool_)
    if files.censored is not None:
        censored[read_scans(files.censored, n_scans)] = True
    not_steady = np.zeros(n_scans, dtype=np.bool_)
    names: list[str] = []
    table: Mapping[str, FloatArray] = {}
    if files.confounds is not None:
        table = read_table(files.confounds, n_scans)
        for name in fnmatch.filter(table, _NOT_STEADY):
            not_steady |= np.nan_to_num(table[name]) != 0
        censored |= not_steady
        names = chosen_columns(files.columns, list(table), label=str(files.confounds), notes=notes)
        if files.fd_threshold is not None:
            censored |= _moved(files.confounds, table, files.fd_threshold, censored)
    elif files.fd_threshold is not None:
        raise InputError(
            f"the FD threshold {files.fd_threshold:g} needs a file of confounds for each run, with "
            f"a column {FD_COLUMN}"
        )
    n_not_steady = int(not_steady.sum())
    _check_censored(files, censored, n_not_steady)
    names = [name for name in names if not _is_censored(name, table[name], censored)]
    confounds = None
    if files.confounds is not None and names:
        confounds = _chosen_values(files.confounds, table, names, censored, notes)
    return Nuisance(
        confounds,
        censored if censored.any() else None,
        n_not_steady,
        () if confounds is None else tuple(names),
        table.get(FD_COLUMN),
    )


def _check_censored(files: NuisanceFiles, censored: NDArray[np.bool_], n_not_steady: int) -> None:
    """Refuse a run without scans."""
    if not censored.all():
        return
    cure = "censor less" if files.fd_threshold is None else "raise the FD threshold"
    why = f" ({_marked(n_not_steady, len(censored))})" if n_not_steady else ""
    raise InputError(
        f"{files.label}: all {len(censored)} scans of the run are censored{why}: leave the run "
        f"out, or {cure}"
    )


def censored_notes(files: Sequence[NuisanceFiles], read: Sequence[Nuisance]) -> list[str]:
    """Say how many scans are censored, in one note for all runs.

    Parameters
    ----------
    files : sequence of NuisanceFiles
    read : sequence of Nuisance
        What `read_nuisance` gave of each.

    Returns
    -------
    list of str
        Empty if no scan is; of several such runs, that of most is named if they are not alike.
    """
    runs = [
        (int(each.censored.sum()), len(each.censored), where.label)
        for where, each in zip(files, read, strict=True)
        if each.censored is not None
    ]
    if not runs:
        return []
    n_censored, n_scans = sum(run[0] for run in runs), sum(run[1] for run in runs)
    form = "{file}: {n} of {n_scans} scans censored ({percent:.0f} %)"
    most = runs[0]
    if len(runs) > 1:
        form = "{n} of {n_scans} scans of {n_runs} runs censored ({percent:.0f} %)"
        most = max(runs, key=lambda run: run[0] / run[1])
        if len({run[:2] for run in runs}) > 1:
            form += ", most in {file} ({most} of {most_scans})"
    n_not_steady = sum(each.n_not_steady for each in read)
    if n_not_steady:
        form += "; {marked}"
    return [
        Note(
            form,
            file=Path(most[2]),
            n=n_censored,
            n_scans=n_scans,
            n_runs=len(runs),
            percent=100 * n_censored / n_scans,
            most=most[0],
            most_scans=most[1],
            marked=Figures(_marked(n_not_steady, n_censored)),
        )
    ]


def _marked(n_not_steady: int, n_censored: int) -> str:
    which = f"{n_not_steady} of them"
    if n_not_steady == n_censored:
        which = "it" if n_censored == 1 else "them"
    return f"fMRIPrep marks {which} as not in steady state ({_NOT_STEADY})"


def _is_censored(name: str, values: FloatArray, censored: NDArray[np.bool_]) -> bool:
    """Tell if a column of outliers marks censored scans alone, and so says nothing of others."""
    of_outliers = any(fnmatch.fnmatch(name, each) for each in OUTLIERS["outliers"])
    return of_outliers and bool(values[censored].any()) and not values[~censored].any()


def _chosen_values(
    path: Path,
    table: Mapping[str, FloatArray],
    names: Sequence[str],
    censored: NDArray[np.bool_],
    notes: list[str] | None,
) -> FloatArray:
    """Give some columns, shape (n_scans, n_confounds), filled; note those that say nothing."""
    columns = [_filled(path, name, table[name], censored) for name in names]
    if notes is not None:
        notes.extend(_filled_notes(path, {name: table[name] for name in names}, censored))
    still = [
        name for name, column in zip(names, columns, strict=True) if not np.ptp(column[~censored])
    ]
    if still and notes is not None:
        notes.append(
            Note(
                "{path}: {columns} constant, like the mean of the run, and therefore without "
                "effect",
                path=path,
                columns=f"{', '.join(still)} {'is' if len(still) == 1 else 'are'}",
            )
        )
    return np.column_stack(columns)


def _filled_notes(
    path: Path, columns: Mapping[str, FloatArray], censored: NDArray[np.bool_]
) -> Iterator[str]:
    """Say which columns lack more than the first values of a derivative."""
    lacking: dict[int, list[str]] = {}
    for name, values in columns.items():
        n_lacking = int(np.count_nonzero(~np.isfinite(values) & ~censored))
        if n_lacking > _USUALLY_LACKING:
            lacking.setdefault(n_lacking, []).append(name)
    for n_lacking, names in lacking.items():
        yield Note(
            "{path}: {columns} no values for the first {n} of {n_scans} scans, which are given the "
            "first value that is there: leave the column out, or fill it",
            path=path,
            columns=f"{', '.join(names)} {'has' if len(names) == 1 else 'have'}",
            n=n_lacking,
            n_scans=len(censored),
        )


def chosen_columns(
    choice: str, known: Sequence[str], *, label: str, notes: list[str] | None = None
) -> list[str]:
    """Give the columns that a choice names.

    Parameters
    ----------
    choice : str
        Words apart by blanks or commas: names of columns, patterns (``a_comp_cor_0*``),
        strategies (`STRATEGIES`, `OUTLIERS`), ``all``, or ``none``.
    known : sequence of str
        Columns that are there.
    label : str
        Name of the file, for error messages.
    notes : list of str, optional
        Patterns of outliers of which the run has none are noted here.

    Returns
    -------
    list of str
        Each once, in the order of the choice.

    Raises
    ------
    InputError
        If there is no such column, naming near ones.
    """
    chosen: list[str] = []
    for word in choice.replace(",", " ").split():
        if word == "none":
            continue
        wanted = list(known) if word == "all" else list(STRATEGIES.get(word, (word,)))
        if word in OUTLIERS or "*" in word:
            patterns = OUTLIERS.get(word, (word,))
            wanted = [name for each in patterns for name in fnmatch.filter(known, each)]
            if not wanted and not _may_lack(patterns):
                raise InputError(f"{label}: no column is like {word!r}; {_near(word, known)}")
            if not wanted and notes is not None:
                like = " or ".join(patterns)
                what = "outliers" if "outlier" in like else "columns"
                form = "{file}: no column is like {like}: the run has no such {what}"
                notes.append(Note(form, file=Path(label), like=like, what=what))
        for name in wanted:
            if name not in known:
                of = f" of {word}" if word in STRATEGIES else ""
                near = _near(name, known, also=(*STRATEGIES, *OUTLIERS))
                raise InputError(
                    f"{label}: there is no column {name!r}{of}; {near}; or choose all or none of "
                    "them"
                )
        chosen += wanted
    return list(dict.fromkeys(chosen))


def _may_lack(patterns: Sequence[str]) -> bool:
    """Tell if patterns are of columns whose number is another in each run, and may be 0.

    Besides outliers these are cosines slower than fMRIPrep's cut-off, of which a run shorter than
    half of that has none, and what ICA-AROMA takes for motion.
    """
    return all(
        ("outlier" in each and fnmatch.filter(_SOME_OUTLIERS, each))
        or (_OTHERS.search(each) and fnmatch.filter(_SOME_OTHERS, each))
        for each in patterns
    )


def _near(name: str, known: Sequence[str], *, also: Sequence[str] = ()) -> str:
    """Name the columns, or other words, that are near to a name; or else the first columns."""
    near = difflib.get_close_matches(name, [*known, *also], n=3, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(known[:10])}{', ...' if len(known) > 10 else ''}"


def _filled(path: Path, name: str, values: FloatArray, censored: NDArray[np.bool_]) -> FloatArray:
    """Put the first value in the place of those that lack before it, or at a censored scan."""
    there = np.isfinite(values)
    usable = there & ~censored
    if not usable.any():
        where = " at a scan that is not censored" if there.any() else ""
        raise InputError(
            f"{path}, column {name}: holds no finite value{where}; leave the column out"
        )
    first = int(np.argmax(usable))
    known = there[first:] | censored[first:]
    if not known.all():
        raise InputError(
            f"{path}, column {name}: a finite value is missing at scan "
            f"{first + int(np.argmin(known))} (the first is 0), and only at the beginning of a "
            "column may one, or at a censored scan; leave the column out, or fill it"
        )
    filled = values.copy()
    filled[~there] = values[first]
    return filled


def _moved(
    path: Path, table: Mapping[str, FloatArray], threshold: float, censored: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Tell in which scans the head moved by more than a threshold; not where that lacks."""
    if FD_COLUMN not in table:
        raise InputError(
            f"{path}: the FD threshold {threshold:g} needs a column {FD_COLUMN}; "
            f"{_near(FD_COLUMN, list(table))}"
        )
    displacement = table[FD_COLUMN]
    lacks = np.isnan(displacement) & ~censored
    if lacks[1:].any():
        raise InputError(
            f"{path}, column {FD_COLUMN}: a value is missing at scan "
            f"{1 + int(np.argmax(lacks[1:]))} (the first is 0); fill it"
        )
    return np.asarray(np.nan_to_num(displacement) > threshold)
