"""Haemodynamic responses in closed form: value and integral at any time, without a grid.

The simulation convolves with these, so its signal is exact and independent of the piecewise-linear
design that the estimators use.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammainc, gammaln

from pyhrf.data import Events, FloatArray


def _bump(time: FloatArray, peak: float, order: float) -> FloatArray:
    """Gamma-shaped bump (t/p)^a exp(a (1 - t/p)) of height 1 at ``peak``; 0 before 0."""
    x = np.maximum(time, 0.0) / peak
    with np.errstate(divide="ignore"):
        return np.exp(order * (np.log(x) + 1.0 - x))


def _bump_integral(time: FloatArray, peak: float, order: float) -> FloatArray:
    """Integral of `_bump` from 0 to ``time``: an incomplete gamma function."""
    x = np.maximum(time, 0.0) / peak
    area = np.exp(order - (order + 1) * np.log(order) + gammaln(order + 1)) * peak
    return np.asarray(area * gammainc(order + 1, order * x))


@dataclass(frozen=True, slots=True)
class HrfShape:
    """Difference of two gamma-shaped bumps, ``h(t) = (b1(t) - r b2(t)) / scale``.

    Attributes
    ----------
    peak, undershoot_time : float
        Where the two bumps are highest, seconds.
    order, undershoot_order : float
        Their exponents; the larger, the narrower.
    undershoot : float
        Height of the second relative to the first.
    scale : float
        What makes the highest value of ``h`` equal 1.
    time_to_peak : float
        Where ``h`` is highest, seconds.
    """

    peak: float
    order: float
    undershoot_time: float
    undershoot_order: float
    undershoot: float
    scale: float = 1.0
    time_to_peak: float = math.nan

    def value(self, time: FloatArray) -> FloatArray:
        """HRF at ``time`` seconds after an impulse; any shape; 0 before it."""
        positive = _bump(time, self.peak, self.order)
        negative = _bump(time, self.undershoot_time, self.undershoot_order)
        return (positive - self.undershoot * negative) / self.scale

    def integral(self, time: FloatArray) -> FloatArray:
        """Integral of the HRF from 0 to ``time`` seconds; any shape."""
        positive = _bump_integral(time, self.peak, self.order)
        negative = _bump_integral(time, self.undershoot_time, self.undershoot_order)
        return (positive - self.undershoot * negative) / self.scale


def make_hrf(*, peak: float, fwhm: float, undershoot: float) -> HrfShape:
    """HRF of height 1 that peaks at ``peak`` seconds.

    Parameters
    ----------
    peak : float
        Time to peak, seconds; exact.
    fwhm : float
        Width at half height of the response if it peaked at 6 s, seconds; a response that peaks
        earlier or later is the same one in faster or slower time.
    undershoot : float
        Height of the undershoot bump relative to the main one.
    """
    draft = HrfShape(peak, _order(6.0, fwhm), peak + 9.0, _order(peak + 9.0, 6.5), undershoot)
    # The second bump moves the maximum a little: find where it is, then stretch time so that it
    # lies at `peak`. Finer and finer grids around it leave an error below 1e-6 s.
    centre, half = peak, peak / 2
    for _ in range(3):
        grid = np.linspace(centre - half, centre + half, 2001)
        centre, half = float(grid[np.argmax(draft.value(grid))]), half / 500
    stretch = peak / centre
    return replace(
        draft,
        peak=draft.peak * stretch,
        undershoot_time=draft.undershoot_time * stretch,
        scale=float(draft.value(np.array(centre))),
        time_to_peak=peak,
    )


def _order(peak: float, fwhm: float) -> float:
    """Exponent of a bump with this width at half height (that of a Gaussian of its curvature)."""
    return 8 * math.log(2) * (peak / fwhm) ** 2


def regressor(hrf: HrfShape, events: Events, *, n_scans: int, tr: float) -> FloatArray:
    """Response of one condition in one run, sampled at the scans ``n * tr``.

    An event without duration adds ``amplitude * h(t - onset)``; one with duration ``d`` adds the
    response of ``d`` seconds of stimulation, ``amplitude * int_0^d h(t - onset - s) ds``.

    Returns
    -------
    array, shape (n_scans,)
    """
    lag = (np.arange(n_scans) * tr)[:, None] - events.onsets
    impulse = events.durations == 0
    response = np.empty_like(lag)
    response[:, impulse] = hrf.value(lag[:, impulse])
    long = lag[:, ~impulse]
    response[:, ~impulse] = hrf.integral(long) - hrf.integral(long - events.durations[~impulse])
    return np.asarray((response * events.amplitudes).sum(axis=1))
