"""Parcels and their edges, against loops over all pairs of voxels."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyhrf.spaces.neighbours import find_parcels

label_grids = hnp.arrays(
    np.int32, hnp.array_shapes(min_dims=3, max_dims=3, max_side=4), elements=st.integers(0, 3)
)


def brute_force_edges(labels: np.ndarray, number: int) -> list[tuple[int, int]]:
    """Pairs of voxels of a parcel at distance 1, by comparing all with all."""
    voxels = [tuple(v) for v in np.argwhere(labels == number)]  # in C order
    return [
        (i, j)
        for (i, a), (j, b) in itertools.combinations(enumerate(voxels), 2)
        if sum(abs(int(x) - int(y)) for x, y in zip(a, b, strict=True)) == 1
    ]


@given(label_grids)
def test_find_parcels__equals_brute_force(labels: np.ndarray) -> None:
    parcels = find_parcels(labels)
    assert parcels.numbers == tuple(sorted(set(labels.ravel().tolist()) - {0}))
    for place, number in enumerate(parcels.numbers):
        voxels = parcels.voxels[parcels.bounds[place] : parcels.bounds[place + 1]]
        assert voxels.tolist() == np.flatnonzero(labels == number).tolist()
        edges = parcels.edges_of(place)
        assert edges.dtype == np.int32
        assert [tuple(edge) for edge in edges.tolist()] == brute_force_edges(labels, number)


def test_find_parcels__counts_edges_of_a_box() -> None:
    labels = np.ones((6, 5, 4), np.uint8)
    n_edges = 5 * 5 * 4 + 6 * 4 * 4 + 6 * 5 * 3
    assert find_parcels(labels).edges_of(0).shape == (n_edges, 2)


def test_find_parcels__does_not_mind_memory_order() -> None:
    labels = np.random.default_rng(1).integers(0, 4, (4, 5, 6))
    c_order, f_order = find_parcels(labels), find_parcels(np.asfortranarray(labels))
    np.testing.assert_array_equal(c_order.voxels, f_order.voxels)
    np.testing.assert_array_equal(c_order.edges, f_order.edges)


def test_find_parcels__gives_single_voxels_no_edge() -> None:
    labels = np.zeros((3, 3, 3), np.int16)
    labels[0, 0, 0], labels[2, 2, 2] = 5, 9
    parcels = find_parcels(labels)
    assert parcels.numbers == (5, 9)
    assert [parcels.edges_of(k).shape for k in (0, 1)] == [(0, 2), (0, 2)]
