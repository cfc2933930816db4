from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kurtosis

from pyhrf.simulation.noise import draw_drift, draw_noise
from pyhrf.simulation.spec import SimulationSpec

SPEC = SimulationSpec(region="box", shape=(12, 10, 8), n_parcels=2, n_scans=1000)
CUBE = np.ones((12, 10, 8), dtype=np.int32)


def draw(spec, rho, seed=0):
    return draw_noise(spec, CUBE, np.full(CUBE.size, rho), np.random.default_rng(seed))


@pytest.mark.parametrize("rho", [-0.4, 0.0, 0.5, 0.9])
@pytest.mark.parametrize("dof", [None, 5.0])
def test_draw_noise__is_stationary_ar1_of_unit_sd(rho, dof):
    noise = draw(replace(SPEC, noise_dof=dof), rho).astype(np.float64)
    lag = [np.mean(noise[k:] * noise[: len(noise) - k]) for k in range(4)]
    np.testing.assert_allclose(lag, rho ** np.arange(4), atol=0.03)
    # From the first scan on: the sd needs no time to settle.
    assert noise[0].std() == pytest.approx(1.0, abs=0.1)


def test_draw_noise__each_voxel_has_its_own_autocorrelation():
    rho = np.linspace(0.0, 0.8, CUBE.size)
    noise = draw_noise(SPEC, CUBE, rho, np.random.default_rng(3))
    sample = np.mean(noise[1:] * noise[:-1], axis=0) / np.mean(noise**2, axis=0)
    assert np.mean(sample - rho) == pytest.approx(0.0, abs=0.01)
    assert np.std(sample - rho) < 0.05


def test_draw_noise__runs_know_nothing_of_each_other():
    spec = replace(SPEC, n_scans=20, n_runs=100, event_interval=8.0)
    noise = draw(spec, 0.9).reshape(100, 20, -1)
    assert np.mean(noise[1:, 0] * noise[:-1, -1]) == pytest.approx(0.0, abs=0.02)
    assert np.mean(noise[:, 1] * noise[:, 0]) == pytest.approx(0.9, abs=0.02)


def test_draw_noise__student_has_heavier_tails():
    assert kurtosis(draw(SPEC, 0.0).ravel()) == pytest.approx(0.0, abs=0.1)
    # Excess kurtosis of Student's t: 6 / (dof - 4).
    noise = draw(replace(SPEC, noise_dof=10.0), 0.0)
    assert kurtosis(noise.ravel()) == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("smoothness", [0.5, 1.5])
def test_draw_noise__filter_correlates_neighbours_and_keeps_the_variance(smoothness):
    spec = replace(SPEC, noise_smoothness=smoothness)
    noise = draw(spec, 0.3).reshape(-1, *CUBE.shape)
    np.testing.assert_allclose(noise.std(axis=0), 1.0, atol=0.15)
    assert noise.std() == pytest.approx(1.0, abs=0.02)
    near = np.mean(noise[:, 1:] * noise[:, :-1])
    # Autocorrelation of a (sampled) Gaussian kernel at a distance of one voxel.
    x = np.arange(-20, 21)
    kernel = np.exp(-(x**2) / (2 * smoothness**2))
    expected = np.sum(kernel[1:] * kernel[:-1]) / np.sum(kernel**2)
    assert near == pytest.approx(expected, abs=0.05)
    assert np.mean(noise[1:] * noise[:-1]) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("n_scans", [40, 200])
def test_draw_drift__is_slow_and_of_the_size_asked_for(n_scans):
    spec = SimulationSpec(n_scans=n_scans, drift=3.0, noise_sd=2.0, n_runs=2)
    basis, coefficients = draw_drift(spec, 4000, np.random.default_rng(0))
    drift = basis @ coefficients
    assert np.sqrt(np.mean(drift**2)) == pytest.approx(6.0, rel=0.03)
    # A run's own columns are 0 in the other run.
    half = basis.shape[1] // 2
    assert not basis[n_scans:, :half].any()
    assert not basis[:n_scans, half:].any()
    # Each column but the line crosses 0 no faster than a period of 128 s.
    crossings = np.sum(np.diff(np.sign(basis[:n_scans, 1:half]), axis=0) != 0, axis=0)
    assert (crossings <= 2 * n_scans * spec.tr / 128).all()


def test_draw_drift__none_when_none_is_asked_for():
    basis, coefficients = draw_drift(SimulationSpec(drift=0.0), 5, np.random.default_rng(0))
    assert not (basis @ coefficients).any()
