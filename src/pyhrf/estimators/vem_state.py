"""What the compiled steps of the variational EM are given, and what they change."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray


class Prior(NamedTuple):
    """What is fixed before the data of a parcel are fitted.

    Attributes
    ----------
    G : array, shape (n_rho, n_pairs, n_hrf * n_hrf)
        As in `pyhrf.model.statistics.DesignStatistics`, as are `log_det` and `n_free`.
    log_det : array, shape (n_rho,)
    n_free : float
    R_inv : array, shape (n_hrf, n_hrf)
        Inverse prior covariance of the HRF, up to its scale.
    log_det_R : float
        ``log det R_inv``.
    """

    G: FloatArray
    log_det: FloatArray
    n_free: float
    R_inv: FloatArray
    log_det_R: float


class ParcelData(NamedTuple):
    """Statistics of a parcel at the present autocorrelations, and its graph.

    Attributes
    ----------
    B : array, shape (n_positions, n_conditions, n_hrf)
        ``X_m' L y`` with the nuisance integrated out.
    e : array, shape (n_positions,)
        ``y' L y`` likewise.
    rho_index : int array, shape (n_positions,)
        Place of each position's autocorrelation in the grid.
    occupied : bool array, shape (n_rho,)
        Grid values that occur.
    start, neighbours : int32 arrays
        As in `pyhrf.model.graph.NeighbourGraph`.
    factors : array, shape (n_positions, n_factors)
        ``F`` of the noise that positions share: the precision of the noise between positions is
        ``Q = diag(1 / noise) - F F'``. Without columns their noise is independent; with them all
        have the same autocorrelation.
    """

    B: FloatArray
    e: FloatArray
    rho_index: NDArray[np.int64]
    occupied: NDArray[np.bool_]
    start: NDArray[np.int32]
    neighbours: NDArray[np.int32]
    factors: FloatArray


class Hyper(NamedTuple):
    """Hyperparameters: the field, and a mixture prior worth a few positions.

    Attributes
    ----------
    beta : array, shape (n_conditions,)
        Strength of the field.
    alpha : array, shape (n_conditions,)
        Log odds of activation apart from the neighbours.
    mean : array, shape (n_conditions,)
        Prior mean of the active class.
    variance : array, shape (2, n_conditions)
        Prior variances of the inactive and the active class.
    weight : float
        How many positions the prior is worth.
    inflation : array, shape (1,)
        How often the positions count the same noise: the weight of the HRF's divergence from its
        prior (generalised variational inference, Knoblauch et al. 2022, JMLR 23(132)).
    two_sided : bool
        Whether an active level may as well lie around ``-mu``, before the sign of the active
        class is known. Class means and variances are then those of ``sign * level``, and the
        free energy is not exact.
    """

    beta: FloatArray
    alpha: FloatArray
    mean: FloatArray
    variance: FloatArray
    weight: float
    inflation: FloatArray
    two_sided: bool = False


class State(NamedTuple):
    """Everything that the iterations change, in place.

    Attributes
    ----------
    h : array, shape (n_hrf,)
    Sigma : array, shape (n_hrf, n_hrf)
    v_h : array, shape (1,)
        Scale of the HRF's prior covariance.
    p : array, shape (n_positions, n_conditions)
        Probability that the position is active.
    class_mean, class_var : arrays, shape (n_positions, n_conditions, 2)
        Mean and variance of the level, given that the position is inactive, active.
    level, level_var : arrays, shape (n_positions, n_conditions)
        Mean and variance of the level.
    noise : array, shape (n_positions,)
        Variance of the noise's innovations; of the part that is not shared, where there are
        `ParcelData.factors`.
    mu : array, shape (n_conditions,)
        Mean of the active class.
    v : array, shape (2, n_conditions)
        Variances of the inactive and the active class.
    side : array, shape (n_conditions,)
        Active positions around ``mu`` less those around ``-mu``, if `Hyper.two_sided`.
    """

    h: FloatArray
    Sigma: FloatArray
    v_h: FloatArray
    p: FloatArray
    class_mean: FloatArray
    class_var: FloatArray
    level: FloatArray
    level_var: FloatArray
    noise: FloatArray
    mu: FloatArray
    v: FloatArray
    side: FloatArray
