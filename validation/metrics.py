"""Figures that compare an estimate with the truth; pure functions of arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from pyhrf.data import FloatArray

__all__ = [
    "Reliability",
    "area_under_curve",
    "calibration_error",
    "coverage",
    "hrf_coverage",
    "hrf_error",
    "largest_fall",
    "mean_area",
    "reliability",
]

BoolArray = NDArray[np.bool_]


def hrf_error(time: FloatArray, hrf: FloatArray, grid: FloatArray, truth: FloatArray) -> float:
    """Distance of two HRFs, both of unit norm on `grid`: 0 is perfect, 2 the opposite sign.

    Parameters
    ----------
    time, hrf : array, shape (n_samples,)
        Estimate; between its samples it is linear, outside of them 0.
    grid, truth : array, shape (n_grid,)
        Truth.
    """
    estimate = np.interp(grid, time, hrf, left=0.0, right=0.0)
    norm = np.linalg.norm(estimate)
    if norm == 0:
        return 1.0
    return float(np.linalg.norm(estimate / norm - truth / np.linalg.norm(truth)))


def area_under_curve(score: FloatArray, truth: BoolArray) -> float:
    """Probability that an active voxel has a higher score than an inactive one; ties count half.

    NaN if there is only one class.
    """
    n_active, n_inactive = int(truth.sum()), int((~truth).sum())
    if not n_active or not n_inactive:
        return float("nan")
    ranks = rankdata(score)
    return float((ranks[truth].sum() - n_active * (n_active + 1) / 2) / (n_active * n_inactive))


def mean_area(score: FloatArray, truth: BoolArray, parcel_of: NDArray[np.int32]) -> float:
    """Mean of `area_under_curve` over parcels and conditions in which both classes are.

    Parameters
    ----------
    score : array, shape (n_conditions, n_positions)
    truth : bool array, shape (n_conditions, n_positions)
    parcel_of : int32 array, shape (n_positions,)
    """
    areas = [
        area_under_curve(score[m, members], truth[m, members])
        for members in (parcel_of == number for number in np.unique(parcel_of))
        for m in range(len(score))
    ]
    known = [area for area in areas if np.isfinite(area)]
    return float(np.mean(known)) if known else float("nan")


@dataclass(frozen=True)
class Reliability:
    """Probabilities in bins, and how often they came true.

    Attributes
    ----------
    count : int array, shape (n_bins,)
    mean : array, shape (n_bins,)
        Mean probability in each bin; NaN in an empty one.
    fraction : array, shape (n_bins,)
        Fraction that was active.
    """

    count: NDArray[np.int64]
    mean: FloatArray
    fraction: FloatArray


def reliability(probability: FloatArray, truth: BoolArray, n_bins: int = 10) -> Reliability:
    """Compare probabilities of any shape with what was true, in bins of equal width."""
    p, t = probability.ravel(), truth.ravel()
    which = np.minimum((p * n_bins).astype(int), n_bins - 1)
    count = np.bincount(which, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean = np.bincount(which, weights=p, minlength=n_bins) / count
        fraction = np.bincount(which, weights=t, minlength=n_bins) / count
    return Reliability(count, mean, fraction)


def calibration_error(curve: Reliability) -> float:
    """Mean distance of probability and frequency, each bin weighted by its size."""
    used = curve.count > 0
    distance = np.abs(curve.mean - curve.fraction)[used]
    return float(np.average(distance, weights=curve.count[used]))


def coverage(estimate: FloatArray, sd: FloatArray, truth: FloatArray, width: float) -> float:
    """Fraction of true values within `width` sd of the estimate; where sd is 0 nothing is claimed.

    NaN if nothing is claimed anywhere.
    """
    claimed = np.isfinite(sd) & (sd > 0) & np.isfinite(estimate)
    if not claimed.any():
        return float("nan")
    return float(np.mean(np.abs(estimate - truth)[claimed] <= width * sd[claimed]))


def hrf_coverage(
    time: FloatArray,
    hrf: FloatArray,
    sd: FloatArray,
    truth: FloatArray,
    width: float,
) -> float:
    """Fraction of the samples of a true HRF within `width` sd of the estimate.

    Both have a largest sample of 1, as an estimate has in ``hrf.tsv``. The ends and the peak,
    where the estimate has no error by definition, do not count.

    Parameters
    ----------
    time, hrf, sd : array, shape (n_samples,)
    truth : array, shape (n_samples,)
        True HRF at `time`, any scale.
    """
    if len(time) != len(truth):
        raise ValueError("the truth must be given at the times of the estimate")
    return coverage(hrf, sd, truth / truth[np.argmax(np.abs(truth))], width)


def largest_fall(trace: FloatArray) -> float:
    """By how much a criterion fell at most from one iteration to the next; 0 if never."""
    return float(max(0.0, -np.diff(trace).min())) if len(trace) > 1 else 0.0
