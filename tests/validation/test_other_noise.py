"""The validation's own noise: what it adds is what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from validation.other_noise import SHARED, OtherNoise, with_noise
from validation.scenarios import SCENARIOS

from pyhrf.simulation.simulate import Simulated, simulate
from pyhrf.simulation.spec import SimulationSpec


@pytest.fixture(scope="module")
def data() -> Simulated:
    return simulate(
        SimulationSpec(
            region="box", shape=(10, 10, 8), n_parcels=2, n_scans=150, drift=0.0, snr=0.5, seed=4
        )
    )


def test_with_noise__keeps_responses_and_baseline(data: Simulated) -> None:
    louder = replace(data, levels=data.levels * 3)
    gap = (with_noise(louder, SHARED).bold - with_noise(data, SHARED).bold).astype(float)
    clean = simulate(replace(data.spec, noise_sd=1e-2, snr=500.0))
    expected = 2 * (clean.bold.astype(float) - clean.baseline)
    np.testing.assert_allclose(gap, expected, atol=0.2)


def test_with_noise__has_the_size_that_it_says(data: Simulated) -> None:
    for noise, size in (
        (SHARED, 1.0),
        (OtherNoise(oscillation=1.0), np.sqrt(2.09)),
        (OtherNoise(movements=1.0), np.sqrt(2.0)),
        (OtherNoise(spectrum="arma"), 1.0),
    ):
        quiet = with_noise(replace(data, levels=0 * data.levels), noise).bold - data.baseline
        assert np.std(quiet / data.spec.noise_sd) == pytest.approx(size, rel=0.12)


def test_with_noise__shared_noise_correlates_neighbours_and_own_noise_does_not(
    data: Simulated,
) -> None:
    def neighbours(noise: OtherNoise) -> float:
        silent = replace(data, levels=0 * data.levels)
        volume = np.zeros((len(data.bold), *data.parcellation.shape))
        made = with_noise(silent, noise).bold
        volume[:, data.parcellation > 0] = made - made.mean(axis=0)
        one, other = volume[:, 1:].reshape(150, -1), volume[:, :-1].reshape(150, -1)
        return float(np.mean(np.sum(one * other, axis=0)) / np.mean(np.sum(one**2, axis=0)))

    assert abs(neighbours(OtherNoise())) < 0.02
    assert neighbours(SHARED) > 0.4
    assert neighbours(replace(SHARED, fwhm=6.0)) > 0.8


def test_with_noise__spikes_stand_in_all_voxels(data: Simulated) -> None:
    silent = replace(data, levels=0 * data.levels)
    made = with_noise(silent, OtherNoise(spikes=(5, 4.0))).bold - data.baseline
    means = np.abs(made.mean(axis=1)) / data.spec.noise_sd
    assert np.sum(means > 3.5) == 5
    assert np.sum(means > 0.5) == 5


def test_scenarios__of_other_noise_make_data() -> None:
    one = SCENARIOS["spike"]
    small = replace(one, changes={"region": "box", "shape": (6, 6, 6), "n_parcels": 1})
    assert np.isfinite(small.data(1).bold).all()
    assert not np.array_equal(small.data(1).bold, small.data(2).bold)
