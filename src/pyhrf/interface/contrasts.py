"""Maps of contrasts, declared before the fit or asked for after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr

from pyhrf.config.contrasts import parse_contrast
from pyhrf.data import FloatArray
from pyhrf.errors import ConfigError, InputError
from pyhrf.interface.images import as_surface_image, with_values
from pyhrf.interface.kept import Kept
from pyhrf.interface.prepared import kind_of, prepared
from pyhrf.outputs.maps import MAPS, MapName, map_title
from pyhrf.results import Results
from pyhrf.wording import did_you_mean

if TYPE_CHECKING:
    from pyhrf.interface.model import HrfModel

_OF_LEVELS = ("effect_size", "effect_variance", "stat")
_OF_TESTS = {
    "effect_size": "effect",
    "effect_variance": "effect_variance",
    "stat": "t",
    "z_score": "z",
    "p_value": "p",
    "F": "F",
}


def contrast_image(model: HrfModel, definition: str, output_type: str) -> Any:
    """Give a map of a contrast, see `HrfModel.compute_contrast`."""
    if not isinstance(definition, str):
        raise InputError(
            f"contrast_def is of the type {type(definition).__name__}: give a text, "
            "as 'audio - video'"
        )
    definition = definition.strip()
    kind = kind_of(model._as_fitted)
    has_tests = kind.name in MAPS["t"].by
    known = list(_OF_TESTS) if has_tests else [*_OF_LEVELS, "probability"]
    if output_type not in known:
        raise InputError(
            f"output_type={output_type!r} is not one of {type(model).__name__}: "
            f"{did_you_mean(str(output_type), known)}"
        )
    find = _test_values if has_tests else _level_values
    values = find(model, definition, output_type)
    if model._given.on_surface:
        return as_surface_image(values, model._given.images[0])
    return with_values(values, like=model.results_.load_map("parcels"))


def _test_values(model: HrfModel, definition: str, output_type: str) -> FloatArray:
    results, subject, name = _found(model, definition)
    kind = ("" if subject == "condition" else "contrast_") + _OF_TESTS[output_type]
    if (kind, name) not in results.map_names.values():
        raise InputError(
            f"{definition!r} has no {output_type}: it compares impulses with events that last, "
            "whose regressors have other units; the stat, the z_score and the map of heights "
            "(contrast_…) compare the responses themselves"
        )
    return _values(results, (kind, name))


def _level_values(model: HrfModel, definition: str, output_type: str) -> FloatArray:
    if output_type == "effect_size" and definition not in _declared(model):
        weights = _weights(model, definition)
        if weights is not None:
            levels = [
                weight * _values(model.results_, ("nrl", name)) for name, weight in weights.items()
            ]
            return np.asarray(np.sum(levels, axis=0))
    normal = kind_of(model._as_fitted).normal_levels
    condition_is_enough = output_type != "probability" or normal
    results, subject, name = _found(model, definition, take_condition=condition_is_enough)
    level = "nrl" if subject == "condition" else "contrast"
    if output_type == "effect_size":
        return _values(results, (level, name))
    if output_type == "probability" and subject == "contrast":
        return _values(results, ("contrast_ppm", name))
    sd = _values(results, (f"{level}_sd", name))
    if output_type == "effect_variance":
        return sd**2
    inside = sd != 0  # elsewhere all maps are 0
    stat = np.divide(_values(results, (level, name)), sd, out=np.zeros_like(sd), where=inside)
    return np.where(inside, ndtr(stat), 0) if output_type == "probability" else stat


def _found(
    model: HrfModel, definition: str, *, take_condition: bool = True
) -> tuple[Results, str, str]:
    """Give the results that hold a contrast, whether it is a condition or one, and its name."""
    declared = _declared(model)
    if definition in declared:
        return model.results_, "contrast", declared[definition]
    weights = _weights(model, definition)
    if take_condition and weights is not None and list(weights.values()) == [1.0]:
        return model.results_, "condition", next(iter(weights))
    if definition not in model._extra:
        model._extra[definition] = _estimated(model, definition)
    return model._extra[definition].results, "contrast", _free_name(model)


def _declared(model: HrfModel) -> dict[str, str]:
    """Give the names of declared contrasts, by name and by expression."""
    return {text: name for name, text in model.contrasts_.items()} | {
        name: name for name in model.contrasts_
    }


def _weights(model: HrfModel, definition: str) -> dict[str, float] | None:
    """Give the weights of conditions; None where conditions are parts of those that it names."""
    conditions = model.results_.condition_names
    try:
        weights = parse_contrast(definition, conditions, name=definition)
    except ConfigError:
        if model._as_fitted.levels == "per-run":
            return None
        raise
    return {name: weight for name, weight in weights.items() if weight}


def _estimated(model: HrfModel, definition: str) -> Kept:
    """Estimate again with one contrast more: all else comes out as it was."""
    contrasts = {**model.contrasts_, _free_name(model): definition}
    model._states.check()
    with prepared(model._as_fitted, model._given, contrasts) as ready:
        return Kept.of(model._analysed(ready, ready.folder / "results"))


def _free_name(model: HrfModel) -> str:
    name = "asked"
    while name in model.contrasts_ or name in model.results_.condition_names:
        name += "_"
    return name


def _values(results: Results, key: MapName) -> FloatArray:
    return np.asarray(results.map_values(map_title(*key)), np.float64)
