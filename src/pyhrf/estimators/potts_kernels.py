"""Compiled Ising field: Gibbs sampling of the labels alone, for its log partition function."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.kernel_cache import entry


@entry
def mean_agreement(
    rng: np.random.Generator,
    start: NDArray[np.int32],
    neighbours: NDArray[np.int32],
    betas: FloatArray,
    alpha: float,
    n_settle: int,
    n_sweeps: int,
) -> FloatArray:
    """Average the number of agreeing pairs of neighbours under the field, for every strength.

    ``p(q) ∝ exp(beta sum_{j~k} [q_j = q_k] + alpha sum_j q_j)``. The strengths are gone through
    from the greatest to the least, beginning with all labels 0: an ordered field forgets its order
    at once when it weakens, while one that cools keeps its walls for long. For ``alpha = 0`` the
    agreement is the same in both of its phases.

    Parameters
    ----------
    rng : numpy.random.Generator
    start, neighbours : int32 arrays
        As in `pyhrf.model.graph.NeighbourGraph`.
    betas : array, shape (n_betas,)
        Ascending.
    alpha : float
        At most 0.
    n_settle, n_sweeps : int
        Sweeps at each strength that are left out, and that are averaged.

    Returns
    -------
    array, shape (n_betas,)
    """
    V = start.shape[0] - 1
    most = 0
    for v in range(V):
        most = max(most, start[v + 1] - start[v])
    label = np.zeros(V, dtype=np.int64)
    # probability of 1 by (2 ones - degree), looked up: exp is the dearest part of a site
    active = np.empty(2 * most + 1)
    agreement = np.zeros(len(betas))
    for step in range(len(betas)):
        beta = betas[len(betas) - 1 - step]
        for j in range(2 * most + 1):
            active[j] = 1.0 / (1.0 + np.exp(-alpha - beta * (j - most)))
        total = 0.0
        for sweep in range(n_settle + n_sweeps):
            for v in range(V):
                ones = 0
                for k in range(start[v], start[v + 1]):
                    ones += label[neighbours[k]]
                degree = start[v + 1] - start[v]
                p = active[2 * ones - degree + most]
                label[v] = 1 if rng.random() < p else 0
                if sweep >= n_settle:
                    # expectation given the neighbours: less noise than the label itself
                    total += p * ones + (1.0 - p) * (degree - ones)
        # every pair is met from both of its ends
        agreement[len(betas) - 1 - step] = 0.5 * total / n_sweeps
    return agreement
