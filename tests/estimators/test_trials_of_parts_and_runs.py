"""Single trials of parcels that are divided, and of runs that are left out."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import block_diag
from trial_parcel import (
    SD,
    TRIALS,
    ar1_covariance,
    assert_finite,
    double_gamma,
    events,
    experiment_of,
    fit,
    random_trials,
    signal_of,
)

from pyhrf.data import Experiment, Run
from pyhrf.estimators import trial_levels
from pyhrf.estimators import trials as trials_module
from pyhrf.estimators.trial_levels import fit_levels, grid_ratios, run_bases
from pyhrf.estimators.trials import MOST_TOGETHER, TrialModel
from pyhrf.model.design import design_matrix


def of_heights(experiment: Experiment, heights: list[np.ndarray]) -> np.ndarray:
    """Data of 30 voxels with noise of their own, and trials of these heights by run and time."""
    rng = np.random.default_rng(1)
    h, rows = double_gamma(24, 1.0), []
    for run, of_run in zip(experiment.runs, heights, strict=True):
        times = run.tr * np.arange(run.n_scans)
        rows.append(100 + rng.standard_normal((run.n_scans, 30)))
        onsets = np.sort(np.concatenate([one.onsets for one in run.events.values()]))
        for onset, height in zip(onsets, of_run, strict=True):
            rows[-1] += np.outer(design_matrix(events(onset), times, 1.0, 24) @ h, height)
    return np.concatenate(rows)


# --- parts


def test_large_parcel__has_patterns_of_parts_and_levels_everywhere(monkeypatch):
    found = []

    def spied(*given):
        found.append(find_patterns(*given))
        return found[-1]

    find_patterns = trials_module.find_patterns
    monkeypatch.setattr(trials_module, "find_patterns", spied)
    experiment = experiment_of(2, "a")
    bold, truth = signal_of(experiment, 300, shared=1.5, seed=2)
    estimate = fit(experiment, bold)
    assert_finite(estimate, len(truth))
    assert estimate.summary["trial_patterns"] == 1
    assert MOST_TOGETHER < 300
    assert {one.joint.shape for one in found} == {(150, 150)}
    assert len({one.joint.tobytes() for one in found}) == len(found)
    assert np.isfinite(estimate.trials["information"]).all()
    levels = estimate.maps[TRIALS].T
    assert np.corrcoef(levels.ravel(), truth.ravel())[0, 1] > 0.5
    assert 0.90 < (np.abs(levels - truth) < 1.96 * estimate.maps[SD].T).mean() < 0.98


def test_parts_of_a_parcel__share_the_response_and_nothing_else(monkeypatch):
    # a response that is given, and so not refined
    monkeypatch.setattr(TrialModel, "_start", lambda *_: (double_gamma(24, 1.0), False))
    experiment = experiment_of(2, "a")
    left, _ = signal_of(experiment, 150, shared=1.5, seed=2)
    right, _ = signal_of(experiment, 150, shared=0.0, seed=3)
    whole = fit(experiment, np.hstack([left, right]))
    halves = [fit(experiment, bold) for bold in (left, right)]
    assert [half.summary["trial_patterns"] for half in halves] == [1, 0]
    for key in (TRIALS, SD, ("trial_mean", ""), ("trial_sd", ""), ("trial_snr", "")):
        wanted = np.concatenate([half.maps[key] for half in halves])
        np.testing.assert_allclose(whole.maps[key], wanted, rtol=1e-5, atol=1e-6)


def test_parts_of_which_one_has_no_patterns__are_finite():
    experiment = experiment_of(2, "a")
    left, truth = signal_of(experiment, 150, shared=1.5, seed=2)
    right, _ = signal_of(experiment, 150, shared=0.0, seed=3)
    assert_finite(fit(experiment, np.hstack([left, right])), len(truth))


# --- runs that are left out


def test_run_that_is_left_out__has_the_mean_of_all_and_the_variances_of_others(monkeypatch):
    """Against generalised least squares for the mean, and dense regression on the deviations."""
    rng = np.random.default_rng(3)
    rho, gamma = 0.4, 0.3
    trials = random_trials(rng, (40, 55, 50))
    Y = [
        Z @ (2 + rng.standard_normal((Z.shape[1], 3))) + rng.standard_normal((len(Z), 3))
        for Z in trials.Z
    ]
    monkeypatch.setattr(trial_levels, "RHO", np.array([rho]))
    monkeypatch.setattr(trial_levels, "GAMMA", np.ones(1))
    bases = run_bases(trials, Y)
    (unit,) = grid_ratios([run[:2] for run in bases])
    monkeypatch.setattr(trial_levels, "GAMMA", np.array([gamma / unit]))
    monkeypatch.setattr(trial_levels, "SPREAD_UP_TO", np.inf)
    found = fit_levels(bases, trials.U, known=[0, 1], wanted=[2], with_mean=[0, 1, 2])

    def regressed(runs: list[int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coefficients of nuisance and mean, variance of each series, and error of the mean."""
        Z, P = (block_diag(*(of[run] for run in runs)) for of in (trials.Z, trials.P))
        y = np.concatenate([Y[run] for run in runs])
        noise = block_diag(*(ar1_covariance(len(Y[run]), rho) for run in runs))
        X = np.hstack([P, Z.sum(axis=1, keepdims=True)])
        inverse = np.linalg.inv(noise + gamma * Z @ Z.T)
        error = np.linalg.inv(X.T @ inverse @ X)
        b = error @ X.T @ inverse @ y
        left = y - X @ b
        return b, np.sum(left * (inverse @ left), axis=0) / (len(y) - X.shape[1]), error[-1, -1]

    of_all, _, error = regressed([0, 1, 2])
    _, s, _ = regressed([0, 1])
    mu = of_all[-1]
    np.testing.assert_allclose(found.mu, mu, rtol=1e-8)
    np.testing.assert_allclose(found.prior_variance, gamma * s, rtol=1e-8)
    Z, P = trials.Z[2], trials.P[2]
    free = 1e8  # variance of nuisance
    V = np.linalg.inv(ar1_covariance(50, rho) + gamma * Z @ Z.T + free * P @ P.T)
    one = Z.sum(axis=1)
    mean = mu + gamma * Z.T @ V @ (Y[2] - np.outer(one, mu))
    around = gamma * (1 - gamma * np.diag(Z.T @ V @ Z))
    lift = 1 - gamma * Z.T @ V @ one
    np.testing.assert_allclose(found.mean, mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.around, np.outer(around, s), rtol=1e-5)
    np.testing.assert_allclose(found.variance, np.outer(around + error * lift**2, s), rtol=1e-5)


