"""``pyhrf bids``: the BIDS App."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from pyhrf import __version__
from pyhrf.commands.done_before import Before
from pyhrf.commands.exits import NOT_STARTED, OK, SOME_FAILED
from pyhrf.commands.logs import logging_to
from pyhrf.commands.options import (
    CONTEXT,
    FILE,
    contrast_options,
    engine_option,
    fresh_option,
    n_jobs_option,
)
from pyhrf.commands.parameter_options import joined_words, parameter_options, take_parameters
from pyhrf.commands.verbosity import PROGRESS, as_verbosity, verbosity_option
from pyhrf.errors import printable
from pyhrf.notices import LeftOut
from pyhrf.parameters.estimators import ESTIMATORS, enumerated

if TYPE_CHECKING:
    from pyhrf.bids.options import BidsOptions
    from pyhrf.errors import PyhrfError
    from pyhrf.results import Results

_SIZE = "300"
_SHARED = "  [default: all; they share the responses]"
_LABELS = {
    "sub": (
        ("--participant-label", "--participant_label", "participants"),
        "Participants, such as 01 02, with or without sub-.  [default: all]",
    ),
    "ses": (("--session-label", "--session_label", "sessions"), f"Sessions.{_SHARED}"),
    "task": (
        ("--task", "--task-id", "tasks"),
        "Tasks; each is analysed separately.  [default: all with events]",
    ),
    "run": (("--run", "runs"), f"Runs.{_SHARED}"),
    "acq": (
        ("--acq",),
        "Acquisition (acq-LABEL) to use where a run has several, or several to use as separate "
        "scans; none for files without this label.",
    ),
    "ce": (("--ce",), "Contrast agents (ce-LABEL), used like --acq."),
    "rec": (
        ("--rec",),
        "Reconstruction (rec-LABEL) to use where a scan has several; none for files without this "
        "label.",
    ),
    "dir": (("--dir",), f"Phase encoding directions (dir-LABEL).{_SHARED}"),
}
"""Options that choose files by their labels, with their help, by entity."""
_SEVERAL = {name for names, _ in _LABELS.values() for name in names}
"""Options that take several labels, as ``--participant-label 01 02``."""


class _BidsCommand(click.Command):
    """A command whose options of labels may be followed by several, as those of BIDS Apps."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        levels = [place for place, word in enumerate(args) if word in ("participant", "group")]
        first = levels[0] + 1 if levels else len(args)
        return super().parse_args(ctx, _spread(joined_words(args, first), first))


def _spread(args: Sequence[str], first: int) -> list[str]:
    """Repeat an option of labels before each of them, in what follows the three arguments."""
    spread = list(args[:first])
    option, n_labels = "", 0
    for word in args[first:]:
        if word.startswith("-") and word != "-":
            option, n_labels = (word, 0) if word in _SEVERAL else ("", 0)
        elif option:
            n_labels += 1
            if n_labels > 1:
                spread.append(option)
        spread.append(word)
    return spread


def _labels(entity: str) -> Any:
    """Make the callback of an option: labels, apart by commas or blanks too, without entity."""

    def split(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> Any:
        words = [word for text in given for word in text.replace(",", " ").split()]
        return tuple(dict.fromkeys(word.removeprefix(f"{entity}-") for word in words))

    return split


def _label_options(command: Any) -> Any:
    """Add the options that choose among files by their labels."""
    for entity, (names, text) in reversed(_LABELS.items()):
        command = click.option(
            *names, multiple=True, callback=_labels(entity), metavar="LABELS", help=text
        )(command)
    return command


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _parcellation(
    _ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]
) -> Path | tuple[Path, ...] | int:
    """Take a number, a file, or one of each hemisphere, repeated or apart by commas."""
    words = [
        word
        for text in given or (_SIZE,)
        for word in ([text] if Path(text).exists() else text.split(","))
    ]
    if len(words) == 1 and words[0].isdecimal():
        if int(words[0]) < 1:
            raise click.BadParameter("a parcel has at least 1 voxel")
        return int(words[0])
    for word in words:
        if not word.isdecimal() and _is_number(word) and not Path(word).exists():
            raise click.BadParameter(
                f"{word} is neither a file nor a size of parcels, which is a whole number of "
                "voxels, 1 or more"
            )
    if not all(words) or any(word.isdecimal() for word in words):
        raise click.BadParameter("give one number, or files: of surfaces one for each hemisphere")
    paths = tuple(Path(word) for word in words)
    return paths[0] if len(paths) == 1 else paths


