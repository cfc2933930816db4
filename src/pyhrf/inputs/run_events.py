"""What was shown in each run, whatever files say it: a paradigm, an SPM.mat, or files of times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pyhrf.data import Events, FloatArray
from pyhrf.errors import InputError
from pyhrf.inputs.condition_names import clean_name
from pyhrf.inputs.condition_times import read_times
from pyhrf.inputs.paradigm import EventColumns, read_paradigm
from pyhrf.inputs.spm import sessions_of
from pyhrf.inputs.spm_file import SpmDesign
from pyhrf.spaces.space import Series
from pyhrf.wording import named


def spelled_once(
    paradigms: Sequence[Path | None], times: Sequence[Mapping[str, Path]]
) -> list[Path]:
    """Name the file of each run, one that several runs name by the first path that is written.

    Parameters
    ----------
    paradigms : sequence of Path or None
        Of each run.
    times : sequence of dict of str to Path
        Files of one condition, of runs without a paradigm: the first of them names the run.

    Raises
    ------
    InputError
        If a run has neither.
    """
    first: dict[Path, Path] = {}
    names = []
    for number, (paradigm, own) in enumerate(zip(paradigms, times, strict=True), start=1):
        path = next(iter(own.values()), None) if paradigm is None else Path(paradigm)
        if path is None:
            raise InputError(f"run {number} has no paradigm: give one ({named('paradigm')})")
        names.append(first.setdefault(path.resolve(), path))
    return names


def read_events_of(
    paths: Sequence[Path],
    designs: Mapping[Path, SpmDesign],
    bold: Sequence[Series],
    trs: Sequence[float],
    *,
    times: Sequence[Mapping[str, Path]],
    columns: EventColumns | None,
    notes: list[str],
) -> tuple[list[dict[str, Events]], list[FloatArray | None]]:
    """Read each file once and deal its sessions out to the runs that name it.

    Parameters
    ----------
    paths : sequence of Path
        As `spelled_once` gives them.
    designs : mapping of Path to SpmDesign
        Those of them that are an SPM.mat.
    bold : sequence of Series
    trs : sequence of float
        Repetition time of each run, seconds.
    times : sequence of dict of str to Path
        Files of one condition, by its name, of runs without a paradigm.
    columns : EventColumns, optional
    notes : list of str
        What the user should be told is appended here.

    Returns
    -------
    list of dict of str to Events
    list of array, shape (n_scans, n_confounds), or None
        The confounds that an SPM.mat holds.

    Raises
    ------
    InputError
        If a file cannot be read, or does not fit the runs.
    """
    waiting: dict[Path, Iterator[tuple[dict[str, Events], FloatArray | None]]] = {}
    whole = [path for path, own in zip(paths, times, strict=True) if not own]
    for path in dict.fromkeys(whole):
        mine = [series for series, each in zip(bold, paths, strict=True) if each == path]
        if path in designs:
            (columns or EventColumns()).refuse_for(path, "is an SPM.mat")
            scans = {series.path: series.n_scans for series in mine}
            tr = trs[paths.index(path)]  # one for all its runs: that of the design, or the given
            given = sessions_of(designs[path], scans, tr=tr, label=str(path), notes=notes)
            waiting[path] = iter(given)
        else:
            sessions = read_paradigm(path, n_runs=len(mine), notes=notes, columns=columns)
            waiting[path] = iter([(events, None) for events in sessions])
    of_times = iter(_read_times(times, columns, notes))
    events, confounds = zip(
        *(
            (next(of_times), None) if own else next(waiting[path])
            for path, own in zip(paths, times, strict=True)
        ),
        strict=True,
    )
    return list(events), list(confounds)


def _read_times(
    times: Sequence[Mapping[str, Path]], columns: EventColumns | None, notes: list[str]
) -> list[dict[str, Events]]:
    """Give the events of the runs that have files of times."""
    runs = [own for own in times if own]
    found: list[dict[str, Events]] = [{} for _ in runs]
    named = dict.fromkeys((name, path) for own in runs for name, path in own.items())
    for name, path in named:
        (columns or EventColumns()).refuse_for(path, "holds the times of one condition")
        mine = [k for k, own in enumerate(runs) if own.get(name) == path]
        sessions = read_times(path, n_runs=len(mine), notes=notes)
        for k, events in zip(mine, sessions, strict=True):
            if events is not None:
                found[k][clean_name(name)] = events
    return found
