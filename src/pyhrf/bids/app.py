"""The work of the BIDS App: plan, studies, one pool of work, derivatives."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from pyhrf.analysis import analyse_all, cancel_all
from pyhrf.analysis.notes import alike
from pyhrf.bids.derivatives import check_folder, claim_folder, older_results, write_derivatives
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.plan import Plan, make_plan
from pyhrf.bids.studies import make_study
from pyhrf.bids.words import OPTIONS
from pyhrf.config.settings import Settings
from pyhrf.config.study import Study
from pyhrf.errors import PyhrfError
from pyhrf.inputs.paradigm import EventColumns
from pyhrf.notices import LeftOut
from pyhrf.results import Results
from pyhrf.study_data import Tell
from pyhrf.wording import speaking

_SECONDS_OF_SILENCE = 10.0
"""Parcels of a whole brain take seconds per participant."""


def analyse_bids(
    options: BidsOptions,
    *,
    engine: str = "local",
    n_jobs: int | None = None,
    fresh: bool = False,
    verbosity: int = 0,
    settings: Settings | None = None,
    tell: Tell,
    command: Sequence[str] = (),
) -> dict[str, Results | PyhrfError]:
    """Analyse the participants of a BIDS data set, and write BIDS derivatives.

    Parameters
    ----------
    options : BidsOptions
        Which data, and how.
    engine, n_jobs, fresh, verbosity, settings, command
        As for `pyhrf.analyse`.
    tell : callable
        Called with each sentence that the user should read.

    Returns
    -------
    dict of str to Results or PyhrfError
        What came of each participant and task, by names such as ``sub-01_task-audio``.

    Raises
    ------
    InputError, ConfigError
        If nothing can start: the data set or an option cannot be used.
    pyhrf.execution.runner.Interrupted
        On Ctrl-C or SIGTERM; the same call continues this one.
    """
    tell = _Telling(tell)
    with speaking(OPTIONS):
        prepared = _prepare(options, tell)
        studies, answer = prepared.studies, prepared.answer

        columns, usual = options.columns, EventColumns()
        of_all = [
            f"the {what} of events are those of the column {column}"
            for what, column, asked in (
                ("conditions", columns.condition, "event_column" in options.data),
                ("amplitudes", columns.amplitude, "amplitude_column" in options.data),
            )
            if asked or column not in (usual.condition, usual.amplitude)
        ]

        def done(name: str, results: Results) -> None:
            # Not before: what is refused changes nothing.
            claim_folder(options.out_dir, prepared.plan.data)
            write_derivatives(
                options.out_dir,
                prepared.plan.studies[name],
                studies[name],
                results,
                prepared.plan.data,
                notes=[*of_all, *_files_of(options, studies[name]), *prepared.notes[name]],
            )

        _tell_of_others(studies, options.out_dir, tell)
        if studies:
            answer |= analyse_all(
                studies,
                directory=options.out_dir,
                engine=engine,
                n_jobs=n_jobs,
                fresh=fresh,
                verbosity=verbosity,
                settings=settings,
                tell=tell,
                command=command,
                done=done,
            )
        if fresh:
            _tell_of_older(answer, options.out_dir, tell)
    return dict(sorted(answer.items()))


def _files_of(options: BidsOptions, study: Study) -> Iterator[str]:
    """Name the atlas and the meshes, which may lie outside of the data set."""
    atlases = [path.name for path in options.atlases]
    of_study = study.data.parcellation
    if of_study is not None and len(atlases) > 1:
        atlases = [of_study.name]
    yield from (f"the atlas is {name}" for name in atlases)
    yield from (f"a mesh is {path.name}" for path in study.data.meshes)


def _tell_of_older(answer: Mapping[str, Results | PyhrfError], out_dir: Path, tell: Tell) -> None:
    """Say whose derivatives are those of an earlier run: a group analysis would mix them."""
    failed = [name for name, one in answer.items() if isinstance(one, PyhrfError)]
    # Of those that could not be planned, the names end with the task.
    older = [
        name
        for name in older_results(out_dir)
        if name in failed
        or (name not in answer and any(name.startswith(f"{one}_") for one in failed))
    ]
    if older:
        tell(
            f"note: what {out_dir} holds of {_some(older)} is of an earlier run, perhaps with "
            "other options, and stays as it was: correct what is wrong and run again, or leave it "
            "out of group analyses"
        )


def _tell_of_others(planned: Collection[str], out_dir: Path, tell: Tell) -> None:
    """Say of which other selections of the same data there are derivatives."""
    of_data = {_ASKED.sub("", name) for name in planned}
    others = [
        name
        for name in older_results(out_dir)
        if name not in planned and _ASKED.sub("", name) in of_data
    ]
    if others:
        tell(
            f"note: {out_dir} also holds results of another choice of sessions or runs of the same "
            f"data ({_some(others)}), which stay: take care that group analyses do not mix them"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def cancel_bids(options: BidsOptions, *, engine: str, settings: Settings, tell: Tell) -> bool:
    """Stop what is running elsewhere for the same call of `analyse_bids`, and clear it up.

    Parameters
    ----------
    options, engine, settings, tell
        As they were given to it.

    Returns
    -------
    bool
        Whether there was something to stop.

    Raises
    ------
    PyhrfError
        If the data or the engine cannot be used, or the run still works.
    """
    with speaking(OPTIONS):
        studies = _prepare(options, _Telling(tell)).studies
        return cancel_all(
            studies, directory=options.out_dir, engine=engine, settings=settings, tell=tell
        )


@dataclass(frozen=True)
class _Prepared:
    """The plan, what can be analysed, what is to be known of each, and what is left out."""

    plan: Plan
    studies: dict[str, Study]
    notes: dict[str, list[str]]
    answer: dict[str, Results | PyhrfError]


def _prepare(options: BidsOptions, tell: Tell) -> _Prepared:
    """Make the studies, and say which cannot be."""
    # What is wrong with an option is said once, and before the data are looked for.
    options.check_values()
    plan = make_plan(options, tell)
    check_folder(options.out_dir, plan.data)
    answer: dict[str, Results | PyhrfError] = {}

    def leave_out(name: str, error: PyhrfError) -> None:
        tell(LeftOut(name, error))
        answer[name] = error

    for name, error in plan.failed.items():
        leave_out(name, error)
    if n_studies := len(plan.studies):
        n_runs = sum(len(planned.runs) for planned in plan.studies.values())
        what = "participants and tasks"
        if any("hemi" in planned.entities for planned in plan.studies.values()):
            what = "participants, tasks and hemispheres"
        tell(
            f"{_count(n_studies, 'analysis', 'analyses')} of {what}, with "
            f"{_count(n_runs, 'run', 'runs')} in all"
        )
    studies: dict[str, Study] = {}
    notes: dict[str, list[str]] = {}
    said = monotonic()
    for number, (name, planned) in enumerate(plan.studies.items()):
        if monotonic() - said > _SECONDS_OF_SILENCE:
            tell(f"{number} of {n_studies} are prepared")
            said = monotonic()
        try:
            studies[name], notes[name] = make_study(planned, options, plan.given)
        except PyhrfError as error:
            leave_out(name, error)
            continue
    for note in alike((name, note) for name, some in notes.items() for note in some):
        tell(note)
    return _Prepared(plan, studies, notes, answer)


def _count(number: int, one: str, several: str) -> str:
    return f"{number} {one if number == 1 else several}"


_ASKED = re.compile("_(ses|run|acq|ce|rec|dir)-[A-Za-z0-9]+")


class _Telling:
    """Tells; of a reason that several participants share, only once in full."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._seen: dict[str, str] = {}

    def __call__(self, text: str) -> None:
        if isinstance(text, LeftOut):
            # Their own files have names that differ by the label.
            reason = text.reason.replace(text.name.partition("_")[0], "sub-")
            first = self._seen.setdefault(reason, text.name)
            if first != text.name:
                text = LeftOut(text.name, f"for the same reason as {first}")
        self._tell(text)
