"""Scans far off the others are found, and nothing else is taken for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pyhrf.model.outliers import deviations, outlying_scans


def noise(n_scans: int = 150, n_positions: int = 60) -> np.ndarray:
    rng = np.random.default_rng(5)
    bold = rng.normal(0, 6, (n_scans, n_positions))
    for scan in range(1, n_scans):
        bold[scan] += 0.4 * bold[scan - 1]
    return (bold + rng.uniform(600, 1200, n_positions)).astype(np.float32)


@pytest.mark.parametrize("scan", [0, 1, 2, 70, 147, 149])
@pytest.mark.parametrize("change", [-60, 60])
def test_outlying_scans__one_is_found_wherever_it_is(scan, change):
    bold = noise()
    bold[scan] += change
    assert outlying_scans(bold, [150]) == (1, scan)


def test_deviations__are_in_units_of_the_noise_of_a_position():
    rng = np.random.default_rng(1)
    bold = rng.normal(100, 2, (400, 3000))
    bold[200] += 30
    found = deviations(bold, [400])
    assert found[200] == pytest.approx(15, rel=0.03)
    assert np.abs(np.delete(found, 200)).max() < 0.3


def test_outlying_scans__several_beside_each_other():
    bold = noise()
    bold[[40, 41, 90, 130]] += np.array([[200], [-150], [300], [200]])
    assert outlying_scans(bold, [150]) == (4, 90)


def test_outlying_scans__the_step_between_runs_is_none():
    bold = np.vstack([noise(), noise() + 500])
    assert outlying_scans(bold, [150, 150]) == (0, -1)
    assert outlying_scans(bold, [300]) == (0, -1)  # nor is one that lasts
    bold[150] += 100
    assert outlying_scans(bold, [150, 150]) == (1, 150)


def test_outlying_scans__responses_of_all_positions_are_none():
    """Every third scan an event, whose response is three times the noise and one scan wide."""
    bold = noise()
    bold[::12] += 12
    bold[1::12] += 18
    bold[2::12] += 12
    assert outlying_scans(bold, [150]) == (0, -1)


def test_outlying_scans__of_short_or_constant_data():
    assert outlying_scans(np.ones((9, 3)), [9]) == (0, -1)
    assert outlying_scans(np.ones((50, 3)), [50]) == (0, -1)
    few = np.zeros((50, 3))
    few[7] = 100
    assert outlying_scans(few, [50]) == (1, 7)


def test_outlying_scans__of_integers_with_few_levels():
    rng = np.random.default_rng(3)
    bold = np.round(rng.normal(100, 0.3, (200, 40)))
    assert outlying_scans(bold, [200]) == (0, -1)
    bold[5] += 8
    assert outlying_scans(bold, [200]) == (1, 5)


@given(arrays(np.float32, (24, 4), elements=st.floats(-1e6, 1e6, width=32)))
def test_deviations__are_finite(bold):
    assert np.isfinite(deviations(bold, [12, 12])).all()
