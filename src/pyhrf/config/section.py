"""How a section of a study declares its parameters, and takes over those declared elsewhere."""

from __future__ import annotations

import unicodedata
from dataclasses import Field as DataclassField
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Union, cast, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_xml import BaseXmlModel, attr, element

from pyhrf.parameters.declare import EstimatorSettings


class Section(BaseXmlModel, search_mode="unordered"):
    """A group of parameters: frozen, no unknown name, no infinite number."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, revalidate_instances="always"
    )


def study_field(
    *,
    description: str,
    allowed: str = "",
    unit: str = "",
    empty: str = "",
    setting: str = "",
    tag: str | None = None,
    form: Literal["element", "attribute", "text"] = "element",
    **options: Any,
) -> Any:
    """Declare a field of a `Section`.

    Parameters
    ----------
    description : str
        What it is, one sentence without a full stop; becomes the comment in the file.
    allowed : str
        What is allowed, to follow "must be" in an error message.
    unit : str
        Unit of the value.
    empty : str
        What an empty element means, for a parameter that may be left empty.
    setting : str
        Name in the dataclass that declares it, where that is not here.
    tag : str, optional
        Name of the element if it is not the name of the field.
    form : {"element", "attribute", "text"}
        What holds it in the file; ``text`` is the text of the section's own element.
    **options
        Passed to pydantic: ``default``, ``gt``, ``le``, …
    """
    options["description"] = description
    options["json_schema_extra"] = {
        "allowed": allowed,
        "unit": unit,
        "empty": empty,
        "setting": setting,
        "form": form,
        "tag": tag or "",
    }
    if form == "text":
        return Field(**options)
    return attr(tag, **options) if form == "attribute" else element(tag, **options)


def as_declared(owner: type, name: str) -> Any:
    """Declare a field of a `Section` as a dataclass of `pyhrf.parameters` declares it."""
    (one,) = (one for one in fields(owner) if one.name == name)
    facts = dict(one.metadata)
    limits = facts.pop("limits")
    del facts["option"]
    if facts.pop("as_text") or "Literal" in str(one.type):
        limits = {}  # those of a number among other things are with its type
    return study_field(**facts, **limits, default=one.default, setting=name)


def section_of_settings(settings: type[EstimatorSettings], module: str) -> type[Section]:
    """Make the section of the parameters that an estimator has for itself, for a module."""
    hints = get_type_hints(settings)

    def check(section: Section) -> Section:
        for name, rule in settings.of(section).conflicts():
            raise cross_check_error(type(section), (name,), getattr(section, name), rule)
        return section

    content: dict[str, Any] = {
        one.name: (_kind_in_file(hints[one.name], one), as_declared(settings, one.name))
        for one in fields(settings)
    }
    return create_model(
        settings.__name__,
        __base__=Section,
        __doc__=settings.__doc__,
        __module__=module,
        __validators__={"check": cast("Any", model_validator(mode="after")(check))},
        **content,
    )


def _kind_in_file(hint: Any, one: DataclassField[Any]) -> Any:
    """Give the type that a parameter has in a study file."""
    as_text = one.metadata["as_text"]
    if callable(as_text):
        return Annotated[PlainText | None, BeforeValidator(as_text)]
    if as_text:
        return PlainText | None
    if one.metadata["limits"] and "Literal" in str(one.type):
        number, *words = get_args(hint)
        return Union[(Annotated[number, Field(**one.metadata["limits"])], *words)]
    return hint


def not_allowed(rule: str) -> PydanticCustomError:
    """Error of a validator of one value: ``rule`` follows "VALUE is not allowed: "."""
    return PydanticCustomError("not_allowed", "{rule}", {"rule": rule})


def cross_check_error(
    model: type[Section], where: tuple[str | int, ...], value: object, rule: str
) -> ValidationError:
    """Error of a check of several values, blamed on the field ``where`` below ``model``."""
    details = InitErrorDetails(type=not_allowed(rule), loc=where, input=value)
    return ValidationError.from_exception_data(model.__name__, [details])


def _check_text(text: str) -> str:
    """Refuse what an XML file cannot give back unchanged."""
    if text != text.strip():
        raise not_allowed("it must not begin or end with a blank")
    # Cc control, Cs lone surrogate (a name that is not UTF-8), Zl and Zp line ends.
    if any(
        unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} or char in "\ufffe\uffff"
        for char in text
    ):
        raise not_allowed("it must be plain text without control characters")
    return text


def _check_path(path: Path) -> Path:
    _check_text(str(path))
    return path


PlainText = Annotated[str, AfterValidator(_check_text)]
FilePath = Annotated[Path, AfterValidator(_check_path)]
