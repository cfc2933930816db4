"""Levels of single trials by JDEVEM: what may change them, and data at the edges."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from trial_parcel import (
    SD,
    TRIALS,
    assert_finite,
    assert_same_bytes,
    double_gamma,
    events,
    experiment_of,
    fit,
    signal_of,
)

from pyhrf.data import Events, Experiment, ParcelEstimate, Run
from pyhrf.errors import InputError
from pyhrf.model.design import design_matrix


@cache
def shared_noise(n_runs: int = 2, names: str = "ab", n_voxels: int = 30) -> np.ndarray:
    """Data of the experiment of that name; found in patterns."""
    return signal_of(experiment_of(n_runs, names), n_voxels, shared=1.5, seed=3)[0]


def assert_close(
    one: ParcelEstimate, other: ParcelEstimate, rtol: float, factor: float = 1
) -> None:
    for key in (TRIALS, SD):
        a, b = factor * one.maps[key], other.maps[key]
        np.testing.assert_allclose(b, a, rtol=rtol, atol=rtol * np.nanmax(np.abs(a)))


def relabelled(run: Run, rng: np.random.Generator, names: str) -> Run:
    """Give the events of a run conditions by lot, in lists of any order."""
    columns = [
        np.concatenate([getattr(e, x) for e in run.events.values()])
        for x in ("onsets", "durations", "amplitudes")
    ]
    label = rng.integers(len(names), size=len(columns[0]))
    order = rng.permutation(len(label))
    found = {}
    for i, name in enumerate(names):
        mine = order[label[order] == i]
        found[name] = Events(*(values[mine] for values in columns))
    return replace(run, events=found)


# --- conditions


@pytest.mark.parametrize("hyper", ["all", "run"])
def test_conditions_of_events_and_their_order__change_no_byte(hyper):
    experiment, bold = experiment_of(2, "ab"), shared_noise()
    rng = np.random.default_rng(1)
    runs = tuple(relabelled(run, rng, "ba") for run in experiment.runs)
    one = fit(experiment, bold, trial_hyper=hyper)
    assert one.summary["trial_patterns"] == 1
    other = fit(Experiment(("b", "a"), runs), bold, trial_hyper=hyper)
    assert_same_bytes(one, other)


def test_conditions_of_events_at_one_time__change_no_byte():
    plain, bold = experiment_of(2, "a"), shared_noise(2, "a")
    times = plain.runs[0].events["a"].onsets[[3, 8, 14]]
    long, short = events(times, 9.0), plain.runs[0].events["a"]
    runs = (replace(plain.runs[0], events={"a": short, "b": long}), plain.runs[1])
    swapped = (replace(plain.runs[0], events={"a": long, "b": short}), plain.runs[1])
    one, other = (fit(Experiment(("a", "b"), each), bold) for each in (runs, swapped))
    assert_same_bytes(one, other)


def test_condition_that_has_no_trials__is_taken_out():
    both, bold = experiment_of(2, "ab"), shared_noise(2, "a")
    strong, first = bold.copy(), 0
    h = 50 * double_gamma(24, 1.0)
    for run in both.runs:
        times = run.tr * np.arange(run.n_scans)
        strong[first : first + run.n_scans] += (design_matrix(run.events["b"], times, 1.0, 24) @ h)[
            :, None
        ]
        first += run.n_scans
    without, with_it = (fit(both, each, single_trials="a").maps for each in (bold, strong))
    left = np.abs(with_it[TRIALS] - without[TRIALS])
    assert np.median(left / without[SD]) < 0.3
    assert np.corrcoef(with_it[TRIALS].ravel(), without[TRIALS].ravel())[0, 1] > 0.95


@pytest.mark.parametrize("hyper", ["all", "run"])
@pytest.mark.parametrize("prior", ["common", "condition"])
def test_run_without_trials__is_no_hindrance(hyper, prior):
    experiment = experiment_of(3, "ab")
    runs = [*experiment.runs]
    runs[1] = replace(runs[1], events={"b": runs[1].events["b"]})
    experiment = replace(experiment, runs=tuple(runs))
    bold, _ = signal_of(experiment, 20, shared=1.5, seed=4)
    n = sum(len(run.events["a"].onsets) for run in runs if "a" in run.events)
    found = fit(experiment, bold, single_trials="a", trial_hyper=hyper, trial_prior=prior)
    assert_finite(found, n)


def test_prior_of_each_condition__draws_to_its_mean():
    experiment = experiment_of(2, "ab", n_scans=90, gap=14.0)
    rng = np.random.default_rng(5)
    bold, h = [], double_gamma(24, 1.0)
    for run in experiment.runs:
        times = run.tr * np.arange(run.n_scans)
        signal = [
            height * design_matrix(run.events[name], times, 1.0, 24) @ h
            for name, height in (("a", 6.0), ("b", 2.0))
        ]
        bold.append(100 + np.sum(signal, axis=0)[:, None] + rng.standard_normal((len(times), 8)))
    estimates = [
        fit(experiment, np.concatenate(bold), trial_prior=prior, min_positions=1)
        for prior in ("common", "condition")
    ]
    found = estimates[1].maps[TRIALS]
    order = [
        sorted((onset, name) for name in "ab" for onset in run.events[name].onsets)
        for run in experiment.runs
    ]
    is_a = np.array([name == "a" for run in order for _, name in run])
    within = [e.maps[TRIALS][:, is_a].std() for e in estimates]
    assert within[1] < 0.7 * within[0]
    np.testing.assert_allclose(found[:, is_a].mean(), 6.0, atol=0.6)
    np.testing.assert_allclose(found[:, ~is_a].mean(), 2.0, atol=0.6)


# --- scans


def test_values_of_censored_scans__are_never_looked_at():
    experiment, bold = experiment_of(2, "ab"), shared_noise()
    censored = np.isin(np.arange(110), [0, 1, 30, 31, 32, 109])
    runs = tuple(replace(run, censored=censored) for run in experiment.runs)
    spoilt = bold.copy()
    spoilt[np.tile(censored, 2)] = [[np.nan], [1e9], [-5.0]] * 4
    experiment = replace(experiment, runs=runs)
    assert_same_bytes(fit(experiment, bold), fit(experiment, spoilt))


def test_trial_outside_the_scans__is_nan_and_changes_no_other():
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a")
    late = replace(experiment.runs[0], outside={"a": events([-60.0, 500.0])})
    found = fit(replace(experiment, runs=(late, experiment.runs[1])), bold)
    n = len(late.events["a"].onsets)
    assert np.isnan(found.maps[TRIALS][:, [0, n + 1]]).all()
    one = fit(experiment, bold)
    for key in (TRIALS, SD):
        np.testing.assert_array_equal(np.delete(found.maps[key], [0, n + 1], axis=1), one.maps[key])


def test_trial_that_censored_scans_hide__is_nan_and_others_are_not():
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a")
    times = experiment.runs[0].events["a"].onsets
    censored = np.zeros(110, bool)
    first = int(times[5] // 2)
    censored[first : first + 16] = True
    run = replace(experiment.runs[0], censored=censored)
    found = fit(replace(experiment, runs=(run, experiment.runs[1])), bold)
    hidden = np.isnan(found.maps[TRIALS]).all(axis=0)
    assert hidden[5]
    assert hidden.sum() == np.isnan(found.maps[TRIALS]).any(axis=0).sum() < 5


@pytest.mark.parametrize(("tr", "dt"), [(0.8, 0.4), (0.8, 0.7), (2.5, 1.0)])
def test_steps_that_are_no_part_of_tr__give_levels_near_the_truth(tr, dt):
    experiment = experiment_of(2, "a", n_scans=round(220 / tr), tr=tr, gap=10.0)
    bold, truth = signal_of(experiment, 20, shared=0.5, dt=dt, seed=6)
    found = fit(experiment, bold, dt=dt)
    assert_finite(found, len(truth))
    assert np.corrcoef(found.maps[TRIALS].ravel(), truth.T.ravel())[0, 1] > 0.6


@pytest.mark.parametrize("n_scans", [8, 12, 20])
@pytest.mark.parametrize("hyper", ["all", "run"])
def test_very_short_runs__are_finite(n_scans, hyper):
    runs = (Run(n_scans, 2.0, {"a": events([2.0, 9.0])}),) * 2
    bold = np.random.default_rng(7).standard_normal((2 * n_scans, 12)) + 100
    assert_finite(fit(Experiment(("a",), runs), bold, trial_hyper=hyper), 4)


# --- trials


@pytest.mark.parametrize("prior", ["common", "condition"])
@pytest.mark.parametrize("shared", [0.0, 2.0])
def test_one_trial_only__is_finite(prior, shared):
    experiment = Experiment(("a",), (Run(110, 2.0, {"a": events(50.0)}),))
    bold, _ = signal_of(experiment, 20, shared=shared)
    assert_finite(fit(experiment, bold, trial_prior=prior), 1)


@pytest.mark.parametrize("n_runs", [1, 3])
def test_more_trials_than_scans__are_finite(n_runs):
    times = np.arange(1.0, 110.0, 1.3)
    many = Run(60, 2.0, {"a": events(times)})
    experiment = Experiment(("a",), (many, *experiment_of(3, "a").runs[: n_runs - 1]))
    bold, truth = signal_of(experiment, 20, shared=1.5)
    assert_finite(fit(experiment, bold), len(truth))


def test_amplitudes__do_not_scale_the_levels():
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a")
    rng = np.random.default_rng(8)
    runs = []
    for run in experiment.runs:
        e = run.events["a"]
        other = replace(e, amplitudes=rng.uniform(0.5, 3, len(e.onsets)))
        runs.append(replace(run, events={"a": other}))
    other = replace(experiment, runs=tuple(runs))
    assert_same_bytes(fit(experiment, bold), fit(other, bold))


def test_simultaneous_events__are_refused_or_one_trial():
    run = experiment_of(1, "a").runs[0]
    times = run.events["a"].onsets
    run = replace(run, events={"a": run.events["a"], "b": events(times[:2])})
    experiment, bold = Experiment(("a", "b"), (run,)), shared_noise(2, "a")[:110]
    with pytest.raises(InputError, match="'a' and 'b' are both at"):
        fit(experiment, bold)
    assert_finite(fit(experiment, bold, simultaneous="pooled"), len(times))


# --- voxels


@pytest.mark.parametrize("n_voxels", [1, 2, 3])
def test_few_voxels__are_estimated_if_they_may(n_voxels):
    experiment = experiment_of(2, "a")
    bold, truth = signal_of(experiment, n_voxels, shared=1.0)
    assert_finite(fit(experiment, bold, min_positions=1), len(truth))


def test_voxel_that_cannot_be_used__is_nan_and_changes_no_other():
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a")
    more = np.insert(bold, [3, 7], 5.0, axis=1)
    more[11, 8] = np.nan
    found, one = fit(experiment, more), fit(experiment, bold)
    for key in (TRIALS, SD):
        assert np.isnan(found.maps[key][[3, 8]]).all()
        np.testing.assert_array_equal(np.delete(found.maps[key], [3, 8], axis=0), one.maps[key])


@pytest.mark.parametrize("n_alike", [5, 30])
def test_voxels_that_are_one__are_finite_and_alike(n_alike):
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a").copy()
    bold[:, :n_alike] = bold[:, :1]
    found = fit(experiment, bold)
    assert_finite(found, found.maps[TRIALS].shape[1])
    levels = found.maps[TRIALS][:n_alike]
    np.testing.assert_allclose(levels, levels[:1] + 0 * levels, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("factor", [1e8, 1e-8])
def test_unit_of_the_data__is_that_of_the_levels(factor):
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a")
    assert_close(fit(experiment, bold), fit(experiment, factor * bold), 1e-4, factor)


def test_single_precision__is_enough():
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a")
    rng = np.random.default_rng(9)
    rounded = bold.astype(np.float32) * (1 + 6e-8 * rng.choice([-1, 1], bold.shape))
    assert_close(fit(experiment, bold), fit(experiment, rounded), 1e-3)


def test_order_of_voxels__is_that_of_the_levels():
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a")
    order = np.random.default_rng(10).permutation(bold.shape[1])
    one, other = fit(experiment, bold), fit(experiment, bold[:, order])
    for key in (TRIALS, SD):
        np.testing.assert_allclose(other.maps[key], one.maps[key][order], rtol=1e-4, atol=1e-4)


def test_voxels_without_noise_or_trials__are_finite():
    experiment, bold = experiment_of(2, "a"), shared_noise(2, "a").copy()
    bold[:, 4] = 100 + 5.0 * (np.arange(len(bold)) % 110 == 7)
    assert_finite(fit(experiment, bold), len(fit(experiment, bold).maps[TRIALS][0]))


# --- what else is asked of the estimate


def test_cross_validation__is_as_without_trials():
    experiment, bold = experiment_of(2, "ab"), shared_noise()
    found = fit(experiment, bold, cross_validate="runs")
    plain = fit(experiment, bold, cross_validate="runs", single_trials=None)
    assert_same_bytes(found, fit(experiment, bold))
    key = ("r2_held_out", "")
    np.testing.assert_array_equal(found.maps[key], plain.maps[key])


def test_trials__change_nothing_of_conditions():
    experiment, bold = experiment_of(2, "ab"), shared_noise()
    found, plain = fit(experiment, bold), fit(experiment, bold, single_trials=None)
    for key, values in plain.maps.items():
        np.testing.assert_array_equal(found.maps[key], values, err_msg=str(key))
    assert set(found.maps) - set(plain.maps) == {
        (kind, "") for kind in ("trials", "trials_sd", "trial_mean", "trial_sd", "trial_snr")
    }


def test_levels__are_near_the_truth_and_errors_hold():
    experiment = experiment_of(3, "a", gap=9.0)
    bold, truth = signal_of(experiment, 40, shared=1.0, seed=11)
    found = fit(experiment, bold)
    level, sd = (found.maps[key].T for key in (TRIALS, SD))
    assert np.corrcoef(level.ravel(), truth.ravel())[0, 1] > 0.6
    assert 0.90 < (np.abs(level - truth) < 1.96 * sd).mean() < 0.98


def test_condition_of_just_the_events_of_trials__is_no_hindrance():
    experiment, bold = experiment_of(2, "ab"), shared_noise()
    runs = []
    for run in experiment.runs:
        both = np.concatenate([run.events[name].onsets for name in "ab"])
        runs.append(replace(run, events={**run.events, "stim": events(both)}))
    found = fit(Experiment(("a", "b", "stim"), tuple(runs)), bold, single_trials="a, b")
    assert_same_bytes(found, fit(experiment, bold))
