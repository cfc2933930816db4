"""One declaration of a parameter, one entry of an estimator: all else follows from them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from importlib import import_module

import pytest

from pyhrf.commands.parameter_options import parameter_options, take_parameters
from pyhrf.config.study import Study
from pyhrf.errors import ConfigError
from pyhrf.parameters.declare import EstimatorSettings, Option, documented, parameter
from pyhrf.parameters.estimators import (
    ESTIMATORS,
    PROGRAMS,
    declared_options,
    kinds_of,
    own_parameters,
)
from pyhrf.parameters.model import ModelSettings


@dataclass(frozen=True, kw_only=True)
class ToySettings(EstimatorSettings):
    """A toy."""

    width: float | None = parameter(
        None, gt=0, description="Width of it", allowed="> 0", unit="mm", empty="any width"
    )
    kind: str = parameter("round", description="Form of it", option=Option("-k --kind"))


@pytest.mark.parametrize("kind", ESTIMATORS.values(), ids=ESTIMATORS)
def test_estimators__take_what_is_declared_and_say_so(kind):
    module, _, name = kind.home.partition(":")
    made = getattr(import_module(module), name)
    assert made.name == kind.name
    assert issubclass(made, kind.settings)
    shared = {one.name for one in fields(ModelSettings)} - set(kind.unused)
    declared = shared | {one.name for one in fields(kind.settings)}
    assert set(inspect.signature(made).parameters) == declared | {"experiment", "contrasts"}
    for parameter_name in declared:
        assert f"\n    {parameter_name} : " in made.__doc__


@pytest.mark.parametrize("kind", ESTIMATORS.values(), ids=ESTIMATORS)
def test_estimators__have_the_defaults_of_a_study(kind):
    study = Study.build(estimator=kind.name)
    assert (study.model, study.own) == (ModelSettings(), kind.settings())


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
def test_parameter_options__are_all_that_are_declared(program):
    kinds = kinds_of(program)
    made = {option.name: option for option in parameter_options(kinds)}
    declared = declared_options(kinds)
    assert list(made) == ["__".join(place) for place in declared]
    for place, (first, *_) in declared.items():
        assert made["__".join(place)].opts == first.metadata["option"].names.split()
    of_bids = {option.name for option in parameter_options(ESTIMATORS.values(), in_bids=True)}
    assert {"data__scaling", "confounds__columns", "own__n_iterations"} <= of_bids
    assert "data__tr" not in of_bids


def test_take_parameters__leaves_the_other_options():
    options = {"output": 1, "data__tr": 2.0, "own__model": None, "own__n_iterations": 0}
    taken = take_parameters(options)
    assert taken == {"data": {"tr": 2.0}, "own": {"n_iterations": 0}}
    assert options == {"output": 1}


def test_own_parameters__of_another_estimator_are_refused():
    assert own_parameters(ESTIMATORS["rfir"], {"n_iterations": 3}) == {"n_iterations": 3}
    with pytest.raises(ConfigError, match=r"^-n sets .*, and the GLM has none: leave it out$"):
        own_parameters(ESTIMATORS["glm"], {"n_iterations": 3})


def test_own_parameters__are_completed_by_what_follows():
    mcmc, glm = ESTIMATORS["jde-mcmc"], ESTIMATORS["glm"]
    assert own_parameters(mcmc, {"n_iterations": 300}) == {"n_iterations": 300, "n_burn_in": 100}
    assert own_parameters(glm, {"fir_delays": "0 2"}) == {"fir_delays": "0 2", "model": "fir"}


def test_of_model__puts_parameters_where_the_study_file_has_them():
    given = {"dt": 0.5, "drift": "none", "seed": 3}
    values = Study.of_model(given)
    assert values == {"hrf": {"dt": 0.5}, "drift": {"kind": "none"}, "seed": 3}
    assert Study.build(**values).model == ModelSettings(**given)


def test_documented__lists_parameters_with_range_unit_and_default():
    @documented
    @dataclass(frozen=True, kw_only=True)
    class Toy(ToySettings):
        """Toy.

        Parameters
        ----------
        {parameters}
        """

    text = " ".join((Toy.__doc__ or "").split())
    assert "Width of it (mm). Allowed: > 0. Default: None, that is any width." in text
    assert "kind : str Form of it. Default: round." in text
