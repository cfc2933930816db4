"""What models predict, against closed forms and nilearn."""

from __future__ import annotations

from typing import Any

import nibabel as nib
import numpy as np
import pytest
from nilearn.glm.first_level import FirstLevelModel

import pyhrf


def series(image: Any, inside: Any) -> Any:
    return image.get_fdata()[inside].T


@pytest.fixture(scope="module")
def inside(example: Any) -> Any:
    return np.asarray(example.mask.dataobj) > 0


# nilearn's, of a mask that is given and of events without duration
@pytest.mark.filterwarnings("ignore:.*(Generation of a mask|events with null duration)")
@pytest.mark.parametrize("model", ["canonical", "derivatives", "fir"])
def test_a_glm_of_white_noise_predicts_as_that_of_nilearn(
    example: Any, inside: Any, model: str
) -> None:
    ours = pyhrf.GLM(example.atlas, model=model, noise="white", hrf_duration=20, engine="serial")
    ours.fit(example.bold, example.events)
    theirs = FirstLevelModel(
        t_r=2.0,
        hrf_model={
            "canonical": "spm",
            "derivatives": "spm + derivative + dispersion",
            "fir": "fir",
        }[model],
        fir_delays=list(range(11)),
        noise_model="ols",
        high_pass=1 / 128,
        mask_img=example.mask,
        signal_scaling=False,
        minimize_memory=False,
    ).fit(example.bold, events=example.events)
    bold = series(example.bold, inside)
    np.testing.assert_allclose(
        series(ours.predict(), inside), series(theirs.predicted_[0], inside), rtol=1e-4, atol=1e-3
    )
    left = series(ours.residuals_(), inside)
    np.testing.assert_allclose(left, series(theirs.residuals_[0], inside), atol=2e-3)
    drift = theirs.design_matrices_[0].filter(regex="drift|constant").to_numpy()
    alone = bold - drift @ np.linalg.lstsq(drift, bold)[0]
    expected = 1 - (left**2).sum(axis=0) / (alone**2).sum(axis=0)
    np.testing.assert_allclose(ours.r_square_().get_fdata()[inside], expected, atol=1e-5)
    assert (expected >= -1e-9).all()


@pytest.mark.filterwarnings("ignore:.*(Generation of a mask|events with null duration)")
def test_runs_of_a_glm_have_coefficients_of_their_own(example: Any, inside: Any) -> None:
    values = np.asarray(example.bold.dataobj)
    turned = nib.Nifti1Image(values[::-1] + 1, example.bold.affine, example.bold.header)
    runs, events = [example.bold, turned], [example.events, example.events.iloc[:-4]]
    ours = pyhrf.GLM(example.atlas, engine="serial").fit(runs, events)
    theirs = FirstLevelModel(
        t_r=2.0,
        hrf_model="spm",
        noise_model="ar1",
        high_pass=1 / 128,
        mask_img=example.mask,
        signal_scaling=False,
        minimize_memory=False,
    ).fit(runs, events=events)
    left = total = 0.0
    for k, (run, one) in enumerate(zip(runs, ours.residuals_(), strict=True)):
        table = theirs.design_matrices_[k]
        bold, is_task = series(run, inside), table.columns.str.startswith("cond")
        X = table.to_numpy()
        theta = np.zeros((X.shape[1], bold.shape[1]))
        for label, found in theirs.results_[k].items():
            theta[:, theirs.labels_[k] == label] = found.theta
        Q = np.linalg.qr(X[:, ~is_task])[0]
        rest, alone = bold - X[:, is_task] @ theta[is_task], bold
        rest, alone = (y - Q @ (Q.T @ y) for y in (rest, alone))
        np.testing.assert_allclose(series(one, inside), rest, atol=2e-3)
        left, total = left + (rest**2).sum(axis=0), total + (alone**2).sum(axis=0)
    np.testing.assert_allclose(ours.r_square_().get_fdata()[inside], 1 - left / total, atol=1e-5)


@pytest.mark.parametrize("make", [pyhrf.JDE, pyhrf.RFIR])
def test_prediction_is_levels_times_the_response_to_the_events(
    example: Any, inside: Any, make: Any
) -> None:
    """By a slow sum over events, the HRF taken as straight lines between its samples."""
    model = make(example.atlas, engine="serial").fit(example.bold, example.events)
    bold, predicted = series(example.bold, inside), series(model.predict(), inside)
    np.testing.assert_allclose(predicted + series(model.residuals_(), inside), bold, atol=1e-3)
    labels = np.asarray(example.atlas.dataobj)[inside]
    scans = 2.0 * np.arange(100)
    task = np.zeros_like(bold)
    for name, events in example.events.groupby("trial_type"):
        lags = scans[:, None] - events["onset"].to_numpy()
        if make is pyhrf.RFIR:
            responses = model.map(f"response_{name}").get_fdata()[inside]
            times = model.hrf_["time"].unique()
            for v, response in enumerate(responses):
                task[:, v] += np.interp(lags, times, response, 0, 0).sum(axis=1)
            continue
        levels = model.map(f"nrl_{name}").get_fdata()[inside]
        for number, rows in model.hrf_.groupby("parcel"):
            shape = np.interp(lags, rows["time"], rows["hrf"], 0, 0).sum(axis=1)
            task[:, labels == number] += np.outer(shape, levels[labels == number])
    n = np.arange(100)
    cosines = [np.cos(np.pi * k * (n + 0.5) / 100) for k in range(1 + int(2 * 100 * 2.0 / 128))]
    drift = np.column_stack(cosines)
    fitted = drift @ np.linalg.lstsq(drift, bold - task)[0]
    np.testing.assert_allclose(predicted, task + fitted, atol=2e-3)
    alone = bold - drift @ np.linalg.lstsq(drift, bold)[0]
    expected = 1 - ((bold - task - fitted) ** 2).sum(axis=0) / (alone**2).sum(axis=0)
    np.testing.assert_allclose(model.map("r2").get_fdata()[inside], expected, atol=1e-4)
    np.testing.assert_allclose(model.r_square_().get_fdata()[inside], expected, atol=1e-4)


