"""An estimator travels as a text, and estimates to the same bits on the other side."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.data import Events, Experiment, Parcel, Run
from pyhrf.estimators import JDEMCMC, JDEVEM, RFIR
from pyhrf.estimators.glm import GLM
from pyhrf.execution.packing import pack_estimates
from pyhrf.execution.recipe import from_recipe, to_recipe


class Holder:
    """Holds whatever it is given."""

    name = "holder"

    def __init__(self, value=None):
        self.value = value

    def recipe(self):
        return {"value": self.value}

    def fit_parcel(self, parcel):
        raise NotImplementedError


def experiment() -> Experiment:
    rng = np.random.default_rng(2)
    runs = tuple(
        Run(
            90,
            2.1,
            {
                name: Events(
                    np.sort(rng.uniform(0, 150, 12)), rng.uniform(0, 1 / 3, 12), rng.random(12)
                )
                for name in ("é b", "c")
            },
            confounds=rng.normal(size=(90, 2)),
            censored=np.arange(90) == 33,
        )
        for _ in range(2)
    )
    return Experiment(("é b", "c"), runs)


CONTRASTS = {"d": {"é b": 1, "c": -1 / 3}}


@pytest.mark.parametrize(
    "estimator",
    [
        JDEVEM(experiment(), dt=0.7, hrf_duration=21.0, tolerance=1e-3, contrasts=CONTRASTS),
        JDEMCMC(experiment(), n_iterations=80, n_burn_in=20, contrasts=CONTRASTS, seed=7),
        RFIR(experiment(), n_iterations=20, contrasts=CONTRASTS),
        GLM(experiment(), model="fir", fir_delays=(0.0, 4.2, 8.4), contrasts=CONTRASTS),
    ],
    ids=lambda estimator: estimator.name,
)
def test_recipe__estimates_to_the_same_bits(estimator):
    parcel = Parcel(
        5,
        np.random.default_rng(1).normal(size=(180, 12)).astype(np.float32),
        np.column_stack([np.arange(11), np.arange(1, 12)]).astype(np.int32),
        np.arange(12),
    )
    text = to_recipe(estimator)
    other = from_recipe(text)
    assert type(other) is type(estimator)
    assert to_recipe(other) == text
    assert pack_estimates([other.fit_parcel(parcel)]) == pack_estimates(
        [estimator.fit_parcel(parcel)]
    )


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    )
)
def test_recipe__plain_values_arrive_as_they_were(value):
    arrived = from_recipe(to_recipe(Holder(value))).value
    assert arrived == value
    assert repr(arrived) == repr(value), "0.0 and -0.0 are equal, True and 1 are"


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool"])
def test_recipe__arrays_arrive_with_their_bits(dtype):
    array = (
        np.random.default_rng(0).normal(size=(3, 0, 2) if dtype == "bool" else (4, 3)).astype(dtype)
    )
    arrived = from_recipe(to_recipe(Holder(array))).value
    assert (arrived.dtype, arrived.shape) == (array.dtype, array.shape)
    assert arrived.tobytes() == array.tobytes()


def test_to_recipe__refuses_what_does_not_travel():
    with pytest.raises(TypeError, match=r"object cannot be sent .* no recipe"):
        to_recipe(object())
    with pytest.raises(TypeError, match="value is a set"):
        to_recipe(Holder({1}))
    with pytest.raises(TypeError, match="value holds complex128"):
        to_recipe(Holder(np.zeros(1, complex)))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "not the recipe"),
        (b"[]", "not the recipe"),
        (b'{"format": 2, "class": "a:b", "arguments": {}}', "format 2"),
        (b'{"format": 1, "class": "os:system", "arguments": {}}', "os:system is no estimator"),
        (b'{"format": 1, "class": "nowhere:A", "arguments": {}}', "nowhere:A is not there"),
    ],
)
def test_from_recipe__refuses_what_is_no_recipe(text, message):
    with pytest.raises(ValueError, match=message):
        from_recipe(text)


def test_to_recipe__is_plain_json():
    content = json.loads(to_recipe(Holder((1, 0.1))))
    assert content["class"].endswith("test_recipe:Holder")
    assert content["arguments"] == {"value": {"tuple": [1, 0.1]}}
