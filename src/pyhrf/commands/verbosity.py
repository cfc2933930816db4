"""How much a command says: PyHRF's levels 0 to 6, or those of Python's logging."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

SILENT, PROGRESS, DETAILS, _ALL = 0, 1, 2, 6
_OF_LOGGING = {10: _ALL, 20: DETAILS, 30: PROGRESS, 40: SILENT, 50: SILENT}


def verbosity_option(function: Command) -> Command:
    """Give a command the option ``-v LEVEL``: ``verbosity``, 0 to 6 or None."""
    return click.option(
        "-v",
        "verbosity",
        metavar="LEVEL",
        callback=_parse_level,
        help="Verbosity, from 0 (silent) to 6, or a logging level (10, 20, ...).  [default: level "
        "of ~/.pyhrf/config.cfg, or 1]",
    )(function)


def _parse_level(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> int | None:
    if value is None:
        return None
    level = int(value) if value.isascii() and value.isdecimal() else -1
    if not (0 <= level <= _ALL or level in _OF_LOGGING):
        raise click.BadParameter(
            f"{value!r} is not a level: 0 (silent) to 6, or 10, 20, 30, 40, 50"
        )
    return as_verbosity(level)


def as_verbosity(level: int | None) -> int:
    """Turn a level of either kind into ours.

    Parameters
    ----------
    level : int or None
        0 to 6; 10, 20, ... as in `logging`; None for the default.

    Returns
    -------
    int
        From 0 to 6.
    """
    return PROGRESS if level is None else _OF_LOGGING.get(level, level)


def logging_level(verbosity: int) -> int:
    """Level of `logging` that goes with one of ours.

    Parameters
    ----------
    verbosity : int
        From 0 to 6.

    Returns
    -------
    int
        ``logging.ERROR`` for 0 down to ``logging.DEBUG`` for 4 and more.
    """
    if verbosity <= SILENT:
        return logging.ERROR
    if verbosity == PROGRESS:
        return logging.WARNING
    return logging.INFO if verbosity < 4 else logging.DEBUG
