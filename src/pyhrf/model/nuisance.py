"""Nuisance regressors: one intercept per run and slow drifts, integrated out by the estimators."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from pyhrf.data import Experiment, FloatArray

__all__ = ["DriftKind", "cosine_drift", "experiment_nuisance", "polynomial_drift"]

DriftKind = Literal["cosine", "polynomial", "none"]


def cosine_drift(n_scans: int, tr: float, cutoff: float) -> FloatArray:
    """Cosines of all periods longer than `cutoff` seconds, and a constant, at unit norm.

    The discrete cosine basis ``cos(pi k (n + 1/2) / N)``, ``k = 0 … floor(2 N TR / cutoff)``,
    as in SPM's high-pass filter.

    Returns
    -------
    array, shape (n_scans, 1 + n_cosines)
    """
    order = min(math.floor(2 * n_scans * tr / cutoff), n_scans - 1)
    k = np.arange(order + 1)
    basis = np.cos(np.pi * np.outer(np.arange(n_scans) + 0.5, k) / n_scans)
    return np.asarray(basis / np.linalg.norm(basis, axis=0))


def polynomial_drift(n_scans: int, order: int) -> FloatArray:
    """Legendre polynomials of degree 0 to `order`, at unit norm.

    Returns
    -------
    array, shape (n_scans, order + 1)
    """
    order = min(order, n_scans - 1)
    basis = np.polynomial.legendre.legvander(np.linspace(-1, 1, n_scans), order)
    return np.asarray(basis / np.linalg.norm(basis, axis=0))


def experiment_nuisance(
    experiment: Experiment, *, drift: DriftKind, cutoff: float, order: int
) -> FloatArray:
    """Nuisance of all runs: every run has columns of its own.

    Parameters
    ----------
    experiment : Experiment
        Runs with their numbers of scans and TR.
    drift : {"cosine", "polynomial", "none"}
        Kind of drift; ``none`` leaves the intercepts only.
    cutoff : float
        Shortest period of the cosines, seconds.
    order : int
        Degree of the polynomials.

    Returns
    -------
    array, shape (n_scans, n_nuisance)
        Full column rank.
    """
    blocks = []
    for run in experiment.runs:
        if drift == "cosine":
            blocks.append(cosine_drift(run.n_scans, run.tr, cutoff))
        else:
            blocks.append(polynomial_drift(run.n_scans, order if drift == "polynomial" else 0))
    P = np.zeros((experiment.n_scans, sum(block.shape[1] for block in blocks)))
    row = column = 0
    for block in blocks:
        P[row : row + block.shape[0], column : column + block.shape[1]] = block
        row += block.shape[0]
        column += block.shape[1]
    return P
