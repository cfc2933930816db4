"""The compiled steps where positions share noise, against dense matrices of all positions."""

import numpy as np
import pytest
from kernel_problem import (
    RHO,
    D,
    M,
    V,
    collapsed,
    copy_of,
    dense_free_energy,
    gamma_of,
    make_shared_problem,
    marginal_precision,
    noise_precision,
    random_state,
)
from scipy.special import logsumexp
from scipy.stats import norm
from test_vem_kernels import SEEDS, assert_optimal, changed, energies_of_sweeps, free_energy

from pyhrf.estimators import level_kernels
from pyhrf.estimators import vem_kernels as kernels


@pytest.mark.parametrize("seed", SEEDS)
def test_free_energy__differs_between_states_as_the_dense_one_does(seed):
    problem = make_shared_problem(seed)
    one = random_state(seed)
    other = random_state(seed + 100)._replace(noise=one.noise)
    found = free_energy(problem, one) - free_energy(problem, other)
    expected = dense_free_energy(problem, one) - dense_free_energy(problem, other)
    assert found == pytest.approx(expected, rel=1e-9)


def test_free_energy__of_factors_without_weight_is_that_of_independent_noise():
    problem, state = make_shared_problem(1), random_state(1)
    none = problem._replace(data=problem.data._replace(factors=np.zeros((V, 0))))
    zero = problem._replace(data=problem.data._replace(factors=np.zeros((V, 2))))
    assert free_energy(zero, state) == pytest.approx(free_energy(none, state), rel=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_update_levels__ends_where_no_level_and_no_label_can_gain(seed):
    problem, state = make_shared_problem(seed), random_state(seed)
    energies = energies_of_sweeps(problem, state)
    assert np.diff(energies).min() > -1e-9
    rng = np.random.default_rng(0)
    best = energies[-1]
    for name in ("p", "class_mean", "class_var"):
        for size in (1e-3, 0.1):
            for _ in range(5):
                one = getattr(state, name).copy()
                v, m = rng.integers(V), rng.integers(M)
                one[v, m] = getattr(changed(state, rng, name, size), name)[v, m]
                moved = collapsed(state._replace(**{name: one}))
                assert free_energy(problem, moved) <= best + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_update_hrf__is_the_optimum(seed):
    problem, state = make_shared_problem(seed), random_state(seed)
    before = state.v_h.copy()
    log_det = kernels._update_hrf(problem.data, problem.prior, state, problem.hyper.inflation[0])
    assert log_det == pytest.approx(np.linalg.slogdet(state.Sigma)[1])
    assert_optimal(problem, state._replace(v_h=before), ("h", "Sigma"))


@pytest.mark.parametrize("seed", SEEDS)
def test_run_vem__never_lowers_the_free_energy_and_keeps_the_noise(seed):
    problem, state = make_shared_problem(seed), random_state(seed)
    noise = state.noise.copy()
    trace = np.zeros(3000)
    done, converged = kernels.run_vem(
        problem.data, problem.prior, state, problem.hyper, 1e-13, trace
    )
    assert converged
    assert np.diff(trace[:done]).min() > -1e-8
    assert trace[done - 1] == pytest.approx(free_energy(problem, state))
    np.testing.assert_array_equal(state.noise, noise)


def site(problem, state, v, m):
    """What the data say of one level, all others known: precision, and precision times mean."""
    X, P, Y = problem.dense
    L = marginal_precision(P, RHO[problem.data.rho_index[0]])
    Q = noise_precision(problem, state)
    regressors = X @ state.h
    level = state.level.copy()
    level[v, m] = 0.0
    residual = Y - regressors @ level.T
    return (
        Q[v, v] * regressors[:, m] @ L @ regressors[:, m],
        regressors[:, m] @ L @ residual @ Q[:, v],
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_log_odds__are_those_of_one_level_beside_all_others(seed):
    problem, state = make_shared_problem(seed), random_state(seed)
    state.Sigma[:] = 0.0
    b, Gamma = kernels.project(problem.data.B, state.h), gamma_of(problem, state)
    found = level_kernels.log_odds(problem.data, copy_of(state), False, b, Gamma)
    for v in range(V):
        for m in range(M):
            precision, pull = site(problem, state, v, m)
            mean, var = pull / precision, 1 / precision
            active = norm(state.mu[m], np.sqrt(state.v[1, m] + var)).logpdf(mean)
            inactive = norm(0, np.sqrt(state.v[0, m] + var)).logpdf(mean)
            assert found[v, m] == pytest.approx(active - inactive, rel=1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_update_levels__two_sided_finds_the_posterior_of_either_sign(seed):
    problem = make_shared_problem(seed, n_conditions=1, edges=[])
    state = random_state(seed, n_conditions=1)
    state.Sigma[:] = 0.0
    hyper = problem.hyper._replace(two_sided=True)
    b, Gamma = kernels.project(problem.data.B, state.h), gamma_of(problem, state)
    before = copy_of(state)
    level_kernels.update_levels(problem.data, state, hyper, b, Gamma)
    # the first position meets the others as they were
    precision, pull = site(problem, before, 0, 0)
    mean, var = pull / precision, 1 / precision
    mu, v0, v1 = state.mu[0], state.v[0, 0], state.v[1, 0]
    log_sides = np.log(0.5) + norm([mu, -mu], np.sqrt(v1 + var)).logpdf(mean)
    odds = logsumexp(log_sides) - norm(0, np.sqrt(v0 + var)).logpdf(mean) + hyper.alpha[0]
    p = 1 / (1 + np.exp(-odds))
    sides = np.exp(log_sides - logsumexp(log_sides))
    c1 = 1 / (precision + 1 / v1)
    k = c1 * (pull + np.array([mu, -mu]) / v1)
    k0 = pull / (precision + 1 / v0)
    assert state.p[0, 0] == pytest.approx(p, rel=1e-6)
    assert state.level[0, 0] == pytest.approx(p * sides @ k + (1 - p) * k0, rel=1e-6)
    second = p * (sides @ k**2 + c1) + (1 - p) * (k0**2 + 1 / (precision + 1 / v0))
    assert state.level_var[0, 0] == pytest.approx(second - state.level[0, 0] ** 2, rel=1e-6)
    # of sign times level
    folded = sides @ (k * [1, -1])
    assert state.class_mean[0, 0, 1] == pytest.approx(folded, rel=1e-6)
    assert state.class_var[0, 0, 1] == pytest.approx(c1 + sides @ k**2 - folded**2, rel=1e-6)
    assert len(state.h) == D
