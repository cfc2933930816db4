"""``pyhrf jde``: make the study file, and run it."""

from __future__ import annotations

from typing import Any

import click

from pyhrf.commands.build import BuildOptions, build_study
from pyhrf.commands.estimate import EstimOptions, estimate
from pyhrf.commands.exits import OK
from pyhrf.commands.options import (
    CONTEXT,
    FILE,
    confound_columns_option,
    contrast_options,
    engine_option,
    event_column_options,
    fd_threshold_option,
    fresh_option,
    n_jobs_option,
    percent_option,
)
from pyhrf.commands.verbosity import verbosity_option

_STUDY_FILE = "detectestim.xml"


@click.group(short_help="Joint detection-estimation: buildcfg, estim.", context_settings=CONTEXT)
def jde() -> None:
    """Joint detection-estimation: a response per parcel, activation maps per condition."""


@jde.command(short_help="Write the XML file of a study.", context_settings=CONTEXT)
@click.option(
    "-o",
    "study_file",
    type=FILE,
    default=_STUDY_FILE,
    show_default=True,
    help="XML file to write.",
)
@click.option(
    "-f",
    "bold",
    type=FILE,
    multiple=True,
    help="BOLD, 4D NIfTI, GIFTI or CIFTI time series; one -f per run, in order.",
)
@click.option(
    "-k", "parcellation", type=FILE, help="Parcellation or mask on the same grid or mesh."
)
@click.option(
    "-g",
    "meshes",
    type=FILE,
    multiple=True,
    help="Mesh of surface data, GIFTI; of CIFTI one -g for each cortical structure.",
)
@click.option(
    "-r",
    "paradigm",
    type=FILE,
    multiple=True,
    help='Paradigm: CSV of session "condition" onset duration amplitude, or BIDS events TSV; '
    "one per run, or one for all. NAME=FILE is FSL's three columns or AFNI's times of a condition.",
)
@event_column_options
@click.option(
    "-s", "spm", type=FILE, help="SPM.mat: onsets, durations and TR of every session; for -r."
)
@click.option(
    "-I", "tr", type=float, metavar="SECONDS", help="TR in place of the header's, seconds."
)
@click.option(
    "--confounds",
    type=FILE,
    multiple=True,
    help="Confounds, TSV or CSV as those of fMRIPrep; one per run.",
)
@confound_columns_option
@fd_threshold_option
@click.option(
    "--censored",
    type=FILE,
    multiple=True,
    help="Text file of scans to censor, the first being 0, as 0 1 17-20; one per run.",
)
@percent_option
@click.option("--levels-per-run", "per_run", is_flag=True, help="Give each run its own levels.")
@click.option(
    "-d",
    "kind",
    type=click.Choice(["volume", "surface", "simulation"]),
    help="Kind of data.  [default: volume with -f, surface with -f and -g, else simulation]",
)
@click.option(
    "-t",
    "example",
    type=click.Choice(["default", "small", "realistic"]),
    help="Example data to analyse when no -f is given.  [default: default]",
)
@click.option(
    "-e",
    "--vem",
    "estimator",
    flag_value="jde-vem",
    default="jde-vem",
    help="Estimate by VEM (default).",
)
@click.option("--mcmc", "estimator", flag_value="jde-mcmc", help="Estimate by MCMC.")
@click.option(
    "-n",
    "n_iterations",
    type=int,
    metavar="N",
    help="Iterations at most; of MCMC, sweeps of every chain, a third of them burn-in.",
)
@contrast_options
@click.option("-u", "output", type=FILE, help="Output directory.  [default: results]")
@verbosity_option
def buildcfg(**options: Any) -> int:
    """Write the XML file that describes a study, after checking its data.

    With no options, the file describes the analysis of an example data set.
    """
    build_study(BuildOptions(**options))
    return OK


@jde.command(short_help="Run the study of an XML file.", context_settings=CONTEXT)
@click.option(
    "-c", "study_file", type=FILE, default=_STUDY_FILE, show_default=True, help="XML file to run."
)
@engine_option(
    "Where to work: one parcel after the other, on the cores of this machine, on the hosts "
    "of [parallel-LAN] or the cluster of [parallel-cluster] in ~/.pyhrf/config.cfg, or, on a "
    "login node, in jobs of its batch scheduler as [parallel-queue] asks for them."
)
@n_jobs_option()
@click.option("-u", "output", type=FILE, help="Output directory, in place of the study's.")
@fresh_option
@click.option("-s", "stop", is_flag=True, help="Stop at the first parcel that fails.")
@click.option(
    "-p", "profile", is_flag=True, help="Write profile.txt: where the time goes, with -x serial."
)
@click.option(
    "--cancel", is_flag=True, help="Stop what goes on for this study with -x cluster; remove it."
)
@verbosity_option
def estim(**options: Any) -> int:
    """Run the study that an XML file describes; a run that was stopped goes on where it was.

    Exit codes: 0 all parcels done, 1 nothing could start, 2 usage, 3 some parcels failed,
    130 interrupted (start it again to go on).
    """
    return estimate(EstimOptions(**options))
