"""A tiny parcel for the kernels, and its free energy from dense matrices with a time axis.

Nothing here uses the sufficient statistics: likelihoods are those of explicit multivariate
normal distributions, labels are enumerated, and expectations over HRF and levels are sums over
the nodes of a product quadrature that is exact for polynomials of degree 3 in each variable.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from scipy.linalg import block_diag, null_space
from scipy.stats import invgamma, multivariate_normal, norm

from pyhrf.estimators.noise_kernels import fill_statistics
from pyhrf.estimators.vem_kernels import contract_design
from pyhrf.estimators.vem_state import Hyper, ParcelData, Prior, State
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.statistics import (
    DesignStatistics,
    Moments,
    design_statistics,
    grid_energy,
    parcel_moments,
    without_nuisance,
)

RUNS = (11, 8)
RHO = np.array([-0.2, 0.0, 0.3, 0.7])
V, M, D = 3, 2, 4
EDGES = [(0, 1), (1, 2)]


class Dense(NamedTuple):
    """The data as they are, and the design."""

    X: np.ndarray
    P: np.ndarray
    Y: np.ndarray


class Problem(NamedTuple):
    """What the kernels take, and what it was made from."""

    dense: Dense
    design: DesignStatistics
    moments: Moments
    data: ParcelData
    prior: Prior
    hyper: Hyper


def make_problem(seed: int = 0, *, n_conditions: int = M, edges: object = EDGES) -> Problem:
    """Random data of a tiny parcel in two runs, with another autocorrelation in each position."""
    rng = np.random.default_rng(seed)
    n_scans = sum(RUNS)
    X = rng.normal(size=(n_scans, n_conditions, D))
    P = block_diag(*(np.vander(np.arange(n) / n, 2) for n in RUNS))
    h, level = rng.normal(size=D), 1 + rng.normal(size=(V, n_conditions))
    Y = np.einsum("nmd,d,vm->nv", X, h, level) + rng.normal(size=(n_scans, V)) + 20
    projector, design = design_statistics(X, P, RUNS, RHO)
    moments = parcel_moments(projector, without_nuisance(projector, Y))
    graph = NeighbourGraph.from_edges(edges, V)
    rho_index = rng.integers(len(RHO), size=V)
    root = rng.normal(size=(D, D))
    R_inv = root @ root.T + np.eye(D)
    prior = Prior(
        design.G, design.log_det, float(design.n_free), R_inv, float(np.linalg.slogdet(R_inv)[1])
    )
    data = with_autocorrelation(
        ParcelData(
            np.empty((V, n_conditions, D)),
            np.empty(V),
            rho_index,
            np.zeros(len(RHO), dtype=np.bool_),
            graph.start,
            graph.neighbours,
            np.zeros((V, 0)),
        ),
        design,
        moments,
        rho_index,
    )
    hyper = Hyper(
        beta=rng.uniform(0.2, 1.0, n_conditions),
        alpha=rng.normal(size=n_conditions),
        mean=rng.normal(size=n_conditions),
        variance=rng.uniform(0.3, 2.0, (2, n_conditions)),
        weight=5.0,
        inflation=np.array([rng.uniform(1, 3)]),
    )
    return Problem(Dense(X, P, Y), design, moments, data, prior, hyper)


def make_shared_problem(seed: int = 0, *, n_factors: int = 2, **given: object) -> Problem:
    """The same with noise that positions share, and one autocorrelation."""
    problem = make_problem(seed, **given)  # type: ignore[arg-type]
    data = with_autocorrelation(problem.data, problem.design, problem.moments, np.full(V, 2))
    # diag(1 / noise) - F F' stays positive for the noise of `random_state`: at least 1/3
    factors = 0.25 * np.random.default_rng(seed + 7).normal(size=(V, n_factors))
    factors *= min(1.0, 0.5 / np.linalg.norm(factors, 2))
    return problem._replace(data=data._replace(factors=factors))


def noise_precision(problem: Problem, state: State) -> np.ndarray:
    """``Q``, the precision of the noise between positions."""
    return np.diag(1 / state.noise) - problem.data.factors @ problem.data.factors.T


def expected_shared_log_likelihood(problem: Problem, state: State) -> float:
    """The same as `expected_log_likelihood`, of all positions at once."""
    X, P, Y = problem.dense
    U = null_space(P.T)
    rho = RHO[problem.data.rho_index[0]]
    Q = noise_precision(problem, state)
    covariance = np.kron(np.linalg.inv(Q), U.T @ noise_covariance(rho) @ U)
    likelihood = multivariate_normal(np.zeros(len(covariance)), covariance)
    h_nodes = nodes(state.h, state.Sigma)
    a_nodes = nodes(state.level.ravel(), np.diag(state.level_var.ravel()))
    a_nodes = a_nodes.reshape(len(a_nodes), V, -1)
    means = np.einsum("nmd,hd,avm->havn", X, h_nodes, a_nodes).reshape(-1, V, len(Y))
    gaps = (Y.T - means) @ U
    return float(likelihood.logpdf(gaps.reshape(len(gaps), -1)).mean())


def with_autocorrelation(
    data: ParcelData, design: DesignStatistics, moments: Moments, rho_index: np.ndarray
) -> ParcelData:
    """Statistics at other autocorrelations."""
    occupied = np.zeros_like(data.occupied)
    occupied[rho_index] = True
    data = data._replace(
        B=np.empty_like(data.B), e=np.empty_like(data.e), rho_index=rho_index, occupied=occupied
    )
    energy = grid_energy(moments, design.rho, design.inv_PP)
    none = np.full(len(rho_index), -1)
    fill_statistics(moments.ZY, energy, design.rho, design.C, rho_index, none, data.B, data.e)
    return data


def random_state(seed: int, n_conditions: int = M) -> State:
    """Any state that is allowed, far from an optimum."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(D, D))
    state = State(
        h=rng.normal(size=D),
        Sigma=0.1 * root @ root.T + 0.05 * np.eye(D),
        v_h=rng.gamma(3.0, size=1),
        p=rng.uniform(0.05, 0.95, (V, n_conditions)),
        class_mean=rng.normal(size=(V, n_conditions, 2)),
        class_var=rng.uniform(0.1, 2.0, (V, n_conditions, 2)),
        level=np.empty((V, n_conditions)),
        level_var=np.empty((V, n_conditions)),
        noise=rng.uniform(0.5, 3.0, V),
        mu=rng.normal(size=n_conditions),
        v=rng.uniform(0.3, 2.0, (2, n_conditions)),
        side=np.zeros(n_conditions),
    )
    return collapsed(state)


