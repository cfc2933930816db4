"""Single figures of one result: responses, a map, convergence."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.parameters.estimators import kind_of
from pyhrf.results.comparison import shared_hrfs
from pyhrf.results.naming import parcel_called
from pyhrf.results.panels import (
    COLOURS,
    MOST_PARCELS,
    STYLE,
    draw_hrf,
    hrf_panels,
    parcel_panels,
)
from pyhrf.results.report_overview import axis_label, bar_edges
from pyhrf.results.report_volumes import background_image, refuse_cuts
from pyhrf.results.results import Results
from pyhrf.results.surface_plots import surface_figure
from pyhrf.spaces.space import Space

_BLUE, _RED = COLOURS[1], COLOURS[0]
_CUTS = 7  # along an axis; nilearn warns of more than there are voxels
_MOST_ITERATIONS_AXIS = 60  # parcels that still have a bar of their own


def hrf_figure(results: Results, parcels: Sequence[int] | None = None) -> Figure:
    """Draw the response of parcels, with ± its standard deviation.

    Parameters
    ----------
    results : Results
    parcels : sequence of int, optional
        Which; by default the first thirty.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InputError
        When a parcel has no response, or none has.
    """
    curves = dict(shared_hrfs(results))
    chosen = _chosen_parcels(results, curves, parcels)
    own = results.hrf[results.hrf["condition"].notna()] if "condition" in results.hrf else None
    with mpl.rc_context(STYLE):
        figure, panels = hrf_panels(results, chosen)
        for number, axis in panels.items():
            if own is not None:
                _draw_own(axis, own[own["parcel"] == number])
            draw_hrf(axis, curves[number], "black" if own is not None else _BLUE, "all conditions")
        if own is not None:
            handles, labels = panels[chosen[0]].get_legend_handles_labels()
            figure.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 5))
    return figure


def _chosen_parcels(
    results: Results, curves: dict[int, pd.DataFrame], parcels: Sequence[int] | None
) -> list[int]:
    if not curves:
        raise InputError(f"{results.directory} holds no response: no parcel was estimated")
    if parcels is None:
        return sorted(curves)[:MOST_PARCELS]
    for number in parcels:
        if number not in curves:
            reason = results.failed.get(number)
            what = f"was not estimated ({reason})" if reason else "is not in the parcellation"
            raise InputError(
                f"{parcel_called(results, number)} {what}: choose among "
                f"{_range_of(sorted(curves))} of {results.directory}"
            )
    return list(dict.fromkeys(parcels))


def _range_of(numbers: list[int], most: int = 12) -> str:
    named = ", ".join(map(str, numbers[:most]))
    return named if len(numbers) <= most else f"{named}, … {numbers[-1]}"


def _draw_own(axis: Axes, table: pd.DataFrame) -> None:
    """Draw the responses of single conditions."""
    for index, (condition, rows) in enumerate(table.groupby("condition", sort=False)):
        colour = COLOURS[index % (len(COLOURS) - 1)]
        axis.plot(rows["time"], rows["hrf"], color=colour, lw=0.8, label=str(condition))


def convergence_figure(results: Results, parcels: Sequence[int] | None = None) -> Figure:
    """Draw how many iterations each parcel took, and of MCMC how far the chains agree.

    Parameters
    ----------
    results : Results
    parcels : sequence of int, optional
        Draw the course of their criterion instead: the free energy of VEM, the log likelihood of
        the others, every chain in a colour of its own.

    Returns
    -------
    matplotlib Figure

    Raises
    ------
    InputError
        When the estimator does not iterate, or a parcel was not estimated.
    """
    if parcels is not None:
        return _trace_figure(results, parcels)
    good = results.parcels[results.parcels["status"] == "ok"]
    good = good[good["n_iterations"].notna()]
    if good.empty:
        raise InputError(
            f"{results.directory} has nothing that converges: no parcel was estimated by iterations"
        )
    # All chains of MCMC have the same length: their agreement is what counts.
    column = "rhat" if "rhat" in good else "n_iterations"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6, 2.8))
        axis = figure.subplots()
        ended = good["converged"].to_numpy() == 1
        if len(good) > _MOST_ITERATIONS_AXIS:
            _stacked(axis, good[column].to_numpy(), ended, whole=column == "n_iterations")
            axis.set_xlabel(axis_label(column))
            axis.set_ylabel("parcels")
        else:
            colours = np.where(ended, _BLUE, _RED)
            axis.bar(good["parcel"].astype(str), good[column], color=list(colours))
            axis.set_ylabel(axis_label(column))
            axis.set_xlabel("parcel")
            axis.tick_params("x", rotation=90 if len(good) > 20 else 0)
        axis.set_title(f"{int(ended.sum())} of {len(good)} parcels converged (blue)", fontsize=8)
    return figure


def _trace_figure(results: Results, parcels: Sequence[int]) -> Figure:
    """Draw the criterion of parcels after each iteration."""
    traces: dict[int, pd.DataFrame] = {
        int(str(number)): rows for number, rows in results.convergence.groupby("parcel")
    }
    if not traces:
        raise InputError(
            f"{results.directory} has no convergence.tsv: its estimator does not iterate, or it is "
            "older than this file; analyse the data again"
        )
    chosen = _chosen_parcels(results, traces, parcels)
    with mpl.rc_context(STYLE):
        figure, panels = parcel_panels(
            results, chosen, width=3.4, height=2.2, most_columns=3, shared=False
        )
        for number, axis in panels.items():
            for chain, rows in traces[number].groupby("chain"):
                colour = COLOURS[int(str(chain)) % (len(COLOURS) - 1)]
                axis.plot(rows["iteration"], rows["criterion"], color=colour, lw=1)
        figure.supxlabel("iteration")
        figure.supylabel(kind_of(results.provenance.get("study", {})).criterion)
    return figure


def _stacked(axis: Axes, values: FloatArray, ended: Any, *, whole: bool) -> None:
    """Draw a histogram, those that had not converged in red on top; of whole numbers or others."""
    bins = bar_edges(values, whole=whole)
    if whole:
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axis.hist(
        [values[ended], values[~ended]], bins=bins.tolist(), stacked=True, color=[_BLUE, _RED]
    )
    axis.yaxis.set_major_locator(MaxNLocator(integer=True))


def save_map_figure(
    results: Results,
    name: str,
    path: Path,
    *,
    threshold: float | None = None,
    anatomy: Path | None = None,
    display: str | None = None,
) -> None:
    """Draw a map and save it: of voxels with nilearn, on the anatomy or the mean BOLD.

    A map of nodes is drawn on its meshes, each from two sides, and the voxels of CIFTI in cuts.

    Parameters
    ----------
    results : Results
    name : str
        Of the map, such as ``nrl_audio``.
    path : Path
        Where to write; its ending says the format.
    threshold : float, optional
        Show only what is at least that far from 0.
    anatomy : Path, optional
        A 3D image in the space of the data.
    display : {"ortho", "x", "y", "z", "mosaic"}, optional
        Which cuts through a volume; three through one point if not given.

    Raises
    ------
    InputError
        When there is no such map, it has samples over time, nothing of it can be seen, or its
        meshes are gone.
    """
    values = results.map_values(name)
    space = results.space
    if space is None:
        raise InputError(f"{results.directory} has no map 'parcels', which says where others lie")
    if values.shape != space.shape:
        raise InputError(f"the map '{name}' has more than one value per position: choose another")
    most = float(np.abs(np.nan_to_num(values)).max())
    if most == 0:
        raise InputError(f"the map '{name}' is 0 everywhere: there is nothing to draw")
    if threshold is not None and threshold >= most:
        raise InputError(
            f"nothing in the map '{name}' exceeds the threshold {threshold:g}: its largest value "
            f"is {most:.4g} from 0; take a lower one"
        )
    if space.fills_grid:
        image = space.volume(np.nan_to_num(values.astype(np.float64)))
        _save_cuts(results, image, name, path, threshold, anatomy, display or "ortho")
        return
    if anatomy is not None or display is not None:
        refuse_cuts(results)
    surfaces, has_voxels = results.surfaces(), space.volume(values) is not None
    meshes = results.provenance["study"]["data"].get("meshes", ())
    if not has_voxels and type(space).surfaces is Space.surfaces:
        raise InputError(
            f"the map '{name}' lies on no surface and in no voxels that could be drawn: its values "
            f"are in {results.directory}"
        )
    if not surfaces and (meshes or not has_voxels):
        raise InputError(
            f"the mesh of {results.directory} is no longer where the run found it: put it back at "
            f"{', '.join(meshes)}"
        )
    with mpl.rc_context({"text.parse_math": False}):
        figure = surface_figure(
            surfaces, values, name, threshold or 0.0, space if has_voxels else None
        )
    save_figure(figure, path)


def _save_cuts(
    results: Results,
    image: Any,
    name: str,
    path: Path,
    threshold: float | None,
    anatomy: Path | None,
    display: str,
) -> None:
    """Draw cuts through a volume."""
    behind = background_image(results, anatomy, image)
    mpl.use("agg")  # before nilearn takes pyplot: there may be no screen
    from nilearn.plotting import plot_stat_map

    signed = bool((image.get_fdata() < 0).any())
    with mpl.rc_context({"text.parse_math": False}):
        view = plot_stat_map(
            image,
            bg_img=None if behind is None else behind[0],
            threshold=threshold if threshold else 1e-9,
            display_mode=display,
            cut_coords=None if display == "ortho" else min(_CUTS, *image.shape),
            cmap="RdBu_r" if signed else "inferno",
            symmetric_cbar=signed,
            vmin=None if signed else 0,
            black_bg=False,
            title=name,
        )
    try:
        save_figure(view.frame_axes.figure, path)
    finally:
        view.close()


def save_figure(figure: Figure, path: Path) -> None:
    """Save a figure in the format that the ending of the path names.

    Raises
    ------
    InputError
        When the file cannot be written.
    """
    try:
        with mpl.rc_context(STYLE):
            figure.savefig(path, dpi=150)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
