"""Compiled Gibbs sampler of joint detection-estimation: the blocks, and a whole chain.

The posterior that is sampled is, with ``n = n_scans - n_nuisance``, ::

    h ~ N(0, v_h R),  v_h ~ IG
    q_m ~ Ising(alpha_m, beta_m),  (alpha_m, beta_m) on a grid
    a_vm | q_vm = i ~ N(mu_m [i = 1], v_im),  mu_m | v_1m ~ N,  v_im ~ IG,  v_0m < v_1m + mu_m^2
    y_v | . ~ N(sum_m a_vm X_m h + P l_v, s_v inv(L(rho_v))),  l_v flat,  s_v ~ IG,  rho_v uniform

(Makni et al. 2008, NeuroImage 41:941; Vincent et al. 2010, IEEE TMI 29(4):1059.) The constraint
tells the classes apart. Nothing here has a time axis.
"""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry, inner
from pyhrf.estimators.mcmc_level_kernels import (
    draw_autocorrelations,
    draw_positions,
    fill_position,
)
from pyhrf.estimators.mcmc_mixture_kernels import draw_mixtures, move_mixture
from pyhrf.estimators.mcmc_state import Chain, Design, Draws, ParcelMoments, Priors, Steps

# Sweeps between two draws of the autocorrelations, of which each costs as much as many levels.
RHO_EVERY = 10
# Proposals of the scale in each sweep, and their sd for one condition: the prior's width.
SCALE_STEPS = (0.3, 0.1, 1.0)
# Conditions whose mixture is moved together with its levels, in each sweep.
N_MOVED = 2


@inner
def _contract(design: Design, h: FloatArray, n_conditions: int) -> FloatArray:
    """``Gamma_mn = h' G_mn h`` for every autocorrelation."""
    basis, mixing = design.basis, design.mixing
    n_basis, n_lower = basis.shape[0], basis.shape[2]
    D = h.shape[0]
    square = np.empty(n_lower)
    j = 0
    for d in range(D):
        for k in range(d + 1):
            square[j] = h[d] * h[k] * (1.0 if d == k else 2.0)
            j += 1
    n_rho = mixing.shape[0]
    Gamma = np.zeros((n_rho, n_conditions, n_conditions))
    for r in range(n_basis):
        pair = 0
        for m in range(n_conditions):
            for n in range(m, n_conditions):
                total = 0.0
                for j in range(n_lower):
                    total += basis[r, pair, j] * square[j]
                for i in range(n_rho):
                    Gamma[i, m, n] += mixing[i, r] * total
                pair += 1
    for i in range(n_rho):
        for m in range(n_conditions):
            for n in range(m):
                Gamma[i, m, n] = Gamma[i, n, m]
    return Gamma


@inner
def _draw_gaussian(
    rng: np.random.Generator, precision: FloatArray, rhs: FloatArray, x: FloatArray
) -> None:
    """Draw from ``N(inv(precision) rhs, inv(precision))``; only the lower triangle is read."""
    D = x.shape[0]
    L = np.zeros((D, D))
    for i in range(D):
        for j in range(i + 1):
            total = precision[i, j]
            for k in range(j):
                total -= L[i, k] * L[j, k]
            if i == j:
                # square root of a negative pivot: NaN spreads to every figure
                L[i, i] = np.sqrt(total) if total > 0.0 else np.nan
            else:
                L[i, j] = total / L[j, j]
    for i in range(D):
        total = rhs[i]
        for k in range(i):
            total -= L[i, k] * x[k]
        x[i] = total / L[i, i]
    # mean and noise have the last step in common
    for i in range(D):
        x[i] += rng.standard_normal()
    for step in range(D):
        i = D - 1 - step
        x[i] /= L[i, i]
        for k in range(i):
            x[k] -= L[i, k] * x[i]


