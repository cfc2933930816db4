import numpy as np
import pytest
from nilearn.glm.first_level.design_matrix import create_cosine_drift

from pyhrf.data import Experiment, Run
from pyhrf.model.nuisance import cosine_drift, experiment_nuisance, polynomial_drift
from pyhrf.parameters.model import ModelSettings


def same_span(one, other):
    """Tell whether each set of columns is a combination of the other."""
    joined = np.hstack([one / np.linalg.norm(one, axis=0), other / np.linalg.norm(other, axis=0)])
    ranks = [np.linalg.matrix_rank(each, tol=1e-8) for each in (one, other, joined)]
    return ranks[0] == ranks[1] == ranks[2]


@pytest.mark.parametrize(
    ("n_scans", "tr", "cutoff"), [(200, 2.0, 128.0), (150, 2.4, 100.0), (333, 0.8, 60.0)]
)
def test_cosine_drift__spans_what_nilearn_spans(n_scans, tr, cutoff):
    expected = create_cosine_drift(1 / cutoff, tr * np.arange(n_scans))
    basis = cosine_drift(n_scans, tr, cutoff)
    assert basis.shape == expected.shape
    assert same_span(basis, expected)


@pytest.mark.parametrize(
    "basis",
    [cosine_drift(120, 2.0, 40.0), cosine_drift(50, 2.0, 1e4), cosine_drift(20, 2.0, 0.1)],
)
def test_cosine_drift__is_orthonormal(basis):
    np.testing.assert_allclose(basis.T @ basis, np.eye(basis.shape[1]), atol=1e-12)


def test_cosine_drift__holds_the_periods_above_the_cutoff_only():
    # 100 scans of 2 s: periods of 400 / k seconds
    assert cosine_drift(100, 2.0, 401.0).shape == (100, 1)
    assert cosine_drift(100, 2.0, 399.0).shape == (100, 2)
    assert cosine_drift(100, 2.0, 99.0).shape == (100, 5)


@pytest.mark.parametrize("order", [0, 1, 4])
def test_polynomial_drift__spans_the_powers_of_time(order):
    basis = polynomial_drift(80, order)
    assert basis.shape == (80, order + 1)
    np.testing.assert_allclose(np.linalg.norm(basis, axis=0), 1)
    assert same_span(basis, np.vander(np.linspace(0, 1, 80), order + 1))


@pytest.mark.parametrize(
    ("drift", "columns"), [("cosine", (4, 2)), ("polynomial", (4, 4)), ("none", (1, 1))]
)
def test_experiment_nuisance__every_run_has_columns_of_its_own(drift, columns):
    # 60 scans of 4 s hold three periods above 128 s, 40 of 2 s one
    experiment = Experiment(("a",), (Run(60, 4.0, {}), Run(40, 2.0, {})))
    P = experiment_nuisance(experiment, ModelSettings(drift=drift, drift_order=3))
    assert P.shape == (100, sum(columns))
    assert not P[:60, columns[0] :].any()
    assert not P[60:, : columns[0]].any()
    assert np.linalg.matrix_rank(P) == sum(columns)
    in_first = np.repeat([1.0, 0.0], [60, 40])
    for intercept in (in_first, 1 - in_first):
        fitted = P @ np.linalg.lstsq(P, intercept, rcond=None)[0]
        np.testing.assert_allclose(fitted, intercept, atol=1e-12)
