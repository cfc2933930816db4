"""Patterns over voxels in which single trials and the noise that voxels share are independent.

In a run the trials see the data as coordinates ``c_i ~ N(M_i mu, S_N + s_i² S_A)``, with the
covariances of noise and of trials between voxels. The generalised eigenvectors of the two are the
patterns: along them `trial_levels` takes each for a series of its own (``docs/model.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from pyhrf.data import FloatArray
from pyhrf.estimators.trial_levels import (
    RHO,
    Bases,
    Profiles,
    RunBasis,
    TrialData,
    grid_ratios,
    grid_weights,
    joined,
    means_of_series,
    profiles_of,
    whitened,
)
from pyhrf.model.shared_noise import fold_spectra, shared_noise

# Autocorrelation of scans that are 2 s apart, with which covariances are estimated: what it lacks,
# the patterns have of their own.
RHO_OF_COVARIANCES = 0.3
# Steps of EM for the covariances.
N_STEPS = 8
# The prior of the trials' covariance is worth so many trials for each voxel.
PRIOR_TRIALS = 0.5
# How far the patterns may go from trials of voxels that are independent to the covariances of EM:
# as far as predicts best the directions of trials that are left out, one in so many.
SHARES = np.array([0.0, 0.5, 1.0])
N_PARTS = 2
# Gain of shared noise in log likelihood that is asked for each voxel, and voxels and scans
# without which nothing is looked at.
LEAST_GAIN = 0.5
FEWEST_VOXELS, FEWEST_SCANS = 5, 16


class Patterns(NamedTuple):
    """Two sets of patterns; the data of voxels are series times the patterns' transpose.

    Attributes
    ----------
    joint : array, shape (n_voxels, n_voxels)
        A pattern in each column, of both covariances.
    of_noise : array, shape (n_voxels, n_voxels)
        The same where trials of voxels are taken for independent.
    """

    joint: FloatArray
    of_noise: FloatArray


def find_patterns(
    data: TrialData, Y: Sequence[FloatArray], bases: Bases, tr: float
) -> Patterns | None:
    """Estimate the covariances and their patterns.

    Parameters
    ----------
    data : TrialData
    Y : sequence of array, shape (n_scans, n_voxels)
        Of each run.
    bases : sequence of sequence of RunBasis
        Of these, for each autocorrelation.
    tr : float
        Seconds between scans.

    Returns
    -------
    Patterns, or None
        If voxels share so little noise that each may have its own, or there are too few of them
        or of scans to tell.
    """
    n_voxels = Y[0].shape[1]
    place = int(np.argmin(np.abs(RHO - RHO_OF_COVARIANCES ** (tr / 2))))
    of_runs = bases[place]
    n_left = sum(run.n_left for run in of_runs)
    if n_voxels < FEWEST_VOXELS or n_left < FEWEST_SCANS:
        return None
    rho = float(RHO[place])
    rows = [_left(*run, rho) for run in zip(data.Z, data.P, Y, strict=True)]
    noise = shared_noise(fold_spectra(np.concatenate(rows)))
    if noise.gain < LEAST_GAIN * n_voxels:
        return None
    S_N = noise.covariance
    gammas = grid_ratios(bases)
    S_A = np.diag(_trial_variances(profiles_of(of_runs, gammas), gammas, S_N.diagonal()))
    joint = _joint(of_runs, S_A, S_N, n_left)
    return Patterns(_eigenvectors(*joint)[1], _eigenvectors(S_A, S_N)[1])


def _left(Z: FloatArray, P: FloatArray, Y: FloatArray, rho: float) -> FloatArray:
    """Give independent rows of what trials and nuisance leave of a run."""
    known = np.hstack([whitened(P, rho), whitened(Z, rho)])
    U, s, _ = np.linalg.svd(known, full_matrices=True)
    rank = int((s > 1e-9 * s[0]).sum())
    return np.asarray(U[:, rank:].T @ whitened(Y, rho))


def _trial_variances(profiles: Profiles, gammas: FloatArray, noise: FloatArray) -> FloatArray:
    """Variance of the trials of each voxel, by the likelihood and what voxels have in common."""
    weights = grid_weights(profiles.likelihood[None])[0]
    found = np.sum(weights * gammas[:, None] * profiles.variance, axis=0)
    # at least that of the smallest ratio: a covariance has to be regular
    return np.asarray(np.maximum(found, gammas[1] * noise))


def _joint(
    bases: Sequence[RunBasis], S_A: FloatArray, S_N: FloatArray, n_left: int
) -> tuple[FloatArray, FloatArray]:
    """Estimate both covariances, as far as they predict what had no part in them."""
    score = np.zeros(len(SHARES))
    for part in range(N_PARTS):
        found = _by_em(_of_part(bases, part, inside=False), S_A, S_N, n_left)
        held = _of_part(bases, part, inside=True)
        score += [_log_likelihood(held, *_mixed(share, found, (S_A, S_N))) for share in SHARES]
    share = float(SHARES[np.argmax(score)])
    if share == 0:
        return S_A, S_N
    return _mixed(share, _by_em(bases, S_A, S_N, n_left), (S_A, S_N))


def _mixed(
    share: float, one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]
) -> tuple[FloatArray, FloatArray]:
    S_A, S_N = (share * a + (1 - share) * b for a, b in zip(one, other, strict=True))
    return S_A, S_N


def _of_part(bases: Sequence[RunBasis], part: int, *, inside: bool) -> list[RunBasis]:
    """Take the directions of the trials that are in a part, or the others."""
    found = []
    for run in bases:
        rows = (np.arange(len(run.s)) % N_PARTS == part) == inside
        found.append(run._replace(s=run.s[rows], M=run.M[rows], C=run.C[rows]))
    return found


def _log_likelihood(bases: Sequence[RunBasis], S_A: FloatArray, S_N: FloatArray) -> float:
    """Log likelihood of what is along the trials, up to a constant."""
    s, M, C = joined(bases)
    d, B, inverse = _eigenvectors(S_A, S_N)
    W = C @ inverse.T
    total = 1 + np.outer(s**2, d)
    D = W - M @ means_of_series(M, W, 1 / total)
    return float(-0.5 * np.sum(np.log(total) + D**2 / total) - len(s) * np.linalg.slogdet(B)[1])


def _by_em(
    bases: Sequence[RunBasis], prior_A: FloatArray, prior_N: FloatArray, n_left: int
) -> tuple[FloatArray, FloatArray]:
    """Estimate both covariances; the noise's prior is worth the scans that it is of."""
    s, M, C = joined(bases)
    n, weight = len(s), PRIOR_TRIALS * len(prior_A)
    S_A, S_N = prior_A, prior_N
    for _ in range(N_STEPS):
        d, B, inverse = _eigenvectors(S_A, S_N)
        W = C @ inverse.T
        total = 1 + np.outer(s**2, d)
        D = W - M @ means_of_series(M, W, 1 / total)
        level, variance = s[:, None] * d / total * D, d / total
        second = level.T @ level
        second[np.diag_indices_from(second)] += variance.sum(axis=0)
        S_A = (B @ second @ B.T + weight * prior_A) / (n + weight)
        left = D - s[:, None] * level
        second = left.T @ left
        second[np.diag_indices_from(second)] += s**2 @ variance
        S_N = (B @ second @ B.T + n_left * prior_N) / (n + n_left)
    return S_A, S_N


def _eigenvectors(S_A: FloatArray, S_N: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Find ``B`` with ``S_N = B B'`` and ``S_A = B diag(d) B'``: ``d``, ``B`` and its inverse."""
    L = np.linalg.cholesky(S_N)
    half = solve_triangular(L, S_A, lower=True)
    inner = solve_triangular(L, half.T, lower=True)
    d, Q = np.linalg.eigh((inner + inner.T) / 2)
    return np.maximum(d, 0.0), L @ Q, solve_triangular(L, Q, lower=True, trans="T").T


def along(patterns: FloatArray, bases: Bases) -> list[list[RunBasis]]:
    """Decompose the series of patterns."""
    inverse = np.linalg.inv(patterns).astype(np.float64, copy=False)
    return [[run.along(inverse) for run in of_rho] for of_rho in bases]
