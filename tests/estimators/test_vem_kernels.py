"""The steps of the variational EM against a free energy that shares no code with them."""

import numpy as np
import pytest
from kernel_problem import (
    RHO,
    D,
    V,
    collapsed,
    copy_of,
    dense_free_energy,
    gamma_of,
    make_problem,
    noise_covariance,
    random_state,
    with_autocorrelation,
)
from scipy.integrate import quad
from scipy.linalg import null_space
from scipy.optimize import minimize_scalar
from scipy.special import expit
from scipy.stats import multivariate_normal, norm

from pyhrf.estimators import level_kernels
from pyhrf.estimators import vem_kernels as kernels

SEEDS = range(4)


def residuals(problem, state):
    b = kernels.project(problem.data.B, state.h)
    Gamma = gamma_of(problem, state)
    found = np.empty(V)
    kernels._residuals(problem.data, state, b, Gamma, found)
    return found


def free_energy(problem, state):
    log_det = np.linalg.slogdet(state.Sigma)[1]
    b = kernels.project(problem.data.B, state.h)
    shared = level_kernels.shared_squares(problem.data, state, b, gamma_of(problem, state))
    return kernels._free_energy(
        problem.data,
        problem.prior,
        state,
        problem.hyper,
        residuals(problem, state),
        shared,
        log_det,
    )


def changed(state, rng, name, size):
    """State with one of its parts moved a little, and the levels' moments put right."""
    part = getattr(state, name)
    if name == "Sigma":
        factor = np.eye(D) + size * rng.normal(size=(D, D))
        moved = factor @ part @ factor.T
    elif name == "p":
        moved = expit(np.log(part / (1 - part)) + size * rng.normal(size=part.shape))
    elif name in ("class_var", "noise", "v", "v_h"):
        moved = part * np.exp(size * rng.normal(size=part.shape))
    else:
        moved = part + size * rng.normal(size=part.shape)
    return collapsed(state._replace(**{name: moved}))


def assert_optimal(problem, state, names):
    """No small move of any of the parts raises the free energy."""
    rng = np.random.default_rng(0)
    best = free_energy(problem, state)
    for name in names:
        for size in (1e-3, 1e-2, 0.1, 0.5):
            for _ in range(5):
                other = free_energy(problem, changed(state, rng, name, size))
                assert other <= best + 1e-9 * abs(best), (name, size)
        # and the free energy does depend on it
        assert other < best


@pytest.mark.parametrize("seed", SEEDS)
def test_free_energy__differs_between_states_as_the_dense_one_does(seed):
    problem = make_problem(seed)
    one, other = random_state(seed), random_state(seed + 100)
    found = free_energy(problem, one) - free_energy(problem, other)
    expected = dense_free_energy(problem, one) - dense_free_energy(problem, other)
    assert found == pytest.approx(expected, rel=1e-9)


def test_free_energy__differs_between_autocorrelations_as_the_dense_one_does():
    problem, state = make_problem(1), random_state(1)
    moved = problem._replace(
        data=with_autocorrelation(
            problem.data, problem.design, problem.moments, np.array([3, 1, 0])
        )
    )
    found = free_energy(problem, state) - free_energy(moved, state)
    expected = dense_free_energy(problem, state) - dense_free_energy(moved, state)
    assert found == pytest.approx(expected, rel=1e-9)


def energies_of_sweeps(problem, state):
    """Sweep over levels and labels until nothing moves; give the free energies on the way."""
    b, Gamma = kernels.project(problem.data.B, state.h), gamma_of(problem, state)
    energies = [free_energy(problem, state)]
    for _ in range(200):
        level_kernels.update_levels(problem.data, state, problem.hyper, b, Gamma)
        energies.append(free_energy(problem, state))
    return energies


