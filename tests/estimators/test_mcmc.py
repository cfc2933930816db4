"""What the sampler finds in artificial data, and how it reports it."""

from __future__ import annotations

import numpy as np
import pytest
from parcel_data import CONTRASTS, auc, one_condition, shape_error, small, true_hrf, with_bold

from pyhrf.data import Parcel
from pyhrf.errors import InputError
from pyhrf.estimators import JDEMCMC, JDEVEM
from pyhrf.estimators.mcmc_kernels import run_chain

SHORT = {"n_iterations": 500, "n_burn_in": 150}


def test_jdemcmc__recovers_what_was_put_in():
    simulated, parcel = small()
    estimate = JDEMCMC(simulated.experiment).fit_parcel(parcel)
    assert estimate.status == "ok"
    assert estimate.summary["converged"] == 1
    assert estimate.summary["rhat"] < 1.05
    assert estimate.summary["ess"] > 100
    assert 0.1 < estimate.summary["acceptance_scale"] < 0.9
    assert shape_error(simulated, estimate.hrf) < 0.15
    assert estimate.summary["time_to_peak"] == pytest.approx(simulated.time_to_peak[0], abs=0.6)
    assert np.max(estimate.hrf["hrf"]) == 1
    for m, condition in enumerate(simulated.experiment.conditions):
        active, level = estimate.maps["active", condition], estimate.maps["nrl", condition]
        truth = simulated.levels[m]
        assert auc(active, simulated.labels[m]) > 0.95
        assert np.polyfit(truth, level, 1)[0] == pytest.approx(1, abs=0.3)
        low, high = (estimate.maps[f"nrl_{q}", condition] for q in ("q025", "q975"))
        assert np.all(low < high)
        assert np.mean((truth > low) & (truth < high)) > 0.9
    np.testing.assert_allclose(
        np.median(estimate.maps["noise_sd", ""] / simulated.noise_sd), 1, 0.05
    )
    assert np.mean(estimate.maps["ar1", ""] - simulated.ar1) == pytest.approx(0, abs=0.06)
    assert len(estimate.trace) == 2 * 3000


def test_jdemcmc__says_all_that_vem_says_under_the_same_names():
    simulated, parcel = small()
    settings = {"contrasts": CONTRASTS}
    vem = JDEVEM(simulated.experiment, **settings).fit_parcel(parcel)
    mcmc = JDEMCMC(simulated.experiment, **SHORT, **settings).fit_parcel(parcel)
    assert set(vem.maps) <= set(mcmc.maps)
    assert set(vem.hrf) <= set(mcmc.hrf)
    assert set(vem.conditions) <= set(mcmc.conditions)
    assert set(vem.summary) - {"free_energy", "log_bayes_canonical"} <= set(mcmc.summary)
    np.testing.assert_array_equal(vem.hrf["time"], mcmc.hrf["time"])
    np.testing.assert_allclose(vem.hrf["hrf"], mcmc.hrf["hrf"], atol=0.06)
    for name in (("nrl", "cond1"), ("nrl", "cond2"), ("contrast", "difference")):
        scale = np.std(vem.maps[name])
        assert np.sqrt(np.mean((vem.maps[name] - mcmc.maps[name]) ** 2)) < 0.15 * scale
    assert np.mean(abs(vem.maps["active", "cond1"] - mcmc.maps["active", "cond1"])) < 0.05
    assert np.mean(abs(vem.maps["ppm", "cond1"] - mcmc.maps["ppm", "cond1"])) < 0.07


def test_jdemcmc__intervals_of_hrf_and_levels_hold_the_truth_as_often_as_they_say():
    hrf, levels = [], []
    for seed in range(8):
        simulated, parcel = small(seed=seed, shape=(5, 5, 4), snr=0.5)
        estimate = JDEMCMC(simulated.experiment, **SHORT).fit_parcel(parcel)
        truth = true_hrf(simulated, estimate.hrf["time"])
        truth = truth / truth[np.argmax(np.abs(truth))]
        inside = (truth >= estimate.hrf["q025"]) & (truth <= estimate.hrf["q975"])
        hrf.append(inside[1:-1].mean())
        for m, condition in enumerate(simulated.experiment.conditions):
            low, high = (estimate.maps[f"nrl_{q}", condition] for q in ("q025", "q975"))
            active = simulated.labels[m]
            inside = (simulated.levels[m] >= low) & (simulated.levels[m] <= high)
            levels.append(inside[active].mean())
    assert np.mean(hrf) > 0.88
    assert 0.88 < np.mean(levels) < 0.99


