"""From the draws of a parcel to the tables and maps that users read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.estimators.mcmc_diagnostics import effective_sample_size, split_rhat
from pyhrf.estimators.mcmc_solver import MCMCSolution
from pyhrf.estimators.summary import estimated, shape_figures
from pyhrf.outputs.maps import MapName

# Chains agree when no R-hat is above this.
RHAT_AGREED = 1.05
QUANTILES = (0.025, 0.975)
# Draws of the HRF of which its shape's figures are taken.
N_SHAPES = 200


def summarise_draws(
    solution: MCMCSolution,
    *,
    parcel: Parcel,
    usable: NDArray[np.bool_],
    conditions: tuple[str, ...],
    contrasts: Mapping[str, FloatArray],
    dt: float,
    neighbour_correlation: float,
) -> ParcelEstimate:
    """Tabulate the posterior on the scale where the HRF's largest excursion is +1.

    Parameters
    ----------
    solution : MCMCSolution
    parcel : Parcel
    usable : bool array, shape (n_positions,)
        Positions that were estimated; the others become NaN.
    conditions : tuple of str
    contrasts : mapping of str to array, shape (n_conditions,)
    dt : float
        Step of the HRF, seconds.
    neighbour_correlation : float
        Of the noise of the data.

    Returns
    -------
    ParcelEstimate
    """
    draws, steps = solution.draws, solution.steps
    h = np.stack([one.hrf for one in draws])
    mixture = np.stack([one.mixture for one in draws])
    hrf, sign = _hrf_table(h.reshape(-1, h.shape[2]), dt)
    agreement = _agreement(h, mixture)
    total = steps.n_kept * len(draws)
    shapes = h.reshape(total, -1)[:: max(total // N_SHAPES, 1)]
    accepted = np.sum([one.accepted for one in draws], axis=0)
    accepted /= len(draws) * (steps.n_burn_in + steps.n_kept)
    mean = mixture.reshape(total, *mixture.shape[2:]).mean(axis=0)
    return estimated(
        parcel,
        usable,
        summary={
            "n_iterations": float(steps.n_burn_in + steps.n_kept),
            "converged": float(agreement["rhat"] <= RHAT_AGREED),
            **shape_figures(hrf["hrf"], dt, sign * shapes),
            "hrf_quality": float(np.sum(h.mean(axis=(0, 1)) ** 2) / np.mean(np.sum(h**2, axis=2))),
            "shared_noise": 0.0,
            "noise_inflation": solution.inflation,
            "neighbour_correlation": neighbour_correlation,
            "n_chains": float(len(draws)),
            **{name: float(agreement[name]) for name in ("rhat", "ess", "rhat_hrf", "ess_hrf")},
            "acceptance_scale": float(accepted[0]),
            "acceptance_sign": float(accepted[1]),
            "log_likelihood": float(
                np.mean([one.log_likelihood[-steps.n_kept :] for one in draws])
            ),
        },
        conditions={
            "mean_active": sign * mean[:, 0],
            "sd_active": mean[:, 1],
            "sd_inactive": mean[:, 2],
            "beta": mean[:, 3],
            "alpha": mean[:, 4],
            "fraction_active": mean[:, 5],
            "rhat": agreement["rhat_mixture"],
            "ess": agreement["ess_mixture"],
        },
        hrf=hrf,
        maps=_maps(solution, sign, conditions, contrasts),
        trace=np.concatenate([one.log_likelihood for one in draws]),
    )


def _hrf_table(h: FloatArray, dt: float) -> tuple[dict[str, FloatArray], float]:
    """HRF with its errors, and the sign that its largest excursion has among the draws'.

    Every draw has a largest excursion of +1, and so has the mean as it is reported, which is that
    of the draws at unit norm: draws with a low and wide response count no more than others.
    Standard deviation and quantiles are those of the draws: at the peak too they have one, since
    the place of the peak is uncertain.
    """
    mean = np.mean(h / np.linalg.norm(h, axis=1, keepdims=True), axis=0)
    height = float(mean[np.argmax(np.abs(mean))])
    sign = 1.0 if height > 0 else -1.0
    low, high = np.quantile(sign * h, QUANTILES, axis=0)
    columns = {"hrf": mean / height, "sd": h.std(axis=0), "q025": low, "q975": high}
    time = dt * np.arange(h.shape[1] + 2, dtype=np.float64)
    return {"time": time} | {name: np.pad(values, 1) for name, values in columns.items()}, sign


def _agreement(h: FloatArray, mixture: FloatArray) -> dict[str, FloatArray]:
    """Worst R-hat and least effective sample size, in all, of the HRF, and of each condition."""
    rhat_hrf, ess_hrf = split_rhat(h), effective_sample_size(h)
    rhat, ess = split_rhat(mixture), effective_sample_size(mixture)
    return {
        "rhat_hrf": rhat_hrf.max(),
        "ess_hrf": ess_hrf.min(),
        "rhat_mixture": rhat.max(axis=1),
        "ess_mixture": ess.min(axis=1),
        "rhat": np.maximum(rhat_hrf.max(), rhat.max()),
        "ess": np.minimum(ess_hrf.min(), ess.min()),
    }


def _maps(
    solution: MCMCSolution,
    sign: float,
    conditions: tuple[str, ...],
    contrasts: Mapping[str, FloatArray],
) -> dict[MapName, FloatArray]:
    """Make the maps of the usable positions."""
    draws, steps = solution.draws, solution.steps
    total = steps.n_kept * len(draws)
    active, mean, square, beyond = (
        np.sum([getattr(one, name) for one in draws], axis=0) / total
        for name in ("active", "level", "square", "beyond")
    )
    sd = np.sqrt(np.maximum(square - mean**2, 0.0))
    maps = {}
    for m, condition in enumerate(conditions):
        # one condition at a time: of a large parcel the draws of all levels are most of the memory
        levels = np.concatenate([one.levels[:, :, m] for one in draws])
        low, high = np.quantile(levels, QUANTILES, axis=0)
        if sign < 0:
            low, high = -high, -low
            if np.isfinite(steps.threshold):
                side = -1.0 if steps.threshold < 0 else 1.0
                beyond[:, m] = (side * (sign * levels - steps.threshold) > 0).mean(axis=0)
        maps["active", condition] = active[:, m]
        maps["ppm", condition] = beyond[:, m]
        maps["nrl", condition] = sign * mean[:, m]
        maps["nrl_sd", condition] = sd[:, m]
        maps["nrl_q025", condition] = low
        maps["nrl_q975", condition] = high
    for name, weights in contrasts.items():
        signed = (sign * weights).astype(np.float32)
        values = np.concatenate([one.levels @ signed for one in draws])
        maps["contrast", name] = sign * (mean @ weights)
        maps["contrast_sd", name] = values.std(axis=0)
        maps["contrast_ppm", name] = (values > 0).mean(axis=0)
    maps["noise_sd", ""] = np.sum([one.noise_sd for one in draws], axis=0) / total
    maps["ar1", ""] = np.sum([one.ar1 for one in draws], axis=0) / total
    return maps
