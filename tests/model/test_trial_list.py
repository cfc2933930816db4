"""Which events are single trials, in which order, why some have no level, and their regressors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError
from pyhrf.model.design import experiment_design, n_hrf_coefficients
from pyhrf.model.nuisance import experiment_nuisance, n_free_scans
from pyhrf.model.trial_designs import trial_designs, trial_regressors
from pyhrf.model.trials import Trial, modulated, trial_notes, trials_as_one, trials_of
from pyhrf.parameters.model import ModelSettings
from pyhrf.parameters.trials import TrialSettings

LENGTH = 25.0


def events(onsets: list[float], durations: float = 0.0, amplitudes: object = 1.0) -> Events:
    n = len(onsets)
    return Events(
        np.array(onsets, float), np.full(n, durations), np.broadcast_to(amplitudes, n).astype(float)
    )


def experiment(*runs: dict[str, Events], tr: float = 2.0, n_scans: int = 60) -> Experiment:
    names = sorted({name for run in runs for name in run})
    return Experiment(tuple(names), tuple(Run(n_scans, tr, run) for run in runs))


def listed(of: Experiment, given: object = True, **settings: str) -> list[Trial]:
    return trials_of(of, TrialSettings(single_trials=given, **settings), hrf_duration=LENGTH)


def test_trials_of__are_in_the_order_of_runs_and_onsets_of_all_conditions():
    both = experiment(
        {"b": events([40, 5]), "a": events([20, 60])}, {"a": events([7]), "b": events([3])}
    )
    found = [(trial.run, trial.condition, trial.onset) for trial in listed(both)]
    assert found == [
        (0, "b", 5),
        (0, "a", 20),
        (0, "b", 40),
        (0, "a", 60),
        (1, "b", 3),
        (1, "a", 7),
    ]
    assert {trial.condition for trial in listed(both, ["b"])} == {"b"}
    assert listed(both, None) == listed(both, False) == []


def test_trials_of__does_not_depend_on_the_names_of_conditions():
    times = [4.0, 16.0, 29.0, 45.0, 61.0, 80.0]
    one = listed(experiment({"a": events(times[:3]), "b": events(times[3:])}))
    other = listed(experiment({"b": events(times[::2]), "a": events(times[1::2])}))
    assert [t._replace(condition="") for t in one] == [t._replace(condition="") for t in other]


def test_trials_of__orders_events_of_one_time_whatever_they_are_called():
    brief, long = events([10, 40]), events([10, 40], 12.0)
    one, other = experiment({"a": brief, "b": long}), experiment({"b": brief, "a": long})
    assert [t.duration for t in listed(one)] == [t.duration for t in listed(other)] == [0, 12] * 2


def test_trials_of__counts_the_scans_that_see_an_event():
    censored = np.zeros(60, bool)
    censored[[3, 10, 11]] = True
    run = Run(60, 2.0, {"a": events([0.5, 12.0, 30.0, 110.0], durations=3.0)}, censored=censored)
    for trial in listed(Experiment(("a",), (run,))):
        expected = 0
        for scan in range(60):
            if trial.onset < 2 * scan < trial.onset + 3 + LENGTH and not censored[scan]:
                expected += 1
        assert (trial.n_scans, trial.reason) == (expected, "")


@pytest.mark.parametrize(
    ("change", "onset", "reason"),
    [
        ({"amplitudes": [1, 0, 1]}, 40.0, "its amplitude is 0"),
        ({}, 130.0, "it is outside the scans"),
        ({}, -40.0, "it is outside the scans"),
    ],
)
def test_trials_of__keeps_an_event_without_a_level_with_its_reason(change, onset, reason):
    found = listed(experiment({"a": events([10.0, onset, 70.0], **change)}))
    assert len(found) == 3
    assert {trial.onset: trial.reason for trial in found} == {10.0: "", onset: reason, 70.0: ""}


def test_trials_of__lists_events_that_reading_left_out():
    inside = experiment({"a": events([10.0, 50.0])})
    run = replace(inside.runs[0], outside={"a": events([150.0])})
    found = listed(Experiment(("a",), (run,)))
    assert [(t.onset, t.reason) for t in found] == [
        (10.0, ""),
        (50.0, ""),
        (150.0, "it is outside the scans"),
    ]


def test_trials_of__keeps_an_event_all_of_whose_scans_are_censored():
    censored = np.zeros(60, bool)
    censored[15:45] = True
    run = Run(60, 2.0, {"a": events([5.0, 32.0])}, censored=censored)
    seen, hidden = listed(Experiment(("a",), (run,)))
    assert not seen.reason
    assert (hidden.n_scans, hidden.reason) == (0, "all scans that see it are censored")


def test_trials_of__refuses_two_events_at_one_time_and_names_both():
    at_once = experiment({"a": events([10, 40]), "b": events([40.0004, 70])})
    with pytest.raises(InputError, match=r"run 1 events of 'a' and 'b' are both at 40 s.*pooled"):
        listed(at_once)


def test_trials_of__pools_events_at_one_time_if_told_to():
    at_once = experiment({"a": events([10, 40]), "b": events([40, 70], durations=1.0)})
    found = listed(at_once, simultaneous="pooled")
    assert [(t.condition, t.onset, t.duration) for t in found] == [
        ("a", 10, 0),
        ("a + b", 40, 1),
        ("b", 70, 1),
    ]


def test_trials_of__pools_in_the_order_of_onsets_whatever_events_are_called():
    times = {"a": ([10.0, 40.0], 0.0), "b": ([10.0005, 40.0], 12.0), "c": ([10.0009, 40.0], 1.0)}
    lists = []
    for names in ("abc", "bca", "cab"):
        of_names = {name: events(*times[one]) for name, one in zip(names, "abc", strict=True)}
        found = listed(experiment(of_names), simultaneous="pooled")
        lists.append([t._replace(condition="") for t in found])
    assert lists[0] == lists[1] == lists[2]
    onsets = [t.onset for t in lists[0]]
    assert onsets == sorted(onsets)
    assert [t.duration for t in lists[0]] == [1, 12, 1, 12]


def test_trials_of__confuses_an_event_of_amplitude_0_with_none():
    found = listed(experiment({"a": events([10, 40], amplitudes=[1, 0]), "b": events([40, 70])}))
    assert [(t.condition, bool(t.reason)) for t in found] == [
        ("a", False),
        ("a", True),
        ("b", False),
        ("b", False),
    ]


def test_trials_of__takes_events_of_one_time_apart_whose_durations_differ():
    assert len(listed(experiment({"a": events([10], 0.0), "b": events([10], 12.0)}))) == 2


def test_trials_of__leaves_out_what_modulates_the_events_of_another():
    both = experiment(
        {"a": events([10, 40, 70]), "rt": events([10, 40, 70], amplitudes=[-1, 2, -1])}
    )
    assert modulated(both) == {"rt": "a"}
    found = listed(both)
    assert {trial.condition for trial in found} == {"a"}
    (note,) = trial_notes(both, found, [50])
    assert "'rt' modulates the events of 'a'" in note
    with pytest.raises(InputError, match=r"'rt' modulates the events of 'a'.*take 'a'"):
        listed(both, ["rt"])


@pytest.mark.parametrize(
    ("given", "settings", "message"),
    [
        ("audi", {}, "single_trials: no condition is called 'audi': did you mean audio"),
        (["all"], {}, "no condition is called 'all': known are audio"),
        (
            True,
            {"trial_hyper": "run"},
            "trial_hyper is run, and there is one run with trials only: take all",
        ),
    ],
)
def test_trials_of__refuses_what_cannot_be(given, settings, message):
    with pytest.raises(InputError, match=message):
        listed(experiment({"audio": events([10, 40])}), given, **settings)


def test_trials_of__refuses_conditions_of_which_no_event_is_seen():
    with pytest.raises(InputError, match="no event of these conditions reaches a scan"):
        listed(experiment({"a": events([150]), "b": events([20])}), ["a"])


def test_trials_of__takes_one_run_and_one_trial_of_a_condition():
    found = listed(experiment({"a": events([10]), "b": events([30, 60, 80])}))
    assert sum(trial.condition == "a" and not trial.reason for trial in found) == 1


def test_trial_notes__say_what_is_doubtful():
    many = experiment({"a": events([3.0 * k for k in range(1, 36)])}, n_scans=60)
    free = n_free_scans(many, ModelSettings())
    assert f"run 1 has 35 trials and {free[0]} scans" not in "".join(trial_notes(many, [], free))
    assert any("35 trials and 40 scans" in note for note in trial_notes(many, listed(many), [40]))
    assert not trial_notes(many, listed(many), [44])
    blocks = experiment({"a": events([5.0, 60.0], durations=31.0)})
    assert any(
        "events last up to 31 s" in note for note in trial_notes(blocks, listed(blocks), [50])
    )
    late = experiment({"a": events([5.0, 160.0])})
    (note,) = trial_notes(late, listed(late), [50])
    assert "1 of 2 have no level (NaN), the first of 'a' at 160 s in run 1: it is outside" in note


def test_n_free_scans__counts_scans_less_nuisance_of_each_run():
    rng = np.random.default_rng(2)
    censored = np.zeros(80, bool)
    censored[3:9] = True
    runs = (
        Run(60, 2.0, {"a": events([10])}),
        Run(80, 2.0, {"a": events([10])}, rng.normal(size=(80, 4)), censored),
    )
    both = Experiment(("a",), runs)
    P = experiment_nuisance(both, ModelSettings())
    expected = [60 - np.linalg.matrix_rank(P[:60]), 80 - np.linalg.matrix_rank(P[60:])]
    assert n_free_scans(both, ModelSettings()) == expected


def test_trial_regressors__are_those_of_a_condition_for_each_trial():
    rng = np.random.default_rng(5)
    censored = np.zeros(60, bool)
    censored[[4, 20, 21]] = True
    runs = (
        Run(60, 1.7, {"a": events([0.3, 33.1, 101.0]), "b": events([17.7, 60.2], 4.5)}),
        Run(60, 1.7, {"a": events([-10.0, 25.0], 2.0), "b": events([44.4])}, censored=censored),
    )
    both = Experiment(("a", "b"), runs)
    dt, n_hrf = 0.8, n_hrf_coefficients(LENGTH, 0.8)
    h = rng.normal(size=n_hrf)
    trials = listed(both)
    Z = trial_regressors(trial_designs(both, trials, dt, n_hrf), trials, [60, 60], h)
    for number, run in enumerate(runs):
        mine = [trial for trial in trials if trial.run == number]
        alone = {f"{k:03}": events([t.onset], t.duration) for k, t in enumerate(mine)}
        apart = Experiment(tuple(alone), (Run(60, 1.7, alone),))
        expected = experiment_design(apart, dt, n_hrf) @ h
        expected[~run.kept] = 0
        np.testing.assert_allclose(Z[number], expected, atol=1e-12)


def test_trials_as_one__puts_all_trials_into_one_condition_of_equal_amplitudes():
    both = experiment(
        {
            "a": events([10, 40], amplitudes=[1, 3]),
            "b": events([25.0]),
            "c": events([70.0]),
            "rt": events([25.0], amplitudes=2),
        },
        {"b": events([15.0, 150.0]), "rt": events([15.0], amplitudes=5)},
    )
    one = trials_as_one(both, listed(both, ["a", "b"]))
    assert one.conditions == ("trials", "c")  # not `rt`, which modulates events of trials
    np.testing.assert_array_equal(one.runs[0].events["trials"].onsets, [10, 25, 40])
    np.testing.assert_array_equal(one.runs[0].events["trials"].amplitudes, [1, 1, 1])
    np.testing.assert_array_equal(one.runs[1].events["trials"].onsets, [15.0])
    np.testing.assert_array_equal(one.runs[0].events["c"].onsets, [70.0])
    named = Experiment(("trials",), (Run(60, 2.0, {"trials": events([10, 40])}),))
    assert trials_as_one(named, listed(named)).conditions == ("trials",)


def test_trials_as_one__leaves_out_events_at_the_time_of_a_trial():
    all_three = experiment(
        {
            "face": events([10, 40]),
            "house": events([25.0]),
            "noise": events([55.0]),
            "stim": events([10, 25, 40, 55]),
            "cue": events([25.0, 25.5, 40.0]),
            "early": events([9.5, 39.5, 70.0]),
        },
        {"face": events([10.0]), "cue": events([70.0], 3.0)},
    )
    trials = listed(all_three, ["face", "house"])
    one = trials_as_one(all_three, trials)
    assert one.conditions == ("trials", "cue", "early", "noise", "stim")
    np.testing.assert_array_equal(one.runs[0].events["stim"].onsets, [55])
    np.testing.assert_array_equal(one.runs[0].events["cue"].onsets, [25.5])
    np.testing.assert_array_equal(one.runs[0].events["early"].onsets, [9.5, 39.5, 70])
    np.testing.assert_array_equal(one.runs[1].events["cue"].durations, [3])
    notes = [note for note in trial_notes(all_three, trials, [50, 50]) if "at the times" in note]
    assert [note.split("'")[1] for note in notes] == ["cue", "stim"]


def test_trials_as_one__knows_conditions_with_a_plus_in_their_names():
    both = experiment({"a + b": events([10, 40]), "a": events([25.0]), "c": events([40.0, 60.0])})
    assert trials_as_one(both, listed(both, ["a + b"])).conditions == ("trials", "a", "c")
    pooled = listed(both, ["a + b", "c"], simultaneous="pooled")
    assert [trial.condition for trial in pooled] == ["a + b", "a + b + c", "c"]
    alone = experiment({"a + b": events([10, 40]), "c": events([40.0, 60.0])})
    pooled = listed(alone, ["a + b", "c"], simultaneous="pooled")
    assert trials_as_one(alone, pooled).conditions == ("trials",)
