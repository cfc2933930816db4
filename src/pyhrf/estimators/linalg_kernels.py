"""Compiled linear algebra for matrices too small for a library call to pay."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import inner


@inner
def inverse_and_log_det(A: FloatArray) -> tuple[FloatArray, float]:
    """Invert a symmetric positive definite matrix by its Cholesky factor ``A = L L'``.

    Returns
    -------
    array, shape (n, n)
        The inverse; all NaN if `A` is not positive definite.
    float
        ``log det A``.
    """
    n = A.shape[0]
    L = np.zeros((n, n))
    log_det = 0.0
    for i in range(n):
        for j in range(i + 1):
            total = A[i, j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            if i == j:
                if not total > 0.0:
                    # square root of a negative pivot: NaN spreads to every figure
                    total = np.nan
                L[i, i] = np.sqrt(total)
                log_det += 2.0 * np.log(L[i, i])
            else:
                L[i, j] = total / L[j, j]
    # rows of inv(L), then inv(A) = inv(L)' inv(L)
    inv_L = np.zeros((n, n))
    for c in range(n):
        inv_L[c, c] = 1.0 / L[c, c]
        for i in range(c + 1, n):
            total = 0.0
            for k in range(c, i):
                total += L[i, k] * inv_L[k, c]
            inv_L[i, c] = -total / L[i, i]
    inverse = np.zeros((n, n))
    for k in range(n):
        for i in range(k + 1):
            for j in range(k + 1):
                inverse[i, j] += inv_L[k, i] * inv_L[k, j]
    return inverse, log_det
