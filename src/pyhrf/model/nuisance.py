"""Nuisance regressors, integrated out by the estimators.

One intercept per run, slow drifts, confounds, and a column for each censored scan. With a flat
prior on its coefficient that column leaves the value of its scan free: integrating it out gives
the likelihood of the other scans alone, under any noise. A gap stays as long as it was.
"""

from __future__ import annotations

import math

import numpy as np

from pyhrf.data import Experiment, FloatArray, Run
from pyhrf.parameters.model import ModelSettings

# A column of unit norm that has less than this beside the others says nothing new.
_LEAST_NEW = 1e-7


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


def drift_of(run: Run, model: ModelSettings) -> FloatArray:
    """Give the drift of a run, a constant first, shape (n_scans, n_drifts)."""
    if model.drift == "cosine":
        return cosine_drift(run.n_scans, run.tr, model.drift_cutoff)
    return polynomial_drift(run.n_scans, model.drift_order if model.drift == "polynomial" else 0)


def experiment_nuisance(experiment: Experiment, model: ModelSettings) -> FloatArray:
    """Nuisance of all runs: every run has columns of its own.

    Parameters
    ----------
    experiment : Experiment
        Runs with their numbers of scans, TR, confounds and censored scans.
    model : ModelSettings
        Of which the drift counts.

    Returns
    -------
    array, shape (n_scans, n_nuisance)
        Full column rank: what confounds repeat of each other or of the drift is left out.
    """
    blocks = [_with_confounds(run, drift_of(run, model)) for run in experiment.runs]
    P = np.zeros((experiment.n_scans, sum(block.shape[1] for block in blocks)))
    row = column = 0
    for block in blocks:
        P[row : row + block.shape[0], column : column + block.shape[1]] = block
        row += block.shape[0]
        column += block.shape[1]
    return P


def n_free_scans(experiment: Experiment, model: ModelSettings) -> list[int]:
    """Count the scans of each run less its nuisance regressors; censored scans are both."""
    blocks = (_with_confounds(run, drift_of(run, model)) for run in experiment.runs)
    return [len(block) - block.shape[1] for block in blocks]


def independent_columns(columns: FloatArray, beside: FloatArray | None = None) -> FloatArray:
    """Give an orthonormal basis of what columns add to others.

    Parameters
    ----------
    columns : array, shape (n_scans, n_columns)
        Any unit, dependent or not.
    beside : array, shape (n_scans, n_others), optional
        What is known already.

    Returns
    -------
    array, shape (n_scans, n_new)
        Orthogonal to `beside`, with ``n_new <= n_columns``.
    """
    norms = np.linalg.norm(columns, axis=0)
    new = columns[:, norms > 0] / norms[norms > 0]
    if beside is not None:
        known = independent_columns(beside)
        # Twice: what is left of a column that is nearly known has lost its digits.
        for _ in range(2):
            new = new - known @ (known.T @ new)
    U, s, _ = np.linalg.svd(new, full_matrices=False)
    return np.asarray(U[:, s > _LEAST_NEW], dtype=np.float64)


def _with_confounds(run: Run, drift: FloatArray) -> FloatArray:
    """Add confounds and the columns of censored scans to the drift of a run."""
    columns = drift
    if run.censored is not None and run.censored.any():
        columns = independent_columns(np.where(run.kept[:, None], drift, 0.0))
    if run.confounds is not None and run.confounds.shape[1]:
        confounds = np.where(run.kept[:, None], run.confounds, 0.0)
        columns = np.hstack([columns, independent_columns(confounds, columns)])
    return np.hstack([columns, np.eye(run.n_scans)[:, ~run.kept]])
