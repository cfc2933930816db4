"""Levels of single trials given the HRF: ``y = Z a + P l + b``, ``a_t = mu + d_t``.

Each series, a voxel or a pattern over voxels, has ``d_t ~ N(0, g s)`` and AR(1) noise of innovation
variance ``s``. Ratio ``g`` and autocorrelation are on a grid, which is averaged over by the
restricted likelihood and a prior that all series share (``docs/model.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray

RHO = np.arange(-2, 10) / 10
# Times the median information of a scan, for levels of any unit.
GAMMA = np.concatenate([[0.0], np.geomspace(1e-3, 30.0, 22)])
# The prior over the grid: steps of EM; how much of it is spread over all autocorrelations, in
# series; and how much over all standard deviations of trials evenly, up to a ratio.
N_PRIOR_STEPS = 60
EVEN = 1e-3
SPREAD, SPREAD_UP_TO = 0.6, 1.0
# Grid points that weigh less are not looked at.
LEAST_WEIGHT = 1e-4
# Singular values of the regressors below this part of the largest one are rounding.
LEAST_SINGULAR = 1e-6


@dataclass(frozen=True)
class TrialData:
    """What is known of the trials of each run.

    Attributes
    ----------
    Z : sequence of array, shape (n_scans, n_trials)
        Responses to trials of height 1.
    P : sequence of array, shape (n_scans, n_nuisance)
        Nuisance, of full column rank.
    U : sequence of array, shape (n_trials, n_means)
        Which mean each trial has.
    """

    Z: Sequence[FloatArray]
    P: Sequence[FloatArray]
    U: Sequence[FloatArray]

    def of(self, runs: Sequence[int]) -> TrialData:
        """Take some of the runs."""
        return TrialData(*([each[run] for run in runs] for each in (self.Z, self.P, self.U)))


class RunBasis(NamedTuple):
    """Regressors of a run, whitened and without nuisance, as ``L diag(s) R'``.

    Attributes
    ----------
    s : array, shape (n_values,)
    R : array, shape (n_trials, n_values)
    M : array, shape (n_values, n_means)
        Regressors of the means along ``L``.
    C : array, shape (n_values, n_series)
        The data along ``L``.
    left : array, shape (n_series,)
        Squares of the rest of them.
    n_left : int
        Independent scans in that.
    log_det : float
        What the restricted likelihood has of whitening and nuisance.
    """

    s: FloatArray
    R: FloatArray
    M: FloatArray
    C: FloatArray
    left: FloatArray
    n_left: int
    log_det: float


class Profile(NamedTuple):
    """Restricted likelihood at the best mean and variance, and these.

    Attributes
    ----------
    likelihood : array, shape (n_series,)
        Log.
    mu : array, shape (n_means, n_series)
    variance : array, shape (n_series,)
    inverse : array, shape (n_means, n_means)
        Covariance of the means over the variance.
    """

    likelihood: FloatArray
    mu: FloatArray
    variance: FloatArray
    inverse: FloatArray


class Levels(NamedTuple):
    """Posterior of the levels of all series.

    Attributes
    ----------
    mean, variance : arrays, shape (n_trials, n_series)
    mu, prior_variance : arrays, shape (n_series,)
        Mean over trials of their prior means, and the variance around these.
    """

    mean: FloatArray
    variance: FloatArray
    mu: FloatArray
    prior_variance: FloatArray


def whitened(values: FloatArray, rho: float) -> FloatArray:
    """Turn AR(1) noise of a run into independent noise of the same innovations."""
    found = values.copy()
    found[1:] -= rho * values[:-1]
    found[0] *= np.sqrt(1 - rho**2)
    return found


def run_bases(data: TrialData, Y: Sequence[FloatArray], rho: float) -> list[RunBasis]:
    """Decompose the regressors of each run at an autocorrelation."""
    runs = zip(data.Z, data.P, data.U, Y, strict=True)
    return [_run_basis(*run, rho) for run in runs]


def _run_basis(Z: FloatArray, P: FloatArray, U: FloatArray, Y: FloatArray, rho: float) -> RunBasis:
    Z, P, Y = (whitened(each, rho) for each in (Z, P, Y))
    Q, upper = np.linalg.qr(P)
    Z, Y = Z - Q @ (Q.T @ Z), Y - Q @ (Q.T @ Y)
    L, s, R = np.linalg.svd(Z, full_matrices=False)
    kept = s > LEAST_SINGULAR * max(float(s.max(initial=0.0)), 1e-300)
    s, R, C = s[kept], R[kept].T, L[:, kept].T @ Y
    left = np.maximum(np.sum(Y**2, axis=0) - np.sum(C**2, axis=0), 0.0)
    log_det = 0.5 * np.log1p(-(rho**2)) - np.log(np.abs(np.diag(upper))).sum()
    n_left = len(Z) - Q.shape[1] - len(s)
    return RunBasis(s, R, s[:, None] * (R.T @ U), C, left, n_left, float(log_det))


def information_scale(bases: Sequence[RunBasis]) -> float:
    """Give the median of what single directions of the trials say of their levels."""
    values = np.concatenate([run.s for run in bases])
    return float(np.median(values**2)) if len(values) else 1.0


def profile(bases: Sequence[RunBasis], gamma: float) -> Profile:
    """Maximise the restricted likelihood over mean and variance, at a ratio of the variances."""
    s, M, C = (np.concatenate([getattr(run, x) for run in bases]) for x in ("s", "M", "C"))
    weight = 1 / (1 + gamma * s**2)
    values, vectors = np.linalg.eigh(M.T @ (weight[:, None] * M))
    known = values > 1e-9 * max(float(values.max(initial=0.0)), 1e-300)
    values, vectors = values[known], vectors[:, known]
    inverse = (vectors / values) @ vectors.T
    mu = inverse @ (M.T @ (weight[:, None] * C))
    n = len(s) + sum(run.n_left for run in bases) - len(values)
    squares = weight @ (C - M @ mu) ** 2 + np.sum([run.left for run in bases], axis=0)
    variance = np.maximum(squares, 1e-300) / max(n, 1)
    constant = sum(run.log_det for run in bases)
    constant += 0.5 * float(np.log(weight).sum() - np.log(values).sum())
    return Profile(constant - 0.5 * n * np.log(variance), mu, variance, inverse)


def fit_levels(
    data: TrialData, Y: Sequence[FloatArray], known: Sequence[int], wanted: Sequence[int]
) -> Levels:
    """Estimate the levels of some runs, with the means and variances of some.

    Parameters
    ----------
    data : TrialData
    Y : sequence of array, shape (n_scans, n_series)
        Of each run.
    known : sequence of int
        Runs of which means and variances are estimated.
    wanted : sequence of int
        Runs whose levels are.
    """
    bases = [run_bases(data, Y, rho) for rho in RHO]
    of_known = [[basis[run] for run in known] for basis in bases]
    gammas = GAMMA / information_scale(of_known[int(np.argmin(np.abs(RHO)))])
    profiles = [[profile(basis, gamma) for gamma in gammas] for basis in of_known]
    likelihood = np.array([[one.likelihood for one in of_rho] for of_rho in profiles])
    weights = grid_weights(likelihood)
    means = [data.U[run] for run in wanted]
    share = np.concatenate(means).mean(axis=0)
    n_trials, n_series = sum(map(len, means)), likelihood.shape[2]
    mean, square, variance = (np.zeros((n_trials, n_series)) for _ in range(3))
    mu, prior_variance = np.zeros(n_series), np.zeros(n_series)
    for i, k, some in _points(weights):
        w, one = weights[i, k, some], profiles[i][k]
        of_wanted = [bases[i][run] for run in wanted]
        level, its_variance = _posterior(of_wanted, means, gammas[k], one, some)
        mean[:, some] += w * level
        square[:, some] += w * level**2
        variance[:, some] += w * its_variance
        mu[some] += w * (share @ one.mu[:, some])
        prior_variance[some] += w * gammas[k] * one.variance[some]
    return Levels(mean, variance + np.maximum(square - mean**2, 0.0), mu, prior_variance)


def _points(weights: FloatArray) -> Iterator[tuple[int, int, NDArray[np.intp]]]:
    """Give the points of the grid that count, and the series for which they do."""
    for i, k in np.argwhere(weights.max(axis=2) > LEAST_WEIGHT):
        yield int(i), int(k), np.flatnonzero(weights[i, k] > LEAST_WEIGHT)


def grid_weights(likelihood: FloatArray) -> FloatArray:
    """Weigh the points of the grid for each series, with a prior that all series share.

    Its part for the ratio of variances is a mixture of what the series have in common and of all
    standard deviations alike: the trials of few series differ by much, and of many by little.

    Parameters
    ----------
    likelihood : array, shape (n_rho, n_gamma, n_series)
        Log.

    Returns
    -------
    array of the same shape
        With a sum of 1 for each series.
    """
    n_rho, n_gamma, _ = likelihood.shape
    L = np.exp(likelihood - likelihood.max(axis=(0, 1)))
    even = np.sqrt(GAMMA) * (GAMMA <= SPREAD_UP_TO)
    even /= even.sum()
    of_rho, of_gamma = np.full(n_rho, 1 / n_rho), np.full(n_gamma, 1 / n_gamma)
    for _ in range(N_PRIOR_STEPS):
        weights = _normalised(of_rho, of_gamma, L)
        of_rho = weights.sum(axis=1).mean(axis=1) + EVEN / n_rho
        of_gamma = weights.sum(axis=0).mean(axis=1)
        of_rho, of_gamma = of_rho / of_rho.sum(), (1 - SPREAD) * of_gamma + SPREAD * even
    return _normalised(of_rho, of_gamma, L)


def _normalised(of_rho: FloatArray, of_gamma: FloatArray, L: FloatArray) -> FloatArray:
    weights = of_rho[:, None, None] * of_gamma[:, None] * L
    return np.asarray(weights / weights.sum(axis=(0, 1)))


def _posterior(
    bases: Sequence[RunBasis],
    means: Sequence[FloatArray],
    gamma: float,
    at: Profile,
    some: NDArray[np.intp],
) -> tuple[FloatArray, FloatArray]:
    """Give levels and their variances at a point of the grid, with the error of the mean."""
    mu, variance = at.mu[:, some], at.variance[some]
    levels, variances = [], []
    for run, U in zip(bases, means, strict=True):
        shrunk = gamma / (1 + gamma * run.s**2)
        gain = run.R * (run.s * shrunk)
        levels.append(U @ mu + gain @ (run.C[:, some] - run.M @ mu))
        unseen = np.maximum(1 - np.sum(run.R**2, axis=1), 0.0)
        own = run.R**2 @ shrunk + gamma * unseen
        lift = U - gain @ run.M
        own += np.einsum("tq,qr,tr->t", lift, at.inverse, lift)
        variances.append(np.outer(own, variance))
    return np.concatenate(levels), np.concatenate(variances)
