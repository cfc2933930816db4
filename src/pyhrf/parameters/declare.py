"""How a parameter is declared: type, default, range, unit, what it is, and its option.

From the one declaration come the element of the study file with its comment, the option of the
commands with its help, the argument of the estimator with its documentation, and the pages.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

Owner = TypeVar("Owner")


@dataclass(frozen=True)
class Option:
    """Option of the commands that sets a parameter.

    Attributes
    ----------
    names : str
        As ``-m --model``.
    help : str
        What it does, without a full stop; without it the description of the parameter.
    metavar : str
        What stands for the value.
    default : str
        How the default is said, where that is not the value; ``none`` says nothing of it.
    flag : str
        Value that an option without a value stands for.
    alone : str
        Value of an option that may stand alone; words that follow it are its value, with commas.
    needs : str
        Option of ``buildcfg`` without which it means nothing.
    in_bids : bool
        Whether ``pyhrf bids`` has it too.
    """

    names: str
    help: str = ""
    metavar: str | None = None
    default: str = ""
    flag: str | None = None
    alone: str | None = None
    needs: str = ""
    in_bids: bool = True

    @property
    def shown(self) -> str:
        """Its last name, which messages say."""
        return self.names.split()[-1]


def parameter(
    default: object = MISSING,
    *,
    description: str,
    allowed: str = "",
    unit: str = "",
    empty: str = "",
    option: Option | None = None,
    as_text: bool | Callable[[object], object] = False,
    **limits: float,
) -> Any:
    """Declare a parameter, a field of a dataclass.

    Parameters
    ----------
    default : object
    description : str
        What it is, one sentence without a full stop; becomes the comment in the file.
    allowed : str
        What is allowed, to follow "must be" in an error message.
    unit : str
        Unit of the value.
    empty : str
        What an empty element means, for a parameter that may be left empty.
    option : Option, optional
        Option of the commands.
    as_text : bool or callable
        Whether the study file holds its text as it was written, as that of a list; or what makes
        this text of the values that Python gives.
    **limits
        ``gt``, ``ge``, ``lt``, ``le``: limits of a number in the study file.
    """
    facts = {
        "description": description,
        "allowed": allowed,
        "unit": unit,
        "empty": empty,
        "option": option,
        "as_text": as_text,
        "limits": limits,
    }
    return field(default=default, metadata=facts)


@dataclass(frozen=True, kw_only=True)
class EstimatorSettings:
    """Base of the parameters that an estimator has for itself."""

    @classmethod
    def of(cls, owner: object) -> Self:
        """Take them from whatever has them as attributes."""
        return cls(**{one.name: getattr(owner, one.name) for one in fields(cls)})

    def conflicts(self) -> Iterator[tuple[str, str]]:
        """Give parameters whose values do not go together with others, and what they must be."""
        return iter(())

    def ignored(self) -> tuple[str, ...]:
        """Give the parameters that mean nothing beside the values of others."""
        return ()

    @classmethod
    def of_options(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        """Complete what options say by what follows from it.

        Raises
        ------
        ConfigError
            If it contradicts itself.
        """
        return given


def sentences(facts: Mapping[str, Any], default: object) -> str:
    """Say what a parameter is, what is allowed, and its default."""
    unit = f" ({facts['unit']})" if facts["unit"] else ""
    said = [f"{facts['description']}{unit}."]
    if facts["allowed"]:
        said.append(f"Allowed: {facts['allowed']}.")
    if facts["empty"]:
        said.append(f"Default: empty, that is {facts['empty']}.")
    elif default != ():
        said.append(f"Default: {default}.")
    return " ".join(said)


def documented(owner: type[Owner]) -> type[Owner]:
    """Put the parameters of a dataclass in its docstring, in the place of ``{parameters}``."""
    entries = [
        docstring_entry(one.name, *argument_facts(owner, one.name))
        for one in fields(owner)  # type: ignore[arg-type]  # of a dataclass
        if one.init and one.metadata
    ]
    owner.__doc__ = (owner.__doc__ or "").replace("    {parameters}", "\n".join(entries))
    return owner


def argument_facts(owner: type, name: str) -> tuple[str, str]:
    """Say of which type a parameter is as an argument, and what it is, allowed and its default."""
    hint = get_type_hints(owner)[name]
    (one,) = (one for one in fields(owner) if one.name == name)
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    kind = f"{{{', '.join(map(repr, choices))}}}" if choices else str(one.type)
    said = sentences(one.metadata, one.default).replace("empty, that is", "None, that is")
    return kind, said


def docstring_entry(name: str, kind: str, text: str) -> str:
    """Write an argument as a docstring has it."""
    body = textwrap.fill(text, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)
    return f"    {name} : {kind}\n{body}"
