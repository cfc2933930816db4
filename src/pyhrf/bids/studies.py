"""A study of the runs of one participant and task, as `pyhrf.analyse` takes it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyhrf.bids.files import keep_first
from pyhrf.bids.names import check_labels
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.parcels import provide_parcels
from pyhrf.bids.plan import PlannedStudy
from pyhrf.config.study import Study
from pyhrf.errors import InputError
from pyhrf.inputs.bids import BidsRun
from pyhrf.inputs.paradigm import EventColumns, read_paradigm
from pyhrf.inputs.volumes import Volume, open_volume

__all__ = ["WORK", "folder_of_inputs", "make_study"]

WORK = ".pyhrf"
"""Folder below OUT_DIR of the results as pyhrf_jde_estim writes them."""

_SHORTEST_START = 1e-3  # seconds; less is no delay


def folder_of_inputs(out_dir: Path, planned: PlannedStudy) -> Path:
    """Name the folder of the files that are made for a study: parcels, and moved events."""
    return out_dir.absolute() / WORK / "inputs" / planned.name


def make_study(planned: PlannedStudy, options: BidsOptions) -> tuple[Study, list[str]]:
    """Make the study of one participant and task, with its parcels.

    Parameters
    ----------
    planned : PlannedStudy
    options : BidsOptions

    Returns
    -------
    study : Study
        Its output is a folder in ``.pyhrf`` of the output directory.
    notes : list of str
        What the user and readers of the results should know, such as that an atlas was resampled.

    Raises
    ------
    InputError, ConfigError
        If its files cannot be used.
    """
    volumes = [open_volume(run.bold.path, n_dims=4) for run in planned.runs]
    conditions = {
        name
        for run in planned.runs
        for events in read_paradigm(run.events or Path(), n_runs=1, columns=options.columns)
        for name in events
    }
    check_labels(conditions, [contrast.name for contrast in options.all_contrasts()])
    tr = _repetition_time(planned.runs, volumes)
    masks = [run.mask for run in planned.runs if run.mask is not None]
    made = folder_of_inputs(options.out_dir, planned)
    parcellation, notes = provide_parcels(made, volumes[0], masks, options.parcellation)
    if any(_begins_late(run) for run in planned.runs):
        starts = sorted({run.start for run in planned.runs})
        notes.append(
            f"the scans begin {' or '.join(f'{start:g}' for start in starts)} s after the time "
            "that onsets count from (StartTime, by slice timing correction): onsets are moved by "
            "that"
        )
    data = {
        "kind": "volume",
        "tr": tr,
        "parcellation": parcellation,
        "runs": [
            {
                "bold": run.bold.path,
                "paradigm": _events(run, made, number, options.columns, notes),
                "confounds": run.confounds if options.needs_confounds else None,
            }
            for number, run in enumerate(planned.runs, start=1)
        ],
    }
    values: dict[str, Any] = {"output": options.out_dir.absolute() / WORK / planned.name}
    fastest = min((tr or volume.tr or math.inf) for volume in volumes)
    if options.study_file is None and 2 * fastest < options.base.hrf.dt:
        values["hrf"] = {"dt": 2 * fastest}
    return options.study(data=data, **values).with_absolute_paths(), notes


def _repetition_time(runs: Sequence[BidsRun], volumes: Sequence[Volume]) -> float | None:
    """Take the TR of the JSON files where a header lacks one or says another; None for headers'."""
    if all(
        volume.tr is not None and (run.tr is None or math.isclose(volume.tr, run.tr, rel_tol=1e-3))
        for run, volume in zip(runs, volumes, strict=True)
    ):
        return None
    trs = {
        run.tr if run.tr is not None else volume.tr
        for run, volume in zip(runs, volumes, strict=True)
    }
    known = sorted(tr for tr in trs if tr is not None)
    if len(known) == len(trs) == 1:
        return known[0]
    if not known:
        raise InputError(
            f"{volumes[0].path}: neither the header nor a JSON file (RepetitionTime) gives the TR"
        )
    raise InputError(
        f"{volumes[0].path}: the headers lack the TR of the JSON files or say another one, and "
        f"the runs have several ({', '.join(f'{tr:g}' for tr in known)} s): mend the headers, or "
        "take runs of one with --run"
    )


def _begins_late(run: BidsRun) -> bool:
    return abs(run.start) > _SHORTEST_START


def _events(
    run: BidsRun, folder: Path, number: int, columns: EventColumns, notes: list[str]
) -> Path:
    """Give the events of a run: with onsets from the first scan on, in the usual columns.

    As of parcels, the name of a file that is made says what it holds.
    """
    if run.events is None:  # the plan has refused that
        raise InputError(f"{run.bold.path}: there are no events of this run")
    start = run.start if _begins_late(run) else 0.0
    if not start and columns == EventColumns():
        return run.events
    content = _rewritten(run.events, start, columns, notes).encode()
    digest = hashlib.sha256(content).hexdigest()[:16]
    path = folder / f"run-{number}_events-{digest}.tsv"
    keep_first(path, content)
    return path


def _rewritten(path: Path, start: float, columns: EventColumns, notes: list[str]) -> str:
    """Give the events of a file with onsets that count from ``start``, seconds."""
    (events,) = read_paradigm(path, n_runs=1, notes=notes, columns=columns)
    rows = sorted(
        (float(onset) - start, float(duration), name, float(amplitude))
        for name, these in events.items()
        for onset, duration, amplitude in zip(
            these.onsets, these.durations, these.amplitudes, strict=True
        )
    )
    lines = ["onset\tduration\ttrial_type\tamplitude"]
    for onset, duration, name, amplitude in rows:
        quoted = name.replace('"', '""')
        lines.append(f'{round(onset, 6)!r}\t{duration!r}\t"{quoted}"\t{amplitude!r}')
    return "".join(f"{line}\n" for line in lines)
