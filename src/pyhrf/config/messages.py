"""What a user reads when a value is refused: place, value, and what is allowed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from pyhrf.errors import ConfigError
from pyhrf.parameters.declare import sentences
from pyhrf.wording import did_you_mean

Place = tuple[str | int, ...]


_OF_TYPE = "a value of the type"


@dataclass(frozen=True, slots=True)
class Mistake:
    """A value that is refused.

    Attributes
    ----------
    place : tuple
        Of fields from the study down, with the number of one of several.
    where : str
        Its place in the words of the file.
    found : str
        What is wrong with it, and what is allowed.
    """

    place: Place
    where: str
    found: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}" if self.where else self.found


class RefusedValuesError(ConfigError):
    """Values are not allowed.

    Parameters
    ----------
    mistakes : sequence of Mistake
        Its text has one a line.
    """

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def config_error(
    error: ValidationError,
    model: type[BaseModel],
    *,
    source: str = "",
    line_of: Callable[[Place], int | None] = lambda _: None,
) -> RefusedValuesError:
    """Turn what pydantic found into sentences, one a line.

    Parameters
    ----------
    error : ValidationError
        Of ``model``, directly or by way of pydantic-xml.
    model : type
        Where the places of the error start.
    source : str
        What the values come from, such as a file.
    line_of : callable
        Line of a place in that file, if known.

    Returns
    -------
    RefusedValuesError
        To be raised by the caller.
    """
    mistakes: dict[str, Mistake] = {}
    for details in error.errors(include_url=False):
        place, label, field = _locate(model, details["loc"])
        line = line_of(place)
        where = [source, f"line {line}" if line else "", label]
        if details["type"] == "missing":
            empty = facts_of(field).get("form") == "text"
            found = f"it is empty: {rule_of(field)}" if empty else "it is missing"
        elif details["type"] == "extra_forbidden":
            name, parent = str(details["loc"][-1]), section_of(field)[0] if field else model
            known = parent.model_fields if parent else ()
            found = f"no parameter is called {name}: {did_you_mean(name, known)}"
        else:
            found = problem(details, field)
        mistake = Mistake(place, ", ".join(part for part in where if part), found)
        # Each branch of a union has its own complaint; the user made one mistake.
        mistakes.setdefault(str(mistake), mistake)
    return RefusedValuesError(list(mistakes.values()))


def problem(details: Mapping[str, Any], field: FieldInfo | None) -> str:
    """Say what is wrong with one value, without its place."""
    value, context = details["input"], details.get("ctx", {})
    message = str(context.get("orig", details["msg"]))
    rule = message if details["type"] == "not_allowed" else rule_of(field) or message
    if details["type"] in {"float_parsing", "float_type"}:
        # "must be > 0" does not tell why 1,5 is refused.
        rule = re.sub(r"^must be (?=[<>])", "must be a number ", rule)
    shown = _shown(value)
    if shown.startswith(_OF_TYPE) and "the path of a file" in rule:
        rule += "; what is in memory goes to the fit of pyhrf.JDE, pyhrf.RFIR or pyhrf.GLM"
    return f"{shown} is not allowed: {rule}"


def rule_of(field: FieldInfo | None) -> str:
    """Say what a field must be, or nothing if that is not written."""
    facts = facts_of(field)
    unit = f" ({facts['unit']})" if facts.get("unit") else ""
    return f"must be {facts['allowed']}{unit}" if facts.get("allowed") else ""


def facts_of(field: FieldInfo | None) -> dict[str, str]:
    """Give the facts that `study_field` stored: allowed, unit, empty, form, tag."""
    extra = field.json_schema_extra if field else None
    return {key: str(value) for key, value in extra.items()} if isinstance(extra, dict) else {}


def described(field: FieldInfo) -> str:
    """Say what a field is, what is allowed, and its default."""
    facts = {**facts_of(field), "description": field.description}
    is_value = section_of(field)[0] is None and not field.is_required()
    return sentences(facts, field.default if is_value else ())


def tag_of(name: str, field: FieldInfo) -> str:
    """Give the name that a field has in the file."""
    return facts_of(field).get("tag") or name


def section_of(field: FieldInfo) -> tuple[type[BaseModel] | None, bool]:
    """Give the model of a field that is a section, and whether any may be there several times."""
    annotation = field.annotation
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, False
    for argument in get_args(annotation):
        if isinstance(argument, type) and issubclass(argument, BaseModel):
            return argument, True
    return None, get_origin(annotation) is tuple


def _locate(model: type[BaseModel], loc: Place) -> tuple[Place, str, FieldInfo | None]:
    """Follow a place from ``model`` down: the part that exists, its label, and its field."""
    label, attribute, field = "", "", None
    current: type[BaseModel] | None = model
    known: list[str | int] = []
    for part in loc:
        if isinstance(part, int):
            label = f"{label[:-1]} {part + 1}>"
        elif current is not None and part in current.model_fields:
            field = current.model_fields[part]
            if facts_of(field).get("form") == "attribute":
                attribute = f", attribute {tag_of(part, field)}"
            elif facts_of(field).get("form") == "element":
                label += f"<{tag_of(part, field)}>"
            current = section_of(field)[0]
        else:
            break
        known.append(part)
    return tuple(known), f"element {label}{attribute}" if label else attribute[2:], field


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    text = str(value)
    if isinstance(value, (BaseModel, Mapping, list, tuple)):
        return "the value"
    if not isinstance(value, (str, int, float, PurePath)):
        return f"{_OF_TYPE} {type(value).__name__}"  # such as an image
    return text if text and text.isprintable() else repr(text)
