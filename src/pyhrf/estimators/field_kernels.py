"""Compiled choice of the field's strength, by how well neighbours foretell a position."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.linalg_kernels import FAST

__all__ = ["leave_one_out_scores"]


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def _sweep(
    evidence: FloatArray,
    start: NDArray[np.int32],
    neighbours: NDArray[np.int32],
    beta: float,
    alpha: float,
    p: FloatArray,
    logit: FloatArray,
) -> float:
    """One sweep of sequential mean field over one condition; return the largest change."""
    moved = 0.0
    for v in range(evidence.shape[0]):
        field = alpha + evidence[v]
        for k in range(start[v], start[v + 1]):
            field += beta * (2.0 * p[neighbours[k]] - 1.0)
        logit[v] = field
        new = 1.0 / (1.0 + np.exp(-field))
        moved = max(moved, abs(new - p[v]))
        p[v] = new
    return moved


@numba.njit(cache=True, nogil=True, fastmath=FAST)
def leave_one_out_scores(
    evidence: FloatArray,
    start: NDArray[np.int32],
    neighbours: NDArray[np.int32],
    betas: FloatArray,
    alphas: FloatArray,
    n_sweeps: int,
) -> FloatArray:
    """Log predictive likelihood of every position's data given its neighbours' data alone.

    For every pair of parameters the labels are found by mean field; then each neighbour's
    logit loses what the position itself had put there (its cavity, to first order), and

        score = sum_v log(pi_v BF_v + 1 - pi_v),  logit pi_v = alpha + beta sum_k (2 p_k - 1)

    with the Bayes factor ``BF_v`` of the position's own data. The likelihood of mean-field labels
    (or their agreement) grows with the field that made them; this score does not.

    Parameters
    ----------
    evidence : array, shape (n_positions, n_conditions)
        Log Bayes factors.
    start, neighbours : int32 arrays
        As in `pyhrf.model.graph.NeighbourGraph`.
    betas : array, shape (n_betas,)
    alphas : array, shape (n_alphas,)
    n_sweeps : int
        Sweeps of mean field at most, for each pair.

    Returns
    -------
    array, shape (n_alphas, n_betas, n_conditions)
    """
    V, M = evidence.shape
    scores = np.zeros((len(alphas), len(betas), M))
    logit, own, p = np.empty(V), np.empty(V), np.empty(V)
    for m in range(M):
        for v in range(V):
            own[v] = evidence[v, m]
        for i in range(len(alphas)):
            for v in range(V):
                p[v] = 1.0 / (1.0 + np.exp(-(own[v] + alphas[i])))
            for j in range(len(betas)):
                beta = betas[j]
                for _ in range(n_sweeps):
                    if _sweep(own, start, neighbours, beta, alphas[i], p, logit) < 0.01:
                        break
                total = 0.0
                for v in range(V):
                    field = alphas[i]
                    for k in range(start[v], start[v + 1]):
                        cavity = logit[neighbours[k]] - beta * (2.0 * p[v] - 1.0)
                        field += beta * (2.0 / (1.0 + np.exp(-cavity)) - 1.0)
                    pi = 1.0 / (1.0 + np.exp(-field))
                    if own[v] > 0.0:
                        total += own[v] + np.log(pi + (1.0 - pi) * np.exp(-own[v]))
                    else:
                        total += np.log(pi * np.exp(own[v]) + 1.0 - pi)
                scores[i, j, m] = total
    return scores
