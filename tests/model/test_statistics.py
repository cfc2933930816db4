"""The sufficient statistics against dense matrices with a time axis."""

import numpy as np
import pytest
from scipy.linalg import block_diag, null_space
from scipy.stats import multivariate_normal

from pyhrf.model.statistics import (
    design_statistics,
    noise_inflation,
    parcel_moments,
    without_nuisance,
)

RUNS = (14, 9)
RHO = np.array([-0.3, 0.0, 0.2, 0.65, 0.9])
N_CONDITIONS, N_HRF = 3, 4


def precision(rho, lengths=RUNS):
    """Precision of AR(1) noise over its innovation variance, from its covariance run by run."""
    blocks = []
    for n in lengths:
        lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        blocks.append(np.linalg.inv(float(rho) ** lags / (1 - rho**2)))
    return block_diag(*blocks)


def marginal_precision(L, P):
    """Precision that is left when the nuisance has a flat prior and is integrated out."""
    return L - L @ P @ np.linalg.solve(P.T @ L @ P, P.T @ L)


def moments_of(projector, Y):
    return parcel_moments(projector, without_nuisance(projector, Y))


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(3)
    n = sum(RUNS)
    X = rng.normal(size=(n, N_CONDITIONS, N_HRF))
    P = block_diag(*(np.vander(np.arange(k) / k, 3) for k in RUNS))
    Y = 500 + rng.normal(size=(n, 6))
    projector, design = design_statistics(X, P, RUNS, RHO)
    return X, P, Y, design, moments_of(projector, Y)


def test_design_statistics__G_is_the_design_under_the_marginal_precision(problem):
    X, P, _, design, _ = problem
    for i, rho in enumerate(RHO):
        M = marginal_precision(precision(rho), P)
        for pair, (m, n) in enumerate(zip(*np.triu_indices(N_CONDITIONS), strict=True)):
            block = X[:, m].T @ M @ X[:, n]
            np.testing.assert_allclose(
                design.G[i, pair].reshape(N_HRF, N_HRF), (block + block.T) / 2, atol=1e-9
            )
    assert design.n_free == sum(RUNS) - P.shape[1]
    np.testing.assert_array_equal(design.rho, RHO)


def test_design_statistics__log_det_is_that_of_the_marginal_likelihood(problem):
    _, P, _, design, _ = problem
    U = null_space(P.T)
    # the data without the nuisance have the covariance U' inv(L) U
    expected = [-np.linalg.slogdet(U.T @ np.linalg.inv(precision(r)) @ U)[1] for r in RHO]
    np.testing.assert_allclose(design.log_det, expected, atol=1e-9)


def test_moments__give_the_marginal_likelihood_of_every_model(problem):
    X, P, Y, design, moments = problem
    rng = np.random.default_rng(1)
    U = null_space(P.T)
    K = P.shape[1]
    for i, rho in enumerate(RHO):
        scale = np.array([1, rho**2, -rho])
        ZY, YY = np.tensordot(scale, moments.ZY, 1), scale @ moments.YY
        B = ZY[:, K:] - ZY[:, :K] @ design.C[i]
        e = YY - np.einsum("vk,kl,vl->v", ZY[:, :K], design.inv_PP[i], ZY[:, :K])
        M = marginal_precision(precision(rho), P)
        np.testing.assert_allclose(B, Y.T @ M @ X.reshape(len(Y), -1), atol=1e-8)
        np.testing.assert_allclose(e, np.einsum("nv,nk,kv->v", Y, M, Y), rtol=1e-8)
        for v in range(Y.shape[1]):
            levels, h, s = rng.normal(size=N_CONDITIONS), rng.normal(size=N_HRF), rng.gamma(3.0)
            expected = multivariate_normal(
                U.T @ np.einsum("nmd,m,d->n", X, levels, h),
                s * U.T @ np.linalg.inv(precision(rho)) @ U,
            ).logpdf(U.T @ Y[:, v])
            quadratic = e[v] - 2 * np.outer(levels, h).ravel() @ B[v]
            for pair, (m, n) in enumerate(zip(*np.triu_indices(N_CONDITIONS), strict=True)):
                form = h @ design.G[i, pair].reshape(N_HRF, N_HRF) @ h
                quadratic += (1 if m == n else 2) * levels[m] * levels[n] * form
            found = design.log_det[i] / 2 - quadratic / (2 * s)
            found -= design.n_free / 2 * np.log(2 * np.pi * s)
            assert found == pytest.approx(expected, rel=1e-8)


