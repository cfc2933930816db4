"""Figures of a comparison: HRFs of every parcel, and maps in one slice."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pyhrf.data import FloatArray
from pyhrf.results.comparison import Comparison, shared_hrfs, shared_maps
from pyhrf.results.panels import COLOURS, MOST_PARCELS, STYLE, draw_hrf, hrf_panels

_MOST_MAPS = 6  # more would be too small to see; the files have all of them


def draw_comparison(comparison: Comparison, folder: Path) -> list[Path]:
    """Write ``hrfs.png`` and, if there are shared maps of levels, ``maps.png``.

    Parameters
    ----------
    comparison : Comparison
    folder : Path
        Where to write.

    Returns
    -------
    list of Path
    """
    written = []
    with mpl.rc_context(STYLE | {"savefig.dpi": 130}):
        for name, figure in (("hrfs", _hrfs(comparison)), ("maps", _maps(comparison))):
            if figure is not None:
                figure.savefig(folder / f"{name}.png")
                written.append(folder / f"{name}.png")
    return written


def _hrfs(comparison: Comparison) -> Figure | None:
    """One panel per parcel, one curve with its sd per result."""
    curves = {name: dict(shared_hrfs(one)) for name, one in comparison.results.items()}
    numbers = sorted(set().union(*curves.values()))
    if not numbers:
        return None
    shown = numbers[:MOST_PARCELS]
    figure, panels = hrf_panels(next(iter(comparison.results.values())), shown)
    for number, axis in panels.items():
        axis.set_ylim(-1.1, 1.6)
        for (name, table), colour in zip(curves.items(), _colours(comparison), strict=True):
            if number in table:
                draw_hrf(axis, table[number], colour, name)
    handles = [mpl.lines.Line2D([], [], color=colour) for colour in _colours(comparison)]
    figure.legend(handles, list(curves), loc="outside upper center", ncols=len(curves))
    left_out = len(numbers) - len(shown)
    if left_out:
        figure.supxlabel(f"seconds after an event ({left_out} more parcels are in the tables)")
    return figure


def _maps(comparison: Comparison) -> Figure | None:
    """Levels in the slice that cuts most of the parcels: a row per condition or contrast."""
    results = list(comparison.results.values())
    shared = shared_maps(results).items()
    names = [stem for stem, (kind, _) in shared if kind in ("nrl", "contrast")][:_MOST_MAPS]
    if not names:
        return None
    labels = results[0].map_values("parcels")
    if labels.ndim != 3:  # a surface has no slices
        return None
    slice_ = int(np.argmax((labels > 0).sum(axis=(0, 1))))
    inside = labels[:, :, slice_] > 0
    rows, columns = (np.flatnonzero(inside.any(axis=1 - axis)) for axis in (0, 1))
    window = (slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1))
    figure = Figure(figsize=(2.1 * len(results) + 0.8, 1.9 * len(names) + 0.4))
    axes = figure.subplots(len(names), len(results), squeeze=False)
    for row, name in zip(axes, names, strict=True):
        values = [
            np.where(inside, one.map_values(name)[:, :, slice_], np.nan)[window] for one in results
        ]
        _draw_row(figure, row, values)
        row[0].set_ylabel(name, fontsize=7)
    for axis, title in zip(axes[0], comparison.results, strict=True):
        axis.set_title(title, fontsize=8)
    figure.supxlabel(f"slice {slice_} of the third axis, the levels in the unit of the data")
    return figure


def _draw_row(figure: Figure, row: list[Axes], values: list[FloatArray]) -> None:
    """Draw one map of every result, on one scale."""
    finite = np.concatenate([np.abs(one[np.isfinite(one)]) for one in values])
    top = float(np.percentile(finite, 99)) if finite.size else 1.0
    for axis, one in zip(row, values, strict=True):
        picture = axis.imshow(one.T, origin="lower", cmap="RdBu_r", vmin=-top, vmax=top)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.set_facecolor("0.92")
    figure.colorbar(picture, ax=list(row), shrink=0.8)


def _colours(comparison: Comparison) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(comparison.results))]
