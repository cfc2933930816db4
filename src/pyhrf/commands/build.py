"""Turn the options of ``buildcfg`` into a study, check it and write its file."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyhrf.commands.verbosity import PROGRESS, as_verbosity
from pyhrf.errors import ConfigError, counted, printable
from pyhrf.files import new_file

if TYPE_CHECKING:
    from pyhrf.config.study import Contrast, Study
    from pyhrf.inputs.beside import RunTimes


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of ``buildcfg``; None or empty when not given."""

    study_file: Path
    bold: tuple[Path, ...]
    parcellation: Path | None
    meshes: tuple[Path, ...]
    paradigm: tuple[Path, ...]
    tr: float | None
    kind: str | None
    example: str | None
    estimator: str
    n_iterations: int | None
    contrasts: tuple[str, ...]
    contrasts_file: Path | None
    output: Path | None
    verbosity: int | None
    spm: Path | None = None
    event_column: str | None = None
    amplitude_column: str | None = None
    confounds: tuple[Path, ...] = ()
    confound_columns: str | None = None
    fd_threshold: float | None = None
    censored: tuple[Path, ...] = ()
    percent: bool = False
    per_run: bool = False
    model: str | None = None
    fir_delays: str | None = None


def build_study(options: BuildOptions) -> None:
    """Write the study file; nothing is written unless the study and its data are sound.

    Parameters
    ----------
    options : BuildOptions
        Paths start from the current directory.

    Raises
    ------
    InputError, ConfigError
        As `pyhrf.analysis.check_study`.
    click.UsageError
        When options do not go together.
    """
    from pyhrf.config.settings import load_settings
    from pyhrf.config.study_xml import program_of, write_study

    notes: list[str] = []
    study = study_of(options, notes).with_absolute_paths()
    if study.data.kind != "simulation":
        from pyhrf.analysis import check_study

        notes += check_study(study)
    level = load_settings().log.level if options.verbosity is None else options.verbosity
    _check_target(options.study_file)
    older = options.study_file.read_bytes() if options.study_file.exists() else None
    write_study(study, options.study_file)
    kept = _keep(older, options.study_file)
    if as_verbosity(level) >= PROGRESS:
        for note in notes:
            click.echo(printable(f"note: {note}"), err=True)
        if kept is not None:
            click.echo(f"note: the study that was there before is kept in {kept}", err=True)
        command = f"{program_of(study, 'estim')} -c {shlex.quote(str(options.study_file))}"
        click.echo(f"{options.study_file} is written; run it with: {command}")


def _check_target(path: Path) -> None:
    """Refuse to write over a file that is no study, such as the data."""
    if not path.is_file():
        return
    with path.open("rb") as file:
        beginning = file.read(1000)
    if beginning.strip() and b"<study" not in beginning:
        raise ConfigError(
            f"{path} is there and is no study file, and is not written over: "
            "choose another name with -o"
        )


def _keep(older: bytes | None, path: Path) -> Path | None:
    """Keep an older study that says something else beside the new one."""
    if older is None or not older.strip() or older == path.read_bytes():
        return None
    names = (path.with_name(f"{path.name}.old-{number}") for number in itertools.count(1))
    kept = next(name for name in names if not os.path.lexists(name))
    with new_file(kept) as file:
        file.write(older)
    return kept


def _check_usage(options: BuildOptions) -> None:
    if options.bold:
        if options.example or options.kind == "simulation":
            raise click.UsageError("-t and -d simulation are for example data: leave out -f")
        if not options.parcellation:
            raise click.UsageError("-f needs -k, a parcellation on the same grid")
        _check_paradigm_usage(options)
        _check_nuisance_usage(options)
        if options.kind == "surface" and not options.meshes:
            raise click.UsageError("-d surface needs -g, the mesh on which the data lie")
        if options.kind == "volume" and options.meshes:
            raise click.UsageError("-g is the mesh of surface data: leave it out, or -d volume")
        return
    if options.kind in ("volume", "surface"):
        raise click.UsageError(f"-d {options.kind} needs the BOLD data: give them with -f")
    given = {
        "-k": options.parcellation,
        "-g": options.meshes,
        "-r": options.paradigm,
        "-s": options.spm,
        "--event-column": options.event_column is not None,
        "--amplitude-column": options.amplitude_column is not None,
        "-I": options.tr is not None,
        "--confounds": options.confounds,
        "--confound-columns": options.confound_columns,
        "--fd-threshold": options.fd_threshold is not None,
        "--censored": options.censored,
    }
    for name, value in given.items():
        if value:
            raise click.UsageError(f"{name} goes with BOLD data: give them with -f")


def _paradigms(options: BuildOptions) -> dict[str | None, list[Path]]:
    """Give the files of the paradigm by the condition that -r NAME=FILE names, or None."""
    found: dict[str | None, list[Path]] = {}
    for path in options.paradigm:
        name, is_named, rest = str(path).partition("=")
        if is_named and not path.exists():
            if not (name.strip() and rest.strip()):
                raise click.UsageError(f"-r {path}: must be NAME=FILE, or the path of a file")
            found.setdefault(name.strip(), []).append(Path(rest.strip()))
        else:
            found.setdefault(None, []).append(path)
    if len(found) > 1 and None in found:
        raise click.UsageError(
            f"-r {found[None][0]} names no condition, and another -r does: give a paradigm of all "
            "conditions, or NAME=FILE for each"
        )
    return found


def _columns(options: BuildOptions) -> dict[str, str]:
    """Give the columns of events that are asked for, as a study has them."""
    asked = {"event_column": options.event_column, "amplitude_column": options.amplitude_column}
    return {name: value for name, value in asked.items() if value is not None}


