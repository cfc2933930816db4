"""Regularised FIR against dense Gaussian processes, scipy's optimiser, and simulated truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from parcel_data import never_falls, one_condition, shape_error, small, with_bold
from scipy.linalg import solve_triangular, toeplitz
from scipy.optimize import minimize
from scipy.stats import norm

from pyhrf.data import Events, Experiment, Parcel, Run
from pyhrf.errors import InputError
from pyhrf.estimators import RFIR
from pyhrf.estimators.glm import GLM
from pyhrf.estimators.rfir_posterior_kernels import truncated_mean
from pyhrf.estimators.rfir_solver import fit_responses
from pyhrf.model.design import experiment_design
from pyhrf.model.hrf import prior_precision
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.model.statistics import without_nuisance
from pyhrf.parameters.model import ModelSettings

GRID = np.round(np.arange(-0.2, 0.91, 0.05), 2)


class Dense:
    """The model of one position written with a time axis: nothing shared with the estimator."""

    def __init__(self, experiment: Experiment) -> None:
        self.X = experiment_design(experiment, 1.0, 24)
        P = experiment_nuisance(experiment, ModelSettings())
        self.R = np.linalg.inv(prior_precision(24, 1.0))
        # contrasts of the scans that know nothing of the nuisance
        self.F = np.linalg.svd(P)[0][:, P.shape[1] :]
        self.N = len(P)
        cross = [self.F.T @ self.X[:, m] for m in range(self.X.shape[1])]
        self.signals = [one @ self.R @ one.T for one in cross]
        self.last_noise = np.nan, np.empty(0)

    def covariance(self, r, s, rho):
        if rho != self.last_noise[0]:
            noise = toeplitz(rho ** np.arange(self.N)) / (1 - rho**2)
            self.last_noise = rho, self.F.T @ noise @ self.F
        signal = sum(rm * own for rm, own in zip(r, self.signals, strict=True))
        return signal + s * self.last_noise[1]

    def log_det_and_square(self, y, r, s, rho) -> tuple[float, float]:
        """Of the covariance V, log |V| and f' V^-1 f, where f is what F keeps of y."""
        L = np.linalg.cholesky(self.covariance(r, s, rho))
        white = solve_triangular(L, self.F.T @ y, lower=True)
        return 2 * np.log(np.diag(L)).sum(), white @ white

    def log_likelihood(self, y, r, s, rho) -> float:
        return -0.5 * sum(self.log_det_and_square(y, r, s, rho))

    def profile(self, y, r, rho) -> float:
        """Likelihood with the noise's variance at its best; ``r`` are ratios to it."""
        log_det, square = self.log_det_and_square(y, r, 1.0, rho)
        n = self.F.shape[1]
        return -0.5 * (log_det + n * np.log(square))

    def posterior(self, y, r, s, rho, m):
        cross = r[m] * self.R @ self.X[:, m].T @ self.F
        gain = np.linalg.solve(self.covariance(r, s, rho), cross.T).T
        return gain @ self.F.T @ y, r[m] * self.R - gain @ cross.T


@pytest.fixture(scope="module")
def problem():
    simulated, parcel = small(n_scans=90, snr=1.0)
    return simulated, parcel, Dense(simulated.experiment)


def best_by_scipy(dense, y):
    """Hyperparameters of the greatest marginal likelihood, by a general optimiser."""
    best = None
    scale = np.var(y)
    for start in (1e-3, 1.0):
        for rho in (0.1, 0.4):
            found = minimize(
                lambda x: -dense.log_likelihood(y, np.exp(x[:2]), np.exp(x[2]), np.tanh(x[3])),
                [*np.log([start * scale] * 2), np.log(scale), np.arctanh(rho)],
                method="Nelder-Mead",
                options={"maxiter": 4000, "maxfev": 4000, "xatol": 1e-4, "fatol": 1e-6},
            )
            if best is None or found.fun < best.fun:
                best = found
    return -best.fun


@pytest.mark.parametrize("position", [40, 111])
def test_rfir__reaches_the_greatest_marginal_likelihood(problem, position):
    simulated, parcel, dense = problem
    y = parcel.bold[:, position].astype(float)
    estimator = RFIR(simulated.experiment, tolerance=1e-8, n_iterations=1000)
    found = fit_responses(
        estimator._problem, without_nuisance(estimator._problem.projector, y[:, None])
    )
    rho = GRID[found.rho_index[0]]

    mine = found.trace[-1]
    assert mine == pytest.approx(max(profile_of(dense, y, rho) for rho in GRID), abs=2e-2)
    # with the noise's variance at its best
    n = dense.F.shape[1]
    assert mine + 0.5 * n * np.log(n) - 0.5 * n > best_by_scipy(dense, y) - 0.05
    assert dense.profile(y, np.maximum(found.lam[0], 0), rho) <= mine + 1e-6


