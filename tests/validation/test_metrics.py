"""Figures of validation on cases whose answer is known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from validation.metrics import (
    area_under_curve,
    calibration_error,
    coverage,
    hrf_coverage,
    hrf_error,
    largest_fall,
    mean_area,
    reliability,
)

TIME = np.linspace(0.0, 25.0, 251)
HUMP = np.exp(-((TIME - 5) ** 2) / 4)


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_hrf_error__is_zero_for_the_truth_at_any_scale(scale: float) -> None:
    assert hrf_error(TIME, scale * HUMP, TIME, HUMP) == pytest.approx(0.0, abs=1e-12)


def test_hrf_error__is_two_for_the_opposite_and_root_two_for_the_orthogonal() -> None:
    early, late = (TIME < 5).astype(float), (TIME > 10).astype(float)
    assert hrf_error(TIME, -HUMP, TIME, HUMP) == pytest.approx(2.0)
    assert hrf_error(TIME, early, TIME, late) == pytest.approx(np.sqrt(2))


def test_hrf_error__takes_an_estimate_as_linear_between_its_samples() -> None:
    triangle = np.maximum(0.0, 1 - np.abs(TIME - 5) / 2)
    coarse = np.arange(0.0, 26.0)
    samples = np.maximum(0.0, 1 - np.abs(coarse - 5) / 2)
    assert hrf_error(coarse, samples, TIME, triangle) == pytest.approx(0.0, abs=1e-12)


def test_hrf_error__of_no_response_at_all_is_one() -> None:
    assert hrf_error(TIME, 0 * TIME, TIME, HUMP) == 1.0


@pytest.mark.parametrize(
    ("score", "expected"),
    [([0.9, 0.8, 0.2, 0.1], 1.0), ([0.1, 0.2, 0.8, 0.9], 0.0), ([1, 1, 1, 1], 0.5)],
)
def test_area_under_curve__of_perfect_inverted_and_constant_scores(
    score: list[float], expected: float
) -> None:
    truth = np.array([True, True, False, False])
    assert area_under_curve(np.array(score, dtype=float), truth) == expected


def test_area_under_curve__counts_pairs() -> None:
    rng = np.random.default_rng(0)
    score, truth = rng.integers(0, 10, 60).astype(float), rng.random(60) < 0.4
    pairs = [
        1.0 if one > other else 0.5 if one == other else 0.0
        for one in score[truth]
        for other in score[~truth]
    ]
    assert area_under_curve(score, truth) == pytest.approx(np.mean(pairs))


def test_area_under_curve__of_one_class_is_not_a_number() -> None:
    assert np.isnan(area_under_curve(np.ones(3), np.ones(3, dtype=bool)))


def test_mean_area__leaves_out_pairs_of_one_class() -> None:
    parcel_of = np.array([1, 1, 2, 2], dtype=np.int32)
    truth = np.array([[True, False, False, False], [True, False, True, False]])
    score = np.array([[1.0, 0.0, 0.3, 0.2], [0.0, 1.0, 1.0, 0.0]])
    assert mean_area(score, truth, parcel_of) == pytest.approx((1 + 0 + 1) / 3)


def test_reliability__puts_probabilities_into_bins() -> None:
    probability = np.array([0.0, 0.05, 0.95, 1.0])
    curve = reliability(probability, np.array([False, True, True, True]), n_bins=10)
    assert curve.count.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0, 2]
    assert curve.mean[[0, 9]] == pytest.approx([0.025, 0.975])
    assert curve.fraction[[0, 9]] == pytest.approx([0.5, 1.0])
    assert calibration_error(curve) == pytest.approx((0.475 + 0.025) / 2)


def test_calibration_error__vanishes_when_probabilities_come_true() -> None:
    rng = np.random.default_rng(1)
    probability = rng.random(200_000)
    truth = rng.random(200_000) < probability
    assert calibration_error(reliability(probability, truth)) < 0.005


def test_coverage__of_normal_errors_is_what_the_normal_law_says() -> None:
    rng = np.random.default_rng(2)
    sd = rng.uniform(0.1, 3.0, 100_000)
    estimate = sd * rng.standard_normal(100_000)
    assert coverage(estimate, sd, np.zeros(100_000), 1.0) == pytest.approx(0.683, abs=0.01)
    assert coverage(estimate, sd, np.zeros(100_000), 1.96) == pytest.approx(0.95, abs=0.01)


def test_coverage__leaves_out_what_claims_no_error() -> None:
    estimate, sd = np.array([0.0, 0.0, 5.0]), np.array([0.0, 1.0, np.nan])
    assert coverage(estimate, sd, np.array([9.0, 0.5, 0.0]), 1.0) == 1.0
    assert np.isnan(coverage(estimate[:1], sd[:1], np.zeros(1), 1.0))


def test_hrf_coverage__brings_the_truth_to_unit_peak() -> None:
    time = np.arange(5.0)
    hrf = np.array([0.0, 0.5, 1.0, 0.5, 0.0])
    sd = np.array([0.0, 0.1, 0.0, 0.1, 0.0])
    truth = 7 * np.array([0.0, 0.55, 1.0, 0.2, 0.0])
    assert hrf_coverage(time, hrf, sd, truth, 1.0) == 0.5


def test_largest_fall__is_zero_for_what_only_rises() -> None:
    assert largest_fall(np.array([-5.0, -3.0, -3.0, 1.0])) == 0.0
    assert largest_fall(np.array([0.0, 4.0, 1.5, 9.0, 8.0])) == 2.5
    assert largest_fall(np.array([1.0])) == 0.0
