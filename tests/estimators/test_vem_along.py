"""Levels along the main directions of shared noise, and when they are raised."""

import numpy as np
import pytest
from parcel_data import small_spec, with_bold
from scipy.ndimage import gaussian_filter
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from pyhrf.estimators import JDEVEM, vem_along
from pyhrf.estimators.vem_along import AlongNoise, excess
from pyhrf.model.noise_spectrum import cosine_basis
from pyhrf.model.shared_noise import SharedNoise
from pyhrf.simulation.simulate import HRF_TIME, simulate

V, N = 60, 80


def directions(rng, n):
    return np.linalg.qr(rng.normal(size=(V, n)))[0]


def test_excess__is_the_likeliest_variance_beyond_the_noise():
    z = np.random.default_rng(0).normal(size=6) * 3
    evidence, count, ratio = excess(z**2)

    def loss(t, k):
        return -norm(0, np.sqrt(1 + t)).logpdf(z[:k]).sum() + norm.logpdf(z[:k]).sum()

    found = {
        k: minimize_scalar(loss, args=(k,), bounds=(0, 100), method="bounded") for k in (1, 2, 3, 5)
    }
    best = min(found, key=lambda k: found[k].fun)
    assert count == best
    assert evidence == pytest.approx(-found[best].fun, abs=1e-6)
    assert ratio == pytest.approx(found[best].x, rel=1e-3)


def test_excess__is_nothing_below_the_noise():
    assert excess(np.full(8, 0.9)) == (0.0, 0, 0.0)
    assert excess(np.zeros(0)) == (0.0, 0, 0.0)


def along(rng, truth, error=1.0):
    """Levels of least squares with errors of a known size along eight directions."""
    U = directions(rng, 8)
    plain = U.T @ truth + np.sqrt(error) * rng.normal(size=(8, truth.shape[1]))
    return AlongNoise(np.ones(V), U, plain, np.full(plain.shape, error)), U


def test_raised__errs_less_than_estimates_that_lack_it_and_than_least_squares():
    rng = np.random.default_rng(1)
    before, plain, after = [], [], []
    for _ in range(50):
        U = directions(rng, 8)
        truth = U @ (3.0 * rng.normal(size=(8, 1)))
        given = AlongNoise(np.ones(V), U, U.T @ truth + rng.normal(size=(8, 1)), np.ones((8, 1)))
        level = 0.2 * truth
        raised, variance = given.raised(level)
        before.append(np.sum((level - truth) ** 2))
        plain.append(np.sum((U @ given.plain - truth) ** 2))
        after.append(np.sum((raised - truth) ** 2))
        assert variance.sum() <= 8.0
    assert np.mean(after) < np.mean(plain) < 0.5 * np.mean(before)


def test_raised__leaves_estimates_that_are_right():
    rng = np.random.default_rng(2)
    changed = 0
    for _ in range(100):
        truth = np.zeros((V, 1))
        truth[:10] = 1.0
        given, _ = along(rng, truth)
        raised, variance = given.raised(truth)
        changed += bool(np.any(raised != truth))
        assert np.any(raised != truth) == np.any(variance > 0)
    assert changed < 40


def test_measured__counts_power_of_a_direction_at_the_frequencies_of_the_regressor():
    rng = np.random.default_rng(3)
    simulated = simulate(small_spec())
    experiment = simulated.experiment
    n = experiment.n_scans
    U = directions(rng, 2)
    noise = SharedNoise(np.ones(V), 1.0, U, np.array([1 / 30, 1 / 20]), 2, 1.0, 1.0, 1.0)
    residual = np.zeros((n, V))
    slow = np.where(np.arange(n) < n // 5, 3.0, 0.1)
    for k, (variance, shape) in enumerate(((30, slow), (20, np.ones(n)))):
        course = rng.normal(size=n) * np.sqrt(variance * shape / shape.mean())
        residual += np.outer(course, U[:, k])
    regressors = np.zeros((n, 2))
    regressors[2 : n // 6, 0] = 1.0
    regressors[n // 2 :, 1] = 1.0
    found = AlongNoise.measured(
        noise, cosine_basis(experiment), regressors, np.zeros((n, V)), residual, np.ones(n)
    )
    white = np.array([30.0, 20.0])[:, None] / np.sum(regressors**2, axis=0)
    assert np.all(found.error >= white * (1 - 1e-12))
    assert found.error[0, 0] > 2 * white[0, 0]
    np.testing.assert_allclose(found.error[1], white[1], rtol=0.5)
    assert not found.plain.any()


def test_responses_along_the_noise__are_not_taken_for_noise(monkeypatch):
    """A response's map varies with every event, and with noise that is slower."""
    shape = (8, 8, 6)
    simulated = simulate(small_spec(shape=shape, seed=3))
    parcel = simulated.parcels()[0]
    rng = np.random.default_rng(4)
    bump = gaussian_filter(rng.normal(size=shape), 2.0).ravel()
    bump = 0.6 * bump / np.abs(bump).max()
    run = simulated.experiment.runs[0]
    time = run.tr * np.arange(run.n_scans)
    course = np.convolve(rng.normal(size=run.n_scans), np.ones(4) / 2, "same")
    for onset in run.events["cond1"].onsets:
        response = np.interp(time - onset, HRF_TIME, simulated.hrf[0], right=0.0)
        course += (1 + 0.5 * rng.normal()) * response
    noise = rng.normal(size=parcel.bold.shape)
    given = with_bold(parcel, 100 + np.outer(course, bump) + noise)

    def height(**settings):
        found = JDEVEM(simulated.experiment, **settings).fit_parcel(given)
        assert found.summary["shared_noise"] == (not settings)
        level = found.maps["nrl_cond1"].astype(float)
        return level @ bump / (bump @ bump), found.maps["nrl_sd_cond1"]

    plain, _ = height(shared_noise="none")
    found, sd = height()
    monkeypatch.setattr(vem_along, "LEAST_EVIDENCE", np.inf)
    lost, less = height()
    assert lost < 0.3 * plain
    assert found > 0.8 * plain
    assert np.median(sd) > np.median(less)
