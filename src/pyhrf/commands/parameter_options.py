"""Options that set parameters of a study, made from their declarations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import Field
from typing import Any, Literal, get_args, get_origin, get_type_hints

import click

from pyhrf.parameters.declare import Option
from pyhrf.parameters.estimators import ESTIMATORS, SHARED, declared_options
from pyhrf.parameters.kinds import EstimatorKind


def parameter_options(
    kinds: Iterable[EstimatorKind], *, in_bids: bool = False
) -> list[click.Option]:
    """Make the options that set parameters of a study.

    Parameters
    ----------
    kinds : iterable of EstimatorKind
        Whose own parameters count.
    in_bids : bool
        Whether they are for ``pyhrf bids``.
    """
    kinds = list(kinds)
    hints = {
        (group, name): hint
        for group, settings in (*SHARED.items(), *(("own", kind.settings) for kind in kinds))
        for name, hint in get_type_hints(settings).items()
    }
    return [
        _option(place, declared, hints[place])
        for place, declared in declared_options(kinds).items()
        if declared[0].metadata["option"].in_bids or not in_bids
    ]


def _option(place: tuple[str, str], declared: list[Field[Any]], hint: Any) -> click.Option:
    """Make the option of a parameter, which several estimators may have."""
    option: Option = declared[0].metadata["option"]
    words = [one.metadata["option"].help or one.metadata["description"] for one in declared]
    text = "; ".join(dict.fromkeys(words))
    default = option.default or declared[0].default
    kind: dict[str, Any] = {"type": _type_of(hint)}
    if option.flag:
        kind = {"is_flag": True, "flag_value": option.flag}
    elif option.alone:
        kind = {"is_flag": False, "flag_value": option.alone, "type": str}
    return click.Option(
        [*option.names.split(), "__".join(place)],
        **kind,
        default=None,
        metavar=option.metavar,
        help=f"{text[0].upper()}{text[1:]}."
        + ("" if default == "none" else f"  [default: {default}]"),
    )


def _type_of(hint: Any) -> Any:
    """Give what click turns the text of an option into."""
    if get_origin(hint) is Literal:
        return click.Choice(get_args(hint))
    kinds = [kind for kind in get_args(hint) if kind is not type(None)] or [hint]
    return kinds[0] if len(kinds) == 1 else str


class ParameterCommand(click.Command):
    """A command with options that may stand alone or be followed by several words."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words of a command line."""
        return super().parse_args(ctx, joined_words(args))


def joined_words(args: Sequence[str], arguments: int = 0) -> list[str]:
    """Give each option that may stand alone the words that follow it as one value.

    Parameters
    ----------
    args : sequence of str
        Of a command line.
    arguments : int
        Up to this place words may be arguments of the command, and none is taken.

    Examples
    --------
    >>> joined_words(["--single-trials", "audio", "video", "-o", "study.xml"])
    ['--single-trials=audio, video', '-o', 'study.xml']
    """
    alone = {
        name: declared[0].metadata["option"].alone
        for declared in declared_options(ESTIMATORS.values()).values()
        for name in declared[0].metadata["option"].names.split()
        if declared[0].metadata["option"].alone
    }
    joined: list[str] = []
    is_open = is_alone = False  # whether a word would be one of the last option
    for place, word in enumerate(args):
        name, has_value, _ = word.partition("=")
        if word.startswith("-") and word != "-":
            is_open = name in alone and place >= arguments
            is_alone = name in alone and not has_value
            joined.append(f"{name}={alone[name]}" if is_alone else word)
        elif is_open:
            joined[-1] = (
                f"{joined[-1].partition('=')[0]}={word}" if is_alone else f"{joined[-1]}, {word}"
            )
            is_alone = False
        else:
            joined.append(word)
    return joined


def take_parameters(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Take the parameters out of the options of a command: those given, by group and name."""
    taken: dict[str, dict[str, Any]] = {}
    for place in [name for name in options if "__" in name]:
        group, _, name = place.partition("__")
        value = options.pop(place)
        if value is not None:
            taken.setdefault(group, {})[name] = value
    return taken
