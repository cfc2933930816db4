"""Levels of each run, and the contrasts of them."""

import numpy as np
import pytest

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError
from pyhrf.model.design import experiment_design
from pyhrf.model.levels import levels_per_run, spread_weights


def events(*onsets):
    return Events(np.array(onsets, float), np.zeros(len(onsets)), np.ones(len(onsets)))


def two_runs(*names):
    one, two = names
    return Experiment(
        names,
        (
            Run(30, 2.0, {one: events(3.0, 20.0), two: events(10.0)}),
            Run(25, 1.5, {one: events(5.5)}),
        ),
    )


def test_levels_per_run__every_run_has_columns_of_its_own():
    shared = two_runs("a", "b")
    split, parts = levels_per_run(shared)
    assert split.conditions == ("a_run1", "a_run2", "b_run1")
    assert parts == {"a": ("a_run1", "a_run2"), "b": ("b_run1",)}
    X, each = (experiment_design(one, 1.0, 8) for one in (shared, split))
    # the columns of a condition are the sum of those of its runs, of which each is in one run
    np.testing.assert_array_equal(each[:, 0] + each[:, 1], X[:, 0])
    np.testing.assert_array_equal(each[:, 2], X[:, 1])
    assert not each[30:, 0].any()
    assert not each[:30, 1].any()


def test_levels_per_run__refuses_a_name_that_is_taken():
    with pytest.raises(InputError, match="the condition 'a_run2' has the name"):
        levels_per_run(two_runs("a", "a_run2"))


def test_spread_weights__takes_the_mean_over_runs():
    parts = {"a": ("a_run1", "a_run2"), "b": ("b_run1",)}
    found = spread_weights({"a": 1.0, "b": -1.0, "a_run2": 0.25}, parts)
    assert found == {"a_run1": 0.5, "a_run2": 0.75, "b_run1": -1.0}
    assert spread_weights({"a": 1.0, "a_run1": -0.5}, parts) == {"a_run2": 0.5}
