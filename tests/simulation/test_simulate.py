from dataclasses import replace

import numpy as np
import pytest

from pyhrf.simulation.examples import reference_spec
from pyhrf.simulation.simulate import HRF_TIME, simulate
from pyhrf.simulation.spec import SimulationSpec

SMALL = SimulationSpec(
    region="box", shape=(7, 6, 5), n_parcels=3, n_scans=80, n_conditions=2, event_interval=12.0
)


def convolved(simulated, position):
    """Signal of one position, by Riemann sums of the tabulated HRF over the events' durations."""
    spec = simulated.spec
    hrf = simulated.hrf[simulated.parcel_of[position] - 1]
    signal = []
    for run in simulated.experiment.runs:
        scans = np.arange(run.n_scans) * run.tr
        total = np.zeros(run.n_scans)
        for m, name in enumerate(simulated.experiment.conditions):
            events = run.events[name]
            for onset, duration in zip(events.onsets, events.durations, strict=True):
                step = 0.02
                parts = np.arange(step / 2, duration, step) if duration else np.zeros(1)
                weight = step if duration else 1.0
                lags = scans[:, None] - onset - parts
                response = np.interp(lags, HRF_TIME, hrf, left=0.0, right=0.0).sum(axis=1)
                total += simulated.levels[m, position] * weight * response
        signal.append(total)
    assert spec.n_runs == len(signal)
    return np.concatenate(signal)


def active_in(simulated, parcel):
    """Active positions of a parcel."""
    return (simulated.parcel_of == parcel) & simulated.labels.any(axis=0)


@pytest.mark.parametrize("durations", [(0.0, 0.0), (2.0, 4.0)])
@pytest.mark.parametrize("n_runs", [1, 2])
def test_simulate__signal_is_levels_times_convolved_hrf(durations, n_runs):
    spec = replace(SMALL, event_duration=durations, n_runs=n_runs, drift=0.0, snr=5.0)
    active, silent = simulate(spec), simulate(replace(spec, snr=0.0))
    most = [np.flatnonzero(active_in(active, p))[0] for p in (1, 2, 3)]
    for position in [*most, 0]:
        signal = active.bold[:, position] - silent.bold[:, position]
        expected = convolved(active, position)
        # The tabulated HRF ends at 25 s, the true one has a small tail.
        np.testing.assert_allclose(signal, expected, atol=0.01 * np.abs(expected).max() + 0.01)
        assert position == 0 or np.abs(expected).max() > 10


def test_simulate__what_is_left_is_ar1_noise_of_the_stated_sd():
    spec = replace(SMALL, n_scans=4000, ar1=(0.2, 0.6), noise_sd_spread=0.3)
    simulated = simulate(replace(spec, snr=0.0))
    noise = simulated.bold - simulated.baseline - simulated.drift
    assert noise.std(axis=0) / simulated.noise_sd == pytest.approx(1.0, abs=0.1)
    lag1 = np.mean(noise[1:] * noise[:-1], axis=0) / np.mean(noise**2, axis=0)
    np.testing.assert_allclose(lag1, simulated.ar1, atol=0.08)
    assert np.std(np.log(simulated.noise_sd)) == pytest.approx(0.3, abs=0.05)
    assert np.median(simulated.noise_sd) == pytest.approx(10.0, rel=0.1)


def test_simulate__same_description_same_bytes():
    one, other = simulate(SMALL), simulate(SMALL)
    assert one.bold.tobytes() == other.bold.tobytes()
    assert one.levels.tobytes() == other.levels.tobytes()
    assert simulate(replace(SMALL, seed=1)).bold.tobytes() != one.bold.tobytes()


def test_simulate__parts_have_their_own_random_numbers():
    one = simulate(SMALL)
    other = simulate(replace(SMALL, noise_dof=5.0, hrf_peak=(3.0, 9.0), drift=4.0, n_scans=90))
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.levels, other.levels)
    np.testing.assert_array_equal(one.parcellation, other.parcellation)
    np.testing.assert_array_equal(one.noise_sd, other.noise_sd)


def test_simulate__levels_are_as_described():
    spec = replace(
        reference_spec(2, 0.8), negative_fraction=0.5, n_conditions=12, inactive_level_spread=0.1
    )
    simulated = simulate(spec)
    active = simulated.levels[simulated.labels]
    assert np.abs(active).mean() == pytest.approx(8.0, rel=0.02)
    assert active[active > 0].std() == pytest.approx(2.0, rel=0.05)
    assert simulated.levels[~simulated.labels].std() == pytest.approx(0.8, rel=0.02)
    assert np.mean(active < 0) == pytest.approx(0.5, abs=0.1)
    # One sign per parcel and condition.
    for parcel in range(1, 25):
        here = simulated.parcel_of == parcel
        for labels, levels in zip(simulated.labels, simulated.levels, strict=True):
            means = np.sign(levels[here & labels])
            assert len(means) == 0 or abs(means.mean()) > 0.9


