"""Figures of a validation run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from validation.scenarios import SCENARIOS
from validation.tables import PEERS, Results

__all__ = ["draw_figures"]

# Wong 2011 (Nature Methods 8:441): told apart by readers of every colour vision.
COLOURS = {
    "jde": "#D55E00",
    "jde-white": "#E69F00",
    "jde-mcmc": "#000000",
    "rfir": "#56B4E9",
    "glm-canonical": "#0072B2",
    "glm-derivatives": "#009E73",
    "glm-fir": "#CC79A7",
}
NAMES = {
    "jde": "JDE",
    "jde-white": "JDE, white noise",
    "jde-mcmc": "JDE by MCMC",
    "rfir": "RFIR",
    "glm-canonical": "GLM, canonical",
    "glm-derivatives": "GLM, derivatives",
    "glm-fir": "GLM, FIR",
}
LADDER = {"eighth": "1/8", "quarter": "1/4", "half": "1/2", "one": "1", "two": "2"}
CURVES = ("quarter", "half", "active-60-quarter", "rough-quarter", "noise-correlated", "negative")


def draw_figures(results: Results, folder: Path) -> list[Path]:
    """Draw what the scenarios and methods of a run allow; PNG files."""
    with mpl.rc_context(
        {
            "font.size": 9,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "legend.frameon": False,
            "figure.constrained_layout.use": True,
            "savefig.dpi": 140,
        }
    ):
        drawn = {
            "amplitude.png": _amplitude(results),
            "hrf_error.png": _dots(results, "hrf_error", "HRF error (median over parcels)"),
            "auc.png": _dots(results, "auc", "AUC of the activation map, within parcels"),
            "brier.png": _dots(results, "brier", "Brier score of P(active)"),
            "reliability.png": _reliability(results),
            "error_bars.png": _error_bars(results),
        }
        paths = []
        for name, figure in drawn.items():
            if figure is not None:
                figure.savefig(folder / name)
                paths.append(folder / name)
    return paths


def _amplitude(results: Results) -> Figure | None:
    """Errors against the amplitude of the response."""
    levels = [name for name in LADDER if name in results.scenarios]
    if len(levels) < 2:
        return None
    means = results.means()
    figure = Figure(figsize=(9, 3.4))
    axes = figure.subplots(1, 3)
    where = [SCENARIOS[name].spec(0).snr for name in levels]
    panels = (("hrf_error", "HRF error"), ("auc", "AUC"), ("brier", "Brier score"))
    for axis, (column, label) in zip(axes, panels, strict=True):
        for method in COLOURS:
            values = [_best(means, name, method, column) for name in levels]
            if not np.all(np.isnan(values)):
                style = "--" if method == "jde-white" else "-"
                axis.plot(where, values, style, marker="o", ms=4, color=COLOURS[method])
        axis.set_xscale("log", base=2)
        axis.set_xticks(where, [LADDER[name] for name in levels])
        axis.set_xlabel("amplitude / noise sd")
        axis.set_ylabel(label)
        if column != "auc":
            axis.set_ylim(bottom=0)
    _legend(figure, results, "Each GLM with the smoothing (0, 5, 8 mm) that is best for it")
    return figure


def _best(means: pd.DataFrame, scenario: str, method: str, column: str) -> float:
    """Figure of a method, of a GLM with the smoothing that suits it best."""
    rows = means.loc[scenario]
    mine = [n for n in rows.index if n == method or (method in PEERS and n.startswith(method))]
    values = rows.loc[mine, column].dropna()
    if values.empty:
        return float("nan")
    return float(values.max() if column == "auc" else values.min())


def _dots(results: Results, column: str, label: str) -> Figure | None:
    """One line per scenario, one dot per method."""
    means = results.means()
    names = [name for name in results.scenarios if not np.isnan(_best(means, name, "jde", column))]
    if not names:
        return None
    figure = Figure(figsize=(7, 1.3 + 0.22 * len(names)))
    axis = figure.subplots()
    for method in reversed(COLOURS):
        marker = "d" if method == "jde-white" else "o"
        values = [_best(means, name, method, column) for name in names]
        axis.plot(values, range(len(names)), marker, ms=5, color=COLOURS[method])
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.grid(axis="y", color="0.92")
    axis.set_axisbelow(True)
    axis.set_xlabel(label)
    if column != "auc":
        axis.set_xlim(left=0)
    _legend(figure, results, "")
    return figure


def _legend(figure: Figure, results: Results, title: str) -> None:
    shown = [m for m in COLOURS if any(n.startswith(m) for n in results.methods)]
    handles = [
        mpl.lines.Line2D([], [], color=COLOURS[m], marker="d" if m == "jde-white" else "o", ls="")
        for m in shown
    ]
    figure.legend(
        handles,
        [NAMES[m] for m in shown],
        loc="outside upper center",
        ncols=len(shown),
        title=title or None,
        handletextpad=0.1,
        columnspacing=1.2,
    )


def _reliability(results: Results) -> Figure | None:
    """How often voxels of a stated probability are active."""
    names = [name for name in CURVES if name in results.scenarios] or results.scenarios[:6]
    if "jde" not in results.methods:
        return None
    n_columns = min(3, len(names))
    n_rows = -(-len(names) // n_columns)
    figure = Figure(figsize=(2.6 * n_columns + 0.4, 2.6 * n_rows + 0.5))
    axes = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    shown = [m for m in ("jde", "jde-white", "glm-canonical") if m in results.methods]
    for axis, name in zip(axes.flat, names, strict=False):
        axis.plot([0, 1], [0, 1], color="0.8", lw=1)
        for method in shown:
            _curve(axis, results, name, method)
        axis.set_title(name, fontsize=9)
        axis.set_aspect("equal")
    for axis in axes.flat[len(names) :]:
        axis.set_axis_off()
    figure.supxlabel("stated probability of activation", fontsize=9)
    figure.supylabel("fraction that is active", fontsize=9)
    _legend_of(figure, shown)
    return figure


def _legend_of(figure: Figure, methods: Sequence[str]) -> None:
    handles = [mpl.lines.Line2D([], [], color=COLOURS[m], marker="o") for m in methods]
    figure.legend(
        handles, [NAMES[m] for m in methods], loc="outside upper center", ncols=len(methods)
    )


def _curve(axis: Axes, results: Results, scenario: str, method: str) -> None:
    """Curve over all seeds; the area of a dot grows with its number of voxels."""
    curves = [c for (s, _, m), c in results.curves.items() if (s, m) == (scenario, method)]
    count = np.sum([c.count for c in curves], axis=0)
    used = count > 0
    total = np.maximum(count, 1)
    mean = np.nansum([c.count * np.nan_to_num(c.mean) for c in curves], axis=0) / total
    fraction = np.nansum([c.count * np.nan_to_num(c.fraction) for c in curves], axis=0) / total
    axis.plot(mean[used], fraction[used], color=COLOURS[method], lw=1)
    size = 4 + 40 * np.sqrt(count[used] / count.sum())
    axis.scatter(mean[used], fraction[used], s=size, color=COLOURS[method])


def _error_bars(results: Results) -> Figure | None:
    """How often the truth lies within the stated errors."""
    if "jde" not in results.methods:
        return None
    means = results.means().xs("jde", level="method")
    means = means[~means["hrf_cover_68"].isna()]
    if means.empty:
        return None
    figure = Figure(figsize=(8.4, 1.2 + 0.22 * len(means)))
    axes = figure.subplots(1, 3, sharey=True)
    kinds = (("hrf", "HRF"), ("peak", "time to peak"), ("level_active", "levels, active voxels"))
    for axis, (kind, label) in zip(axes, kinds, strict=True):
        for wanted, colour in (("68", "#0072B2"), ("95", "#D55E00")):
            axis.axvline(int(wanted) / 100, color=colour, lw=1, alpha=0.4)
            axis.plot(means[f"{kind}_cover_{wanted}"], range(len(means)), "o", ms=4, color=colour)
        axis.set_title(label, fontsize=9)
        axis.set_xlim(0, 1.02)
        axis.grid(axis="y", color="0.92")
        axis.set_axisbelow(True)
    axes[0].set_yticks(range(len(means)), means.index)
    axes[0].invert_yaxis()
    figure.supxlabel("fraction of true values within ±1 sd (blue) and ±1.96 sd (red)", fontsize=9)
    return figure
