"""The HRF of single trials: that of the parcel, its own or canonical, refined by the trials."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from pyhrf.data import FloatArray
from pyhrf.estimators.trial_levels import (
    RHO,
    Bases,
    RunBasis,
    TrialData,
    grid_ratios,
    grid_weights,
    joined,
    means_of_series,
    profiles_of,
    whitened,
)
from pyhrf.model.hrf import canonical_coefficients
from pyhrf.model.trial_designs import TrialDesign

# By how many nats the canonical response is favoured: a little response of another shape helps
# trials less than noise in its place harms them.
CANONICAL_BONUS = 3.0
# Directions of the levels' second moment that count, at most, and the least part of the largest.
N_DIRECTIONS, LEAST_DIRECTION = 40, 1e-4
# How much longer than those of EM steps are.
LONGER = 2.5
# How many directions are worked on at once, for the memory that they take.
AT_ONCE = 8


def start_hrf(h: FloatArray, log_bayes: float, dt: float) -> tuple[FloatArray, bool]:
    """Average a parcel's own HRF and the canonical one, by their probabilities.

    Parameters
    ----------
    h : array, shape (n_hrf,)
        The own one; its largest excursion is +1.
    log_bayes : float
        For it, against the canonical shape.
    dt : float
        Step, seconds.

    Returns
    -------
    array, shape (n_hrf,)
        With a largest excursion of +1.
    bool
        Whether the own one is likelier.
    """
    probability = float(expit(log_bayes - CANONICAL_BONUS))
    canonical = canonical_coefficients(len(h), dt)
    mixed = probability * h + (1 - probability) * canonical / np.abs(canonical).max()
    return scaled(mixed), probability > 0.5


def scaled(h: FloatArray) -> FloatArray:
    """Scale an HRF so that its largest excursion is +1."""
    return np.asarray(h / h[np.argmax(np.abs(h))])


def refined_hrf(
    h: FloatArray,
    R_inv: FloatArray,
    data: TrialData,
    designs: Sequence[Sequence[TrialDesign]],
    parts: Sequence[tuple[Sequence[FloatArray], Bases]],
) -> FloatArray:
    """Take a step towards the HRF that is likeliest for how trials differ from their mean.

    The mean response may have another shape, such as that of a block that is soon got used to, and
    is so much larger that it would decide: it is taken out, whatever its shape. EM is slow here,
    and goes on in the same direction for long, so that the step is a longer one.

    Parameters
    ----------
    h : array, shape (n_hrf,)
        The present one, of which the regressors of `data` are.
    R_inv : array, shape (n_hrf, n_hrf)
        Inverse prior covariance, up to its scale.
    data : TrialData
    designs : sequence of sequence of TrialDesign
        Of the trials of each run.
    parts : sequence of (sequence of array, shape (n_scans, n_series), Bases)
        Independent series of each run, and what they were decomposed into; several of them.
    """
    products, sums = np.zeros_like(R_inv), np.zeros(len(h))
    together = [_together(own, len(Z), len(h)) for own, Z in zip(designs, data.Z, strict=True)]
    for Y, bases in parts:
        index, gamma = _likeliest(bases)
        rho, runs = float(RHO[index]), bases[index]
        mu, variance = _means(runs, gamma)
        Q = [np.linalg.qr(whitened(P, rho))[0] for P in data.P]
        X, white = (
            [_without(whitened(x, rho), q) for x, q in zip(each, Q, strict=True)]
            for each in (together, Y)
        )
        of_mean = np.linalg.lstsq(np.concatenate(X), np.concatenate(white), rcond=1e-6)[0]
        for k, own in enumerate(designs):
            if not own:  # a run without trials says nothing of their response
                continue
            run = runs[k]
            total = 1 + np.outer(run.s**2, gamma)
            level = run.R @ (run.s[:, None] * gamma / total * (run.C - run.M @ mu))
            moment = (level / variance) @ level.T
            moment += (run.R * (gamma / total).sum(axis=1)) @ run.R.T
            products += _products(moment, own, len(Y[k]), rho, Q[k])
            left = (white[k] - X[k] @ of_mean) / variance
            sums += _sums(_unwhitened(left @ level.T, rho), own)
    v_h = 1.0
    for _ in range(4):  # its scale, as that of any HRF
        Sigma = np.linalg.inv(products + R_inv / v_h)
        found = Sigma @ sums
        v_h = float(found @ R_inv @ found + np.sum(R_inv * Sigma)) / len(h)
    return scaled(h + LONGER * (scaled(found) - h))


def _together(designs: Sequence[TrialDesign], n_scans: int, n_hrf: int) -> FloatArray:
    """Add up the designs of the trials of a run."""
    found = np.zeros((n_scans, n_hrf))
    for first, X in designs:
        found[first : first + len(X)] += X
    return found


def _without(values: FloatArray, Q: FloatArray) -> FloatArray:
    return np.asarray(values - Q @ (Q.T @ values))


def _likeliest(bases: Bases) -> tuple[int, FloatArray]:
    """Find the autocorrelation that most series have, and the ratio of variances of each."""
    gammas = grid_ratios(bases)
    weights = grid_weights(np.array([profiles_of(one, gammas).likelihood for one in bases]))
    best = int(np.argmax(weights.sum(axis=(1, 2))))
    of_gamma = weights[best] / np.maximum(weights[best].sum(axis=0), 1e-300)
    return best, gammas @ of_gamma


def _means(bases: Sequence[RunBasis], gamma: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means and variances of series that have each their ratio."""
    s, M, C = joined(bases)
    weight = 1 / (1 + np.outer(s**2, gamma))
    mu = means_of_series(M, C, weight)
    n = len(s) + sum(run.n_left for run in bases) - M.shape[1]
    squares = np.sum(weight * (C - M @ mu) ** 2, axis=0)
    squares = squares + np.sum([run.left for run in bases], axis=0)
    return mu, np.maximum(squares, 1e-300) / max(n, 1)


