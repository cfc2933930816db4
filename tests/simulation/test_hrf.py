import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from scipy.stats import gamma

from pyhrf.data import Events
from pyhrf.simulation.hrf import make_hrf, regressor

peaks = st.floats(2.0, 12.0)
widths = st.floats(2.0, 8.0)
undershoots = st.floats(0.0, 0.5)


@settings(max_examples=30, deadline=None)
@given(peaks, widths, undershoots)
def test_make_hrf__peaks_where_it_says_with_height_one(peak, fwhm, undershoot):
    hrf = make_hrf(peak=peak, fwhm=fwhm, undershoot=undershoot)
    found = minimize_scalar(
        lambda t: -float(hrf.value(np.array(t))),
        bounds=(0.3 * peak, 1.7 * peak),
        method="bounded",
        options={"xatol": 1e-7},
    )
    assert found.x == pytest.approx(peak, abs=1e-4)
    assert -found.fun == pytest.approx(1.0, abs=1e-9)
    assert hrf.time_to_peak == peak
    assert hrf.value(np.linspace(0, 60, 6001)).max() <= 1 + 1e-9


def test_value__is_a_difference_of_two_gamma_densities():
    hrf = make_hrf(peak=5.0, fwhm=5.0, undershoot=0.3)
    time = np.linspace(0, 40, 401)

    def density(peak, order):
        # The mode of a gamma density of shape a + 1 and scale p / a is p.
        one = gamma(order + 1, scale=peak / order)
        return one.pdf(time) / one.pdf(peak)

    expected = density(hrf.peak, hrf.order) - 0.3 * density(
        hrf.undershoot_time, hrf.undershoot_order
    )
    np.testing.assert_allclose(hrf.value(time), expected / expected.max(), atol=1e-5)


def test_value__has_the_width_and_the_undershoot_asked_for():
    time = np.linspace(0, 30, 30_001)
    values = make_hrf(peak=6.0, fwhm=5.0, undershoot=0.2).value(time)
    above = time[values >= 0.5]
    assert np.ptp(above) == pytest.approx(5.0, abs=0.3)
    assert values.min() == pytest.approx(-0.2, abs=0.02)
    assert time[values.argmin()] == pytest.approx(15.0, abs=0.5)


def test_value__is_zero_before_the_impulse():
    hrf = make_hrf(peak=5.0, fwhm=5.0, undershoot=0.3)
    np.testing.assert_array_equal(hrf.value(np.array([-30.0, -1e-9, 0.0])), 0.0)
    np.testing.assert_array_equal(hrf.integral(np.array([-30.0, 0.0])), 0.0)


@settings(max_examples=20, deadline=None)
@given(peaks, widths, undershoots, st.floats(0.1, 40.0))
def test_integral__is_that_of_the_value(peak, fwhm, undershoot, end):
    hrf = make_hrf(peak=peak, fwhm=fwhm, undershoot=undershoot)
    expected, _ = quad(lambda t: float(hrf.value(np.array(t))), 0, end, limit=200)
    assert float(hrf.integral(np.array(end))) == pytest.approx(expected, abs=1e-7)


def test_regressor__is_the_convolution_on_a_fine_grid():
    hrf = make_hrf(peak=5.3, fwhm=5.0, undershoot=0.2)
    events = Events(np.array([3.7, 20.0, 51.3]), np.array([0.0, 4.5, 12.0]), np.array([1, 2, 0.5]))
    n_scans, tr, step = 60, 1.5, 0.001
    time = np.arange(0, n_scans * tr, step)
    stimulus = np.zeros_like(time)
    for onset, duration, amplitude in zip(
        events.onsets, events.durations, events.amplitudes, strict=True
    ):
        if duration == 0:
            stimulus[round(onset / step)] += amplitude / step
        else:
            stimulus[round(onset / step) : round((onset + duration) / step)] += amplitude
    kernel = hrf.value(np.arange(0, 40, step))
    spectrum = np.fft.rfft(stimulus, 2**18) * np.fft.rfft(kernel, 2**18)
    expected = (np.fft.irfft(spectrum)[: len(time)] * step)[:: round(tr / step)]
    actual = regressor(hrf, events, n_scans=n_scans, tr=tr)
    np.testing.assert_allclose(actual, expected, atol=2e-3)


def test_regressor__short_stimulation_tends_to_an_impulse():
    hrf = make_hrf(peak=5.0, fwhm=5.0, undershoot=0.2)
    onset, one = np.array([10.0]), np.ones(1)
    impulse = regressor(hrf, Events(onset, np.zeros(1), one), n_scans=30, tr=1.0)
    short = regressor(hrf, Events(onset, np.full(1, 1e-4), one), n_scans=30, tr=1.0)
    np.testing.assert_allclose(short / 1e-4, impulse, atol=1e-4)
