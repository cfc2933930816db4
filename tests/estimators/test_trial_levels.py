"""Levels of single trials given the HRF, against dense linear algebra and brute force."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import block_diag
from trial_parcel import ar1_covariance, random_trials

from pyhrf.estimators import trial_levels
from pyhrf.estimators.trial_levels import (
    GAMMA,
    RHO,
    Levels,
    TrialData,
    fit_levels,
    grid_ratios,
    grid_weights,
    means_known,
    profiles_of,
    run_bases,
)


def data_of(trials: TrialData, rng: np.random.Generator, n_series: int = 4) -> list[np.ndarray]:
    """Levels of mean 2 and variance 1 in white noise of unit variance."""
    levels = (2 + rng.standard_normal((Z.shape[1], n_series)) for Z in trials.Z)
    return [
        Z @ level + 0.5 * rng.standard_normal((len(Z), n_series))
        for Z, level in zip(trials.Z, levels, strict=True)
    ]


def fit_all(trials: TrialData, Y: list[np.ndarray]) -> Levels:
    every = list(range(len(Y)))
    return fit_some(trials, Y, every, every)


def fit_some(
    trials: TrialData,
    Y: list[np.ndarray],
    known: list[int],
    wanted: list[int],
    with_mean: list[int] | None = None,
) -> Levels:
    """Levels with the means of the known runs, or of others."""
    bases = run_bases(trials, Y)
    with_mean = known if with_mean is None else with_mean
    return fit_levels(bases, trials.U, known=known, wanted=wanted, with_mean=with_mean)


def assert_levels(found: Levels, wanted: Levels, **tolerance: float) -> None:
    for name, one, other in zip(Levels._fields, found, wanted, strict=True):
        np.testing.assert_allclose(one, other, err_msg=name, **tolerance)


def dense_likelihood(
    trials: TrialData, y: np.ndarray, rho: float, gamma: float
) -> tuple[float, float]:
    """Restricted log likelihood at its largest over the variance, and that variance."""
    Z, P, U = block_diag(*trials.Z), block_diag(*trials.P), np.concatenate(trials.U)
    noise = block_diag(*(ar1_covariance(len(run), rho) for run in trials.Z))
    V = noise + gamma * Z @ Z.T
    X = np.hstack([P, Z @ U])
    inner = X.T @ np.linalg.solve(V, X)
    left = y - X @ np.linalg.solve(inner, X.T @ np.linalg.solve(V, y))
    n = len(y) - X.shape[1]
    variance = left @ np.linalg.solve(V, left) / n
    dets = np.linalg.slogdet(V)[1] + np.linalg.slogdet(inner)[1]
    return -0.5 * (n * np.log(variance) + dets), variance


def dense_prediction(
    trials: TrialData, y: np.ndarray, rho: float, gamma: float, *, known_means: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Best linear unbiased prediction of ``U m + d``, and the variance of its error.

    The weights ``K`` are those of the least variance of ``K'y - a`` that have no bias whatever
    means and nuisance are, by multipliers. If the means are known, they are 0.
    """
    Z, P, U = block_diag(*trials.Z), block_diag(*trials.P), np.concatenate(trials.U)
    _, s = dense_likelihood(trials, y, rho, gamma)
    V = s * block_diag(*(ar1_covariance(len(run), rho) for run in trials.Z))
    V = V + s * gamma * Z @ Z.T
    U = U[:, :0] if known_means else U
    with_levels = s * gamma * Z
    X = np.hstack([P, Z @ U])
    target = np.hstack([np.zeros((len(U), P.shape[1])), U])
    zeros = np.zeros((X.shape[1], X.shape[1]))
    solved = np.linalg.solve(np.block([[V, X], [X.T, zeros]]), np.vstack([with_levels, target.T]))
    K = solved[: len(y)]
    error = K.T @ V @ K - K.T @ with_levels - with_levels.T @ K + s * gamma * np.eye(len(U))
    return K.T @ y, np.diag(error)


