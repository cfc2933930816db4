"""Commands of the other estimators, with the options of ``pyhrf jde``."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import click

from pyhrf.commands import jde
from pyhrf.commands.build import BuildOptions, build_study
from pyhrf.commands.estimate import EstimOptions, estimate
from pyhrf.commands.exits import OK


def buildcfg_like_jde(
    estimator: str, *, study_file: str, without: Sequence[str], extra: Sequence[click.Option] = ()
) -> click.Command:
    """Make a ``buildcfg`` for another estimator.

    Parameters
    ----------
    estimator : str
        As a study names it.
    study_file : str
        Default of ``-o``.
    without : sequence of str
        Options of ``pyhrf jde buildcfg`` that mean nothing to it, by parameter.
    extra : sequence of click.Option
        Options of its own.
    """

    def run(**options: Any) -> int:
        given = {**dict.fromkeys(without), **options, "estimator": estimator}
        build_study(BuildOptions(**given))
        return OK

    command = _variant(jde.buildcfg, run, study_file, ("estimator", *without))
    command.params[-1:-1] = extra  # before -v
    return command


def estim_like_jde(program: str, *, study_file: str) -> click.Command:
    """Make an ``estim`` for another estimator.

    Parameters
    ----------
    program : str
        Its name, as ``pyhrf_glm_estim``.
    study_file : str
        Default of ``-c``.
    """

    def run(**options: Any) -> int:
        return estimate(EstimOptions(**options, program=program))

    return _variant(jde.estim, run, study_file, ())


def _variant(
    command: click.Command, run: Callable[..., int], study_file: str, without: Sequence[str]
) -> click.Command:
    """Copy a command, with another function and another default for the study file."""
    variant = copy.copy(command)
    variant.callback = run
    variant.params = [copy.copy(one) for one in command.params if one.name not in without]
    for one in variant.params:
        if one.name == "study_file":
            one.default = study_file
    return variant