def test_parcel_moments__YY_are_products_within_the_runs(problem):
    _, P, Y, _, moments = problem
    rest = Y - P @ np.linalg.lstsq(P, Y, rcond=None)[0]
    runs = np.split(rest, np.cumsum(RUNS)[:-1])
    np.testing.assert_allclose(moments.YY[0], sum((y**2).sum(axis=0) for y in runs))
    np.testing.assert_allclose(moments.YY[1], sum((y[1:-1] ** 2).sum(axis=0) for y in runs))
    np.testing.assert_allclose(
        moments.YY[2], sum(2 * (y[1:] * y[:-1]).sum(axis=0) for y in runs), atol=1e-9
    )


def test_without_nuisance__is_the_rest_of_least_squares(problem):
    X, P, Y, _, _ = problem
    projector, _ = design_statistics(X, P, RUNS, RHO)
    # a baseline a million times the fluctuations
    rest = without_nuisance(projector, Y + 1e6)
    np.testing.assert_allclose(P.T @ rest, 0, atol=1e-10)
    U = null_space(P.T)
    np.testing.assert_allclose(U.T @ rest, U.T @ Y, atol=1e-8)


def test_parcel_moments__do_not_see_the_nuisance(problem):
    X, P, Y, _, moments = problem
    projector, _ = design_statistics(X, P, RUNS, RHO)
    drifts = P @ np.random.default_rng(2).normal(scale=1e4, size=(P.shape[1], Y.shape[1]))
    moved = moments_of(projector, Y + drifts)
    np.testing.assert_allclose(moved.ZY, moments.ZY, atol=1e-7)
    np.testing.assert_allclose(moved.YY, moments.YY, atol=1e-7)


def test_design_statistics__any_basis_of_the_nuisance_will_do(problem):
    X, P, Y, design, moments = problem
    mixed = P @ np.random.default_rng(4).normal(size=(P.shape[1],) * 2)
    projector, other = design_statistics(X, mixed, RUNS, RHO)
    np.testing.assert_allclose(other.G, design.G, atol=1e-8)
    np.testing.assert_allclose(other.log_det, design.log_det, atol=1e-8)
    np.testing.assert_allclose(moments_of(projector, Y).YY, moments.YY, atol=1e-8)


def test_design_statistics__white_noise_is_ordinary_least_squares():
    rng = np.random.default_rng(5)
    X, P, Y = rng.normal(size=(30, 1, 2)), np.ones((30, 1)), rng.normal(size=(30, 1))
    projector, design = design_statistics(X, P, (30,), np.zeros(1))
    moments = moments_of(projector, Y.astype(np.float32))
    beta = np.linalg.solve(design.G[0, 0].reshape(2, 2), moments.ZY[0, 0, 1:])
    expected = np.linalg.lstsq(np.hstack([X[:, 0], P]), Y, rcond=None)[0][:2, 0]
    np.testing.assert_allclose(beta, expected, rtol=1e-5)


def inflation(noise, *, rho=0.0, n_copies=1, lengths=(150, 150), seed=0):
    """Redundancy of noise that is all there is, shape (n_scans, n_positions), in copies."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(len(noise), 2, 5))
    P = block_diag(*(np.ones((n, 1)) for n in lengths))
    projector, _ = design_statistics(X, P, lengths, np.zeros(1))
    h, level = rng.normal(size=5), rng.normal(size=(noise.shape[1], 2))
    signal = np.einsum("nmd,d,vm->nv", X, h, level)
    n_positions = n_copies * noise.shape[1]
    return noise_inflation(
        projector,
        without_nuisance(projector, np.tile(noise + signal, n_copies)),
        h=h,
        level=np.tile(level, (n_copies, 1)),
        noise=np.ones(n_positions),
        rho=np.full(n_positions, rho),
        n_fitted=0.0,
    )


def ar1_noise(rho, shape, seed):
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(shape)
    noise[0] /= np.sqrt(1 - rho**2)
    for n in range(1, len(noise)):
        noise[n] += rho * noise[n - 1]
    return noise


def test_noise_inflation__is_one_when_the_noise_is_independent():
    found = [inflation(ar1_noise(0, (300, 40), seed), seed=seed) for seed in range(6)]
    assert np.mean(found) == pytest.approx(1, abs=0.1)


def test_noise_inflation__does_not_take_autocorrelation_for_shared_noise():
    found = [inflation(ar1_noise(0.6, (300, 40), seed), rho=0.6, seed=seed) for seed in range(6)]
    assert np.mean(found) == pytest.approx(1, abs=0.1)


def test_noise_inflation__counts_copies():
    noise = 3 * ar1_noise(0, (300, 20), 1)
    once = inflation(noise)
    assert once > 1
    assert inflation(noise, n_copies=4) == pytest.approx(4 * once)


def test_noise_inflation__is_never_below_one():
    assert inflation(0.1 * ar1_noise(0, (300, 20), 1)) == 1
