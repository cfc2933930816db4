"""Parcellations: what must hold for any mask, against scipy's connected components."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nilearn.datasets import load_fsaverage, load_mni152_brain_mask
from scipy import ndimage

from pyhrf.errors import InputError
from pyhrf.parcellation.edit import extract, make_contiguous, merge_small, split_mask
from pyhrf.spaces.surfaces import mesh_edges

SHAPE = (5, 4, 3)
masks = arrays(np.int8, SHAPE, elements=st.integers(0, 1)).filter(np.any)
parcellations = arrays(np.int32, SHAPE, elements=st.sampled_from([0, 0, 2, 3, 7])).filter(np.any)


def n_pieces(mask: np.ndarray) -> int:
    return ndimage.label(mask)[1]


def sizes(labels: np.ndarray) -> list[int]:
    return np.unique(labels[labels > 0], return_counts=True)[1].tolist()


@settings(deadline=None)
@given(masks, st.integers(1, 30))
def test_split_mask__gives_connected_parcels_of_bounded_size(mask, size):
    labels = split_mask(mask, size=size)
    np.testing.assert_array_equal(labels > 0, mask > 0)
    numbers = np.unique(labels[labels > 0])
    assert numbers.tolist() == list(range(1, len(numbers) + 1))
    assert max(sizes(labels)) <= size
    assert all(n_pieces(labels == number) == 1 for number in numbers)


def test_split_mask__gives_parcels_near_the_size():
    labels = split_mask(np.ones((20, 20, 20)), size=250)
    assert 32 <= len(sizes(labels)) <= 48
    assert np.median(sizes(labels)) > 150


@pytest.mark.parametrize("size", [80, 300])
def test_split_mask__leaves_no_crumbs_of_a_brain(size):
    brain = load_mni152_brain_mask(resolution=4).get_fdata() > 0
    made = sizes(split_mask(brain, size=size))
    assert min(made) > size / 4
    assert len(made) < 1.35 * brain.sum() / size


def test_split_mask__leaves_no_crumbs_of_a_mesh():
    mesh = load_fsaverage("fsaverage5")["pial"].parts["left"]
    edges = mesh_edges(mesh.faces)
    made = sizes(split_mask(np.ones(mesh.n_vertices), size=200, edges=edges))
    assert min(made) > 50
    assert len(made) < 1.35 * mesh.n_vertices / 200


@settings(deadline=None)
@given(parcellations)
def test_make_contiguous__every_piece_has_a_number(labels):
    made = make_contiguous(labels)
    np.testing.assert_array_equal(made > 0, labels > 0)
    expected = sum(n_pieces(labels == number) for number in np.unique(labels[labels > 0]))
    assert len(sizes(made)) == expected
    for number in np.unique(made[made > 0]):
        assert n_pieces(made == number) == 1
        assert len(np.unique(labels[made == number])) == 1
    for number in np.unique(labels[labels > 0]):
        pieces, n = ndimage.label(labels == number)
        assert (made == number).sum() == max((pieces == i).sum() for i in range(1, n + 1))


@settings(deadline=None)
@given(parcellations, st.integers(1, 12))
def test_merge_small__leaves_small_parcels_only_alone(labels, smallest):
    merged = merge_small(labels, smallest=smallest)
    np.testing.assert_array_equal(merged > 0, labels > 0)
    for number in np.unique(labels[labels > 0]):
        # a parcel goes as a whole
        assert len(np.unique(merged[labels == number])) == 1
    for number in np.unique(merged[merged > 0]):
        mine = merged == number
        if mine.sum() < smallest:
            around = ndimage.binary_dilation(mine) & ~mine
            assert not (merged[around] > 0).any()


def test_merge_small__takes_the_neighbour_of_most_faces():
    labels = np.array([[1, 1, 2, 2], [1, 3, 2, 2], [1, 1, 1, 2]], np.int32)[..., None]
    merged = merge_small(labels, smallest=2)
    np.testing.assert_array_equal(merged, np.where(labels == 3, 1, labels))


def merged_by_hand(labels: np.ndarray, smallest: int) -> np.ndarray:
    """Follow the rule step by step, counting faces in the volume each time."""
    merged = labels.copy()
    while True:
        found = sorted((int((merged == k).sum()), k) for k in set(merged[merged > 0].tolist()))
        for size, number in found:
            faces: dict[int, int] = {}
            for axis in range(merged.ndim):
                one, other = np.moveaxis(merged, axis, 0)[:-1], np.moveaxis(merged, axis, 0)[1:]
                for a, b in ((one, other), (other, one)):
                    for k in b[(a == number) & (b > 0) & (b != number)].tolist():
                        faces[k] = faces.get(k, 0) + 1
            if size < smallest and faces:
                merged[merged == number] = min(faces, key=lambda k: (-faces[k], k))
                break
        else:
            return merged


@settings(deadline=None, max_examples=50)
@given(arrays(np.int32, (4, 3, 2), elements=st.integers(0, 9)).filter(np.any), st.integers(1, 12))
def test_merge_small__takes_the_smallest_first(labels, smallest):
    merged = merge_small(labels, smallest=smallest)
    np.testing.assert_array_equal(merged, merged_by_hand(labels, smallest))


def test_merge_small__takes_time_in_proportion_to_the_parcels():
    def seconds(side: int) -> float:
        labels = np.arange(1, side**3 + 1, dtype=np.int32).reshape((side,) * 3)
        start = time.thread_time()  # not what other tests left running
        merge_small(labels, smallest=20)
        return time.thread_time() - start

    small, large = (min(seconds(side) for _ in range(3)) for side in (12, 24))
    assert large < 24 * small  # 8 times as many; 64 if each looks at all


def test_extract__keeps_numbers():
    labels = np.array([0, 1, 2, 3, 2], np.int32).reshape(5, 1, 1)
    assert extract(labels, [3, 2]).ravel().tolist() == [0, 0, 2, 3, 2]
    with pytest.raises(InputError, match="no parcel 4: there are 3, from 1 to 3"):
        extract(labels, [4])


def test_split_mask__refuses_an_empty_mask():
    with pytest.raises(InputError, match="empty"):
        split_mask(np.zeros((2, 2, 2)), size=3)


def test_merge_small__drops_what_stays_small():
    labels = np.array([3, 3, 4, 0, 5, 0, 6, 6, 6], np.int32).reshape(9, 1, 1)
    kept = merge_small(labels, smallest=3).ravel().tolist()
    dropped = merge_small(labels, smallest=3, drop=True).ravel().tolist()
    assert kept == [3, 3, 3, 0, 5, 0, 6, 6, 6]
    assert dropped == [3, 3, 3, 0, 0, 0, 6, 6, 6]
    with pytest.raises(InputError, match="all have fewer than 9"):
        merge_small(labels, smallest=9, drop=True)
