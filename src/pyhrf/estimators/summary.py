"""What the summaries of all estimators share, on the way to the tables and maps that users read."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.model.hrf import hrf_shape
from pyhrf.outputs.maps import MapName


def estimated(
    parcel: Parcel,
    usable: NDArray[np.bool_],
    *,
    summary: Mapping[str, float],
    conditions: Mapping[str, FloatArray],
    hrf: Mapping[str, FloatArray],
    maps: Mapping[MapName, FloatArray],
    trace: FloatArray | None = None,
    courses: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> ParcelEstimate:
    """Put the estimate of a parcel together.

    Parameters
    ----------
    parcel : Parcel
    usable : bool array, shape (n_positions,)
        Positions that were estimated; the others become NaN.
    summary, conditions, hrf, trace, courses
        As of `ParcelEstimate`; the number of usable positions is put before the summary.
    maps : mapping of map to array, shape (n_usable, ...)
    """
    return ParcelEstimate(
        parcel=parcel.number,
        status="ok",
        reason="",
        positions=parcel.positions,
        summary={"n_positions_used": float(usable.sum()), **summary},
        conditions=dict(conditions),
        hrf=dict(hrf),
        maps={name: placed(values, usable) for name, values in maps.items()},
        trace=np.empty(0) if trace is None else trace,
        courses=dict(courses),
    )


def with_ends(values: FloatArray) -> FloatArray:
    """Put zeros before the first and after the last value of every row: the ends of an HRF."""
    return np.pad(values, [(0, 0)] * (values.ndim - 1) + [(1, 1)])


def shape_figures(hrf: FloatArray, dt: float, draws: FloatArray | None = None) -> dict[str, float]:
    """Give the figures of an HRF's shape, each with the sd that it has over draws if there are any.

    Parameters
    ----------
    hrf : array, shape (n_time,)
        With its ends.
    dt : float
        Its step, seconds.
    draws : array, shape (n_draws, n_time - 2), optional
        From its posterior, without their ends.
    """
    every = hrf if draws is None else np.vstack([hrf, with_ends(draws)])
    shape = hrf_shape(every, dt)
    undershoot = float(shape.undershoot[0])
    figures = {}
    for name, values in zip(shape._fields, shape, strict=True):
        figures[name] = float(values[0])
        if draws is not None:
            known = values[1:][np.isfinite(values[1:])]
            figures[f"{name}_sd"] = float(known.std()) if len(known) > 1 else float("nan")
    figures["peak_to_undershoot"] = 1 / undershoot if undershoot > 0 else float("inf")
    return figures


def contrast_maps(
    level: FloatArray, covariance: FloatArray, contrasts: Mapping[str, FloatArray]
) -> dict[MapName, FloatArray]:
    """Combine levels whose posterior is normal: mean, sd and probability that they exceed 0.

    Parameters
    ----------
    level : array, shape (n_positions, n_conditions)
    covariance : array, shape (n_positions, n_conditions, n_conditions)
    contrasts : mapping of str to array, shape (n_conditions,)
    """
    maps = {}
    for name, weights in contrasts.items():
        mean = level @ weights
        sd = np.sqrt(np.einsum("m,vmn,n->v", weights, covariance, weights))
        maps["contrast", name] = mean
        maps["contrast_sd", name] = sd
        maps["contrast_ppm", name] = ndtr(mean / sd)
    return maps


def placed(values: FloatArray, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give the values of the usable positions their places among all."""
    spread = np.full((len(usable), *values.shape[1:]), np.nan, dtype=np.float32)
    with np.errstate(over="ignore"):  # infinite: left out by whoever called
        spread[usable] = values
    return spread
