"""Arguments of the models, made from the one place where each parameter is declared."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields
from typing import Any, TypeVar

from pyhrf.config.messages import RefusedValuesError
from pyhrf.config.study import Study
from pyhrf.errors import ConfigError
from pyhrf.parameters.data import ConfoundSettings, DataSettings
from pyhrf.parameters.declare import argument_facts, docstring_entry
from pyhrf.parameters.estimators import ESTIMATORS
from pyhrf.parameters.kinds import EstimatorKind
from pyhrf.parameters.model import ModelSettings
from pyhrf.wording import did_you_mean

Class = TypeVar("Class", bound=type)
Argument = tuple[str, Any, str]
"""Type, default and what it is."""

_NO_ARGUMENT = ("kind", "example", "tr")  # what is given says them, or t_r
_CONFOUNDS = {"columns": "confound_columns", "fd_threshold": "fd_threshold"}
_FIRST: dict[str, Argument] = {
    "parcellation": (
        "image, path, atlas, masker or int",
        None,
        "Regions, each with an HRF of its own: whole numbers on the grid of the data, an atlas of "
        "nilearn, a NiftiLabelsMasker, or the size of the parcels into which mask_img is cut.",
    ),
    "t_r": (
        "float",
        None,
        "Seconds between scans. Default: None, that is what the images say.",
    ),
    "mask_img": ("image or path", None, "Outside of it nothing is estimated."),
    "meshes": (
        "path or list of paths",
        None,
        "Surfaces on whose nodes GIFTI or CIFTI data lie; a SurfaceImage has its own.",
    ),
    "start_time": (
        "float or list of float",
        None,
        "When the first scan of each run was acquired, seconds after the time that onsets count "
        "from. Default: None, that is what JSON files beside the images say, else 0.",
    ),
    "contrasts": (
        "dict of str to str, or list of str",
        None,
        'Contrasts that are estimated with the rest, such as {"louder": "audio - video"}.',
    ),
}
_LAST: dict[str, Argument] = {
    "engine": (
        "str",
        "local",
        "Where the work is done: serial, local, LAN, cluster, slurm, … as for `pyhrf.analyse`.",
    ),
    "n_jobs": ("int", None, "Processes on this machine. Default: None, that is all of its cores."),
    "output": (
        "path",
        None,
        "Folder of the results, of which a second call takes up what is done. Default: None, "
        "that is none: the results are kept with the model.",
    ),
    "verbose": (
        "int",
        None,
        "0 shows no progress, 1 and more show it. Default: None, that is in notebooks and on "
        "terminals, where it is one bar.",
    ),
}


def with_parameters(*names: str) -> Callable[[Class], Class]:
    """Give a class the constructor and the documentation of a model of some estimators.

    Parameters
    ----------
    *names : str
        The estimators, as studies name them. If they are several, the argument ``method`` chooses.
    """
    kinds = {_method(name): ESTIMATORS[name] for name in names}

    def give(owner: Class) -> Class:
        arguments = {**_FIRST, **_method_argument(kinds), **_declared(kinds), **_LAST}
        made: Any = owner
        made._kinds = kinds
        made.__init__ = _constructor({name: one[1] for name, one in arguments.items()})
        made.__doc__ = (owner.__doc__ or "").replace("    {parameters}", _documented(arguments))
        return owner

    return give


def study_values(
    parameters: Mapping[str, Any], kind: EstimatorKind
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Sort the arguments of a model: those of model, data, confounds, and of the estimator itself.

    What has no value takes the default of a study.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    return (
        {one.name: given[one.name] for one in _of_model(kind) if one.name in given},
        {one.name: given[one.name] for one in _of_data() if one.name in given},
        {name: given[ours] for name, ours in _CONFOUNDS.items() if ours in given},
        {one.name: given[one.name] for one in fields(kind.settings) if one.name in given},
    )


def only_of_others(
    parameters: Mapping[str, Any], method: str, kinds: Mapping[str, EstimatorKind]
) -> list[tuple[str, list[str]]]:
    """Give the parameters that have a value and are of other methods alone, and of which."""
    mine = {one.name for one in fields(kinds[method].settings)}
    found = []
    for name, value in parameters.items():
        owners = [
            other
            for other, kind in kinds.items()
            if name in {x.name for x in fields(kind.settings)}
        ]
        if owners and name not in mine and value is not None:
            found.append((name, owners))
    return found


def argument_of(place: Sequence[str | int]) -> str:
    """Give the argument that a place in a study has for a model."""
    words = [part for part in place if isinstance(part, str)]
    if words[:1] == ["confounds"]:
        return _CONFOUNDS.get(words[-1], words[-1])
    if words[:2] == ["data", "tr"]:
        return "t_r"
    section, name = words[0], words[-1]
    for one in fields(ModelSettings):
        placed = Study.of_model({one.name: None})
        if placed == ({section: {name: None}} if len(words) > 1 else {name: None}):
            return one.name
    return name


def in_arguments(error: RefusedValuesError) -> ConfigError:
    """Name the arguments of a model where a study names its elements."""
    lines = (f"{argument_of(one.place)}: {one.found}" for one in error.mistakes)
    return ConfigError("\n".join(lines))


def _method(name: str) -> str:
    return name.rpartition("-")[2]


def _of_data() -> list[Field[Any]]:
    return [one for one in fields(DataSettings) if one.name not in _NO_ARGUMENT]


def _of_model(kind: EstimatorKind) -> list[Field[Any]]:
    return [one for one in fields(ModelSettings) if one.name not in kind.unused]


def _method_argument(kinds: Mapping[str, EstimatorKind]) -> dict[str, Argument]:
    if len(kinds) == 1:
        return {}
    said = "; ".join(f"{name}, {kind.method}" for name, kind in kinds.items())
    choices = ", ".join(map(repr, kinds))
    return {"method": (f"{{{choices}}}", next(iter(kinds)), f"How it is estimated: {said}.")}


def _declared(kinds: Mapping[str, EstimatorKind]) -> dict[str, Argument]:
    """Give type, default and text of each declared parameter by the name of its argument."""
    found: dict[str, Argument] = {}
    used = dict.fromkeys(one for kind in kinds.values() for one in _of_model(kind))
    for owner, some in ((ModelSettings, [*used]), (DataSettings, _of_data())):
        for one in some:
            kind, text = argument_facts(owner, one.name)
            found[one.name] = (kind, one.default, text)
    if "dt" in found:
        kind, _, text = found["dt"]
        usual = f"{ModelSettings().dt:g}, or twice the time between scans if that is less."
        text = text.partition("Default: ")[0] + f"Default: None, that is {usual}"
        found["dt"] = (kind, None, text)
    for one in fields(ConfoundSettings):
        kind, text = argument_facts(ConfoundSettings, one.name)
        found[_CONFOUNDS[one.name]] = (kind, one.default, text)
    kind, default, text = found["confound_columns"]
    said = f"Default: None, that is all of a table or an array, {default} of a file."
    found["confound_columns"] = (kind, None, text.partition("Default: ")[0] + said)
    for method, estimator in kinds.items():
        for one in fields(estimator.settings):
            found[one.name] = _own(one.name, method, kinds, found.get(one.name))
    return found


def _own(
    name: str, method: str, kinds: Mapping[str, EstimatorKind], before: Argument | None
) -> Argument:
    """Say what a parameter of one or several estimators is; a default that differs is None."""
    kind, text = argument_facts(kinds[method].settings, name)
    defaults = [
        repr(one.default)
        for each in kinds.values()
        for one in fields(each.settings)
        if one.name == name
    ]
    if len(defaults) == len(kinds) and len(set(defaults)) == 1:
        return kind, getattr(kinds[method].settings(), name), text
    said = f"Of {method}: {text[0].lower()}{text[1:]}"
    return kind, None, said if before is None else f"{before[2]} {said}"


def _constructor(defaults: Mapping[str, Any]) -> Callable[..., None]:
    kinds = inspect.Parameter
    signature = inspect.Signature(
        [
            kinds("self", kinds.POSITIONAL_OR_KEYWORD),
            *(
                kinds(
                    name,
                    kinds.POSITIONAL_OR_KEYWORD if name == "parcellation" else kinds.KEYWORD_ONLY,
                    default=default,
                )
                for name, default in defaults.items()
            ),
        ]
    )

    def __init__(self: Any, *given: Any, **parameters: Any) -> None:  # noqa: N807
        unknown = [name for name in parameters if name not in defaults]
        if unknown:
            raise TypeError(
                f"{type(self).__name__} has no parameter {unknown[0]}: "
                f"{did_you_mean(unknown[0], defaults)}"
            )
        bound = signature.bind(self, *given, **parameters)
        bound.apply_defaults()
        # as scikit-learn wants it: nothing is looked at before `fit`
        vars(self).update({name: bound.arguments[name] for name in defaults})

    __init__.__signature__ = signature  # type: ignore[attr-defined]  # read by scikit-learn
    return __init__


def _documented(arguments: Mapping[str, Argument]) -> str:
    return "\n".join(
        docstring_entry(name, kind, text) for name, (kind, _, text) in arguments.items()
    )


def values_of_study(study: Study) -> dict[str, Any]:
    """Give the arguments of a model that a study has."""
    values: dict[str, Any] = {}
    for one in _of_model(study.kind):
        values[one.name] = getattr(study.model, one.name)
    for one in _of_data():
        values[one.name] = getattr(study.data, one.name)
    for name, ours in _CONFOUNDS.items():
        values[ours] = getattr(study.confounds, name)
    return values | {one.name: getattr(study.own, one.name) for one in fields(study.kind.settings)}
