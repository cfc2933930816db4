"""From draws to maps: against the same figures taken of all draws at once."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from pyhrf.data import Parcel, ParcelEstimate
from pyhrf.estimators.mcmc_solver import MCMCSolution, empty_draws
from pyhrf.estimators.mcmc_state import Steps
from pyhrf.estimators.mcmc_summary import summarise_draws

N_CONDITIONS, N_KEPT = 8, 200
CONTRASTS = {"all": np.arange(1.0, N_CONDITIONS + 1)}


def made_up(n_positions: int, peak: float = 1.0, threshold: float = np.nan) -> MCMCSolution:
    """Two chains with an HRF of this largest excursion, and any levels."""
    rng = np.random.default_rng(0)
    steps = Steps(10, N_KEPT, 1, threshold)
    chains = []
    for _ in range(2):
        size = {"n_positions": n_positions, "n_conditions": N_CONDITIONS, "n_hrf": 12}
        draws = empty_draws(steps, **size)
        draws.hrf[:] = peak * np.sin(np.arange(12) / 4) + 0.01 * rng.normal(size=draws.hrf.shape)
        draws.mixture[:] = 1 + 0.1 * rng.normal(size=draws.mixture.shape)
        draws.levels[:] = rng.standard_normal(draws.levels.shape, dtype=np.float32) + 1
        draws.level[:] = draws.levels.sum(axis=0)
        draws.square[:] = 2.0 * N_KEPT
        chains.append(draws)
    return MCMCSolution(chains, steps, 1.0)


def summarised(solution: MCMCSolution) -> ParcelEstimate:
    n_positions = solution.draws[0].levels.shape[1]
    bold = np.zeros((2, n_positions), np.float32)
    return summarise_draws(
        solution,
        parcel=Parcel(1, bold, np.empty((0, 2), np.int32), np.arange(n_positions)),
        usable=np.ones(n_positions, dtype=bool),
        conditions=tuple("abcdefgh"),
        contrasts=CONTRASTS,
        dt=1.0,
        neighbour_correlation=0.2,
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_summarise_draws__levels_have_the_sign_of_an_hrf_that_goes_up(sign):
    solution = made_up(30, peak=sign, threshold=0.5)
    maps = summarised(solution).maps
    levels = sign * np.concatenate([one.levels for one in solution.draws]).astype(float)
    for m, name in enumerate("abcdefgh"):
        low, high = np.quantile(levels[:, :, m], [0.025, 0.975], axis=0)
        np.testing.assert_allclose(maps["nrl_q025", name], low, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(maps["nrl_q975", name], high, rtol=1e-5, atol=1e-5)
        mean = levels[:, :, m].mean(axis=0)
        np.testing.assert_allclose(maps["nrl", name], mean, rtol=1e-4, atol=1e-5)
        if sign < 0:  # else the sampler has counted them
            beyond = (levels[:, :, m] > 0.5).mean(axis=0)
            np.testing.assert_allclose(maps["ppm", name], beyond, atol=1e-6)
    values = levels @ CONTRASTS["all"]
    np.testing.assert_allclose(maps["contrast_sd", "all"], values.std(axis=0), rtol=1e-4)
    np.testing.assert_allclose(maps["contrast_ppm", "all"], (values > 0).mean(axis=0), atol=0.003)


def test_summarise_draws__takes_less_memory_than_the_draws():
    solution = made_up(2000)
    held = sum(one.levels.nbytes for one in solution.draws)
    summarised(made_up(10))
    tracemalloc.start()
    try:
        summarised(solution)
        assert tracemalloc.get_traced_memory()[1] < held
    finally:
        tracemalloc.stop()
