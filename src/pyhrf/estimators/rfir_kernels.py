"""Compiled steps of regularised FIR: every position by itself, on its sufficient statistics.

In coordinates ``z`` in which the prior of a response is ``N(0, r_m I)``, with ``lam_m = r_m / s``
and ``S = diag(lam)``, all follows from ``A = I + S^1/2 G S^1/2``: the log likelihood of the
hyperparameters is, with the noise's variance at its best, ``-1/2 (log|A| + n log q) + const`` where
``q = e - b' S^1/2 A^-1 S^1/2 b`` and ``s = q / n``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry, inner
from pyhrf.estimators.rfir_factor_kernels import factorise, invert, residual, statistics_at

# A condition whose prior variance adds less than this to the noise's, per coefficient, is left out.
NEGLIGIBLE = 1e-4
# Steps grow by this while the likelihood grows, up to the longest.
GROWTH, LONGEST = 1.4, 4.0


@inner
def ratios(
    T: FloatArray, c: FloatArray, lam: FloatArray, n_coef: int, s: float, ratio: FloatArray
) -> None:
    """Fill, per condition in use, by what its prior variance is too small.

    ``||u_m||^2 / (s (D - tr (A^-1)_mm))`` with ``u = A^-1 S^1/2 b``: the fixed-point step of
    MacKay 1992 (Neural Computation 4:415), 1 at the maximum.
    """
    M = lam.shape[0]
    size = 0
    for m in range(M):
        if lam[m] > 0.0:
            size += n_coef
    i = 0
    for m in range(M):
        ratio[m] = 1.0
        if lam[m] > 0.0:
            trace = 0.0
            power = 0.0
            for _ in range(n_coef):
                u = 0.0
                for k in range(i, size):
                    trace += T[i, k] * T[i, k]
                    u += T[i, k] * c[k]
                power += u * u
                i += 1
            ratio[m] = max(power / (s * max(n_coef - trace, 1e-12)), 1e-12)


@inner
def climb(
    G: FloatArray,
    b: FloatArray,
    e: float,
    n_free: float,
    n_coef: int,
    lam: FloatArray,
    tolerance: float,
    score: FloatArray,
    first: int,
    work: tuple[FloatArray, FloatArray, FloatArray],
) -> tuple[int, bool]:
    """Raise the likelihood in the prior variances, from place `first` of `score` on.

    Returns
    -------
    int
        Place behind the last one of `score` that was filled.
    bool
        Whether an iteration added less than the tolerance.
    """
    L, T, c = work
    M = lam.shape[0]
    ratio = np.ones(M)
    old = lam.copy()
    diagonal = np.zeros(M)
    for m in range(M):
        for d in range(n_coef):
            diagonal[m] += G[m * n_coef + d, m * n_coef + d] / n_coef
    now = -np.inf
    power = 1.0
    k = first
    # one call of each inner kernel: every call is compiled anew
    while True:
        log_det, explained, size = factorise(G, b, lam, n_coef, L, c)
        then = -0.5 * (log_det + n_free * np.log(residual(e, explained)))
        # half a step never lowers the likelihood (Zhou et al. 2019, J. Comput. Graph. Stat.
        # 28:350), but for what is left out as negligible
        if then < now and power > 0.5:
            power = 0.5 if power <= 1.0 else 1.0
        else:
            if now > -np.inf:
                score[k] = then
                k += 1
                if then - now < tolerance and power >= 1.0:
                    return k, True
                if k == score.shape[0]:
                    return k, False
                power = min(power * GROWTH, LONGEST) if power >= 1.0 else 1.0
            now = then
            old[:] = lam
            invert(L, size, T)
            ratios(T, c, lam, n_coef, residual(e, explained) / n_free, ratio)
        for m in range(M):
            lam[m] = old[m] * ratio[m] ** power
            if lam[m] * diagonal[m] < NEGLIGIBLE:
                lam[m] = 0.0


@inner
def best_neighbour(
    G: FloatArray,
    ZY: FloatArray,
    YY: FloatArray,
    rho: FloatArray,
    C: FloatArray,
    inv_PP: FloatArray,
    log_det_rho: FloatArray,
    n_free: float,
    n_coef: int,
    lam: FloatArray,
    v: int,
    index: int,
    work: tuple[FloatArray, FloatArray, FloatArray],
) -> int:
    """Walk over the grid of autocorrelations while the likelihood rises."""
    L, _, c = work
    b = np.empty(G.shape[1])
    start = index
    best = -np.inf
    other, step = start, 0
    while True:
        better = False
        if 0 <= other < rho.shape[0]:
            e = statistics_at(ZY, YY, C[other], inv_PP[other], rho[other], v, b)
            log_det, explained, _ = factorise(G[other], b, lam, n_coef, L, c)
            score = log_det_rho[other] - log_det - n_free * np.log(residual(e, explained))
            if score > best:
                best = score
                index = other
                better = True
        if step == 0:
            step = 1
        elif not better:
            if step == -1 or index != start:
                return index
            step = -1
            other = start
        other += step


@entry
def fit_positions(
    ZY: FloatArray,
    YY: FloatArray,
    G: FloatArray,
    C: FloatArray,
    inv_PP: FloatArray,
    rho: FloatArray,
    log_det_rho: FloatArray,
    n_free: float,
    start: FloatArray,
    tolerance: float,
    n_iterations: int,
    lam: FloatArray,
    rho_index: NDArray[np.int64],
    n_done: NDArray[np.int64],
    converged: NDArray[np.bool_],
    trace: FloatArray,
) -> None:
    """Find the hyperparameters of every position: prior variances and autocorrelation.

    Parameters
    ----------
    ZY : array, shape (3, n_positions, n_nuisance + n_conditions * n_coef)
        Moments, in the coordinates of the prior.
    YY : array, shape (3, n_positions)
    G : array, shape (n_rho, n_conditions * n_coef, n_conditions * n_coef)
        Cross products of the design, likewise, with the nuisance integrated out.
    C, inv_PP, rho, log_det_rho, n_free
        As in `pyhrf.model.statistics.DesignStatistics`, `C` likewise.
    start : array, shape (n_conditions,)
        Prior variances, in units of the noise's, to begin with.
    tolerance : float
        Iterations end when one adds less than this to the log likelihood.
    n_iterations : int
        Largest number of iterations.
    lam : array, shape (n_positions, n_conditions)
        Filled: prior variances in units of the noise's; 0 where there is no response.
    rho_index : int array, shape (n_positions,)
        Where to begin on the grid; changed.
    n_done : int array, shape (n_positions,)
        Filled: iterations.
    converged : bool array, shape (n_positions,)
        Filled.
    trace : array, shape (n_iterations,)
        Log likelihoods of all positions are added, from each iteration on.
    """
    V, M = lam.shape
    n = G.shape[1]
    n_coef = n // M
    work = (np.zeros((n, n)), np.zeros((n, n)), np.zeros(n))
    b = np.empty(n)
    score = np.empty(n_iterations)
    for v in range(V):
        lam[v] = start
        k = 0
        ended = False
        index = rho_index[v]
        while k < n_iterations:
            e = statistics_at(ZY, YY, C[index], inv_PP[index], rho[index], v, b)
            first = k
            k, ended = climb(G[index], b, e, n_free, n_coef, lam[v], tolerance, score, first, work)
            for i in range(first, k):
                score[i] += 0.5 * log_det_rho[index]
            if not ended:
                break
            other = best_neighbour(
                G, ZY, YY, rho, C, inv_PP, log_det_rho, n_free, n_coef, lam[v], v, index, work
            )
            if other == index:
                break
            index = other
            ended = False
        rho_index[v] = index
        n_done[v] = k
        converged[v] = ended
        for i in range(n_iterations):
            trace[i] += score[min(i, k - 1)]