def test_jdemcmc__chains_from_anywhere_end_where_those_from_vem_end():
    simulated, parcel = small()
    near = JDEMCMC(simulated.experiment).fit_parcel(parcel)
    far = JDEMCMC(simulated.experiment, start="dispersed", n_chains=3).fit_parcel(parcel)
    assert far.summary["rhat"] < 1.1
    np.testing.assert_allclose(near.hrf["hrf"], far.hrf["hrf"], atol=0.03)
    for name in (("active", "cond1"), ("active", "cond2")):
        assert np.mean(abs(near.maps[name] - far.maps[name])) < 0.02
    np.testing.assert_allclose(
        near.conditions["mean_active"], far.conditions["mean_active"], rtol=0.1
    )


@pytest.mark.parametrize("start", ["vem", "dispersed"])
def test_jdemcmc__classes_do_not_change_places_and_levels_do_not_vanish(start):
    simulated, parcel = small(snr=0.4)
    estimate = JDEMCMC(simulated.experiment, start=start, n_chains=4).fit_parcel(parcel)
    true_mean = [simulated.levels[m][simulated.labels[m]].mean() for m in range(2)]
    np.testing.assert_allclose(estimate.conditions["mean_active"], true_mean, rtol=0.35)
    assert np.all(estimate.conditions["sd_inactive"] < 0.5 * estimate.conditions["mean_active"])
    truth = simulated.labels.mean(axis=1)
    np.testing.assert_allclose(estimate.conditions["fraction_active"], truth, atol=0.15)


def test_jdemcmc__draws_depend_on_seed_and_number_and_nothing_else():
    simulated, parcel = small(shape=(4, 4, 4))
    other = Parcel(9, parcel.bold, parcel.edges, parcel.positions)
    one = JDEMCMC(simulated.experiment, **SHORT)
    first, ninth = one.fit_parcel(parcel), one.fit_parcel(other)
    again = JDEMCMC(simulated.experiment, **SHORT)
    ninth_first = again.fit_parcel(other)
    first_second = again.fit_parcel(parcel)
    for mine, theirs in ((first, first_second), (ninth, ninth_first)):
        for name, values in mine.maps.items():
            np.testing.assert_array_equal(values, theirs.maps[name])
        assert mine.summary == theirs.summary
    assert not np.array_equal(first.maps["nrl", "cond1"], ninth.maps["nrl", "cond1"])
    seeded = JDEMCMC(simulated.experiment, seed=1, **SHORT).fit_parcel(parcel)
    assert not np.array_equal(first.maps["nrl", "cond1"], seeded.maps["nrl", "cond1"])


def test_jdemcmc__follows_the_scale_of_the_data():
    simulated, parcel = small(shape=(4, 4, 4))
    sampler = JDEMCMC(simulated.experiment)
    one = sampler.fit_parcel(parcel)
    other = sampler.fit_parcel(with_bold(parcel, 1000 * parcel.bold))
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=0.03)
    sd = one.maps["nrl_sd", "cond1"]
    assert np.all(abs(other.maps["nrl", "cond1"] / 1000 - one.maps["nrl", "cond1"]) < 0.3 * sd)
    assert np.mean(abs(other.maps["active", "cond1"] - one.maps["active", "cond1"])) < 0.02


def test_jdemcmc__an_inactive_condition_comes_out_inactive():
    simulated, parcel = small(n_conditions=3, inactive_fraction=0.5, seed=1)
    inactive = ~simulated.labels.any(axis=1)
    assert 0 < inactive.sum() < 3
    estimate = JDEMCMC(simulated.experiment, **SHORT).fit_parcel(parcel)
    assert np.all(estimate.conditions["fraction_active"][inactive] < 0.08)


def test_jdemcmc__pure_noise_says_that_the_hrf_is_unknown():
    simulated, parcel = small(active_fraction=0.0)
    estimate = JDEMCMC(simulated.experiment, **SHORT).fit_parcel(parcel)
    assert estimate.status == "ok"
    assert np.max(np.abs(estimate.hrf["hrf"])) == 1
    assert np.all(estimate.conditions["fraction_active"] < 0.25)
    known = JDEMCMC(small()[0].experiment, **SHORT).fit_parcel(small()[1])
    assert estimate.summary["hrf_quality"] < known.summary["hrf_quality"] - 0.05
    assert np.median(estimate.hrf["sd"]) > 3 * np.median(known.hrf["sd"])


def test_jdemcmc__leaves_out_positions_without_signal():
    simulated, parcel = small(shape=(4, 4, 4))
    bold = parcel.bold.copy()
    bold[:, 3] = 7
    bold[5, 10] = np.nan
    estimate = JDEMCMC(simulated.experiment, **SHORT).fit_parcel(with_bold(parcel, bold))
    assert estimate.summary["n_positions_used"] == bold.shape[1] - 2
    for values in estimate.maps.values():
        assert np.flatnonzero(np.isnan(values)).tolist() == [3, 10]


