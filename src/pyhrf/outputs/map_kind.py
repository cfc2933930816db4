"""What is said of a kind of map: for files, reports and BIDS derivatives."""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass
from typing import Literal

Subject = Literal["condition", "contrast", "position", "parcel"]
Look = Literal["", "levels", "z", "probability", "sides", "time", "amount", "flag", "labels"]
Samples = Literal["", "time", "trial"]

JDE = ("jde-vem", "jde-mcmc")
WITH_POSTERIOR = (*JDE, "rfir")
EVERY = (*WITH_POSTERIOR, "glm")

SIGNAL = "signal"
SIGNAL_SQUARED = "signal squared"


@dataclass(frozen=True, slots=True)
class Stat:
    """What becomes of a map among BIDS derivatives, whose names are nilearn's.

    Attributes
    ----------
    label : str
        After ``stat-``; empty for the parcels, which are a segmentation there.
    text : str
        What is said of it there; empty where it is what is said of the map.
    squared : bool
        Whether the values are squared, as a standard deviation becomes a variance.
    desc : str
        After ``desc-``, before the other; empty if there is no such entity.
    """

    label: str
    text: str = ""
    squared: bool = False
    desc: str = ""

    @property
    def entities(self) -> str:
        """Give its part of the names of files, in the order of BIDS."""
        return f"desc-{self.desc}_stat-{self.label}" if self.desc else f"stat-{self.label}"


@dataclass(frozen=True, slots=True)
class MapKind:
    """A kind of map.

    Attributes
    ----------
    name : str
        How the names of its files begin.
    text : str
        What it is.
    bids : Stat
        What becomes of it among BIDS derivatives.
    bids_of_glm : Stat, optional
        The same where it comes from a GLM, if that is another thing.
    subject : {"condition", "contrast", "position", "parcel"}
        What has a map of its own, or of what the map holds one value: each position, or all
        positions of a parcel.
    unit : str
        `SIGNAL`, `SIGNAL_SQUARED`, or the unit itself; empty for a number without one.
    by : tuple of str
        The estimators that give it.
    note : str
        More of it, for the documentation.
    range : (float, float)
        Least and largest value.
    may_be_infinite : bool
        Whether infinite values are right; else they are a fault of the position's data.
    samples : {"", "time", "trial"}
        Of what it has one volume each: of the times of the response, or of single trials.
    is_code : bool
        Whether its values are whole numbers that stand for something.
    look : str
        The colours that it has in a report; empty if it is not there.
    place : int
        In the list of a report: what has no room is left out from the end.
    """

    name: str
    text: str
    bids: Stat
    _: KW_ONLY
    bids_of_glm: Stat | None = None
    subject: Subject
    unit: str = ""
    by: tuple[str, ...] = EVERY
    note: str = ""
    range: tuple[float, float] = (-math.inf, math.inf)
    may_be_infinite: bool = False
    samples: Samples = ""
    is_code: bool = False
    look: Look = ""
    place: int = 0

    @property
    def is_named(self) -> bool:
        """Whether each condition or contrast has such a map."""
        return self.subject in ("condition", "contrast")

    @property
    def is_compared(self) -> bool:
        """Whether it is an estimate of single positions, of which two analyses can be compared."""
        return not (self.subject == "parcel" or bool(self.samples) or self.is_code)

    def stat(self, estimator: str) -> Stat:
        """Say what becomes of it among BIDS derivatives, if it comes from this estimator."""
        if estimator == "glm" and self.bids_of_glm is not None:
            return self.bids_of_glm
        return self.bids
