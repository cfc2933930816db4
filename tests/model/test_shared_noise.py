"""The covariance of shared noise against plain matrices and draws of known covariance."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.model import shared_noise as module
from pyhrf.model.shared_noise import (
    fold_spectra,
    held_out_ratio,
    shared_correlation,
    shared_noise,
)


def precision(noise):
    """Give ``Q`` as one matrix."""
    return np.diag(noise.diagonal) - noise.factors @ noise.factors.T


def draws(rng, n, V, n_shared=3, size=1.5):
    """Rows of noise of which positions share a part, and its covariance."""
    maps = size * rng.normal(size=(n_shared, V))
    sd = rng.uniform(0.5, 2.0, V)
    rows = (rng.normal(size=(n, n_shared)) @ maps + rng.normal(size=(n, V))) * sd
    return rows, (maps.T @ maps + np.eye(V)) * np.outer(sd, sd)


def plain(rows, n_kept, shrinkage, scale):
    """Do the same by one large matrix: shrink the correlation's eigenvalues, then invert."""
    V = rows.shape[1]
    sd = np.sqrt(np.mean(rows**2, axis=0))
    Z = rows / sd
    values, vectors = np.linalg.eigh(Z.T @ Z / len(Z))
    values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
    mean = (V - values[:n_kept].sum()) / (V - n_kept)
    shrunk = (1 - shrinkage) * values + shrinkage * mean
    shrunk[:n_kept] = np.maximum(values[:n_kept], shrunk[:n_kept])
    correlation = (vectors * shrunk) @ vectors.T
    return np.linalg.inv(scale * correlation * np.outer(sd, sd))


@pytest.mark.parametrize(("n", "V"), [(40, 90), (90, 40), (60, 60)])
def test_shared_noise__is_the_inverse_of_the_shrunk_covariance(n, V):
    rows, _ = draws(np.random.default_rng(1), n, V)
    noise = shared_noise(fold_spectra(rows))
    expected = plain(rows, noise.n_kept, noise.shrinkage, noise.scale)
    np.testing.assert_allclose(precision(noise), expected, rtol=0.01, atol=2e-3 * expected.max())
    variance = np.diag(np.linalg.inv(precision(noise)))
    np.testing.assert_allclose(noise.variance, variance, rtol=1e-6)


@pytest.mark.parametrize(("n", "V"), [(40, 90), (90, 40)])
def test_shared_noise__takes_what_predicts_the_folds_best(n, V):
    rows, _ = draws(np.random.default_rng(2), n, V)
    noise = shared_noise(fold_spectra(rows))
    Z = rows / np.sqrt(np.mean(rows**2, axis=0))

    def score(n_kept, shrinkage):
        """Log likelihood of all folds under the covariance of the others, at its best scale."""
        log_det = squares = 0.0
        for first in range(module.N_FOLDS):
            fold = np.arange(first, n, module.N_FOLDS)
            others = np.delete(Z, fold, axis=0)
            values, vectors = np.linalg.eigh(others.T @ others / len(others))
            values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
            mean = (V - values[:n_kept].sum()) / (V - n_kept)
            shrunk = (1 - shrinkage) * values + shrinkage * mean
            shrunk[:n_kept] = np.maximum(values[:n_kept], shrunk[:n_kept])
            log_det += len(fold) * np.log(shrunk).sum()
            squares += np.sum((Z[fold] @ vectors) ** 2 / shrunk)
        return -0.5 * (log_det + n * V * np.log(squares / (n * V)))

    best = score(noise.n_kept, noise.shrinkage)
    assert noise.gain == pytest.approx(best - score(0, 1.0), rel=1e-6)
    assert noise.gain > V
    for n_kept in (0, 1, 3, 5):
        for shrinkage in (0.1, 0.5, 0.9, 1.0):
            assert score(n_kept, shrinkage) <= best + 1e-6


