"""An estimator as a text and back: how it reaches a machine through a file, without pickle.

The text (JSON) names the class and the arguments of its constructor. Numbers arrive with the same
bits; of other objects only those of `pyhrf.data` that describe an experiment are understood.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from pyhrf.data import Estimator, Events, Experiment, Run

_FORMAT = 1
_CLASSES = {kind.__name__: kind for kind in (Events, Run, Experiment)}
_DTYPES = ("bool", "int32", "int64", "uint8", "float32", "float64")


@runtime_checkable
class HasRecipe(Protocol):
    """An estimator that can say how it was made."""

    def recipe(self) -> Mapping[str, object]:
        """Return the keyword arguments with which its class makes its equal."""
        ...


def to_recipe(estimator: Estimator) -> bytes:
    """Write down how an estimator is made.

    Returns
    -------
    bytes
        JSON in UTF-8; equal estimators give equal bytes.

    Raises
    ------
    TypeError
        If it has no ``recipe``, or an argument is of a kind that does not travel.
    """
    kind = type(estimator)
    if not isinstance(estimator, HasRecipe) or "<locals>" in kind.__qualname__:
        raise TypeError(f"{kind.__qualname__} cannot be sent to other machines: it has no recipe")
    arguments = {name: _encode(value, name) for name, value in estimator.recipe().items()}
    content = {
        "format": _FORMAT,
        "class": f"{kind.__module__}:{kind.__qualname__}",
        "arguments": arguments,
    }
    return json.dumps(content, ensure_ascii=False).encode()


def from_recipe(text: bytes) -> Estimator:
    """Make the estimator that `to_recipe` wrote down.

    Raises
    ------
    ValueError
        If the text is no recipe, or names something that is no estimator.
    """
    try:
        content = json.loads(text)
        form, name, arguments = content["format"], str(content["class"]), content["arguments"]
        if form != _FORMAT:
            raise ValueError(f"format {form}")
        decoded = {key: _decode(value) for key, value in arguments.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not the recipe of an estimator ({error})") from error
    module, _, qualname = name.partition(":")
    try:
        kind = getattr(importlib.import_module(module), qualname)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"the estimator {name} is not there: {error}") from error
    if not (isinstance(kind, type) and hasattr(kind, "fit_parcel") and hasattr(kind, "recipe")):
        raise ValueError(f"{name} is no estimator with a recipe")
    estimator: Estimator = kind(**decoded)
    return estimator


def _encode(value: object, where: str) -> Any:
    """Turn a value into what JSON holds: plain ones as they are, others in a tagged object."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value  # the shortest text that gives the same float
    if isinstance(value, np.ndarray):
        if value.dtype.name not in _DTYPES:
            raise TypeError(f"{where} holds {value.dtype}, not {', '.join(_DTYPES)}")
        return {"array": value.tolist(), "dtype": value.dtype.name, "shape": list(value.shape)}
    if isinstance(value, tuple | list):
        tag = "tuple" if isinstance(value, tuple) else "list"
        return {tag: [_encode(each, where) for each in value]}
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {"mapping": {key: _encode(each, f"{where}.{key}") for key, each in value.items()}}
    if is_dataclass(value) and type(value).__name__ in _CLASSES:
        content = {
            each.name: _encode(getattr(value, each.name), f"{where}.{each.name}")
            for each in fields(value)
        }
        return {"data": type(value).__name__, "fields": content}
    raise TypeError(f"{where} is a {type(value).__name__}, which cannot be sent to other machines")


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "array" in value:
        if value["dtype"] not in _DTYPES:
            raise ValueError(f"dtype {value['dtype']}")
        return np.array(value["array"], dtype=value["dtype"]).reshape(value["shape"])
    if "tuple" in value:
        return tuple(_decode(each) for each in value["tuple"])
    if "list" in value:
        return [_decode(each) for each in value["list"]]
    if "mapping" in value:
        return {key: _decode(each) for key, each in value["mapping"].items()}
    kind = _CLASSES[value["data"]]
    return kind(**{name: _decode(each) for name, each in value["fields"].items()})
