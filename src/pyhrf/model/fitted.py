"""The signal of the task that an estimate stands for, and how much of the data it explains."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray


def task_signal(X: FloatArray, hrf: FloatArray, levels: FloatArray) -> FloatArray:
    """Signal of responses of one shape, whose heights differ.

    Parameters
    ----------
    X : array, shape (n_scans, n_conditions, n_hrf)
        From `pyhrf.model.design.experiment_design`.
    hrf : array, shape (n_hrf,)
        Its free coefficients.
    levels : array, shape (n_conditions, n_positions)

    Returns
    -------
    array, shape (n_scans, n_positions)
    """
    return np.asarray((X @ hrf) @ levels)


def own_signal(X: FloatArray, responses: FloatArray) -> FloatArray:
    """Signal of a response of its own for each condition and position.

    Parameters
    ----------
    X : array, shape (n_scans, n_conditions, n_hrf)
    responses : array, shape (n_conditions, n_positions, n_hrf)

    Returns
    -------
    array, shape (n_scans, n_positions)
    """
    n_scans, n_conditions, n_hrf = X.shape
    by_column = responses.transpose(0, 2, 1).reshape(n_conditions * n_hrf, -1)
    return np.asarray(X.reshape(n_scans, -1) @ by_column)


def squares(bold: FloatArray, task: FloatArray, Q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum squares over scans, without what nuisance can explain by least squares.

    Parameters
    ----------
    bold, task : array, shape (n_scans, n_positions)
    Q : array, shape (n_scans, n_nuisance)
        Orthonormal.

    Returns
    -------
    total, left : array, shape (n_positions,)
        Of the data, and of what the task's signal leaves of them.
    """
    rest = bold - task
    alone, left = (values - Q @ (Q.T @ values) for values in (bold, rest))
    return np.sum(alone**2, axis=0), np.sum(left**2, axis=0)


def share(total: FloatArray, left: FloatArray) -> FloatArray:
    """Share of the data's squares that is explained; NaN where there is nothing to explain."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, 1 - left / total, np.nan))
