"""Levels of single trials given the HRF: ``y = Z a + P l + b``, ``a_t = mu + d_t``.

Each series, a voxel or a pattern over voxels, has ``d_t ~ N(0, g s)`` and AR(1) noise of innovation
variance ``s``. Ratio ``g`` and autocorrelation are on a grid, which is averaged over by the
restricted likelihood and a prior that all series share (``docs/model.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pyhrf.data import FloatArray

RHO = np.arange(-2, 10) / 10
GAMMA = np.concatenate([[0.0], np.geomspace(1e-3, 30.0, 22)])
# Steps of EM for the prior over the grid, and how much of it is spread evenly, in series.
N_PRIOR_STEPS = 60
EVEN = 1e-3
# Grid points that weigh less are not looked at.
LEAST_WEIGHT = 1e-4
# Singular values of the regressors below this part of the largest one are rounding.
LEAST_SINGULAR = 1e-6


class RunBasis(NamedTuple):
    """Regressors of a run, whitened and without nuisance, as ``L diag(s) R'``.

    Attributes
    ----------
    s : array, shape (n_values,)
    R : array, shape (n_trials, n_values)
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
    C: FloatArray
    left: FloatArray
    n_left: int
    log_det: float


class Levels(NamedTuple):
    """Posterior of the levels of all series.

    Attributes
    ----------
    mean, variance : arrays, shape (n_trials, n_series)
    mu, prior_variance : arrays, shape (n_series,)
        Mean and variance of the levels.
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


def run_basis(Z: FloatArray, P: FloatArray, Y: FloatArray, rho: float) -> RunBasis:
    """Decompose the regressors of a run at an autocorrelation."""
    Z, P, Y = (whitened(each, rho) for each in (Z, P, Y))
    Q, upper = np.linalg.qr(P)
    Z, Y = Z - Q @ (Q.T @ Z), Y - Q @ (Q.T @ Y)
    L, s, R = np.linalg.svd(Z, full_matrices=False)
    kept = s > LEAST_SINGULAR * max(float(s[0]) if len(s) else 0.0, 1e-300)
    C = L[:, kept].T @ Y
    left = np.maximum(np.sum(Y**2, axis=0) - np.sum(C**2, axis=0), 0.0)
    log_det = 0.5 * np.log1p(-(rho**2)) - np.log(np.abs(np.diag(upper))).sum()
    n_left = len(Z) - Q.shape[1] - int(kept.sum())
    return RunBasis(s[kept], R[kept].T, C, left, n_left, float(log_det))


def fit_levels(Z: Sequence[FloatArray], P: Sequence[FloatArray], Y: Sequence[FloatArray]) -> Levels:
    """Estimate levels.

    Parameters
    ----------
    Z, P, Y : sequences of array, shapes (n_scans, n_trials), (n_scans, n_nuisance), (n_scans,
        n_series)
        Regressors, nuisance and data of each run.
    """
    bases = [[run_basis(*run, rho) for run in zip(Z, P, Y, strict=True)] for rho in RHO]
    likelihood = np.array([[_profile(basis, gamma)[0] for gamma in GAMMA] for basis in bases])
    weights = grid_weights(likelihood)
    n_trials, n_series = sum(z.shape[1] for z in Z), Y[0].shape[1]
    mean, square, variance = (np.zeros((n_trials, n_series)) for _ in range(3))
    mu, prior_variance = np.zeros(n_series), np.zeros(n_series)
    for basis, of_basis in zip(bases, weights, strict=True):
        for gamma, weight in zip(GAMMA, of_basis, strict=True):
            some = np.flatnonzero(weight > LEAST_WEIGHT)
            if not len(some):
                continue
            w = weight[some]
            level, its_variance, its_mu, s = _posterior(basis, gamma, some)
            mean[:, some] += w * level
            square[:, some] += w * level**2
            variance[:, some] += w * its_variance
            mu[some] += w * its_mu
            prior_variance[some] += w * gamma * s
    return Levels(mean, variance + np.maximum(square - mean**2, 0.0), mu, prior_variance)


def grid_weights(likelihood: FloatArray) -> FloatArray:
    """Weigh the points of the grid for each series, with a prior that all series share.

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
    of_rho, of_gamma = np.full(n_rho, 1 / n_rho), np.full(n_gamma, 1 / n_gamma)
    for _ in range(N_PRIOR_STEPS):
        weights = _normalised(of_rho, of_gamma, L)
        of_rho = weights.sum(axis=1).mean(axis=1) + EVEN / n_rho
        of_gamma = weights.sum(axis=0).mean(axis=1) + EVEN / n_gamma
    return _normalised(of_rho, of_gamma, L)


def _normalised(of_rho: FloatArray, of_gamma: FloatArray, L: FloatArray) -> FloatArray:
    weights = of_rho[:, None, None] * of_gamma[:, None] * L
    return np.asarray(weights / weights.sum(axis=(0, 1)))


def _profile(basis: Sequence[RunBasis], gamma: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Give the restricted log likelihood at the best mean and variance, and these."""
    s = np.concatenate([run.s for run in basis])
    C = np.concatenate([run.C for run in basis])
    m = np.concatenate([run.s * run.R.sum(axis=0) for run in basis])
    inverse = 1 / (1 + gamma * s**2)
    precision = float(np.sum(m**2 * inverse))
    mu = (m * inverse) @ C / precision
    n = len(s) + sum(run.n_left for run in basis) - 1
    left = np.sum([run.left for run in basis], axis=0)
    variance = np.maximum(inverse @ C**2 - mu**2 * precision + left, 1e-300) / n
    constant = sum(run.log_det for run in basis)
    constant += 0.5 * float(np.log(inverse).sum() - np.log(precision))
    return constant - 0.5 * n * np.log(variance), mu, variance


def _posterior(
    basis: Sequence[RunBasis], gamma: float, some: np.ndarray
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Give levels and their variances at a point of the grid, with the error of the mean."""
    _, mu, variance = _profile(basis, gamma)
    mu, variance = mu[some], variance[some]
    precision = sum(
        float(np.sum((run.s * run.R.sum(axis=0)) ** 2 / (1 + gamma * run.s**2))) for run in basis
    )
    levels, variances = [], []
    for run in basis:
        m = run.s * run.R.sum(axis=0)
        shrunk = gamma / (1 + gamma * run.s**2)
        levels.append(mu + run.R @ ((run.s * shrunk)[:, None] * (run.C[:, some] - np.outer(m, mu))))
        unseen = np.maximum(1 - np.sum(run.R**2, axis=1), 0.0)
        own = run.R**2 @ shrunk + gamma * unseen
        lift = (1 - run.R @ (run.s * shrunk * m)) ** 2 / precision
        variances.append(np.outer(own + lift, variance))
    return np.concatenate(levels), np.concatenate(variances), mu, variance