@inner
def _draw_hrf(
    rng: np.random.Generator,
    design: Design,
    chain: Chain,
    hyper: Priors,
    W: FloatArray,
    rhs: FloatArray,
) -> None:
    """HRF given levels and noise, then the scale of its prior.

    Precision ``R_inv / v_h + sum_rho,mn W_mn G_mn / inflation``.
    """
    basis, mixing = design.basis, design.mixing
    n_basis, n_lower = basis.shape[0], basis.shape[2]
    n_rho, M, D = mixing.shape[0], chain.mu.shape[0], chain.h.shape[0]
    # docs/model.md, "Estimation", the response: the precision is that of Sigma^-1, for drawn levels
    lower = np.zeros(n_lower)
    for r in range(n_basis):
        pair = 0
        for m in range(M):
            for n in range(m, M):
                total = 0.0
                for i in range(n_rho):
                    total += mixing[i, r] * W[i, pair]
                if n > m:
                    total *= 2.0
                for j in range(n_lower):
                    lower[j] += total * basis[r, pair, j]
                pair += 1
    precision = np.empty((D, D))
    j = 0
    for d in range(D):
        rhs[d] /= hyper.inflation
        for k in range(d + 1):
            precision[d, k] = design.R_inv[d, k] / chain.v_h[0] + lower[j] / hyper.inflation
            j += 1
    _draw_gaussian(rng, precision, rhs, chain.h)
    # v_h given h: inverse gamma
    energy = 0.0
    for d in range(D):
        for k in range(D):
            energy += design.R_inv[d, k] * chain.h[d] * chain.h[k]
    scale = hyper.hrf_scale[1] + 0.5 * energy
    chain.v_h[0] = scale / rng.standard_gamma(hyper.hrf_scale[0] + 0.5 * D)


@inner
def _draw_fields(rng: np.random.Generator, chain: Chain, hyper: Priors, sums: FloatArray) -> None:
    """Log odds and strength of every condition's field, jointly, given its labels."""
    n_alphas, n_betas = hyper.field.shape[1:]
    if n_alphas * n_betas == 1:
        return
    score = np.empty((n_alphas, n_betas))
    for m in range(chain.mu.shape[0]):
        best = -np.inf
        for i in range(n_alphas):
            own = hyper.alphas[i] * sums[m, 0]
            for j in range(n_betas):
                score[i, j] = hyper.field[m, i, j] + own + hyper.betas[j] * sums[m, 4]
                best = max(best, score[i, j])
        total = 0.0
        for i in range(n_alphas):
            for j in range(n_betas):
                gap = score[i, j] - best
                # most of the grid is out of question: no exp for it
                score[i, j] = np.exp(gap) if gap > -40.0 else 0.0
                total += score[i, j]
        u = rng.random() * total
        for i in range(n_alphas):
            for j in range(n_betas):
                if u >= 0.0 and score[i, j] > 0.0:
                    chain.field[0, m], chain.field[1, m] = i, j
                    u -= score[i, j]


@inner
def _scale_log_density(chain: Chain, hyper: Priors, log_scale: float) -> float:
    """Log density along the line on which the HRF grows and the levels shrink.

    Multiplied by ``c = exp(log_scale)`` are ``h``, and by its powers ``v_h``, levels and mixtures.
    The likelihood does not change; the densities of ``h`` given ``v_h`` and of the levels given
    the mixtures change as the volume does. What is left is the prior of the rest, times the
    ``c^2`` and ``c^-5`` that the volume of ``v_h`` and of each mixture changes by.
    """
    square = np.exp(2.0 * log_scale)
    c = np.exp(log_scale)
    w = hyper.weight
    total = -2.0 * hyper.hrf_scale[0] * log_scale
    total -= hyper.hrf_scale[1] / (chain.v_h[0] * square)
    for m in range(chain.mu.shape[0]):
        # the powers of c that v_0^-(w+2)/2 and v_1^-(w+3)/2 give, and c^-5
        total += 2.0 * w * log_scale
        gap = chain.mu[m] - c * hyper.mean[m]
        total -= 0.5 * w * (gap * gap + square * hyper.variance[1, m]) / chain.v[1, m]
        total -= 0.5 * w * square * hyper.variance[0, m] / chain.v[0, m]
    return total