@pytest.mark.parametrize("make", [pyhrf.GLM, pyhrf.JDE])
def test_score_is_that_of_runs_held_out(make: Any, example: Any, inside: Any) -> None:
    model = make(example.atlas, engine="serial").fit(example.bold, example.events)
    own = model.r_square_().get_fdata()[inside]
    np.testing.assert_allclose(model.map("r2").get_fdata()[inside], own, atol=1e-6)
    np.testing.assert_allclose(
        model.parcels_["r2"], model.score(example.bold, example.events, per="parcel"), atol=1e-6
    )
    voxels = model.score(example.bold, example.events, per="voxel").get_fdata()[inside]
    np.testing.assert_allclose(voxels, own, atol=1e-6)
    parcels = model.score(example.bold, example.events, per="parcel")
    assert list(parcels.index) == [1, 2, 3]
    overall = model.score(example.bold, example.events)
    assert parcels.min() <= overall <= parcels.max()
    # what the responses explain goes with them, and noise is explained by none
    noise = example.copy
    noise.get_fdata()
    values = np.random.default_rng(0).normal(size=noise.shape)
    noise = type(noise)(values, noise.affine, noise.header)
    assert model.score(noise, example.events) < 0.01 < overall
    turned = type(noise)(-np.asarray(example.bold.dataobj), noise.affine, noise.header)
    assert model.score(turned, example.events) < -overall / 2


def test_runs_come_back_as_they_were_given(example: Any) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial")
    alone = model.fit(example.bold, example.events).predict()
    assert alone.shape == example.bold.shape
    assert alone.header.get_zooms()[3] == 2.0
    both = model.fit([example.bold, example.shifted(5)], example.events).predict()
    assert [image.shape for image in both] == [example.bold.shape] * 2
    assert len(model.fit([example.bold], example.events).predict()) == 1


def test_positions_without_estimate_are_nan_and_the_outside_is_0_as_in_maps(example: Any) -> None:
    labels = np.asarray(example.atlas.dataobj).copy()
    labels[:, :2] = 0
    atlas = nib.Nifti1Image(labels, example.atlas.affine)
    values = np.asarray(example.bold.dataobj).copy()
    where = tuple(np.argwhere(labels)[0])
    values[where] = 7.0
    image = type(example.copy)(values, example.bold.affine, example.bold.header)
    for make in (pyhrf.GLM, pyhrf.JDE):
        model = make(atlas, engine="serial").fit(image, example.events)
        share = model.score(image, example.events, per="voxel")
        level = model.compute_contrast("cond1")
        for found in (model.predict(), model.residuals_(), model.r_square_(), share, level):
            data = found.get_fdata()
            assert np.isnan(data[where]).all()
            assert (data[labels == 0] == 0).all()
            assert np.isnan(data).sum() == np.isnan(data[where]).sum(), "only there"
        assert np.isfinite(model.score(example.bold, example.events))


def test_events_of_other_conditions_are_refused(example: Any) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.bold, example.events)
    with pytest.raises(pyhrf.InputError, match="condition 'other', and the model was fitted to"):
        model.score(example.bold, example.events.replace("cond1", "other"))
    some = example.events[example.events["trial_type"] == "cond2"]
    assert np.isfinite(model.score(example.bold, some))
    with pytest.raises(pyhrf.InputError, match="per='voxels' is not allowed"):
        model.score(example.bold, example.events, per="voxels")


def test_a_voxel_that_is_constant_in_one_run_has_no_prediction(example: Any) -> None:
    values = np.asarray(example.bold.dataobj).copy()
    where = tuple(np.argwhere(np.asarray(example.mask.dataobj))[0])
    values[where] = 7.0
    constant = type(example.copy)(values, example.bold.affine, example.bold.header)
    model = pyhrf.GLM(example.atlas, engine="serial")
    model.fit([example.bold, constant], example.events)
    assert np.isnan(model.map("nrl_cond1").get_fdata()[where])
    for image in model.predict():
        assert np.isnan(image.get_fdata()[where]).all()
