"""Haemodynamic response functions: the smoothness prior, a canonical shape, and shape figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from pyhrf.data import FloatArray

__all__ = ["HRFShape", "canonical_hrf", "hrf_shape", "prior_precision"]

# The prior's shape, chosen on simulations of many kinds (validation/): seconds, log units, seconds.
WARP = 4.0
WIDTH = 0.7
DECAY = 8.0


def prior_precision(n_hrf: int, dt: float) -> FloatArray:
    """Inverse covariance of the HRF prior, up to its scale: smooth, and smoother the later.

    ``cov(h(s), h(t)) = g(s) g(t) k(|u(s) - u(t)| / WIDTH)``, with the Matérn-5/2 function ``k``,
    ``u(t) = log(1 + t / WARP)``, so that the response may turn quickly while it rises and only
    slowly in its tail, and ``g(t) = t exp(-t / DECAY)``, which ties it to zero at both ends.
    It replaces the second-difference prior ``D2' D2 / dt^4`` of Ciuciu et al. 2003 (IEEE TMI
    22(10):1235), which is as rough at 20 s as at 5 s and costs about a fifth more HRF error
    (``validation/``).

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
    t = dt * np.arange(1, n_hrf + 1)
    u = np.log1p(t / WARP)
    r = np.sqrt(5) * np.abs(u[:, None] - u) / WIDTH
    envelope = t * np.exp(-t / DECAY)
    envelope /= envelope.max()
    covariance = envelope[:, None] * envelope * (1 + r + r**2 / 3) * np.exp(-r)
    # a millionth of independent variance keeps the inverse well-conditioned at a small dt
    covariance += 1e-6 * np.diag(envelope**2 + 1e-3)
    precision = np.linalg.inv(covariance)
    return np.asarray((precision + precision.T) / 2)


def canonical_hrf(times: FloatArray) -> FloatArray:
    """SPM's double-gamma response at `times` seconds, with a peak of 1 near 5 s.

    Gamma densities of shape 6 and 16 and scale 1 s, the second one sixth as large.
    """
    t = np.maximum(np.asarray(times, dtype=float), 1e-12)

    def gamma_density(shape: float) -> FloatArray:
        return np.asarray(np.exp((shape - 1) * np.log(t) - t - gammaln(shape)))

    return np.asarray((gamma_density(6.0) - gamma_density(16.0) / 6) / 0.17544232)


@dataclass(frozen=True, slots=True)
class HRFShape:
    """What researchers read off an HRF.

    Attributes
    ----------
    time_to_peak : float
        Seconds from the event to the highest point.
    fwhm : float
        Width at half of the peak's height, seconds; NaN if the HRF does not fall to it.
    peak_to_undershoot : float
        Height of the peak over the depth of the lowest point after it; inf without undershoot.
    """

    time_to_peak: float
    fwhm: float
    peak_to_undershoot: float


def hrf_shape(hrf: FloatArray, dt: float) -> HRFShape:
    """Measure an HRF sampled every `dt` seconds from 0, with zero ends.

    The peak lies where the parabola through the highest sample and its neighbours has its top,
    so that its time is not bound to the grid.
    """
    k = int(np.argmax(hrf[1:-1])) + 1
    before, top, after = hrf[k - 1 : k + 2]
    bend = before - 2 * top + after
    shift = 0.5 * (before - after) / bend if bend < 0 else 0.0
    height = top - 0.25 * (before - after) * shift
    lowest = -float(hrf[k:].min())
    return HRFShape(
        time_to_peak=(k + shift) * dt,
        fwhm=_width(hrf, k, height / 2) * dt,
        peak_to_undershoot=float(height) / lowest if lowest > 0 else np.inf,
    )


def _width(hrf: FloatArray, peak: int, level: float) -> float:
    """Distance between the crossings of `level` on both sides of the peak, in samples."""
    below = np.flatnonzero(hrf <= level)
    left, right = below[below < peak], below[below > peak]
    if not len(left) or not len(right):
        return float("nan")
    i, j = int(left[-1]), int(right[0])
    start = i + (level - hrf[i]) / (hrf[i + 1] - hrf[i])
    end = j - (level - hrf[j]) / (hrf[j - 1] - hrf[j])
    return float(end - start)
