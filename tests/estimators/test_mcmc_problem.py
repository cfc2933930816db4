"""The prior of the sampler's field, on labels whose texture is given."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pyhrf.estimators.mcmc_problem import ALPHAS, BETAS, FieldPrior
from pyhrf.model.graph import NeighbourGraph, grid_edges


def mean_strength(size: int, n_cubes: int, chosen: float) -> float:
    """Posterior mean of the strength given blobs of one texture, mean over cubes of this size."""
    voxels = np.argwhere(np.ones((size,) * 3))
    edges = grid_edges(voxels)
    prior = FieldPrior(None, 0)
    graph = NeighbourGraph.from_edges(edges, len(voxels))
    table = prior.table(graph, np.array([-0.5]), np.array([chosen]))[0]
    rng = np.random.default_rng(0)
    means = []
    for _ in range(n_cubes):
        # cut out of a larger field, so that borders have the same texture
        field = gaussian_filter(rng.normal(size=(size + 8,) * 3), 1.5)[4:-4, 4:-4, 4:-4].ravel()
        label = field > np.quantile(field, 0.7)
        agreement = np.sum(label[edges[:, 0]] == label[edges[:, 1]])
        score = table + ALPHAS[:, None] * label.sum() + BETAS * agreement
        weight = np.exp(score - score.max())
        means.append(np.sum(weight * BETAS) / weight.sum())
    return float(np.mean(means))


@pytest.mark.parametrize("chosen", [0.65, 0.9])
def test_field_prior__strength_does_not_depend_on_the_size_of_a_parcel(chosen):
    small, large = mean_strength(6, 8, chosen), mean_strength(15, 1, chosen)
    assert large == pytest.approx(small, abs=0.025)
    assert large == pytest.approx(chosen, abs=0.05)
