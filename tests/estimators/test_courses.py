"""What is measured and fitted in the voxels that are explained best."""

from __future__ import annotations

import numpy as np
import pytest
from nilearn.glm.first_level import compute_regressor

from pyhrf.data import Events, Experiment, Run
from pyhrf.estimators.glm import GLM
from pyhrf.estimators.rfir import RFIR
from pyhrf.estimators.vem import JDEVEM
from pyhrf.model.fitted import mean_courses

N_SCANS, TR, N = 120, 2.0, 20
CENSORED = [0, 1, 60]


def make(*, constant: bool = False) -> tuple[Experiment, np.ndarray]:
    """Make two runs of a condition each voxel of which responds the less the higher its number."""
    rng = np.random.default_rng(3)
    runs, data = [], []
    for k in range(2):
        onsets = np.sort(rng.uniform(0, 220, 25))
        events = Events(onsets, np.zeros(25), np.ones(25))
        censored = np.zeros(N_SCANS, bool)
        censored[CENSORED] = k == 1
        confounds = rng.normal(size=(N_SCANS, 2))
        runs.append(Run(N_SCANS, TR, {"flash": events}, confounds, censored))
        times = TR * np.arange(N_SCANS)
        regressor = compute_regressor((onsets, np.zeros(25), np.ones(25)), "spm", times)[0]
        signal = 4 * regressor / regressor.max() * np.linspace(1, 0.05, N)
        signal[:, 1] *= -1  # one that runs against the best
        drift = 20 + 3 * np.sin(times / 80)[:, None] + 2 * confounds[:, :1]
        noise = rng.normal(size=(N_SCANS, N))
        data.append(signal + drift + noise)
    bold = np.concatenate(data)
    bold[N_SCANS:][CENSORED] = 1e4  # never looked at
    if constant:
        bold[:, 0] = 7.0
    return Experiment(("flash",), tuple(runs)), bold.astype(np.float32)


def estimators(experiment: Experiment) -> list:
    return [JDEVEM(experiment), RFIR(experiment), GLM(experiment), GLM(experiment, model="fir")]


@pytest.mark.parametrize("which", range(4), ids=["jde", "rfir", "glm", "fir"])
def test_courses__differ_by_what_least_squares_leave_without_nuisance(which: int) -> None:
    experiment, bold = make()
    estimate = estimators(experiment)[which].fit(bold)
    measured, fitted = (estimate.courses[name] for name in ("measured", "fitted"))

    kept = experiment.kept
    assert np.isnan(measured[~kept]).all()
    assert np.isnan(fitted[~kept]).all()
    best = [p for p in np.argsort(-estimate.maps["r2", ""]) if p != 1][:2]
    given = bold[:, best].astype(float).mean(axis=1)
    for k, run in enumerate(experiment.runs):
        here = slice(k * N_SCANS, (k + 1) * N_SCANS)
        use = kept[here]
        left = (measured - fitted)[here][use]
        # what is measured and the data differ by nuisance: mean, slow cosines, confounds
        n = np.arange(N_SCANS)[:, None]
        order = np.arange(0, int(2 * N_SCANS * TR / 128) + 1)
        slow = np.cos(np.pi * (n + 0.5) * order / N_SCANS)
        nuisance = np.hstack([slow, run.confounds])[use]
        apart = given[here][use] - measured[here][use]
        coefficients = np.linalg.lstsq(nuisance, apart)[0]
        np.testing.assert_allclose(nuisance @ coefficients, apart, atol=2e-4)
        np.testing.assert_allclose(nuisance.T @ left, 0, atol=2e-2)
    assert np.corrcoef(measured[kept], fitted[kept])[0, 1] > 0.8


def test_courses__of_jde_are_levels_times_the_response() -> None:
    experiment, bold = make()
    estimate = JDEVEM(experiment).fit(bold)
    best = [p for p in np.argsort(-estimate.maps["r2", ""]) if p != 1][:2]
    level = estimate.maps["nrl", "flash"][best].mean()
    time, hrf = estimate.hrf["time"], estimate.hrf["hrf"]
    for k, run in enumerate(experiment.runs):
        lag = TR * np.arange(N_SCANS)[:, None] - run.events["flash"].onsets
        expected = level * np.interp(lag, time, hrf, left=0, right=0).sum(axis=1)
        found = estimate.courses["fitted"][k * N_SCANS : (k + 1) * N_SCANS]
        np.testing.assert_allclose(found[run.kept], expected[run.kept], rtol=1e-4, atol=1e-4)


def test_courses__do_without_positions_that_are_left_out() -> None:
    experiment, bold = make(constant=True)
    one = GLM(experiment).fit(bold)
    other = GLM(experiment).fit(bold[:, 1:])
    np.testing.assert_array_equal(one.courses["measured"], other.courses["measured"])


def test_mean_courses__of_one_position_are_its_own() -> None:
    rng = np.random.default_rng(0)
    bold, task = rng.normal(size=(2, 10, 1))
    Q = np.full((10, 1), 10**-0.5)
    found = mean_courses([(bold, task, Q)], np.array([np.nan]), np.ones(10, bool))
    np.testing.assert_allclose(found["fitted"], task[:, 0], rtol=1e-6)
    rest = (bold - task)[:, 0]
    np.testing.assert_allclose(found["measured"], task[:, 0] + rest - rest.mean(), atol=1e-6)
