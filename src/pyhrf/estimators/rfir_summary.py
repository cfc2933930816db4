"""From the responses of a parcel to the tables and maps that users read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.estimators.rfir_solver import RFIRProblem, RFIRSolution, levels_of
from pyhrf.estimators.summary import contrast_maps, estimated, shape_figures, with_ends
from pyhrf.model.hrf import scaled_to_peak
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
        maps["response", condition] = with_ends(response[:, m])
        maps["response_sd", condition] = with_ends(found.sd[:, m])
    maps |= contrast_maps(level, covariance, contrasts)
    rho = problem.design.rho[found.rho_index]
    maps["noise_sd", ""] = np.sqrt(found.noise / (1 - rho**2))
    maps["ar1", ""] = rho
    return estimated(
        parcel,
        usable,
        summary={
            "n_iterations": float(found.n_iterations.max()),
            "converged": float(found.converged.all()),
            **shape_figures(with_ends(hrf), dt),
            "log_likelihood": float(found.trace[-1]),
        },
        conditions={
            "mean_nrl": level.mean(axis=0),
            "fraction_responding": found.responding.mean(axis=0),
        },
        hrf={
            "time": dt * np.arange(len(hrf) + 2, dtype=np.float64),
            "hrf": with_ends(hrf),
            "sd": with_ends(hrf_sd),
            "hrf_by_condition": np.stack([with_ends(one[0]) for one in each]),
            "sd_by_condition": np.stack([with_ends(one[1]) for one in each]),
        },
        maps=maps,
        trace=found.trace[: int(found.n_iterations.max())],
    )
