"""Levels along the main directions of shared noise, and when they are raised."""

import numpy as np
import pytest
from parcel_data import small_spec, with_bold
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from pyhrf.estimators import JDEVEM, vem_along
from pyhrf.estimators.vem_along import AlongNoise, kept_parts
from pyhrf.model.noise_spectrum import cosine_basis
from pyhrf.model.shared_noise import SharedNoise
from pyhrf.simulation.simulate import HRF_TIME, simulate

V, N = 60, 80


def directions(rng, n):
    return np.linalg.qr(rng.normal(size=(V, n)))[0]


def kept_by_sampling(x, had, e, own, rng):
    """`kept_parts` of one condition the long way round: weights of many draws of what may be."""
    shares = rng.random(200_000) ** (1 / vem_along.SHARE_POWER)
    counts = [c for c in vem_along.COUNTS if c <= len(x)]
    likelihoods = [np.prod(norm(had, np.sqrt(e)).pdf(x))]
    kept = [np.zeros(len(x))]
    for c in counts:
        sd = np.sqrt((e[:c] + own) / shares[:, None])
        weight = np.prod(norm(0, sd).pdf(x[:c]), axis=1)
        rest = np.prod(norm(had[c:], np.sqrt(e[c:])).pdf(x[c:]))
        likelihoods.append(weight.mean() * rest)
        kept.append(np.where(np.arange(len(x)) < c, 1 - np.average(shares, weights=weight), 0.0))
    prior = np.full(len(likelihoods), (1 - vem_along.NONE) / len(counts))
    prior[0] = vem_along.NONE
    likelihoods = np.array(likelihoods)
    share = prior
    for _ in range(vem_along.N_ROUNDS):
        of_this = likelihoods * share / (likelihoods @ share)
        share = (of_this + vem_along.WORTH * prior) / (1 + vem_along.WORTH)
    of_this = likelihoods * share / (likelihoods @ share)
    return of_this @ np.array(kept)


@pytest.mark.parametrize("height", [0.5, 2.0, 6.0])
def test_kept_parts__is_the_mean_of_all_that_may_be(height):
    rng = np.random.default_rng(0)
    x = height * rng.normal(size=6)
    e, had = rng.uniform(0.5, 2.0, 6), 0.1 * rng.normal(size=6)
    found = kept_parts(x[:, None], had[:, None], e[:, None], np.array([0.1]))[:, 0]
    np.testing.assert_allclose(found, kept_by_sampling(x, had, e, 0.1, rng), atol=0.01)


def test_kept_parts__grow_with_the_levels_and_fall_with_the_number_of_the_direction():
    x, one = np.ones((8, 1)), np.ones((8, 1))
    low, middle, high = (kept_parts(s * x, 0 * x, one, np.zeros(1)) for s in (0.5, 2.0, 20.0))
    assert np.all(low < middle)
    assert np.all(middle < high)
    assert np.all(high < 1)
    assert high.min() > 0.9
    for kept in (low, middle, high):
        assert np.all(np.diff(kept[:, 0]) <= 0)


def test_kept_parts__are_smaller_beside_conditions_that_lack_nothing():
    rng = np.random.default_rng(5)
    had = 4 * rng.normal(size=(8, 7))
    plain = had + rng.normal(size=had.shape)
    plain[:, 0] = 2.5 * rng.normal(size=8)
    error, own = np.ones_like(plain), np.full(7, 0.1)
    beside = kept_parts(plain, had, error, own)[:, 0]
    alone = kept_parts(plain[:, :1], had[:, :1], error[:, :1], own[:1])[:, 0]
    assert np.all(beside <= alone)


@pytest.mark.parametrize("n_directions", [0, 1, 2])
def test_kept_parts__of_a_condition_without_a_regressor_and_of_few_directions(n_directions):
    plain = np.ones((n_directions, 2))
    plain[:, 1] = 0.0
    error = np.full(plain.shape, 0.1)
    error[:, 1] = vem_along.TINY
    kept = kept_parts(plain, 0.5 * plain, error, np.array([0.1, 0.0]))
    assert np.all(kept[:, 1] == 0)
    assert np.all((kept[:, 0] > 0) & (kept[:, 0] < 1))
    without = kept_parts(plain[:, :1], 0.5 * plain[:, :1], error[:, :1], np.array([0.1]))
    np.testing.assert_array_equal(kept[:, :1], without)


def along(rng, truth, error=1.0):
    """Levels of least squares with errors of a known size along eight directions."""
    U = directions(rng, 8)
    plain = U.T @ truth + np.sqrt(error) * rng.normal(size=(8, truth.shape[1]))
    n_conditions = truth.shape[1]
    return AlongNoise(np.ones(V), U, plain, np.full(plain.shape, error), np.eye(n_conditions)), U