def collapsed(state: State) -> State:
    """Put right the moments of the levels, by the law of total variance."""
    weights = np.stack([1 - state.p, state.p], axis=-1)
    mean = (weights * state.class_mean).sum(axis=-1)
    square = (weights * (state.class_mean**2 + state.class_var)).sum(axis=-1)
    return state._replace(level=mean, level_var=square - mean**2)


def copy_of(state: State) -> State:
    """State that the kernels may change."""
    return State(*(field.copy() for field in state))


def gamma_of(problem: Problem, state: State) -> np.ndarray:
    """Gamma for every autocorrelation."""
    every = np.ones_like(problem.data.occupied)
    moment = state.Sigma + np.outer(state.h, state.h)
    return contract_design(problem.design.G, moment, every, state.mu.shape[0])


def noise_covariance(rho: float) -> np.ndarray:
    """Covariance of AR(1) noise whose innovations have a variance of 1, run by run."""
    blocks = []
    for n in RUNS:
        lags = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
        blocks.append(rho**lags / (1 - rho**2))
    return block_diag(*blocks)


def marginal_precision(P: np.ndarray, rho: float) -> np.ndarray:
    """Precision of the data without the nuisance, innovations with a variance of 1."""
    U = null_space(P.T)
    return U @ np.linalg.inv(U.T @ noise_covariance(rho) @ U) @ U.T


def nodes(mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """Points, equally weighted, with these two moments: all corners of a box."""
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=len(mean))))
    return mean + signs @ np.linalg.cholesky(covariance).T


