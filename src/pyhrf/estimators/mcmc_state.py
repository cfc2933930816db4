"""What the compiled sampler is given, what it changes, and what it writes down."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray


class Design(NamedTuple):
    """What all parcels share.

    Attributes
    ----------
    basis : array, shape (n_basis, n_pairs, n_hrf * (n_hrf + 1) / 2)
        Lower triangles, row after row. With `mixing` they give the ``G`` of every
        autocorrelation: ``G_i = sum_b mixing[i, b] basis[b]``.
    mixing : array, shape (n_rho, n_basis)
    rho : array, shape (n_rho,)
        As in `pyhrf.model.statistics.DesignStatistics`, as are `C`, `inv_PP`, `log_det`, `n_free`.
    C : array, shape (n_rho, n_nuisance, n_conditions * n_hrf)
    inv_PP : array, shape (n_rho, n_nuisance, n_nuisance)
    log_det : array, shape (n_rho,)
    n_free : float
    R_inv : array, shape (n_hrf, n_hrf)
        Inverse prior covariance of the HRF, up to its scale.
    """

    basis: FloatArray
    mixing: FloatArray
    rho: FloatArray
    C: FloatArray
    inv_PP: FloatArray
    log_det: FloatArray
    n_free: float
    R_inv: FloatArray


class ParcelMoments(NamedTuple):
    """Data of a parcel without a time axis, and its graph.

    Attributes
    ----------
    ZY : array, shape (3, n_positions, n_nuisance + n_conditions * n_hrf)
        As in `pyhrf.model.statistics.Moments`.
    energy : array, shape (n_positions, n_rho)
        ``y' L y`` with the nuisance integrated out, for every autocorrelation.
    start, neighbours : int32 arrays
        As in `pyhrf.model.graph.NeighbourGraph`.
    """

    ZY: FloatArray
    energy: FloatArray
    start: NDArray[np.int32]
    neighbours: NDArray[np.int32]


class Priors(NamedTuple):
    """The priors.

    Attributes
    ----------
    mean : array, shape (n_conditions,)
        Prior mean of the active class: ``mu | v_1 ~ N(mean, v_1 / weight)``.
    variance : array, shape (2, n_conditions)
        ``v_i ~ IG(weight / 2, weight variance_i / 2)``, where ``v_0 < v_1 + mu^2``.
    weight : float
        How many positions the prior of the mixtures is worth.
    hrf_scale : array, shape (2,)
        Shape and scale of the inverse gamma prior of ``v_h``.
    noise : array, shape (2,)
        Shape and scale of the inverse gamma prior of the innovations' variances.
    alphas, betas : arrays, shape (n_alphas,), (n_betas,)
        Values that the field's log odds and strength may take.
    field : array, shape (n_conditions, n_alphas, n_betas)
        Log prior less log partition function of each pair of them.
    inflation : float
        How often the positions count the same noise; 1 in a generative model.
    """

    mean: FloatArray
    variance: FloatArray
    weight: float
    hrf_scale: FloatArray
    noise: FloatArray
    alphas: FloatArray
    betas: FloatArray
    field: FloatArray
    inflation: float


class Chain(NamedTuple):
    """Where a chain is: every unknown, changed in place.

    Attributes
    ----------
    h : array, shape (n_hrf,)
    v_h : array, shape (1,)
        Scale of the HRF's prior covariance.
    label : int8 array, shape (n_positions, n_conditions)
        1 where active.
    level : array, shape (n_positions, n_conditions)
    noise : array, shape (n_positions,)
        Variance of the innovations.
    rho_index : int64 array, shape (n_positions,)
        Place of the autocorrelation in the grid.
    mu : array, shape (n_conditions,)
        Mean of the active class.
    v : array, shape (2, n_conditions)
        Variances of the inactive and the active class.
    field : int64 array, shape (2, n_conditions)
        Places of log odds and strength of the field among their values.
    """

    h: FloatArray
    v_h: FloatArray
    label: NDArray[np.int8]
    level: FloatArray
    noise: FloatArray
    rho_index: NDArray[np.int64]
    mu: FloatArray
    v: FloatArray
    field: NDArray[np.int64]


class Steps(NamedTuple):
    """How a chain runs.

    Attributes
    ----------
    n_burn_in : int
        First sweeps, of which nothing is written down but the log likelihood.
    n_kept : int
        Sweeps after them.
    thinning : int
        Of the kept sweeps every so many-th gives a draw of all levels.
    threshold : float
        Level, unit of the data, for the PPMs; NaN for the crossing of the classes.
    """

    n_burn_in: int
    n_kept: int
    thinning: int
    threshold: float


class Draws(NamedTuple):
    """What a chain writes down, on the scale where each HRF's largest excursion is +1.

    Attributes
    ----------
    hrf : array, shape (n_kept, n_hrf)
    mixture : array, shape (n_kept, n_conditions, 6)
        Mean and sd of the active class, sd of the inactive one, ``beta``, ``alpha``, and the
        fraction of active positions.
    levels : float32 array, shape (n_kept // thinning, n_positions, n_conditions)
    active, level, square, beyond : arrays, shape (n_positions, n_conditions)
        Sums over the sweeps of the probability to be active, the level, its square, and of whether
        it is beyond the threshold.
    noise_sd, ar1 : arrays, shape (n_positions,)
        Sums of the noise's sd and of its autocorrelation.
    log_likelihood : array, shape (n_burn_in + n_kept,)
    accepted : array, shape (2,)
        Moves of the scale, and of the sign, that were accepted, per proposal.
    """

    hrf: FloatArray
    mixture: FloatArray
    levels: NDArray[np.float32]
    active: FloatArray
    level: FloatArray
    square: FloatArray
    beyond: FloatArray
    noise_sd: FloatArray
    ar1: FloatArray
    log_likelihood: FloatArray
    accepted: FloatArray