def alike_and_unseen(trials: TrialData) -> TrialData:
    """Give a trial the regressor of another, and one none."""
    Z = [run.copy() for run in trials.Z]
    for run in Z:
        run[:, 1], run[:, 5] = run[:, 0], 0.0
    return replace(trials, Z=Z)


@pytest.mark.parametrize("change", [lambda trials: trials, alike_and_unseen])
@pytest.mark.parametrize("n_means", [1, 3])
@pytest.mark.parametrize("n_scans", [(45,), (40, 55)])
@pytest.mark.parametrize("censored", [(), (0, 11, 12, 39)])
@pytest.mark.parametrize("rho", [-0.2, 0.6])
def test_one_point_of_the_grid__is_the_best_linear_unbiased_prediction(
    monkeypatch, change, n_means, n_scans, censored, rho
):
    rng = np.random.default_rng(3)
    trials = change(random_trials(rng, n_scans, n_means=n_means, censored=censored))
    Y = data_of(trials, rng)
    gamma = 0.3
    monkeypatch.setattr(trial_levels, "RHO", np.array([rho]))
    monkeypatch.setattr(trial_levels, "GAMMA", np.ones(1))
    (unit,) = grid_ratios(run_bases(trials, Y))
    monkeypatch.setattr(trial_levels, "GAMMA", np.array([gamma / unit]))
    monkeypatch.setattr(trial_levels, "SPREAD_UP_TO", np.inf)
    found = fit_all(trials, Y)
    for series, y in enumerate(np.concatenate(Y).T):
        mean, variance = dense_prediction(trials, y, rho, gamma)
        np.testing.assert_allclose(found.mean[:, series], mean, rtol=1e-7, atol=1e-8)
        np.testing.assert_allclose(found.variance[:, series], variance, rtol=1e-7)
        around = dense_prediction(trials, y, rho, gamma, known_means=True)[1]
        np.testing.assert_allclose(found.around[:, series], around, rtol=1e-7)
        s = dense_likelihood(trials, y, rho, gamma)[1]
        assert found.prior_variance[series] == pytest.approx(gamma * s)


@pytest.mark.parametrize("censored", [(), (5, 6, 20)])
def test_profiles__are_the_dense_restricted_likelihood_up_to_a_constant(monkeypatch, censored):
    rng = np.random.default_rng(4)
    trials = random_trials(rng, (35, 30), n_trials=7, n_means=2, censored=censored)
    Y = data_of(trials, rng, n_series=2)
    gaps = []
    rhos, gammas = np.array([-0.2, 0.0, 0.5, 0.9]), np.array([0.0, 0.1, 3.0])
    monkeypatch.setattr(trial_levels, "RHO", rhos)
    for rho, bases in zip(rhos, run_bases(trials, Y), strict=True):
        found = profiles_of(bases, gammas)
        for place, gamma in enumerate(gammas):
            for series, y in enumerate(np.concatenate(Y).T):
                likelihood, variance = dense_likelihood(trials, y, rho, gamma)
                gaps.append(found.likelihood[place, series] - likelihood)
                assert found.variance[place, series] == pytest.approx(variance)
    np.testing.assert_allclose(gaps, gaps[0], atol=1e-8)


def test_values_of_censored_scans__count_for_nothing():
    rng = np.random.default_rng(5)
    trials = random_trials(rng, censored=(0, 9, 10))
    Y = data_of(trials, rng)
    spoilt = [run.copy() for run in Y]
    for run in spoilt:
        run[[0, 9, 10]] = 1e3 * rng.standard_normal((3, run.shape[1]))
    assert_levels(fit_all(trials, spoilt), fit_all(trials, Y), rtol=1e-8, atol=1e-9)


# --- the grid


