"""Compiled steps of the variational EM; every one raises the same free energy.

Notation of the papers: `h`, `Sigma` mean and covariance of the HRF; per position ``v`` and
condition ``m`` the level's posterior is a mixture of two Gaussians, ``q(a, q) = q(q) q(a | q)``,
with ``p = q(q = 1)``. A level and its label are one factor (Carbonetto and Stephens 2012,
Bayesian Analysis 7(1):73), since as two factors each freezes the other: labels come out too sure.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry, inner
from pyhrf.estimators.level_kernels import (
    own_precision,
    shared_levels,
    shared_squares,
    update_levels,
    update_mixtures,
)
from pyhrf.estimators.linalg_kernels import inverse_and_log_det
from pyhrf.estimators.vem_state import Hyper, ParcelData, Prior, State


@inner
def _contract(
    G: FloatArray, second_moment: FloatArray, used: NDArray[np.bool_], n_conditions: int
) -> FloatArray:
    """``Gamma_mn = E[h' G_mn h] = <G_mn, h h' + Sigma>`` for every used autocorrelation."""
    n_rho = G.shape[0]
    D = second_moment.shape[0]
    Gamma = np.zeros((n_rho, n_conditions, n_conditions))
    for i in range(n_rho):
        if not used[i]:
            continue
        pair = 0
        for m in range(n_conditions):
            for n in range(m, n_conditions):
                total = 0.0
                for d in range(D):
                    for k in range(D):
                        total += G[i, pair, d * D + k] * second_moment[d, k]
                Gamma[i, m, n] = total
                Gamma[i, n, m] = total
                pair += 1
    return Gamma


@entry
def contract_design(
    G: FloatArray, second_moment: FloatArray, used: NDArray[np.bool_], n_conditions: int
) -> FloatArray:
    """``Gamma_mn = E[h' G_mn h] = <G_mn, h h' + Sigma>`` for every used autocorrelation.

    Parameters
    ----------
    G : array, shape (n_rho, n_pairs, n_hrf * n_hrf)
        As in `pyhrf.model.statistics.DesignStatistics`.
    second_moment : array, shape (n_hrf, n_hrf)
        ``E[h h']``.
    used : bool array, shape (n_rho,)
        Autocorrelations to compute; the others are 0.
    n_conditions : int

    Returns
    -------
    array, shape (n_rho, n_conditions, n_conditions)
    """
    return _contract(G, second_moment, used, n_conditions)


@inner
def project(B: FloatArray, h: FloatArray) -> FloatArray:
    """``b_vm = B_vm h``, shape (n_positions, n_conditions)."""
    V, M, D = B.shape
    b = np.empty((V, M))
    for v in range(V):
        for m in range(M):
            total = 0.0
            for d in range(D):
                total += B[v, m, d] * h[d]
            b[v, m] = total
    return b


@inner
def _residuals(
    data: ParcelData, state: State, b: FloatArray, Gamma: FloatArray, residual: FloatArray
) -> None:
    """Fill the positions' expected squared residuals, ``E[(y - sum_m a_m X_m h)' L (…)]``."""
    V, M = b.shape
    level, level_var = state.level, state.level_var
    for v in range(V):
        products = Gamma[data.rho_index[v]]
        total = data.e[v]
        for m in range(M):
            fitted = 0.0
            for n in range(M):
                fitted += products[m, n] * level[v, n]
            total += level[v, m] * (fitted - 2.0 * b[v, m]) + products[m, m] * level_var[v, m]
        residual[v] = total


@inner
def hrf_precision(
    data: ParcelData, prior: Prior, state: State, inflation: float, level_var: FloatArray
) -> FloatArray:
    """``R_inv / v_h + sum_rho,mn W_mn G_mn / inflation``, ``W = A' Q A + sum_v Q_vv var(a_v)``."""
    V, M, D = data.B.shape
    n_rho, n_pairs = prior.G.shape[:2]
    # docs/model.md, "Estimation", the response: W_mn = sum_v E[a_vm a_vn] / (r s_v), for each
    # autocorrelation, of the pairs m <= n; off the diagonal both W_mn and W_nm.
    W = np.zeros((n_rho, n_pairs))
    own = own_precision(data, state)
    for v in range(V):
        i = data.rho_index[v]
        weight = 1.0 / (inflation * state.noise[v])
        pair = 0
        for m in range(M):
            W[i, pair] += weight * state.level[v, m] ** 2 + own[v] / inflation * level_var[v, m]
            pair += 1
            for n in range(m + 1, M):
                W[i, pair] += 2.0 * weight * state.level[v, m] * state.level[v, n]
                pair += 1
    # "Noise that voxels share": A' Q A = A' diag(1/s) A - (F' A)' (F' A)
    if data.factors.shape[1]:
        shared = shared_levels(data.factors, state.level)
        pair = 0
        for m in range(M):
            for n in range(m, M):
                total = 0.0
                for k in range(data.factors.shape[1]):
                    total += shared[m, k] * shared[n, k]
                W[data.rho_index[0], pair] -= (1.0 if n == m else 2.0) * total / inflation
                pair += 1
    # Sigma^-1 = R^-1 / v_h + sum_mn W_mn G_mn
    precision = np.empty((D, D))
    for d in range(D):
        for k in range(D):
            precision[d, k] = prior.R_inv[d, k] / state.v_h[0]
    for i in range(n_rho):
        if data.occupied[i]:
            for pair in range(n_pairs):
                for d in range(D):
                    for k in range(D):
                        precision[d, k] += W[i, pair] * prior.G[i, pair, d * D + k]
    return precision


@inner
def _update_hrf(data: ParcelData, prior: Prior, state: State, inflation: float) -> float:
    """HRF given levels and noise; return ``log det Sigma``.

    ``Sigma`` is the inverse of `hrf_precision`, ``h = Sigma sum_vm (Q A)_vm B_vm`` over the
    inflation, and then ``v_h = (h' R_inv h + tr R_inv Sigma) / n_hrf``.
    """
    V, M, D = data.B.shape
    precision = hrf_precision(data, prior, state, inflation, state.level_var)
    Sigma, log_det = inverse_and_log_det(precision)
    rhs = np.zeros(D)
    shared = shared_levels(data.factors, state.level)
    for v in range(V):
        for m in range(M):
            # (Q A)_vm / r
            weight = state.level[v, m] / state.noise[v]
            for k in range(data.factors.shape[1]):
                weight -= data.factors[v, k] * shared[m, k]
            weight /= inflation
            for d in range(D):
                rhs[d] += weight * data.B[v, m, d]
    # h = Sigma sum_vm (Q A)_vm B_vm / r
    energy = 0.0
    for d in range(D):
        total = 0.0
        for k in range(D):
            total += Sigma[d, k] * rhs[k]
        state.h[d] = total
    # v_h = (h' R^-1 h + tr R^-1 Sigma) / D
    for d in range(D):
        for k in range(D):
            state.Sigma[d, k] = Sigma[d, k]
            energy += prior.R_inv[d, k] * (state.h[d] * state.h[k] + Sigma[d, k])
    state.v_h[0] = energy / D
    return -log_det


@inner
def _mixture_log_prior(state: State, hyper: Hyper, log_scale: float) -> float:
    """Log prior of the mixtures when all levels are divided by ``exp(log_scale)``."""
    factor = np.exp(-log_scale)
    w = hyper.weight
    total = 0.0
    for m in range(state.mu.shape[0]):
        v0 = state.v[0, m] * factor**2
        v1 = state.v[1, m] * factor**2
        gap = state.mu[m] * factor - hyper.mean[m]
        total -= 0.5 * w * (gap * gap + hyper.variance[1, m]) / v1 + 0.5 * (w + 1.0) * np.log(v1)
        total -= 0.5 * w * (hyper.variance[0, m] / v0 + np.log(v0))
    return total


@inner
def _rescale(state: State, hyper: Hyper) -> float:
    """Move scale between HRF and levels to where the mixtures' prior likes it best.

    The likelihood and the prior of the HRF (whose scale is free) do not change along this line,
    which coordinate steps climb very slowly. Return the log of the factor.
    """
    low, high = -1.0, 1.0
    golden = 0.6180339887498949
    left, right = high - golden * (high - low), low + golden * (high - low)
    f_left = _mixture_log_prior(state, hyper, left)
    f_right = _mixture_log_prior(state, hyper, right)
    for _ in range(24):
        if f_left > f_right:
            high, right, f_right = right, left, f_left
            left = high - golden * (high - low)
            f_left = _mixture_log_prior(state, hyper, left)
        else:
            low, left, f_left = left, right, f_right
            right = low + golden * (high - low)
            f_right = _mixture_log_prior(state, hyper, right)
    log_scale = 0.5 * (low + high)
    if _mixture_log_prior(state, hyper, log_scale) < _mixture_log_prior(state, hyper, 0.0):
        return 0.0
    _apply_scale(state, np.exp(log_scale))
    return log_scale


@inner
def _apply_scale(state: State, c: float) -> None:
    """Multiply the HRF by `c` and divide the levels by it.

    Written out: array expressions take many times longer to compile.
    """
    V, M = state.level.shape
    D = state.h.shape[0]
    square = c * c
    for d in range(D):
        state.h[d] *= c
        for k in range(D):
            state.Sigma[d, k] *= square
    state.v_h[0] *= square
    for m in range(M):
        state.mu[m] /= c
        for i in range(2):
            state.v[i, m] /= square
        for v in range(V):
            state.level[v, m] /= c
            state.level_var[v, m] /= square
            for i in range(2):
                state.class_mean[v, m, i] /= c
                state.class_var[v, m, i] /= square


@inner
def _second_moment(state: State) -> FloatArray:
    """``E[h h'] = h h' + Sigma``."""
    D = state.h.shape[0]
    moment = np.empty((D, D))
    for d in range(D):
        for k in range(D):
            moment[d, k] = state.Sigma[d, k] + state.h[d] * state.h[k]
    return moment


@inner
def _free_energy(
    data: ParcelData,
    prior: Prior,
    state: State,
    hyper: Hyper,
    residual: FloatArray,
    shared: float,
    log_det_Sigma: float,
) -> float:
    """Free energy, up to the constants of data, design, field and shared noise."""
    V, M = state.p.shape
    D = state.h.shape[0]
    p, mu, variance = state.p, state.mu, state.v
    class_mean, class_var = state.class_mean, state.class_var
    start, neighbours = data.start, data.neighbours
    total = _mixture_log_prior(state, hyper, 0.0) + 0.5 * shared
    # E[log p(y | h, a)], with the nuisance integrated out
    for v in range(V):
        total += 0.5 * prior.log_det[data.rho_index[v]]
        total -= 0.5 * prior.n_free * np.log(state.noise[v])
        total -= 0.5 * residual[v] / state.noise[v]
    for m in range(M):
        alpha, beta = hyper.alpha[m], hyper.beta[m]
        tight = (1.0 / variance[0, m], 1.0 / variance[1, m])
        for v in range(V):
            active = p[v, m]
            for i in range(2):
                weight = active if i else 1.0 - active
                if weight > 0.0:
                    # E[log p(a | q)] and the entropy of level and class
                    gap = class_mean[v, m, i] - (mu[m] if i else 0.0)
                    ratio = class_var[v, m, i] * tight[i]
                    here = 0.5 * (np.log(ratio) + 1.0 - ratio - gap * gap * tight[i])
                    total += weight * (here - np.log(weight))
            # E[log p(q)] of the field, with the second-order term of Thouless, Anderson and Palmer
            spin = 2.0 * active - 1.0
            edges = 0.0
            for k in range(start[v], start[v + 1]):
                other = 2.0 * p[neighbours[k], m] - 1.0
                edges += 0.5 * beta * (1.0 + spin * other)
                edges += 0.125 * beta * beta * (1.0 - spin * spin) * (1.0 - other * other)
            # every edge is met from both of its ends
            total += 0.5 * edges + alpha * active
    energy = 0.0
    for d in range(D):
        for k in range(D):
            energy += prior.R_inv[d, k] * (state.h[d] * state.h[k] + state.Sigma[d, k])
    # KL(h), twice
    divergence = energy / state.v_h[0] + D * np.log(state.v_h[0])
    divergence -= log_det_Sigma + prior.log_det_R + D
    return total - 0.5 * hyper.inflation[0] * divergence


@entry
def run_vem(
    data: ParcelData,
    prior: Prior,
    state: State,
    hyper: Hyper,
    tolerance: float,
    trace: FloatArray,
) -> tuple[int, bool]:
    """Iterate until neither free energy nor HRF move, at most ``len(trace)`` times.

    It stops when an iteration adds less than `tolerance` per level to the free energy and
    changes the HRF by less than ten times `tolerance` of its norm; or when it adds less than a
    tenth of that, whatever the HRF does: without a response the data do not hold it.

    Parameters
    ----------
    data, prior, state, hyper
        As their classes say; `state` is changed.
    tolerance : float
    trace : array, shape (n_iterations,)
        Filled with the free energy after every iteration.

    Returns
    -------
    int
        Iterations done.
    bool
        Whether they converged.
    """
    V, M, D = data.B.shape
    residual = np.empty(V)
    Gamma = _contract(prior.G, _second_moment(state), data.occupied, M)
    b = project(data.B, state.h)
    before = np.zeros(D)
    for iteration in range(len(trace)):
        # docs/model.md, "Estimation": its steps in turn.
        # Levels and classes c, k, p of each position,
        update_levels(data, state, hyper, b, Gamma)
        # mixtures mu, v_0, v_1,
        update_mixtures(state, hyper)
        if data.factors.shape[1] == 0:
            # noise s_v = residual / (N - K):
            # noise that is shared has been measured beforehand
            _residuals(data, state, b, Gamma, residual)
            for v in range(V):
                state.noise[v] = residual[v] / prior.n_free
        # the response Sigma, h, v_h,
        log_det_Sigma = _update_hrf(data, prior, state, hyper.inflation[0])
        # and the scale between response and levels.
        log_scale = _rescale(state, hyper)
        log_det_Sigma += 2.0 * D * log_scale
        Gamma = _contract(prior.G, _second_moment(state), data.occupied, M)
        b = project(data.B, state.h)
        _residuals(data, state, b, Gamma, residual)
        shared = shared_squares(data, state, b, Gamma)
        trace[iteration] = _free_energy(data, prior, state, hyper, residual, shared, log_det_Sigma)
        # The end: free energy and response hardly change any more.
        moved = 0.0
        norm = 0.0
        for d in range(D):
            moved += (state.h[d] - before[d]) ** 2
            norm += state.h[d] ** 2
            before[d] = state.h[d]
        if iteration > 0:
            gain = (trace[iteration] - trace[iteration - 1]) / (V * M)
            still = moved < (10.0 * tolerance) ** 2 * norm
            if gain < tolerance and (still or gain < 0.1 * tolerance):
                return iteration + 1, True
    return len(trace), False
