"""No estimate is called good while its maps hold infinite values."""

from __future__ import annotations

import numpy as np
import pytest

import pyhrf
from pyhrf.data import Events, Experiment, Parcel, Run
from pyhrf.errors import InputError
from pyhrf.estimators.glm import GLM
from pyhrf.parameters.glm import GLMModel
from pyhrf.parameters.model import NoiseKind

ONSETS = np.arange(5.0, 100.0, 11.0)
EVENTS = {"a": Events(ONSETS, np.zeros(len(ONSETS)), np.ones(len(ONSETS)))}


def parcel(bold: np.ndarray) -> Parcel:
    n = bold.shape[1]
    return Parcel(1, bold.astype(np.float32), np.empty((0, 2), np.int32), np.arange(n))


def test_glm__fails_where_a_run_is_too_short_for_its_noise() -> None:
    noise: NoiseKind = "ar1"
    experiment = Experiment(("a",), (Run(58, 2.0, EVENTS), Run(2, 2.0, {})))
    bold = np.random.default_rng(0).normal(100, 1, (60, 4))
    estimate = GLM(experiment, noise=noise).fit_parcel(parcel(bold))
    assert estimate.status == "failed"
    assert "noise_sd" in estimate.reason


def test_glm__leaves_out_the_positions_whose_numbers_are_too_large() -> None:
    noise: NoiseKind = "white"
    experiment = Experiment(("a",), (Run(58, 2.0, EVENTS),))
    bold = np.random.default_rng(0).normal(100, 1, (58, 4))
    usual = GLM(experiment, noise=noise).fit_parcel(parcel(bold))
    bold[:, 1] *= 1e30
    estimate = GLM(experiment, noise=noise).fit_parcel(parcel(bold))
    assert estimate.status == "ok"
    for name, values in estimate.maps.items():
        assert np.isnan(values[1]).all()
        np.testing.assert_array_equal(np.delete(values, 1, 0), np.delete(usual.maps[name], 1, 0))
    bold[:] *= 1e30
    bold[:, 1] /= 1e30
    assert GLM(experiment, noise=noise).fit_parcel(parcel(bold)).status == "failed"


@pytest.mark.parametrize("model", ["canonical", "fir"])
@pytest.mark.parametrize("value", [1e12, 1e18, 1e30, 3e38])
def test_glm__one_value_that_is_too_large_costs_one_position(value: float, model: GLMModel) -> None:
    rng = np.random.default_rng(0)
    bold = rng.normal(100, 1, (58, 40))
    bold[1:] += 0.4 * bold[:-1]
    glm = GLM(Experiment(("a",), (Run(58, 2.0, EVENTS),)), model=model)
    without = glm.fit_parcel(parcel(np.delete(bold, 7, 1)))
    bold[20, 7] = value
    estimate = glm.fit_parcel(parcel(bold))
    assert estimate.status == "ok"
    for name, values in estimate.maps.items():
        assert (value < 1e20) == np.isfinite(values[7]).all(), name
        np.testing.assert_allclose(
            np.delete(values, 7, 0), without.maps[name], rtol=1e-5, atol=1e-6, err_msg=name
        )
    if value > 1e20:  # nothing of the parcel is of this position
        assert estimate.summary == pytest.approx(without.summary)
        for name, numbers in without.conditions.items():
            np.testing.assert_allclose(estimate.conditions[name], numbers, rtol=1e-6)
        np.testing.assert_allclose(estimate.hrf["hrf"], without.hrf["hrf"], atol=1e-6)


@pytest.mark.parametrize("estimator", [pyhrf.JDEVEM, pyhrf.JDEMCMC])
@pytest.mark.parametrize("seed", [-1, 1.5])
def test_estimators__refuse_seeds_that_are_none(estimator: type, seed: float) -> None:
    experiment = Experiment(("a",), (Run(58, 2.0, EVENTS),))
    with pytest.raises(InputError, match="seed is "):
        estimator(experiment, seed=seed)