def test_jdemcmc__too_few_positions_are_a_failed_estimate():
    simulated, parcel = small(shape=(4, 4, 4))
    bold = np.zeros_like(parcel.bold)
    estimate = JDEMCMC(simulated.experiment, **SHORT).fit_parcel(with_bold(parcel, bold))
    assert estimate.status == "failed"
    assert "0 of 64 positions can be used" in estimate.reason


def test_jdemcmc__a_threshold_splits_the_draws_of_a_level():
    simulated, parcel = small(shape=(4, 4, 4))
    plain = JDEMCMC(simulated.experiment, contrasts=CONTRASTS, **SHORT).fit_parcel(parcel)
    level = plain.maps["nrl", "cond1"]
    above = JDEMCMC(simulated.experiment, ppm_threshold=0.0, **SHORT).fit_parcel(parcel)
    # the same draws: P(level > 0), which the contrast of this condition alone gives too
    np.testing.assert_allclose(
        above.maps["ppm", "cond1"], plain.maps["contrast_ppm", "first"], atol=0.12
    )
    np.testing.assert_allclose(plain.maps["contrast", "first"], level, rtol=1e-5)
    high = JDEMCMC(simulated.experiment, ppm_threshold=1e4, **SHORT).fit_parcel(parcel)
    assert not high.maps["ppm", "cond1"].any()
    below = JDEMCMC(simulated.experiment, ppm_threshold=-1e4, **SHORT).fit_parcel(parcel)
    assert not below.maps["ppm", "cond1"].any()


def test_jdemcmc__a_given_strength_is_the_only_one():
    simulated, parcel = small(shape=(4, 4, 4))
    estimate = JDEMCMC(simulated.experiment, beta=0.4, **SHORT).fit_parcel(parcel)
    np.testing.assert_allclose(estimate.conditions["beta"], 0.4)
    assert np.all(estimate.conditions["alpha"] == 0)


def test_jdemcmc__one_chain_white_noise_and_no_neighbours_are_enough():
    experiment = one_condition()
    bold = np.random.default_rng(0).normal(size=(100, 6))
    estimate = JDEMCMC(experiment, n_chains=1, noise="white", **SHORT).fit(bold)
    assert estimate.summary["n_chains"] == 1
    assert not estimate.maps["ar1", ""].any()
    assert np.isfinite(estimate.maps["nrl", "a"]).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"n_iterations": 100, "n_burn_in": 80}, "n_burn_in is 80"),
        ({"n_burn_in": -1}, "n_burn_in is -1"),
        ({"n_chains": 0}, "n_chains is 0"),
        ({"start": "middle"}, "start is 'middle': it must be vem or dispersed"),
        ({"seed": -1}, "seed is -1"),
        ({"beta": 3.0}, "beta is 3"),
        ({"dt": 0.0}, "dt is 0 s"),
        ({"ppm_threshold": np.inf}, "ppm_threshold is inf"),
        ({"contrasts": {"x": {"b": 1.0}}}, "there is no condition 'b'"),
    ],
)
def test_jdemcmc__refuses_settings_that_cannot_be_met(settings, message):
    with pytest.raises(InputError, match=message):
        JDEMCMC(one_condition(), **settings)


def test_jdemcmc__costs_more_for_more_sweeps_and_positions():
    experiment = one_condition()
    few = JDEMCMC(experiment, **SHORT)
    assert few.cost(100) < few.cost(1000) < JDEMCMC(experiment).cost(1000)


@pytest.mark.parametrize("error", [np.linalg.LinAlgError, ZeroDivisionError, FloatingPointError])
def test_fit_parcel__arithmetic_that_fails_is_a_failed_estimate(error, monkeypatch):
    def fails(*_, **__):
        raise error("singular")

    simulated, parcel = small()
    monkeypatch.setattr("pyhrf.estimators.mcmc.solve_mcmc", fails)
    estimate = JDEMCMC(simulated.experiment).fit_parcel(parcel)
    assert estimate.status == "failed"
    assert "(singular): look at the parcel's data" in estimate.reason


def test_compile__does_not_run_the_chains_that_the_user_asked_for(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "pyhrf.estimators.mcmc.solve_mcmc",
        lambda problem, bold, _, *, number: seen.append((problem.settings, bold.shape[1], number)),
    )
    JDEMCMC(one_condition(), n_iterations=10**6, n_chains=64, min_positions=5_000).compile()
    ((settings, n_positions, _),) = seen
    assert settings.n_sweeps * settings.n_chains * n_positions < 200


def test_compile__leaves_nothing_to_be_compiled():
    sampler = JDEMCMC(one_condition(), **SHORT)
    sampler.compile()
    compiled = len(run_chain.signatures)
    sampler.fit(np.random.default_rng(0).normal(size=(100, 6)))
    assert len(run_chain.signatures) == compiled
