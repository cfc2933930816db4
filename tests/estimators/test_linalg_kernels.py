import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhrf.estimators.linalg_kernels import inverse_and_log_det


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(0, 10_000), st.floats(-6, 6))
def test_inverse_and_log_det__are_those_of_numpy(n, seed, log_scale):
    root = np.random.default_rng(seed).normal(size=(n, n))
    A = 10**log_scale * (root @ root.T + 0.1 * np.eye(n))
    inverse, log_det = inverse_and_log_det(A)
    np.testing.assert_allclose(inverse, np.linalg.inv(A), rtol=1e-6, atol=1e-9 * 10**-log_scale)
    np.testing.assert_allclose(inverse, inverse.T)
    assert log_det == pytest.approx(np.linalg.slogdet(A)[1], abs=1e-8)


@pytest.mark.parametrize(
    "A", [np.diag([1.0, -1.0]), np.zeros((2, 2)), np.array([[1.0, 2.0], [2.0, 1.0]])]
)
def test_inverse_and_log_det__say_nan_if_not_positive_definite(A):
    inverse, log_det = inverse_and_log_det(A)
    assert np.isnan(inverse).all()
    assert np.isnan(log_det)


def test_inverse_and_log_det__hand_on_nan():
    inverse, log_det = inverse_and_log_det(np.array([[1.0, 0.0], [np.nan, 1.0]]))
    assert np.isnan(inverse).all()
    assert np.isnan(log_det)
