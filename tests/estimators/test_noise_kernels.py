import numpy as np
import pytest
from kernel_problem import (
    RHO,
    V,
    dense_free_energy,
    gamma_of,
    make_problem,
    marginal_precision,
    noise_covariance,
    random_state,
    with_autocorrelation,
)
from scipy.linalg import null_space

from pyhrf.estimators.noise_kernels import best_autocorrelation, fill_statistics
from pyhrf.model.statistics import grid_energy


def estimate(problem, state, rho_index, noise):
    design = problem.design
    energy = grid_energy(problem.moments, design.rho, design.inv_PP)
    return best_autocorrelation(
        *(problem.moments.ZY, energy, design.rho, design.C, design.log_det),
        problem.prior.n_free,
        *(state.h, gamma_of(problem, state), state.level, state.level_var),
        *(rho_index, noise),
    )


def expected_squares(problem, state, v, rho):
    """Expected squared residual of a position under the precision at `rho`."""
    X, P, Y = problem.dense
    L = marginal_precision(P, rho)
    a, h = state.level[v], state.h
    a_moment = np.outer(a, a) + np.diag(state.level_var[v])
    h_moment = np.outer(h, h) + state.Sigma
    fitted = np.einsum("nmd,m,d->n", X, a, h)
    square = np.einsum("nmd,nk,kle,ml,de->", X, L, X, a_moment, h_moment)
    return Y[:, v] @ L @ (Y[:, v] - 2 * fitted) + square


def test_fill_statistics__are_products_under_the_marginal_precision():
    problem = make_problem(7)
    X, P, Y = problem.dense
    for v in range(V):
        L = marginal_precision(P, RHO[problem.data.rho_index[v]])
        np.testing.assert_allclose(problem.data.B[v], np.einsum("nmd,nk,k->md", X, L, Y[:, v]))
        assert problem.data.e[v] == pytest.approx(Y[:, v] @ L @ Y[:, v])


def test_fill_statistics__fills_again_only_where_the_autocorrelation_changed():
    problem = make_problem(7)
    design, data = problem.design, problem.data
    rho_index = (data.rho_index + np.array([0, 1, 0])) % len(RHO)
    expected = with_autocorrelation(data, design, problem.moments, rho_index)
    filled, untouched = data.rho_index.copy(), 17.0
    data.B[0], data.e[0] = untouched, untouched
    energy = grid_energy(problem.moments, design.rho, design.inv_PP)
    given = (problem.moments.ZY, energy, design.rho, design.C)
    fill_statistics(*given, rho_index, filled, data.B, data.e)
    np.testing.assert_array_equal(filled, rho_index)
    assert (data.B[0] == untouched).all()
    assert data.e[0] == untouched
    np.testing.assert_array_equal(data.B[1:], expected.B[1:])
    np.testing.assert_array_equal(data.e[1:], expected.e[1:])


@pytest.mark.parametrize("seed", range(5))
def test_best_autocorrelation__is_the_best_of_the_grid(seed):
    problem, state = make_problem(seed), random_state(seed)
    n = problem.prior.n_free
    before = problem.data.rho_index.copy()
    rho_index, noise = before.copy(), state.noise.copy()
    n_changed = estimate(problem, state, rho_index, noise)
    assert n_changed == np.sum(rho_index != before)
    _, P, _ = problem.dense
    U = null_space(P.T)
    for v in range(V):
        squares = np.array([expected_squares(problem, state, v, rho) for rho in RHO])
        log_dets = [np.linalg.slogdet(U.T @ noise_covariance(rho) @ U)[1] for rho in RHO]
        scores = -0.5 * np.array(log_dets) - 0.5 * n * np.log(squares)
        assert rho_index[v] == np.argmax(scores)
        assert noise[v] == pytest.approx(squares[rho_index[v]] / n)


@pytest.mark.parametrize("seed", range(3))
def test_best_autocorrelation__raises_the_free_energy(seed):
    problem, state = make_problem(seed), random_state(seed)
    rho_index, noise = problem.data.rho_index.copy(), state.noise.copy()
    estimate(problem, state, rho_index, noise)
    moved = problem._replace(
        data=with_autocorrelation(problem.data, problem.design, problem.moments, rho_index)
    )
    best = dense_free_energy(moved, state._replace(noise=noise))
    assert best >= dense_free_energy(problem, state)
    assert best >= dense_free_energy(moved, state._replace(noise=1.1 * noise))
    assert best >= dense_free_energy(moved, state._replace(noise=0.9 * noise))


def test_best_autocorrelation__a_second_time_changes_nothing():
    problem, state = make_problem(1), random_state(1)
    rho_index, noise = problem.data.rho_index.copy(), state.noise.copy()
    estimate(problem, state, rho_index, noise)
    again, noise_again = rho_index.copy(), noise.copy()
    assert estimate(problem, state, again, noise_again) == 0
    np.testing.assert_array_equal(again, rho_index)
    np.testing.assert_array_equal(noise_again, noise)
