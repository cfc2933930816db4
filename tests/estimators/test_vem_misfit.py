"""HRFs from sums over positions, and what is made of two HRFs that differ."""

import numpy as np
import pytest

from pyhrf.estimators.vem_misfit import HRF, combined_hrf, hrf_of_sums
from pyhrf.model.hrf import prior_precision
from pyhrf.model.shared_noise import SharedNoise

N_HRF, DT = 24, 1.0
P = prior_precision(N_HRF, DT)
C = np.linalg.inv(P)
C_ROOT = np.linalg.cholesky(C)


def noise_of(rng, n_positions, precision):
    directions = np.linalg.qr(rng.normal(size=(n_positions, len(precision))))[0]
    sd = rng.uniform(0.5, 2.0, n_positions)
    return SharedNoise(sd, 0.8, directions, np.asarray(precision), 0, 1.0, 1.0, 1.0)


def correlation_of(noise):
    U = noise.directions
    return np.eye(len(U)) / noise.rest + U @ np.diag(1 / noise.precision - 1 / noise.rest) @ U.T


def test_hrf_of_sums__is_the_posterior_of_positions_with_noise_of_their_own():
    """By brute force: all data in one vector, all positions with the variance of the sums."""
    rng = np.random.default_rng(0)
    n, V, M, D = 40, 6, 2, 5
    noise = noise_of(rng, V, [0.05, 0.3])
    X, Y, level = rng.normal(size=(n, M, D)), rng.normal(size=(n, V)), rng.normal(size=(V, M))
    prior = np.diag(rng.uniform(1, 2, D))
    B = np.einsum("nv,nmd->vmd", Y, X)
    G = np.einsum("nmd,nke->mdke", X, X)
    found = hrf_of_sums(noise, B, G, level, np.zeros((V, M)), prior)
    A = level / noise.sd[:, None]
    r = np.trace(A.T @ correlation_of(noise) @ A) / np.trace(A.T @ A)
    assert r > 1
    design = np.concatenate([np.einsum("nmd,m->nd", X, level[v]) / noise.sd[v] for v in range(V)])
    data = np.concatenate([Y[:, v] / noise.sd[v] for v in range(V)])
    covariance = np.linalg.inv(design.T @ design / r + prior)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.h, covariance @ design.T @ data / r, rtol=1e-9, atol=1e-12)


def test_hrf_of_sums__of_levels_that_are_not_known_is_less_sure_of_its_height():
    rng = np.random.default_rng(1)
    noise = noise_of(rng, 6, [0.5])
    X, Y, level = rng.normal(size=(40, 1, 5)), rng.normal(size=(40, 6)), rng.normal(size=(6, 1))
    B, G = np.einsum("nv,nmd->vmd", Y, X), np.einsum("nmd,nke->mdke", X, X)
    known = hrf_of_sums(noise, B, G, level, np.zeros_like(level), np.eye(5))
    unsure = hrf_of_sums(noise, B, G, level, np.full_like(level, 5.0), np.eye(5))
    assert np.linalg.norm(unsure.h) < np.linalg.norm(known.h)


def pair(rng, misfit, truth=None):
    """A true HRF, and two estimates of it as they are where the model's misfit is so large."""
    precise, robust = (np.linalg.inv(f * np.eye(N_HRF) + P) for f in (400.0, 20.0))
    h = C_ROOT @ rng.normal(size=N_HRF) if truth is None else truth
    shared = np.linalg.cholesky(precise) @ rng.normal(size=N_HRF)
    more = np.linalg.cholesky(robust - precise + 1e-12 * np.eye(N_HRF)) @ rng.normal(size=N_HRF)
    wrong = np.sqrt(misfit) * C_ROOT @ rng.normal(size=N_HRF)
    return h, HRF(h + shared + wrong, precise), HRF(h + shared + more, robust)


def off(h, truth):
    """Error of a shape, whatever its height."""
    h = h * (h @ truth) / (h @ h)
    return np.sum((h - truth) ** 2) / np.sum(truth**2)


def errors(misfit, n=150):
    rng = np.random.default_rng(2)
    found = []
    for _ in range(n):
        h, precise, robust = pair(rng, misfit)
        combined = combined_hrf(precise, robust, C)
        found.append([off(x.h, h) for x in (precise, robust, combined)])
    return np.mean(found, axis=0)


def test_combined_hrf__is_nearly_the_precise_one_where_the_model_is_right():
    precise, robust, combined = errors(0.0)
    assert precise < 0.2 * robust
    assert combined - precise < 0.1 * (robust - precise)


def test_combined_hrf__is_better_than_either_where_it_is_not():
    precise, robust, combined = errors(0.3)
    assert combined < 0.5 * precise
    assert combined < 1.1 * robust


def test_combined_hrf__tells_its_error():
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(100):
        truth = 3 * C_ROOT[:, 0] + C_ROOT @ rng.normal(size=N_HRF)
        _, precise, robust = pair(rng, 0.3, truth)
        combined = combined_hrf(precise, robust, C)
        np.linalg.cholesky(combined.covariance)
        # both on the height of the truth, which is not known
        found = combined.scaled((combined.h @ truth) / (combined.h @ combined.h))
        ratios.append(np.sum((found.h - truth) ** 2) / np.trace(found.covariance))
    assert 0.3 < np.median(ratios) < 3


@pytest.mark.parametrize("factor", [-3.0, 0.01, 50.0])
def test_combined_hrf__does_not_look_at_the_height_of_the_robust_one(factor):
    rng = np.random.default_rng(4)
    _, precise, robust = pair(rng, 0.5)
    one = combined_hrf(precise, robust, C)
    other = combined_hrf(precise, robust.scaled(factor), C)
    np.testing.assert_allclose(other.h, one.h, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-6, atol=1e-10)


def test_combined_hrf__of_equal_ones_is_the_same():
    rng = np.random.default_rng(5)
    _, precise, _ = pair(rng, 0.0)
    found = combined_hrf(precise, precise, C)
    np.testing.assert_array_equal(found.h, precise.h)
    np.testing.assert_array_equal(found.covariance, precise.covariance)
