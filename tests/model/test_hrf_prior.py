import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gamma

from pyhrf.model.hrf import canonical_hrf, hrf_shape, prior_precision


def smooth_bump(time, peak, width):
    """Gaussian bump: its peak time is `peak` and its width at half height 2.3548 `width`."""
    return np.exp(-0.5 * ((time - peak) / width) ** 2)


@pytest.mark.parametrize(("n_hrf", "dt"), [(24, 1.0), (49, 0.5), (99, 0.25), (249, 0.1), (5, 2.0)])
def test_prior_precision__is_symmetric_positive_definite(n_hrf, dt):
    precision = prior_precision(n_hrf, dt)
    np.testing.assert_array_equal(precision, precision.T)
    assert np.linalg.eigvalsh(precision).min() > 0


def test_prior_precision__is_one_process_seen_on_any_grid():
    coarse = np.linalg.inv(prior_precision(24, 1.0))
    fine = np.linalg.inv(prior_precision(49, 0.5))[1::2, 1::2]
    # up to the scale, which is estimated
    np.testing.assert_allclose(
        fine / np.diag(fine).max(), coarse / np.diag(coarse).max(), atol=0.005
    )


def test_prior_precision__favours_smooth_responses_with_quiet_ends():
    covariance = np.linalg.inv(prior_precision(24, 1.0))
    sd = np.sqrt(np.diag(covariance))
    assert sd[0] < 0.5 * sd.max()
    assert sd[-1] < 0.5 * sd.max()
    correlation = covariance / np.outer(sd, sd)
    neighbours = np.diag(correlation, 1)
    assert np.all(neighbours > 0.8)
    # it turns more quickly while it rises than in its tail
    assert neighbours[:8].mean() < neighbours[8:].mean()


def test_prior_precision__likes_a_response_better_than_noise():
    precision = prior_precision(24, 1.0)
    response = canonical_hrf(np.arange(1.0, 25.0))
    noise = np.random.default_rng(0).normal(size=24)
    noise *= np.linalg.norm(response) / np.linalg.norm(noise)
    assert response @ precision @ response < 0.01 * (noise @ precision @ noise)


def test_canonical_hrf__is_the_double_gamma_with_a_peak_of_one():
    time = np.linspace(0, 30, 3001)
    expected = gamma(6).pdf(time) - gamma(16).pdf(time) / 6
    expected /= expected.max()
    np.testing.assert_allclose(canonical_hrf(time), expected, atol=1e-5)
    assert canonical_hrf(np.array([-5.0, 0.0])) == pytest.approx([0, 0], abs=1e-12)


@settings(max_examples=60)
@given(st.floats(4, 9), st.floats(1.2, 2.5), st.sampled_from([0.25, 0.5, 0.8, 1.0]))
def test_hrf_shape__peak_and_width_of_a_bump_do_not_cling_to_the_grid(peak, width, dt):
    time = dt * np.arange(round(24 / dt) + 1)
    shape = hrf_shape(smooth_bump(time, peak, width), dt)
    coarseness = (dt / width) ** 2
    assert shape.time_to_peak[0] == pytest.approx(peak, abs=0.07 * coarseness * dt + 1e-9)
    true_width = 2 * np.sqrt(2 * np.log(2)) * width
    assert shape.fwhm[0] == pytest.approx(true_width, rel=0.08 * coarseness + 1e-9)
    assert shape.undershoot[0] == pytest.approx(0, abs=0.03 * coarseness + 1e-9)


@settings(max_examples=30)
@given(st.floats(0.1, 0.6), st.floats(0.2, 5), st.sampled_from([0.1, 0.25, 0.5]))
def test_hrf_shape__undershoot_is_relative_to_the_peak(depth, height, dt):
    time = dt * np.arange(round(30 / dt) + 1)

    def curve(t):
        return height * (smooth_bump(t, 6.0, 1.6) - depth * smooth_bump(t, 16.0, 2.5))

    dense = curve(np.linspace(0, 30, 30_001))
    shape = hrf_shape(curve(time), dt)
    assert shape.undershoot[0] == pytest.approx(-dense.min() / dense.max(), rel=0.02)


def test_hrf_shape__measures_each_of_several():
    time = 0.5 * np.arange(51)
    curves = np.array([smooth_bump(time, p, 2.0) for p in (4.0, 6.2, 9.1)])
    together = hrf_shape(curves, 0.5)
    for i, curve in enumerate(curves):
        alone = [field[0] for field in hrf_shape(curve, 0.5)]
        np.testing.assert_allclose([field[i] for field in together], alone, atol=1e-12)


def test_hrf_shape__dip_before_the_peak_is_no_undershoot():
    time = 0.5 * np.arange(51)
    curve = smooth_bump(time, 8.0, 1.5) - 0.3 * smooth_bump(time, 2.0, 0.7)
    assert hrf_shape(curve, 0.5).undershoot[0] < 1e-3


def test_hrf_shape__width_is_nan_where_half_height_is_not_reached():
    curve = np.concatenate([[0.8], np.linspace(0.9, 1, 5), np.linspace(1, 0.8, 5)])
    shape = hrf_shape(curve, 1.0)
    assert np.isnan(shape.fwhm[0])