@pytest.mark.parametrize("hyper", ["all", "run"])
def test_run_of_another_mean__is_drawn_to_that_of_all_runs(hyper):
    experiment = experiment_of(3, "a")
    counts = [len(run.events["a"].onsets) for run in experiment.runs]
    rng = np.random.default_rng(4)
    heights = [
        height + 0.2 * rng.standard_normal((n, 30))
        for n, height in zip(counts, (0, 0, 3), strict=True)
    ]
    found = fit(experiment, of_heights(experiment, heights), trial_hyper=hyper)
    of_runs = np.split(found.maps[TRIALS], np.cumsum(counts)[:-1], axis=1)
    means = [run.mean() for run in of_runs]
    # were it that of the others, the high run would be drawn to 0, and the low ones to 1.5
    assert max(means[:2]) < means[2]
    np.testing.assert_allclose(means, found.maps["trial_mean", ""].mean(), atol=0.15)


def test_condition_that_no_other_run_has__is_drawn_to_the_mean_of_their_trials():
    times = np.arange(5.0, 200.0, 13.0)
    runs = tuple(
        Run(110, 2.0, {"a": events(times[::2]), name: events(times[1::2])}) for name in "bc"
    )
    experiment = Experiment(("a", "b", "c"), runs)
    rng = np.random.default_rng(7)
    heights = list(6 + 0.5 * rng.standard_normal((2, len(times), 30)))
    found = fit(
        experiment, of_heights(experiment, heights), trial_hyper="run", trial_prior="condition"
    )
    for run in np.split(found.maps[TRIALS], 2, axis=1):  # 0 is no mean that they could have
        np.testing.assert_allclose(run[:, 1::2].mean(), 6.0, atol=0.3)


