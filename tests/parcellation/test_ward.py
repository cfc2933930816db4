"""Parcels from the data: what must hold for any features, and known regions found again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from pyhrf.errors import InputError
from pyhrf.model.graph import grid_edges
from pyhrf.parcellation.edit import split_mask
from pyhrf.parcellation.features import glm_features
from pyhrf.parcellation.graphs import sparse_graph
from pyhrf.parcellation.ward import neighbour_means, ward_parcels
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

SHAPE = (5, 4, 3)
masks = arrays(np.int8, SHAPE, elements=st.integers(0, 1)).filter(np.any)


def placed(mask, numbers):
    labels = np.zeros(mask.shape, int)
    labels[mask > 0] = numbers
    return labels


@settings(deadline=None, max_examples=60)
@given(masks, st.integers(1, 30), st.integers(1, 30), st.integers(1, 6), st.integers(0, 9))
def test_ward__gives_connected_parcels_of_bounded_size(mask, one, other, n_parcels, seed):
    size, smallest = max(one, other), min(one, other)
    features = np.random.default_rng(seed).normal(size=(int(mask.sum()), 2))
    edges = grid_edges(np.argwhere(mask))
    labels = placed(
        mask, ward_parcels(features, edges, size=size, smallest=smallest, n_parcels=n_parcels)
    )
    numbers, sizes = np.unique(labels[mask > 0], return_counts=True)
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert sizes.max() <= size
    assert all(ndimage.label(labels == number)[1] == 1 for number in numbers)
    pieces, _ = ndimage.label(mask)
    for number in numbers[sizes < smallest]:
        (piece,) = np.unique(pieces[labels == number])
        if (pieces == piece).sum() < smallest:
            continue
        # left small: no neighbour has room, nor a voxel to give without falling apart
        own = labels == number
        around = ndimage.binary_dilation(own) & (labels > 0) & ~own
        for neighbour in np.unique(labels[around]):
            n_there = (labels == neighbour).sum()
            assert n_there + own.sum() > size
            if n_there > smallest:
                for voxel in np.argwhere(around & (labels == neighbour)):
                    without = labels == neighbour
                    without[tuple(voxel)] = False
                    assert ndimage.label(without)[1] > 1


def test_ward__cuts_as_scikit_learn_does():
    rng = np.random.default_rng(4)
    edges = grid_edges(np.argwhere(np.ones((6, 6, 2))))
    features = rng.normal(size=(72, 3))
    found = ward_parcels(features, edges, size=72, n_parcels=7)
    expected = AgglomerativeClustering(7, connectivity=sparse_graph(72, edges)).fit_predict(
        features
    )
    assert adjusted_rand_score(expected, found) == 1


def test_ward__small_parcels_go_to_whom_they_resemble():
    edges = np.array(list(itertools.pairwise(range(9))))
    features = np.array([0, 0, 0, 0, 3.0, 5, 5, 5, 5])[:, None]
    found = ward_parcels(features, edges, size=5, smallest=2, n_parcels=3)
    assert found.tolist() == [1, 1, 1, 1, 2, 2, 2, 2, 2]


def test_ward__a_small_parcel_without_room_beside_it_grows():
    edges = np.array(list(itertools.pairwise(range(9))))
    features = np.array([0, 0, 0, 0, 3.0, 5, 5, 5, 5])[:, None]
    found = ward_parcels(features, edges, size=4, smallest=3, n_parcels=3)
    assert found.tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]


def test_neighbour_means__are_those_of_a_path():
    edges = np.array([[0, 1], [1, 2]])
    means = neighbour_means(np.array([[0.0], [3.0], [9.0], [7.0]]), edges)
    np.testing.assert_allclose(means[:, 0], [1.5, 4, 6, 7])


@pytest.mark.parametrize(
    ("features", "size", "smallest", "message"),
    [
        (np.full((3, 1), np.nan), 2, 1, "finite"),
        (np.zeros((3, 1)), 2, 3, "at least 3 and at most 2"),
        (np.zeros((3, 1)), 0, 0, "at least 0 and at most 0"),
    ],
)
def test_ward__refuses_what_cannot_be(features, size, smallest, message):
    with pytest.raises(InputError, match=message):
        ward_parcels(features, np.array([[0, 1], [1, 2]]), size=size, smallest=smallest)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_glm_features__bring_back_regions_of_different_responses(seed):
    """Better than a cut by space alone, which knows the size but not the borders."""
    spec = SimulationSpec(
        region="box",
        shape=(14, 14, 5),
        n_parcels=7,
        n_scans=200,
        tr=2.0,
        n_conditions=2,
        active_fraction=1.0,
        snr=1.0,
        seed=seed,
    )
    simulated = simulate(spec)
    inside = simulated.parcellation > 0
    truth = simulated.parcellation[inside]
    edges = grid_edges(np.argwhere(inside))
    features, usable = glm_features(simulated.experiment, np.asarray(simulated.bold))
    assert usable.all()
    found = ward_parcels(neighbour_means(features, edges), edges, size=220, smallest=30)
    blind = split_mask(inside, size=220)[inside]
    assert adjusted_rand_score(truth, found) > 0.55
    assert adjusted_rand_score(truth, found) > adjusted_rand_score(truth, blind) + 0.2
    again = ward_parcels(neighbour_means(features, edges), edges, size=220, smallest=30)
    np.testing.assert_array_equal(found, again)


def test_glm_features__leave_out_constant_and_infinite_voxels():
    spec = SimulationSpec(region="box", shape=(4, 3, 2), n_parcels=1, n_scans=80, tr=2.0)
    simulated = simulate(spec)
    bold = np.array(simulated.bold)
    whole, _ = glm_features(simulated.experiment, bold)
    bold[:, 3] = 7
    bold[10, 5] = np.inf
    features, usable = glm_features(simulated.experiment, bold)
    assert np.flatnonzero(~usable).tolist() == [3, 5]
    np.testing.assert_allclose(features, whole[usable], rtol=1e-10)