def profile_of(dense, y, rho) -> float:
    """Greatest likelihood at one autocorrelation."""

    return max(
        -minimize(
            lambda x: -dense.profile(y, np.exp(x), rho),
            [start] * 2,
            method="Nelder-Mead",
            options={"fatol": 1e-6},
        ).fun
        for start in (-6.0, -1.0, 3.0)
    )


def test_rfir__posterior_is_that_of_a_gaussian_process(problem):
    simulated, parcel, dense = problem
    mine = RFIR(simulated.experiment)._problem
    Y = parcel.bold[:, [3, 77]].astype(float)
    found = fit_responses(mine, without_nuisance(mine.projector, Y))
    for v in range(2):
        rho = mine.design.rho[found.rho_index[v]]
        for m in range(2):
            mean, covariance = dense.posterior(
                Y[:, v], found.lam[v] * found.noise[v], found.noise[v], rho, m
            )
            sd = np.sqrt(np.diag(covariance))
            # directions of the prior with less than a hundred-thousandth of it are left out
            np.testing.assert_allclose(found.z[v, m] @ mine.basis, mean, atol=0.03 * sd.max())
            np.testing.assert_allclose(found.sd[v, m], sd, atol=0.02 * sd.max())


@pytest.mark.parametrize(
    ("centre", "sd"), [(1.0, 0.1), (1.0, 1.0), (0.0, 2.0), (-3.0, 1.0), (-50.0, 4.0), (-9.0, 1.0)]
)
def test_truncated_mean__is_that_of_a_normal_cut_off_at_0(centre, sd):
    x = centre / sd
    expected = centre + sd * np.exp(norm.logpdf(x) - norm.logcdf(x))
    assert truncated_mean(centre, sd) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("noise", ["ar1", "white"])
def test_rfir__likelihood_never_falls_and_iterations_end(noise):
    simulated, parcel = small(n_conditions=3)
    estimate = RFIR(simulated.experiment, noise=noise).fit_parcel(parcel)
    assert never_falls(estimate.trace)
    assert estimate.summary["converged"] == 1
    assert estimate.summary["n_iterations"] < 60
    assert len(estimate.trace) == estimate.summary["n_iterations"]
    short = RFIR(simulated.experiment, noise=noise, n_iterations=2).fit_parcel(parcel)
    assert short.summary["n_iterations"] == 2
    assert short.summary["converged"] == 0


def test_rfir__every_position_is_by_itself():
    simulated, parcel = small()
    estimator = RFIR(simulated.experiment)
    whole = estimator.fit_parcel(parcel).maps
    for position in (0, 99):
        one = Parcel(1, parcel.bold[:, [position]], parcel.edges[:0], parcel.positions[:1])
        estimate = estimator.fit_parcel(one)
        assert estimate.status == "ok"
        for name in (
            ("response", "cond1"),
            ("response_sd", "cond2"),
            ("noise_sd", ""),
            ("ar1", ""),
        ):
            np.testing.assert_allclose(
                estimate.maps[name][0], whole[name][position], rtol=1e-4, atol=1e-5
            )


@pytest.mark.parametrize("factor", [1e-6, -3.0, 1e8])
def test_rfir__follows_the_unit_of_the_data(factor):
    simulated, parcel = small()
    estimator = RFIR(simulated.experiment)
    one = estimator.fit_parcel(parcel)
    other = estimator.fit_parcel(with_bold(parcel, parcel.bold.astype(float) * factor))
    for name in (("nrl", "cond1"), ("response", "cond2")):
        values = one.maps[name] * factor
        np.testing.assert_allclose(other.maps[name], values, atol=1e-3 * np.abs(values).max())
    np.testing.assert_allclose(
        other.maps["nrl_sd", "cond1"], one.maps["nrl_sd", "cond1"] * abs(factor), rtol=1e-3
    )
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=1e-3)


