"""What is said of scans that were held out, against closed forms and fits by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import block_diag, toeplitz
from scipy.stats import multivariate_normal
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, FloatArray, Parcel
from pyhrf.estimators import JDEVEM, RFIR
from pyhrf.estimators.base import ParcelEstimator
from pyhrf.estimators.canonical import log_bayes_canonical
from pyhrf.estimators.glm import GLM
from pyhrf.estimators.held_out import STRETCH, Forecast, HeldOutScore, Rival
from pyhrf.model.design import experiment_design
from pyhrf.model.folds import folds_of
from pyhrf.model.hrf import canonical_hrf, prior_precision
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.parameters.model import ModelSettings
from pyhrf.simulation.simulate import Simulated, simulate
from pyhrf.simulation.spec import SimulationSpec

NOTHING = np.zeros((12, 0))


@pytest.fixture(autouse=True)
def _one_blas_thread() -> Iterator[None]:
    with threadpool_limits(1, user_api="blas"):
        yield


def _forecasts(rng: np.random.Generator) -> tuple[FloatArray, Rival]:
    task, rival = rng.standard_normal((2, 12, 3))
    return task, Rival(rival, np.array([1.0, 2.0, 0.5]), np.array([0.0, 0.3, 0.6]))


def test_gain__is_the_difference_of_log_likelihoods_of_ar1_noise() -> None:
    rng = np.random.default_rng(3)
    bold, (task, rival) = rng.standard_normal((12, 3)), _forecasts(rng)
    # two pieces, of 5 and 7 scans
    times = np.r_[0:5, 8:15]
    score = HeldOutScore(3)
    score.add(bold, Forecast(task, rival), NOTHING, times, 4 * STRETCH)
    expected = 0.0
    for v, (sd, rho) in enumerate(zip(rival.noise_sd, rival.ar1, strict=True)):
        covariance = sd**2 * block_diag(
            toeplitz(rho ** np.arange(5)), toeplitz(rho ** np.arange(7))
        )
        noise = multivariate_normal(np.zeros(12), covariance)
        expected += noise.logpdf(bold[:, v] - task[:, v])
        expected -= noise.logpdf(bold[:, v] - rival.task[:, v])
    assert score.summary()["delta_canonical"] == pytest.approx(expected, rel=1e-9)


def test_error_of_the_gain__is_that_of_a_sum_over_stretches() -> None:
    rng = np.random.default_rng(3)
    bold, (task, rival) = rng.standard_normal((12, 3)), _forecasts(rng)
    white = rival._replace(ar1=np.zeros(3))
    score = HeldOutScore(3)
    score.add(bold, Forecast(task, white), NOTHING, np.arange(12), 4 * STRETCH)
    gain = ((bold - white.task) ** 2 - (bold - task) ** 2) / (2 * white.noise_sd**2)
    sums = gain.sum(axis=1).reshape(4, 3).sum(axis=1)
    assert score.summary()["delta_canonical_sd"] == pytest.approx(2 * np.std(sums, ddof=1))


def test_positions_without_an_estimate__do_not_count() -> None:
    rng = np.random.default_rng(3)
    bold, (task, rival) = rng.standard_normal((12, 3)), _forecasts(rng)
    task[:, 1] = np.nan
    score, of_two = HeldOutScore(3), HeldOutScore(2)
    score.add(bold, Forecast(task, rival), NOTHING, np.arange(12), 60.0)
    two = [0, 2]
    of_them = Rival(rival.task[:, two], rival.noise_sd[two], rival.ar1[two])
    of_two.add(bold[:, two], Forecast(task[:, two], of_them), NOTHING, np.arange(12), 60.0)
    assert score.summary() == pytest.approx(of_two.summary())
    assert np.isnan(score.r2()).tolist() == [False, True, False]


def _simulated(peak: float, *, n_runs: int = 1, seed: int = 5) -> Simulated:
    return simulate(
        SimulationSpec(
            shape=(9, 9, 6),
            n_parcels=2,
            n_conditions=2,
            n_runs=n_runs,
            snr=1.0,
            hrf_peak=(peak, peak),
            seed=seed,
        )
    )


@pytest.fixture(scope="module")
def data() -> Simulated:
    return _simulated(8.0)


@pytest.mark.parametrize("of_kind", [JDEVEM, RFIR])
def test_r2_held_out__is_that_of_fits_by_hand(
    data: Simulated, of_kind: type[ParcelEstimator]
) -> None:
    parcel, experiment = data.parcels()[0], data.experiment
    P = experiment_nuisance(experiment, ModelSettings())
    total = left = np.zeros(len(parcel.positions))
    for fold in folds_of(experiment, "blocks"):
        trained = of_kind(fold.training).fit_parcel(replace(parcel, bold=parcel.bold[fold.rows]))
        task = _task(trained.maps, trained.hrf["hrf"], experiment)[fold.held]
        # by least squares, not by the basis of the code
        for values, sums in ((parcel.bold[fold.held], "total"), (task, "left")):
            y = parcel.bold[fold.held].astype(float) - (values if sums == "left" else 0)
            rest = y - P[fold.held] @ np.linalg.lstsq(P[fold.held], y, rcond=None)[0]
            if sums == "total":
                total = total + np.sum(rest**2, axis=0)
            else:
                left = left + np.sum(rest**2, axis=0)
    found = of_kind(experiment, cross_validate="blocks").fit_parcel(parcel)
    np.testing.assert_allclose(found.maps["r2_held_out", ""], 1 - left / total, atol=1e-5)
    assert found.summary["r2_held_out"] == pytest.approx(1 - left.sum() / total.sum(), abs=1e-6)


def _task(maps: dict[tuple[str, str], FloatArray], hrf: FloatArray, to: Experiment) -> FloatArray:
    X = experiment_design(to, 1.0, len(hrf) - 2)
    if ("response", to.conditions[0]) in maps:
        return sum(
            X[:, m] @ maps["response", name][:, 1:-1].T for m, name in enumerate(to.conditions)
        )
    return sum(
        np.outer(X[:, m] @ hrf[1:-1], maps["nrl", name]) for m, name in enumerate(to.conditions)
    )


@pytest.mark.parametrize("model", ["canonical", "derivatives", "fir"])
def test_glm__predicts_held_out_scans_by_its_own_columns(data: Simulated, model: str) -> None:
    parcel, experiment = data.parcels()[0], data.experiment
    (fold, *others) = folds_of(experiment, "blocks")
    trained = GLM(fold.training, model=model)
    task = trained.task_of(parcel, GLM(experiment, model=model))
    design = GLM(experiment, model=model)._design.runs[0].matrix
    # fitted by hand to the scans that are left: OLS, as nilearn's AR(1) of noise .3 nearly is
    kept = ~fold.held
    beta = np.linalg.lstsq(design[kept], parcel.bold[kept].astype(float), rcond=None)[0]
    n_task = 2 * GLM(experiment, model=model)._design.n_basis
    by_hand = design[:, :n_task] @ beta[:n_task]
    correlation = np.corrcoef(task[fold.held].ravel(), by_hand[fold.held].ravel())[0, 1]
    assert correlation > 0.95
    assert len(others) == 3
    found = GLM(experiment, model=model, cross_validate="blocks").fit_parcel(parcel)
    assert found.summary["r2_held_out"] < found.summary["r2"]
    assert "delta_canonical" not in found.summary


def test_estimates__are_those_without_cross_validation(data: Simulated) -> None:
    parcel = data.parcels()[0]
    plain = JDEVEM(data.experiment).fit_parcel(parcel)
    found = JDEVEM(data.experiment, cross_validate="blocks").fit_parcel(parcel)
    for key, values in plain.maps.items():
        np.testing.assert_array_equal(found.maps[key], values)
    assert {key: found.summary[key] for key in plain.summary} == plain.summary


@pytest.mark.parametrize(("peak", "is_enough"), [(5.0, True), (8.0, False)])
def test_delta_canonical__tells_a_late_response_from_the_canonical_one(
    peak: float, is_enough: bool
) -> None:
    experiment = _simulated(peak, n_runs=2).experiment
    rng = np.random.default_rng(11)
    hrf = canonical_hrf(np.arange(1.0, 25.0) * 5 / peak)
    levels = np.where(rng.random((2, 40)) < 0.4, rng.normal(1.0, 0.2, (2, 40)), 0.0)
    bold = (experiment_design(experiment, 1.0, 24) @ hrf) @ levels
    bold += rng.standard_normal(bold.shape) + 100
    summary = JDEVEM(experiment, cross_validate="runs").fit(bold).summary
    clearly = summary["delta_canonical"] > max(4.0, 2 * summary["delta_canonical_sd"])
    assert clearly == (not is_enough)
    assert (summary["log_bayes_canonical"] > 5) == (not is_enough)
    assert (summary["log_bayes_canonical"] < 0) == is_enough


def test_log_bayes_canonical__is_that_of_a_linear_model() -> None:
    rng = np.random.default_rng(3)
    n, dt = 6, 4.0
    prior = np.linalg.inv(prior_precision(n, dt))
    canonical = canonical_hrf(dt * np.arange(1, n + 1, dtype=float))
    X = rng.standard_normal((30, n))
    y = X @ rng.multivariate_normal(np.zeros(n), prior) + 0.3 * rng.standard_normal(30)
    covariance = np.linalg.inv(np.linalg.inv(prior) + X.T @ X / 0.3**2)
    h = covariance @ X.T @ y / 0.3**2
    # the height that is left to the canonical shape has the prior's own density along it
    height = 1 / float(canonical @ np.linalg.solve(prior, canonical))
    evidences = [
        multivariate_normal(np.zeros(30), X @ of_hrf @ X.T + 0.3**2 * np.eye(30)).logpdf(y)
        for of_hrf in (prior, height * np.outer(canonical, canonical))
    ]
    found = log_bayes_canonical(h, covariance, prior, dt)
    assert found == pytest.approx(evidences[0] - evidences[1], abs=1e-6)


def test_a_fold_that_cannot_be_estimated__leaves_the_estimate_as_it_is(data: Simulated) -> None:
    parcel = data.parcels()[0]
    (fold, *_) = folds_of(data.experiment, "blocks")
    bold = parcel.bold.copy()
    bold[~fold.held] = 100.0  # constant outside of the first block
    found = JDEVEM(data.experiment, cross_validate="blocks").fit_parcel(
        Parcel(parcel.number, bold, parcel.edges, parcel.positions)
    )
    assert found.status == "ok"
    assert "r2_held_out" not in found.summary
