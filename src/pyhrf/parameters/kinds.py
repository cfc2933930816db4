"""What there is to say of an estimator: its name, class, parameters, command and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyhrf.parameters.declare import EstimatorSettings


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
    design_copies : float
        How often the products of its design are in memory at once.
    responses : mapping of str to str
        What the response to an event is, in a report, for each value of its parameter ``model``;
        empty where it is that of `pyhrf.model`.
    assumed : tuple of str
        Values of ``model`` with which the response is known before, not estimated.
    criterion : str
        What its iterations raise, as plots name it.
    normal_levels : bool
        Whether it takes the posterior of levels for normal, so that mean and sd say all of it.
    packages : tuple of str
        Packages on whose version its numbers depend.
    report_name : str
        Its name at the top of a report.
    report : str
        What it does, a sentence for a methods section, with ``{place}`` for a voxel or node.
    references : tuple of str
        The papers that it rests on.
    more_references : mapping of str to str
        The paper that a value of its parameter ``model``, or a kind of noise, rests on.
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
    design_copies: float = 1.0
    responses: Mapping[str, str] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    criterion: str = "log likelihood"
    normal_levels: bool = False
    packages: tuple[str, ...] = ()
    report_name: str
    report: str
    references: tuple[str, ...] = ()
    more_references: Mapping[str, str] = field(default_factory=dict)

    @property
    def spoken(self) -> str:
        """Its short name within a sentence."""
        return f"the {self.short}" if self.method.startswith("the ") else self.short
