"""The signal of the task that an estimate stands for, and how much of the data it explains."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

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


def without(values: FloatArray, Q: FloatArray) -> FloatArray:
    """Take out of values what nuisance explains of them by least squares.

    Parameters
    ----------
    values : array, shape (n_scans, ...)
    Q : array, shape (n_scans, n_nuisance)
        Orthonormal.
    """
    return np.asarray(values - Q @ (Q.T @ values))


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
    alone, left = without(bold, Q), without(rest, Q)
    return np.sum(alone**2, axis=0), np.sum(left**2, axis=0)


def share(total: FloatArray, left: FloatArray) -> FloatArray:
    """Share of the data's squares that is explained; NaN where there is nothing to explain."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(total > 0, 1 - left / total, np.nan))


TOP = 0.1
"""Share of the positions, those explained best, of which a parcel's courses are the mean."""

Part = tuple[FloatArray, FloatArray, FloatArray]


def mean_courses(
    parts: Sequence[Part], r2: FloatArray, kept: NDArray[np.bool_]
) -> dict[str, NDArray[np.float32]]:
    """Average what was measured and what the model makes of it over the best positions.

    These are the tenth that is explained best, one at least, without those whose task's signal
    runs against that of the very best: activations and deactivations would cancel.

    Parameters
    ----------
    parts : sequence of (bold, task, Q)
        One after the other in time, as `squares` takes them: of all scans, or of those that count.
    r2 : array, shape (n_positions,)
        How much is explained; NaN counts least.
    kept : bool array, shape (n_scans,)
        Which scans count.

    Returns
    -------
    dict of str to float32 array, shape (n_scans,)
        ``fitted``, the task's signal, and ``measured``, that and what the model leaves of the data,
        without all that nuisance can explain. NaN in scans that do not count.
    """
    order = np.argsort(-r2, kind="stable")
    along = sum((task.T @ without(task[:, order[0]], Q) for _, task, Q in parts), np.zeros(1))
    best = order[along[order] >= 0][: max(1, round(TOP * len(order)))]
    fitted, measured = [], []
    for bold, task, Q in parts:
        mean = task[:, best].mean(axis=1)
        fitted.append(mean)
        measured.append(mean + without(bold[:, best].mean(axis=1) - mean, Q))
    return {"measured": _in_scans(measured, kept), "fitted": _in_scans(fitted, kept)}


def _in_scans(parts: Sequence[FloatArray], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Give values of all scans, or of those that count, their places; NaN in the others."""
    values = np.concatenate(parts)
    course = np.full(len(kept), np.nan, np.float32)
    with np.errstate(over="ignore"):  # infinite: so were the maps
        course[kept] = values[kept] if len(values) == len(kept) else values
    return course
