"""The peers do what they are named for, on data with hardly any noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from validation.glm import fit_glm, smooth_within_mask
from validation.metrics import hrf_error, mean_area
from validation.mixture import activation_probability
from validation.scenarios import SCENARIOS, choose_scenarios

from pyhrf.simulation.examples import reference_spec
from pyhrf.simulation.simulate import HRF_TIME, Simulated, simulate


@pytest.fixture(scope="module")
def clear() -> Simulated:
    """A few parcels whose responses are thirty times the noise; two runs."""
    spec = replace(
        reference_spec(3),
        shape=(10, 10, 8),
        n_parcels=4,
        n_runs=2,
        snr=30.0,
    )
    return simulate(spec)


@pytest.mark.parametrize(
    ("model", "tolerance"), [("canonical", 0.8), ("derivatives", 0.5), ("fir", 0.3)]
)
def test_fit_glm__finds_what_is_active_and_the_hrf_that_its_basis_allows(
    clear: Simulated, model: str, tolerance: float
) -> None:
    outcome = fit_glm(clear, model=model, fwhm=0.0)  # type: ignore[arg-type]  # one of three names
    assert mean_area(outcome.score, clear.labels, clear.parcel_of) > 0.999
    for found, truth in zip(outcome.hrfs, clear.hrf, strict=True):
        assert found is not None
        assert hrf_error(*found, HRF_TIME, truth) < tolerance


def test_smooth_within_mask__leaves_a_constant_alone_up_to_the_edge(clear: Simulated) -> None:
    flat = replace(clear, bold=np.full_like(clear.bold, 7.0))
    np.testing.assert_allclose(smooth_within_mask(flat, 8.0), 7.0, rtol=1e-5)


def test_smooth_within_mask__lowers_noise_as_the_gaussian_says() -> None:
    spec = replace(
        reference_spec(0),
        region="box",
        shape=(16, 16, 16),
        n_parcels=1,
        n_scans=40,
        active_fraction=0.0,
        ar1=(0.0, 0.0),
        drift=0.0,
        noise_sd_spread=0.0,
    )
    data = simulate(spec)
    smoothed = smooth_within_mask(data, 6.0).reshape(40, 16, 16, 16)[:, 4:12, 4:12, 4:12]
    # sum of squares of a Gaussian kernel of sd s voxels: (2 sqrt(pi) s)^-3
    sigma = 6.0 / (np.sqrt(8 * np.log(2)) * 3.0)
    expected = spec.noise_sd * (2 * np.sqrt(np.pi) * sigma) ** -1.5
    assert (smoothed - smoothed.mean(axis=0)).std() == pytest.approx(expected, rel=0.03)


def test_activation_probability__comes_true_on_a_mixture() -> None:
    rng = np.random.default_rng(0)
    active = rng.random(20_000) < 0.2
    z = rng.standard_normal(20_000) + np.where(active, 3.5, 0.0)
    p = activation_probability(z)
    assert p.mean() == pytest.approx(0.2, abs=0.02)
    assert np.mean((p - active) ** 2) < 0.04
    both = activation_probability(np.where(rng.random(20_000) < 0.5, z, -z), two_sided=True)
    assert both.mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenarios__are_allowed(name: str) -> None:
    (scenario,) = choose_scenarios([name])
    assert scenario.spec(1).seed == 1
