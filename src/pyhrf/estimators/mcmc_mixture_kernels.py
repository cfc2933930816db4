"""Compiled draws of the levels' mixtures: given the levels, and together with them."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import inner
from pyhrf.estimators.mcmc_state import Chain, Priors

# A draw of a mixture that breaks the constraint is tried again so often.
N_TRIES = 50
# Proposals for the log of a class's width when its levels go along: from rough to fine.
WIDTH_STEPS = (1.0, 0.4, 0.15, 0.05)


@inner
def draw_mixtures(rng: np.random.Generator, chain: Chain, hyper: Priors, sums: FloatArray) -> None:
    """Means and variances of the classes given levels and labels.

    Normal-inverse-gamma for the active class, inverse gamma for the inactive one; a draw that
    breaks the constraint is drawn again. If none of `N_TRIES` keeps it, the mixture stays: whether
    that happens does not depend on where it was, so that the posterior is left as it is.
    """
    V, M = chain.level.shape
    w = hyper.weight
    for m in range(M):
        n1, sum1, square1, square0 = sums[m, 0], sums[m, 1], sums[m, 2], sums[m, 3]
        mean = (w * hyper.mean[m] + sum1) / (w + n1)
        spread = square1 + w * hyper.mean[m] ** 2 - (w + n1) * mean * mean
        scale1 = 0.5 * (w * hyper.variance[1, m] + max(spread, 0.0))
        scale0 = 0.5 * (w * hyper.variance[0, m] + square0)
        for _ in range(N_TRIES):
            v1 = scale1 / rng.standard_gamma(0.5 * (w + n1))
            v0 = scale0 / rng.standard_gamma(0.5 * (w + V - n1))
            mu = mean + np.sqrt(v1 / (w + n1)) * rng.standard_normal()
            if v0 < v1 + mu * mu:
                chain.mu[m], chain.v[0, m], chain.v[1, m] = mu, v0, v1
                break


@inner
def _draw_width(
    rng: np.random.Generator,
    slope: float,
    curvature: float,
    power: float,
    scale: float,
    least: float,
    most: float,
) -> float:
    """Draw the factor ``c`` of a class's width, its standardised levels being kept.

    The log density of ``log c`` is ``(c - 1) slope - (c - 1)^2 curvature / 2``, the likelihood,
    plus ``-power log c - scale / c^2``, the prior; ``c^2`` lies between `least` and `most`.
    """
    log_c = 0.0
    here = -scale
    for step in WIDTH_STEPS:
        proposed = log_c + step * rng.standard_normal()
        c = np.exp(proposed)
        there = (c - 1.0) * slope - 0.5 * (c - 1.0) ** 2 * curvature
        there -= power * proposed + scale / (c * c)
        u = rng.random()
        if least < c * c < most and u < np.exp(min(there - here, 0.0)):
            log_c, here = proposed, there
    return float(np.exp(log_c))


@inner
def move_mixture(
    rng: np.random.Generator,
    chain: Chain,
    hyper: Priors,
    Gamma: FloatArray,
    B: FloatArray,
    m: int,
) -> None:
    """Move the classes of condition `m` together with their levels.

    Where the data say little of single levels, these keep to their class as it is, and the class
    to them: given the levels alone it hardly moves. With ``(a - mu_i) / sd_i`` kept instead, the
    data of all positions decide where the class goes (interweaving of the two: Yu and Meng 2011,
    J. Comput. Graph. Stat. 20(3):531). A shift of the active class is drawn exactly, the widths
    by Metropolis steps.
    """
    V, M, D = B.shape
    level, label, noise, h = chain.level, chain.label, chain.noise, chain.h
    rho_index = chain.rho_index
    w = hyper.weight
    mu = chain.mu[m]
    # of the likelihood along the shift, along both widths, and between shift and width
    slope_mu, slope0, slope1 = 0.0, 0.0, 0.0
    bend_mu, bend0, bend1, mixed = 0.0, 0.0, 0.0, 0.0
    for v in range(V):
        i = rho_index[v]
        left = 0.0
        for d in range(D):
            left += B[v, m, d] * h[d]
        for n in range(M):
            left -= Gamma[i, m, n] * level[v, n]
        weight = 1.0 / noise[v]
        left *= weight
        own = Gamma[i, m, m] * weight
        if label[v, m] == 1:
            gap = level[v, m] - mu
            slope_mu += left
            bend_mu += own
            slope1 += gap * left
            mixed += gap * own
            bend1 += gap * gap * own
        else:
            slope0 += level[v, m] * left
            bend0 += level[v, m] * level[v, m] * own
    v0, v1 = chain.v[0, m], chain.v[1, m]
    c0 = _draw_width(
        rng, slope0, bend0, w, 0.5 * w * hyper.variance[0, m] / v0, 0.0, (v1 + mu * mu) / v0
    )
    v0 *= c0 * c0
    precision = bend_mu + w / v1
    shift = (slope_mu - w * (mu - hyper.mean[m]) / v1) / precision
    shift += rng.standard_normal() / np.sqrt(precision)
    # the posterior, cut off where the constraint is broken
    if not v0 < v1 + (mu + shift) ** 2:
        shift = 0.0
    new_mu = mu + shift
    slope1 -= shift * mixed
    prior_gap = new_mu - hyper.mean[m]
    scale1 = 0.5 * w * (hyper.variance[1, m] + prior_gap * prior_gap) / v1
    c1 = _draw_width(rng, slope1, bend1, w + 1.0, scale1, (v0 - new_mu * new_mu) / v1, np.inf)
    chain.mu[m], chain.v[0, m], chain.v[1, m] = new_mu, v0, v1 * c1 * c1
    for v in range(V):
        if label[v, m] == 1:
            level[v, m] = new_mu + c1 * (level[v, m] - mu)
        else:
            level[v, m] *= c0
