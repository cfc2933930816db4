"""Compiled draws of what belongs to one position: levels, labels, noise, autocorrelation."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import inner
from pyhrf.estimators.mcmc_state import Chain, Design, Draws, ParcelMoments, Priors


@inner
def fill_position(
    moments: ParcelMoments, design: Design, v: int, i: int, B: FloatArray, nuisance: FloatArray
) -> None:
    """``B_v = X' L y - C' P' L y`` at the autocorrelation of index `i`."""
    M, D = B.shape[1:]
    K = nuisance.shape[0]
    ZY, C = moments.ZY, design.C
    r = design.rho[i]
    square = r * r
    for k in range(K):
        nuisance[k] = ZY[0, v, k] + square * ZY[1, v, k] - r * ZY[2, v, k]
    for m in range(M):
        first = K + m * D
        for d in range(D):
            j = first + d
            B[v, m, d] = ZY[0, v, j] + square * ZY[1, v, j] - r * ZY[2, v, j]
    for k in range(K):
        for m in range(M):
            for d in range(D):
                B[v, m, d] -= C[i, k, m * D + d] * nuisance[k]


@inner
def draw_autocorrelations(
    rng: np.random.Generator,
    moments: ParcelMoments,
    design: Design,
    chain: Chain,
    hyper: Priors,
    Gamma: FloatArray,
    B: FloatArray,
) -> None:
    """Autocorrelation and innovation variance of every position, jointly.

    With the variance integrated out, ``p(rho) ∝ exp(log_det / 2) (b + r(rho) / 2)^-(a + n / 2)``
    on the grid, ``r`` the squared residual; then the variance given ``rho``.
    """
    V, M, D = B.shape
    n_rho, K = design.inv_PP.shape[:2]
    h, level, ZY, C, energy = chain.h, chain.level, moments.ZY, design.C, moments.energy
    Ch = np.zeros((n_rho, K, M))
    for i in range(n_rho):
        for k in range(K):
            for m in range(M):
                total = 0.0
                for d in range(D):
                    total += C[i, k, m * D + d] * h[d]
                Ch[i, k, m] = total
    shape = hyper.noise[0] + 0.5 * design.n_free
    product, nuisance = np.empty(3), np.empty(K)
    score, residual = np.empty(n_rho), np.empty(n_rho)
    for v in range(V):
        for j in range(3):
            total = 0.0
            for m in range(M):
                part = 0.0
                first = K + m * D
                for d in range(D):
                    part += ZY[j, v, first + d] * h[d]
                total += level[v, m] * part
            product[j] = total
        best = -np.inf
        for i in range(n_rho):
            r = design.rho[i]
            left = energy[v, i] - 2.0 * (product[0] + r * r * product[1] - r * product[2])
            for k in range(K):
                fitted = 0.0
                for m in range(M):
                    fitted += Ch[i, k, m] * level[v, m]
                here = ZY[0, v, k] + r * r * ZY[1, v, k] - r * ZY[2, v, k]
                left += 2.0 * fitted * here
            for m in range(M):
                fitted = 0.0
                for n in range(M):
                    fitted += Gamma[i, m, n] * level[v, n]
                left += level[v, m] * fitted
            # rounding may leave less than nothing of a perfect fit
            residual[i] = max(left, 0.0)
            score[i] = 0.5 * design.log_det[i] - shape * np.log(hyper.noise[1] + 0.5 * residual[i])
            best = max(best, score[i])
        total = 0.0
        for i in range(n_rho):
            score[i] = np.exp(score[i] - best)
            total += score[i]
        u = rng.random() * total
        chosen = 0
        while chosen < n_rho - 1 and u >= score[chosen]:
            u -= score[chosen]
            chosen += 1
        scale = hyper.noise[1] + 0.5 * residual[chosen]
        chain.noise[v] = scale / rng.standard_gamma(shape)
        if chosen != chain.rho_index[v]:
            chain.rho_index[v] = chosen
            fill_position(moments, design, v, chosen, B, nuisance)


@inner
def _class_terms(chain: Chain, hyper: Priors) -> FloatArray:
    """Compute what the positions share of the classes: divisions are the dearest part of a site.

    ``1/v_0, 1/v_1, mu/v_1, mu^2/v_1, v_0/v_1, alpha, beta``, shape (n_conditions, 7).
    """
    M = chain.mu.shape[0]
    terms = np.empty((M, 7))
    for m in range(M):
        mu = chain.mu[m]
        terms[m, 0] = 1.0 / chain.v[0, m]
        terms[m, 1] = 1.0 / chain.v[1, m]
        terms[m, 2] = mu * terms[m, 1]
        terms[m, 3] = mu * mu * terms[m, 1]
        terms[m, 4] = chain.v[0, m] * terms[m, 1]
        terms[m, 5] = hyper.alphas[chain.field[0, m]]
        terms[m, 6] = hyper.betas[chain.field[1, m]]
    return terms