def _check_paradigm_usage(options: BuildOptions) -> None:
    if not options.paradigm and options.spm is None:
        raise click.UsageError("-f needs -r, the paradigm, or -s, an SPM.mat")
    if options.paradigm and options.spm is not None:
        raise click.UsageError("the paradigm is given twice: -r or -s, not both")
    for name, files in _paradigms(options).items():
        if len(files) not in (1, len(options.bold)):
            what = "one paradigm (-r)" if name is None else f"one file of {name} (-r {name}=FILE)"
            raise click.UsageError(
                f"{_runs_need(options)} {what} for all or one for each, not {len(files)}"
            )
    if options.spm is not None and _columns(options):
        raise click.UsageError(
            "--event-column and --amplitude-column are for BIDS events files (-r), not for -s"
        )


def _runs_need(options: BuildOptions) -> str:
    n_runs = len(options.bold)
    return f"{counted(n_runs, 'run')} (-f) {'needs' if n_runs == 1 else 'need'}"


def _check_nuisance_usage(options: BuildOptions) -> None:
    for name, files in (("--confounds", options.confounds), ("--censored", options.censored)):
        if files and len(files) != len(options.bold):
            raise click.UsageError(
                f"{_runs_need(options)} as many files with {name}, not {len(files)}"
            )
    if not options.confounds:
        for name, value in (
            ("--confound-columns", options.confound_columns),
            ("--fd-threshold", options.fd_threshold),
        ):
            if value is not None:
                raise click.UsageError(f"{name} goes with --confounds, the file of each run")


def study_of(options: BuildOptions, notes: list[str]) -> Study:
    """Make the study that options describe, without a look at the values of its data.

    Parameters
    ----------
    options : BuildOptions
    notes : list of str
        What the user should be told is appended here.

    Raises
    ------
    InputError, ConfigError
        When a value cannot be used.
    click.UsageError
        When options do not go together.
    """
    _check_usage(options)
    from pyhrf.config.study import HrfConfig, Study
    from pyhrf.inputs.series import time_step
    from pyhrf.inputs.templates import space_in_name, template_notes
    from pyhrf.inputs.timing import fitting_step

    values: dict[str, Any] = {"estimator": options.estimator, "contrasts": _contrasts(options)}
    if options.bold:
        times = _scan_times(options)
        notes.extend(times.notes)
        if options.parcellation is not None:
            notes.extend(template_notes(options.parcellation, space_in_name(options.bold[0])))
        values["data"] = {
            "kind": "surface" if options.meshes else "volume",
            "tr": times.tr,
            "parcellation": options.parcellation,
            "meshes": options.meshes,
            "runs": _runs(options, times.starts),
            **_columns(options),
        }
        values["confounds"] = {
            name: value
            for name, value in (
                ("columns", options.confound_columns),
                ("fd_threshold", options.fd_threshold),
            )
            if value is not None
        }
        step = fitting_step(times.tr or time_step(options.bold[0]), HrfConfig().dt)
        if step is not None:
            values["hrf"] = {"dt": step}
    elif options.example or options.percent or options.per_run:
        values["data"] = {"kind": "simulation", "example": options.example or "default"}
    if options.percent:
        values["data"]["scaling"] = "percent"
    if options.per_run:
        values["data"]["levels"] = "per-run"
    values |= _estimator_values(options)
    if options.output is not None:
        values["output"] = options.output
    return Study.build(**values)


def _runs(options: BuildOptions, starts: Sequence[float]) -> list[dict[str, Any]]:
    """Deal files out to the runs."""
    n_runs = len(options.bold)
    paradigms = _paradigms(options) if options.spm is None else {None: [options.spm]}
    of_runs = {
        name: paths * n_runs if len(paths) == 1 else paths for name, paths in paradigms.items()
    }
    values: dict[str, Sequence[Any]] = {
        "bold": options.bold,
        "paradigm": of_runs.pop(None, ()),
        "start_time": starts,
        "confounds": options.confounds,
        "censored": options.censored,
    }
    given = {name: found for name, found in values.items() if found}
    return [
        {
            **{name: found[k] for name, found in given.items()},
            "times": [{"condition": name, "file": of_runs[name][k]} for name in of_runs],
        }
        for k in range(n_runs)
    ]


def _scan_times(options: BuildOptions) -> RunTimes:
    """Take the TR that is given, else that of an SPM.mat or of JSON files; None for headers."""
    from pyhrf.inputs.beside import RunTimes, times_beside
    from pyhrf.inputs.spm import is_spm, read_spm

    starts = (0.0,) * len(options.bold)
    if options.spm is not None:
        return RunTimes(read_spm(options.spm).tr if options.tr is None else options.tr, starts)
    if any(is_spm(path) for files in _paradigms(options).values() for path in files):
        return RunTimes(options.tr, starts)  # its design has times of its own
    return times_beside(options.bold, tr=options.tr)


def _estimator_values(options: BuildOptions) -> dict[str, Any]:
    """Give the section of the estimator, as far as options say something of it."""
    from pyhrf.parameters.estimators import ESTIMATORS

    given: dict[str, Any] = {
        "n_iterations": options.n_iterations,
        "model": options.model,
        "fir_delays": options.fir_delays,
    }
    given = {name: value for name, value in given.items() if value is not None}
    kind = ESTIMATORS[options.estimator]
    try:
        return {kind.section: kind.settings.of_options(given)} if given else {}
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def _contrasts(options: BuildOptions) -> list[Contrast]:
    from pyhrf.config.contrasts import read_contrasts
    from pyhrf.config.study import Contrast

    contrasts = [Contrast.from_text(text) for text in options.contrasts]
    if options.contrasts_file is not None:
        contrasts.extend(read_contrasts(options.contrasts_file))
    return contrasts
