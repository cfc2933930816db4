"""The formulas of ``docs/model.md``, with matrices over time, hold where VEM has converged."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from pyhrf.data import Events, Experiment, Run
from pyhrf.estimators import JDEVEM
from pyhrf.estimators.checks import parcel_of_arrays
from pyhrf.estimators.vem_solver import solve_vem
from pyhrf.model.design import experiment_design
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.hrf import canonical_hrf, prior_precision
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.parameters.model import ModelSettings

N, TR, M = 150, 2.0, 2
# The iterations stop a little before the place where the formulas hold exactly.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def found() -> SimpleNamespace:
    """One parcel of 180 voxels, two conditions, VEM until nothing moves."""
    rng = np.random.default_rng(1)
    onsets = [np.sort(rng.uniform(0, 280, 25)) for _ in range(M)]
    events = {
        name: Events(each, np.zeros(25), np.ones(25))
        for name, each in zip(("a", "b"), onsets, strict=True)
    }
    experiment = Experiment(("a", "b"), (Run(N, TR, events),))
    voxels = np.argwhere(np.ones((6, 6, 5)))
    active = np.linalg.norm(voxels - 2, axis=1) < 2.2
    levels = active[:, None] * rng.normal(4, 1, (len(voxels), M))
    lags = TR * np.arange(N)[:, None] - np.array(onsets)[:, None, :]
    responses = np.where(lags > 0, canonical_hrf(lags), 0).sum(axis=2)
    bold = (levels @ responses + rng.normal(0, 4, (len(voxels), N))).T
    parcel = parcel_of_arrays(bold, N, None, voxels)
    graph = NeighbourGraph.from_edges(parcel.edges, len(voxels))
    estimator = JDEVEM(experiment, tolerance=1e-9, n_iterations=1000)
    solution = solve_vem(estimator._problem, parcel.bold, graph)
    assert solution.converged
    X = experiment_design(experiment, 1.0, 24)
    P = experiment_nuisance(experiment, ModelSettings())
    return _dense(solution, parcel.bold.astype(float), X, P, graph)


def _dense(solution, y, X, P, graph) -> SimpleNamespace:
    """Statistics of the page, from matrices over time; nothing of `pyhrf.model.statistics`."""
    E, U = np.eye(N), np.eye(N, k=1) + np.eye(N, k=-1)
    E[0, 0] = E[-1, -1] = 0
    state, V = solution.state, y.shape[1]
    products = {}
    for rho in np.unique(solution.rho):
        full = np.eye(N) + rho**2 * E - rho * U
        products[rho] = full - full @ P @ np.linalg.solve(P.T @ full @ P, P.T @ full)
    G = {r: np.einsum("imd,ij,jnk->mndk", X, L, X) for r, L in products.items()}
    second = np.outer(state.h, state.h) + state.Sigma
    Gamma = {r: np.einsum("mndk,dk->mn", G[r], second) for r in G}
    each = [products[rho] for rho in solution.rho]
    return SimpleNamespace(
        solution=solution,
        state=state,
        hyper=solution.hyper,
        K=P.shape[1],
        G=[G[rho] for rho in solution.rho],
        Gamma=np.array([Gamma[rho] for rho in solution.rho]),
        B=np.array([X.transpose(1, 2, 0) @ each[v] @ y[:, v] for v in range(V)]),
        e=np.array([y[:, v] @ each[v] @ y[:, v] for v in range(V)]),
        a=state.p * state.class_mean[..., 1] + (1 - state.p) * state.class_mean[..., 0],
        R_inv=prior_precision(24, 1.0),
        neighbours=[graph.neighbours[graph.start[v] : graph.start[v + 1]] for v in range(V)],
    )


def test_model_page__levels_and_classes(found: SimpleNamespace) -> None:
    state, hyper = found.state, found.hyper
    spin = 2 * state.p - 1
    for v, near in enumerate(found.neighbours):
        Gamma, s = found.Gamma[v], state.noise[v]
        for m in range(M):
            others = sum(Gamma[m, n] * found.a[v, n] for n in range(M) if n != m)
            mean = np.array([0.0, state.mu[m]])
            c = 1 / (Gamma[m, m] / s + 1 / state.v[:, m])
            k = c * ((found.B[v, m] @ state.h - others) / s + mean / state.v[:, m])
            np.testing.assert_allclose(state.class_var[v, m], c, rtol=TOLERANCE)
            np.testing.assert_allclose(state.class_mean[v, m], k, atol=TOLERANCE)
            evidence = np.log(c / state.v[:, m]) + k**2 / c - mean**2 / state.v[:, m]
            beta = hyper.beta[m]
            logit = (
                (evidence[1] - evidence[0]) / 2
                + hyper.alpha[m]
                + beta * spin[near, m].sum()
                - beta**2 / 2 * spin[v, m] * (1 - spin[near, m] ** 2).sum()
            )
            assert state.p[v, m] == pytest.approx(1 / (1 + np.exp(-logit)), abs=TOLERANCE)


def test_model_page__noise(found: SimpleNamespace) -> None:
    state, a = found.state, found.a
    fitted = np.einsum("vmn,vm,vn->v", found.Gamma, a, a)
    spread = np.einsum("vmm,vm->v", found.Gamma, state.level_var)
    cross = np.einsum("vm,vmd,d->v", a, found.B, state.h)
    s = (found.e - 2 * cross + fitted + spread) / (N - found.K)
    np.testing.assert_allclose(state.noise, s, rtol=TOLERANCE)


def test_model_page__response_and_its_error(found: SimpleNamespace) -> None:
    state, a, r = found.state, found.a, found.hyper.inflation[0]
    assert r > 1
    precision = found.R_inv / state.v_h[0]
    known = precision.copy()
    right = np.zeros(len(state.h))
    for v, G in enumerate(found.G):
        square = np.outer(a[v], a[v])
        spread = np.diag(state.level_var[v])
        precision += np.einsum("mn,mndk->dk", square + spread, G) / (r * state.noise[v])
        known += np.einsum("mn,mndk->dk", square, G) / (r * state.noise[v])
        right += a[v] @ found.B[v] / (r * state.noise[v])
    Sigma = np.linalg.inv(precision)
    np.testing.assert_allclose(state.Sigma, Sigma, atol=TOLERANCE * np.abs(Sigma).max())
    np.testing.assert_allclose(state.h, Sigma @ right, atol=TOLERANCE * np.abs(state.h).max())
    energy = state.h @ found.R_inv @ state.h + np.trace(found.R_inv @ state.Sigma)
    assert state.v_h[0] == pytest.approx(energy / len(state.h), rel=TOLERANCE)
    told = found.solution.hrf_covariance
    np.testing.assert_allclose(told, np.linalg.inv(known), atol=TOLERANCE * np.abs(told).max())
    height = state.h @ state.h
    known = height / (height + np.trace(told))
    assert found.solution.quality == pytest.approx(state.p.max() * known)


def test_model_page__smooth_part_of_the_prior() -> None:
    from pyhrf.model.hrf import _family_moment

    t = np.arange(1.0, 25.0)
    u, g = np.log(1 + t / 4), t * np.exp(-t / 8)
    r = np.abs(u[:, None] - u) / 0.7
    matern = (1 + np.sqrt(5) * r + 5 / 3 * r**2) * np.exp(-np.sqrt(5) * r)
    S, F = np.outer(g, g) * matern, _family_moment(t)
    R = 0.8 * F / np.diag(F).mean() + 0.2 * S / np.diag(S).mean()
    np.testing.assert_allclose(np.linalg.inv(prior_precision(24, 1.0)), R, atol=1e-5)
