"""Sentences that know what they say, for those who pass them on.

They are texts for all others, so that they can be copied, sent and written as such.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Self


class Note(str):
    """Says something of some data, so that it is known when the same is said of others.

    Parameters
    ----------
    form : str
        The sentence, with its values in braces.
    **values
        Paths, numbers and `Figures` may differ where the same is said; texts and notes may not.

    Examples
    --------
    >>> one, other = (Note("{n} of {path} censored", n=n, path=Path(f"{n}.nii")) for n in (3, 4))
    >>> print(one)
    3 of 3.nii censored
    >>> one.kind == other.kind, one.figures == other.figures
    (True, False)
    """

    form: str
    values: Mapping[str, Any]

    def __new__(cls, form: str, **values: Any) -> Self:
        """Make the sentence."""
        made = super().__new__(cls, form.format(**values))
        made.form, made.values = form, values
        return made

    @property
    def kind(self) -> Hashable:
        """What is said, whatever it is said of."""
        fixed = [
            (name, value.kind if isinstance(value, Note) else value)
            for name, value in self.values.items()
            if not isinstance(value, Path | Real | Figures)
        ]
        return (self.form, *fixed)

    @property
    def figures(self) -> tuple[object, ...]:
        """The numbers in it."""
        found: list[object] = []
        for value in self.values.values():
            if isinstance(value, Note):
                found += value.figures
            elif isinstance(value, Real | Figures):
                found.append(value)
        return tuple(found)

    def __reduce__(self) -> tuple[object, ...]:
        return _again, (self.form, dict(self.values))


def _again(form: str, values: Mapping[str, Any]) -> Note:
    return Note(form, **values)


class Figures(str):
    """A text of numbers in a `Note`."""


class LeftOut(str):
    """Says that a study of several is left out.

    Parameters
    ----------
    name : str
        Of the study.
    reason : object
        Why; its text is told.

    Examples
    --------
    >>> print(LeftOut("sub-1", "there is no BOLD file"))
    sub-1 is left out: there is no BOLD file
    """

    name: str
    reason: str

    def __new__(cls, name: str, reason: object) -> Self:
        """Make the sentence."""
        made = super().__new__(cls, f"{name} is left out: {reason}")
        made.name, made.reason = name, str(reason)
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.name, self.reason)


class Lost(str):
    """Says that a job or a worker is lost."""


class DoneBefore(str):
    """Says how many parcels were done before a run began.

    Parameters
    ----------
    n_done, n_all : int
    """

    n_done: int
    n_all: int

    def __new__(cls, n_done: int, n_all: int) -> Self:
        """Make the sentence."""
        made = super().__new__(cls, f"{n_done} of {n_all} parcels were already done")
        made.n_done, made.n_all = n_done, n_all
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.n_done, self.n_all)
