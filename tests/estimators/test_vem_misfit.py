"""HRFs from sums over positions, and what is made of two HRFs that differ."""

import numpy as np
import pytest

from pyhrf.data import Experiment, Run
from pyhrf.estimators.vem_misfit import HRF, combined_hrf, hrf_of_sums, noise_of_sums
from pyhrf.model.hrf import prior_precision
from pyhrf.model.noise_spectrum import cosine_basis

N_HRF, DT = 24, 1.0
P = prior_precision(N_HRF, DT)
C = np.linalg.inv(P)
C_ROOT = np.linalg.cholesky(C)


def test_noise_of_sums__finds_an_oscillation_that_other_positions_lack():
    """On average over positions the spectrum is flat; in the sums one band has all the power."""
    rng = np.random.default_rng(0)
    basis = cosine_basis(Experiment(("a",), (Run(300, 2.0, {}),)))
    truth = np.where(basis.band == 3, 50.0, 1.0)
    left = np.sqrt(truth)[:, None] * rng.normal(size=(300, 40))
    found = noise_of_sums(basis, left, np.ones(300)) / 40
    inside = basis.band == 3
    assert 25 < np.median(found[inside]) < 100
    far = np.abs(basis.band - 3) > 1
    np.testing.assert_allclose(np.log(found[far]), 0, atol=0.3)
    white = noise_of_sums(None, left, np.ones(300))
    np.testing.assert_allclose(white, np.sum(left**2) / 300)


def test_hrf_of_sums__is_the_posterior_of_positions_with_noise_of_their_own():
    """By brute force: all data in one vector."""
    rng = np.random.default_rng(0)
    n, V, M, D = 40, 6, 2, 5
    X, Y, A = rng.normal(size=(n, M, D)), rng.normal(size=(n, V)), rng.normal(size=(V, M))
    prior = np.diag(rng.uniform(1, 2, D))
    found = hrf_of_sums(X, Y @ A, A.T @ A, np.zeros(M), prior)
    design = np.concatenate([np.einsum("nmd,m->nd", X, A[v]) for v in range(V)])
    covariance = np.linalg.inv(design.T @ design + prior)
    np.testing.assert_allclose(found.covariance, covariance, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found.h, covariance @ design.T @ Y.T.ravel(), rtol=1e-9, atol=1e-12)


def test_hrf_of_sums__of_levels_that_are_not_known_is_less_sure_of_its_height():
    rng = np.random.default_rng(1)
    X, Y, A = rng.normal(size=(40, 1, 5)), rng.normal(size=(40, 6)), rng.normal(size=(6, 1))
    known = hrf_of_sums(X, Y @ A, A.T @ A, np.zeros(1), np.eye(5))
    unsure = hrf_of_sums(X, Y @ A, A.T @ A, np.full(1, 30.0), np.eye(5))
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
    precise, robust, combined = errors(0.1)
    assert combined < 0.2 * precise
    assert combined < 0.9 * robust
    precise, robust, combined = errors(0.3)
    assert combined < 0.25 * precise


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


@pytest.mark.parametrize("factor", [0.01, 50.0])
def test_combined_hrf__does_not_look_at_the_height_of_the_robust_one(factor):
    rng = np.random.default_rng(4)
    _, precise, robust = pair(rng, 0.5)
    one = combined_hrf(precise, robust, C)
    other = combined_hrf(precise, robust.scaled(factor), C)
    np.testing.assert_allclose(other.h, one.h, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(other.covariance, one.covariance, rtol=1e-6, atol=1e-10)


def test_combined_hrf__of_one_that_points_elsewhere_is_the_precise_one():
    rng = np.random.default_rng(5)
    _, precise, robust = pair(rng, 0.0)
    assert combined_hrf(precise, robust.scaled(-1.0), C) is precise


def test_combined_hrf__keeps_the_sign_of_the_response():
    rng = np.random.default_rng(6)
    for _ in range(300):
        shapes = C_ROOT @ rng.normal(size=(N_HRF, 2))
        robust = HRF(shapes[:, 1] * np.sign(shapes[:, 0] @ shapes[:, 1]), C / 20)
        found = combined_hrf(HRF(shapes[:, 0], C / 400), robust, C)
        assert found.h @ (shapes[:, 0] + 10 * robust.h) > 0
        np.linalg.cholesky(found.covariance)


def test_combined_hrf__of_one_whose_error_is_not_told_well_is_near_the_precise_one():
    """Covariances that are nearly the same, and one of them four times too small."""
    rng = np.random.default_rng(7)
    covariance = np.linalg.inv(400 * np.eye(N_HRF) + P)
    root = np.linalg.cholesky(covariance)
    found = []
    for _ in range(100):
        h = C_ROOT @ rng.normal(size=N_HRF)
        precise = HRF(h + root @ rng.normal(size=N_HRF), covariance)
        robust = HRF(h + 2 * root @ rng.normal(size=N_HRF), 1.1 * covariance)
        combined = combined_hrf(precise, robust, C)
        found.append([off(x.h, h) for x in (precise, robust, combined)])
    precise, robust, combined = np.mean(found, axis=0)
    assert combined - precise < 0.3 * (robust - precise)
