"""How a parameter is declared once: type, default, range, unit and what it is."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_xml import BaseXmlModel, attr, element


class Section(BaseXmlModel, search_mode="unordered"):
    """A group of parameters: frozen, no unknown name, no infinite number."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, revalidate_instances="always"
    )


def parameter(
    *,
    description: str,
    allowed: str = "",
    unit: str = "",
    empty: str = "",
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
        "form": form,
        "tag": tag or "",
    }
    if form == "text":
        return Field(**options)
    return attr(tag, **options) if form == "attribute" else element(tag, **options)


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
