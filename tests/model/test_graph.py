import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyhrf.errors import InputError
from pyhrf.model.graph import NeighbourGraph, grid_edges

voxel = st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3))


def brute_force_pairs(voxels):
    return {
        (i, j)
        for i, one in enumerate(voxels)
        for j, other in enumerate(voxels)
        if i < j and sum(abs(a - b) for a, b in zip(one, other, strict=True)) == 1
    }


@settings(max_examples=100)
@given(st.lists(voxel, unique=True, min_size=1, max_size=40))
def test_grid_edges__joins_voxels_that_share_a_face(voxels):
    edges = grid_edges(np.array(voxels))
    assert edges.dtype == np.int32
    pairs = [tuple(int(v) for v in edge) for edge in edges]
    assert len(set(pairs)) == len(pairs)
    assert set(pairs) == brute_force_pairs(voxels)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint64])
def test_grid_edges__takes_any_integer_type_up_to_its_end(dtype):
    top = min(np.iinfo(dtype).max, 1000)
    edges = grid_edges(np.array([[0, 0, top - 1], [0, 0, top], [0, top, top]], dtype=dtype))
    np.testing.assert_array_equal(edges, [[0, 1]])


def test_grid_edges__no_voxel_has_no_edge():
    assert grid_edges(np.empty((0, 3), dtype=int)).shape == (0, 2)


@pytest.mark.parametrize(
    ("coordinates", "message"),
    [
        (np.zeros((4, 3)), r"an integer array of shape \(n_positions, 3\), not float64"),
        (np.zeros((4, 2), dtype=int), r"of shape \(4, 2\)"),
        (np.zeros(3, dtype=int), r"of shape \(3,\)"),
        ([[0, 0, 0], [1, 0, 0], [0, 0, 0]], "the same voxel is twice"),
    ],
)
def test_grid_edges__refuses_what_is_no_set_of_voxels(coordinates, message):
    with pytest.raises(InputError, match=message):
        grid_edges(coordinates)


@st.composite
def graphs(draw):
    n = draw(st.integers(1, 15))
    pairs = [(i, j) for i in range(n) for j in range(i + 1, n)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []
    flipped = [pair if draw(st.booleans()) else pair[::-1] for pair in chosen]
    return n, flipped


def neighbours_of(graph, v):
    return graph.neighbours[graph.start[v] : graph.start[v + 1]].tolist()


@given(graphs())
def test_from_edges__lists_the_neighbours_of_each_position(case):
    n, pairs = case
    graph = NeighbourGraph.from_edges(np.array(pairs).reshape(-1, 2), n)
    assert graph.n_edges == len(pairs)
    for v in range(n):
        expected = {i for i, j in pairs if j == v} | {j for i, j in pairs if i == v}
        assert neighbours_of(graph, v) == sorted(expected)


@given(graphs(), st.data())
def test_subgraph__is_the_graph_of_the_kept_positions(case, data):
    n, pairs = case
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), dtype=bool)
    old = np.flatnonzero(kept)
    graph = NeighbourGraph.from_edges(np.array(pairs).reshape(-1, 2), n).subgraph(kept)
    assert len(graph.start) == len(old) + 1
    for new, v in enumerate(old):
        expected = {j for i, j in pairs if i == v} | {i for i, j in pairs if j == v}
        assert [old[u] for u in neighbours_of(graph, new)] == sorted(expected & set(old))


def test_from_edges__no_edge_at_all():
    graph = NeighbourGraph.from_edges([], 3)
    assert graph.n_edges == 0
    np.testing.assert_array_equal(graph.start, [0, 0, 0, 0])


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([[0, 1], [1, 5]], "the edges name position 5, but there are 5 positions"),
        ([[0, 1], [-2, 1]], "the edges name position -2, but there are 5 positions"),
        ([[0, 1], [2, 2]], "an edge joins a position with itself"),
        ([[0, 1], [1, 2], [1, 0]], "an edge is given twice"),
        ([[0, 1, 2], [1, 2, 3]], r"of shape \(n_edges, 2\), not .* of shape \(2, 3\)"),
        ([0, 1], r"of shape \(2,\)"),
        ([[0.5, 1.0]], "integer array .* not float64"),
    ],
)
def test_from_edges__refuses_what_is_no_graph(edges, message):
    with pytest.raises(InputError, match=message):
        NeighbourGraph.from_edges(edges, 5)
