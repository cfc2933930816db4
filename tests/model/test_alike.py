"""Conditions that can hardly be told apart are named, others are not."""

import numpy as np
import pytest
from scipy.stats import gamma

from pyhrf.data import Events, Experiment, Run
from pyhrf.model.alike import alike_conditions
from pyhrf.parameters.model import ModelSettings

MODEL = ModelSettings(dt=0.5)
N_SCANS, TR = 200, 2.0
ONSETS = np.cumsum(np.random.default_rng(0).uniform(8, 16, 28)).round(1)


def events(onsets, duration=0.0, amplitudes=1.0):
    onsets = np.asarray(onsets, dtype=float)
    return Events(onsets, np.full(len(onsets), duration), amplitudes + 0 * onsets)


def experiment(*runs, confounds=None):
    names = tuple(dict.fromkeys(name for run in runs for name in run))
    return Experiment(names, tuple(Run(N_SCANS, TR, run, confounds) for run in runs))


def convolved(onsets):
    """Regressor of impulses on a fine grid, without the drifts: the long way round."""
    step = 0.1
    time = np.arange(0, 30, step)
    h = gamma.pdf(time, 6) - gamma.pdf(time, 16) / 6
    train = np.zeros(int(N_SCANS * TR / step) + 1)
    train[np.round(np.asarray(onsets) / step).astype(int)] = 1
    signal = np.convolve(train, h)[np.round(np.arange(N_SCANS) * TR / step).astype(int)]
    n = np.arange(N_SCANS) + 0.5
    order = np.arange(int(2 * N_SCANS * TR / 128) + 1)
    drifts = np.cos(np.pi * np.outer(n, order) / N_SCANS)
    return signal - drifts @ np.linalg.lstsq(drifts, signal, rcond=None)[0]


@pytest.mark.parametrize("later", [0.5, 1.0, 1.5, 2.0, 4.0, 6.0])
def test_alike_conditions__are_events_that_closely_follow_others(later):
    found = alike_conditions(
        experiment({"cue": events(ONSETS), "go": events(ONSETS + later)}), MODEL
    )
    expected = np.corrcoef(convolved(ONSETS), convolved(ONSETS + later))[0, 1]
    assert len(found) == (expected > 0.7)
    if found:
        assert found[0].startswith("the responses to 'cue' and 'go' can hardly be told apart")
        assert f"correlate by {expected:.2f}," in found[0]
        assert "make one condition of them" in found[0]
    assert bool(found) == (later <= 1.5)


def test_alike_conditions__are_blocks_that_fill_each_others_pauses():
    starts = np.arange(8.0, 360, 32)
    for pause, named in ((0.0, True), (10.0, False)):
        blocks = {
            "left": events(starts, 16 - pause),
            "right": events(starts + 16, 16 - pause),
        }
        found = alike_conditions(experiment(blocks), MODEL)
        assert bool(found) == named
        if named:
            assert "correlate by -0.9" in found[0]
            assert "baseline" in found[0]


def test_alike_conditions__are_looked_for_without_confounds():
    late = ONSETS + 4
    given = experiment({"cue": events(ONSETS), "go": events(late)})
    assert not alike_conditions(given, MODEL)
    # What differs between the two is a confound: of the rest both say the same.
    difference = (convolved(ONSETS) - convolved(late))[:, None]
    given = experiment({"cue": events(ONSETS), "go": events(late)}, confounds=difference)
    assert "'cue' and 'go'" in alike_conditions(given, MODEL)[0]


def test_alike_conditions__of_different_runs_are_not():
    assert not alike_conditions(experiment({"a": events(ONSETS)}, {"b": events(ONSETS)}), MODEL)


def test_alike_conditions__leave_modulations_to_their_own_warning():
    amplitudes = 5 + np.random.default_rng(1).normal(size=len(ONSETS))
    modulation = events(ONSETS, amplitudes=amplitudes)
    other = events(ONSETS, amplitudes=amplitudes + 0.2 * np.sin(ONSETS))
    assert not alike_conditions(experiment({"a": events(ONSETS), "b": modulation}), MODEL)
    assert len(alike_conditions(experiment({"a": other, "b": modulation}), MODEL)) == 1


def test_alike_conditions__many_pairs_are_counted_the_worst_are_named():
    conditions = {f"c{k}": events(ONSETS + 0.1 * k) for k in range(5)}
    found = alike_conditions(experiment(conditions), MODEL)
    assert len(found) == 6
    assert "'c0' and 'c4'" not in " ".join(found)
    assert found[-1] == "5 more pairs of conditions correlate by more than 0.7"


def test_alike_conditions__a_condition_that_nuisance_explains_is_like_none():
    whole = events([-30.0], 500.0)
    assert not alike_conditions(experiment({"all": whole, "a": events(ONSETS)}), MODEL)