def test_rfir__order_of_positions_has_no_influence():
    simulated, parcel = small()
    order = np.random.default_rng(0).permutation(180)
    place = np.argsort(order)
    edges = np.sort(place[parcel.edges], axis=1).astype(np.int32)
    shuffled = replace(parcel, bold=np.ascontiguousarray(parcel.bold[:, order]), edges=edges)
    estimator = RFIR(simulated.experiment)
    one, other = estimator.fit_parcel(parcel), estimator.fit_parcel(shuffled)
    np.testing.assert_allclose(
        other.maps["nrl", "cond1"], one.maps["nrl", "cond1"][order], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(other.hrf["hrf"], one.hrf["hrf"], atol=1e-6)


@pytest.mark.parametrize("snr", [0.3, 0.7, 2.0])
def test_rfir__errors_of_responses_cover_the_truth(snr):
    inside, n = np.zeros(2), 0
    for seed in range(3):
        simulated, parcel = small(snr=snr, seed=seed)
        maps = RFIR(simulated.experiment).fit_parcel(parcel).maps
        shape = simulated.hrf_shapes[0].value(np.arange(26.0))
        for m, name in enumerate(simulated.experiment.conditions):
            truth = simulated.levels[m][:, None] * shape
            error = np.abs(maps["response", name] - truth)[:, 1:-1]
            sd = maps["response_sd", name][:, 1:-1]
            assert (sd > 0).all()
            for which, active in enumerate((simulated.labels[m], ~simulated.labels[m])):
                inside[which] += (error <= 1.96 * sd)[active].mean()
        n += 2
    assert 0.92 < inside[0] / n < 0.99
    assert 0.95 < inside[1] / n < 0.995


@pytest.mark.parametrize("snr", [0.25, 0.5, 1.0, 2.0])
def test_rfir__mean_hrf_is_nearer_to_the_truth_than_that_of_fir(snr):
    mine, fir = [], []
    for seed in range(4):
        simulated, parcel = small(snr=snr, seed=seed, n_scans=200)
        mine.append(shape_error(simulated, RFIR(simulated.experiment).fit_parcel(parcel).hrf))
        ordinary = GLM(simulated.experiment, model="fir", fir_delays=np.arange(0, 21, 2.0))
        fir.append(shape_error(simulated, ordinary.fit_parcel(parcel).hrf))
    assert np.mean(mine) < np.mean(fir)


def test_rfir__gives_each_condition_its_own_hrf():
    """Two conditions of which one comes three seconds later."""
    rng = np.random.default_rng(0)
    onsets = np.sort(rng.uniform(5, 560, 90))
    given = [onsets[::2], onsets[1::2]]
    events = [Events(o, np.zeros(45), np.ones(45)) for o in given]
    experiment = Experiment(("a", "b"), (Run(300, 2.0, dict(zip("ab", events, strict=True))),))
    times = 2.0 * np.arange(300)

    def signal(shift, condition):
        lag = np.subtract.outer(times, given[condition]) - shift
        return np.exp(-0.5 * ((lag - 5) / 1.8) ** 2).sum(axis=1)

    y = signal(0, 0) + signal(3, 1)
    bold = 100 + y[:, None] + 0.5 * rng.standard_normal((300, 30))
    hrf = RFIR(experiment).fit(bold).hrf
    peaks = hrf["time"][np.argmax(hrf["hrf_by_condition"], axis=1)]
    np.testing.assert_allclose(peaks, [5, 8], atol=1)
    np.testing.assert_allclose(hrf["hrf_by_condition"].max(axis=1), 1)
    truth = np.exp(-0.5 * ((hrf["time"] - 8) / 1.8) ** 2)
    np.testing.assert_allclose(hrf["hrf_by_condition"][1], truth, atol=0.15)


def test_rfir__a_condition_without_response_claims_nothing():
    simulated, parcel = small(active_fraction=0.0)
    estimate = RFIR(simulated.experiment).fit_parcel(parcel)
    for name in simulated.experiment.conditions:
        z = estimate.maps["nrl", name] / estimate.maps["nrl_sd", name]
        assert np.mean(np.abs(z) > 1.96) < 0.07
    assert (estimate.conditions["fraction_responding"] < 0.7).all()


def test_rfir__contrasts_and_ppm_follow_from_the_levels():
    simulated, parcel = small()
    contrasts = {"same": {"cond1": 2.0}, "difference": {"cond1": 1.0, "cond2": -1.0}}
    maps = (
        RFIR(simulated.experiment, contrasts=contrasts, ppm_threshold=4.0).fit_parcel(parcel).maps
    )
    np.testing.assert_allclose(maps["contrast", "same"], 2 * maps["nrl", "cond1"], rtol=1e-5)
    np.testing.assert_allclose(maps["contrast_sd", "same"], 2 * maps["nrl_sd", "cond1"], rtol=1e-5)
    difference = maps["nrl", "cond1"] - maps["nrl", "cond2"]
    np.testing.assert_allclose(maps["contrast", "difference"], difference, atol=1e-4)
    z = maps["contrast", "difference"] / maps["contrast_sd", "difference"]
    np.testing.assert_allclose(maps["contrast_ppm", "difference"], norm.cdf(z), atol=1e-4)
    z = (maps["nrl", "cond2"] - 4.0) / maps["nrl_sd", "cond2"]
    np.testing.assert_allclose(maps["ppm", "cond2"], norm.cdf(z), atol=1e-4)
    # a negative one asks for less, as the other estimators' does
    below = RFIR(simulated.experiment, ppm_threshold=-4.0).fit_parcel(parcel).maps["ppm", "cond2"]
    z = (maps["nrl", "cond2"] + 4.0) / maps["nrl_sd", "cond2"]
    np.testing.assert_allclose(below, norm.cdf(-z), atol=1e-4)


@pytest.mark.parametrize("values", [np.nan, np.inf, 0.0, 873.0])
def test_fit_parcel__leaves_useless_positions_out(values):
    simulated, parcel = small()
    bold = parcel.bold.copy()
    bold[:, [0, 17, 100]] = values
    estimate = RFIR(simulated.experiment).fit_parcel(with_bold(parcel, bold))
    assert estimate.status == "ok"
    assert estimate.summary["n_positions_used"] == 177
    for name, map_ in estimate.maps.items():
        missing = np.isnan(map_) if map_.ndim == 1 else np.isnan(map_).all(axis=1)
        np.testing.assert_array_equal(np.flatnonzero(missing), [0, 17, 100], err_msg=name)


@pytest.mark.parametrize("spread", [1e-30, 1e-3, 1e15])
def test_fit_parcel__any_unit_is_fine(spread):
    bold = spread * np.random.default_rng(0).standard_normal((100, 3))
    parcel = Parcel(1, bold.astype(np.float32), np.empty((0, 2), np.int32), np.arange(3))
    assert RFIR(one_condition()).fit_parcel(parcel).status == "ok"


@pytest.mark.parametrize("kind", ["drift", "no noise", "same"])
def test_fit_parcel__signals_without_noise_are_no_traceback(kind):
    experiment = one_condition()
    times = np.arange(100.0)
    signal = {
        "drift": np.cos(np.pi * (times + 0.5) * 2 / 100),
        "no noise": experiment_design(experiment, 1.0, 24)[:, 0] @ np.hanning(24),
        "same": np.random.default_rng(0).standard_normal(100),
    }[kind]
    bold = np.repeat(100 + signal[:, None], 4, axis=1).astype(np.float32)
    parcel = Parcel(1, bold, np.array([[0, 1]], np.int32), np.arange(4))
    estimate = RFIR(experiment).fit_parcel(parcel)
    assert estimate.status in ("ok", "failed")
    if estimate.status == "ok":
        assert np.isfinite(estimate.maps["nrl", "a"]).all()


def test_fit_parcel__too_few_positions_is_a_failed_estimate():
    simulated, parcel = small()
    nothing = with_bold(parcel, np.zeros_like(parcel.bold))
    estimate = RFIR(simulated.experiment).fit_parcel(nothing)
    assert estimate.status == "failed"
    assert estimate.reason.startswith("0 of 180 positions can be used")
    four = Parcel(9, parcel.bold[:, :4], parcel.edges[:0], parcel.positions[:4])
    estimate = RFIR(simulated.experiment, min_positions=5).fit_parcel(four)
    assert (estimate.parcel, estimate.status) == (9, "failed")


def test_rfir__runs_add_up():
    simulated, parcel = small(n_runs=2, n_scans=90)
    estimate = RFIR(simulated.experiment).fit_parcel(parcel)
    assert shape_error(simulated, estimate.hrf) < 0.25


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"dt": 4.1}, "dt is 4.1 s"),
        ({"hrf_duration": 4.0}, "hrf_duration is 4 s"),
        ({"n_iterations": 0}, "n_iterations is 0"),
        ({"tolerance": 0.0}, "tolerance 0: both must be above 0"),
        ({"drift": "spline"}, "drift is 'spline'"),
        ({"noise": "ar2"}, "noise is 'ar2'"),
        ({"ppm_threshold": np.nan}, "ppm_threshold is nan"),
        ({"contrasts": {"c": {"b": 1.0}}}, "contrast c: there is no condition 'b'"),
    ],
)
def test_rfir__refuses_settings_that_are_not_allowed(given, message):
    with pytest.raises(InputError, match=message):
        RFIR(one_condition(), **given)


@pytest.mark.parametrize("error", [np.linalg.LinAlgError, ZeroDivisionError, FloatingPointError])
def test_fit_parcel__arithmetic_that_fails_is_a_failed_estimate(error, monkeypatch):
    def fails(*_):
        raise error("singular")

    simulated, parcel = small()
    monkeypatch.setattr("pyhrf.estimators.rfir.solve_rfir", fails)
    estimate = RFIR(simulated.experiment).fit_parcel(parcel)
    assert estimate.status == "failed"
    assert "(singular): look at the parcel's data" in estimate.reason


def test_compile__does_not_run_what_the_user_asked_for(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "pyhrf.estimators.rfir.solve_rfir",
        lambda problem, bold, _: seen.append((problem.settings.n_iterations, bold.shape[1])),
    )
    RFIR(one_condition(), n_iterations=10_000, min_positions=5_000).compile()
    assert len(seen) == 1
    assert seen[0][0] < 10
    assert seen[0][1] < 10
