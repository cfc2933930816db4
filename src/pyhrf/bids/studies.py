"""A study of the runs of one participant and task, as `pyhrf.analyse` takes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyhrf.bids.files import keep_current
from pyhrf.bids.meshes import check_hemisphere, find_meshes
from pyhrf.bids.names import check_labels
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.parcels import provide_parcels
from pyhrf.bids.plan import PlannedStudy
from pyhrf.bids.surfaces import SurfaceFiles, provide_surface_parcels
from pyhrf.config.study import Study
from pyhrf.inputs.bids import space_of
from pyhrf.inputs.paradigm import read_paradigm
from pyhrf.inputs.sidecars import doubts_of
from pyhrf.inputs.templates import template_notes
from pyhrf.inputs.timing import fitting_step, tr_of_files
from pyhrf.notices import Figures, Note
from pyhrf.results.names import BIDS_RESULTS
from pyhrf.spaces.kinds import time_step
from pyhrf.spaces.parcellations import names_file, names_table, parcel_names
from pyhrf.spaces.volumes import open_volume

WORK = BIDS_RESULTS
"""Folder below OUT_DIR of the results as pyhrf_jde_estim writes them."""


def folder_of_inputs(out_dir: Path, planned: PlannedStudy) -> Path:
    """Name the folder of the files that are made for a study: parcels."""
    return out_dir.absolute() / WORK / "inputs" / planned.name


def make_study(
    planned: PlannedStudy, options: BidsOptions, given: SurfaceFiles
) -> tuple[Study, list[str]]:
    """Make the study of one participant and task, with its parcels.

    Parameters
    ----------
    planned : PlannedStudy
    options : BidsOptions
    given : SurfaceFiles
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
    on_surface = planned.kind.needs_mesh
    placed = (_placed_on_mesh if on_surface else _placed_on_grid)(planned, options, given, made)
    tr, notes = placed.tr, placed.notes
    if options.atlases and not on_surface:
        _keep_names(options.atlases[0], placed.parcellation)
    if any(run.times.start for run in planned.runs):
        starts = sorted({run.times.start for run in planned.runs})
        notes.append(
            Note(
                "the scans begin {starts} s after the time that onsets count from (StartTime, by "
                "slice timing correction): onsets are moved by that",
                starts=Figures(" or ".join(f"{start:g}" for start in starts)),
            )
        )
    notes.extend(doubts_of(run.times for run in planned.runs))
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
                "start_time": run.times.start,
                "confounds": run.confounds if options.needs_confounds else None,
            }
            for run in planned.runs
        ],
    }
    values: dict[str, Any] = {"output": options.out_dir.absolute() / WORK / planned.name}
    fastest = min((tr or step or math.inf) for step in placed.steps)
    step = fitting_step(fastest, options.base.hrf.dt)
    if options.study_file is None and step is not None:
        values["hrf"] = {"dt": step}
    return options.study(data=data, **values).with_absolute_paths(), notes


def _keep_names(atlas: Path, parcellation: Path) -> None:
    """Put the names of an atlas beside what was made of it for a participant."""
    names = parcel_names(atlas)
    if names and parcellation != atlas:
        keep_current(names_file(parcellation), names_table(names))


@dataclass(frozen=True)
class _Placed:
    """Where data lie: the TR (None for those of the headers, `steps`), parcels, meshes, notes."""

    tr: float | None
    steps: Sequence[float | None]
    parcellation: Path
    meshes: tuple[Path, ...]
    notes: list[str]


def _placed_on_grid(
    planned: PlannedStudy, options: BidsOptions, _given: SurfaceFiles, made: Path
) -> _Placed:
    names = [run.bold.path for run in planned.runs]
    volumes = [open_volume(path, n_dims=4) for path in names]
    steps = [volume.tr for volume in volumes]
    tr = tr_of_files(names, [run.times.tr for run in planned.runs], steps)
    masks = [run.mask for run in planned.runs if run.mask is not None]
    parcels = options.atlases[0] if options.size is None else options.size
    parcellation, notes = provide_parcels(
        made, volumes[0], masks, parcels, smallest=options.smallest
    )
    if isinstance(parcels, Path):
        space = space_of(planned.runs[0].bold).partition(":")[0]
        notes = [*notes, *template_notes(parcels, space)]
    return _Placed(tr, steps, parcellation, (), notes)


def _placed_on_mesh(
    planned: PlannedStudy, options: BidsOptions, given: SurfaceFiles, made: Path
) -> _Placed:
    names = [run.bold for run in planned.runs]
    if planned.kind.by_hemisphere:
        for name in names:
            (structure,) = planned.kind.mesh_sizes(name.path)
            check_hemisphere(name.path, name.entities["hemi"], structure)
    meshes = find_meshes(names[0], planned.meshes, given.meshes)
    steps: list[float | None] = [run.times.tr for run in planned.runs]
    if len(set(steps)) == 1 and steps[0] is not None:
        # Asked, a GIFTI file would be read whole, and those of fMRIPrep do not say.
        tr: float | None = steps[0]
    else:
        steps = [time_step(name.path) for name in names]
        paths = [name.path for name in names]
        tr = tr_of_files(paths, [run.times.tr for run in planned.runs], steps)
    if options.size is None:
        atlas = given.atlas_of(names[0])
        notes = template_notes(atlas, names[0].entities.get("space"))
        return _Placed(tr, steps, atlas, meshes, notes)
    parcels, notes = provide_surface_parcels(
        made,
        names,
        meshes,
        nuisance=[options.nuisance_of(run.confounds) for run in planned.runs],
        size=options.size,
        smallest=options.smallest,
    )
    return _Placed(tr, steps, parcels, meshes, notes)
