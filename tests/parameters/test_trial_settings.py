"""Which conditions have single trials: one text for one choice, whatever names are."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.config.study import Study
from pyhrf.config.study_xml import read_study, write_study
from pyhrf.errors import ConfigError
from pyhrf.parameters.trials import TrialSettings, names_as_text, names_in

names = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), min_size=1)


@given(st.lists(names, min_size=1))
def test_names_in__reads_what_was_written(some):
    assert names_in(names_as_text(some)) == some


@pytest.mark.parametrize(
    ("given", "text", "conditions"),
    [
        (None, None, ()),
        (False, None, ()),
        (True, "all", None),
        (" all ", "all", None),
        ("audio,video", "audio, video", ("audio", "video")),
        (["audio", "video"], "audio, video", ("audio", "video")),
        (("go, left", "all"), "'go, left', 'all'", ("go, left", "all")),
        ("'all'", "'all'", ("all",)),
        ('"it\'s, here"', "'it''s, here'", ("it's, here",)),
    ],
)
def test_single_trials__are_one_text_in_a_study(tmp_path, given, text, conditions):
    study = Study.build(vem={"single_trials": given, "trial_hyper": "run" if text else "all"})
    assert study.vem.single_trials == text
    assert study.own.trial_conditions == conditions
    assert TrialSettings(single_trials=given).trial_conditions == conditions
    write_study(study, tmp_path / "study.xml")
    assert read_study(tmp_path / "study.xml").vem == study.vem
    content = (tmp_path / "study.xml").read_text()
    assert "<!-- Conditions of which each event has a level of its own" in content


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"single_trials": ","}, "<single_trials>: , is not allowed: must be all, or names"),
        ({"single_trials": []}, "<single_trials>: the value is not allowed: must be all, or"),
        ({"single_trials": 3}, "<single_trials>: 3 is not allowed: must be all, or names"),
        ({"single_trials": ["a", 3]}, "must be all, or names of conditions apart by commas"),
        ({"trial_prior": "condition"}, "<trial_prior>: condition is not allowed: it is about sin"),
        ({"trial_hyper": "run"}, "<trial_hyper>: run is not allowed: it is about single trials"),
        ({"simultaneous": "pooled"}, "<simultaneous>: pooled is not allowed: it is about single"),
    ],
)
def test_single_trials__that_cannot_be_are_refused(values, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        Study.build(vem=values)


def test_single_trials__and_levels_of_runs_do_not_go_together():
    values = {"data": {"levels": "per-run"}, "vem": {"single_trials": True}}
    with pytest.raises(
        ConfigError, match=r"^element <data><levels>: per-run is not allowed: a sin"
    ):
        Study.build(**values)
    assert Study.build(**values, estimator="glm").data.levels == "per-run"


def test_single_trials__are_in_the_key_of_a_study_and_what_is_said_of_none_is_not():
    without = Study().numerical_parameters()
    assert not {"vem.trial_prior", "vem.trial_hyper", "vem.simultaneous"} & without.keys()
    texts = ["audio,video", ["audio", "video"]]
    one, other = (Study.build(vem={"single_trials": x}).numerical_parameters() for x in texts)
    assert one == other != without
