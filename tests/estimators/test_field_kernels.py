import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from pyhrf.estimators.field_kernels import leave_one_out_scores, site_logit
from pyhrf.model.graph import NeighbourGraph, grid_edges

SHAPE = (10, 10, 8)
BETAS = np.array([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
GRAPH = NeighbourGraph.from_edges(grid_edges(np.argwhere(np.ones(SHAPE))), int(np.prod(SHAPE)))


def scores(evidence, *, graph=GRAPH, betas=BETAS, alphas=(0.0,), n_sweeps=20):
    return leave_one_out_scores(
        np.ascontiguousarray(evidence),
        graph.start,
        graph.neighbours,
        np.asarray(betas),
        np.asarray(alphas),
        n_sweeps,
    )


def log_bayes_factors(labels, distance, rng):
    """Evidence of one noisy observation: mean 0 if inactive, `distance` if active, sd 1."""
    seen = distance * labels + rng.standard_normal(labels.shape)
    return norm.logpdf(seen, distance) - norm.logpdf(seen, 0)


def test_leave_one_out_scores__without_field_are_the_likelihood_of_a_plain_mixture():
    evidence = np.random.default_rng(0).normal(scale=3, size=(len(GRAPH.start) - 1, 2))
    alphas = np.array([-1.5, 0.0, 0.7])
    pi = expit(alphas)[:, None, None]
    expected = np.log(pi * np.exp(evidence) + 1 - pi).sum(axis=1)
    np.testing.assert_allclose(scores(evidence, betas=[0.0], alphas=alphas)[:, 0], expected)


def test_leave_one_out_scores__without_neighbours_do_not_depend_on_the_field():
    evidence = np.random.default_rng(1).normal(size=(50, 1))
    alone = NeighbourGraph.from_edges([], 50)
    found = scores(evidence, graph=alone)
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1], found.shape))


def best_betas(labels, distance, rng):
    found = scores(log_bayes_factors(labels, distance, rng))[0]
    return BETAS[found.argmax(axis=0)]


def independent_labels(rng):
    return rng.random((len(GRAPH.start) - 1, 3)) < 0.5


def blobs(rng):
    smooth = [gaussian_filter(rng.standard_normal(SHAPE), 1.5) for _ in range(3)]
    return (np.stack(smooth, axis=-1) > 0).reshape(-1, 3)


@pytest.mark.parametrize("distance", [2.0, 4.0])
def test_leave_one_out_scores__want_no_field_for_independent_labels(distance):
    rng = np.random.default_rng(2)
    assert best_betas(independent_labels(rng), distance, rng).max() <= 0.2


@pytest.mark.parametrize("distance", [2.0, 4.0])
def test_leave_one_out_scores__want_a_field_for_blobs(distance):
    rng = np.random.default_rng(3)
    assert best_betas(blobs(rng), distance, rng).min() >= 0.6


def test_leave_one_out_scores__tell_blobs_from_independent_labels_in_poor_data():
    rng = np.random.default_rng(2)
    independent = best_betas(independent_labels(rng), 1.0, rng)
    assert independent.mean() < best_betas(blobs(rng), 1.0, rng).mean() - 0.2


def test_leave_one_out_scores__survive_overwhelming_evidence():
    evidence = np.random.default_rng(4).choice([-900.0, 900.0], size=(len(GRAPH.start) - 1, 1))
    assert np.isfinite(scores(evidence, alphas=(-1.0, 0.0))).all()


@given(st.floats(-30, 30), st.floats(0, 80), st.floats(0.001, 0.999))
def test_site_logit__solves_its_equation(drive, reaction, p):
    expected = brentq(
        lambda x: x + reaction * np.tanh(x / 2) - drive, drive - 81, drive + 81, xtol=1e-12
    )
    assert site_logit(drive, reaction, p) == pytest.approx(expected, abs=1e-6)


def exact_probabilities(evidence, alpha, beta, edges):
    """Marginals of the field with its evidence, by enumeration of all labellings."""
    labels = np.array(list(itertools.product((0, 1), repeat=len(evidence))))
    same = sum((labels[:, i] == labels[:, j]).astype(float) for i, j in edges)
    log_weight = labels @ (evidence + alpha) + beta * same
    weight = np.exp(log_weight - log_weight.max())
    return weight @ labels / weight.sum()


def mean_field(evidence, alpha, beta, graph, *, second_order):
    """Probabilities where no site moves any more, one site after the other."""
    p = np.full(len(evidence), 0.5)
    for _ in range(300):
        for v, own in enumerate(evidence):
            spins = 2 * p[graph.neighbours[graph.start[v] : graph.start[v + 1]]] - 1
            drive = own + alpha + beta * spins.sum()
            reaction = 0.5 * beta**2 * (1 - spins**2).sum() if second_order else 0.0
            p[v] = expit(site_logit(drive, reaction, p[v]))
    return p


@pytest.mark.parametrize("beta", [0.2, 0.4, 0.6])
def test_site_logit__leads_nearer_to_the_exact_field_than_naive_mean_field(beta):
    rng = np.random.default_rng(0)
    edges = grid_edges(np.argwhere(np.ones((3, 2, 2))))
    graph = NeighbourGraph.from_edges(edges, 12)
    errors = []
    for _ in range(4):
        evidence = rng.normal(scale=1.5, size=12)
        exact = exact_probabilities(evidence, -0.3, beta, edges)
        found = [
            mean_field(evidence, -0.3, beta, graph, second_order=second) for second in (True, False)
        ]
        errors.append([np.abs(p - exact).mean() for p in found])
    of_second, of_naive = np.mean(errors, axis=0)
    assert of_second < 0.5 * of_naive
    assert of_second < 0.25 * beta**3