@inner
def _move_scale(
    rng: np.random.Generator, chain: Chain, hyper: Priors, sums: FloatArray, accepted: FloatArray
) -> None:
    """Move scale, and sign, between HRF and levels: directions in which Gibbs hardly gets on."""
    V, M = chain.level.shape
    here = _scale_log_density(chain, hyper, 0.0)
    log_scale = 0.0
    for step in SCALE_STEPS:
        proposed = log_scale + step / np.sqrt(M) * rng.standard_normal()
        there = _scale_log_density(chain, hyper, proposed)
        if rng.random() < np.exp(min(there - here, 0.0)):
            log_scale, here = proposed, there
            accepted[0] += 1.0 / len(SCALE_STEPS)
    c = np.exp(log_scale)
    chain.v_h[0] *= c * c
    for m in range(M):
        chain.mu[m] /= c
        chain.v[0, m] /= c * c
        chain.v[1, m] /= c * c
    if _turn_signs(rng, chain, hyper, sums, c):
        accepted[1] += 1.0
        c = -c
    for d in range(chain.h.shape[0]):
        chain.h[d] *= c
    for v in range(V):
        for m in range(M):
            chain.level[v, m] /= c


@inner
def _turn_signs(
    rng: np.random.Generator, chain: Chain, hyper: Priors, sums: FloatArray, c: float
) -> bool:
    """Draw the sign that HRF and all levels share, and those of the active classes' means.

    Of all sign patterns of these the likelihood and most of the prior are the same. What differs
    are the density of an active level, by ``a mu`` being turned or not, and that of ``mu``.
    Given the common sign the means' signs are independent, so that the draw is exact. Signs of
    the means are turned here; the result tells whether HRF and levels are to be.
    """
    M = chain.mu.shape[0]
    turned = 0.0
    for m in range(M):
        prior = -2.0 * hyper.weight * chain.mu[m] * hyper.mean[m] / chain.v[1, m]
        data = -2.0 * chain.mu[m] * sums[m, 1] / c / chain.v[1, m]
        turned += _log_sum(data, prior) - _log_sum(0.0, prior + data)
    turn = rng.random() < 1.0 / (1.0 + np.exp(-turned))
    for m in range(M):
        prior = -2.0 * hyper.weight * chain.mu[m] * hyper.mean[m] / chain.v[1, m]
        data = -2.0 * chain.mu[m] * sums[m, 1] / c / chain.v[1, m]
        log_odds = prior - data if turn else prior + data
        if rng.random() < 1.0 / (1.0 + np.exp(-log_odds)):
            chain.mu[m] = -chain.mu[m]
    return turn


@inner
def _log_sum(x: float, y: float) -> float:
    """``log(exp(x) + exp(y))``."""
    return max(x, y) + np.log(1.0 + np.exp(-abs(x - y)))


@inner
def _crossing(mean: float, var_inactive: float, var_active: float) -> float:
    """Level between 0 and `mean` where the densities of the classes cross, else their middle."""
    a = var_active - var_inactive
    b = mean * var_inactive
    c = -(mean * mean + var_active * np.log(var_active / var_inactive)) * var_inactive
    root = np.sqrt(max(b * b - a * c, 0.0))
    far = b + root if b >= 0.0 else b - root
    if far != 0.0:
        x = -c / far
        if 0.0 < x / mean < 1.0:
            return x
    if a != 0.0:
        x = -far / a
        if 0.0 < x / mean < 1.0:
            return x
    return 0.5 * mean


