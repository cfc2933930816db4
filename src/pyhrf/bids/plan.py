"""Which studies a BIDS data set gives: one per participant, task and hemisphere, of all runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pyhrf.bids.options import BidsOptions
from pyhrf.bids.runs import check_aligned, check_once, without_copies
from pyhrf.bids.spaces import check_one_space, choose_space
from pyhrf.bids.surfaces import SurfaceFiles
from pyhrf.errors import InputError, PyhrfError
from pyhrf.inputs.bids import (
    BidsData,
    BidsRun,
    Selection,
    is_labelled,
    space_of,
    spaces_of,
)
from pyhrf.inputs.bids_bold import NO_LABEL
from pyhrf.inputs.bids_folders import open_bids
from pyhrf.inputs.bids_names import BidsName, check_link, natural
from pyhrf.spaces.kinds import KINDS
from pyhrf.spaces.space import Space
from pyhrf.study_data import Tell
from pyhrf.wording import named

_SHOWN = 5


@dataclass(frozen=True)
class PlannedStudy:
    """The runs of one participant and task; of GIFTI data, in one hemisphere.

    Attributes
    ----------
    name : str
        Participant, task and space, as ``sub-01_task-audio_space-T1w``; and the session, run and
        so on if a single one is asked for. Which runs there are does not change it.
    entities : dict of str to str
        The entities of the name.
    runs : tuple of BidsRun
        In natural order of sessions and runs.
    meshes : tuple of BidsName
        Files on which surface data may lie, the best first.
    """

    name: str
    entities: Mapping[str, str]
    runs: tuple[BidsRun, ...]
    meshes: tuple[BidsName, ...] = ()

    @property
    def kind(self) -> type[Space]:
        """What the data are."""
        return self.runs[0].bold.kind


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes
    ----------
    data : BidsData
        Where it is from.
    studies : dict of str to PlannedStudy
    failed : dict of str to PyhrfError
        Why a participant and task cannot be analysed, by name; without the space where there are
        data in none or in several.
    given : SurfaceFiles
        Meshes and parcellations that the user names.
    """

    data: BidsData
    studies: Mapping[str, PlannedStudy]
    failed: Mapping[str, PyhrfError]
    given: SurfaceFiles


def make_plan(options: BidsOptions, tell: Tell) -> Plan:
    """Find the runs of each participant and task.

    Parameters
    ----------
    options : BidsOptions
        The files that they name are looked at first.
    tell : callable
        Told which space is taken, and who is left out.

    Raises
    ------
    InputError, ConfigError
        If the data set cannot be used, holds no such participant, task, session, run or space, or
        no events; or a parcellation or mesh is none of its data.
    """
    given = SurfaceFiles(options)
    data = open_bids(options.bids_dir, options.derivatives, check=options.check)
    subjects, lacking = data.subjects(options.participants)
    failed: dict[str, PyhrfError] = {}
    for label in lacking:
        text = f"there are no derivatives of this participant in {data.derivatives}"
        try:
            check_link(data.derivatives / f"sub-{label}")
        except InputError as error:
            failed[f"sub-{label}"] = error
            continue
        if options.participants:
            failed[f"sub-{label}"] = InputError(text)
        else:
            tell(f"note: sub-{label} is left out: {text}")
    found = _find_bold(data, subjects, options.selection.desc, tell)
    failed |= _without_bold(found, options, tell)
    everything = [name for names in found.values() for name in names]
    _check_labels(everything, options.selection, data)
    asked = [name for name in everything if options.selection.takes(name)]
    if not asked:
        raise InputError(
            f"{data.derivatives}: there are no preprocessed BOLD data for this combination of "
            "participants, sessions, tasks and runs"
        )
    of_volumes = [name for name in asked if not name.kind.needs_mesh]
    on_surface = [name for name in asked if name.kind.needs_mesh]
    space = choose_space(
        spaces_of(of_volumes), spaces_of(on_surface), options.selection.space, tell
    )
    there = {name.kind for name in asked if space_of(name) in space}
    kind = _choose_kind(there, given.kind)
    given.check_kind(kind, " or ".join(space))
    tasks = _choose_tasks(data, found, options.selection.tasks, tell)
    studies: dict[str, PlannedStudy] = {}
    for label in subjects:
        for task in tasks:
            of_task = [x for x in found[label] if x.entities["task"] == task]
            if not of_task:
                continue  # not everyone was given every task
            chosen = [
                x
                for x in of_task
                if space_of(x) in space and x.kind is kind and options.selection.takes(x)
            ]
            name = f"sub-{label}_task-{task}"
            for names in _by_hemisphere(chosen, name, tell):
                try:
                    planned = _plan_study(data, names, space, options, tell)
                except PyhrfError as error:
                    one_space = len({space_of(x) for x in names}) == 1
                    failed[_name_of(names[0], options.selection) if one_space else name] = error
                else:
                    studies[planned.name] = planned
    return Plan(data, studies, failed, given)