@inner
def draw_positions(
    rng: np.random.Generator,
    moments: ParcelMoments,
    design: Design,
    chain: Chain,
    hyper: Priors,
    Gamma: FloatArray,
    B: FloatArray,
    height: float,
    delta: FloatArray,
    keep: bool,
    draws: Draws,
    W: FloatArray,
    rhs: FloatArray,
    sums: FloatArray,
) -> float:
    """Levels, labels and innovation variances of all positions, one position after the other.

    A label is drawn with its level integrated out, then the level; both given the levels of the
    other conditions. The same pass over the statistics sums up what the other blocks need.

    Parameters
    ----------
    height : float
        Largest excursion of the HRF, with its sign.
    delta : array, shape (n_conditions, 2)
        Thresholds of the PPMs, in the units of ``chain.level``, and the sign of what lies beyond.
    keep : bool
        Whether to add the draws to the sums in `draws`.
    W : array, shape (n_rho, n_pairs)
        Set to ``sum_v a_vm a_vn / s_v``.
    rhs : array, shape (n_hrf,)
        Set to ``sum_vm a_vm B_vm / s_v``.
    sums : array, shape (n_conditions, 5)
        Set to the number of active positions, sum and squares of their levels, squares of the
        inactive ones', and the number of pairs of neighbours that agree.

    Returns
    -------
    float
        Log likelihood, up to a constant.
    """
    V, M, D = B.shape
    start, neighbours = moments.start, moments.neighbours
    label, level, noise, h = chain.label, chain.level, chain.noise, chain.h
    rho_index, log_det, energy = chain.rho_index, design.log_det, moments.energy
    tally_active, tally_level = draws.active, draws.level
    tally_square, tally_beyond = draws.square, draws.beyond
    shape = hyper.noise[0] + 0.5 * design.n_free
    terms = _class_terms(chain, hyper)
    b, g, scaled = np.empty(M), np.empty(M), np.empty(M)
    tight0, c0, c1, root = np.empty(M), np.empty(M), np.empty(M), np.empty(M)
    before, after = np.empty(M), np.empty(M)
    W[:] = 0.0
    rhs[:] = 0.0
    sums[:] = 0.0
    log_likelihood = 0.0
    for v in range(V):
        i = rho_index[v]
        weight = 1.0 / noise[v]
        for m in range(M):
            total = 0.0
            for d in range(D):
                total += B[v, m, d] * h[d]
            b[m] = total
        for m in range(M):
            total = b[m]
            for n in range(M):
                total -= Gamma[i, m, n] * level[v, n]
            g[m] = total
            own = Gamma[i, m, m] * weight
            tight0[m] = own + terms[m, 0]
            c0[m] = 1.0 / tight0[m]
            c1[m] = 1.0 / (own + terms[m, 1])
            root[m] = np.sqrt(tight0[m] * c1[m] * terms[m, 4])
            before[m] = 0.0
            after[m] = 0.0
        first, last = start[v], start[v + 1]
        n_before = 0
        for k in range(first, last):
            u = neighbours[k]
            if u < v:
                n_before += 1
                for m in range(M):
                    before[m] += label[u, m]
            else:
                for m in range(M):
                    after[m] += label[u, m]
        for m in range(M):
            old = level[v, m]
            drive = (g[m] + Gamma[i, m, m] * old) * weight
            pull = drive + terms[m, 2]
            k0, k1 = c0[m] * drive, c1[m] * pull
            spins = 2.0 * (before[m] + after[m]) - (last - first)
            x = 0.5 * (k1 * pull - terms[m, 3] - k0 * drive) + terms[m, 5] + terms[m, 6] * spins
            p = 1.0 / (1.0 + np.exp(-x) / root[m])
            z = rng.standard_normal()
            if rng.random() < p:
                new = k1 + np.sqrt(c1[m]) * z
                label[v, m] = 1
                sums[m, 0] += 1.0
                sums[m, 1] += new
                sums[m, 2] += new * new
                sums[m, 4] += before[m]
            else:
                new = k0 + np.sqrt(c0[m]) * z
                label[v, m] = 0
                sums[m, 3] += new * new
                sums[m, 4] += n_before - before[m]
            change = new - old
            for n in range(M):
                g[n] -= Gamma[i, m, n] * change
            level[v, m] = new
            if keep:
                high = new * height
                tally_active[v, m] += p
                tally_level[v, m] += high
                tally_square[v, m] += high * high
                if (new - delta[m, 0]) * delta[m, 1] > 0.0:
                    tally_beyond[v, m] += 1.0
        residual = energy[v, i]
        for m in range(M):
            residual -= level[v, m] * (b[m] + g[m])
        residual = max(residual, 0.0)
        scale = hyper.noise[1] + 0.5 * residual
        variance = scale / rng.standard_gamma(shape)
        noise[v] = variance
        weight = 1.0 / variance
        log_likelihood += 0.5 * (log_det[i] - design.n_free * np.log(variance) - residual * weight)
        for m in range(M):
            scaled[m] = level[v, m] * weight
        pair = 0
        for m in range(M):
            for n in range(m, M):
                W[i, pair + n - m] += scaled[m] * level[v, n]
            pair += M - m
        for m in range(M):
            for d in range(D):
                rhs[d] += scaled[m] * B[v, m, d]
    return log_likelihood
