"""Compiled posterior of regularised FIR, with prior variances that are not known for sure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry, inner
from pyhrf.estimators.rfir_factor_kernels import factorise, invert, residual, statistics_at


@inner
def truncated_mean(centre: float, sd: float) -> float:
    """Mean of ``N(centre, sd^2)`` above 0."""
    x = -centre / sd
    if x < -8.0:
        return centre
    if x > 8.0:
        # asymptotic series of the inverse Mills ratio
        return sd * (1.0 / x - 2.0 / x**3)
    tail = 0.5 * math.erfc(x / np.sqrt(2.0))
    return centre + sd * np.exp(-0.5 * x * x) / (np.sqrt(2.0 * np.pi) * tail)


@inner
def uncertain_variances(
    G: FloatArray,
    b: FloatArray,
    e: float,
    n_free: float,
    n_coef: int,
    lam: FloatArray,
    work: tuple[FloatArray, FloatArray, FloatArray],
    mean: FloatArray,
) -> float:
    """Fill the mean of each prior variance over what the data leave open, others held.

    The likelihood of one ``lam_m``, as a normal density cut off at 0: its curvature is the Fisher
    information ``1/2 ||T_mm||^2`` with ``T = G - G S^1/2 A^-1 S^1/2 G``, its slope
    ``1/2 (|x_m|^2 / s - tr T_mm)`` with ``x = b - G z``. A variance of 0, the most likely one of a
    condition without response, would claim that nothing is there for sure. Returns the noise's
    variance ``s``.
    """
    L, _, c = work
    M = lam.shape[0]
    _, explained, size = factorise(G, b, lam, n_coef, L, c)
    s = residual(e, explained) / n_free
    n = G.shape[0]
    place = np.empty(n, dtype=np.int64)
    root = np.empty(n)
    i = 0
    for m in range(M):
        if lam[m] > 0.0:
            for d in range(n_coef):
                place[i] = m * n_coef + d
                root[i] = np.sqrt(lam[m])
                i += 1
    # columns of H solve L H = S^1/2 G: then T = G - H'H and x = b - H'c
    H = np.empty((n_coef, size))
    block = np.empty((n_coef, n_coef))
    for m in range(M):
        fit = 0.0
        for d in range(n_coef):
            row = G[m * n_coef + d]
            x = b[m * n_coef + d]
            for i in range(size):
                value = root[i] * row[place[i]]
                for k in range(i):
                    value -= L[i, k] * H[d, k]
                H[d, i] = value / L[i, i]
                x -= H[d, i] * c[i]
            fit += x * x
            for j in range(d + 1):
                total = row[m * n_coef + j]
                for i in range(size):
                    total -= H[d, i] * H[j, i]
                block[d, j] = total
                block[j, d] = total
        trace = 0.0
        square = 0.0
        for d in range(n_coef):
            trace += block[d, d]
            for j in range(n_coef):
                square += block[d, j] ** 2
        # of a condition of which the nuisance leaves nothing the data say nothing
        information = max(0.5 * square, 1e-300)
        diagonal = 0.0
        for d in range(n_coef):
            diagonal += G[m * n_coef + d, m * n_coef + d] / n_coef
        sd = min(1.0 / np.sqrt(information), 100.0 / max(diagonal, 1e-100))
        centre = lam[m] + 0.5 * (fit / s - trace) * sd * sd
        mean[m] = truncated_mean(centre, sd)
    return s


@entry
def posterior_means(
    ZY: FloatArray,
    YY: FloatArray,
    G: FloatArray,
    C: FloatArray,
    inv_PP: FloatArray,
    rho: FloatArray,
    n_free: float,
    lam: FloatArray,
    rho_index: NDArray[np.int64],
    basis: FloatArray,
    noise: FloatArray,
    z: FloatArray,
    sd: FloatArray,
) -> None:
    """Compute the responses' posterior, with prior variances that are not known for sure.

    Parameters
    ----------
    ZY, YY, G, C, inv_PP, rho, n_free
        As for `fit_positions`.
    lam : array, shape (n_positions, n_conditions)
        Prior variances in units of the noise's; changed to their means over what is left open.
    rho_index : int array, shape (n_positions,)
    basis : array, shape (n_coef, n_hrf)
        Responses of which the coordinates are weights.
    noise : array, shape (n_positions,)
        Filled: variance of the noise's innovations.
    z : array, shape (n_positions, n_conditions, n_coef)
        Filled: posterior mean of the coordinates.
    sd : array, shape (n_positions, n_conditions, n_hrf)
        Filled: posterior sd of the responses.
    """
    V, M = lam.shape
    n = G.shape[1]
    n_coef, n_hrf = basis.shape
    work = (np.zeros((n, n)), np.zeros((n, n)), np.zeros(n))
    L, T, c = work
    b = np.empty(n)
    mean = np.empty(M)
    row = np.empty(n)
    for v in range(V):
        index = rho_index[v]
        e = statistics_at(ZY, YY, C[index], inv_PP[index], rho[index], v, b)
        s = uncertain_variances(G[index], b, e, n_free, n_coef, lam[v], work, mean)
        noise[v] = s
        lam[v] = mean
        factorise(G[index], b, mean, n_coef, L, c)
        invert(L, n, T)
        for m in range(M):
            scale = np.sqrt(mean[m])
            first = m * n_coef
            for d in range(n_coef):
                u = 0.0
                for k in range(first + d, n):
                    u += T[first + d, k] * c[k]
                z[v, m, d] = scale * u
            for t in range(n_hrf):
                row[:] = 0.0
                for d in range(n_coef):
                    weight = basis[d, t]
                    for k in range(first + d, n):
                        row[k] += weight * T[first + d, k]
                total = 0.0
                for k in range(first, n):
                    total += row[k] * row[k]
                sd[v, m, t] = scale * np.sqrt(s * total)


@entry
def level_covariances(
    G: FloatArray,
    lam: FloatArray,
    rho_index: NDArray[np.int64],
    noise: FloatArray,
    weights: FloatArray,
    covariance: FloatArray,
) -> None:
    """Fill by the posterior covariance of ``weights @ z_m`` over the conditions.

    Parameters
    ----------
    G : array, shape (n_rho, n_conditions * n_coef, n_conditions * n_coef)
    lam : array, shape (n_positions, n_conditions)
        Prior variances in units of the noise's, above 0.
    rho_index : int array, shape (n_positions,)
    noise : array, shape (n_positions,)
    weights : array, shape (n_coef,)
    covariance : array, shape (n_positions, n_conditions, n_conditions)
        Filled.
    """
    V, M = lam.shape
    n = G.shape[1]
    n_coef = weights.shape[0]
    work = (np.zeros((n, n)), np.zeros((n, n)), np.zeros(n))
    L, T, c = work
    nothing = np.zeros(n)
    rows = np.empty((M, n))
    for v in range(V):
        factorise(G[rho_index[v]], nothing, lam[v], n_coef, L, c)
        invert(L, n, T)
        for m in range(M):
            rows[m] = 0.0
            for d in range(n_coef):
                i = m * n_coef + d
                for k in range(i, n):
                    rows[m, k] += np.sqrt(lam[v, m]) * weights[d] * T[i, k]
        for m in range(M):
            for j in range(M):
                total = 0.0
                for k in range(n):
                    total += rows[m, k] * rows[j, k]
                covariance[v, m, j] = noise[v] * total