@pytest.mark.parametrize("seed", SEEDS)
def test_update_levels__ends_where_no_level_and_no_label_can_gain(seed):
    problem, state = make_problem(seed), random_state(seed)
    energies = energies_of_sweeps(problem, state)
    assert np.diff(energies).min() > -1e-9
    np.testing.assert_allclose(collapsed(state).level, state.level)
    np.testing.assert_allclose(collapsed(state).level_var, state.level_var)
    rng = np.random.default_rng(0)
    # coordinate steps: one level or label is moved while the others stay
    for name in ("p", "class_mean", "class_var"):
        for v in range(V):
            for m in range(len(state.mu)):
                for size in (1e-3, 0.1, 0.5):
                    part = getattr(state, name).copy()
                    part[v, m] = getattr(changed(state, rng, name, size), name)[v, m]
                    other = collapsed(state._replace(**{name: part}))
                    assert free_energy(problem, other) <= energies[-1] + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_update_mixtures__climbs_to_the_optimum(seed):
    problem, state = make_problem(seed), random_state(seed)
    energies = [free_energy(problem, state)]
    # it steps beyond the optimum, each time by a smaller part
    for _ in range(300):
        level_kernels.update_mixtures(state, problem.hyper)
        energies.append(free_energy(problem, state))
    assert np.diff(energies).min() > -1e-9
    assert energies[1] > energies[0]
    assert_optimal(problem, state, ("mu", "v"))


@pytest.mark.parametrize("seed", SEEDS)
def test_residual__over_the_free_scans_is_the_optimal_noise(seed):
    problem, state = make_problem(seed), random_state(seed)
    noise = residuals(problem, state) / problem.prior.n_free
    assert_optimal(problem, state._replace(noise=noise), ("noise",))


@pytest.mark.parametrize("seed", SEEDS)
def test_update_hrf__is_the_optimum(seed):
    problem, state = make_problem(seed), random_state(seed)
    before = state.v_h.copy()
    log_det = kernels._update_hrf(problem.data, problem.prior, state, problem.hyper.inflation[0])
    assert log_det == pytest.approx(np.linalg.slogdet(state.Sigma)[1])
    # the scale is set last, given HRF and covariance; these were set given the scale before
    assert_optimal(problem, state, ("v_h",))
    assert_optimal(problem, state._replace(v_h=before), ("h", "Sigma"))


@pytest.mark.parametrize("seed", SEEDS)
def test_rescale__moves_scale_only_and_to_the_best_place(seed):
    problem, state = make_problem(seed), random_state(seed)
    start = copy_of(state)

    def scaled(log_scale):
        c = np.exp(log_scale)
        return collapsed(
            start._replace(
                h=start.h * c,
                Sigma=start.Sigma * c**2,
                v_h=start.v_h * c**2,
                mu=start.mu / c,
                v=start.v / c**2,
                class_mean=start.class_mean / c,
                class_var=start.class_var / c**2,
            )
        )

    log_scale = kernels._rescale(state, problem.hyper)
    for found, expected in zip(state, scaled(log_scale), strict=True):
        np.testing.assert_allclose(found, expected)
    energies = [free_energy(problem, scaled(s)) for s in np.linspace(-1, 1, 201)]
    assert free_energy(problem, state) >= max(energies) - 1e-6
    assert free_energy(problem, state) >= free_energy(problem, start)


@pytest.mark.parametrize("seed", SEEDS)
def test_run_vem__never_lowers_the_free_energy_and_ends_at_an_optimum(seed):
    problem, state = make_problem(seed), random_state(seed)
    trace = np.zeros(3000)
    done, converged = kernels.run_vem(
        problem.data, problem.prior, state, problem.hyper, 1e-13, trace
    )
    assert converged
    assert np.diff(trace[:done]).min() > -1e-8
    assert trace[done - 1] == pytest.approx(free_energy(problem, state))
    assert_optimal_nearby(problem, state)


def assert_optimal_nearby(problem, state):
    """First-order optimum in every part: a small move loses, or gains what rounding allows."""
    rng = np.random.default_rng(0)
    best = free_energy(problem, state)
    for name in ("h", "Sigma", "v_h", "p", "class_mean", "class_var", "noise", "mu", "v"):
        for _ in range(5):
            assert free_energy(problem, changed(state, rng, name, 1e-3)) < best + 1e-6, name