def test_simulate__hrfs_spread_over_the_range_of_peaks():
    simulated = simulate(SMALL)
    assert sorted(simulated.time_to_peak) == pytest.approx([4.2, 5.7, 7.2])
    np.testing.assert_allclose(
        HRF_TIME[simulated.hrf.argmax(axis=1)], simulated.time_to_peak, atol=0.051
    )
    np.testing.assert_allclose(simulated.hrf.max(axis=1), 1.0, atol=1e-3)
    np.testing.assert_array_equal(simulated.hrf[:, 0], 0.0)


def test_simulate__one_parcel_has_a_peak_in_the_middle():
    simulated = simulate(replace(SMALL, n_parcels=1))
    assert simulated.time_to_peak == pytest.approx([5.7])


def test_parcels__are_what_an_estimator_takes():
    simulated = simulate(SMALL)
    parcels = simulated.parcels()
    assert [parcel.number for parcel in parcels] == [1, 2, 3]
    flat = simulated.volume().reshape(-1, 80)
    for parcel in parcels:
        np.testing.assert_array_equal(parcel.bold, flat[parcel.positions].T)
        assert (simulated.parcellation.ravel()[parcel.positions] == parcel.number).all()
        where = np.array(np.unravel_index(parcel.positions, simulated.parcellation.shape)).T
        distance = np.abs(where[:, None] - where).sum(axis=2)
        expected = np.argwhere(np.triu(distance == 1))
        np.testing.assert_array_equal(parcel.edges, expected)


def test_volume__gives_one_run_or_all():
    simulated = simulate(replace(SMALL, n_runs=2))
    whole = simulated.volume()
    assert whole.shape == (7, 6, 5, 160)
    np.testing.assert_array_equal(simulated.volume(1), whole[..., 80:])
    np.testing.assert_array_equal(whole.reshape(-1, 160)[simulated.positions].T, simulated.bold)


def test_simulate__int16_rounds_the_same_signal():
    exact, rounded = simulate(SMALL), simulate(replace(SMALL, dtype="int16"))
    np.testing.assert_array_equal(rounded.bold, np.rint(exact.bold))
    loud = simulate(replace(SMALL, dtype="int16", baseline=40_000.0))
    assert loud.bold.max() == 32767


@pytest.mark.parametrize(
    "change",
    [
        {"smoothness": 0.0},
        {"smoothness": 5.0},
        {"active_fraction": 0.0},
        {"active_fraction": 0.6, "inactive_fraction": 0.0},
        {"active_fraction": 1.0},
        {"inactive_fraction": 1.0},
        {"negative_fraction": 1.0},
        {"n_conditions": 1},
        {"n_conditions": 12, "n_scans": 200},
        {"event_duration": (15.0, 15.0), "event_interval": 60.0, "n_scans": 200},
        {"tr": 0.8, "n_scans": 400},
        {"tr": 3.0},
        {"n_parcels": 1, "shape": (20, 10, 10)},
        {"n_parcels": 7, "parcel_size_spread": 1.5},
        {"hrf_peak": (2.5, 11.0), "hrf_fwhm": (2.0, 10.0), "hrf_undershoot": (0.0, 0.8)},
        {"noise_dof": 3.0, "ar1": (0.6, 0.9), "noise_smoothness": 1.0},
        {"drift": 0.0, "ar1": (0.0, 0.0), "noise_sd_spread": 0.0},
        {"shape": (30, 1, 1)},
    ],
)
def test_simulate__whole_family_of_scenarios(change):
    simulated = simulate(replace(SMALL, **change))
    assert np.isfinite(simulated.bold).all()
    assert simulated.bold.dtype == np.float32
    assert simulated.labels.shape == simulated.levels.shape
    assert simulated.bold.shape == (simulated.spec.n_scans, len(simulated.positions))
    assert len(simulated.parcels()) == simulated.spec.n_parcels


def test_simulate__reference_scenario():
    simulated = simulate(reference_spec())
    assert simulated.bold.shape[1] == pytest.approx(5400, rel=0.05)
    assert [len(events.onsets) for events in simulated.experiment.runs[0].events.values()] == (
        pytest.approx([25] * 4, abs=5)
    )
    pairs = [
        simulated.labels[:, simulated.parcel_of == parcel].any(axis=1) for parcel in range(1, 25)
    ]
    assert np.mean(pairs) == 0.75
