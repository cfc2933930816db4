"""Censoring and confounds through whole estimators."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from nilearn.glm.contrasts import compute_contrast
from nilearn.glm.first_level import FirstLevelModel, run_glm
from parcel_data import small

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError
from pyhrf.estimators import JDEMCMC, JDEVEM, RFIR
from pyhrf.estimators.glm import GLM

ESTIMATORS = {
    "vem": JDEVEM,
    "mcmc": lambda experiment, **given: JDEMCMC(
        experiment, n_iterations=120, n_burn_in=60, n_chains=1, beta=0.5, **given
    ),
    "rfir": RFIR,
    "glm": GLM,
}
MODEL = {"drift": "polynomial", "drift_order": 2}


@pytest.fixture(scope="module")
def data():
    """Give a run, its signal in a float32 array, edges and confounds."""
    simulated, parcel = small()
    run = simulated.experiment.runs[0]
    confounds = np.random.default_rng(0).normal(size=(run.n_scans, 3))
    return simulated.experiment.conditions, run, parcel, confounds


def both(estimate):
    """Give the numbers of an estimate by name."""
    return {
        **{f"hrf {name}": values for name, values in estimate.hrf.items()},
        **{f"map {name}": values for name, values in estimate.maps.items()},
        **{f"condition {name}": values for name, values in estimate.conditions.items()},
        **{f"summary {name}": np.float64(value) for name, value in estimate.summary.items()},
    }


@pytest.mark.parametrize("name", ESTIMATORS)
def test_values_in_censored_scans__are_never_looked_at(name, data):
    conditions, run, parcel, confounds = data
    censored = np.isin(np.arange(run.n_scans), [0, 30, 31, 90])
    experiment = Experiment(
        conditions, (Run(run.n_scans, run.tr, run.events, confounds, censored),)
    )
    estimator = ESTIMATORS[name](experiment)
    spoilt = parcel.bold.copy()
    spoilt[censored] = np.nan
    one = estimator.fit(parcel.bold, edges=parcel.edges)
    other = estimator.fit(spoilt, edges=parcel.edges)
    for what, values in both(one).items():
        np.testing.assert_array_equal(both(other)[what], values, err_msg=what)


# nilearn's grid of event times depends on the length of the run: the GLM is compared below
@pytest.mark.parametrize("name", ["vem", "rfir"])
def test_censored_last_scans__are_as_a_shorter_run(name, data):
    conditions, run, parcel, confounds = data
    n = run.n_scans - 12
    end = n * run.tr
    events = {
        condition: Events(*(each[e.onsets < end] for each in (e.onsets, e.durations, e.amplitudes)))
        for condition, e in run.events.items()
    }
    censored = np.arange(run.n_scans) >= n
    long = Experiment(conditions, (Run(run.n_scans, run.tr, events, confounds, censored),))
    short = Experiment(conditions, (Run(n, run.tr, events, confounds[:n]),))
    one = ESTIMATORS[name](long, **MODEL).fit(parcel.bold, edges=parcel.edges)
    other = ESTIMATORS[name](short, **MODEL).fit(parcel.bold[:n], edges=parcel.edges)
    for what, values in both(other).items():
        # maps are single precision
        tolerance = 1e-5 if what.startswith("map") else 1e-8
        scale = np.nanmax(np.abs(values))
        np.testing.assert_allclose(
            both(one)[what], values, rtol=tolerance, atol=tolerance * scale, err_msg=what
        )


def test_glm__censored_scans_and_confounds_are_as_by_nilearn(data):
    conditions, run, parcel, confounds = data
    censored = np.isin(np.arange(run.n_scans), [3, 40, 41, 100])
    experiment = Experiment(
        conditions, (Run(run.n_scans, run.tr, run.events, confounds, censored),)
    )
    found = GLM(experiment).fit(parcel.bold)
    plain = GLM(Experiment(conditions, (run,)))._design.runs[0].matrix
    design = np.column_stack([plain, confounds])[~censored]
    labels, results = run_glm(parcel.bold[~censored].astype(float), design, noise_model="ar1")
    expected = compute_contrast(labels, results, np.eye(design.shape[1])[0])
    np.testing.assert_allclose(
        found.maps["t", conditions[0]], expected.stat().ravel(), rtol=1e-5, atol=1e-5
    )


# nilearn warns of any mask that is given, and of impulses
@pytest.mark.filterwarnings("ignore:.*Generation of a mask has been requested:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:.*events with null duration:UserWarning")
def test_glm__is_as_nilearns_first_level_model_with_sample_masks(data):
    conditions, run, parcel, confounds = data
    censored = np.isin(np.arange(run.n_scans), [3, 40, 41, 100])
    experiment = Experiment(
        conditions, (Run(run.n_scans, run.tr, run.events, confounds, censored),)
    )
    found = GLM(experiment).fit(parcel.bold)
    n = parcel.bold.shape[1]
    events = pd.DataFrame(
        [
            {"trial_type": name, "onset": onset, "duration": duration, "modulation": amplitude}
            for name, e in run.events.items()
            for onset, duration, amplitude in zip(e.onsets, e.durations, e.amplitudes, strict=True)
        ]
    )
    model = FirstLevelModel(
        t_r=run.tr,
        hrf_model="spm",
        high_pass=1 / 128,
        mask_img=nib.Nifti1Image(np.ones((n, 1, 1), np.uint8), np.eye(4)),
        signal_scaling=False,
        standardize=False,
        minimize_memory=False,
    ).fit(
        nib.Nifti1Image(parcel.bold.T[:, None, None, :], np.eye(4)),
        events=events,
        confounds=pd.DataFrame(confounds, columns=["x", "y", "z"]),
        sample_masks=np.flatnonzero(~censored),
    )
    for name in conditions:
        expected = model.compute_contrast(name, output_type="stat").get_fdata().ravel()
        np.testing.assert_allclose(found.maps["t", name], expected, rtol=1e-4, atol=1e-4)


def test_confounds__take_their_signal_out_of_the_levels(data):
    conditions, run, parcel, confounds = data
    spoilt = parcel.bold + (confounds @ np.array([30.0, -20.0, 10.0]))[:, None].astype(np.float32)
    with_confounds = Experiment(conditions, (Run(run.n_scans, run.tr, run.events, confounds),))
    clean = JDEVEM(with_confounds).fit(parcel.bold, edges=parcel.edges)
    mended = JDEVEM(with_confounds).fit(spoilt, edges=parcel.edges)
    level = ("nrl", conditions[0])
    scale = np.abs(clean.maps[level]).max()
    np.testing.assert_allclose(mended.maps[level], clean.maps[level], atol=1e-3 * scale)


def test_position_that_varies_in_censored_scans_only__is_left_out(data):
    conditions, run, parcel, _ = data
    censored = np.arange(run.n_scans) == 5
    bold = parcel.bold.copy()
    bold[:, 2] = 100.0
    bold[5, 2] = 300.0
    experiment = Experiment(conditions, (Run(run.n_scans, run.tr, run.events, None, censored),))
    found = JDEVEM(experiment).fit(bold, edges=parcel.edges)
    unused = np.isnan(found.maps["noise_sd", ""])
    assert np.flatnonzero(unused).tolist() == [2]


@pytest.mark.parametrize("make", ESTIMATORS.values(), ids=ESTIMATORS)
@pytest.mark.parametrize(
    ("confounds", "censored", "message"),
    [
        (None, np.ones(150, bool), "run 1: all of its 150 scans are censored"),
        (None, np.zeros(149, bool), "run 1: censored must hold True or False for each of 150"),
        (np.ones((149, 2)), None, r"run 1: confounds have the shape \(149, 2\), but there are 150"),
        (np.full((150, 1), np.nan), None, "run 1: confounds must be finite"),
    ],
)
def test_confounds_and_censoring_that_do_not_fit__are_refused(
    make, confounds, censored, message, data
):
    conditions, run, _, _ = data
    experiment = Experiment(
        conditions, (Run(run.n_scans, run.tr, run.events, confounds, censored),)
    )
    with pytest.raises(InputError, match=message):
        make(experiment)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_outlying_scans__are_counted_unless_they_are_censored(data, name):
    conditions, run, parcel, _ = data
    bold = parcel.bold.copy()
    bold[[3, 50]] += 20 * bold.std()
    found = []
    for censored in ([], [3], [3, 50]):
        out = np.isin(np.arange(run.n_scans), censored)
        experiment = Experiment(conditions, (replace(run, censored=out),))
        summary = ESTIMATORS[name](experiment, **MODEL).fit(bold, edges=parcel.edges).summary
        found.append((summary["n_outlying_scans"], summary.get("outlying_scan")))
    assert found[0][0] == 2
    assert found[1] == (1, 50)
    assert found[2] == (0, None)
