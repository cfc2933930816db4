"""Compiled steps of the noise model: statistics at an autocorrelation, and its estimate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry


@entry
def fill_statistics(
    ZY: FloatArray,
    energy: FloatArray,
    rho: FloatArray,
    C: FloatArray,
    rho_index: NDArray[np.int64],
    filled: NDArray[np.int64],
    B: FloatArray,
    e: FloatArray,
) -> None:
    """Fill ``B_v = X' L y - C' P' L y`` and ``e_v``, where the autocorrelation is another one.

    Parameters
    ----------
    ZY : array, shape (3, n_positions, n_nuisance + n_conditions * n_hrf)
        As in `pyhrf.model.statistics.Moments`.
    energy : array, shape (n_positions, n_rho)
        As of `pyhrf.model.statistics.grid_energy`.
    rho, C
        As in `pyhrf.model.statistics.DesignStatistics`.
    rho_index : int array, shape (n_positions,)
        Place of each position's autocorrelation in `rho`.
    filled : int array, shape (n_positions,)
        That for which `B` and `e` are filled already, -1 for none; changed.
    B : array, shape (n_positions, n_conditions, n_hrf)
        Filled.
    e : array, shape (n_positions,)
        Filled.
    """
    V, M, D = B.shape
    K = C.shape[1]
    nuisance = np.empty(K)
    for v in range(V):
        i = rho_index[v]
        if filled[v] == i:
            continue
        filled[v] = i
        r = rho[i]
        e[v] = energy[v, i]
        # docs/model.md, "Time is touched once": each is three products, weighted by 1, rho^2, -rho
        for k in range(K):
            nuisance[k] = ZY[0, v, k] + r * r * ZY[1, v, k] - r * ZY[2, v, k]
        for m in range(M):
            for d in range(D):
                j = K + m * D + d
                B[v, m, d] = ZY[0, v, j] + r * r * ZY[1, v, j] - r * ZY[2, v, j]
        # less what the nuisance P explains
        for k in range(K):
            for m in range(M):
                for d in range(D):
                    B[v, m, d] -= C[i, k, m * D + d] * nuisance[k]


@entry
def best_autocorrelation(
    ZY: FloatArray,
    energy: FloatArray,
    rho: FloatArray,
    C: FloatArray,
    log_det: FloatArray,
    n_free: float,
    h: FloatArray,
    Gamma: FloatArray,
    level: FloatArray,
    level_var: FloatArray,
    rho_index: NDArray[np.int64],
    noise: FloatArray,
) -> int:
    """Set autocorrelation and innovation variance of every position to their joint best.

    For every ``rho`` of the grid the best variance is the expected squared residual over
    `n_free`; what remains is ``log_det(rho) / 2 - n_free / 2 log residual(rho)``.

    Parameters
    ----------
    ZY, energy
        As of `fill_statistics`.
    rho, C, log_det, n_free
        As in `pyhrf.model.statistics.DesignStatistics`.
    h : array, shape (n_hrf,)
        HRF.
    Gamma : array, shape (n_rho, n_conditions, n_conditions)
        Of the whole grid.
    level, level_var : arrays, shape (n_positions, n_conditions)
        Mean and variance of the levels.
    rho_index : int array, shape (n_positions,)
        Changed.
    noise : array, shape (n_positions,)
        Changed.

    Returns
    -------
    int
        How many positions changed their autocorrelation.
    """
    V, M = level.shape
    n_rho, K = C.shape[:2]
    D = h.shape[0]
    Ch = np.zeros((n_rho, M, K))
    for i in range(n_rho):
        for k in range(K):
            for m in range(M):
                for d in range(D):
                    Ch[i, m, k] += C[i, k, m * D + d] * h[d]
    product = np.empty(3)
    nuisance = np.empty(K)
    changed = 0
    for v in range(V):
        # sum_m a_m (X_m h)' y in the three products
        for j in range(3):
            total = 0.0
            for m in range(M):
                for d in range(D):
                    total += level[v, m] * ZY[j, v, K + m * D + d] * h[d]
            product[j] = total
        best = -np.inf
        best_index = rho_index[v]
        best_residual = noise[v] * n_free
        for i in range(n_rho):
            r = rho[i]
            # docs/model.md, "Estimation", noise: the brackets of s_v, for this rho
            residual = energy[v, i]
            residual -= 2.0 * (product[0] + r * r * product[1] - r * product[2])
            for k in range(K):
                nuisance[k] = ZY[0, v, k] + r * r * ZY[1, v, k] - r * ZY[2, v, k]
            for m in range(M):
                fitted = 0.0
                for k in range(K):
                    fitted += Ch[i, m, k] * nuisance[k]
                residual += 2.0 * fitted * level[v, m]
                for n in range(M):
                    residual += Gamma[i, m, n] * level[v, m] * level[v, n]
                residual += Gamma[i, m, m] * level_var[v, m]
            # "The autocorrelation": what is highest at the best rho
            score = 0.5 * log_det[i] - 0.5 * n_free * np.log(residual)
            if score > best:
                best = score
                best_index = i
                best_residual = residual
        changed += best_index != rho_index[v]
        rho_index[v] = best_index
        noise[v] = best_residual / n_free
    return changed
