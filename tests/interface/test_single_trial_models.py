"""Single trials of the model of the JDE: as its parameter, and for one fit."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import pyhrf
from pyhrf.errors import PyhrfError


def fast(example: Any, **parameters: Any) -> pyhrf.JDE:
    return pyhrf.JDE(example.atlas, engine="serial", n_iterations=2, **parameters)


def test_fit__takes_single_trials_as_if_they_were_the_parameter(
    example: Any, tmp_path: Path
) -> None:
    model = fast(example)
    model.fit(example.bold, example.events, single_trials=["cond1"])
    n_trials = int((example.events["trial_type"] == "cond1").sum())
    trials = model.map("trials")
    assert trials.shape == (*example.bold.shape[:3], n_trials)
    assert model.get_params()["single_trials"] is None
    same = fast(example, single_trials="cond1").fit(example.bold, example.events)
    np.testing.assert_array_equal(same.map("trials").get_fdata(), trials.get_fdata())
    study = model.to_study(tmp_path / "study")
    assert study.vem.single_trials == "cond1"
    again, data = pyhrf.model_of_study(tmp_path / "study" / "detectestim.xml")
    assert again.single_trials == "cond1"
    assert again.fit(**data).map("trials").shape == trials.shape
    model.fit(example.bold, example.events)
    assert "trials" not in model.results_.maps()


def test_fit__can_leave_out_the_single_trials_of_the_parameter(example: Any) -> None:
    model = fast(example, single_trials=True)
    model.fit(example.bold, example.events, single_trials=False)
    assert "trials" not in model.results_.maps()
    assert model.single_trials is True


@pytest.mark.parametrize("value", [True, "all", ["cond1"], None])
def test_single_trials__are_a_parameter_as_scikit_learn_has_them(value: Any) -> None:
    model = pyhrf.JDE(single_trials=value, trial_prior="condition")
    assert clone(model).get_params()["single_trials"] == value
    assert pyhrf.JDE().set_params(single_trials=value).single_trials is value


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"single_trials": ["cond3"]},
            "single_trials: no condition is called 'cond3': did you mean cond2 or cond1?",
        ),
        ({"single_trials": 3}, "single_trials: 3 is not allowed: must be all, or names of"),
        ({"trial_hyper": "run"}, "trial_hyper: run is not allowed: it is about single trials"),
        (
            {"single_trials": True, "levels": "per-run"},
            "levels: per-run is not allowed: a single trial has a level of its own",
        ),
        (
            {"single_trials": True, "method": "mcmc"},
            "single_trials goes with method='vem', not with 'mcmc': leave it out",
        ),
    ],
)
def test_fit__refuses_single_trials_that_cannot_be(
    example: Any, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(PyhrfError, match=re.escape(message)):
        fast(example, **parameters).fit(example.bold, example.events)


def test_fit__names_events_of_one_time_and_how_to_pool_them(example: Any) -> None:
    first = example.events.iloc[[0]]
    other = {"cond1": "cond2", "cond2": "cond1"}[first["trial_type"].item()]
    twice = pd.concat([example.events, first.assign(trial_type=other)])
    with pytest.raises(
        PyhrfError, match=r"'cond1' and 'cond2' are both at .*simultaneous=\"pooled"
    ):
        fast(example).fit(example.bold, twice, single_trials=True)
    model = fast(example, simultaneous="pooled").fit(example.bold, twice, single_trials=True)
    assert model.map("trials").shape[3] == len(example.events)


@pytest.mark.parametrize("kind", ["GLM", "RFIR"])
def test_fit__of_other_models_has_no_single_trials(example: Any, kind: str) -> None:
    with pytest.raises(TypeError, match="single_trials"):
        getattr(pyhrf, kind)(example.atlas).fit(example.bold, example.events, single_trials=True)
