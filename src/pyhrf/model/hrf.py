"""Haemodynamic response functions: the smoothness prior, a canonical shape, and shape figures."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from pyhrf.data import FloatArray

# The prior, chosen on simulations of many kinds (validation/). Of the smooth part: seconds, log
# units, seconds. Of the family: times to peak and undershoots, and its share of the variance.
WARP, WIDTH, DECAY = 4.0, 0.7, 8.0
FAMILY_PEAKS = np.linspace(3.0, 9.0, 13)
FAMILY_WIDTHS = (0.8, 1.0, 1.25)
FAMILY_UNDERSHOOTS = (0.0, 0.17, 0.35)
FAMILY_SHARE = 0.8
# What error bars allow for beside the prior: a share of smooth functions that turn more quickly.
ROUGH_SHARE, ROUGH_WIDTH = 0.2, 0.29
# Figures of the shape are read at this step, seconds.
SHAPE_STEP = 0.1


def prior_precision(n_hrf: int, dt: float) -> FloatArray:
    """Inverse covariance of the HRF prior, up to its scale.

    The covariance is the second moment of a broad family of physiological responses (peaks from
    3 to 9 s, narrow to wide, with and without undershoot; the idea of FLOBS, Woolrich et al.
    2004, NeuroImage 21:1748), and a fifth of its variance is that of any smooth function: ::

        g(s) g(t) k(|u(s) - u(t)| / WIDTH),  u(t) = log(1 + t / WARP),  g(t) = t exp(-t / DECAY)

    with the Matérn-5/2 function ``k``: quick turns while the response rises, slow ones in its
    tail, zero at the start. The mean is zero, so that the sign and the height of a response are
    free, and the family only says which directions are likely. It replaces the second-difference
    prior ``D2' D2 / dt^4`` of Ciuciu et al. 2003 (IEEE TMI 22(10):1235), which is as rough at
    20 s as at 5 s; ``validation/`` tells what that gains.

    Parameters
    ----------
    n_hrf : int
        Number of free coefficients, at ``dt, 2 dt, …`` seconds.
    dt : float
        Step of the HRF grid, seconds.

    Returns
    -------
    array, shape (n_hrf, n_hrf)
        Symmetric, positive definite.
    """
    t = dt * np.arange(1, n_hrf + 1, dtype=np.float64)
    # each part has a mean variance of 1 on the same points, whatever the grid
    reference = np.arange(1.0, 25.0)
    family, smooth = (
        part(t) / np.mean(np.diag(part(reference))) for part in (_family_moment, _smooth_covariance)
    )
    precision = np.linalg.inv(FAMILY_SHARE * family + (1 - FAMILY_SHARE) * smooth)
    return np.asarray((precision + precision.T) / 2)


def rougher_part(n_hrf: int, dt: float) -> FloatArray:
    """Covariance of what a response may have beyond the prior, up to the same scale.

    True responses are not drawn from the prior: those that turn more quickly are estimated too
    smooth, the more so the less the data say. Error bars that hold for them too are those of a
    prior with this part added.

    Parameters
    ----------
    n_hrf, dt
        As for `prior_precision`.

    Returns
    -------
    array, shape (n_hrf, n_hrf)
    """
    t = dt * np.arange(1, n_hrf + 1, dtype=np.float64)
    reference = np.mean(np.diag(_smooth_covariance(np.arange(1.0, 25.0))))
    return ROUGH_SHARE * _smooth_covariance(t, ROUGH_WIDTH) / reference


def _smooth_covariance(t: FloatArray, width: float = WIDTH) -> FloatArray:
    """Covariance of the smooth functions at times `t`, shape (n_times, n_times)."""
    u = np.log1p(t / WARP)
    r = np.sqrt(5) * np.abs(u[:, None] - u) / width
    envelope = t / DECAY * np.exp(1 - t / DECAY)
    covariance = np.outer(envelope, envelope) * (1 + r + r**2 / 3) * np.exp(-r)
    # a millionth of independent variance keeps the inverse well-conditioned at a small dt
    return np.asarray(covariance + 1e-6 * np.diag(envelope**2 + 1e-3))


def _family_moment(t: FloatArray) -> FloatArray:
    """Second moment of the family's responses at times `t`, shape (n_times, n_times)."""
    moment = np.zeros((len(t), len(t)))
    for peak in FAMILY_PEAKS:
        for relative_width in FAMILY_WIDTHS:
            width = relative_width * (1.2 + 0.22 * peak)
            rise, fall = _bump(t, peak, width), _bump(t, peak + 8, 1.3 * width)
            for undershoot in FAMILY_UNDERSHOOTS:
                response = rise - undershoot * fall
                # wide responses count no more than narrow ones
                moment += np.outer(response, response) / width
    return moment


def _bump(t: FloatArray, mode: float, sd: float) -> FloatArray:
    """Gamma density of the given mode and standard deviation, scaled to a peak of 1."""
    scale = (np.sqrt(mode**2 + 4 * sd**2) - mode) / 2
    power = mode / scale
    return np.asarray(np.exp(power * np.log(t / mode) - (t - mode) / scale))


def canonical_hrf(times: FloatArray) -> FloatArray:
    """SPM's double-gamma response at `times` seconds, with a peak of 1 near 5 s.

    Gamma densities of shape 6 and 16 and scale 1 s, the second one sixth as large.
    """
    t = np.maximum(np.asarray(times, dtype=float), 1e-12)

    def gamma_density(shape: float) -> FloatArray:
        return np.asarray(np.exp((shape - 1) * np.log(t) - t - gammaln(shape)))

    return np.asarray((gamma_density(6.0) - gamma_density(16.0) / 6) / 0.17544232)


