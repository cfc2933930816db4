"""Levels of single trials given the HRF: ``y = Z a + P l + b``, ``a_t = mu + d_t``.

Each series, a voxel or a pattern over voxels, has ``d_t ~ N(0, g s)`` and AR(1) noise of innovation
variance ``s``. Ratio ``g`` and autocorrelation are on a grid, which is averaged over by the
restricted likelihood and a prior that all series share (``docs/model.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from pyhrf.data import FloatArray

RHO = np.array([-0.1, 0.1, 0.3, 0.5, 0.7, 0.9])
# Times the median information of a scan, for levels of any unit.
GAMMA = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 19)])
# The prior over the grid: steps of EM; how much of it is spread over all autocorrelations, in
# series; and how much over all standard deviations of trials evenly, up to a ratio.
N_PRIOR_STEPS = 60
EVEN = 1e-3
SPREAD, SPREAD_UP_TO = 0.3, 1.0
# Autocorrelations and ratios that weigh less are not looked at.
LEAST_WEIGHT = 1e-3
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
    products : array, shape (n_series, n_series)
        Of the rest of them; only squares, shape (n_series,), of series that are patterns.
    n_left : int
        Independent scans in that.
    log_det : float
        What the restricted likelihood has of whitening and nuisance.
    """

    s: FloatArray
    R: FloatArray
    M: FloatArray
    C: FloatArray
    products: FloatArray
    n_left: int
    log_det: float

    @property
    def left(self) -> FloatArray:
        """Squares of the rest of each series."""
        found = self.products if self.products.ndim == 1 else np.diagonal(self.products)
        return np.maximum(found, 0.0)

    def along(self, inverse: FloatArray) -> RunBasis:
        """Turn series into others, by a matrix of shape (n_others, n_series)."""
        squares = np.sum((inverse @ self.products) * inverse, axis=1)
        return self._replace(C=self.C @ inverse.T, products=squares)


Bases = Sequence[Sequence[RunBasis]]
"""For each autocorrelation those of all runs."""


class Profiles(NamedTuple):
    """Restricted likelihood at the best mean and variance, and these, for each ratio.

    Attributes
    ----------
    likelihood : array, shape (n_gamma, n_series)
        Log.
    mu : array, shape (n_gamma, n_means, n_series)
    variance : array, shape (n_gamma, n_series)
    inverse : array, shape (n_gamma, n_means, n_means)
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
    around : array, shape (n_trials, n_series)
        Variance around the mean of all trials, without that mean's error.
    mu, prior_variance : arrays, shape (n_series,)
        Mean over trials of their prior means, and the variance around these; that of each trial,
        shape (n_trials, n_series), where runs have variances of their own.
    """

    mean: FloatArray
    variance: FloatArray
    around: FloatArray
    mu: FloatArray
    prior_variance: FloatArray


def whitened(values: FloatArray, rho: float) -> FloatArray:
    """Turn AR(1) noise of a run into independent noise of the same innovations."""
    found = values.copy()
    found[1:] -= rho * values[:-1]
    found[0] *= np.sqrt(1 - rho**2)
    return found


def run_bases(data: TrialData, Y: Sequence[FloatArray]) -> list[list[RunBasis]]:
    """Decompose the regressors of each run at all autocorrelations."""
    runs = zip(data.Z, data.P, data.U, Y, strict=True)
    by_run = [_bases_of_run(*run) for run in runs]
    return [list(bases) for bases in zip(*by_run, strict=True)]


def _bases_of_run(Z: FloatArray, P: FloatArray, U: FloatArray, Y: FloatArray) -> list[RunBasis]:
    """Make them of products that do not depend on the autocorrelation, as those of the design."""
    Q = np.linalg.qr(P)[0]
    # without nuisance at once, for the digits: its coefficients are free in any case
    Z, Y = Z - Q @ (Q.T @ Z), Y - Q @ (Q.T @ Y)
    F = np.hstack([Q, Z, Y])
    inner, shifted = F[1:-1], F[:-1].T @ F[1:]
    products = F.T @ F, inner.T @ inner, shifted + shifted.T
    return [_basis(products, U, Q.shape, Z.shape[1], rho) for rho in RHO]