def _products(
    moment: FloatArray, designs: Sequence[TrialDesign], n_scans: int, rho: float, Q: FloatArray
) -> FloatArray:
    """Sum the products of designs, weighted by the second moment of the levels."""
    n_hrf = designs[0].X.shape[1]
    values, vectors = np.linalg.eigh(moment)
    kept = values > LEAST_DIRECTION * max(float(values.max(initial=0.0)), 1e-300)
    weighted = (vectors[:, kept] * np.sqrt(values[kept]))[:, ::-1][:, :N_DIRECTIONS]
    found = np.zeros((n_hrf, n_hrf))
    for first in range(0, weighted.shape[1], AT_ONCE):
        some = weighted[:, first : first + AT_ONCE]
        G = np.zeros((n_scans, some.shape[1], n_hrf))
        for weights, (start, X) in zip(some, designs, strict=True):
            G[start : start + len(X)] += weights[:, None] * X[:, None, :]
        flat = whitened(G.reshape(n_scans, -1), rho)
        flat -= Q @ (Q.T @ flat)
        G = flat.reshape(G.shape)
        found += np.einsum("nkd,nke->de", G, G)
    return found


def _sums(values: FloatArray, designs: Sequence[TrialDesign]) -> FloatArray:
    """Sum the designs of trials, weighted over scans by a column for each trial."""
    terms = [
        X.T @ column[start : start + len(X)]
        for (start, X), column in zip(designs, values.T, strict=True)
    ]
    return np.asarray(np.sum(terms, axis=0))


def _unwhitened(values: FloatArray, rho: float) -> FloatArray:
    """Apply the transpose of `whitened`."""
    found = values.copy()
    found[0] *= np.sqrt(1 - rho**2)
    found[:-1] -= rho * values[1:]
    return found