@inner
def _note(
    chain: Chain, hyper: Priors, steps: Steps, kept: int, draws: Draws, delta: FloatArray
) -> float:
    """Write down HRF and mixtures at their scale, set the thresholds; return the height."""
    D, M = chain.h.shape[0], chain.mu.shape[0]
    height = 0.0
    for d in range(D):
        if abs(chain.h[d]) > abs(height):
            height = chain.h[d]
    for m in range(M):
        if np.isnan(steps.threshold):
            delta[m, 0] = _crossing(chain.mu[m], chain.v[0, m], chain.v[1, m])
            delta[m, 1] = chain.mu[m]
        else:
            delta[m, 0] = steps.threshold / height
            delta[m, 1] = height if steps.threshold >= 0.0 else -height
    if kept >= 0:
        for d in range(D):
            draws.hrf[kept, d] = chain.h[d] / height
        for m in range(M):
            draws.mixture[kept, m, 0] = chain.mu[m] * height
            draws.mixture[kept, m, 1] = np.sqrt(chain.v[1, m]) * abs(height)
            draws.mixture[kept, m, 2] = np.sqrt(chain.v[0, m]) * abs(height)
            draws.mixture[kept, m, 3] = hyper.betas[chain.field[1, m]]
            draws.mixture[kept, m, 4] = hyper.alphas[chain.field[0, m]]
    return height


@inner
def _note_positions(
    chain: Chain, design: Design, steps: Steps, kept: int, height: float, draws: Draws
) -> None:
    """Write down noise and, every so often, all levels."""
    V, M = chain.level.shape
    for v in range(V):
        r = design.rho[chain.rho_index[v]]
        draws.noise_sd[v] += np.sqrt(chain.noise[v] / (1.0 - r * r))
        draws.ar1[v] += r
    if (kept + 1) % steps.thinning == 0:
        place = (kept + 1) // steps.thinning - 1
        if place < draws.levels.shape[0]:
            for v in range(V):
                for m in range(M):
                    draws.levels[place, v, m] = chain.level[v, m] * height


@entry
def run_chain(
    rng: np.random.Generator,
    moments: ParcelMoments,
    design: Design,
    hyper: Priors,
    chain: Chain,
    steps: Steps,
    draws: Draws,
) -> None:
    """Run one chain; `chain` is left at its last draw.

    Parameters
    ----------
    rng : numpy.random.Generator
        The chain's own.
    moments, design, hyper, chain, steps, draws
        As their classes say; `chain` and `draws` are changed.
    """
    V, M = chain.level.shape
    D = chain.h.shape[0]
    n_rho, K = design.inv_PP.shape[:2]
    B, nuisance = np.empty((V, M, D)), np.empty(K)
    for v in range(V):
        fill_position(moments, design, v, chain.rho_index[v], B, nuisance)
    W, rhs = np.empty((n_rho, design.basis.shape[1])), np.empty(D)
    sums, delta = np.empty((M, 5)), np.empty((M, 2))
    for sweep in range(steps.n_burn_in + steps.n_kept):
        kept = sweep - steps.n_burn_in
        Gamma = _contract(design, chain.h, M)
        # docs/model.md, "Sampled instead of approximated": each block in turn.
        # Noise and autocorrelation together, from the whole grid,
        if n_rho > 1 and sweep % RHO_EVERY == 0:
            draw_autocorrelations(rng, moments, design, chain, hyper, Gamma, B)
        # a class together with its levels (interweaving),
        for turn in range(min(N_MOVED, M)):
            move_mixture(rng, chain, hyper, Gamma, B, (sweep * N_MOVED + turn) % M)
        height = _note(chain, hyper, steps, kept, draws, delta)
        # levels with their labels and the noise's variance, position by position,
        draws.log_likelihood[sweep] = draw_positions(
            rng, moments, design, chain, hyper, Gamma, B, height, delta, kept >= 0, draws,
            W, rhs, sums,
        )  # fmt: skip
        if kept >= 0:
            for m in range(M):
                draws.mixture[kept, m, 5] = sums[m, 0] / V
            _note_positions(chain, design, steps, kept, height, draws)
        # the mixtures given all levels, the field given all labels,
        draw_mixtures(rng, chain, hyper, sums)
        _draw_fields(rng, chain, hyper, sums)
        # the response, and scale and sign between it and the levels.
        _draw_hrf(rng, design, chain, hyper, W, rhs)
        _move_scale(rng, chain, hyper, sums, draws.accepted)