def _basis(
    products: tuple[FloatArray, FloatArray, FloatArray],
    U: FloatArray,
    shape: tuple[int, int],
    n_trials: int,
    rho: float,
) -> RunBasis:
    plain, inner, beside = products
    G = plain + rho**2 * inner - rho * beside
    n_scans, n_nuisance = shape
    factor = cho_factor(G[:n_nuisance, :n_nuisance], lower=True)
    known = G[:n_nuisance, n_nuisance:]
    G = G[n_nuisance:, n_nuisance:] - known.T @ cho_solve(factor, known)
    values, R = np.linalg.eigh(G[:n_trials, :n_trials])
    kept = values > LEAST_SINGULAR**2 * max(float(values.max(initial=0.0)), 1e-300)
    s, R = np.sqrt(values[kept]), R[:, kept]
    C = (R / s).T @ G[:n_trials, n_trials:]
    log_det = 0.5 * np.log1p(-(rho**2)) - np.log(np.diagonal(factor[0])).sum()
    return RunBasis(
        s,
        R,
        s[:, None] * (R.T @ U),
        C,
        G[n_trials:, n_trials:] - C.T @ C,
        n_scans - n_nuisance - len(s),
        float(log_det),
    )


def with_means(bases: Bases, U: Sequence[FloatArray]) -> list[list[RunBasis]]:
    """Give the trials of each run other means."""
    return [
        [
            run._replace(M=run.s[:, None] * (run.R.T @ of_run))
            for run, of_run in zip(basis, U, strict=True)
        ]
        for basis in bases
    ]


def means_known(U: Sequence[FloatArray], known: Sequence[int]) -> list[FloatArray]:
    """Give trials of a mean that no known run has the mean of all trials that these runs have."""
    of_known = np.concatenate([U[run] for run in known])
    unknown = ~of_known.any(axis=0)
    average = of_known.mean(axis=0)
    return [np.where(run[:, unknown].any(axis=1, keepdims=True), average, run) for run in U]