# --- what the data say


def test_error_of_the_mean__takes_nothing_from_the_information():
    rng = np.random.default_rng(5)
    names, runs = "abcdefgh", []
    for _ in range(2):
        times = 10 + 20 * np.arange(8) + rng.uniform(0, 2, 8)
        order = rng.permutation(8)
        runs.append(
            Run(95, 2.0, {name: events(times[i]) for name, i in zip(names, order, strict=True)})
        )
    experiment = Experiment(tuple(names), tuple(runs))
    bold = of_heights(experiment, list(1 + 0.7 * rng.standard_normal((2, 8, 30))))
    found = fit(experiment, bold, trial_prior="condition")  # a mean of two trials each
    sd = found.maps[SD] / found.maps["trial_sd", ""][:, None]
    assert np.median(sd) > 1  # since the mean has so large an error
    assert np.all(found.trials["information"] > 0.25)


def test_information__is_little_where_trials_do_not_differ():
    experiment = experiment_of(2, "a")
    counts = [len(run.events["a"].onsets) for run in experiment.runs]
    rng = np.random.default_rng(6)
    differ = [2 + 3 * rng.standard_normal((n, 30)) for n in counts]
    alike = [np.full((n, 30), 2.0) for n in counts]
    much, little = (fit(experiment, of_heights(experiment, each)) for each in (differ, alike))
    assert np.all(much.trials["information"] > 0.6)
    assert np.all(little.trials["information"] < 0.3)


def test_information_of_a_run_that_is_left_out__is_by_the_variance_of_the_others():
    experiment = experiment_of(3, "a")
    counts = [len(run.events["a"].onsets) for run in experiment.runs]
    rng = np.random.default_rng(8)
    heights = [
        2 + sd * rng.standard_normal((n, 30)) for n, sd in zip(counts, (0, 0, 4), strict=True)
    ]
    found = fit(experiment, of_heights(experiment, heights), trial_hyper="run")
    first, second, third = np.split(found.trials["information"], np.cumsum(counts)[:-1])
    # of the runs without the third one trials do not differ
    assert third.max() < 0.3 < 0.5 < min(np.median(first), np.median(second))


# --- the response


@pytest.mark.parametrize(
    ("names", "prior", "wanted"),
    [("a", "common", True), ("abcdefghijkl", "condition", True), ("aaaaaaaaaaaa", "common", False)],
)
def test_few_differences_of_trials_and_means__leave_the_response(monkeypatch, names, prior, wanted):
    times = 10.0 + 16 * np.arange(len(names))
    each = {name: events(times[[one == name for one in names]]) for name in dict.fromkeys(names)}
    experiment = Experiment(tuple(each), (Run(110, 2.0, each),))
    alike = []
    for seed in range(12):  # one trial has a difference of rounding, or of 0
        bold, _ = signal_of(experiment, 5, shared=2.0, seed=seed)
        found = []
        for own in (True, False):
            start = (double_gamma(24, 1.0, 1.0), own)
            monkeypatch.setattr(TrialModel, "_start", lambda *_, start=start: start)
            found.append(fit(experiment, bold, trial_prior=prior))
        assert_finite(found[0], len(times))
        if found[0].summary["trial_patterns"]:
            alike.append(np.array_equal(found[0].maps[TRIALS], found[1].maps[TRIALS]))
    assert set(alike) == {wanted}
