"""Compiled steps of regularised FIR: every position by itself, on its sufficient statistics.

In coordinates ``z`` in which the prior of a response is ``N(0, r_m I)``, with ``lam_m = r_m / s``
and ``S = diag(lam)``, all follows from ``A = I + S^1/2 G S^1/2``: the log likelihood of the
hyperparameters is, with the noise's variance at its best, ``-1/2 (log|A| + n log q) + const`` where
``q = e - b' S^1/2 A^-1 S^1/2 b`` and ``s = q / n``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry, inner

__all__ = ["fit_positions", "level_covariances", "posterior_means"]

# A condition whose prior variance adds less than this to the noise's, per coefficient, is left out.
NEGLIGIBLE = 1e-4
# Steps grow by this while the likelihood grows, up to the longest.
GROWTH, LONGEST = 1.4, 4.0


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
    ratio = np.empty(M)
    old = np.empty(M)
    diagonal = np.zeros(M)
    for m in range(M):
        for d in range(n_coef):
            diagonal[m] += G[m * n_coef + d, m * n_coef + d] / n_coef
    log_det, explained, size = factorise(G, b, lam, n_coef, L, c)
    now = -0.5 * (log_det + n_free * np.log(residual(e, explained)))
    power = 1.0
    k = first
    while k < score.shape[0]:
        invert(L, size, T)
        ratios(T, c, lam, n_coef, residual(e, explained) / n_free, ratio)
        old[:] = lam
        while True:
            for m in range(M):
                lam[m] = old[m] * ratio[m] ** power
                if lam[m] * diagonal[m] < NEGLIGIBLE:
                    lam[m] = 0.0
            log_det, explained, size = factorise(G, b, lam, n_coef, L, c)
            then = -0.5 * (log_det + n_free * np.log(residual(e, explained)))
            # half a step never lowers the likelihood (Zhou et al. 2019, J. Comput. Graph. Stat.
            # 28:350), but for what is left out as negligible
            if then >= now or power <= 0.5:
                break
            power = 0.5 if power <= 1.0 else 1.0
        gain = then - now
        now = then
        score[k] = now
        k += 1
        if gain < tolerance and power >= 1.0:
            return k, True
        power = min(power * GROWTH, LONGEST) if power >= 1.0 else 1.0
    return k, False


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
    e = statistics_at(ZY, YY, C[index], inv_PP[index], rho[index], v, b)
    log_det, explained, _ = factorise(G[index], b, lam, n_coef, L, c)
    best = 0.5 * log_det_rho[index] - 0.5 * (log_det + n_free * np.log(residual(e, explained)))
    start = index
    for step in (1, -1):
        other = start + step
        while 0 <= other < rho.shape[0]:
            e = statistics_at(ZY, YY, C[other], inv_PP[other], rho[other], v, b)
            log_det, explained, _ = factorise(G[other], b, lam, n_coef, L, c)
            score = 0.5 * log_det_rho[other] - 0.5 * (
                log_det + n_free * np.log(residual(e, explained))
            )
            if score <= best:
                break
            best = score
            index = other
            other += step
        if index != start:
            break
    return index


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
        Iterations at most.
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