def joined(bases: Sequence[RunBasis]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Put ``s``, ``M`` and ``C`` of all runs together."""
    s, M, C = (np.concatenate([getattr(run, x) for run in bases]) for x in ("s", "M", "C"))
    return s, M, C


def means_of_series(M: FloatArray, C: FloatArray, weight: FloatArray) -> FloatArray:
    """Means of series that have each their weights, by least squares.

    Parameters
    ----------
    M : array, shape (n_values, n_means)
    C, weight : arrays, shape (n_values, n_series)

    Returns
    -------
    array, shape (n_means, n_series)
    """
    products = np.einsum("iq,ic,ir->cqr", M, weight, M, optimize=True)
    sums = M.T @ (weight * C)
    if M.shape[1] == 1:
        return np.asarray(sums / np.maximum(products[:, 0, 0], 1e-300))
    return np.asarray((np.linalg.pinv(products, hermitian=True) @ sums.T[:, :, None])[:, :, 0].T)


def grid_ratios(bases: Bases) -> FloatArray:
    """Give the ratios of the grid, in units of what single directions say of the levels."""
    values = np.concatenate([run.s for run in bases[int(np.argmin(np.abs(RHO)))]])
    return GAMMA / float(np.median(values**2)) if len(values) else GAMMA


def profiles_of(bases: Sequence[RunBasis], gammas: FloatArray) -> Profiles:
    """Maximise the restricted likelihood over mean and variance, at ratios of the variances."""
    s, M, C = joined(bases)
    weight = 1 / (1 + gammas[:, None] * s**2)
    values, vectors = np.linalg.eigh(np.einsum("gi,iq,ir->gqr", weight, M, M))
    known = values > 1e-9 * np.maximum(values.max(axis=1, initial=0.0), 1e-300)[:, None]
    safe = np.where(known, values, 1.0)
    inverse = np.einsum("gqk,gk,grk->gqr", vectors, known / safe, vectors)
    sums = np.einsum("iq,gis->gqs", M, weight[:, :, None] * C, optimize=True)
    mu = inverse @ sums
    n = len(s) + sum(run.n_left for run in bases) - known.sum(axis=1)
    squares = weight @ C**2 - np.sum(mu * sums, axis=1) + np.sum([b.left for b in bases], axis=0)
    variance = np.maximum(squares, 1e-300) / np.maximum(n, 1)[:, None]
    constant = sum(run.log_det for run in bases)
    constant = constant + 0.5 * (np.log(weight).sum(axis=1) - np.log(safe).sum(axis=1))
    likelihood = constant[:, None] - 0.5 * n[:, None] * np.log(variance)
    return Profiles(likelihood, mu, variance, inverse)


def fit_levels(
    bases: Bases,
    means: Sequence[FloatArray],
    *,
    known: Sequence[int],
    wanted: Sequence[int],
    with_mean: Sequence[int],
) -> Levels:
    """Estimate the levels of some runs, with the means and variances of some.

    Parameters
    ----------
    bases : sequence of sequence of RunBasis
        For each autocorrelation those of all runs.
    means : sequence of array, shape (n_trials, n_means)
        Which mean each trial has, in each run.
    known : sequence of int
        Runs of which variances and autocorrelation are estimated.
    wanted : sequence of int
        Runs whose levels are.
    with_mean : sequence of int
        Runs of which the means are estimated.
    """
    of_known = [[basis[run] for run in known] for basis in bases]
    gammas = grid_ratios(of_known)
    profiles = [profiles_of(basis, gammas) for basis in of_known]
    weights = grid_weights(np.array([one.likelihood for one in profiles]))
    if list(with_mean) != list(known):
        of_mean = [profiles_of([basis[run] for run in with_mean], gammas) for basis in bases]
        profiles = [
            one._replace(mu=mean.mu, inverse=mean.inverse)
            for one, mean in zip(profiles, of_mean, strict=True)
        ]
    share = np.concatenate([means[run] for run in wanted]).mean(axis=0)
    mu = np.zeros(weights.shape[2])
    prior_variance = np.zeros_like(mu)
    found: list[list[tuple[FloatArray, ...]]] = [[] for _ in wanted]
    for basis, one, of_rho in zip(bases, profiles, weights, strict=True):
        kept = of_rho.any(axis=1)
        if not kept.any():
            continue
        w = of_rho[kept]
        at = Profiles(*(each[kept] for each in one))
        mu += np.sum(w * np.einsum("q,gqs->gs", share, at.mu), axis=0)
        prior_variance += np.sum(w * gammas[kept][:, None] * at.variance, axis=0)
        for place, run in enumerate(wanted):
            found[place].append(_moments(basis[run], means[run], gammas[kept], at, w))
    totals = [[np.sum(each, axis=0) for each in zip(*run, strict=True)] for run in found]
    mean, square, of_mean_error, around = (np.concatenate(x) for x in zip(*totals, strict=True))
    between = np.maximum(square - mean**2, 0.0)
    return Levels(mean, around + of_mean_error + between, around, mu, prior_variance)


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
        With a sum of 1 for each series; points that weigh little for all are 0.
    """
    n_rho, n_gamma, _ = likelihood.shape
    L = np.exp(likelihood - likelihood.max(axis=(0, 1)))
    even = np.sqrt(GAMMA) * (GAMMA <= SPREAD_UP_TO)
    even /= even.sum()
    of_rho, of_gamma = np.full(n_rho, 1 / n_rho), np.full(n_gamma, 1 / n_gamma)
    for _ in range(N_PRIOR_STEPS):
        weights = _normalised(of_rho[:, None, None] * of_gamma[:, None] * L)
        of_rho = weights.sum(axis=1).mean(axis=1) + EVEN / n_rho
        of_gamma = weights.sum(axis=0).mean(axis=1)
        of_rho, of_gamma = of_rho / of_rho.sum(), (1 - SPREAD) * of_gamma + SPREAD * even
    weights = _normalised(of_rho[:, None, None] * of_gamma[:, None] * L)
    weights[weights.max(axis=2) < LEAST_WEIGHT] = 0.0
    return _normalised(weights)


def _normalised(weights: FloatArray) -> FloatArray:
    return np.asarray(weights / weights.sum(axis=(0, 1)))


def _moments(
    run: RunBasis, U: FloatArray, gammas: FloatArray, at: Profiles, weights: FloatArray
) -> tuple[FloatArray, ...]:
    """Sum levels, their squares, and their variances by the mean and around it, over ratios."""
    shrunk = gammas[:, None] / (1 + gammas[:, None] * run.s**2)
    gain = run.s * shrunk
    deviation = gain[:, :, None] * (run.C - run.M @ at.mu)  # (n_gamma, n_values, n_series)
    levels = U @ at.mu + run.R @ deviation
    unseen = np.maximum(1 - np.sum(run.R**2, axis=1), 0.0)
    lift = U - (run.R * gain[:, None, :]) @ run.M
    own = shrunk @ (run.R**2).T + gammas[:, None] * unseen
    of_mean = np.einsum("gtq,gqr,gtr->gt", lift, at.inverse, lift, optimize=True)
    w, variance = weights[:, None, :], weights * at.variance
    return (
        np.sum(w * levels, axis=0),
        np.sum(w * levels**2, axis=0),
        of_mean.T @ variance,
        own.T @ variance,
    )
