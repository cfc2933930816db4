"""The list of the estimators: commands, study file and pages follow from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import Field, fields
from typing import Any

from pyhrf.errors import ConfigError
from pyhrf.parameters import glm, mcmc, rfir, vem
from pyhrf.parameters.data import ConfoundSettings, DataSettings
from pyhrf.parameters.declare import Option
from pyhrf.parameters.kinds import EstimatorKind, Program
from pyhrf.parameters.model import ModelSettings

_KINDS: tuple[EstimatorKind, ...] = (vem.KIND, mcmc.KIND, rfir.KIND, glm.KIND)

ESTIMATORS = {kind.name: kind for kind in _KINDS}
"""By the name in a study; the default comes first."""

SHARED = {"data": DataSettings, "model": ModelSettings, "confounds": ConfoundSettings}
"""Parameters that are not of one estimator alone, by what options call their group."""

PROGRAMS = {kind.program.name: kind.program for kind in ESTIMATORS.values()}


def kind_of(study: Mapping[str, Any]) -> EstimatorKind:
    """Give the estimator of a study as results record it; what names none is of the default."""
    return ESTIMATORS[study.get("estimator", _KINDS[0].name)]


def assumed_response(study: Mapping[str, Any]) -> str:
    """Say which response a study takes for known; empty where it is estimated.

    Parameters
    ----------
    study : mapping
        As results record it.
    """
    kind = kind_of(study)
    model = study.get(kind.section, {}).get("model")
    return kind.responses[model] if model in kind.assumed else ""


def kinds_of(program: Program) -> list[EstimatorKind]:
    """Give the estimators of a program."""
    return [kind for kind in ESTIMATORS.values() if kind.program == program]


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


def declared_options(
    kinds: Iterable[EstimatorKind],
) -> dict[tuple[str, str], list[Field[Any]]]:
    """Give the parameters that have an option, by group and name.

    Those that estimators have for themselves are the group ``own``, in which several may have one.
    """
    groups = [*SHARED.items(), *(("own", kind.settings) for kind in kinds)]
    found: dict[tuple[str, str], list[Field[Any]]] = {}
    for group, settings in groups:
        for one in fields(settings):
            if one.metadata["option"] is not None:
                found.setdefault((group, one.name), []).append(one)
    return found


def given_options(given: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Option]:
    """Give the options of parameters that were given, by group and name."""
    return {
        place: declared[0].metadata["option"]
        for place, declared in declared_options(ESTIMATORS.values()).items()
        if place[1] in given.get(place[0], ())
    }


def own_parameters(kind: EstimatorKind, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give an estimator's own parameters, as far as options say something of them.

    Raises
    ------
    ConfigError
        If they contradict each other, or it has no such parameter.
    """
    own = {one.name for one in fields(kind.settings)}
    for (_, name), option in given_options({"own": given}).items():
        if name not in own:
            raise ConfigError(
                f"{option.shown} sets {name}, and {kind.spoken} has none: leave it out"
            )
    return kind.settings.of_options(given)
