"""The analysis of one study.

Everything is checked before anything is written. Then parcels go to an engine, their estimates
into the journal, and from there into tables and maps. A run that was stopped is continued.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pyhrf.analysis.earlier_runs import bring_home
from pyhrf.analysis.prepare import check_fit, open_journal, prepare
from pyhrf.analysis.work import (
    LOG_FILE,
    Member,
    estimate,
    keep_in_log,
    show_in_report,
    warnings_in,
)
from pyhrf.config.settings import Settings, load_settings
from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study
from pyhrf.errors import says_where
from pyhrf.estimation import check_estimator, design_warnings
from pyhrf.execution.engine import Engine
from pyhrf.execution.engines import begin_anew, make_engine, tell_unfinished
from pyhrf.execution.output_folder import folder_of_engine
from pyhrf.execution.together import Journals
from pyhrf.results import Results
from pyhrf.study_data import Tell, open_files, study_data

_log = logging.getLogger(__name__)


def load_study(path: str | Path) -> Study:
    """Read a study file.

    Parameters
    ----------
    path : path
        Such as ``detectestim.xml``.

    Returns
    -------
    Study
        With absolute paths.

    Raises
    ------
    ConfigError
        Naming file, line, element, value and what is allowed.
    """
    return read_study(path)


def check_study(study: Study) -> list[str]:
    """Check that the files of a study can be used and that its parameters fit them.

    All is checked that `analyse` checks before it looks at the values of the data.

    Parameters
    ----------
    study : Study
        Of kind ``volume`` or ``surface``.

    Returns
    -------
    list of str
        What the user should know, such as events outside the scan time, or conditions that can
        hardly be told apart.

    Raises
    ------
    InputError, ConfigError
        Naming file, place, value and cure.
    """
    data = study.data
    dataset = open_files(study, data.runs, data.parcellation, data.meshes)
    contrasts = check_fit(study, dataset)
    check_estimator(study, dataset.experiment, contrasts)
    return [*dataset.notes, *design_warnings(study, dataset.experiment)]


@says_where(
    "it takes a study or its file; images, paths and tables go to the fit of pyhrf.JDE, pyhrf.RFIR "
    "or pyhrf.GLM"
)
def analyse(
    study: Study | str | Path,
    output: str | Path | None = None,
    *,
    engine: str | Engine = "local",
    n_jobs: int | None = None,
    fresh: bool = False,
    stop_at_first_failure: bool = False,
    verbosity: int | None = 0,
    settings: Settings | None = None,
    tell: Tell | None = None,
    command: Sequence[str] = (),
) -> Results:
    """Estimate every parcel of a study and write tables, maps and provenance.

    The results do not depend on the engine. Parcels that are already in the output directory's
    journal, for the same study and data, are not estimated again.

    Parameters
    ----------
    study : Study or path
        The study, or its file.
    output : path, optional
        Output directory, instead of the study's.
    engine : {"serial", "local", "LAN", "cluster", "slurm", "pbs", ...} or Engine
        One parcel after the other, on the cores of this machine, on the hosts of
        ``[parallel-LAN]`` in the settings, in jobs of the cluster of ``[parallel-cluster]``, or
        in jobs of a batch scheduler on whose login node this runs.
    n_jobs : int, optional
        Job slots of ``local``; by default ``nb_procs`` of the settings.
    fresh : bool
        Rename an output directory with older results to ``DIR.old-1`` … and begin anew.
    stop_at_first_failure : bool
        Start nothing more when a parcel has failed.
    verbosity : int or None
        0 shows nothing, 1 and more a progress bar on standard error or below the cell of a
        notebook, and lines where standard error is no terminal; None bars alone.
    settings : Settings, optional
        By default those of ``~/.pyhrf/config.cfg``.
    tell : callable, optional
        Called with each sentence that the user should read; by default they are logged.
    command : sequence of str, optional
        What ``run.json`` gives as the command line.

    Returns
    -------
    Results
        ``results.failed`` names the parcels that could not be estimated.

    Raises
    ------
    InputError, ConfigError
        Before any work, naming file, place, value and cure.
    pyhrf.execution.runner.Interrupted
        On Ctrl-C or SIGTERM; the same call continues this one.

    Examples
    --------
    >>> results = analyse("detectestim.xml", engine="serial")  # doctest: +SKIP
    >>> results.parcels[["parcel", "time_to_peak"]]  # doctest: +SKIP
    """
    started = datetime.now(UTC)
    tell = tell or _log.warning
    study = study if isinstance(study, Study) else load_study(study)
    study = study.with_absolute_paths()
    if output is not None:
        study = study.replaced(output=Path(output).absolute())
    settings = settings or load_settings()
    chosen = make_engine(engine, settings, tell=tell, n_jobs=n_jobs)
    chosen.folder = folder_of_engine(study.output, chosen.name)
    with study_data(study, fresh=fresh, tell=tell) as data:
        prepared = prepare(study, data)
        prepared.dataset.read()  # damage inside a file shows only here: before anything is written
        for note in [*prepared.dataset.notes, *prepared.warnings]:
            tell(f"note: {note}")
        if fresh:
            begin_anew(study.output, chosen, tell=tell)
        tell_unfinished(study.output, chosen, tell=tell)
        with (
            open_journal(study, data, prepared, tell) as journal,
            warnings_in(study.output / LOG_FILE),
        ):
            keep_in_log(prepared.warnings)
            dataset, journals = prepared.dataset, Journals([journal])
            member = Member(
                study,
                journal,
                key=prepared.key,
                checksums=prepared.checksums,
                costs=prepared.costs,
                estimator=prepared.estimator,
                open_data=lambda: dataset,
            )
            bring_home(chosen, journals, dict(prepared.key), fresh=fresh)
            estimate(
                [member],
                chosen,
                journals,
                lambda parcels: dataset.load([parcel.number for parcel in parcels]),
                verbosity=verbosity,
                tell=tell,
                stop_at_first_failure=stop_at_first_failure,
            )
            results = member.write(chosen, started=started, command=command or sys.argv)
            show_in_report(results, tell)
            return results