def brute_force_weights(likelihood: np.ndarray) -> np.ndarray:
    """The steps of EM as loops over points and series."""
    n_rho, n_gamma, n_series = likelihood.shape
    even = [np.sqrt(g) if g <= trial_levels.SPREAD_UP_TO else 0.0 for g in GAMMA]
    of_rho, of_gamma = [1 / n_rho] * n_rho, [1 / n_gamma] * n_gamma
    for step in range(trial_levels.N_PRIOR_STEPS + 1):
        weights = np.zeros_like(likelihood)
        for v in range(n_series):
            for i in range(n_rho):
                for k in range(n_gamma):
                    weights[i, k, v] = of_rho[i] * of_gamma[k] * np.exp(likelihood[i, k, v])
            weights[:, :, v] /= weights[:, :, v].sum()
        if step == trial_levels.N_PRIOR_STEPS:
            break
        of_rho = [weights[i].sum() / n_series + trial_levels.EVEN / n_rho for i in range(n_rho)]
        of_rho = [each / sum(of_rho) for each in of_rho]
        spread = trial_levels.SPREAD
        of_gamma = [
            (1 - spread) * weights[:, k].sum() / n_series + spread * even[k] / sum(even)
            for k in range(n_gamma)
        ]
    for i in range(n_rho):
        for k in range(n_gamma):
            if max(weights[i, k]) < trial_levels.LEAST_WEIGHT:
                weights[i, k] = 0.0
    return weights / weights.sum(axis=(0, 1))


def test_weights__are_those_of_brute_force(monkeypatch):
    monkeypatch.setattr(trial_levels, "N_PRIOR_STEPS", 7)
    likelihood = 3 * np.random.default_rng(6).standard_normal((2, len(GAMMA), 3))
    found = grid_weights(likelihood - 900.0)
    np.testing.assert_allclose(found, brute_force_weights(likelihood), rtol=1e-10)
    np.testing.assert_allclose(found.sum(axis=(0, 1)), 1.0, rtol=1e-12)


def test_order_of_series__does_not_matter():
    rng = np.random.default_rng(7)
    trials = random_trials(rng)
    Y = data_of(trials, rng, n_series=9)
    order = rng.permutation(9)
    one, other = fit_all(trials, Y), fit_all(trials, [run[:, order] for run in Y])
    assert_levels(other, Levels(*(each[..., order] for each in one)), rtol=1e-9)


# --- units


@pytest.mark.parametrize("factor", [1e6, 1e-6])
def test_unit_of_the_data__is_that_of_the_levels(factor):
    rng = np.random.default_rng(8)
    trials = random_trials(rng)
    Y = data_of(trials, rng)
    one, other = fit_all(trials, Y), fit_all(trials, [factor * run for run in Y])
    units = (factor, factor**2, factor**2, factor, factor**2)
    scaled = Levels(*(unit * each for unit, each in zip(units, one, strict=True)))
    assert_levels(other, scaled, rtol=1e-8)


def test_unit_of_the_regressors__is_that_of_one_over_the_levels():
    rng = np.random.default_rng(9)
    trials = random_trials(rng, n_means=2)
    Y = data_of(trials, rng)
    found = fit_all(replace(trials, Z=[1e3 * Z for Z in trials.Z]), Y)
    one = fit_all(trials, Y)
    units = (1e-3, 1e-6, 1e-6, 1e-3, 1e-6)
    scaled = Levels(*(unit * each for unit, each in zip(units, one, strict=True)))
    assert_levels(found, scaled, rtol=1e-8)


def test_mean_of_all_trials__moves_the_levels_and_no_error():
    rng = np.random.default_rng(10)
    trials = random_trials(rng, n_trials=15)
    Y = data_of(trials, rng, n_series=20)
    more = 1000.0
    moved = [run + more * Z.sum(axis=1, keepdims=True) for run, Z in zip(Y, trials.Z, strict=True)]
    one, other = fit_all(trials, Y), fit_all(trials, moved)
    wanted = one._replace(mean=one.mean + more, mu=one.mu + more)
    assert_levels(other, wanted, rtol=1e-6)


