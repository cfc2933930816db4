"""Compiled posterior covariances, which know what the factors of the iterations do not."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry
from pyhrf.estimators.level_kernels import own_precision
from pyhrf.estimators.linalg_kernels import inverse_and_log_det
from pyhrf.estimators.vem_kernels import hrf_precision
from pyhrf.estimators.vem_state import ParcelData, Prior, State


@entry
def posterior_covariances(data: ParcelData, state: State, Gamma: FloatArray) -> FloatArray:
    """Joint posterior covariance of each position's levels.

    The iterations treat the conditions' levels one by one. Each level's prior is replaced by the
    Gaussian that, with the likelihood of that level alone, gives its posterior variance:
    precision ``1 / var - Q_vv Gamma_mm``, at least 0 where two classes lie far apart. With the
    likelihood of all levels that makes ``inv(Q_vv Gamma + diag(precision))``, in which no level may
    have less than its own variance.

    Returns
    -------
    array, shape (n_positions, n_conditions, n_conditions)
    """
    V, M = state.level.shape
    covariance = np.empty((V, M, M))
    precision = np.empty((M, M))
    stretch = np.empty(M)
    own = own_precision(data, state)
    for v in range(V):
        for m in range(M):
            for n in range(M):
                # the likelihood's part, Q_vv Gamma
                precision[m, n] = Gamma[data.rho_index[v], m, n] * own[v]
        for m in range(M):
            # a small part of the likelihood's precision keeps collinear conditions invertible
            site = 1.0 / state.level_var[v, m] - precision[m, m]
            precision[m, m] += max(site, 1e-3 * precision[m, m])
        inverse = inverse_and_log_det(precision)[0]
        for m in range(M):
            # between two classes far apart, their distance adds to the variance
            ratio = state.level_var[v, m] / inverse[m, m]
            stretch[m] = np.sqrt(max(ratio, 1.0))
        for m in range(M):
            for n in range(M):
                covariance[v, m, n] = stretch[m] * inverse[m, n] * stretch[n]
    return covariance


@entry
def hrf_covariance(data: ParcelData, prior: Prior, state: State, inflation: float) -> FloatArray:
    """Posterior covariance of the HRF that knows of the levels' uncertainty.

    As separate factors, HRF and levels each take the other for known. The linear response of
    the levels to the HRF (Giordano et al. 2018, JMLR 19(51)) takes from the HRF's precision
    ``sum_v cov(X'r) var(a_v) Q_vv^2 = sum_v var(a_v) Q_vv G``: just what the variance of the
    levels had put there. What else it takes lies along the HRF's scale, which is fixed by norm.

    Returns
    -------
    array, shape (n_hrf, n_hrf)
    """
    none = np.zeros(state.level_var.shape)
    return inverse_and_log_det(hrf_precision(data, prior, state, inflation, none))[0]
