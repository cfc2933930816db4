"""A start for parcels that share noise: all levels at once, without classes."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.model.shared_noise import SharedNoise

N_ITERATIONS = 5
# Passes over the conditions: the first time, and then.
N_PASSES = (6, 3)
# Variance of the levels to begin with, in units of the noise given that of all other positions.
FIRST_VARIANCE = 0.05


def joint_start(
    B: FloatArray, G: FloatArray, noise: SharedNoise, R_inv: FloatArray, h: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Estimate HRF and levels, each level normal around 0 with a variance of its condition.

    One level at a time, positions that respond together would each take the others' responses for
    noise that they share. Here the levels of a condition are one block: along the directions of
    the noise, in which its precision is ``q_k``, they are

        a_k = q_k r_k / (q_k Gamma_mm + 1/tau_m),   r = b_m - sum_(n != m) a_n Gamma_nm

    and ``tau_m``, HRF and its scale follow as in the variational EM.

    Parameters
    ----------
    B : array, shape (n_positions, n_conditions, n_hrf)
    G : array, shape (n_conditions, n_hrf, n_conditions, n_hrf)
    noise : SharedNoise
    R_inv : array, shape (n_hrf, n_hrf)
        Inverse prior covariance of the HRF, up to its scale.
    h : array, shape (n_hrf,)
        HRF to begin with.

    Returns
    -------
    h : array, shape (n_hrf,)
        Its largest excursion is 1 or -1.
    level : array, shape (n_positions, n_conditions)
    Sigma : array, shape (n_hrf, n_hrf)
        Covariance of the HRF.
    v_h : float
        Scale of its prior covariance.
    """
    V, M, D = B.shape
    U, rest, inside = noise.directions, noise.rest, noise.precision
    scaled = B / noise.sd[:, None, None]
    level = np.zeros((V, M))
    mean_precision = rest - float(np.sum(rest - inside)) / V
    tau = np.full(M, FIRST_VARIANCE / mean_precision)
    v_h, Sigma = float(h @ R_inv @ h) / D, np.zeros((D, D))
    Gamma = _products(G, np.outer(h, h))
    n_rest = V - len(inside)
    for iteration in range(N_ITERATIONS):
        b = scaled @ h
        for _ in range(N_PASSES[iteration > 0]):
            for m in range(M):
                residual = b[:, m] - level @ Gamma[:, m] + level[:, m] * Gamma[m, m]
                all_others = rest / (rest * Gamma[m, m] + 1 / tau[m])
                along = inside / (inside * Gamma[m, m] + 1 / tau[m]) - all_others
                level[:, m] = all_others * residual + U @ (along * (U.T @ residual))
        gamma = np.diagonal(Gamma)
        var_rest = 1 / (rest * gamma + 1 / tau)
        var_inside = 1 / (np.outer(inside, gamma) + 1 / tau)
        tau = (np.sum(level**2, axis=0) + n_rest * var_rest + var_inside.sum(axis=0)) / V
        tau = np.maximum(tau, 1e-9 / mean_precision)
        Q_level = rest * level - U @ ((rest - inside)[:, None] * (U.T @ level))
        W = level.T @ Q_level
        W[np.diag_indices(M)] += n_rest * rest * var_rest + inside @ var_inside
        Sigma = np.linalg.inv(R_inv / v_h + np.einsum("mn,mdnk->dk", W, G))
        h = Sigma @ np.einsum("vm,vmd->d", Q_level, scaled)
        v_h = float(h @ R_inv @ h + np.sum(R_inv * Sigma)) / D
        height = float(np.abs(h).max())
        h, Sigma, v_h = h / height, Sigma / height**2, v_h / height**2
        level, tau = level * height, tau * height**2
        Gamma = _products(G, np.outer(h, h) + Sigma)
    return h, level * noise.sd[:, None], Sigma, v_h


def _products(G: FloatArray, second_moment: FloatArray) -> FloatArray:
    """``Gamma_mn = <G_mn, E[h h']>``."""
    return np.einsum("mdnk,dk->mn", G, second_moment)
