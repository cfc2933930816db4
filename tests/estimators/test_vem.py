"""What the estimator finds in artificial data, and how it reports it."""

import numpy as np
import pytest
from parcel_data import (
    CONTRASTS,
    assert_same,
    auc,
    never_falls,
    one_condition,
    shape_error,
    small,
    true_hrf,
    with_bold,
)

from pyhrf.data import Experiment, Run
from pyhrf.estimators import JDEVEM
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec


def test_jdevem__recovers_what_was_put_in():
    simulated, parcel = small()
    estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
    assert estimate.status == "ok"
    assert estimate.summary["converged"] == 1
    assert never_falls(estimate.trace)
    assert shape_error(simulated, estimate.hrf) < 0.15
    assert estimate.summary["time_to_peak"] == pytest.approx(simulated.time_to_peak[0], abs=0.6)
    assert estimate.summary["hrf_quality"] > 0.9
    for m, condition in enumerate(simulated.experiment.conditions):
        active, level = estimate.maps["active", condition], estimate.maps["nrl", condition]
        truth = simulated.levels[m]
        assert auc(active, simulated.labels[m]) > 0.95
        # levels in the unit of the data: the height of the response to an impulse
        assert np.polyfit(truth, level, 1)[0] == pytest.approx(1, abs=0.3)
        gap = (level - truth) / estimate.maps["nrl_sd", condition]
        assert 0.5 < np.sqrt(np.mean(gap**2)) < 1.5
    np.testing.assert_allclose(
        np.median(estimate.maps["noise_sd", ""] / simulated.noise_sd), 1, 0.05
    )
    assert np.mean(estimate.maps["ar1", ""] - simulated.ar1) == pytest.approx(0, abs=0.06)


def test_jdevem__errors_of_the_hrf_have_the_size_of_its_errors():
    z = []
    for seed in range(6):
        simulated, parcel = small(seed=seed, shape=(5, 5, 4), snr=0.5)
        hrf = JDEVEM(simulated.experiment).fit_parcel(parcel).hrf
        truth = true_hrf(simulated, hrf["time"])
        inner = hrf["sd"] > 0
        # both have a height of 1 at the peak of the estimate
        at_peak = truth[np.argmax(np.abs(hrf["hrf"]))]
        z.append(((hrf["hrf"] - truth / at_peak) / hrf["sd"].clip(1e-9))[inner])
    assert 0.5 < np.sqrt(np.mean(np.concatenate(z) ** 2)) < 1.8


def test_jdevem__an_inactive_condition_comes_out_inactive():
    for seed in range(3):
        simulated, parcel = small(n_conditions=3, inactive_fraction=0.5, seed=seed)
        inactive = ~simulated.labels.any(axis=1)
        assert 0 < inactive.sum() < 3
        estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
        assert np.all(estimate.conditions["fraction_active"][inactive] < 0.08)
        truth = simulated.labels.mean(axis=1)[~inactive]
        assert estimate.conditions["fraction_active"][~inactive] == pytest.approx(truth, abs=0.12)


def test_jdevem__pure_noise_gives_no_activation_and_says_that_the_hrf_is_unknown():
    simulated, parcel = small(active_fraction=0.0)
    estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
    assert estimate.status == "ok"
    assert np.all(estimate.conditions["fraction_active"] < 0.25)
    known = JDEVEM(small()[0].experiment).fit_parcel(small()[1])
    assert estimate.summary["hrf_quality"] < known.summary["hrf_quality"] - 0.05
    assert np.median(estimate.hrf["sd"]) > 3 * np.median(known.hrf["sd"])


def test_jdevem__negative_responses_are_negative_levels_of_an_upright_hrf():
    simulated, parcel = small(negative_fraction=0.5, n_conditions=2, seed=3)
    signs = np.array([np.sign(simulated.levels[m][simulated.labels[m]].mean()) for m in range(2)])
    assert sorted(signs) == [-1, 1]
    estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
    hrf = estimate.hrf["hrf"]
    assert hrf[np.argmax(np.abs(hrf))] == 1
    # the sign that HRF and levels share is a convention; which of them are alike is not
    flip = np.sign(np.corrcoef(hrf, true_hrf(simulated, estimate.hrf["time"]))[0, 1])
    assert np.all(np.sign(estimate.conditions["mean_active"]) == flip * signs)
    for m, condition in enumerate(simulated.experiment.conditions):
        assert auc(estimate.maps["active", condition], simulated.labels[m]) > 0.93
        assert auc(estimate.maps["ppm", condition], simulated.labels[m]) > 0.9


