"""The exceptions of PyHRF; each message names the cause and the cure in one sentence.

Beside them is what PyHRF makes its sentences with, which is no part of what it offers.
"""

from __future__ import annotations

import re
from functools import wraps

TYPE_CHECKING = False  # as in pyhrf itself: the import of typing takes long
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    Called = TypeVar("Called", bound=Callable[..., Any])

__all__ = ["ConfigError", "EngineError", "InputError", "PyhrfError"]


class PyhrfError(Exception):
    """Base of every error that a user can mend; the command prints its text, never a traceback.

    Parameters
    ----------
    cause : object
        What is wrong: its text.
    cure : str
        What to do, where it is needed apart from the cause.
    """

    def __init__(self, cause: object = "", cure: str = "") -> None:
        super().__init__(f"{cause}; {cure}" if cure else cause)
        self.cause, self.cure = str(cause), cure


class InputError(PyhrfError):
    """A file or array that is brought in cannot be used as it is."""


class ConfigError(PyhrfError):
    """The study file, the settings file or an option holds a value that is not allowed."""


class EngineError(PyhrfError):
    """An engine could not start, or lost all its workers."""


_LONGEST_WORD = 1000  # of a message; paths are shorter


def printable(text: str) -> str:
    r"""Make a text safe for a terminal: what steers it, or cannot be encoded, is shown as ``\x1b``.

    Parameters
    ----------
    text : str
        Of a file or a name, which may come from anyone. Its ends of lines are kept, and a word that
        is longer than any path is cut.
    """
    words = re.sub(rf"(\S{{60}})\S{{{_LONGEST_WORD},}}", r"\1…", text)
    return "".join(
        letter if letter.isprintable() or letter in "\n\t" else ascii(letter)[1:-1]
        for letter in words
    )


def says_where(cure: str) -> Callable[[Called], Called]:
    """Have a function or a class say where arguments belong that it does not take.

    Parameters
    ----------
    cure : str
        To follow what Python says of the wrong call.
    """

    def give(function: Any) -> Any:
        if isinstance(function, type):
            made: Any = function
            made.__init__ = give(made.__init__)
            return function

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except TypeError:
                from inspect import signature

                try:
                    signature(function).bind(*args, **kwargs)
                except TypeError as error:
                    name = function.__qualname__.removesuffix(".__init__")
                    raise TypeError(f"{name}: {error}; {cure}") from None
                raise

        return call

    return give


def counted(number: int, noun: str) -> str:
    """Write a number of things: ``1 scan``, ``2 scans``.

    Parameters
    ----------
    number : int
    noun : str
        One of them; its plural ends in s, or in es after ch.
    """
    plural = "es" if noun.endswith("ch") else "s"
    return f"{number} {noun}{'' if number == 1 else plural}"