def expected_log_likelihood(problem: Problem, state: State) -> float:
    """``E[log p(y | a, h)]`` of the data without nuisance, levels and HRF independent."""
    X, P, Y = problem.dense
    U = null_space(P.T)
    total = 0.0
    for v in range(V):
        rho = RHO[problem.data.rho_index[v]]
        covariance = state.noise[v] * U.T @ noise_covariance(rho) @ U
        h_nodes = nodes(state.h, state.Sigma)
        # the log likelihood is quadratic in each level: their means and variances are enough
        a_nodes = nodes(state.level[v], np.diag(state.level_var[v]))
        means = np.einsum("nmd,hd,am->han", X, h_nodes, a_nodes).reshape(-1, len(Y))
        gaps = (Y[:, v] - means) @ U
        total += multivariate_normal(np.zeros(U.shape[1]), covariance).logpdf(gaps).mean()
    return total


def field_terms(problem: Problem, state: State) -> float:
    """Field and entropy of the labels to second order of Plefka's expansion, by enumeration.

    To first order, ``E[log p(q)]`` but for its partition function. The second order is half the
    variance of the interaction that no function of single labels explains.
    """
    labels = np.array(list(itertools.product((0, 1), repeat=V)))
    same = sum((labels[:, i] == labels[:, j]).astype(float) for i, j in EDGES)
    functions = np.column_stack([np.ones(len(labels)), labels])
    total = 0.0
    for m in range(state.mu.shape[0]):
        p = state.p[:, m]
        probability = np.prod(np.where(labels, p, 1 - p), axis=1)
        interaction = problem.hyper.beta[m] * same
        log_prior = interaction + problem.hyper.alpha[m] * labels.sum(axis=1)
        total += probability @ (log_prior - np.log(probability))
        root = np.sqrt(probability)
        explained = np.linalg.lstsq(root[:, None] * functions, root * interaction, rcond=None)[0]
        total += 0.5 * probability @ (interaction - functions @ explained) ** 2
    return total


def gaussian_divergence(mean: float, var: float, prior_mean: float, prior_var: float) -> float:
    """Divergence of a normal distribution from another, by entropy and expected log density."""
    prior = norm(prior_mean, np.sqrt(prior_var))
    expected = prior.logpdf(mean + np.sqrt(var) * np.array([-1, 1])).mean()
    return -norm(mean, np.sqrt(var)).entropy() - expected


def level_terms(state: State) -> float:
    """Divergence of the levels, given their labels, from the mixtures' classes."""
    total = 0.0
    for v, m, i in itertools.product(range(V), range(state.mu.shape[0]), range(2)):
        weight = state.p[v, m] if i else 1 - state.p[v, m]
        total += weight * gaussian_divergence(
            state.class_mean[v, m, i],
            state.class_var[v, m, i],
            state.mu[m] if i else 0.0,
            state.v[i, m],
        )
    return total


def mixture_log_prior(state: State, hyper: Hyper) -> float:
    """Normal-inverse-gamma prior of the active class, inverse gamma of the inactive one."""
    total = 0.0
    w = hyper.weight
    for m in range(len(state.mu)):
        for i in range(2):
            prior = invgamma(w / 2 - 1, scale=w * hyper.variance[i, m] / 2)
            total += prior.logpdf(state.v[i, m])
        total += norm(hyper.mean[m], np.sqrt(state.v[1, m] / w)).logpdf(state.mu[m])
    return total


def hrf_divergence(problem: Problem, state: State) -> float:
    """Divergence of the HRF's posterior from its prior."""
    covariance = state.v_h[0] * np.linalg.inv(problem.prior.R_inv)
    prior = multivariate_normal(np.zeros(D), covariance)
    posterior = multivariate_normal(state.h, state.Sigma)
    return -posterior.entropy() - prior.logpdf(nodes(state.h, state.Sigma)).mean()


def dense_free_energy(problem: Problem, state: State) -> float:
    """Free energy, but for constants of design, data, field and shared noise."""
    shared = problem.data.factors.shape[1] > 0
    likelihood = expected_shared_log_likelihood if shared else expected_log_likelihood
    return (
        likelihood(problem, state)
        + field_terms(problem, state)
        - level_terms(state)
        + mixture_log_prior(state, problem.hyper)
        - problem.hyper.inflation[0] * hrf_divergence(problem, state)
    )
