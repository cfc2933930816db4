"""Models keep the contract of scikit-learn, and their parameters are those that are declared."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import estimator_checks

import pyhrf
from pyhrf.parameters.estimators import ESTIMATORS
from pyhrf.parameters.model import ModelSettings

MODELS = [pyhrf.JDE, pyhrf.RFIR, pyhrf.GLM]


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(
    "check",
    [
        "check_estimator_cloneable",
        "check_estimator_repr",
        "check_get_params_invariance",
        "check_set_params",
        "check_no_attributes_set_in_init",
        "check_valid_tag_types",
    ],
)
def test_checks_of_scikit_learn(kind: Any, check: str) -> None:
    getattr(estimator_checks, check)(kind.__name__, kind())


@pytest.mark.parametrize("kind", MODELS)
def test_every_declared_parameter_is_an_argument_with_its_default(kind: Any) -> None:
    arguments = inspect.signature(kind).parameters
    for estimator in kind._kinds.values():
        assert ESTIMATORS[estimator.name] is estimator
        declared = {one.name: one for one in fields(estimator.settings)} | {
            one.name: one for one in fields(ModelSettings) if one.name not in estimator.unused
        }
        for name, one in declared.items():
            assert arguments[name].default in (one.default, None)
            assert f"    {name} : " in kind.__doc__


def test_parameters_survive_clone_and_show() -> None:
    model = pyhrf.JDE(30, noise="white", n_iterations=7)
    assert clone(model).get_params() == model.get_params()
    assert repr(model) == "JDE(n_iterations=7, noise='white', parcellation=30)"
    with pytest.raises(TypeError, match="no parameter n_iteration: did you mean n_iterations"):
        pyhrf.JDE(n_iteration=7)


@pytest.mark.parametrize(
    "call",
    [
        lambda model: model.predict(),
        lambda model: model.residuals_(),
        lambda model: model.r_square_(),
        lambda model: model.score(None, None),
        lambda model: model.compute_contrast("a"),
        lambda model: model.generate_report(),
        lambda model: model.hrf_,
        lambda model: model.parcels_,
        lambda model: model.conditions_,
        lambda model: model.regions_,
        lambda model: model.plot_hrf(),
        lambda model: model.map("nrl_a"),
        lambda model: model.results_,
        lambda model: model.save("there"),
        lambda model: model.to_study("there"),
    ],
)
def test_what_needs_a_fit_says_so(call: Any) -> None:
    with pytest.raises(NotFittedError, match="not fitted yet"):
        call(pyhrf.JDE(30))
