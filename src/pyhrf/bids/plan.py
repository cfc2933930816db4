"""Which studies a BIDS data set gives: one per participant and task, of all its runs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pyhrf.bids.options import BidsOptions
from pyhrf.errors import InputError, PyhrfError
from pyhrf.inputs.bids import (
    DEFAULT_SPACE,
    BidsData,
    BidsRun,
    Selection,
    open_bids,
    space_of,
    spaces_of,
)
from pyhrf.inputs.bids_names import BidsName, natural
from pyhrf.study_data import Tell

__all__ = ["Plan", "PlannedStudy", "make_plan"]


@dataclass(frozen=True)
class PlannedStudy:
    """The runs of one participant and task.

    Attributes
    ----------
    name : str
        What all runs have in common, as ``sub-01_task-audio_space-T1w``.
    entities : dict of str to str
        The entities of the name.
    runs : tuple of BidsRun
        In natural order of sessions and runs.
    """

    name: str
    entities: Mapping[str, str]
    runs: tuple[BidsRun, ...]


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes
    ----------
    data : BidsData
        Where it is from.
    studies : dict of str to PlannedStudy
    failed : dict of str to PyhrfError
        Why a participant and task cannot be analysed, by name.
    """

    data: BidsData
    studies: Mapping[str, PlannedStudy]
    failed: Mapping[str, PyhrfError]


def make_plan(options: BidsOptions, tell: Tell) -> Plan:
    """Find the runs of each participant and task.

    Parameters
    ----------
    options : BidsOptions
    tell : callable
        Told which space is taken, and who is left out.

    Returns
    -------
    Plan

    Raises
    ------
    InputError
        If the data set cannot be used, holds no such participant, task, session, run or space, or
        no events.
    """
    data = open_bids(options.bids_dir, options.derivatives, check=options.check)
    subjects, lacking = data.subjects(options.participants)
    failed: dict[str, PyhrfError] = {}
    for label in lacking:
        text = f"there are no derivatives of this participant in {data.derivatives}"
        if options.participants:
            failed[f"sub-{label}"] = InputError(text)
        else:
            tell(f"note: sub-{label} is left out: {text}")
    found = {label: data.bold_files(label) for label in subjects}
    everything = [name for names in found.values() for name in names]
    if not everything:
        _refuse_without_volumes(data, subjects)
    _check_labels(everything, options.selection, data)
    space = _choose_space(everything, options.selection, data, subjects, tell)
    tasks = _choose_tasks(data, found, options.selection.tasks, tell)
    studies: dict[str, PlannedStudy] = {}
    for label in subjects:
        for task in tasks:
            of_task = [x for x in found[label] if x.entities["task"] == task]
            chosen = [x for x in of_task if space_of(x) == space and options.selection.takes(x)]
            if not of_task:
                continue  # not everyone was given every task
            name = f"sub-{label}_task-{task}"
            try:
                planned = _plan_study(data, chosen, space, options)
            except PyhrfError as error:
                failed[name] = error
            else:
                studies[planned.name] = planned
    return Plan(data, studies, failed)


def _refuse_without_volumes(data: BidsData, subjects: Sequence[str]) -> None:
    surfaces = sorted({x for label in subjects for x in data.surface_spaces(label)})
    if surfaces:
        raise InputError(_on_surface(surfaces))
    raise InputError(
        f"{data.derivatives}: no preprocessed BOLD data of these participants are there "
        "(func/*_desc-preproc_bold.nii.gz)"
    )


def _on_surface(spaces: Sequence[str]) -> str:
    return (
        f"the BOLD data in {', '.join(spaces)} lie on a surface, and pyhrf bids analyses volumes: "
        "have fMRIPrep write a volume (--output-spaces MNI152NLin2009cAsym), or give these files "
        "and the mesh to pyhrf_jde_buildcfg (-f and -g)"
    )


def _check_labels(names: Collection[BidsName], selection: Selection, data: BidsData) -> None:
    """Refuse a label that no file has."""
    wanted = {"task": selection.tasks, "ses": selection.sessions, "run": selection.runs}
    words = {"task": "task", "ses": "session", "run": "run"}
    for entity, labels in wanted.items():
        known = sorted({x.entities[entity] for x in names if entity in x.entities}, key=natural)
        for label in labels:
            if not any(name.has({entity: label}) for name in names):
                there = f"there are {', '.join(known)}" if known else "no file names one"
                raise InputError(
                    f"{data.derivatives}: there is no {words[entity]} {label} of these "
                    f"participants; {there}"
                )


def _choose_space(
    names: Collection[BidsName],
    selection: Selection,
    data: BidsData,
    subjects: Sequence[str],
    tell: Tell,
) -> str:
    """Take the space that is asked for, the only one, or the usual one of fMRIPrep."""
    spaces = spaces_of([name for name in names if selection.takes(name)])
    if not spaces:
        raise InputError(
            f"{data.derivatives}: no preprocessed BOLD data are there of these participants, "
            "sessions, tasks and runs together"
        )
    wanted = selection.space
    if wanted is None:
        if len(spaces) == 1:
            return spaces[0]
        near = [space for space in spaces if space.partition(":")[0] == DEFAULT_SPACE]
        if len(near) != 1:
            raise InputError(
                f"the BOLD data are there in several spaces ({', '.join(spaces)}): "
                "choose one with --space"
            )
        others = ", ".join(space for space in spaces if space != near[0])
        tell(f"note: the space is {near[0]}; --space chooses another ({others})")
        return near[0]
    near = [space for space in spaces if wanted in (space, space.partition(":")[0])]
    if wanted in near:
        return wanted
    if len(near) == 1:
        return near[0]
    if near:
        raise InputError(f"--space {wanted} could be {' or '.join(near)}: write it so")
    surfaces = {x for label in subjects for x in data.surface_spaces(label)}
    if wanted in {space.partition(":")[0] for space in surfaces}:
        raise InputError(_on_surface([wanted]))
    raise InputError(f"--space {wanted}: there is no such space; there are {', '.join(spaces)}")


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
                f"{data.raw}: no one has events of the task {task} (*_task-{task}_events.tsv): "
                "responses cannot be found without them; BIDS_DIR is the data set with the events, "
                "--derivatives the folder of fMRIPrep"
            )
        if task not in with_events:
            tell(f"note: the task {task} is left out: no one has events of it")
    return with_events


def _plan_study(
    data: BidsData, names: Sequence[BidsName], space: str, options: BidsOptions
) -> PlannedStudy:
    if not names:
        raise InputError(f"no BOLD data are there in the space {space} of the runs asked for")
    runs = tuple(data.run_of(name) for name in names)
    for run in runs:
        _check_run(run, options)
    entities = _in_common([run.bold.entities for run in runs])
    entities.pop("desc", None)
    # The task comes after the session in every name, whatever the order of these files.
    name = "_".join(f"{key}-{label}" for key, label in entities.items())
    return PlannedStudy(name, entities, runs)


def _in_common(several: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = several
    return {
        key: label
        for key, label in first.items()
        if all(other.get(key) == label for other in others)
    }


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
            "--confound-columns none does without"
        )
    if run.mask is None and isinstance(options.parcellation, int):
        raise InputError(
            f"{bold}: there is no brain mask of this run (*_desc-brain_mask.nii.gz) to cut "
            "parcels from: give an atlas with --parcellation FILE"
        )
    for path in (bold, run.events, run.confounds, run.mask):
        if path is not None and path.is_symlink() and not path.exists():
            raise InputError(
                f"{path}: is a link to a file that is not there: fetch it, perhaps with "
                "'datalad get'"
            )