def canonical_coefficients(n_hrf: int, dt: float) -> FloatArray:
    """Give the canonical response at the points of an HRF, ``dt, 2 dt, …``; shape (n_hrf,)."""
    return canonical_hrf(dt * np.arange(1, n_hrf + 1, dtype=np.float64))


def scaled_to_peak(h: FloatArray, Sigma: FloatArray) -> tuple[FloatArray, FloatArray, float]:
    """Scale an HRF so that its largest excursion is +1.

    The error follows to first order: ``d(h_j / h_k) = (d h_j - (h_j / h_k) d h_k) / h_k`` with
    the peak at ``k``, where the scaled HRF has none.

    Parameters
    ----------
    h : array, shape (n_hrf,)
        Not all zero.
    Sigma : array, shape (n_hrf, n_hrf)
        Its covariance.

    Returns
    -------
    array, shape (n_hrf,)
        The HRF.
    array, shape (n_hrf,)
        Its sd.
    float
        What `h` was divided by, with its sign; levels are to be multiplied by it.
    """
    peak = int(np.argmax(np.abs(h)))
    height = float(h[peak])
    scaled = h / height
    variance = np.diag(Sigma) - 2 * scaled * Sigma[:, peak] + scaled**2 * Sigma[peak, peak]
    return scaled, np.sqrt(np.maximum(variance, 0.0)) / abs(height), height


class HRFShape(NamedTuple):
    """What researchers read off HRFs; every field has one value per HRF.

    Attributes
    ----------
    time_to_peak : array, shape (n_hrfs,)
        Seconds from the event to the highest point.
    fwhm : array, shape (n_hrfs,)
        Width at half of the peak's height, seconds; NaN if the HRF does not fall to it.
    undershoot : array, shape (n_hrfs,)
        Depth of the lowest point after the peak, as a part of the peak's height; 0 without any.
    """

    time_to_peak: FloatArray
    fwhm: FloatArray
    undershoot: FloatArray


def hrf_shape(hrfs: FloatArray, dt: float) -> HRFShape:
    """Measure HRFs sampled every `dt` seconds from 0, with zero ends.

    Between the samples runs a cubic spline, so that no figure is bound to the grid.

    Parameters
    ----------
    hrfs : array, shape (n_hrfs, n_samples)
    dt : float
        Seconds.
    """
    hrfs = np.atleast_2d(hrfs)
    factor = max(round(dt / SHAPE_STEP), 1)
    hrfs, dt = hrfs @ _spline(hrfs.shape[1], factor), dt / factor
    each = np.arange(len(hrfs))
    k = np.argmax(hrfs[:, 1:-1], axis=1) + 1
    before, top, after = hrfs[each, k - 1], hrfs[each, k], hrfs[each, k + 1]
    bend = before - 2 * top + after
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(bend < 0, 0.5 * (before - after) / bend, 0.0)
    height = top - 0.25 * (before - after) * shift
    samples = np.arange(hrfs.shape[1])
    lowest = np.where(samples >= k[:, None], hrfs, np.inf).min(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        undershoot = np.where(height > 0, np.maximum(-lowest, 0) / height, np.nan)
    return HRFShape((k + shift) * dt, _widths(hrfs, k, height / 2) * dt, undershoot)


@lru_cache(maxsize=8)
def _spline(n_samples: int, factor: int) -> FloatArray:
    """Weights of the samples in `factor` times as many points of the natural cubic spline.

    With curvatures ``c``, ``c_{k-1} + 4 c_k + c_{k+1} = 6 (y_{k-1} - 2 y_k + y_{k+1})``. Written
    out since importing ``scipy.interpolate`` would add a sixth of a second to every command.

    Returns
    -------
    array, shape (n_samples, (n_samples - 1) * factor + 1)
    """
    n_inner = n_samples - 2
    second = np.diff(np.eye(n_samples), 2, axis=0)
    sums = 4 * np.eye(n_inner) + np.eye(n_inner, k=1) + np.eye(n_inner, k=-1)
    curvature = np.pad(np.linalg.solve(sums, 6 * second), ((1, 1), (0, 0)))
    points = np.arange((n_samples - 1) * factor + 1) / factor
    left = np.minimum(points.astype(int), n_samples - 2)
    a = (left + 1 - points)[:, None]
    b = 1 - a
    value = np.eye(n_samples)
    weights = a * value[left] + b * value[left + 1]
    weights += (a**3 - a) / 6 * curvature[left] + (b**3 - b) / 6 * curvature[left + 1]
    return np.ascontiguousarray(weights.T)


def _widths(hrfs: FloatArray, peak: NDArray[np.intp], level: FloatArray) -> FloatArray:
    """Distance between the crossings of `level` on both sides of the peak, in samples."""
    samples = np.arange(hrfs.shape[1])
    below = hrfs <= level[:, None]
    on_left = below & (samples < peak[:, None])
    on_right = below & (samples > peak[:, None])
    i = hrfs.shape[1] - 1 - np.argmax(on_left[:, ::-1], axis=1)
    j = np.argmax(on_right, axis=1)
    found = on_left.any(axis=1) & on_right.any(axis=1)
    i, j = np.where(found, i, 0), np.where(found, j, 1)
    each = np.arange(len(hrfs))
    with np.errstate(divide="ignore", invalid="ignore"):
        start = i + (level - hrfs[each, i]) / (hrfs[each, i + 1] - hrfs[each, i])
        end = j - (level - hrfs[each, j]) / (hrfs[each, j - 1] - hrfs[each, j])
    return np.where(found, end - start, np.nan)