def test_shared_noise__of_independent_noise_has_no_factors_and_no_gain():
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(120, 200)) * rng.uniform(0.5, 2, 200)
    noise = shared_noise(fold_spectra(rows))
    assert noise.factors.shape == (200, 0)
    assert noise.gain == 0.0
    np.testing.assert_allclose(noise.variance, np.mean(rows**2, axis=0))


def test_shared_noise__weighs_levels_better_than_independent_noise_would():
    """Of the sums that a response is drawn from, those with ``Q`` hold less noise."""
    rng = np.random.default_rng(4)
    rows, covariance = draws(rng, 100, 150)
    noise = shared_noise(fold_spectra(rows))
    pattern = (np.arange(150) < 40) * 1.0
    weights = precision(noise) @ pattern, pattern / np.diag(covariance)
    noise_of = [w @ covariance @ w / (w @ pattern) ** 2 for w in weights]
    assert noise_of[0] < 0.5 * noise_of[1]


@pytest.mark.parametrize(("n", "V"), [(40, 90), (90, 40)])
def test_shared_noise__like_another_takes_its_shrinkage(n, V):
    rows, _ = draws(np.random.default_rng(5), n, V)
    first = shared_noise(fold_spectra(rows))
    again = shared_noise(fold_spectra(rows, n_folds=0), first)
    np.testing.assert_array_equal(precision(again), precision(first))


@pytest.mark.parametrize(("n", "V"), [(48, 90), (96, 40)])
def test_held_out_ratio__is_that_of_sums_over_the_folds(n, V):
    rng = np.random.default_rng(6)
    rows, _ = draws(rng, n, V)
    level = rng.normal(size=(V, 2))
    spectra = fold_spectra(rows)
    noise = shared_noise(spectra)
    sd = np.sqrt(np.mean(rows**2, axis=0))
    found = expected = 0.0
    for first in range(module.N_FOLDS):
        fold = np.arange(first, n, module.N_FOLDS)
        others = np.delete(rows, fold, axis=0) / sd
        values, vectors = np.linalg.eigh(others.T @ others / len(others))
        values, vectors = np.maximum(values[::-1], 0), vectors[:, ::-1]
        mean = (V - values[: noise.n_kept].sum()) / (V - noise.n_kept)
        shrunk = (1 - noise.shrinkage) * values + noise.shrinkage * mean
        shrunk[: noise.n_kept] = np.maximum(values[: noise.n_kept], shrunk[: noise.n_kept])
        Q = (vectors / (noise.scale * shrunk)) @ vectors.T / np.outer(sd, sd)
        found += np.sum((rows[fold] @ Q @ level) ** 2)
        expected += len(fold) * np.trace(level.T @ Q @ level)
    # the precision of the whole is that of the sums less the scale, which both lack
    assert held_out_ratio(spectra, noise, level) == pytest.approx(
        max(found / expected, 1), rel=1e-6
    )


@given(st.floats(1e-6, 1e6), st.integers(0, 5))
def test_shared_noise__follows_any_scaling_of_the_data(factor, seed):
    rows, _ = draws(np.random.default_rng(seed), 30, 25)
    one, other = shared_noise(fold_spectra(rows)), shared_noise(fold_spectra(factor * rows))
    np.testing.assert_allclose(precision(other) * factor**2, precision(one), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(("n", "V"), [(100, 40), (40, 100)])
def test_shared_correlation__is_one_for_independent_noise_only(n, V):
    rng = np.random.default_rng(8)
    ratios = [shared_correlation(rng.normal(size=(n, V)), n) for _ in range(200)]
    assert np.mean(ratios) == pytest.approx(1, abs=0.02)
    assert np.std(ratios) == pytest.approx(2 / V, rel=0.25)
    rows, _ = draws(rng, n, V, size=0.5)
    correlation = np.corrcoef(rows.T)
    mean = np.mean(correlation[~np.eye(V, dtype=bool)] ** 2) * n
    assert shared_correlation(rows, n) == pytest.approx(mean, rel=0.15)
    assert shared_correlation(rows, n) > 2
