"""What is said of a column of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

from pyhrf.outputs.map_kind import EVERY


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
        In the header.
    text : str
        What it holds.
    unit : str
        `SIGNAL` or the unit itself; empty for a number without one.
    by : tuple of str
        The estimators that give it.
    note : str
        More of it, for the documentation.
    range : (float, float)
        Least and largest value.
    levels : mapping of str to str
        What its values mean, if they are few.
    is_text : bool
        Whether its values are texts.
    always : bool
        Whether the table has it whatever the estimator; the others are there where they have a
        value.
    title : str
        How figures and tables of the report call it; empty if they do not show it.
    """

    name: str
    text: str
    _: KW_ONLY
    unit: str = ""
    by: tuple[str, ...] = EVERY
    note: str = ""
    range: tuple[float, float] = (-math.inf, math.inf)
    levels: Mapping[str, str] = field(default_factory=dict)
    is_text: bool = False
    always: bool = False
    title: str = ""
