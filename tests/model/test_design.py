import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from pyhrf.data import Events, Experiment, Run
from pyhrf.model.design import design_matrix, experiment_design, n_hrf_coefficients

finite = {"allow_nan": False, "allow_infinity": False}
onset = st.floats(-10, 60, **finite)
amplitude = st.floats(-3, 3, **finite)
duration = st.one_of(st.just(0.0), st.floats(0.01, 40, **finite))
event = st.tuples(onset, duration, amplitude)
steps = st.sampled_from([0.3, 0.5, 1.0, 1.7])
SCANS = 1.9 * np.arange(40)


def as_events(rows):
    return Events(*np.array(rows, dtype=float).reshape(-1, 3).T)


def hrf_at(coefficients, dt, time):
    """Value of the piecewise-linear HRF with its zero ends, by numpy's interpolation."""
    grid = dt * np.arange(len(coefficients) + 2)
    return np.interp(time, grid, np.pad(coefficients, 1), left=0, right=0)


def signal(rows, coefficients, dt, scans=SCANS):
    return design_matrix(as_events(rows), scans, dt, len(coefficients)) @ coefficients


def brute_force_signal(rows, coefficients, dt):
    """Signal by evaluating the HRF, or its integral over the duration, for each scan and event."""
    knots = dt * np.arange(len(coefficients) + 2)
    # The antiderivative of a piecewise-linear function is exact by the trapezoid rule between
    # knots; it is taken on a grid that holds the knots, and both ends of every window.
    total = np.zeros(len(SCANS))
    for start, length, height in rows:
        for n, scan in enumerate(SCANS):
            lag = scan - start
            if length == 0:
                total[n] += height * hrf_at(coefficients, dt, lag)
                continue
            window = knots[(knots > lag - length) & (knots < lag)]
            points = np.concatenate([[lag - length], window, [lag]])
            total[n] += height * np.trapezoid(hrf_at(coefficients, dt, points), points)
    return total


@settings(max_examples=60)
@given(st.lists(event, min_size=1, max_size=4), steps, st.integers(0, 1000))
def test_design_matrix__is_the_exact_convolution_with_the_piecewise_linear_hrf(rows, dt, seed):
    coefficients = np.random.default_rng(seed).normal(size=9)
    np.testing.assert_allclose(
        signal(rows, coefficients, dt), brute_force_signal(rows, coefficients, dt), atol=1e-9
    )


def test_design_matrix__duration_is_the_integral_that_quadrature_finds():
    coefficients = np.array([0.3, 1.0, 0.6, -0.2, -0.4, 0.1])
    X = design_matrix(as_events([(3.3, 4.7, 1.5)]), SCANS, 1.0, 6)
    for n, scan in enumerate(SCANS):
        inside = [k + 3.3 for k in range(8) if scan - 4.7 < k + 3.3 < scan]
        expected = 1.5 * sum(
            quad(lambda t: hrf_at(coefficients, 1.0, t), a - 3.3, b - 3.3)[0]
            for a, b in zip([scan - 4.7, *inside], [*inside, scan], strict=True)
        )
        assert X[n] @ coefficients == pytest.approx(expected, abs=1e-8)


@settings(max_examples=40)
@given(st.lists(event, min_size=1, max_size=4), st.floats(-20, 20), steps)
def test_design_matrix__only_the_lag_counts(rows, shift, dt):
    moved = [(start + shift, length, height) for start, length, height in rows]
    # away from a lag of exactly 0, where rounding decides on which side a scan lies: the HRF is
    # continuous, so that the difference stays small there too
    np.testing.assert_allclose(
        design_matrix(as_events(moved), SCANS + shift, dt, 8),
        design_matrix(as_events(rows), SCANS, dt, 8),
        atol=1e-9,
    )


@settings(max_examples=40)
@given(
    st.lists(event, min_size=1, max_size=3),
    st.lists(event, min_size=1, max_size=3),
    st.floats(-4, 4),
)
def test_design_matrix__is_linear_in_the_amplitudes(some, others, factor):
    scaled = [(start, length, factor * height) for start, length, height in some]
    together = design_matrix(as_events(scaled + others), SCANS, 1.0, 8)
    apart = factor * design_matrix(as_events(some), SCANS, 1.0, 8) + design_matrix(
        as_events(others), SCANS, 1.0, 8
    )
    np.testing.assert_allclose(together, apart, atol=1e-9)


def test_design_matrix__does_not_round_onsets():
    # a scan 2.25 steps after the event: a quarter of the way from the second point to the third
    X = design_matrix(as_events([(0.0, 0.0, 2.0)]), np.array([2.25]), 1.0, 5)
    np.testing.assert_allclose(X, [[0, 1.5, 0.5, 0, 0]])


@pytest.mark.parametrize("length", [0.4, 3.0, 11.3])
def test_design_matrix__a_duration_is_the_limit_of_many_impulses(length):
    n = 4000
    impulses = [(5.2 + length * (i + 0.5) / n, 0.0, 0.7 * length / n) for i in range(n)]
    np.testing.assert_allclose(
        design_matrix(as_events([(5.2, length, 0.7)]), SCANS, 1.0, 12),
        design_matrix(as_events(impulses), SCANS, 1.0, 12),
        atol=1e-6,
    )


def test_design_matrix__events_that_no_scan_can_see_add_nothing():
    rows = [(-20.0, 0.0, 1.0), (-30.0, 5.0, 1.0), (1000.0, 0.0, 1.0), (1000.0, 20.0, 1.0)]
    assert not design_matrix(as_events(rows), SCANS, 1.0, 9).any()
    assert design_matrix(as_events([]), SCANS, 1.0, 9).shape == (40, 9)


def test_design_matrix__an_event_before_the_first_scan_still_contributes():
    X = design_matrix(as_events([(-3.0, 0.0, 1.0)]), np.array([0.0]), 1.0, 5)
    np.testing.assert_array_equal(X, [[0, 0, 1, 0, 0]])


def test_n_hrf_coefficients__counts_the_inner_points():
    assert n_hrf_coefficients(25.0, 1.0) == 24
    assert n_hrf_coefficients(25.0, 0.5) == 49
    assert n_hrf_coefficients(24.3, 0.3) == 80


def test_experiment_design__runs_are_blocks_with_times_of_their_own():
    first = {"a": as_events([(4.0, 0.0, 1.0)]), "b": as_events([(7.0, 3.0, 2.0)])}
    second = {"b": as_events([(5.5, 0.0, 1.0)])}
    runs = (Run(20, 2.0, first), Run(15, 1.3, second))
    X = experiment_design(Experiment(("b", "a"), runs), 1.0, 8)
    assert X.shape == (35, 2, 8)
    one, other = 2.0 * np.arange(20), 1.3 * np.arange(15)
    np.testing.assert_array_equal(X[:20, 0], design_matrix(first["b"], one, 1.0, 8))
    np.testing.assert_array_equal(X[:20, 1], design_matrix(first["a"], one, 1.0, 8))
    np.testing.assert_array_equal(X[20:, 0], design_matrix(second["b"], other, 1.0, 8))
    # the second run lacks the condition, and the late events of the first do not reach into it
    assert not X[20:, 1].any()