@pytest.mark.parametrize("field", ["beta", None])
def test_jdevem__mirrored_data_mirror_the_levels(field):
    simulated, parcel = small()
    estimator = JDEVEM(simulated.experiment, beta=0.4 if field else None, contrasts=CONTRASTS)
    one = estimator.fit_parcel(parcel)
    other = estimator.fit_parcel(with_bold(parcel, -parcel.bold))
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=1e-3)
    for name in (("nrl", "cond1"), ("nrl", "cond2"), ("contrast", "difference")):
        np.testing.assert_allclose(other.maps[name], -one.maps[name], atol=0.02)
    np.testing.assert_allclose(
        other.maps["active", "cond1"], one.maps["active", "cond1"], atol=0.01
    )
    np.testing.assert_allclose(
        other.maps["contrast_ppm", "difference"],
        1 - one.maps["contrast_ppm", "difference"],
        atol=0.01,
    )
    np.testing.assert_allclose(other.maps["ppm", "cond1"], one.maps["ppm", "cond1"], atol=0.01)


SCENARIOS = {
    "blocks": {"event_duration": (12.0, 18.0), "event_interval": 50.0, "snr": 0.1},
    "no drift": {"drift": 0.0, "ar1": (0.0, 0.0)},
    "strong drift": {"drift": 8.0},
    "correlated noise": {"ar1": (0.6, 0.85), "noise_smoothness": 1.0},
    "heavy tails": {"noise_dof": 3.0},
    "no smoothness": {"smoothness": 0.0},
    "loud": {"snr": 5.0},
    "all active": {"active_fraction": 0.95},
    "two runs": {"n_runs": 2, "n_scans": 90},
    "short TR": {"tr": 0.8},
    "whole numbers": {"dtype": "int16"},
    "tiny": {"shape": (2, 3, 1)},
    "one condition": {"n_conditions": 1},
    "twelve conditions": {"n_conditions": 12, "event_interval": 60.0},
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_jdevem__free_energy_never_falls(name):
    simulated, parcel = small(**SCENARIOS[name])
    estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
    assert estimate.status == "ok", estimate.reason
    assert never_falls(estimate.trace)
    assert estimate.trace[-1] == estimate.summary["free_energy"]
    assert np.abs(estimate.hrf["hrf"]).max() == estimate.hrf["hrf"].max() == 1
    for values in estimate.maps.values():
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


@pytest.mark.parametrize("dt", [0.5, 2.0])
def test_jdevem__any_step_finds_the_same_response(dt):
    simulated, parcel = small()
    one = JDEVEM(simulated.experiment).fit_parcel(parcel)
    other = JDEVEM(simulated.experiment, dt=dt, hrf_duration=24.0).fit_parcel(parcel)
    np.testing.assert_array_equal(other.hrf["time"], np.arange(0, 24.01, dt))
    tolerance = 0.12 if dt < 1 else 0.35
    assert shape_error(simulated, other.hrf) < tolerance
    times = np.arange(0.0, 24.0, 2.0)
    curves = [np.interp(times, each.hrf["time"], each.hrf["hrf"]) for each in (one, other)]
    np.testing.assert_allclose(curves[0], curves[1], atol=tolerance)
    gain = np.polyfit(one.maps["nrl", "cond1"], other.maps["nrl", "cond1"], 1)[0]
    assert gain == pytest.approx(1, abs=0.15)


def test_jdevem__collinear_conditions_share_the_response():
    simulated, parcel = small(n_conditions=1)
    run = simulated.experiment.runs[0]
    twins = Experiment(
        ("one", "two"),
        (Run(run.n_scans, run.tr, dict.fromkeys(("one", "two"), run.events["cond1"])),),
    )
    contrasts = {"sum": {"one": 1, "two": 1}, "difference": {"one": 1, "two": -1}}
    estimate = JDEVEM(twins, contrasts=contrasts).fit_parcel(parcel)
    assert estimate.status == "ok"
    assert never_falls(estimate.trace)
    found = estimate.maps["contrast", "sum"]
    assert np.corrcoef(found, simulated.levels[0])[0, 1] > 0.8
    gap = (found - simulated.levels[0]) / estimate.maps["contrast_sd", "sum"]
    assert 0.6 < np.sqrt(np.mean(gap**2)) < 1.5
    # the data tell of the sum only
    difference = estimate.maps["contrast_sd", "difference"]
    assert np.mean(difference) > np.mean(estimate.maps["contrast_sd", "sum"])


def test_jdevem__noise_can_be_white():
    simulated, parcel = small(ar1=(0.0, 0.0))
    white = JDEVEM(simulated.experiment, noise="white").fit_parcel(parcel)
    assert not white.maps["ar1", ""].any()
    assert never_falls(white.trace)
    assert shape_error(simulated, white.hrf) < 0.15
    np.testing.assert_allclose(np.median(white.maps["noise_sd", ""] / simulated.noise_sd), 1, 0.05)


def test_jdevem__two_runs_are_one_experiment():
    simulated, parcel = small(n_runs=2, n_scans=100)
    estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
    assert shape_error(simulated, estimate.hrf) < 0.15
    # each run has a baseline of its own
    moved = parcel.bold.copy()
    moved[100:] += 512
    other = JDEVEM(simulated.experiment).fit_parcel(with_bold(parcel, moved))
    assert_same(estimate, other, rtol=2e-3)


def test_jdevem__a_fixed_field_is_taken_as_it_is():
    simulated, parcel = small()
    estimate = JDEVEM(simulated.experiment, beta=0.3).fit_parcel(parcel)
    np.testing.assert_array_equal(estimate.conditions["beta"], [0.3, 0.3])
    np.testing.assert_array_equal(estimate.conditions["alpha"], [0, 0])


@pytest.mark.parametrize("beta", [0.0, 0.3, 0.6, 0.9, 1.2])
def test_jdevem__free_energy_never_falls_in_a_field_of_any_strength(beta):
    simulated, parcel = small()
    estimate = JDEVEM(simulated.experiment, beta=beta).fit_parcel(parcel)
    assert never_falls(estimate.trace)
    assert np.all((estimate.maps["active", "cond1"] >= 0) & (estimate.maps["active", "cond1"] <= 1))


def test_jdevem__no_parcel_is_driven_to_one_label():
    simulated, parcel = small(snr=0.4, seed=5)
    estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
    fraction = estimate.conditions["fraction_active"]
    assert np.all((fraction > 0.05) & (fraction < 0.7))


def test_jdevem__many_parcels_of_the_reference_kind():
    spec = SimulationSpec(shape=(12, 12, 8), n_parcels=4, n_scans=160, n_conditions=3, seed=2)
    simulated = simulate(spec)
    estimator = JDEVEM(simulated.experiment)
    errors, areas = [], []
    for k, parcel in enumerate(simulated.parcels()):
        estimate = estimator.fit_parcel(parcel)
        assert never_falls(estimate.trace)
        assert estimate.summary["converged"] == 1
        members = np.flatnonzero(simulated.parcel_of == parcel.number)
        found = np.interp(np.linspace(0, 25, 251), estimate.hrf["time"], estimate.hrf["hrf"])
        truth = simulated.hrf[k]
        errors.append(np.linalg.norm(found / np.linalg.norm(found) - truth / np.linalg.norm(truth)))
        for m, condition in enumerate(simulated.experiment.conditions):
            label = simulated.labels[m, members]
            if label.any() and not label.all():
                areas.append(auc(estimate.maps["active", condition], label))
    assert np.mean(errors) < 0.2
    assert np.mean(areas) > 0.95


def test_jdevem__estimate_is_complete():
    simulated, parcel = small()
    estimate = JDEVEM(simulated.experiment, contrasts=CONTRASTS).fit_parcel(parcel)
    n = len(parcel.positions)
    per_condition = ("nrl", "nrl_sd", "active", "ppm")
    expected = {(kind, name) for kind in per_condition for name in ("cond1", "cond2")}
    per_contrast = ("contrast", "contrast_sd", "contrast_ppm")
    expected |= {(kind, name) for kind in per_contrast for name in CONTRASTS}
    assert set(estimate.maps) == expected | {("noise_sd", ""), ("ar1", ""), ("r2", "")}
    for (kind, _), values in estimate.maps.items():
        assert values.dtype == np.float32
        assert values.shape == (n,)
        if kind in ("active", "ppm", "contrast_ppm"):
            assert np.all((values >= 0) & (values <= 1))
        if "sd" in kind:
            assert np.all(values > 0)
    assert set(estimate.hrf) == {"time", "hrf", "sd"}
    np.testing.assert_array_equal(estimate.hrf["time"], np.arange(26.0))
    for values in (estimate.hrf["hrf"], estimate.hrf["sd"]):
        assert values.shape == (26,)
        assert values[0] == values[-1] == 0
    names = {"mean_active", "sd_active", "sd_inactive", "beta", "fraction_active"}
    assert names <= set(estimate.conditions)
    assert all(values.shape == (2,) for values in estimate.conditions.values())
    names = {"n_iterations", "converged", "time_to_peak", "fwhm", "peak_to_undershoot"}
    assert names | {"hrf_quality", "free_energy"} <= set(estimate.summary)
    assert all(isinstance(value, float) for value in estimate.summary.values())
    assert estimate.summary["n_positions_used"] == n
    assert (estimate.parcel, estimate.status, estimate.reason) == (1, "ok", "")
    np.testing.assert_array_equal(estimate.positions, parcel.positions)
    assert len(estimate.trace) <= estimate.summary["n_iterations"]


def test_jdevem__contrasts_know_that_levels_are_correlated():
    simulated, parcel = small()
    contrasts = {**CONTRASTS, "sum": {"cond1": 1, "cond2": 1}}
    maps = JDEVEM(simulated.experiment, contrasts=contrasts).fit_parcel(parcel).maps
    difference = maps["nrl", "cond1"] - maps["nrl", "cond2"]
    np.testing.assert_allclose(maps["contrast", "difference"], difference, atol=1e-4)
    np.testing.assert_allclose(maps["contrast_sd", "first"], maps["nrl_sd", "cond1"], rtol=1e-5)
    # var(a - b) + var(a + b) = 2 var(a) + 2 var(b), but neither is var(a) + var(b)
    variances = maps["nrl_sd", "cond1"] ** 2 + maps["nrl_sd", "cond2"] ** 2
    both = maps["contrast_sd", "difference"] ** 2 + maps["contrast_sd", "sum"] ** 2
    np.testing.assert_allclose(both, 2 * variances, rtol=1e-4)
    assert np.all(np.abs(maps["contrast_sd", "sum"] ** 2 / variances - 1) > 1e-3)


def test_jdevem__threshold_of_the_ppm_may_be_given():
    simulated, parcel = small()
    low, high = (
        JDEVEM(simulated.experiment, ppm_threshold=value).fit_parcel(parcel).maps["ppm", "cond1"]
        for value in (0.0, 5.0)
    )
    assert np.all(high <= low)
    assert high.mean() < low.mean() - 0.1
    never = JDEVEM(simulated.experiment, ppm_threshold=1e6).fit_parcel(parcel)
    assert never.maps["ppm", "cond1"].max() == 0


def test_jdevem__stops_at_the_iterations_that_are_allowed():
    simulated, parcel = small(snr=0.3)
    estimate = JDEVEM(simulated.experiment, n_iterations=2, tolerance=1e-12).fit_parcel(parcel)
    assert estimate.status == "ok"
    assert estimate.summary["converged"] == 0
    assert len(estimate.trace) == 2


def test_cost__rises_with_the_work():
    small_one, large = JDEVEM(one_condition(100)), JDEVEM(one_condition(1000))
    assert 0 < small_one.cost(10) < small_one.cost(100) < large.cost(100)


def test_jdevem__says_how_little_it_knows_of_levels_without_a_response():
    simulated, parcel = small(active_fraction=0.0)
    estimate = JDEVEM(simulated.experiment).fit_parcel(parcel)
    assert estimate.summary["hrf_quality"] < 0.5
    for m, condition in enumerate(simulated.experiment.conditions):
        z = estimate.maps["nrl", condition] - simulated.levels[m]
        z = z / estimate.maps["nrl_sd", condition]
        assert np.sqrt(np.mean(z**2)) < 1.2
        assert np.median(estimate.maps["nrl_sd", condition]) > 0.5