@click.command(
    cls=_BidsCommand,
    short_help="Analyse a BIDS data set that fMRIPrep has preprocessed.",
    context_settings=CONTEXT,
)
@click.argument("bids_dir", type=FILE, metavar="BIDS_DIR")
@click.argument("out_dir", type=FILE, metavar="OUT_DIR")
@click.argument("level", type=click.Choice(["participant", "group"]), metavar="participant")
@_label_options
@click.option(
    "--space",
    metavar="SPACE",
    help="Space of the BOLD data, as fMRIPrep writes it (MNI152NLin2009cAsym:res-2, T1w; func "
    "with a single run; fsaverage5, fsnative or fsLR on a surface).  "
    "[default: the only one, or MNI152NLin2009cAsym]",
)
@click.option(
    "--desc",
    default="preproc",
    callback=lambda _ctx, _param, text: text.removeprefix("desc-"),
    metavar="LABEL",
    help="Version of the BOLD data (desc-LABEL), such as smoothAROMAnonaggr, or tedana's denoised; "
    "none for files without this label.  [default: preproc]",
)
@click.option(
    "--derivatives",
    type=FILE,
    metavar="DIR",
    help="Folder of fMRIPrep's results.  [default: BIDS_DIR/derivatives/fmriprep]",
)
@click.option(
    "--parcellation",
    multiple=True,
    callback=_parcellation,
    metavar="FILE|SIZE",
    help="Atlas in the space of the data: NIfTI, resampled to their grid; for surfaces .label.gii, "
    "one for each hemisphere, or .dlabel.nii. Or a number: parcels of at most so many voxels or "
    f"nodes are cut from the brain mask or the mesh.  [default: {_SIZE}]",
)
@click.option(
    "-g",
    "--mesh",
    "meshes",
    multiple=True,
    type=FILE,
    help="Mesh of a hemisphere for surface data (.surf.gii), whose name contains hemi-L or begins "
    "with lh., or which names its structure; may be repeated.  [default: fMRIPrep's, or nilearn's "
    "for fsaverage5]",
)
@contrast_options
@click.option(
    "--estimator",
    type=click.Choice([kind.section for kind in ESTIMATORS.values()]),
    help=f"Estimator: {enumerated(lambda kind: kind.spoken)}.  "
    f"[default: {next(iter(ESTIMATORS.values())).section}]",
)
@click.option(
    "-c",
    "study_file",
    type=FILE,
    metavar="XML",
    help="Study file, as pyhrf_jde_buildcfg writes it: its parameters are used, but not its data "
    "files; other options take precedence.",
)
@engine_option("Where to compute, as for pyhrf jde estim; all participants are worked on together.")
@n_jobs_option("--n-cpus", "--n_cpus", "--nprocs")
@fresh_option
@click.option(
    "--cancel",
    is_flag=True,
    help="Stop the jobs of the same command on the cluster (-x cluster) and remove what they left.",
)
@click.option(
    "--skip-bids-validation",
    "--skip_bids_validator",
    "skip_validation",
    is_flag=True,
    help="Do not require a valid dataset_description.json of data set and derivatives.",
)
@click.version_option(__version__, prog_name="pyhrf bids")
@verbosity_option
def bids(**given: Any) -> int:
    """Analyse the participants of BIDS_DIR, preprocessed by fMRIPrep; write derivatives to OUT_DIR.

    All runs of a participant and task share their responses. BIDS_DIR is never written to. A
    participant who cannot be analysed does not stop the others, and the same command does what is
    missing.

    Exit codes: 0 all done, 1 nothing could start, 2 usage, 3 some participants or parcels failed,
    130 interrupted (start it again to continue).
    """
    if given.pop("level") == "group":
        raise click.UsageError(
            "there is no analysis at the group level: give participant, then use its maps of "
            "effects and variances in the group model of your choice"
        )
    engine, n_jobs, fresh = given.pop("engine"), given.pop("n_jobs"), given.pop("fresh")
    if n_jobs is not None and engine != "local":
        raise click.UsageError("-j (--n-cpus, --nprocs) is the number of job slots of -x local")
    cancel = given.pop("cancel")
    if cancel and (engine != "cluster" or fresh):
        raise click.UsageError(
            "--cancel stops what is running on the cluster and starts nothing: "
            "give it with -x cluster and without --fresh"
        )
    from pyhrf.bids.app import analyse_bids, cancel_bids
    from pyhrf.config.settings import load_settings

    start = monotonic()
    settings = load_settings()
    level = given.pop("verbosity")
    verbosity = as_verbosity(settings.log.level if level is None else level)
    options = _options(given)

    def tell(text: str) -> None:
        # Also at level 0: silence is for runs that need no attention.
        if verbosity >= PROGRESS or isinstance(text, LeftOut):
            click.echo(printable(text), err=True)

    if cancel:
        found = cancel_bids(options, engine=engine, settings=settings, tell=tell)
        tell("stopped and cleared up" if found else "there is nothing to cancel")
        return OK
    before = Before(tell)
    with logging_to(verbosity, settings.log.log_to_file):
        answer = analyse_bids(
            options,
            engine=engine,
            n_jobs=n_jobs,
            fresh=fresh,
            verbosity=verbosity,
            settings=settings,
            tell=before,
            command=sys.argv,
        )
    when = f"analysed in {monotonic() - start:.1f} s"
    if before.everything:
        when = "were analysed before, and nothing was left to do"
    return _report(answer, options, verbosity, when)


