"""Contrasts of a fitted model: those of nilearn, and those of an analysis that declares them."""

from __future__ import annotations

import warnings
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nilearn.glm.first_level import FirstLevelModel
from scipy.stats import norm

import pyhrf

OF_GLM = ["effect_size", "effect_variance", "stat", "z_score", "p_value", "F"]
OF_JDE = ["effect_size", "effect_variance", "stat", "probability"]


@pytest.fixture(scope="module")
def nilearn_model(example: Any) -> Any:
    model = FirstLevelModel(
        t_r=2.0,
        hrf_model="spm",
        drift_model="cosine",
        high_pass=1 / 128,
        mask_img=example.mask,
        signal_scaling=False,
        minimize_memory=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nilearn's, of events without duration and more
        return model.fit(example.bold, events=example.events)


@pytest.mark.parametrize("contrast", ["cond1", "cond1 - cond2", "0.5*cond1 + 0.5*cond2"])
@pytest.mark.parametrize("output_type", ["effect_size", "effect_variance", "stat", "z_score"])
def test_a_glm_is_that_of_nilearn(
    example: Any, nilearn_model: Any, contrast: str, output_type: str
) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, example.events)
    ours = model.compute_contrast(contrast, output_type).get_fdata()
    theirs = nilearn_model.compute_contrast(contrast, output_type=output_type).get_fdata()
    inside = np.asarray(example.mask.dataobj) > 0
    np.testing.assert_allclose(ours[inside], theirs[inside], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("make", "types"),
    [
        (lambda **k: pyhrf.GLM(**k), OF_GLM),
        (lambda **k: pyhrf.RFIR(**k), OF_JDE),
        (lambda **k: pyhrf.JDE(**k), OF_JDE),
        (lambda **k: pyhrf.JDE(method="mcmc", n_iterations=100, n_burn_in=50, **k), OF_JDE),
    ],
)
def test_a_contrast_asked_for_later_is_that_declared_before(
    example: Any, make: Any, types: list[str]
) -> None:
    asked = "cond1 - 0.5*cond2"
    arguments = {"parcellation": example.atlas, "engine": "serial"}
    before = make(contrasts={"some": asked}, **arguments).fit(example.bold, example.events)
    after = make(**arguments).fit(example.bold, example.events)
    for output_type in types:
        declared = before.compute_contrast("some", output_type).get_fdata()
        assert np.isfinite(declared).any()
        np.testing.assert_array_equal(
            before.compute_contrast(asked, output_type).get_fdata(), declared
        )
        np.testing.assert_allclose(
            after.compute_contrast(asked, output_type).get_fdata(), declared, rtol=1e-5, atol=1e-6
        )


def test_what_the_posterior_of_a_level_says(example: Any) -> None:
    model = pyhrf.RFIR(example.atlas, engine="serial").fit(example.bold, example.events)
    mean = model.map("nrl_cond1").get_fdata()
    sd = model.map("nrl_sd_cond1").get_fdata()
    for output_type, expected in {
        "effect_size": mean,
        "effect_variance": sd**2,
        "stat": mean / sd,
        "probability": norm.cdf(mean / sd),
    }.items():
        found = model.compute_contrast("cond1", output_type).get_fdata()
        np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("output_type", OF_JDE)
def test_contrasts_are_0_outside_of_the_parcels(example: Any, output_type: str) -> None:
    inside = np.asarray(example.atlas.dataobj) == 1
    atlas = nib.Nifti1Image(inside.astype(np.uint8), example.atlas.affine)
    model = pyhrf.JDE(atlas, engine="serial").fit(example.bold, example.events)
    found = model.compute_contrast("cond1", output_type).get_fdata()
    assert np.isfinite(found).all()
    assert not found[~inside].any()
    assert found[inside].any()


def test_levels_of_each_run_have_contrasts_of_their_mean(example: Any) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial", levels="per-run")
    model.fit([example.bold, example.shifted(1)], example.events)
    mean = model.compute_contrast("cond1", "effect_size").get_fdata()
    each = [model.compute_contrast(f"cond1_run{k}").get_fdata() for k in (1, 2)]
    np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-4)


def test_unknown_contrasts_and_outputs_name_the_near_ones(example: Any) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, example.events)
    with pytest.raises(pyhrf.ConfigError, match="unknown condition cond3: did you mean cond"):
        model.compute_contrast("cond1 - cond3")
    with pytest.raises(pyhrf.InputError, match="'zscore' is not one of GLM: did you mean z_score"):
        model.compute_contrast("cond1", "zscore")
    with pytest.raises(pyhrf.InputError, match="known are effect_size"):
        model.compute_contrast("cond1", "probability")
    with pytest.raises(pyhrf.ConfigError, match="contrasts must be a dict"):
        pyhrf.GLM(example.atlas, contrasts=3).fit(example.bold, example.events)
