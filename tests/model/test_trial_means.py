"""Trials whose mean nothing could tell are refused; all others are not."""

from __future__ import annotations

import numpy as np
import pytest

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError
from pyhrf.model.trial_means import check_trial_means
from pyhrf.model.trials import trials_of
from pyhrf.parameters.model import ModelSettings
from pyhrf.parameters.trials import TrialSettings

N_SCANS = 95
BLOCKS = 6 + 34.0 * np.arange(5)
IN_BLOCKS = (BLOCKS[:, None] + 4.0 * np.arange(5)).ravel()


def events(onsets: object, duration: float = 0.0) -> Events:
    times = np.asarray(onsets, float)
    return Events(times, np.full(len(times), duration), np.ones(len(times)))


def check(*runs: Run, names: str = "a", by_condition: bool = False) -> None:
    found = Experiment(tuple(sorted({name for run in runs for name in run.events})), runs)
    trials = trials_of(found, TrialSettings(single_trials=list(names)), hrf_duration=25.0)
    check_trial_means(found, trials, ModelSettings(), by_condition=by_condition)


FILLED = Run(N_SCANS, 2.0, {"a": events(IN_BLOCKS, 4.0), "block": events(BLOCKS, 20.0)})
ALWAYS = Run(N_SCANS, 2.0, {"a": events(6.0 * np.arange(-5, 33), 6.0)})


@pytest.mark.parametrize("run", [FILLED, ALWAYS])
def test_mean_that_others_make__is_refused(run):
    with pytest.raises(InputError, match="the mean of these trials cannot be told from what"):
        check(run)


def test_mean_that_others_nearly_make__is_not_refused():
    check(Run(N_SCANS, 2.0, {"a": events(IN_BLOCKS, 3.8), "block": events(BLOCKS, 20.0)}))
    check(Run(N_SCANS, 2.0, {"a": events(6.0 * np.arange(33), 6.0)}))
    check(Run(N_SCANS, 2.0, {"a": events([30.0])}))


def test_mean_that_one_run_tells__is_not_refused():
    check(ALWAYS, Run(N_SCANS, 2.0, {"a": events(20.0 * np.arange(6), 6.0)}))


def test_mean_of_a_condition__may_be_what_that_of_all_is_not():
    half = IN_BLOCKS.reshape(5, 5)
    run = Run(
        N_SCANS,
        2.0,
        {
            "a": events(half[:3].ravel(), 4.0),
            "b": events(half[3:].ravel() + 0.7, 3.0),
            "block": events(BLOCKS[:3], 20.0),
        },
    )
    check(run, names="ab")
    with pytest.raises(InputError, match="cannot be told"):
        check(run, names="ab", by_condition=True)