def _find_bold(
    data: BidsData, subjects: Sequence[str], desc: str, tell: Tell
) -> dict[str, list[BidsName]]:
    """Find the BOLD files of participants; say which are passed over, once for each reason."""
    found: dict[str, list[BidsName]] = {}
    others: dict[str, list[Path]] = {}
    for label in subjects:
        found[label], passed_over = data.bold_files(label, desc)
        for path, reason in passed_over.items():
            others.setdefault(reason, []).append(path)
    notes = [
        f"{paths[0]}{f' and {len(paths) - 1} more are' if paths[1:] else ' is'} ignored: {reason}"
        for reason, paths in others.items()
    ]
    if not any(found.values()):
        which = f"func/*_desc-{desc}_bold.nii.gz" if desc != NO_LABEL else "func/*_bold.nii.gz"
        raise InputError(
            f"{data.derivatives}: no BOLD data of these participants can be used ({which}, or of a "
            "surface func/*_bold.func.gii or *_bold.dtseries.nii)"
            + "".join(f"; {note}" for note in notes[:_SHOWN])
        )
    for note in notes:
        tell(f"note: {note}")
    return found


def _without_bold(
    found: Mapping[str, Sequence[BidsName]], options: BidsOptions, tell: Tell
) -> dict[str, PyhrfError]:
    """Say who has no BOLD file that can be taken; it is an error of those that are asked for."""
    text = "no BOLD file of this participant can be used"
    lacking = [f"sub-{label}" for label, names in found.items() if not names]
    if options.participants:
        return {name: InputError(text) for name in lacking}
    for name in lacking:
        tell(f"note: {name} is left out: {text}")
    return {}


def _choose_kind(there: Collection[type[Space]], of_atlas: type[Space] | None) -> type[Space]:
    """Take the data to which the parcellation belongs, where a space has several kinds."""
    if of_atlas is not None and of_atlas in there:
        return of_atlas
    return min(there, key=lambda kind: (kind.needs_mesh, KINDS.index(kind)))


def _by_hemisphere(names: Sequence[BidsName], study: str, tell: Tell) -> list[list[BidsName]]:
    """Share GIFTI series out among the hemispheres; others stay together."""
    shared: dict[str, list[BidsName]] = {}
    for name in names:
        shared.setdefault(name.entities.get("hemi", ""), []).append(name)
    runs = {hemi: [_run_in_words(name) for name in some] for hemi, some in shared.items()}
    if any(hemi for hemi in shared):
        every = dict.fromkeys(run for some in runs.values() for run in some)
        for hemi in ("L", "R"):
            if lacking := [run for run in every if run not in runs.get(hemi, ())]:
                more = f" and {len(lacking) - 3} more" if len(lacking) > 3 else ""
                tell(
                    f"note: {study}: the hemisphere {hemi} lacks "
                    f"{', '.join(lacking[:3])}{more}, which the other has"
                )
    return list(shared.values()) or [[]]


def _run_in_words(name: BidsName) -> str:
    """Name a run by what tells it from others of its participant and task, as ``ses-1_run-2``."""
    common = ("sub", "task", "hemi", "space", "den", "desc")
    words = [f"{key}-{x}" for key, x in name.entities.items() if key not in common]
    return "_".join(words) or "its run"


