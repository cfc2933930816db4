"""Patterns over voxels in which single trials and the noise that voxels share are independent.

In a run the trials see the data as coordinates ``c_i ~ N(M_i mu, S_N + s_i² S_A)``, with the
covariances of noise and of trials between voxels. The generalised eigenvectors of the two are the
patterns: along them `trial_levels` takes each for a series of its own (``docs/model.md``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.trial_levels import (
    GAMMA,
    RunBasis,
    TrialData,
    information_scale,
    profile,
    run_bases,
    whitened,
)
from pyhrf.model.shared_noise import fold_spectra, shared_noise

# Autocorrelation with which covariances are estimated: what it lacks, the patterns have of their
# own.
RHO_OF_COVARIANCES = 0.3
# Steps of EM for the covariances.
N_STEPS = 12
# The prior of the trials' covariance is worth so many trials for each voxel.
PRIOR_TRIALS = 0.5
# Gain of shared noise in log likelihood that is asked for each voxel, and voxels and scans
# without which nothing is looked at.
LEAST_GAIN = 0.5
FEWEST_VOXELS, FEWEST_SCANS = 5, 16
# Variances of trials are at least this part of the noise's: a covariance has to be regular.
LEAST_VARIANCE = 1e-3


class Patterns(NamedTuple):
    """Two sets of patterns; a series of voxels is the product of series with their transposes.

    Attributes
    ----------
    joint : array, shape (n_voxels, n_voxels)
        A pattern in each column, of both covariances.
    of_noise : array, shape (n_voxels, n_voxels)
        The same where trials of voxels are taken for independent.
    """

    joint: FloatArray
    of_noise: FloatArray


def find_patterns(data: TrialData, Y: Sequence[FloatArray]) -> Patterns | None:
    """Estimate the covariances and their patterns.

    Parameters
    ----------
    data : TrialData
    Y : sequence of array, shape (n_scans, n_voxels)
        Of each run.

    Returns
    -------
    Patterns, or None
        If voxels share so little noise that each may have its own, or there are too few of them
        or of scans to tell.
    """
    n_voxels = Y[0].shape[1]
    rho = RHO_OF_COVARIANCES
    bases = run_bases(data, Y, rho)
    n_left = sum(run.n_left for run in bases)
    if n_voxels < FEWEST_VOXELS or n_left < FEWEST_SCANS:
        return None
    rows = [_left(*run, rho) for run in zip(data.Z, data.P, Y, strict=True)]
    noise = shared_noise(fold_spectra(np.concatenate(rows)))
    if noise.gain < LEAST_GAIN * n_voxels:
        return None
    S_N = noise.covariance
    of_trials = _trial_variances(bases, S_N.diagonal())
    S_A = np.diag(of_trials)
    joint = _eigenvectors(*_by_em(bases, S_A, S_N, n_left))[1]
    return Patterns(joint, _eigenvectors(S_A, S_N)[1])


def _left(Z: FloatArray, P: FloatArray, Y: FloatArray, rho: float) -> FloatArray:
    """Give independent rows of what trials and nuisance leave of a run."""
    known = np.hstack([whitened(P, rho), whitened(Z, rho)])
    U, s, _ = np.linalg.svd(known, full_matrices=True)
    rank = int((s > 1e-9 * s[0]).sum())
    return np.asarray(U[:, rank:].T @ whitened(Y, rho))


def _trial_variances(bases: Sequence[RunBasis], noise: FloatArray) -> FloatArray:
    """Variance of the trials of each voxel, by its own restricted likelihood."""
    gammas = GAMMA / information_scale(bases)
    profiles = [profile(bases, gamma) for gamma in gammas]
    best = np.argmax([one.likelihood for one in profiles], axis=0)
    variance = np.array([one.variance for one in profiles])
    found = gammas[best] * np.take_along_axis(variance, best[None], axis=0)[0]
    return np.asarray(np.maximum(found, LEAST_VARIANCE / information_scale(bases) * noise))


def _by_em(
    bases: Sequence[RunBasis], prior_A: FloatArray, prior_N: FloatArray, n_left: int
) -> tuple[FloatArray, FloatArray]:
    """Estimate both covariances; the noise's prior is worth the scans that it is of."""
    s, M, C = (np.concatenate([getattr(run, x) for run in bases]) for x in ("s", "M", "C"))
    n, weight = len(s), PRIOR_TRIALS * len(prior_A)
    S_A, S_N = prior_A, prior_N
    for _ in range(N_STEPS):
        d, B = _eigenvectors(S_A, S_N)
        W = np.linalg.solve(B, C.T).T
        total = 1 + np.outer(s**2, d)
        D = W - M @ _means(M, W, total)
        level, variance = s[:, None] * d / total * D, d / total
        second = level.T @ level
        second[np.diag_indices_from(second)] += variance.sum(axis=0)
        S_A = (B @ second @ B.T + weight * prior_A) / (n + weight)
        left = D - s[:, None] * level
        second = left.T @ left
        second[np.diag_indices_from(second)] += s**2 @ variance
        S_N = (B @ second @ B.T + n_left * prior_N) / (n + n_left)
    return S_A, S_N


def _means(M: FloatArray, W: FloatArray, total: FloatArray) -> FloatArray:
    """Means of each pattern, by weighted least squares; shape (n_means, n_patterns)."""
    products = np.einsum("iq,ic,ir->cqr", M, 1 / total, M)
    sums = np.einsum("iq,ic->cq", M, W / total)
    return np.asarray((np.linalg.pinv(products, hermitian=True) @ sums[:, :, None])[:, :, 0].T)


def _eigenvectors(S_A: FloatArray, S_N: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Find ``B`` with ``S_N = B B'`` and ``S_A = B diag(d) B'``."""
    L = np.linalg.cholesky(S_N)
    inner = np.linalg.solve(L, np.linalg.solve(L, S_A).T)
    d, Q = np.linalg.eigh((inner + inner.T) / 2)
    return np.maximum(d, 0.0), L @ Q


def along(patterns: FloatArray, Y: Sequence[FloatArray]) -> list[FloatArray]:
    """Give the series of the patterns of each run."""
    return [np.linalg.solve(patterns, run.T).T.astype(np.float64, copy=False) for run in Y]
