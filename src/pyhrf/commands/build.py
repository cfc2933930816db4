"""Turn the options of ``buildcfg`` into a study, check it and write its file."""

from __future__ import annotations

import itertools
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pyhrf.commands.verbosity import PROGRESS, as_verbosity
from pyhrf.errors import ConfigError, counted, printable
from pyhrf.files import new_file
from pyhrf.parameters.estimators import ESTIMATORS, given_options, own_parameters
from pyhrf.parameters.model import ModelSettings

if TYPE_CHECKING:
    from pyhrf.config.sections import Contrast
    from pyhrf.config.study import Study
    from pyhrf.inputs.beside import RunTimes


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of ``buildcfg``; None or empty when not given.

    Attributes
    ----------
    parameters : mapping of str to mapping of str to object
        Those of the study, by group and name, as `pyhrf.commands.parameter_options` takes them.
    """

    study_file: Path = Path()
    bold: tuple[Path, ...] = ()
    parcellation: Path | None = None
    meshes: tuple[Path, ...] = ()
    paradigm: tuple[Path, ...] = ()
    spm: Path | None = None
    confounds: tuple[Path, ...] = ()
    censored: tuple[Path, ...] = ()
    estimator: str
    contrasts: tuple[str, ...] = ()
    contrasts_file: Path | None = None
    output: Path | None = None
    verbosity: int | None = None
    parameters: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def data(self) -> Mapping[str, Any]:
        """What is said of the data but for their files."""
        return self.parameters.get("data", {})

    @property
    def tr(self) -> float | None:
        """The repetition time."""
        return self.data.get("tr")


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
            f"{path} exists and is not a study file, so it is not overwritten: "
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
    kind = options.data.get("kind")
    given_names = {option.shown for option in given_options(options.parameters).values()}
    for option in given_options(options.parameters).values():
        if option.needs == "--single-trials" and option.needs not in given_names:
            raise click.UsageError(f"{option.shown} goes with {option.needs}: give it too")
    if options.bold:
        if "example" in options.data or kind == "simulation":
            raise click.UsageError("-t and -d simulation are for example data: leave out -f")
        if not options.parcellation:
            raise click.UsageError("-f needs -k, a parcellation on the same grid")
        _check_paradigm_usage(options)
        _check_nuisance_usage(options)
        if kind == "surface" and not options.meshes:
            raise click.UsageError("-d surface needs -g, the mesh on which the data lie")
        if kind == "volume" and options.meshes:
            raise click.UsageError("-g is the mesh of surface data: leave it out, or -d volume")
        return
    if kind in ("volume", "surface"):
        raise click.UsageError(f"-d {kind} needs the BOLD data: give them with -f")
    given = {
        "-k": options.parcellation,
        "-g": options.meshes,
        "-r": options.paradigm,
        "-s": options.spm,
        "--confounds": options.confounds,
        "--censored": options.censored,
        **{
            option.shown: option.needs in ("-f", "--confounds")
            for option in given_options(options.parameters).values()
        },
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
    if options.spm is not None and {"event_column", "amplitude_column"} & options.data.keys():
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
        for option in given_options(options.parameters).values():
            if option.needs == "--confounds":
                raise click.UsageError(
                    f"{option.shown} goes with --confounds, the file of each run"
                )


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
    from pyhrf.config.study import Study
    from pyhrf.inputs.templates import space_in_name, template_notes
    from pyhrf.inputs.timing import fitting_step
    from pyhrf.spaces.kinds import time_step

    given = {name: dict(values) for name, values in options.parameters.items()}
    own = given.pop("own", {})
    values: dict[str, Any] = {
        **Study.of_model(given.pop("model", {})),
        **given,
        "estimator": options.estimator,
        "contrasts": _contrasts(options),
    }
    if options.bold:
        times = _scan_times(options)
        notes.extend(times.notes)
        if options.parcellation is not None:
            notes.extend(template_notes(options.parcellation, space_in_name(options.bold[0])))
        values["data"] = {
            **options.data,
            "kind": "surface" if options.meshes else "volume",
            "tr": times.tr,
            "parcellation": options.parcellation,
            "meshes": options.meshes,
            "runs": _runs(options, times.starts),
        }
        step = fitting_step(times.tr or time_step(options.bold[0]), ModelSettings().dt)
        if step is not None:
            values["hrf"] = {"dt": step, **values.get("hrf", {})}
    if own:
        kind = ESTIMATORS[options.estimator]
        try:
            values[kind.section] = own_parameters(kind, own)
        except ConfigError as error:
            raise click.UsageError(str(error)) from error
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


def _contrasts(options: BuildOptions) -> list[Contrast]:
    from pyhrf.config.contrasts import read_contrasts
    from pyhrf.config.sections import Contrast

    contrasts = [Contrast.from_text(text) for text in options.contrasts]
    if options.contrasts_file is not None:
        contrasts.extend(read_contrasts(options.contrasts_file))
    return contrasts