_BEFORE = next(k for k, one in enumerate(bids.params) if one.name == "contrasts")
bids.params[_BEFORE:_BEFORE] = parameter_options(ESTIMATORS.values(), in_bids=True)


def _options(given: dict[str, Any]) -> BidsOptions:
    from pyhrf.bids.options import BidsOptions
    from pyhrf.inputs.bids import Selection

    names = ("sessions", "tasks", "runs", "acq", "ce", "rec", "dir", "desc", "space")
    selection = Selection(**{name: given.pop(name) for name in names})
    check = not given.pop("skip_validation")
    parameters = take_parameters(given)
    return BidsOptions(**given, parameters=parameters, selection=selection, check=check)


def _report(
    answer: dict[str, Results | PyhrfError], options: BidsOptions, verbosity: int, when: str
) -> int:
    """Say what came of the participants; those left out have been named."""
    from pyhrf.results import Results
    from pyhrf.results.naming import parcels_called
    from pyhrf.results.report_warnings import noise_warnings, outlying_warning

    whole = {name: x for name, x in answer.items() if isinstance(x, Results)}
    for name, results in whole.items():
        if results.failed:
            failed = parcels_called(results, list(results.failed))
            said = f"{name}: {failed} of {results.n_parcels} failed, see the file"
            click.echo(printable(f"{said} desc-parcels_dseg.tsv"), err=True)
        for warning in [outlying_warning(results), *noise_warnings(results)]:
            if warning and verbosity >= PROGRESS:
                click.echo(printable(f"{name}: {warning}"), err=True)
        if results.weak and verbosity >= PROGRESS:
            click.echo(
                f"{name}: {len(results.weak)} of {results.n_parcels} parcels: the response is "
                f"poorly determined (hrf_quality below 0.5), see {name}.html",
                err=True,
            )
    if not whole:
        click.echo("pyhrf bids: nothing could be analysed, for the reasons above", err=True)
        return NOT_STARTED
    if verbosity >= PROGRESS:
        of_halves = any("_hemi-" in name for name in answer)
        what = "participants, tasks and hemispheres" if of_halves else "participants and tasks"
        click.echo(f"{len(whole)} of {len(answer)} {what} {when}; results are in {options.out_dir}")
    everything = len(whole) == len(answer) and not any(x.failed for x in whole.values())
    return OK if everything else SOME_FAILED
