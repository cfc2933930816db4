"""A study of the runs of one participant and task, as `pyhrf.analyse` takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyhrf.bids.meshes import check_hemisphere, find_meshes
from pyhrf.bids.names import check_labels
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.parcels import provide_parcels
from pyhrf.bids.plan import PlannedStudy
from pyhrf.bids.surfaces import Given, provide_surface_parcels
from pyhrf.config.study import Study
from pyhrf.errors import InputError
from pyhrf.inputs.bids import BidsRun
from pyhrf.inputs.paradigm import read_paradigm
from pyhrf.inputs.series import time_step
from pyhrf.inputs.surfaces import read_head
from pyhrf.inputs.volumes import open_volume
from pyhrf.results.names import BIDS_RESULTS

__all__ = ["WORK", "folder_of_inputs", "make_study"]

WORK = BIDS_RESULTS
"""Folder below OUT_DIR of the results as pyhrf_jde_estim writes them."""

_SHORTEST_START = 1e-3  # seconds; less is no delay


def folder_of_inputs(out_dir: Path, planned: PlannedStudy) -> Path:
    """Name the folder of the files that are made for a study: parcels."""
    return out_dir.absolute() / WORK / "inputs" / planned.name


def make_study(
    planned: PlannedStudy, options: BidsOptions, given: Given
) -> tuple[Study, list[str]]:
    """Make the study of one participant and task, with its parcels.

    Parameters
    ----------
    planned : PlannedStudy
    options : BidsOptions
    given : Given
        Of these options.

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
    conditions = {
        name
        for run in planned.runs
        for events in read_paradigm(run.events or Path(), n_runs=1, columns=options.columns)
        for name in events
    }
    contrasts = [contrast.name for contrast in options.all_contrasts()]
    check_labels(conditions, contrasts, study=planned.name)
    made = folder_of_inputs(options.out_dir, planned)
    on_surface = planned.kind != "volume"
    placed = (_placed_on_mesh if on_surface else _placed_on_grid)(planned, options, given, made)
    tr, notes = placed.tr, placed.notes
    if any(_begins_late(run) for run in planned.runs):
        starts = sorted({run.start for run in planned.runs})
        notes.append(
            f"the scans begin {' or '.join(f'{start:g}' for start in starts)} s after the time "
            "that onsets count from (StartTime, by slice timing correction): onsets are moved by "
            "that"
        )
    data = {
        "kind": "surface" if on_surface else "volume",
        "tr": tr,
        "parcellation": placed.parcellation,
        "meshes": placed.meshes,
        "event_column": options.columns.condition,
        "amplitude_column": options.columns.amplitude,
        "runs": [
            {
                "bold": run.bold.path,
                "paradigm": run.events,
                "start_time": run.start if _begins_late(run) else 0.0,
                "confounds": run.confounds if options.needs_confounds else None,
            }
            for run in planned.runs
        ],
    }
    values: dict[str, Any] = {"output": options.out_dir.absolute() / WORK / planned.name}
    fastest = min((tr or step or math.inf) for step in placed.steps)
    if options.study_file is None and 2 * fastest < options.base.hrf.dt:
        values["hrf"] = {"dt": 2 * fastest}
    return options.study(data=data, **values).with_absolute_paths(), notes


@dataclass(frozen=True)
class _Placed:
    """Where data lie: the TR (None for those of the headers, `steps`), parcels, meshes, notes."""

    tr: float | None
    steps: Sequence[float | None]
    parcellation: Path
    meshes: tuple[Path, ...]
    notes: list[str]


def _placed_on_grid(
    planned: PlannedStudy, options: BidsOptions, _given: Given, made: Path
) -> _Placed:
    volumes = [open_volume(run.bold.path, n_dims=4) for run in planned.runs]
    steps = [volume.tr for volume in volumes]
    tr = _repetition_time(planned.runs, steps)
    masks = [run.mask for run in planned.runs if run.mask is not None]
    parcels = options.atlases[0] if options.size is None else options.size
    parcellation, notes = provide_parcels(
        made, volumes[0], masks, parcels, smallest=options.smallest
    )
    return _Placed(tr, steps, parcellation, (), notes)


def _placed_on_mesh(
    planned: PlannedStudy, options: BidsOptions, given: Given, made: Path
) -> _Placed:
    names = [run.bold for run in planned.runs]
    if planned.kind == "gifti":
        for name in names:
            _, structure = read_head(name.path)
            check_hemisphere(name.path, name.entities["hemi"], structure)
    meshes = find_meshes(names[0], planned.meshes, given.meshes)
    steps: list[float | None] = [run.tr for run in planned.runs]
    if len(set(steps)) == 1 and steps[0] is not None:
        # Asked, a GIFTI file would be read whole, and those of fMRIPrep do not say.
        tr: float | None = steps[0]
    else:
        steps = [time_step(name.path) for name in names]
        tr = _repetition_time(planned.runs, steps)
    if options.size is None:
        return _Placed(tr, steps, given.atlas_of(names[0]), meshes, [])
    parcels, notes = provide_surface_parcels(
        made,
        names,
        meshes,
        nuisance=[options.nuisance_of(run.confounds) for run in planned.runs],
        size=options.size,
        smallest=options.smallest,
    )
    return _Placed(tr, steps, parcels, meshes, notes)


def _repetition_time(runs: Sequence[BidsRun], steps: Sequence[float | None]) -> float | None:
    """Take the TR of the JSON files where a header lacks one or says another; None for headers'."""
    if all(
        step is not None and (run.tr is None or math.isclose(step, run.tr, rel_tol=1e-3))
        for run, step in zip(runs, steps, strict=True)
    ):
        return None
    bold = runs[0].bold.path
    trs = {run.tr if run.tr is not None else step for run, step in zip(runs, steps, strict=True)}
    known = sorted(tr for tr in trs if tr is not None)
    if len(known) == len(trs) == 1:
        return known[0]
    if not known:
        raise InputError(
            f"{bold}: neither the header nor a JSON file (RepetitionTime) gives the TR"
        )
    raise InputError(
        f"{bold}: the headers lack the TR of the JSON files or say another one, and "
        f"the runs have several ({', '.join(f'{tr:g}' for tr in known)} s): mend the headers, or "
        "take runs of one with --run"
    )


def _begins_late(run: BidsRun) -> bool:
    return abs(run.start) > _SHORTEST_START
