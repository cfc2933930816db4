"""The examples that users read in the docstrings of model and estimators."""

import doctest
import importlib
import pkgutil

import pytest

import pyhrf.estimators
import pyhrf.model

NAMES = [
    module.name
    for package in (pyhrf.model, pyhrf.estimators)
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", ["pyhrf.data", *NAMES])
def test_docstrings__examples_do_what_they_show(name):
    result = doctest.testmod(importlib.import_module(name), report=True)
    assert result.failed == 0


def test_docstrings__the_estimator_has_an_example():
    finder = doctest.DocTestFinder()
    found = finder.find(pyhrf.estimators.JDEVEM, "JDEVEM")
    assert any(test.examples for test in found)
