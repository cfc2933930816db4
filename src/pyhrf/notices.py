"""Sentences that know what they say, for those who pass them on.

They are texts for all others, so that they can be copied, sent and written as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self


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


class OfParcels(str):
    """Says something of parcels, whose numbers may have to be given in another way.

    Parameters
    ----------
    parcels : sequence of int
        Their numbers.
    rest : str
        What follows them.

    Examples
    --------
    >>> print(OfParcels([3, 4], ": the worker died; tried again"))
    parcels 3, 4: the worker died; tried again
    """

    parcels: tuple[int, ...]
    rest: str

    def __new__(cls, parcels: Sequence[int], rest: str) -> Self:
        """Make the sentence."""
        plural = "s" if len(parcels) > 1 else ""
        made = super().__new__(cls, f"parcel{plural} {', '.join(map(str, parcels))}{rest}")
        made.parcels, made.rest = tuple(parcels), rest
        return made

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.parcels, self.rest)


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
