"""Compiled parts of regularised FIR: the statistics of a position, and the factors of a matrix."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import inner


@inner
def statistics_at(
    ZY: FloatArray,
    YY: FloatArray,
    C: FloatArray,
    inv_PP: FloatArray,
    r: float,
    v: int,
    b: FloatArray,
) -> float:
    """Fill ``b = X' L y`` of position `v` with the nuisance integrated out; return ``y' L y``."""
    K = inv_PP.shape[0]
    n = b.shape[0]
    total = YY[0, v] + r * r * YY[1, v] - r * YY[2, v]
    nuisance = np.empty(K)
    for k in range(K):
        nuisance[k] = ZY[0, v, k] + r * r * ZY[1, v, k] - r * ZY[2, v, k]
    for k in range(K):
        for j in range(K):
            total -= nuisance[k] * inv_PP[k, j] * nuisance[j]
    for j in range(n):
        b[j] = ZY[0, v, K + j] + r * r * ZY[1, v, K + j] - r * ZY[2, v, K + j]
    for k in range(K):
        for j in range(n):
            b[j] -= C[k, j] * nuisance[k]
    return total


@inner
def factorise(
    G: FloatArray, b: FloatArray, lam: FloatArray, n_coef: int, L: FloatArray, c: FloatArray
) -> tuple[float, float, int]:
    """Factorise ``A = L L'`` for the conditions with ``lam > 0`` and solve ``L c = S^1/2 b``.

    Returns
    -------
    log_det, explained : float
        ``log|A|`` and ``c'c``.
    size : int
        Rows of `L` and `c` that are used.
    """
    M = lam.shape[0]
    size = 0
    place = np.empty(M * n_coef, dtype=np.int64)
    root = np.empty(M * n_coef)
    for m in range(M):
        if lam[m] > 0.0:
            for d in range(n_coef):
                place[size] = m * n_coef + d
                root[size] = np.sqrt(lam[m])
                size += 1
    log_det = 0.0
    explained = 0.0
    for i in range(size):
        row = G[place[i]]
        for j in range(i + 1):
            total = row[place[j]] * root[i] * root[j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            if i == j:
                L[i, i] = np.sqrt(total + 1.0)
                log_det += 2.0 * np.log(L[i, i])
            else:
                L[i, j] = total / L[j, j]
        value = root[i] * b[place[i]]
        for k in range(i):
            value -= L[i, k] * c[k]
        c[i] = value / L[i, i]
        explained += c[i] * c[i]
    return log_det, explained, size


@inner
def residual(e: float, explained: float) -> float:
    """Subtract, and stay above 0 also where rounding has the last word."""
    return max(e - explained, 1e-12 * e + 1e-300)


@inner
def invert(L: FloatArray, size: int, T: FloatArray) -> None:
    """Fill the rows of ``T = inv(L)'``, of which row ``i`` begins at its place ``i``."""
    for c in range(size):
        T[c, c] = 1.0 / L[c, c]
        for i in range(c + 1, size):
            total = 0.0
            for k in range(c, i):
                total += L[i, k] * T[c, k]
            T[c, i] = -total / L[i, i]
