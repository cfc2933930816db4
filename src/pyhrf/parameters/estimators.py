"""The estimators: each is registered here, and commands, study file and pages follow from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyhrf.parameters.declare import EstimatorSettings
from pyhrf.parameters.glm import GlmSettings
from pyhrf.parameters.mcmc import McmcSettings
from pyhrf.parameters.rfir import RfirSettings
from pyhrf.parameters.vem import VemSettings


@dataclass(frozen=True, kw_only=True)
class Program:
    """A command that has ``buildcfg`` and ``estim``, for one estimator or several.

    Attributes
    ----------
    name : str
        As ``jde`` in ``pyhrf jde`` and ``pyhrf_jde_estim``.
    study_file : str
        Default name of the study file.
    title : str
        What it does.
    about : str
        What is special of it, to follow the title.
    """

    name: str
    study_file: str
    title: str
    about: str


@dataclass(frozen=True, kw_only=True)
class EstimatorKind:
    """An estimator that a study can name.

    Attributes
    ----------
    name : str
        As a study names it.
    settings : type
        Its own parameters.
    section : str
        Element of the study file that holds them, and its name for ``pyhrf bids``.
    home : str
        Module and class, ``module:Class``; imported only when it is needed.
    program : Program
        Whose commands make and run its studies.
    method : str
        What it is, within a sentence.
    short : str
        Its short name.
    unused : tuple of str
        Parameters of the model that mean nothing to it, as `ModelSettings` names them.
    own_design : bool
        Whether its design is another one than that of `pyhrf.model`.
    packages : tuple of str
        Packages on whose version its numbers depend.
    """

    name: str
    settings: type[EstimatorSettings]
    section: str
    home: str
    program: Program
    method: str
    short: str
    unused: tuple[str, ...] = ()
    own_design: bool = False
    packages: tuple[str, ...] = ()


_JDE = Program(
    name="jde",
    study_file="detectestim.xml",
    title="Joint detection-estimation",
    about=": a response per parcel, activation maps per condition",
)

_ALL = (
    EstimatorKind(
        name="jde-vem",
        settings=VemSettings,
        section="vem",
        home="pyhrf.estimators.vem:JDEVEM",
        program=_JDE,
        method="variational expectation-maximisation",
        short="VEM",
    ),
    EstimatorKind(
        name="jde-mcmc",
        settings=McmcSettings,
        section="mcmc",
        home="pyhrf.estimators.mcmc:JDEMCMC",
        program=_JDE,
        method="Markov chain Monte Carlo",
        short="MCMC",
    ),
    EstimatorKind(
        name="rfir",
        settings=RfirSettings,
        section="rfir",
        home="pyhrf.estimators.rfir:RFIR",
        program=Program(
            name="rfir",
            study_file="rfir.xml",
            title="Regularised finite impulse responses",
            about=": a smooth HRF of each voxel and condition",
        ),
        method="regularised finite impulse responses",
        short="RFIR",
        unused=("seed",),
    ),
    EstimatorKind(
        name="glm",
        settings=GlmSettings,
        section="glm",
        home="pyhrf.estimators.glm:GLM",
        program=Program(
            name="glm",
            study_file="glm.xml",
            title="General linear model",
            about=", by nilearn: tests of every voxel, with an HRF that is given or free",
        ),
        method="the general linear model",
        short="GLM",
        unused=("dt", "seed"),  # its responses have no time step of ours, and nothing is drawn
        own_design=True,
        packages=("nilearn",),
    ),
)

ESTIMATORS = {kind.name: kind for kind in _ALL}
"""By the name in a study; the default comes first."""

PROGRAMS = {kind.program.name: kind.program for kind in _ALL}


def kinds_of(program: Program) -> list[EstimatorKind]:
    """Give the estimators of a program."""
    return [kind for kind in _ALL if kind.program == program]


def enumerated(said: Callable[[EstimatorKind], str]) -> str:
    """Enumerate all estimators in words, those of one program together.

    Parameters
    ----------
    said : callable
        What is said of each.
    """
    groups = []
    for program in PROGRAMS.values():
        kinds = kinds_of(program)
        if len(kinds) == 1:
            groups.append(said(kinds[0]))
        else:
            title = program.title[0].lower() + program.title[1:]
            groups.append(f"{title} {' or '.join(f'by {said(kind)}' for kind in kinds)}")
    return f"{', '.join(groups[:-1])}, or {groups[-1]}"
