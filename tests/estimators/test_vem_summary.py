import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from pyhrf.estimators.vem_summary import class_crossing, normalised_hrf

variance = st.floats(0.01, 10)


@given(st.floats(-5, 5).filter(lambda mean: abs(mean) > 0.01), variance, variance)
def test_class_crossing__is_where_the_densities_are_equal(mean, var_inactive, var_active):
    def gap(x):
        return norm.logpdf(x, mean, np.sqrt(var_active)) - norm.logpdf(x, 0, np.sqrt(var_inactive))

    found = class_crossing(mean, var_inactive, var_active)
    assert 0 < found / mean < 1
    if gap(0.0) * gap(mean) < 0:
        expected = brentq(gap, *sorted((0.0, mean)), xtol=1e-13)
        assert found == pytest.approx(expected, abs=1e-6)
    elif found != mean / 2:
        # two crossings in between
        assert gap(found) == pytest.approx(0, abs=1e-6)


def test_class_crossing__of_equal_variances_is_the_middle():
    assert class_crossing(3.0, 0.7, 0.7) == pytest.approx(1.5)
    assert class_crossing(-3.0, 0.7, 0.7) == pytest.approx(-1.5)


def test_class_crossing__is_the_middle_if_one_class_is_above_throughout():
    # the wide inactive class is above the narrow active one nowhere between 0 and 0.1
    assert class_crossing(0.1, 4.0, 0.1) == 0.05


def test_normalised_hrf__largest_excursion_is_one_upwards():
    h = np.array([0.2, -3.0, 1.5])
    hrf, sd, height = normalised_hrf(h, np.diag([0.04, 0.09, 0.01]))
    np.testing.assert_allclose(hrf, [0, -0.2 / 3, 1, -0.5, 0])
    assert height == -3.0
    assert sd[0] == sd[2] == sd[4] == 0
    assert np.all(sd[[1, 3]] > 0)


def test_normalised_hrf__sd_is_that_of_scaled_draws():
    rng = np.random.default_rng(0)
    h = np.array([0.5, 2.0, 4.0, 1.0, -0.6])
    root = 0.05 * rng.normal(size=(5, 5))
    _, sd, _ = normalised_hrf(h, root @ root.T)
    draws = h + rng.standard_normal((100_000, 5)) @ root.T
    expected = (draws / draws[:, 2:3]).std(axis=0)
    np.testing.assert_allclose(sd[1:-1], expected, rtol=0.02, atol=1e-12)
