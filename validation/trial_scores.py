"""Figures of single-trial levels: beside the truth, beside each other, and for decoding."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from pyhrf.data import FloatArray

__all__ = [
    "contiguous_folds",
    "correlation",
    "decode",
    "pattern_correlation",
    "slope",
    "split_half",
    "standard_error",
]


def correlation(one: FloatArray, other: FloatArray) -> FloatArray:
    """Correlation of columns; 0 where one of them is constant."""
    a, b = one - one.mean(axis=0), other - other.mean(axis=0)
    power = np.sum(a**2, axis=0) * np.sum(b**2, axis=0)
    product = np.sum(a * b, axis=0)
    return np.divide(product, np.sqrt(power), out=np.zeros(len(product)), where=power > 1e-24)


def pattern_correlation(
    estimate: FloatArray, truth: FloatArray, parcel_of: NDArray[np.int64]
) -> float:
    """Correlation over the positions of a parcel, mean over trials and parcels.

    The mean over trials is taken out of both: what all trials share tells nothing of one.

    Parameters
    ----------
    estimate, truth : array, shape (n_trials, n_positions)
    parcel_of : int array, shape (n_positions,)
    """
    one, other = estimate - estimate.mean(axis=0), truth - truth.mean(axis=0)
    return float(
        np.mean(
            [
                correlation(one[:, mine].T, other[:, mine].T).mean()
                for mine in (parcel_of == number for number in np.unique(parcel_of))
            ]
        )
    )


def slope(estimate: FloatArray, truth: FloatArray) -> float:
    """Slope of the truth on the estimate, means over trials taken out: 1 if the size is right."""
    one, other = estimate - estimate.mean(axis=0), truth - truth.mean(axis=0)
    power = float(np.sum(one**2))
    return float(np.sum(one * other)) / power if power else float("nan")


def split_half(
    level: FloatArray, conditions: NDArray[np.int64], *, n_splits: int = 20, seed: int = 0
) -> float:
    """Correlation over conditions of the means of two random halves of their trials.

    Mean over positions and splits. Shrinking to few patterns raises it, too: alone it is no proof.

    Parameters
    ----------
    level : array, shape (n_trials, n_positions)
    conditions : int array, shape (n_trials,)
        Those with one trial do not count.
    """
    rng = np.random.default_rng(seed)
    repeated = [np.flatnonzero(conditions == c) for c in np.unique(conditions)]
    repeated = [trials for trials in repeated if len(trials) > 1]
    found = []
    for _ in range(n_splits):
        halves = []
        for trials in repeated:
            mixed = rng.permutation(trials)
            middle = len(mixed) // 2
            halves.append((level[mixed[:middle]].mean(axis=0), level[mixed[middle:]].mean(axis=0)))
        one, other = (np.stack(half) for half in zip(*halves, strict=True))
        found.append(correlation(one, other).mean())
    return float(np.mean(found))


def contiguous_folds(n_trials: int, n_folds: int = 5) -> NDArray[np.int64]:
    """Cut trials in order into parts of equal size; the number of that of each."""
    return np.arange(n_trials) * n_folds // n_trials


def decode(
    level: FloatArray,
    classes: NDArray[np.int64],
    folds: NDArray[np.int64],
    parcel_of: NDArray[np.int64],
) -> FloatArray:
    """Tell the class of the trials of each fold from the others: shrinkage LDA in each parcel.

    Parameters
    ----------
    level : array, shape (n_trials, n_positions)
    classes, folds : int array, shape (n_trials,)
    parcel_of : int array, shape (n_positions,)

    Returns
    -------
    array, shape (n_trials, n_parcels)
        1 where it is told rightly.
    """
    numbers = np.unique(parcel_of)
    right = np.zeros((len(level), len(numbers)))
    for column, number in zip(right.T, numbers, strict=True):
        X = level[:, parcel_of == number]
        for fold in np.unique(folds):
            test = folds == fold
            lda = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            with warnings.catch_warnings():
                # a class of a single trial has a mean and no covariance
                warnings.filterwarnings("ignore", "Only one sample available")
                model = make_pipeline(StandardScaler(), lda).fit(X[~test], classes[~test])
            column[test] = model.predict(X[test]) == classes[test]
    return right


def standard_error(values: FloatArray) -> float:
    """Standard error of a mean of independent values; the binomial one where all are 0 or 1."""
    return float(np.std(values) / np.sqrt(len(values)))
