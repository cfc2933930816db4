"""Run a study for ``estim`` and say what came of it."""

from __future__ import annotations

import csv
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import click

import pyhrf
from pyhrf.commands.done_before import Before
from pyhrf.commands.exits import OK, SOME_FAILED
from pyhrf.commands.logs import logging_to
from pyhrf.commands.verbosity import PROGRESS, as_verbosity
from pyhrf.errors import ConfigError, printable
from pyhrf.wording import IN_OWN_COLUMNS, speaking

if TYPE_CHECKING:
    from pyhrf.config.study import Study
    from pyhrf.results import Results

_PROFILE = "profile.txt"
_ELEMENTS = {
    "amplitude_column": "<amplitude_column>",
    "bold": "<bold>",
    "condition_file": "give such a file for each condition, as an element <times>; "
    + IN_OWN_COLUMNS,
    "confounds": "<confounds> of each <run>",
    "event_column": "<event_column>",
    "mesh": "<mesh>",
    "paradigm": "<paradigm>",
    "parcellation": "<parcellation>",
    "pool_simultaneous": "<simultaneous>pooled</simultaneous>",
    "single_trials": "<single_trials>",
    "trial_hyper": "<trial_hyper>",
    "tr": "<tr>",
}
"""What the study file calls what messages ask for; it has no options for these."""


@dataclass(frozen=True, kw_only=True)
class EstimOptions:
    """Options of ``estim``; None when not given."""

    study_file: Path
    engine: str
    n_jobs: int | None
    output: Path | None
    fresh: bool
    stop: bool
    profile: bool
    cancel: bool
    verbosity: int | None
    program: str


def estimate(options: EstimOptions) -> int:
    """Run a study.

    Parameters
    ----------
    options : EstimOptions
        Paths start from the current directory.

    Returns
    -------
    int
        Exit code: 0, or 3 when parcels failed.

    Raises
    ------
    PyhrfError
        When nothing could start, or the run was interrupted.
    """
    if options.n_jobs is not None and options.engine != "local":
        raise click.UsageError("-j is the number of job slots of -x local")
    if options.cancel and options.engine != "cluster":
        raise click.UsageError("--cancel stops what is running on a cluster: it needs -x cluster")
    others = {"--fresh": options.fresh, "-s": options.stop, "-p": options.profile}
    if options.cancel and (given := [name for name, value in others.items() if value]):
        raise click.UsageError(f"--cancel starts nothing: leave out {', '.join(given)}")
    from pyhrf.analysis import analyse, load_study
    from pyhrf.config.settings import load_settings
    from pyhrf.execution.engines import cancel

    start = monotonic()
    study, settings = load_study(options.study_file), load_settings()
    _check_program(study, options)
    output = (options.output or study.output).absolute()
    verbosity = as_verbosity(settings.log.level if options.verbosity is None else options.verbosity)

    def tell(text: str) -> None:
        if verbosity >= PROGRESS:
            click.echo(printable(text), err=True)

    if options.cancel:
        found = cancel(output, options.engine, settings, tell=tell)
        tell("stopped and cleared up" if found else "there is nothing to cancel")
        return OK
    before = Before(tell)
    engine = options.engine
    if options.profile and engine != "serial":
        engine = "serial"
        tell("-p: parcels are estimated one after the other, so that the profile shows all work")
    with (
        speaking(_ELEMENTS),
        logging_to(verbosity, settings.log.log_to_file),
        _profile(options.profile, output),
    ):
        results = analyse(
            study,
            engine=engine,
            n_jobs=options.n_jobs,
            output=output,
            fresh=options.fresh,
            stop_at_first_failure=options.stop,
            verbosity=verbosity,
            settings=settings,
            tell=before,
            command=sys.argv,
        )
    return _report(results, before, verbosity, monotonic() - start)


def _check_program(study: Study, options: EstimOptions) -> None:
    """Refuse the study of another program: who calls this one expects its results."""
    from pyhrf.config.study_xml import program_of

    wanted = program_of(study, "estim")
    if wanted != options.program:
        raise ConfigError(
            f"{options.study_file}: its estimator is {study.estimator}, which {wanted} runs: use "
            f"that, or write another study with {options.program.replace('estim', 'buildcfg')}"
        )


def _report(results: Results, before: Before, verbosity: int, seconds: float) -> int:
    """Say how many parcels were done, which were not, and where the results are."""
    from pyhrf.analysis import LOG_FILE
    from pyhrf.results.naming import parcels_called
    from pyhrf.results.report_warnings import noise_warnings, outlying_warning

    n_parcels, failed = results.n_parcels, results.failed
    # Also at level 0: silence is for runs that need no attention.
    for reason, numbers in _by_reason(failed).items():
        click.echo(printable(f"{parcels_called(results, numbers)}: {reason}"), err=True)
    if verbosity >= PROGRESS:
        when = f"estimated in {seconds:.1f} s"
        if before.everything:
            when = "were estimated before, and nothing was left to do"
        elif before.n_parcels:
            when = f"estimated, {before.n_parcels} of them before; this took {seconds:.1f} s"
        click.echo(
            f"{n_parcels - len(failed)} of {n_parcels} parcels {when}; "
            f"results are in {results.directory}"
        )
        if wandering := _not_converged(results):
            click.echo(
                f"{wandering} of them had not converged at the last iteration (column converged "
                "of parcels.tsv): raise n_iterations if their figures matter",
                err=True,
            )
        if outlying := outlying_warning(results):
            click.echo(printable(outlying), err=True)
        for warning in noise_warnings(results):
            click.echo(warning, err=True)
        if results.weak:
            click.echo(
                f"{len(results.weak)} of {n_parcels} parcels: the response is poorly "
                "determined (column hrf_quality of parcels.tsv below 0.5): see report.html",
                err=True,
            )
        log = results.directory / LOG_FILE
        if log.exists():
            click.echo(f"messages of the run are in {log}", err=True)
    return SOME_FAILED if failed else OK


def _not_converged(results: Results) -> int:
    """Count the parcels whose iterations ended by their number."""
    with (results.directory / "parcels.tsv").open(encoding="utf-8", newline="") as file:
        return sum(row.get("converged") == "0" for row in csv.DictReader(file, delimiter="\t"))


def _by_reason(failed: Mapping[int, str]) -> dict[str, list[int]]:
    numbers = defaultdict(list)
    for number, reason in failed.items():
        numbers[reason].append(number)
    return numbers


@contextmanager
def _profile(wanted: bool, output: Path) -> Iterator[None]:
    """Measure what runs inside and write where the time went."""
    if not wanted:
        yield
        return
    import cProfile
    import io
    import pstats

    from pyhrf.files import replace_file

    profile = cProfile.Profile()
    profile.enable()
    try:
        yield
    finally:
        profile.disable()
    text = io.StringIO()
    stats = pstats.Stats(profile, stream=text)
    # Of all functions the first eighty would be those that import the libraries of the report.
    package = re.escape(str(Path(pyhrf.__file__).parent))
    stats.sort_stats("cumulative").print_stats(package, 80)
    stats.sort_stats("tottime").print_stats(40)
    with replace_file(output / _PROFILE) as file:
        file.write(text.getvalue().encode())
