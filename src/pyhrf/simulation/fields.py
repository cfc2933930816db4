"""Fields of a description that carry their own text, option name and limits."""

from __future__ import annotations

import math
from dataclasses import Field
from numbers import Integral, Real
from typing import Any

from pyhrf.errors import InputError


def about(
    text: str,
    *,
    option: str,
    low: float = -math.inf,
    high: float = math.inf,
    strict: bool = False,
    whole: bool = False,
    length: int = 1,
    choices: tuple[str, ...] = (),
    optional: bool = False,
) -> dict[str, Any]:
    """Describe a field: its metadata.

    Parameters
    ----------
    text : str
        What it is, with its unit.
    option : str
        Its name on the command line.
    low, high : float
        Limits of a number, both allowed.
    strict : bool
        ``low`` itself is not allowed.
    whole : bool
        Whole numbers only.
    length : int
        How many numbers; two are a range, the smaller one first.
    choices : tuple of str
        The words allowed, for a field that is no number.
    optional : bool
        None is allowed.
    """
    return {
        "text": text,
        "option": option,
        "low": low,
        "high": high,
        "strict": strict,
        "whole": whole,
        "length": length,
        "choices": choices,
        "optional": optional,
    }


def check_value(field: Field[Any], value: object) -> object:
    """Check a value of a field and give it its own type: int, float, str or a tuple of them.

    Raises
    ------
    InputError
        The message names the field, the value and what is allowed.
    """
    what = f"simulation: {field.name} (--{field.metadata['option']}) = {value!r}"
    choices, length = field.metadata["choices"], field.metadata["length"]
    if value is None and field.metadata["optional"]:
        return None
    if choices:
        if value not in choices:
            raise InputError(f"{what} is not allowed; it is one of {', '.join(choices)}.")
        return value
    if length == 1:
        return _check_number(field, value, what)
    if not isinstance(value, list | tuple) or len(value) != length:
        raise InputError(f"{what} must be {length} numbers.")
    numbers = tuple(_check_number(field, one, what) for one in value)
    if length == 2 and numbers[0] > numbers[1]:
        raise InputError(f"{what}: the smaller one comes first.")
    return numbers


def _check_number(field: Field[Any], value: Any, what: str) -> float:
    """Check one number against the limits of its field."""
    limits = field.metadata
    # numpy's numbers count as these too; True and False, as whole numbers, do not.
    is_bool = isinstance(value, bool)
    fits = isinstance(value, Integral if limits["whole"] else Real) and not is_bool
    if not fits or not -math.inf < value < math.inf:
        raise InputError(f"{what} must be {'a whole number' if limits['whole'] else 'a number'}.")
    low, high, strict = limits["low"], limits["high"], limits["strict"]
    if value > high or value < low or (strict and value == low):
        allowed = [] if math.isinf(low) else [f"{'>' if strict else '>='} {low:g}"]
        allowed += [] if math.isinf(high) else [f"<= {high:g}"]
        raise InputError(f"{what} must be {' and '.join(allowed)}.")
    return int(value) if limits["whole"] else float(value)
