"""Every study gets the estimator that it names, with all that the study says."""

from __future__ import annotations

import inspect
from dataclasses import fields

import numpy as np
import pytest

from pyhrf.config.study import Study
from pyhrf.data import Events, Experiment, Run
from pyhrf.estimation import code_versions, make_estimator, numerics_version
from pyhrf.parameters.estimators import ESTIMATORS
from pyhrf.parameters.model import ModelSettings

ONSETS = np.arange(5.0, 260.0, 11.0)
EXPERIMENT = Experiment(("a",), (Run(150, 2.0, {"a": Events(ONSETS, np.zeros(24), np.ones(24))}),))
CHANGED = {
    "hrf": {"dt": 0.5, "duration": 20.0},
    "drift": {"kind": "polynomial", "cutoff": 100.0, "order": 3},
    "noise": {"kind": "white"},
    "vem": {"n_iterations": 7, "tolerance": 1e-3, "beta": 0.3, "min_positions": 4},
    "mcmc": {"n_iterations": 200, "n_burn_in": 50, "n_chains": 3, "start": "dispersed"},
    "rfir": {"n_iterations": 8, "tolerance": 1e-3, "ppm_threshold": 2.0, "min_positions": 3},
    "glm": {"model": "fir", "fir_delays": "0 2 4", "min_positions": 2},
    "seed": 5,
}
PLACES = {
    "dt": ("hrf", "dt"),
    "hrf_duration": ("hrf", "duration"),
    "drift": ("drift", "kind"),
    "drift_cutoff": ("drift", "cutoff"),
    "drift_order": ("drift", "order"),
    "noise": ("noise", "kind"),
}
SHARED = {one.name for one in fields(ModelSettings)}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_make_estimator__hands_on_every_parameter(name, monkeypatch):
    study = Study.build(estimator=name, **CHANGED)
    estimator = make_estimator(study, EXPERIMENT, {})
    assert estimator.name == name
    given = {}
    monkeypatch.setattr(
        type(estimator), "__init__", lambda _self, _e, **options: given.update(options)
    )
    make_estimator(study, EXPERIMENT, {"c": {"a": 1.0}})
    monkeypatch.undo()
    section = getattr(study, ESTIMATORS[name].section)
    for parameter in inspect.signature(type(estimator)).parameters:
        if parameter == "experiment":
            continue
        assert parameter in given, f"{parameter} never gets what the study says"
        if parameter == "contrasts":
            expected = {"c": {"a": 1.0}}
        elif parameter == "seed":
            expected = 5
        elif parameter in PLACES:
            place, field = PLACES[parameter]
            expected = getattr(getattr(study, place), field)
        elif parameter in SHARED:
            expected = getattr(study.model, parameter)
        else:
            expected = getattr(section, parameter)
        assert given[parameter] == expected, parameter


@pytest.mark.parametrize("name", ESTIMATORS)
def test_estimators__plan_their_work(name):
    estimator = make_estimator(Study.build(estimator=name), EXPERIMENT, {})
    assert 0 < estimator.cost(10) < estimator.cost(1000) or name == "glm"
    assert estimator.cost(1) > 0


def test_code_versions__name_nilearn_where_it_gives_the_numbers():
    own = {"version of the numerical code": str(numerics_version())}
    assert code_versions(Study()) == own
    glm = code_versions(Study.build(estimator="glm"))
    assert glm.keys() - own.keys() == {"version of nilearn"}
