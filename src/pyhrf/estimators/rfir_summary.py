"""From the responses of a parcel to the tables and maps that users read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.estimators.rfir_solver import RFIRProblem, RFIRSolution, levels_of
from pyhrf.model.hrf import hrf_shape, scaled_to_peak
from pyhrf.outputs.maps import MapName


def summarise_rfir(
    problem: RFIRProblem,
    solution: RFIRSolution,
    *,
    parcel: Parcel,
    usable: NDArray[np.bool_],
    conditions: tuple[str, ...],
    contrasts: Mapping[str, FloatArray],
    dt: float,
    ppm_threshold: float,
) -> ParcelEstimate:
    """Tabulate a parcel; its levels are the heights of responses of the parcel's mean shape.

    Parameters
    ----------
    problem : RFIRProblem
    solution : RFIRSolution
    parcel : Parcel
    usable : bool array, shape (n_positions,)
        Positions that were estimated; the others become NaN.
    conditions : tuple of str
    contrasts : mapping of str to array, shape (n_conditions,)
    dt : float
        Step of the HRFs, seconds.
    ppm_threshold : float
        Level that ``ppm_COND`` asks to be exceeded; below 0, to be fallen below, as in
        `pyhrf.estimators.vem_summary`.

    Returns
    -------
    ParcelEstimate
    """
    found = solution.responses
    share = solution.share
    hrf, hrf_sd, _ = scaled_to_peak(
        share @ solution.mean, np.einsum("m,mtu->tu", share**2, solution.covariance)
    )
    each = [
        scaled_to_peak(mean, covariance)
        for mean, covariance in zip(solution.mean, solution.covariance, strict=True)
    ]
    level, covariance = levels_of(problem, found, hrf)
    response = found.z @ problem.basis
    side = -1.0 if ppm_threshold < 0 else 1.0
    maps: dict[MapName, FloatArray] = {}
    for m, condition in enumerate(conditions):
        sd = np.sqrt(covariance[:, m, m])
        maps["nrl", condition] = level[:, m]
        maps["nrl_sd", condition] = sd
        maps["ppm", condition] = ndtr(side * (level[:, m] - ppm_threshold) / sd)
        maps["response", condition] = _with_ends(response[:, m])
        maps["response_sd", condition] = _with_ends(found.sd[:, m])
    for name, weights in contrasts.items():
        mean = level @ weights
        sd = np.sqrt(np.einsum("m,vmn,n->v", weights, covariance, weights))
        maps["contrast", name] = mean
        maps["contrast_sd", name] = sd
        maps["contrast_ppm", name] = ndtr(mean / sd)
    rho = problem.design.rho[found.rho_index]
    maps["noise_sd", ""] = np.sqrt(found.noise / (1 - rho**2))
    maps["ar1", ""] = rho
    return ParcelEstimate(
        parcel=parcel.number,
        status="ok",
        reason="",
        positions=parcel.positions,
        summary={
            "n_positions_used": float(usable.sum()),
            "n_iterations": float(found.n_iterations.max()),
            "converged": float(found.converged.all()),
            **_shape(_with_ends(hrf), dt),
            "log_likelihood": float(found.trace[-1]),
        },
        conditions={
            "mean_nrl": level.mean(axis=0),
            "fraction_responding": found.responding.mean(axis=0),
        },
        hrf={
            "time": dt * np.arange(len(hrf) + 2, dtype=np.float64),
            "hrf": _with_ends(hrf),
            "sd": _with_ends(hrf_sd),
            "hrf_by_condition": np.stack([_with_ends(one[0]) for one in each]),
            "sd_by_condition": np.stack([_with_ends(one[1]) for one in each]),
        },
        maps={name: _spread(values, usable) for name, values in maps.items()},
        trace=found.trace[: int(found.n_iterations.max())],
    )


def _with_ends(values: FloatArray) -> FloatArray:
    """Put zeros before the first and after the last value of every row."""
    padded = np.zeros((*values.shape[:-1], values.shape[-1] + 2))
    padded[..., 1:-1] = values
    return padded


def _shape(hrf: FloatArray, dt: float) -> dict[str, float]:
    shape = hrf_shape(hrf, dt)
    undershoot = float(shape.undershoot[0])
    return {
        "time_to_peak": float(shape.time_to_peak[0]),
        "fwhm": float(shape.fwhm[0]),
        "undershoot": undershoot,
        "peak_to_undershoot": 1 / undershoot if undershoot > 0 else float("inf"),
    }


def _spread(values: FloatArray, usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give the values of the usable positions their places among all."""
    spread = np.full((len(usable), *values.shape[1:]), np.nan, dtype=np.float32)
    spread[usable] = values
    return spread
