"""Spectra of noise against processes whose spectrum is known."""

import numpy as np
import pytest
from scipy.signal import lfilter

from pyhrf.data import Experiment, Run
from pyhrf.model.noise_spectrum import (
    autocorrelation,
    cosine_basis,
    gain_over_autoregression,
    to_cosines,
    updated_spectrum,
)


def basis_of(*runs):
    return cosine_basis(Experiment(("a",), tuple(Run(n, tr, {}) for n, tr in runs)))


def process(rng, n, V, numerator, denominator):
    """Stationary noise of an ARMA process, scaled to a variance of 1."""
    noise = lfilter(numerator, denominator, rng.normal(size=(n + 300, V)), axis=0)[300:]
    return noise / noise.std()


def estimated(basis, noise, n_steps=12):
    """Spectrum of noise from which nothing is taken out but the means of the runs."""
    found = to_cosines(noise, basis.run_lengths)
    constant = np.concatenate([np.arange(n) == 0 for n in basis.run_lengths])
    found[constant] = 0.0
    expected = np.where(constant, 0.0, 1.0)
    spectrum = np.ones(len(noise))
    for _ in range(n_steps):
        squares = np.mean(found**2, axis=1) / spectrum
        squares *= expected.sum() / squares.sum()
        spectrum = updated_spectrum(basis, spectrum, squares, expected)
    return spectrum, found, expected


def test_to_cosines__is_orthonormal_within_each_run():
    matrix = to_cosines(np.eye(30), (18, 12))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(30), atol=1e-12)
    assert not matrix[:18, 18:].any()
    place = np.arange(18) + 0.5
    for k in (1, 7):
        cosine = np.cos(np.pi * k * place / 18)
        np.testing.assert_allclose(matrix[k, :18], cosine / np.linalg.norm(cosine), atol=1e-12)


@pytest.mark.parametrize(
    ("numerator", "denominator"),
    [([1], [1, -0.4]), ([1, -0.6], [1, -0.95]), ([1], [1])],
    ids=["ar1", "arma", "white"],
)
def test_updated_spectrum__finds_that_of_the_process(numerator, denominator):
    noise = process(np.random.default_rng(0), 300, 60, numerator, denominator)
    basis = basis_of((300, 2.0))
    spectrum, _, _ = estimated(basis, noise)
    w = np.pi * np.arange(300) / 300
    z = np.exp(-1j * w)
    truth = np.abs(np.polyval(numerator[::-1], z) / np.polyval(denominator[::-1], z)) ** 2
    log_ratio = np.log(spectrum / truth)[3:]
    assert np.std(log_ratio) < 0.12


def test_updated_spectrum__tells_runs_of_other_noise_apart():
    rng = np.random.default_rng(1)
    basis = basis_of((120, 2.0), (200, 1.0))
    noise = np.vstack([process(rng, 120, 40, [1], [1]), 3 * process(rng, 200, 40, [1], [1])])
    spectrum, _, _ = estimated(basis, noise)
    assert np.mean(spectrum[120:]) / np.mean(spectrum[:120]) == pytest.approx(9, rel=0.1)


def test_autocorrelation__is_that_of_the_process():
    basis = basis_of((400, 2.0))
    spectrum, _, _ = estimated(basis, process(np.random.default_rng(2), 400, 50, [1], [1, -0.5]))
    assert autocorrelation(basis, spectrum) == pytest.approx(0.5, abs=0.03)


def test_gain_over_autoregression__is_large_for_arma_only():
    rng = np.random.default_rng(3)
    basis, rho = basis_of((300, 1.0)), np.arange(-0.2, 0.95, 0.05)
    gains = []
    for numerator, denominator in (([1, -0.6], [1, -0.95]), ([1], [1, -0.4])):
        noise = process(rng, 300, 50, numerator, denominator)
        spectrum, found, expected = estimated(basis, noise)
        gains.append(gain_over_autoregression(basis, spectrum, found**2, expected, rho) / 50)
    assert gains[0] > 3
    assert gains[1] < 0.5


def test_cosine_basis__has_few_bands_and_each_its_cosines():
    basis = basis_of((150, 2.0), (90, 2.5))
    counts = np.bincount(basis.band)
    assert len(counts) == basis.n_bands < 25
    assert counts.min() >= 1
    # bands follow the frequency, whatever the run
    order = np.argsort(basis.log_frequency)
    assert np.all(np.diff(basis.band[order]) >= 0)


def test_cosine_basis__of_very_short_runs():
    basis = basis_of((3, 2.0))
    assert basis.n_bands >= 1
    spectrum = updated_spectrum(basis, np.ones(3), np.array([0.0, 1.0, 1.0]), np.array([0, 1, 1.0]))
    assert np.isfinite(spectrum).all()