def test_raised__errs_less_than_estimates_that_lack_it_and_than_least_squares():
    rng = np.random.default_rng(1)
    before, plain, after = [], [], []
    for _ in range(50):
        U = directions(rng, 8)
        truth = U @ (3.0 * rng.normal(size=(8, 1)))
        plain_levels = U.T @ truth + rng.normal(size=(8, 1))
        given = AlongNoise(np.ones(V), U, plain_levels, np.ones((8, 1)), np.eye(1))
        level = 0.2 * truth
        raised, variance = given.raised(level)
        before.append(np.sum((level - truth) ** 2))
        plain.append(np.sum((U @ given.plain - truth) ** 2))
        after.append(np.sum((raised - truth) ** 2))
        assert variance.sum() <= 8.0
    assert np.mean(after) < np.mean(plain) < 0.5 * np.mean(before)


def test_raised__leaves_estimates_that_are_right_nearly_as_they_are():
    rng = np.random.default_rng(2)
    moved, plain = [], []
    for _ in range(100):
        truth = np.zeros((V, 6))
        truth[:10] = 5.0
        given, U = along(rng, truth)
        raised, variance = given.raised(truth)
        moved.append(np.mean((raised - truth) ** 2))
        plain.append(np.mean((U @ (given.plain - U.T @ truth)) ** 2))
        assert np.all(variance >= 0)
    assert np.mean(moved) < 0.1 * np.mean(plain)


def test_sum_of_raised__is_that_of_the_raised_levels_over_its_error():
    rng = np.random.default_rng(4)
    far = []
    for _ in range(100):
        # as surely kept as can be: the sum then errs as least squares along the directions does
        truth = 30 + 3 * rng.normal(size=(V, 2))
        given, U = along(rng, truth)
        level, level_var = 0.1 * truth, np.full(truth.shape, 1e-6)
        found = given.sum_of_raised(level, level_var)
        total = given.raised(level)[0].sum(axis=0)
        error = np.sqrt(np.sum(U.sum(axis=0) ** 2))
        np.testing.assert_allclose(found, total / error, rtol=0.05)
        far.append((total - (level + U @ (U.T @ (truth - level))).sum(axis=0)) / error)
    assert 0.8 < np.std(far) < 1.2


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
    weights = np.linalg.pinv(regressors)
    white = np.array([30.0, 20.0])[:, None] / np.sum(regressors**2, axis=0)
    assert np.all(found.error >= white * (1 - 1e-12))
    # the residual is in cosines, and so is the shape of its variance
    true = weights**2 @ (30 * slow / slow.mean())
    assert true[0] > 2 * white[0, 0]
    np.testing.assert_allclose(found.error[0, 0], true[0], rtol=0.25)
    np.testing.assert_allclose(found.error[1], white[1], rtol=0.5)
    assert not found.plain.any()


@pytest.mark.parametrize("apart", [1e-8, 1e-3, 0.02])
def test_measured__what_conditions_that_are_alike_have_apart_stays_as_it_was(apart):
    rng = np.random.default_rng(6)
    simulated = simulate(small_spec())
    n = simulated.experiment.n_scans
    U = directions(rng, 3)
    noise = SharedNoise(np.ones(V), 1.0, U, np.array([1 / 30, 1 / 20, 1 / 10]), 3, 1.0, 1.0, 1.0)
    one = rng.normal(size=n)
    regressors = np.column_stack([one, one + apart * rng.normal(size=n)])
    residual = rng.normal(size=(n, 3)) * np.sqrt([30, 20, 10]) @ U.T
    level = np.outer(U[:, 0], [8.0, 0.0])
    Y = regressors @ level.T + residual
    basis = cosine_basis(simulated.experiment)
    given = AlongNoise.measured(noise, basis, regressors, Y, residual, np.ones(n))
    raised, variance = given.raised(level)
    # their sum is known, and their difference is left alone
    before, after = level @ [1, -1], raised @ [1, -1]
    np.testing.assert_allclose(after, before, atol=0.05 * np.abs(before).max())
    assert np.abs(raised - level).max() < 1.0
    assert np.all(variance < 1.0)


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
        level = found.maps["nrl", "cond1"].astype(float)
        return level @ bump / (bump @ bump), found.maps["nrl_sd", "cond1"]

    plain, _ = height(shared_noise="none")
    found, sd = height()
    monkeypatch.setattr(vem_along, "COUNTS", ())
    lost, less = height()
    assert lost < 0.3 * plain
    assert found > 0.8 * plain
    assert np.median(sd) > np.median(less)
