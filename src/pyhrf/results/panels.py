"""What all figures share: their style, their colours, and the grid of small panels of parcels."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyhrf.results.naming import panel_title
from pyhrf.results.results import Results

STYLE: Any = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
    "svg.hashsalt": "pyhrf",  # the same figure gives the same file
    "text.parse_math": False,  # a condition or a folder may be called "win $5 or $10"
}
"""Of matplotlib, for an ``rc_context``."""

# Wong 2011 (Nature Methods 8:441): told apart by readers of every colour vision.
COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")

MOST_PARCELS = 30
"""Panels of a figure: more would be too small to see; the tables have all parcels."""

_MARGIN = 0.6  # inches, for what is written around the panels


class ShownFigure(Figure):
    """A figure that a notebook shows, also where nothing of pyplot was used before."""

    def _repr_png_(self) -> bytes:
        content = io.BytesIO()
        self.savefig(content, format="png", dpi=150)
        return content.getvalue()

    def _repr_html_(self) -> str:
        picture = base64.b64encode(self._repr_png_()).decode("ascii")
        width = self.get_figwidth() * 96  # pixels of a screen to an inch
        return (
            f'<img style="width: {width:.0f}px; max-width: 100%; background: white" '
            f'alt="figure" src="data:image/png;base64,{picture}">'
        )


def parcel_panels(
    results: Results,
    numbers: Sequence[int],
    *,
    width: float,
    height: float,
    most_columns: int,
    shared: bool,
) -> tuple[Figure, dict[int, Axes]]:
    """Make a figure with a small panel for each parcel, row by row.

    Parameters
    ----------
    results : Results
        Which have them.
    numbers : sequence of int
        The parcels, one at least.
    width, height : float
        Of a panel, inches.
    most_columns : int
        Panels side by side.
    shared : bool
        Whether all panels have the same axes.

    Returns
    -------
    figure : matplotlib Figure
    panels : dict of int to matplotlib Axes
        By parcel, with number and name of its region as title.
    """
    n_columns = min(len(numbers), most_columns)
    n_rows = -(-len(numbers) // n_columns)
    figure = ShownFigure(figsize=(width * n_columns + _MARGIN, height * n_rows + _MARGIN))
    axes = figure.subplots(n_rows, n_columns, sharex=shared, sharey=shared, squeeze=False)
    for axis in axes.flat[len(numbers) :]:
        axis.set_axis_off()
    for axis in axes.flat[max(0, len(numbers) - n_columns) : len(numbers)]:
        axis.tick_params(axis="x", labelbottom=True)  # the lowest of its column, above a gap too
    panels = dict(zip(numbers, axes.flat, strict=False))
    for number, axis in panels.items():
        axis.set_title(panel_title(results, number), fontsize=8)
    return figure, panels


def hrf_panels(results: Results, numbers: Sequence[int]) -> tuple[Figure, dict[int, Axes]]:
    """Make a figure with a small panel for the response of each parcel, see `parcel_panels`."""
    figure, panels = parcel_panels(
        results,
        numbers,
        width=2.6,
        height=1.9,
        most_columns=5 if len(numbers) > 9 else 3,
        shared=True,
    )
    for axis in panels.values():
        axis.axhline(0, color="0.8", lw=0.8)
    figure.supxlabel("seconds after an event")
    figure.supylabel("HRF, ± its sd")
    return figure, panels


def draw_hrf(axis: Axes, rows: pd.DataFrame, colour: str, label: str) -> None:
    """Draw a response as a line in a band of ± its standard deviation.

    Parameters
    ----------
    axis : matplotlib Axes
    rows : DataFrame
        ``time`` in seconds, ``hrf`` and ``sd``.
    colour, label : str
        Of the line.
    """
    time, hrf, sd = (rows[column].to_numpy() for column in ("time", "hrf", "sd"))
    axis.fill_between(time, hrf - sd, hrf + sd, color=colour, alpha=0.2, lw=0)
    axis.plot(time, hrf, color=colour, lw=1.4, label=label)
