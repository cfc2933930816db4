"""Trials of artificial data, for the estimator of their levels."""

from __future__ import annotations

import numpy as np
from scipy.linalg import toeplitz
from scipy.stats import gamma

from pyhrf.data import Events, Experiment, ParcelEstimate, Run
from pyhrf.estimators import JDEVEM
from pyhrf.estimators.trial_levels import TrialData
from pyhrf.model.design import design_matrix

TRIALS, SD = ("trials", ""), ("trials_sd", "")


def events(onsets: object, durations: float = 0.0, amplitudes: float = 1.0) -> Events:
    """Events that are all alike."""
    times = np.atleast_1d(np.asarray(onsets, float))
    return Events(times, np.full(len(times), durations), np.full(len(times), amplitudes))


def onsets(n_scans: int, tr: float, gap: float, seed: int) -> np.ndarray:
    """Times off the scans, `gap` seconds apart more or less."""
    times = np.random.default_rng(seed).uniform(0.6 * gap, 1.4 * gap, 1000).cumsum()
    return times[times < n_scans * tr - 8]


def experiment_of(
    n_runs: int = 3, names: str = "a", n_scans: int = 110, tr: float = 2.0, gap: float = 7.0
) -> Experiment:
    """Runs in which each condition, a letter, has events of its own."""
    runs = (
        Run(n_scans, tr, {name: events(onsets(n_scans, tr, gap, 31 * run + i))
                          for i, name in enumerate(names)})
        for run in range(n_runs)
    )  # fmt: skip
    return Experiment(tuple(names), tuple(runs))


def double_gamma(n_hrf: int, dt: float, shift: float = 0.0) -> np.ndarray:
    """Response of height 1 without its ends."""
    t = dt * np.arange(n_hrf + 2)
    h = gamma.pdf(t - shift, 6) - gamma.pdf(t - shift, 16) / 6
    return (h / h.max())[1:-1]


def signal_of(
    experiment: Experiment,
    n_voxels: int,
    *,
    seed: int = 0,
    shared: float = 0.0,
    dt: float = 1.0,
    shift: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Data, and the true levels by run and onset, shape (n_trials, n_voxels).

    Each level is ``N(1, 1)``; noise of unit variance and some that the voxels share.
    """
    rng = np.random.default_rng(seed)
    h = double_gamma(round(25 / dt) - 1, dt, shift)
    pattern = rng.normal(size=n_voxels)
    bold, truth = [], []
    for run in experiment.runs:
        noise = rng.normal(size=(run.n_scans, n_voxels))
        noise += shared * rng.normal(size=(run.n_scans, 1)) * pattern
        of_run = [zip(e.onsets, e.durations, strict=True) for e in run.events.values()]
        for onset, duration in sorted(one for of_name in of_run for one in of_name):
            times = run.tr * np.arange(run.n_scans)
            level = 1 + rng.normal(size=n_voxels)
            noise += np.outer(design_matrix(events(onset, duration), times, dt, len(h)) @ h, level)
            truth.append(level)
        bold.append(100 + noise)
    return np.concatenate(bold), np.array(truth)


def random_trials(
    rng: np.random.Generator,
    n_scans: tuple[int, ...] = (40, 55),
    n_trials: int = 9,
    n_means: int = 1,
    censored: tuple[int, ...] = (),
) -> TrialData:
    """Responses that overlap, a line as nuisance, and a unit column for each censored scan."""
    response = np.array([0.0, 0.4, 1.0, 0.7, 0.3, -0.2])
    Z, P, U = [], [], []
    for n in n_scans:
        Z.append(np.zeros((n, n_trials)))
        for column, first in zip(Z[-1].T, rng.choice(n - 6, n_trials, replace=False), strict=True):
            column[first : first + 6] = response
        units = np.eye(n)[:, list(censored)]
        P.append(np.hstack([np.vander(np.linspace(-1, 1, n), 2), units]))
        U.append(np.eye(n_means)[np.arange(n_trials) % n_means])
    return TrialData(Z, P, U)


def ar1_covariance(n: int, rho: float) -> np.ndarray:
    """Covariance of noise whose innovations have unit variance."""
    return toeplitz(rho ** np.arange(n)) / (1 - rho**2)


def fit(experiment: Experiment, bold: np.ndarray, **settings: object) -> ParcelEstimate:
    return JDEVEM(experiment, **{"single_trials": "all", **settings}).fit(bold)


def assert_same_bytes(one: ParcelEstimate, other: ParcelEstimate) -> None:
    for key in (TRIALS, SD):
        np.testing.assert_array_equal(one.maps[key], other.maps[key])


def assert_finite(estimate: ParcelEstimate, n_trials: int) -> None:
    for key in (TRIALS, SD):
        assert estimate.maps[key].shape[1:] == (n_trials,)
        assert np.isfinite(estimate.maps[key]).all()
    assert (estimate.maps[SD] > 0).all()
    for kind in ("trial_mean", "trial_sd", "trial_snr"):
        assert np.isfinite(estimate.maps[kind, ""]).all()
