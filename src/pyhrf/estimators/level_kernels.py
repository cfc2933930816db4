"""Compiled steps for the levels: their two Gaussians, their labels, and the mixtures."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.field_kernels import site_logit
from pyhrf.estimators.kernel_cache import entry, inner
from pyhrf.estimators.vem_state import Hyper, ParcelData, State

# Step of the mixtures as a multiple of the way to their optimum: below twice it still climbs, and
# saves a quarter of the iterations.
OVER_RELAXATION = 1.9


@inner
def _class_terms(state: State) -> FloatArray:
    """Compute what the sites share of the mixtures: divisions are the dearest part of a site.

    ``1/v_0, 1/v_1, mu/v_1, mu^2/v_1, log(v_0/v_1)``, shape (n_conditions, 5).
    """
    terms = np.empty((state.mu.shape[0], 5))
    for m in range(state.mu.shape[0]):
        mu = state.mu[m]
        terms[m, 0] = 1.0 / state.v[0, m]
        terms[m, 1] = 1.0 / state.v[1, m]
        terms[m, 2] = mu * terms[m, 1]
        terms[m, 3] = mu * mu * terms[m, 1]
        terms[m, 4] = np.log(state.v[0, m] * terms[m, 1])
    return terms


@inner
def shared_levels(factors: FloatArray, level: FloatArray) -> FloatArray:
    """``(F' A)'``, shape (n_conditions, n_factors)."""
    V, M = level.shape
    total = np.zeros((M, factors.shape[1]))
    for v in range(V):
        for m in range(M):
            for k in range(factors.shape[1]):
                total[m, k] += factors[v, k] * level[v, m]
    return total


@inner
def own_precision(data: ParcelData, state: State) -> FloatArray:
    """Diagonal of ``Q``: the precision of each position's noise given that of all others."""
    own = np.empty(len(state.noise))
    for v in range(len(own)):
        total = 1.0 / state.noise[v]
        for k in range(data.factors.shape[1]):
            total -= data.factors[v, k] * data.factors[v, k]
        own[v] = total
    return own


@inner
def _shared_residuals(
    data: ParcelData, state: State, b: FloatArray, Gamma: FloatArray
) -> FloatArray:
    """``(F' (b - A Gamma))'``, shape (n_conditions, n_factors)."""
    M = b.shape[1]
    if data.factors.shape[1] == 0:
        return np.zeros((M, 0))
    total = shared_levels(data.factors, b)
    levels = shared_levels(data.factors, state.level)
    products = Gamma[data.rho_index[0]]
    for m in range(M):
        for n in range(M):
            for k in range(data.factors.shape[1]):
                total[m, k] -= products[m, n] * levels[n, k]
    return total


@inner
def shared_squares(data: ParcelData, state: State, b: FloatArray, Gamma: FloatArray) -> float:
    """Part of the expected squares that is shared, ``E|F' (y - sum_m a_m X_m h)|^2``.

    Up to a constant, ``|F' y|^2``.
    """
    if data.factors.shape[1] == 0:
        return 0.0
    V, M = b.shape
    factors, level_var = data.factors, state.level_var
    products = Gamma[data.rho_index[0]]
    projected = shared_levels(factors, b)
    levels = shared_levels(factors, state.level)
    total = 0.0
    for k in range(factors.shape[1]):
        for m in range(M):
            fitted = 0.0
            for n in range(M):
                fitted += products[m, n] * levels[n, k]
            total += levels[m, k] * (fitted - 2.0 * projected[m, k])
    for v in range(V):
        square = 0.0
        for k in range(factors.shape[1]):
            square += factors[v, k] * factors[v, k]
        for m in range(M):
            total += square * products[m, m] * level_var[v, m]
    return total


@inner
def _level(
    m: int,
    b: float,
    Gamma: FloatArray,
    levels: FloatArray,
    weight: float,
    own: float,
    pull: float,
    terms: FloatArray,
) -> tuple[float, float, float, float, float, float]:
    """Give a level's two Gaussians given all other levels, and the log Bayes factor.

    With ``l = [Q (b - A Gamma)]_vm + Q_vv Gamma_mm a_vm``, which the level itself is not in,
    ``1/c_i = Q_vv Gamma_mm + 1/v_i``, ``k_i = c_i (l + mu_i / v_i)``, and the log evidence of
    class ``i`` is ``log(c_i / v_i)/2 + k_i^2 / 2 c_i - mu_i^2 / 2 v_i``.

    Parameters
    ----------
    levels : array, shape (n_conditions,)
        Of this position.
    weight, own : float
        ``1 / noise`` and ``Q_vv``.
    pull : float
        ``[F F' (b - A Gamma)]_vm``.

    Returns
    -------
    tuple of float
        Log Bayes factor of active against inactive, means ``k_0, k_1``, variances ``c_0, c_1``,
        and ``l``.
    """
    # docs/model.md, "Estimation", levels: B_vm' h - sum_n Gamma_mn a_vn, weighted by Q;
    # the level's own part is put back, so that only those with n != m are taken out.
    residual = b
    for n in range(levels.shape[0]):
        residual -= Gamma[m, n] * levels[n]
    drive = weight * residual - pull + own * Gamma[m, m] * levels[m]
    # 1/c_i = Q_vv Gamma_mm + 1/v_i,  k_i = c_i (l + mu_i / v_i)
    tight0 = Gamma[m, m] * own + terms[m, 0]
    tight1 = Gamma[m, m] * own + terms[m, 1]
    pull1 = drive + terms[m, 2]
    c0 = 1.0 / tight0
    c1 = 1.0 / tight1
    k0 = c0 * drive
    k1 = c1 * pull1
    # log BF, twice: log(c_1 v_0 / c_0 v_1) + k_1^2/c_1 - k_0^2/c_0 - mu^2/v_1
    evidence = np.log(tight0 * c1) + terms[m, 4] + k1 * pull1 - terms[m, 3] - k0 * drive
    return 0.5 * evidence, k0, k1, c0, c1, drive


@inner
def _either_side(
    evidence: float, k1: float, c1: float, drive: float, shift: float
) -> tuple[float, float, float, float, float]:
    """Give the active class that lies around ``mu`` or ``-mu``, each with probability 1/2.

    The two evidences differ by ``2 c_1 l mu / v_1``.

    Returns
    -------
    tuple of float
        Log Bayes factor, mean of the level, mean and variance of ``sign * level``, and the
        probability of the side of ``mu``.
    """
    gap = 2.0 * c1 * drive * shift
    side = 1.0 / (1.0 + np.exp(-gap))
    # log(1/2 + exp(-gap)/2), of the smaller of the two
    if gap > 0.0:
        evidence += np.log(0.5 + 0.5 * np.exp(-gap))
    else:
        evidence += np.log(0.5 + 0.5 * np.exp(gap)) - gap
    other = c1 * (drive - shift)
    mean = side * k1 + (1.0 - side) * other
    folded = side * k1 - (1.0 - side) * other
    variance = c1 + side * k1 * k1 + (1.0 - side) * other * other - folded * folded
    return evidence, mean, folded, variance, side


@entry
def log_odds(
    data: ParcelData, state: State, two_sided: bool, b: FloatArray, Gamma: FloatArray
) -> FloatArray:
    """Log Bayes factor of active against inactive of every position, without the field.

    Returns
    -------
    array, shape (n_positions, n_conditions)
    """
    V, M = b.shape
    evidence = np.empty((V, M))
    terms = _class_terms(state)
    own = own_precision(data, state)
    shared = _shared_residuals(data, state, b, Gamma)
    factors = data.factors
    for v in range(V):
        products, levels = Gamma[data.rho_index[v]], state.level[v]
        weight = 1.0 / state.noise[v]
        for m in range(M):
            pull = 0.0
            for k in range(factors.shape[1]):
                pull += factors[v, k] * shared[m, k]
            found, _, k1, _, c1, drive = _level(
                m, b[v, m], products, levels, weight, own[v], pull, terms
            )
            if two_sided:
                found = _either_side(found, k1, c1, drive, terms[m, 2])[0]
            evidence[v, m] = found
    return evidence


@inner
def update_levels(
    data: ParcelData, state: State, hyper: Hyper, b: FloatArray, Gamma: FloatArray
) -> None:
    """Levels and labels of all positions, one after the other (`field_kernels`)."""
    V, M = b.shape
    terms = _class_terms(state)
    own = own_precision(data, state)
    shared = _shared_residuals(data, state, b, Gamma)
    # arrays as variables: reached through their tuple in the loop, each costs a count of its uses
    neighbours, start, alpha, beta = data.neighbours, data.start, hyper.alpha, hyper.beta
    factors = data.factors
    n_factors = factors.shape[1]
    p, level, level_var = state.p, state.level, state.level_var
    class_mean, class_var, side = state.class_mean, state.class_var, state.side
    before, pull = np.empty(M), np.zeros(M)
    for m in range(M):
        side[m] = 0.0
    for v in range(V):
        products, levels = Gamma[data.rho_index[v]], level[v]
        weight = 1.0 / state.noise[v]
        first, last = start[v], start[v + 1]
        if n_factors:
            for m in range(M):
                before[m] = levels[m]
                total = 0.0
                for k in range(n_factors):
                    total += factors[v, k] * shared[m, k]
                pull[m] = total
        for m in range(M):
            evidence, k0, k1, c0, c1, drive = _level(
                m, b[v, m], products, levels, weight, own[v], pull[m], terms
            )
            mean1, var1 = k1, c1
            if hyper.two_sided:
                evidence, mean1, k1, c1, here = _either_side(evidence, k1, c1, drive, terms[m, 2])
                var1 = c1 + k1 * k1 - mean1 * mean1
            # logit p = log BF + alpha + beta sum_k spin_k - beta^2/2 spin sum_k (1 - spin_k^2)
            spins = 0.0
            free = 0.0
            for k in range(first, last):
                spin = 2.0 * p[neighbours[k], m] - 1.0
                spins += spin
                free += 1.0 - spin * spin
            drive = evidence + alpha[m] + beta[m] * spins
            x = site_logit(drive, 0.5 * beta[m] * beta[m] * free, p[v, m])
            active = 1.0 / (1.0 + np.exp(-x))
            p[v, m] = active
            class_mean[v, m, 0] = k0
            class_mean[v, m, 1] = k1
            class_var[v, m, 0] = c0
            class_var[v, m, 1] = c1
            # mean and variance of the mixture of the two classes
            moved = active * mean1 + (1.0 - active) * k0 - levels[m]
            levels[m] += moved
            spread = active * (1.0 - active) * (mean1 - k0) ** 2
            level_var[v, m] = active * var1 + (1.0 - active) * c0 + spread
            if hyper.two_sided:
                side[m] += active * (2.0 * here - 1.0)
            if n_factors:
                # what this level adds to the shared residual, as the next conditions see it
                for n in range(m + 1, M):
                    pull[n] -= (weight - own[v]) * products[n, m] * moved
        if n_factors:
            for m in range(M):
                change = 0.0
                for n in range(M):
                    change += products[m, n] * (levels[n] - before[n])
                for k in range(n_factors):
                    shared[m, k] -= factors[v, k] * change


@inner
def _fit(variance: float, n: float, squares: float) -> float:
    """Log density of `n` levels whose squared distances from their mean sum to `squares`."""
    return -0.5 * (n * np.log(variance) + squares / variance)


@inner
def update_mixtures(state: State, hyper: Hyper) -> None:
    """Means and variances of the classes, towards the mode of their posterior given the levels.

    Prior: ``mu | v1 ~ N(mean, v1 / w)`` and ``v_i`` inverse gamma, each worth ``w`` positions.
    """
    V, M = state.p.shape
    w = hyper.weight
    for m in range(M):
        n1 = 0.0
        sum1 = 0.0
        square0 = 0.0
        for v in range(V):
            p = state.p[v, m]
            n1 += p
            sum1 += p * state.class_mean[v, m, 1]
            square0 += (1.0 - p) * (state.class_mean[v, m, 0] ** 2 + state.class_var[v, m, 0])
        # the mode of the posterior of mu, v_0 and v_1
        mu = (sum1 + w * hyper.mean[m]) / (n1 + w)
        square1 = 0.0
        for v in range(V):
            spread = (state.class_mean[v, m, 1] - mu) ** 2 + state.class_var[v, m, 1]
            square1 += state.p[v, m] * spread
        square1 += w * ((mu - hyper.mean[m]) ** 2 + hyper.variance[1, m])
        # beyond the optimum, if that is no worse than staying
        n_active, n_inactive = n1 + w + 1.0, V - n1 + w
        square0 += w * hyper.variance[0, m]
        best0, best1 = square0 / n_inactive, square1 / n_active
        far0 = best0 * (best0 / state.v[0, m]) ** (OVER_RELAXATION - 1.0)
        if _fit(far0, n_inactive, square0) < _fit(state.v[0, m], n_inactive, square0):
            far0 = best0
        far_mu = mu + (OVER_RELAXATION - 1.0) * (mu - state.mu[m])
        far1 = best1 * (best1 / state.v[1, m]) ** (OVER_RELAXATION - 1.0)
        away = (n1 + w) * (state.mu[m] - mu) ** 2
        far_away = (n1 + w) * (far_mu - mu) ** 2
        here = _fit(state.v[1, m], n_active, square1 + away)
        if _fit(far1, n_active, square1 + far_away) < here:
            far_mu, far1 = mu, best1
        state.mu[m], state.v[0, m], state.v[1, m] = far_mu, far0, far1
