from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from pyhrf import InputError
from pyhrf.simulation.layout import draw_active_pairs, draw_labels, make_mask, make_parcels
from pyhrf.simulation.spec import SimulationSpec


def rng(seed=0):
    return np.random.default_rng(seed)


def test_make_mask__ellipsoid_fills_its_box():
    mask, affine = make_mask(SimulationSpec(shape=(20, 24, 12), voxel_size=2.0))
    assert mask.sum() == pytest.approx(np.pi / 6 * mask.size, rel=0.05)
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        assert mask.any(axis=others).all()
    centre = affine @ [*(np.array(mask.shape) - 1) / 2, 1]
    np.testing.assert_allclose(centre, [0, 0, 0, 1])
    np.testing.assert_array_equal(np.diag(affine), [2, 2, 2, 1])


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 8), st.integers(1, 8), st.integers(1, 8)),
    st.integers(1, 40),
    st.floats(0, 2),
    st.integers(0, 5),
)
def test_make_parcels__every_number_has_a_voxel_and_every_voxel_a_number(
    shape, n_parcels, spread, seed
):
    n_parcels = min(n_parcels, int(np.prod(shape)))
    spec = SimulationSpec(region="box", shape=shape, n_parcels=n_parcels, parcel_size_spread=spread)
    mask, _ = make_mask(spec)
    parcellation = make_parcels(mask, spec, rng(seed))
    assert set(np.unique(parcellation)) == set(range(1, n_parcels + 1))


def test_make_parcels__are_compact_and_of_like_size():
    spec = SimulationSpec(parcel_size_spread=0.0)
    mask, _ = make_mask(spec)
    parcellation = make_parcels(mask, spec, rng())
    np.testing.assert_array_equal(parcellation > 0, mask)
    sizes = np.bincount(parcellation.ravel())[1:]
    assert np.ptp(sizes) <= 5
    for number in range(1, spec.n_parcels + 1):
        _, n_pieces = ndimage.label(parcellation == number, np.ones((3, 3, 3)))
        assert n_pieces == 1


def test_make_parcels__spread_gives_parcels_of_many_sizes():
    spec = SimulationSpec(parcel_size_spread=1.0)
    mask, _ = make_mask(spec)
    sizes = np.bincount(make_parcels(mask, spec, rng()).ravel())[1:]
    assert np.std(np.log(sizes)) == pytest.approx(1.0, abs=0.4)


def test_make_parcels__refuses_more_parcels_than_voxels():
    spec = SimulationSpec(shape=(3, 3, 3), n_parcels=26)
    mask, _ = make_mask(spec)
    with pytest.raises(InputError, match="26 parcels do not fit into 19 voxels"):
        make_parcels(mask, spec, rng())


@given(st.integers(1, 12), st.integers(1, 30), st.floats(0, 1), st.floats(0, 1), st.integers(0, 3))
def test_draw_active_pairs__fractions_are_met(n_conditions, n_parcels, inactive, negative, seed):
    spec = SimulationSpec(
        n_conditions=n_conditions,
        n_parcels=n_parcels,
        inactive_fraction=inactive,
        negative_fraction=negative,
    )
    signs = draw_active_pairs(spec, rng(seed))
    assert signs.shape == (n_conditions, n_parcels)
    n_inactive = round(inactive * signs.size)
    assert np.sum(signs == 0) == n_inactive
    assert np.sum(signs == -1) == round(negative * (signs.size - n_inactive))
    if n_inactive <= n_parcels * (n_conditions - 1):
        assert signs.any(axis=0).all()


def neighbours_alike(parcellation, labels):
    """Fraction of touching voxels of one parcel with equal labels."""
    volume = np.zeros(parcellation.shape)
    volume[parcellation > 0] = labels
    same_parcel = (parcellation[1:] == parcellation[:-1]) & (parcellation[1:] > 0)
    return np.mean((volume[1:] == volume[:-1])[same_parcel])


def test_draw_labels__smoothness_makes_blobs():
    spec = SimulationSpec(n_conditions=8, inactive_fraction=0.0)
    mask, _ = make_mask(spec)
    parcellation = make_parcels(mask, spec, rng())
    pairs = draw_active_pairs(spec, rng())
    alike = []
    for smoothness in (0.0, 0.7, 1.4, 3.0):
        labels = draw_labels(parcellation, pairs, replace(spec, smoothness=smoothness), rng(1))
        alike.append(np.mean([neighbours_alike(parcellation, one) for one in labels]))
    # Without smoothness two voxels agree by chance: p² + (1 - p)², p between 0.2 and 0.4.
    assert alike[0] == pytest.approx(0.58, abs=0.02)
    assert alike[0] < alike[1] - 0.05
    assert alike[1] < alike[2] - 0.05
    assert alike[2] < alike[3] - 0.03


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.3, 0.6])
def test_draw_labels__activates_the_fraction_asked_for(fraction):
    spec = SimulationSpec(n_conditions=12, active_fraction=fraction)
    mask, _ = make_mask(spec)
    parcellation = make_parcels(mask, spec, rng())
    pairs = draw_active_pairs(spec, rng())
    labels = draw_labels(parcellation, pairs, spec, rng(2))
    parcel_of = parcellation[mask]
    shares = np.array(
        [[labels[m, parcel_of == p + 1].mean() for p in range(24)] for m in range(12)]
    )
    assert (shares[pairs == 0] == 0).all()
    active = shares[pairs != 0]
    assert active.mean() == pytest.approx(fraction, abs=0.02)
    assert active.min() >= 2 / 3 * fraction - 0.01
    assert active.max() <= 4 / 3 * fraction + 0.01


def test_draw_labels__are_the_highest_values_parcel_by_parcel():
    # A parcel of one voxel that a condition activates is active whatever the fraction.
    spec = SimulationSpec(
        region="box", shape=(2, 1, 1), n_parcels=2, active_fraction=0.1, inactive_fraction=0
    )
    mask, _ = make_mask(spec)
    parcellation = make_parcels(mask, spec, rng())
    assert draw_labels(parcellation, draw_active_pairs(spec, rng()), spec, rng()).all()
