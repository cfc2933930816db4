"""From the posterior of a parcel to the tables and maps that users read."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.estimators.summary import contrast_maps, estimated, shape_figures, with_ends
from pyhrf.estimators.vem_fit import VEMSolution
from pyhrf.estimators.vem_state import State
from pyhrf.model.hrf import scaled_to_peak
from pyhrf.outputs.maps import MapName

# Draws from the HRF's posterior: the sd of a figure is then known to 7 %.
N_DRAWS = 100


def summarise(
    solution: VEMSolution,
    *,
    parcel: Parcel,
    usable: NDArray[np.bool_],
    conditions: tuple[str, ...],
    contrasts: Mapping[str, FloatArray],
    dt: float,
    neighbour_correlation: float,
    ppm_threshold: float | None,
    seed: int,
) -> ParcelEstimate:
    """Bring the posterior to the scale where the HRF's largest excursion is +1, and tabulate it.

    Parameters
    ----------
    solution : VEMSolution
    parcel : Parcel
    usable : bool array, shape (n_positions,)
        Positions that were estimated; the others become NaN.
    conditions : tuple of str
    contrasts : mapping of str to array, shape (n_conditions,)
    dt : float
        Step of the HRF, seconds.
    neighbour_correlation : float
        Of the noise of the data.
    ppm_threshold : float or None
        Level for the PPMs; None for the crossing of the classes.
    seed : int
        Seed of the draws behind the errors of the HRF's shape.

    Returns
    -------
    ParcelEstimate
    """
    state = solution.state
    hrf, hrf_sd, height = normalised_hrf(state.h, solution.hrf_covariance)
    rng = np.random.default_rng((seed, parcel.number))
    root = np.linalg.cholesky(solution.hrf_covariance / height**2)
    draws = hrf[1:-1] + rng.standard_normal((N_DRAWS, len(root))) @ root.T
    level = state.level * height
    covariance = _level_covariance(solution, level, height)
    delta = _thresholds(state, height, ppm_threshold)
    maps = _condition_maps(state, height, delta, conditions)
    for m, condition in enumerate(conditions):
        maps["nrl", condition] = level[:, m]
        maps["nrl_sd", condition] = np.sqrt(covariance[:, m, m])
    maps |= contrast_maps(level, covariance, contrasts)
    maps["noise_sd", ""] = solution.noise_sd
    maps["ar1", ""] = solution.rho
    return estimated(
        parcel,
        usable,
        summary={
            "n_iterations": float(solution.n_iterations),
            "converged": float(solution.converged),
            **shape_figures(hrf, dt, draws),
            "hrf_quality": solution.quality,
            "shared_noise": float(solution.shared),
            "noise_inflation": solution.inflation,
            "neighbour_correlation": neighbour_correlation,
            "free_energy": float(solution.trace[-1]),
        },
        conditions={
            "mean_active": state.mu * height,
            "sd_active": np.sqrt(state.v[1]) * abs(height),
            "sd_inactive": np.sqrt(state.v[0]) * abs(height),
            "beta": solution.beta,
            "alpha": solution.alpha,
            "fraction_active": state.p.mean(axis=0),
        },
        hrf={"time": dt * np.arange(len(hrf), dtype=np.float64), "hrf": hrf, "sd": hrf_sd},
        maps=maps,
        trace=solution.trace,
    )


def normalised_hrf(h: FloatArray, Sigma: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Scale an HRF as `scaled_to_peak` does, with its ends put back.

    Returns
    -------
    array, shape (n_hrf + 2,)
        The HRF from 0 to its duration.
    array, shape (n_hrf + 2,)
        Its posterior sd.
    float
        What `h` was divided by, with its sign; levels are to be multiplied by it.
    """
    scaled, sd, height = scaled_to_peak(h, Sigma)
    return with_ends(scaled), with_ends(sd), height


def class_crossing(mean: float, var_inactive: float, var_active: float) -> float:
    """Level between 0 and `mean` where ``N(0, var_inactive)`` and ``N(mean, var_active)`` cross.

    The middle of 0 and `mean` if they do not cross in between.
    """
    # log densities are equal: a x^2 + 2 b x + c = 0
    a = var_active - var_inactive
    b = mean * var_inactive
    c = -(mean**2 + var_active * math.log(var_active / var_inactive)) * var_inactive
    root = math.sqrt(max(b * b - a * c, 0.0))
    # as quotients that stay exact where a vanishes
    for x in (-c / (b + math.copysign(root, b)), -(b + math.copysign(root, b)) / (a or math.inf)):
        if 0 < x / mean < 1:
            return x
    return mean / 2


def _thresholds(state: State, height: float, ppm_threshold: float | None) -> FloatArray:
    """Threshold of every condition's PPM, in the unit of the data."""
    if ppm_threshold is not None:
        return np.full(len(state.mu), ppm_threshold)
    crossings = [
        class_crossing(*each) for each in zip(state.mu, state.v[0], state.v[1], strict=True)
    ]
    return np.array(crossings) * height


def _condition_maps(
    state: State, height: float, delta: FloatArray, conditions: tuple[str, ...]
) -> dict[MapName, FloatArray]:
    """Probabilities of activation, and of a level beyond the threshold.

    Where the active class is negative, "beyond" means below a threshold that is negative.
    """
    maps = {}
    for m, condition in enumerate(conditions):
        p = state.p[:, m]
        side = np.sign(delta[m]) if delta[m] else 1.0
        mean = state.class_mean[:, m] * height
        sd = np.sqrt(state.class_var[:, m]) * abs(height)
        beyond = ndtr(side * (mean - delta[m]) / sd)
        maps["active", condition] = p
        maps["ppm", condition] = (1 - p) * beyond[:, 0] + p * beyond[:, 1]
    return maps


def _level_covariance(solution: VEMSolution, level: FloatArray, height: float) -> FloatArray:
    """Covariance of the levels: what the posterior says with the HRF known, and the HRF's error.

    An HRF that is too high at its peak makes all levels too small, by the same part. Where
    nothing responds there is no HRF, and a level has no height; the posterior, which takes the
    HRF's scale for known, would call it exactly 0: the covariance of least squares is added as
    far as the HRF is not known.
    """
    peak = int(np.argmax(np.abs(solution.state.h)))
    relative = solution.hrf_covariance[peak, peak] / height**2
    known = solution.quality
    covariance = solution.covariance * height**2
    covariance += known * relative * level[:, :, None] * level[:, None, :]
    return covariance + (1.0 - known) ** 2 * solution.plain_covariance