def test_nuisance_in_the_data__changes_nothing():
    rng = np.random.default_rng(11)
    trials = random_trials(rng)
    Y = data_of(trials, rng)
    moved = [
        run + P @ (50 * rng.standard_normal((P.shape[1], 4)))
        for run, P in zip(Y, trials.P, strict=True)
    ]
    assert_levels(fit_all(trials, moved), fit_all(trials, Y), rtol=1e-7, atol=1e-9)


# --- means and variances of other runs


def test_levels_of_a_run__are_affine_in_its_data_if_others_are_known():
    rng = np.random.default_rng(12)
    trials = random_trials(rng, (40, 55, 50))
    Y = data_of(trials, rng)
    step = rng.standard_normal(Y[2].shape)
    found = [fit_some(trials, [*Y[:2], Y[2] + x * step], [0, 1], [2]) for x in (0, 1, 5)]
    slope = found[1].mean - found[0].mean
    assert np.abs(slope).min() > 0
    np.testing.assert_allclose(found[2].mean, found[0].mean + 5 * slope, rtol=1e-9, atol=1e-10)
    for one in found:
        np.testing.assert_array_equal(one.mu, found[0].mu)
        np.testing.assert_array_equal(one.prior_variance, found[0].prior_variance)


def test_order_of_runs__is_that_of_the_levels():
    rng = np.random.default_rng(13)
    trials = random_trials(rng, (40, 55, 50), n_trials=6)
    Y = data_of(trials, rng)
    one = fit_some(trials, Y, [0, 1, 2], [0, 2])
    other = fit_some(trials, Y, [2, 0, 1], [2, 0])
    order = np.r_[6:12, 0:6]
    of_trials = {x: getattr(one, x)[order] for x in ("mean", "variance", "around")}
    wanted = one._replace(**of_trials)
    assert_levels(other, wanted, rtol=1e-8)


def test_condition_that_no_known_run_has__is_shrunk_to_the_mean_of_the_others():
    rng = np.random.default_rng(14)
    trials = random_trials(rng, (80, 80), n_trials=12, n_means=2)
    U = [np.eye(3)[[0, 1] * 6], np.eye(3)[[0, 2] * 6]]
    trials = replace(trials, U=means_known(U, [0]))
    Y = [run + 20 * Z.sum(axis=1, keepdims=True) for run, Z in
         zip(data_of(trials, rng), trials.Z, strict=True)]  # fmt: skip
    new = fit_some(trials, Y, [0], [1]).mean[1::2]
    np.testing.assert_allclose(new.mean(axis=0), 22.0, atol=1.5)


def test_intervals__hold_as_often_as_they_say():
    rng = np.random.default_rng(15)
    trials = random_trials(rng, (110, 110), n_trials=16)
    n_series = 600
    s = rng.uniform(0.5, 2.0, n_series)
    between = rng.choice([0.3, 0.7, 1.2], n_series)
    levels = [3 + between * rng.standard_normal((16, n_series)) for _ in trials.Z]
    noise = [
        np.linalg.cholesky(ar1_covariance(len(Z), 0.4)) @ rng.standard_normal((len(Z), n_series))
        for Z in trials.Z
    ]
    Y = [Z @ a + s * b for Z, a, b in zip(trials.Z, levels, noise, strict=True)]
    found = fit_all(trials, Y)
    inside = np.abs(found.mean - np.concatenate(levels)) < 1.96 * np.sqrt(found.variance)
    assert 0.92 < inside.mean() < 0.97
    for sd in np.unique(between):
        assert 0.90 < inside[:, between == sd].mean() < 0.99


def test_grid__has_no_autocorrelation_of_one_and_a_ratio_of_none():
    assert np.abs(RHO).max() < 1
    assert GAMMA[0] == 0
