"""Tables of single-trial levels, and who is best in what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pyhrf.data import FloatArray
from validation.tables import markdown_table, number
from validation.trial_scores import standard_error

__all__ = ["OWN", "Row", "compared", "everything", "figures_of"]

OWN = "PyHRF"
COLUMNS = {
    "correlation": "correlation over trials",
    "patterns": "over voxels",
    "slope": "slope of truth",
    "cover_active": "active in ±1.96 sd",
    "cover_silent": "others",
    "split_half": "split half",
    "decode": "decoding",
    "decode modality": "of modality",
    "decode all": "from all voxels",
    "seconds": "CPU s",
    "megabytes": "MB",
}
DIGITS = {"seconds": 1, "megabytes": 0}
HIGH = ("correlation", "patterns", "split_half", "decode", "decode modality", "decode all")
"""Figures in which methods are compared."""


@dataclass(frozen=True)
class Row:
    """A method on a data set.

    Attributes
    ----------
    data : str
    seed : int
    method : str
        Its title; two ways to run one program have a comma between name and way.
    figures : dict
    right : dict of array, shape (n_trials,)
        By name of the figure, the share of parcels that tells each trial rightly.
    """

    data: str
    seed: int
    method: str
    figures: dict[str, float]
    right: dict[str, FloatArray]

    def all_figures(self) -> dict[str, float]:
        """Figures, with means of what is told rightly."""
        return self.figures | {name: float(each.mean()) for name, each in self.right.items()}


def figures_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Put all figures into a table, a line for each data set and method."""
    return pd.DataFrame(
        [{"data": r.data, "seed": r.seed, "method": r.method} | r.all_figures() for r in rows]
    )


def everything(rows: Sequence[Row]) -> str:
    """Show all figures, means over seeds; of two ways to run a rival the better one."""
    figures = figures_of(rows)
    columns = [name for name in COLUMNS if name in figures]
    means = figures.groupby(["data", "method"], sort=False)[columns].mean()
    lines = []
    for data, of_data in means.groupby(level="data", sort=False):
        shown = of_data.droplevel("data")
        for method in _better(shown, columns[0]):
            cells = []
            for name in columns:
                text = number(float(shown.loc[method, name]), DIGITS.get(name, 3))
                errors = _right(rows, str(data), method).get(name)
                cells.append(
                    f"{text} ± {number(standard_error(errors))}" if errors is not None else text
                )
            lines.append([str(data), method, *cells])
    return markdown_table(["data", "method", *(COLUMNS[name] for name in columns)], lines)


def _better(figures: pd.DataFrame, column: str) -> list[str]:
    """Leave of each program that ran in two ways the one that is better in a figure."""
    kept: dict[str, str] = {}
    for method in figures.index:
        name = str(method).partition(",")[0]
        if name not in kept or figures.loc[method, column] > figures.loc[kept[name], column]:
            kept[name] = str(method)
    return list(kept.values())


def _right(rows: Sequence[Row], data: str, method: str) -> dict[str, FloatArray]:
    """What a method told rightly, the trials of all seeds one after the other."""
    mine = [row for row in rows if (row.data, row.method) == (data, method)]
    return {name: np.concatenate([row.right[name] for row in mine]) for name in mine[0].right}


def compared(rows: Sequence[Row]) -> str:
    """Compare with the rival that is best in each figure, which no user would know.

    The error of a difference in decoding is that over trials, of what both told of the same one.
    """
    figures = figures_of(rows)
    columns = [name for name in HIGH if name in figures]
    means = figures.groupby(["data", "method"], sort=False)[columns].mean()
    lines = []
    for data in dict.fromkeys(figures["data"]):
        of_data = means.loc[data]
        others = of_data.drop(index=[name for name in of_data.index if name.startswith(OWN)])
        if OWN not in of_data.index or others.empty:
            continue
        for name in columns:
            if others[name].isna().all():
                continue  # no figure of these data
            mine, best = of_data.loc[OWN, name], str(others[name].idxmax())
            difference = number(mine - others.loc[best, name])
            if name.startswith("decode"):
                one, other = (_right(rows, data, method)[name] for method in (OWN, best))
                difference += f" ± {number(standard_error(one - other))}"
            lines.append(
                [
                    data,
                    COLUMNS[name],
                    number(mine, bold=mine >= others.loc[best, name]),
                    f"{number(others.loc[best, name])} {best}",
                    difference,
                ]
            )
    head = ["data", "figure", "PyHRF", "best rival", "difference"]
    return markdown_table(head, lines)
