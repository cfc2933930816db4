"""Log partition function of the field against enumeration and closed forms."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import logsumexp

from pyhrf.estimators.mcmc_problem import ALPHAS, BETAS, FieldPrior
from pyhrf.estimators.potts import log_partition
from pyhrf.estimators.potts_kernels import mean_agreement
from pyhrf.model.graph import NeighbourGraph, grid_edges

BOX = np.array(list(itertools.product(range(3), range(2), range(2))))
FEW = np.linspace(0, 1.2, 25)


def enumerated(edges: np.ndarray, n: int, alpha: float, betas: np.ndarray) -> np.ndarray:
    """Log partition function by the sum over all labels."""
    labels = np.array(list(itertools.product((0, 1), repeat=n)))
    agree = (labels[:, edges[:, 0]] == labels[:, edges[:, 1]]).sum(axis=1)
    return logsumexp(betas[:, None] * agree + alpha * labels.sum(axis=1), axis=1)


@pytest.mark.parametrize("alpha", [0.0, -0.7, -3.0])
def test_log_partition__is_the_sum_over_all_labels(alpha):
    graph = NeighbourGraph.from_edges(grid_edges(BOX), len(BOX))
    found = log_partition(
        graph,
        alphas=np.array([alpha]),
        betas=FEW,
        n_sweeps=3000,
        seed=np.random.SeedSequence(3),
    )[0]
    np.testing.assert_allclose(found, enumerated(grid_edges(BOX), 12, alpha, FEW), atol=0.05)


def test_log_partition__of_a_tree_is_known_whatever_its_size():
    # without odds every edge of a tree is independent of the others
    n = 400
    edges = np.array([((v - 1) // 2, v) for v in range(1, n)])
    graph = NeighbourGraph.from_edges(edges, n)
    found = log_partition(
        graph, alphas=np.zeros(1), betas=FEW, n_sweeps=1000, seed=np.random.SeedSequence(4)
    )[0]
    closed = np.log(2) + (n - 1) * np.log1p(np.exp(FEW))
    np.testing.assert_allclose(found, closed, atol=1.0)
    assert np.abs(np.diff(found - closed)).max() < 0.4


def test_log_partition__without_neighbours_does_not_know_the_strength():
    graph = NeighbourGraph.from_edges(np.empty((0, 2), dtype=int), 7)
    found = log_partition(
        graph, alphas=ALPHAS, betas=FEW, n_sweeps=10, seed=np.random.SeedSequence(5)
    )
    expected = 7 * np.log1p(np.exp(ALPHAS))[:, None] * np.ones(len(FEW))
    np.testing.assert_allclose(found, expected)


def test_mean_agreement__grows_with_the_strength_up_to_all_pairs():
    graph = NeighbourGraph.from_edges(grid_edges(BOX), len(BOX))
    rng = np.random.Generator(np.random.SFC64(0))
    found = mean_agreement(
        rng, graph.start, graph.neighbours, np.array([0.0, 0.4, 8.0]), 0.0, 50, 4000
    )
    assert found[0] == pytest.approx(graph.n_edges / 2, rel=0.02)
    assert found[0] < found[1] < found[2]
    assert found[2] == pytest.approx(graph.n_edges, rel=1e-3)


def test_field_prior__is_computed_once_for_a_graph_and_the_same_in_any_order():
    one = NeighbourGraph.from_edges(grid_edges(BOX), len(BOX))
    other = NeighbourGraph.from_edges(grid_edges(BOX[:8]), 8)
    where = (np.array([0.0, -1.0]), np.array([0.5, 0.8]))
    forward, backward = FieldPrior(None, 3), FieldPrior(None, 3)
    tables = [forward.table(graph, *where) for graph in (one, other)]
    again = [backward.table(graph, *where) for graph in (other, one)]
    np.testing.assert_array_equal(tables[0], again[1])
    np.testing.assert_array_equal(tables[1], again[0])
    assert tables[0].shape == (2, len(ALPHAS), len(BETAS))
    # the prior without the partition function lies where it was said to
    log_z = log_partition(
        one, alphas=ALPHAS, betas=BETAS, n_sweeps=100, seed=np.random.SeedSequence(3)
    )
    place = np.unravel_index(np.argmax(tables[0][1] + log_z), log_z.shape)
    assert (ALPHAS[place[0]], BETAS[place[1]]) == (-1.0, 0.8)
    assert len(forward._known) == 2
    forward.table(one, *where)
    assert len(forward._known) == 2


def test_field_prior__of_a_given_strength_holds_no_other():
    prior = FieldPrior(0.7, 0)
    graph = NeighbourGraph.from_edges(grid_edges(BOX), len(BOX))
    assert prior.table(graph, np.zeros(3), np.full(3, 0.7)).tolist() == [[[0.0]]] * 3
    assert prior.betas.tolist() == [0.7]
    assert prior.alphas.tolist() == [0.0]
