import numpy as np
from kernel_problem import (
    RHO,
    V,
    gamma_of,
    make_problem,
    make_shared_problem,
    marginal_precision,
    noise_precision,
    random_state,
)

from pyhrf.estimators import level_kernels
from pyhrf.estimators import vem_kernels as kernels
from pyhrf.estimators.posterior_kernels import hrf_covariance, posterior_covariances


def test_posterior_covariances__are_exact_when_the_two_classes_are_one():
    problem, state = make_problem(2), random_state(2)
    state.mu[:] = 0.0
    state.v[1] = state.v[0]
    b, Gamma = kernels.project(problem.data.B, state.h), gamma_of(problem, state)
    level_kernels.update_levels(problem.data, state, problem.hyper, b, Gamma)
    found = posterior_covariances(problem.data, state, Gamma)
    X, P, _ = problem.dense
    for v in range(V):
        L = marginal_precision(P, RHO[problem.data.rho_index[v]])
        moment = np.outer(state.h, state.h) + state.Sigma
        precision = np.einsum("nmd,nk,kle,de->ml", X, L, X, moment) / state.noise[v]
        np.testing.assert_allclose(
            found[v], np.linalg.inv(precision + np.diag(1 / state.v[0])), rtol=1e-9
        )


def test_posterior_covariances__stay_positive_for_collinear_conditions():
    problem, state = make_problem(2), random_state(2)
    Gamma = gamma_of(problem, state)
    Gamma[:, 0, 1] = Gamma[:, 1, 0] = Gamma[:, 1, 1] = Gamma[:, 0, 0]
    state.level_var[:] = 1e3
    found = posterior_covariances(problem.data, state, Gamma)
    assert np.linalg.eigvalsh(found).min() > 0


def test_hrf_covariance__is_that_of_known_levels():
    problem, state = make_problem(4), random_state(4)
    X, P, _ = problem.dense
    precision = problem.prior.R_inv / state.v_h[0]
    for v in range(V):
        L = marginal_precision(P, RHO[problem.data.rho_index[v]])
        design = np.einsum("nmd,m->nd", X, state.level[v])
        precision = precision + design.T @ L @ design / (1.7 * state.noise[v])
    found = hrf_covariance(problem.data, problem.prior, state, 1.7)
    np.testing.assert_allclose(found, np.linalg.inv(precision), rtol=1e-9)


def test_hrf_covariance__is_that_of_known_levels_and_shared_noise():
    problem, state = make_shared_problem(4), random_state(4)
    X, P, _ = problem.dense
    L = marginal_precision(P, RHO[problem.data.rho_index[0]])
    Q = noise_precision(problem, state)
    design = np.einsum("nmd,vm->vnd", X, state.level)
    information = np.einsum("vnd,nk,wke,vw->de", design, L, design, Q) / 1.7
    found = hrf_covariance(problem.data, problem.prior, state, 1.7)
    expected = np.linalg.inv(problem.prior.R_inv / state.v_h[0] + information)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_posterior_covariances__of_shared_noise_are_those_beside_known_positions():
    problem, state = make_shared_problem(2), random_state(2)
    state.mu[:] = 0.0
    state.v[1] = state.v[0]
    b, Gamma = kernels.project(problem.data.B, state.h), gamma_of(problem, state)
    level_kernels.update_levels(problem.data, state, problem.hyper, b, Gamma)
    found = posterior_covariances(problem.data, state, Gamma)
    Q = noise_precision(problem, state)
    for v in range(V):
        precision = Q[v, v] * Gamma[problem.data.rho_index[v]] + np.diag(1 / state.v[0])
        np.testing.assert_allclose(found[v], np.linalg.inv(precision), rtol=1e-9)
