"""Compiled steps for the levels: their two Gaussians, their labels, and the mixtures."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.field_kernels import site_logit
from pyhrf.estimators.kernel_cache import entry, inner
from pyhrf.estimators.vem_state import Hyper, ParcelData, State

__all__ = ["log_odds", "update_levels", "update_mixtures"]

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
def _level(
    m: int, b: float, Gamma: FloatArray, others: FloatArray, weight: float, terms: FloatArray
) -> tuple[float, float, float, float, float]:
    """Give a level's two Gaussians given the other conditions' levels, and the log Bayes factor.

    ``1/c_i = Gamma_mm / s + 1/v_i``, ``k_i = c_i (l + mu_i / v_i)``, and the log evidence of
    class ``i`` is ``log(c_i / v_i)/2 + k_i^2 / 2 c_i - mu_i^2 / 2 v_i``.

    Returns
    -------
    tuple of float
        Log Bayes factor of active against inactive, means ``k_0, k_1``, variances ``c_0, c_1``.
    """
    drive = b + Gamma[m, m] * others[m]
    for n in range(others.shape[0]):
        drive -= Gamma[m, n] * others[n]
    drive *= weight
    tight0 = Gamma[m, m] * weight + terms[m, 0]
    tight1 = Gamma[m, m] * weight + terms[m, 1]
    pull1 = drive + terms[m, 2]
    c0 = 1.0 / tight0
    c1 = 1.0 / tight1
    k0 = c0 * drive
    k1 = c1 * pull1
    evidence = np.log(tight0 * c1) + terms[m, 4] + k1 * pull1 - terms[m, 3] - k0 * drive
    return 0.5 * evidence, k0, k1, c0, c1


@entry
def log_odds(data: ParcelData, state: State, b: FloatArray, Gamma: FloatArray) -> FloatArray:
    """Log Bayes factor of active against inactive of every position, without the field.

    Returns
    -------
    array, shape (n_positions, n_conditions)
    """
    V, M = b.shape
    evidence = np.empty((V, M))
    terms = _class_terms(state)
    for v in range(V):
        products, levels = Gamma[data.rho_index[v]], state.level[v]
        weight = 1.0 / state.noise[v]
        for m in range(M):
            evidence[v, m] = _level(m, b[v, m], products, levels, weight, terms)[0]
    return evidence


@inner
def update_levels(
    data: ParcelData, state: State, hyper: Hyper, b: FloatArray, Gamma: FloatArray
) -> None:
    """Levels and labels of all positions, one after the other (`field_kernels`)."""
    V, M = b.shape
    terms = _class_terms(state)
    # arrays as variables: reached through their tuple in the loop, each costs a count of its uses
    neighbours, start, alpha, beta = data.neighbours, data.start, hyper.alpha, hyper.beta
    p, level, level_var = state.p, state.level, state.level_var
    class_mean, class_var = state.class_mean, state.class_var
    for v in range(V):
        products, levels = Gamma[data.rho_index[v]], level[v]
        weight = 1.0 / state.noise[v]
        first, last = start[v], start[v + 1]
        for m in range(M):
            evidence, k0, k1, c0, c1 = _level(m, b[v, m], products, levels, weight, terms)
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
            levels[m] = active * k1 + (1.0 - active) * k0
            spread = active * (1.0 - active) * (k1 - k0) ** 2
            level_var[v, m] = active * c1 + (1.0 - active) * c0 + spread


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
