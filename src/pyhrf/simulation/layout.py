"""Where artificial voxels lie: the mask, its parcels and the blobs of activation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.simulation.spec import SimulationSpec


def make_mask(spec: SimulationSpec) -> tuple[NDArray[np.bool_], FloatArray]:
    """Voxels of the data set, and the affine of their grid.

    Returns
    -------
    mask : bool array, shape (n_x, n_y, n_z)
    affine : array, shape (4, 4)
        From voxel indices to millimetres.
    """
    if spec.shape is None:
        return _grey_matter(spec.voxel_size)
    shape = np.array(spec.shape)
    affine = np.diag([spec.voxel_size] * 3 + [1.0])
    affine[:3, 3] = -0.5 * spec.voxel_size * (shape - 1)
    if spec.region == "box":
        return np.ones(spec.shape, dtype=bool), affine
    axes = [(np.arange(n) - (n - 1) / 2) / (n / 2) for n in spec.shape]
    x, y, z = np.meshgrid(*axes, indexing="ij", sparse=True)
    return x**2 + y**2 + z**2 <= 1.0, affine


def _grey_matter(voxel_size: float) -> tuple[NDArray[np.bool_], FloatArray]:
    from nilearn.datasets import load_mni152_gm_mask

    image = load_mni152_gm_mask(resolution=round(voxel_size))
    return np.asarray(image.dataobj) > 0, np.asarray(image.affine, dtype=np.float64)


def make_parcels(
    mask: NDArray[np.bool_], spec: SimulationSpec, rng: np.random.Generator
) -> NDArray[np.int32]:
    """Cut a mask into parcels of about the wanted sizes, by halving it again and again.

    Each cut is across the axis along which the piece is longest, so that parcels are compact.

    Returns
    -------
    int32 array, shape of ``mask``
        Parcel of each voxel from 1 to ``spec.n_parcels``, 0 outside the mask.
    """
    coordinates = np.argwhere(mask)
    if len(coordinates) < spec.n_parcels:
        raise InputError(
            f"simulation: {spec.n_parcels} parcels do not fit into {len(coordinates)} voxels; ask "
            f"for fewer parcels or a larger shape."
        )
    weights = np.exp(spec.parcel_size_spread * rng.standard_normal(spec.n_parcels))
    numbers = np.zeros(len(coordinates), dtype=np.int32)
    pieces = [(np.arange(len(coordinates)), 0, spec.n_parcels)]
    while pieces:
        voxels, first, last = pieces.pop()
        if last - first == 1:
            numbers[voxels] = last
            continue
        middle = (first + last) // 2
        share = weights[first:middle].sum() / weights[first:last].sum()
        cut = round(share * len(voxels))
        cut = min(max(cut, middle - first), len(voxels) - (last - middle))
        axis = int(np.argmax(np.ptp(coordinates[voxels], axis=0)))
        ordered = voxels[np.argsort(coordinates[voxels, axis], kind="stable")]
        pieces += [(ordered[cut:], middle, last), (ordered[:cut], first, middle)]
    parcellation = np.zeros(mask.shape, dtype=np.int32)
    parcellation[mask] = numbers
    return parcellation


def draw_active_pairs(spec: SimulationSpec, rng: np.random.Generator) -> NDArray[np.int8]:
    """Which condition activates which parcel.

    Returns
    -------
    int8 array, shape (n_conditions, n_parcels)
        1 for positive responses, -1 for negative ones, 0 for none.
    """
    n_conditions, n_parcels = spec.n_conditions, spec.n_parcels
    n_pairs = n_conditions * n_parcels
    # Without any active condition a parcel says nothing of its HRF: one is taken last.
    kept = np.zeros((n_conditions, n_parcels), dtype=bool)
    kept[rng.integers(n_conditions, size=n_parcels), np.arange(n_parcels)] = True
    order = np.argsort(rng.random(n_pairs) + kept.ravel(), kind="stable")
    sign = np.ones(n_pairs, dtype=np.int8)
    n_inactive = round(spec.inactive_fraction * n_pairs)
    sign[order[:n_inactive]] = 0
    active = rng.permutation(order[n_inactive:])
    sign[active[: round(spec.negative_fraction * len(active))]] = -1
    return sign.reshape(n_conditions, n_parcels)


def draw_labels(
    parcellation: NDArray[np.int32],
    pairs: NDArray[np.int8],
    spec: SimulationSpec,
    rng: np.random.Generator,
) -> NDArray[np.bool_]:
    """Active voxels of each condition: the highest values of a smooth Gaussian field.

    Parameters
    ----------
    parcellation : int32 array, shape (n_x, n_y, n_z)
    pairs : int8 array, shape (n_conditions, n_parcels)
        From `draw_active_pairs`.

    Returns
    -------
    bool array, shape (n_conditions, n_positions)
        Positions are the voxels of positive label, in C order.
    """
    inside = parcellation > 0
    numbers = parcellation[inside]
    members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(np.bincount(numbers)[1:-1]))
    labels = np.zeros((len(pairs), len(numbers)), dtype=bool)
    for condition, signs in enumerate(pairs):
        field = gaussian_filter(rng.standard_normal(parcellation.shape), spec.smoothness)[inside]
        fractions = spec.active_fraction * rng.uniform(2 / 3, 4 / 3, size=len(signs))
        for parcel in np.flatnonzero(signs):
            voxels = members[parcel]
            n_active = round(min(fractions[parcel], 1.0) * len(voxels))
            if spec.active_fraction > 0:
                n_active = max(n_active, 1)
            order = np.argsort(-field[voxels], kind="stable")
            labels[condition, voxels[order[:n_active]]] = True
    return labels