def _check_labels(names: Collection[BidsName], selection: Selection, data: BidsData) -> None:
    """Refuse a label that no file has."""
    words = {"ses": "session", "acq": "acquisition", "rec": "reconstruction", "dir": "direction"}
    for entity, labels in selection.labels.items():
        known = sorted({x.entities[entity] for x in names if entity in x.entities}, key=natural)
        for label in labels:
            if not any(is_labelled(name, entity, label) for name in names):
                there = f"there are {', '.join(known)}" if known else "no file names one"
                raise InputError(
                    f"{data.derivatives}: there is no {words.get(entity, entity)} {label} of these "
                    f"participants; {there}"
                )


def _choose_tasks(
    data: BidsData, found: Mapping[str, Sequence[BidsName]], wanted: Collection[str], tell: Tell
) -> list[str]:
    """Take the tasks with events, such as not rest."""
    there = {name.entities["task"] for names in found.values() for name in names}
    tasks = [x for x in sorted(there, key=natural) if not wanted or x in wanted]
    with_events = [task for task in tasks if data.has_events(task, near=list(found))]
    for task in tasks:
        if task not in with_events and (wanted or not with_events):
            raise InputError(
                f"{data.raw}: no participant has events of the task {task} "
                f"(*_task-{task}_events.tsv): responses cannot be found without them; "
                f"{named('bids_dir')} is the data set with the events, {named('derivatives')} the "
                "folder of fMRIPrep"
            )
        if task not in with_events:
            tell(f"note: the task {task} is left out: no participant has events of it")
    return with_events


def _plan_study(
    data: BidsData,
    names: Sequence[BidsName],
    space: Sequence[str],
    options: BidsOptions,
    tell: Tell,
) -> PlannedStudy:
    if not names:
        raise InputError(
            f"no BOLD data are there in the space {' or '.join(space)} of the runs asked for"
        )
    if names[0].kind.by_hemisphere and names[0].entities.get("hemi") not in (
        "L",
        "R",
    ):
        raise InputError(
            f"{names[0].path}: its name does not say which hemisphere it is of (hemi-L or hemi-R)"
        )
    entities = _entities_of_study(names[0], options.selection)
    name = _name_of(names[0], options.selection)
    check_one_space(names)
    single = without_copies(names)
    if len(single) < len(names):
        tell(f"note: {name}: of files that are there as .nii.gz and .nii, the first is taken")
    check_once(single, options.selection)
    check_aligned(single)
    runs = tuple(data.run_of(name) for name in single)
    for run in runs:
        _check_run(run, options)
    meshes = data.mesh_files(single[0]) if single[0].kind.needs_mesh else ()
    return PlannedStudy(name, entities, runs, tuple(meshes))


def _entities_of_study(bold: BidsName, selection: Selection) -> dict[str, str]:
    """Name a study by what is asked for, so that no run that comes or goes changes the name."""
    asked = {entity for entity, labels in selection.labels.items() if len(labels) == 1}
    last = ("hemi", "space", "cohort", "res", "den")
    named = {key: label for key, label in bold.entities.items() if key in {"sub", "task", *asked}}
    # As BIDS orders them: older names have hemi after space.
    return named | {key: bold.entities[key] for key in last if key in bold.entities}


def _name_of(bold: BidsName, selection: Selection) -> str:
    entities = _entities_of_study(bold, selection)
    return "_".join(f"{key}-{label}" for key, label in entities.items())


def _check_run(run: BidsRun, options: BidsOptions) -> None:
    """Refuse a run that lacks a file."""
    bold = run.bold.path
    if run.events is None:
        raise InputError(
            f"{bold}: there are no events of this run (an *_events.tsv with its task and run, in "
            "its folder of the data set or above)"
        )
    if run.confounds is None and options.needs_confounds:
        raise InputError(
            f"{bold}: there are no confounds of this run (*_desc-confounds_timeseries.tsv); "
            f"{named('no_confounds')} works without"
        )
    if run.mask is None and not run.bold.kind.needs_mesh and options.size is not None:
        raise InputError(
            f"{bold}: there is no brain mask of this run (*_desc-brain_mask.nii.gz) to cut "
            f"parcels from: give an atlas ({named('parcellation')})"
        )
    for path in (bold, run.events, run.confounds, run.mask):
        if path is not None:
            check_link(path)
