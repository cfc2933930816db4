"""Smoothed noise is known by its neighbours, whatever lies in the data beside noise."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pyhrf.model.graph import NeighbourGraph, grid_edges
from pyhrf.model.neighbour_correlation import neighbour_correlation

SHAPE = (14, 14, 14)
N_SCANS = 120
COORDINATES = np.argwhere(np.ones(SHAPE, dtype=bool))
GRAPH = NeighbourGraph.from_edges(grid_edges(COORDINATES), len(COORDINATES))


@pytest.fixture(scope="module")
def explained():
    n = np.arange(N_SCANS)[:, None] + 0.5
    return np.linalg.qr(np.cos(np.pi * n * np.arange(6) / N_SCANS))[0]


def noise(sd):
    rough = np.random.default_rng(0).normal(size=(N_SCANS, *SHAPE))
    return np.array([gaussian_filter(one, sd, mode="wrap") for one in rough]).reshape(N_SCANS, -1)


@pytest.mark.parametrize("sd", [0.4, 0.7, 1.0, 1.5])
def test_neighbour_correlation__is_that_of_a_gaussian_kernel(explained, sd):
    found = neighbour_correlation(noise(sd), explained, GRAPH)
    # that of a kernel with itself, one voxel apart
    kernel = gaussian_filter(np.eye(1, 41, 20).ravel(), sd)
    expected = (kernel[1:] @ kernel[:-1]) / (kernel @ kernel)
    assert found == pytest.approx(expected, abs=0.03)


def test_neighbour_correlation__knows_nothing_of_what_is_explained_units_and_means(explained):
    rough = noise(0.7)
    scale = np.random.default_rng(1).uniform(0.1, 10, rough.shape[1])
    more = 50 * explained[:, :3] @ np.ones((3, rough.shape[1])) + 1e4
    one = neighbour_correlation(rough, explained, GRAPH)
    other = neighbour_correlation(scale * rough + more, explained, GRAPH)
    assert other == pytest.approx(one, abs=1e-6)


def test_neighbour_correlation__of_lone_or_noiseless_positions_is_not_known(explained):
    alone = NeighbourGraph.from_edges([], 3)
    assert np.isnan(neighbour_correlation(noise(0.5)[:, :3], explained, alone))
    pair = NeighbourGraph.from_edges([[0, 1]], 2)
    assert np.isnan(neighbour_correlation(100 + explained[:, 1:3], explained, pair))
