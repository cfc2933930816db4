"""The work of the BIDS App: plan, studies, one pool of work, derivatives."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from pyhrf.analysis import analyse_all, cancel_all
from pyhrf.bids.derivatives import claim_folder, write_derivatives
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.parcels import read_atlas
from pyhrf.bids.plan import Plan, make_plan
from pyhrf.bids.studies import make_study
from pyhrf.config.settings import Settings
from pyhrf.config.study import Study
from pyhrf.errors import PyhrfError
from pyhrf.results import Results
from pyhrf.study_data import Tell

__all__ = ["analyse_bids", "cancel_bids"]

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
        On Ctrl-C or SIGTERM; the same call goes on where this one was.
    """
    tell = _in_our_words(tell)
    plan, studies, answer = _prepare(options, tell)

    def done(name: str, results: Results) -> None:
        write_derivatives(options.out_dir, plan.studies[name], studies[name], results, plan.data)

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
    return dict(sorted(answer.items()))


def cancel_bids(options: BidsOptions, *, engine: str, settings: Settings, tell: Tell) -> bool:
    """Stop what goes on elsewhere for the same call of `analyse_bids`, and clear it up.

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
    _, studies, _ = _prepare(options, _in_our_words(tell))
    return cancel_all(
        studies, directory=options.out_dir, engine=engine, settings=settings, tell=tell
    )


def _prepare(
    options: BidsOptions, tell: Tell
) -> tuple[Plan, dict[str, Study], dict[str, Results | PyhrfError]]:
    """Make the studies, and say which cannot be."""
    # What is wrong with an option is said once, and before the data are looked for.
    options.check_values()
    if isinstance(options.parcellation, Path):
        read_atlas(options.parcellation)
    plan = make_plan(options, tell)
    claim_folder(options.out_dir, plan.data)
    answer: dict[str, Results | PyhrfError] = {}

    def leave_out(name: str, error: PyhrfError) -> None:
        tell(f"{name} is left out: {error}")
        answer[name] = error

    for name, error in plan.failed.items():
        leave_out(name, error)
    if n_studies := len(plan.studies):
        n_runs = sum(len(planned.runs) for planned in plan.studies.values())
        tell(f"{n_studies} participants and tasks to analyse, with {n_runs} runs in all")
    studies: dict[str, Study] = {}
    said = monotonic()
    for number, (name, planned) in enumerate(plan.studies.items()):
        if monotonic() - said > _SECONDS_OF_SILENCE:
            tell(f"{number} of {n_studies} are prepared")
            said = monotonic()
        try:
            studies[name] = make_study(planned, options, tell)
        except PyhrfError as error:
            leave_out(name, error)
    return plan, studies, answer


def _in_our_words(tell: Tell) -> Tell:
    """Tell of OUT_DIR what other commands call the output directory."""
    return lambda text: tell(text.replace("another output directory with -u", "another OUT_DIR"))
