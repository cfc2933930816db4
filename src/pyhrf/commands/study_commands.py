"""``pyhrf jde`` and the like: make the study file of an estimator, and run it."""

from __future__ import annotations

from typing import Any

import click

from pyhrf.commands.build import BuildOptions, build_study
from pyhrf.commands.estimate import EstimOptions, estimate
from pyhrf.commands.exits import OK
from pyhrf.commands.options import (
    CONTEXT,
    FILE,
    contrast_options,
    engine_option,
    fresh_option,
    n_jobs_option,
)
from pyhrf.commands.parameter_options import (
    ParameterCommand,
    parameter_options,
    take_parameters,
)
from pyhrf.commands.verbosity import verbosity_option
from pyhrf.parameters.estimators import PROGRAMS, kinds_of
from pyhrf.parameters.kinds import EstimatorKind, Program


def _buildcfg(program: Program) -> click.Command:
    """Make the command that writes a study file."""
    kinds = kinds_of(program)

    @click.command(
        cls=ParameterCommand,
        short_help="Write the XML file of a study.",
        context_settings=CONTEXT,
    )
    @click.option(
        "-o",
        "study_file",
        type=FILE,
        default=program.study_file,
        show_default=True,
        help="XML file to write.",
    )
    @click.option(
        "-f",
        "bold",
        type=FILE,
        multiple=True,
        help="BOLD time series: 4D NIfTI, GIFTI or CIFTI; one -f per run, in order.",
    )
    @click.option(
        "-k", "parcellation", type=FILE, help="Parcellation or mask on the same grid or mesh."
    )
    @click.option(
        "-g",
        "meshes",
        type=FILE,
        multiple=True,
        help="Mesh of surface data (GIFTI); for CIFTI, one -g for each cortical structure.",
    )
    @click.option(
        "-r",
        "paradigm",
        type=FILE,
        multiple=True,
        help='Paradigm: CSV of session "condition" onset duration amplitude, or BIDS events TSV; '
        "one per run, or one for all. NAME=FILE gives the events of one condition, as FSL's three "
        "columns or AFNI's times.",
    )
    @click.option(
        "-s",
        "spm",
        type=FILE,
        help="SPM.mat, instead of -r: onsets, durations and TR of every session.",
    )
    @click.option(
        "--confounds",
        type=FILE,
        multiple=True,
        help="Confounds, TSV or CSV like fMRIPrep's; one per run.",
    )
    @click.option(
        "--censored",
        type=FILE,
        multiple=True,
        help="Text file of the scans to censor, such as 0 1 17-20, where 0 is the first; one per "
        "run.",
    )
    @contrast_options
    @click.option("-u", "output", type=FILE, help="Output directory.  [default: results]")
    @verbosity_option
    def buildcfg(**options: Any) -> int:
        """Write the XML file that describes a study, after checking its data.

        With no options, the file describes the analysis of an example data set.
        """
        options.setdefault("estimator", kinds[0].name)
        build_study(BuildOptions(parameters=take_parameters(options), **options))
        return OK

    place = next(k for k, one in enumerate(buildcfg.params) if one.name == "contrasts")
    buildcfg.params[place:place] = [*parameter_options(kinds), *_estimator_flags(kinds)]
    return buildcfg


def _estimator_flags(kinds: list[EstimatorKind]) -> list[click.Option]:
    """Make the options that choose among the estimators of a program, if there are several."""
    if len(kinds) == 1:
        return []
    first, *others = kinds
    return [
        click.Option(
            ["-e", f"--{first.section}", "estimator"],
            flag_value=first.name,
            default=first.name,
            help=f"Estimate by {first.short} (default).",
        ),
        *(
            click.Option(
                [f"--{kind.section}", "estimator"],
                flag_value=kind.name,
                help=f"Estimate by {kind.short}.",
            )
            for kind in others
        ),
    ]


def _estim(program: Program) -> click.Command:
    """Make the command that runs a study."""

    @click.command(short_help="Run the study of an XML file.", context_settings=CONTEXT)
    @click.option(
        "-c",
        "study_file",
        type=FILE,
        default=program.study_file,
        show_default=True,
        help="XML file to run.",
    )
    @engine_option(
        "Where to compute: one parcel after the other (serial), on the cores of this machine "
        "(local), on the hosts of [parallel-LAN] or the cluster of [parallel-cluster] in "
        "~/.pyhrf/config.cfg (LAN, cluster), or, from a login node, in jobs of its batch scheduler "
        "with the settings of [parallel-queue]."
    )
    @n_jobs_option()
    @click.option("-u", "output", type=FILE, help="Output directory, instead of the study's.")
    @fresh_option
    @click.option("-s", "stop", is_flag=True, help="Stop at the first parcel that fails.")
    @click.option(
        "-p",
        "profile",
        is_flag=True,
        help="Write profile.txt, which shows where the time goes; runs with -x serial.",
    )
    @click.option(
        "--cancel",
        is_flag=True,
        help="Stop the jobs of this study on the cluster (-x cluster) and remove what they left.",
    )
    @verbosity_option
    def estim(**options: Any) -> int:
        """Run the study that an XML file describes; a run that was stopped is continued.

        Exit codes: 0 all parcels done, 1 nothing could start, 2 usage, 3 some parcels failed,
        130 interrupted (start it again to continue).
        """
        return estimate(EstimOptions(**options, program=f"pyhrf_{program.name}_estim"))

    return estim


def _group(program: Program) -> click.Group:
    group = click.Group(
        program.name,
        help=f"{program.title}{program.about}.",
        short_help=f"{program.title}: buildcfg, estim.",
        context_settings=CONTEXT,
    )
    group.add_command(_buildcfg(program))
    group.add_command(_estim(program))
    return group


GROUPS = {program.name: _group(program) for program in PROGRAMS.values()}
"""The commands of each program, by its name."""