def test_run_vem__tells_that_it_did_not_converge():
    problem, state = make_problem(0), random_state(0)
    trace = np.zeros(2)
    assert kernels.run_vem(problem.data, problem.prior, state, problem.hyper, 1e-9, trace) == (
        2,
        False,
    )


def log_evidence(problem, state, v, label):
    """``log p(y | q)`` of one position with one condition, by integration over the level."""
    X, P, Y = problem.dense
    U = null_space(P.T)
    rho = RHO[problem.data.rho_index[v]]
    likelihood = multivariate_normal(
        np.zeros(U.shape[1]), state.noise[v] * U.T @ noise_covariance(rho) @ U
    )
    mean = state.mu[0] if label else 0.0
    level = norm(mean, np.sqrt(state.v[label, 0]))

    def log_joint(a):
        return likelihood.logpdf(U.T @ (Y[:, v] - a * X[:, 0] @ state.h)) + level.logpdf(a)

    around = np.linspace(mean - 15, mean + 15, 1501)
    top = max(log_joint(a) for a in around)
    at = around[np.argmax([log_joint(a) for a in around])]
    area = quad(lambda a: np.exp(log_joint(a) - top), at - 12, at + 12, points=[at], limit=200)
    return top + np.log(area[0])


def test_update_levels__finds_the_exact_posterior_of_one_condition():
    # a known HRF: then level and label have an exact posterior given the neighbours
    problem = make_problem(5, n_conditions=1)
    state = random_state(5, n_conditions=1)
    state.Sigma[:] = 0.0
    evidence = np.array([[log_evidence(problem, state, v, q) for q in (0, 1)] for v in range(V)])
    b, Gamma = kernels.project(problem.data.B, state.h), gamma_of(problem, state)
    np.testing.assert_allclose(
        level_kernels.log_odds(problem.data, copy_of(state), False, b, Gamma)[:, 0],
        evidence[:, 1] - evidence[:, 0],
        rtol=1e-6,
    )
    level_kernels.update_levels(problem.data, state, problem.hyper, b, Gamma)
    # the last position meets its neighbour as it stays; given that, the free energy of its label
    # has one maximum
    beta, alpha = problem.hyper.beta[0], problem.hyper.alpha[0]
    other = 2 * state.p[1, 0] - 1

    def energy(p):
        spin = 2 * p - 1
        plain = p * (evidence[2, 1] + alpha) + (1 - p) * evidence[2, 0] + beta * spin * other / 2
        plain += beta**2 / 8 * (1 - spin**2) * (1 - other**2)
        return plain - p * np.log(p) - (1 - p) * np.log(1 - p)

    best = minimize_scalar(
        lambda p: -energy(p), bounds=(1e-9, 1 - 1e-9), method="bounded", options={"xatol": 1e-10}
    )
    assert state.p[2, 0] == pytest.approx(best.x, rel=1e-5)


def test_update_levels__without_neighbours_finds_the_posterior_odds():
    problem = make_problem(6, n_conditions=1, edges=[])
    state = random_state(6, n_conditions=1)
    state.Sigma[:] = 0.0
    evidence = np.array([[log_evidence(problem, state, v, q) for q in (0, 1)] for v in range(V)])
    b, Gamma = kernels.project(problem.data.B, state.h), gamma_of(problem, state)
    level_kernels.update_levels(problem.data, state, problem.hyper, b, Gamma)
    expected = expit(evidence[:, 1] - evidence[:, 0] + problem.hyper.alpha[0])
    np.testing.assert_allclose(state.p[:, 0], expected, rtol=1e-6)


def test_contract_design__fills_the_used_autocorrelations_only():
    problem, state = make_problem(3), random_state(3)
    used = np.array([True, False, True, False])
    moment = state.Sigma + np.outer(state.h, state.h)
    Gamma = kernels.contract_design(problem.design.G, moment, used, 2)
    np.testing.assert_allclose(Gamma[used], gamma_of(problem, state)[used])
    assert not Gamma[~used].any()
