"""The Ising field's log partition function on a parcel's own graph, by path sampling."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.potts_kernels import mean_agreement
from pyhrf.model.graph import NeighbourGraph


def log_partition(
    graph: NeighbourGraph,
    *,
    alphas: FloatArray,
    betas: FloatArray,
    n_sweeps: int,
    seed: np.random.SeedSequence,
) -> FloatArray:
    """Log partition function of ``p(q) ∝ exp(beta sum_{j~k} [q_j = q_k] + alpha sum_j q_j)``.

    Without coupling it is ``V log(1 + exp(alpha))``; its derivative by `beta` is the expected
    number of agreeing pairs, which is sampled at every value of the grid and integrated by
    trapezoids (path sampling: Gelman and Meng 1998, Statistical Science 13(2):163).

    Parameters
    ----------
    graph : NeighbourGraph
    alphas : array, shape (n_alphas,)
        Log odds, at most 0.
    betas : array, shape (n_betas,)
        Strengths, ascending from 0.
    n_sweeps : int
        Sweeps over the graph for each pair of values; a tenth more is left out.
    seed : numpy.random.SeedSequence

    Returns
    -------
    array, shape (n_alphas, n_betas)
    """
    n_positions = len(graph.start) - 1
    log_z = np.empty((len(alphas), len(betas)))
    for row, alpha, child in zip(log_z, alphas, seed.spawn(len(alphas)), strict=True):
        row[0] = n_positions * np.logaddexp(0.0, alpha)
        if len(betas) > 1:
            agreement = mean_agreement(
                np.random.Generator(np.random.SFC64(child)),
                *(graph.start, graph.neighbours, betas, float(alpha)),
                *(n_sweeps // 10 + 1, n_sweeps),
            )
            # exact where the field has no strength
            agreement[0] = graph.n_edges * (1 - 2 * _odds(alpha) * (1 - _odds(alpha)))
            steps = np.diff(betas) * (agreement[1:] + agreement[:-1]) / 2
            row[1:] = row[0] + np.cumsum(steps)
    return log_z


def _odds(alpha: float) -> float:
    """Probability whose log odds are `alpha`."""
    return float(1 / (1 + np.exp(-alpha)))
