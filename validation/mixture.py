"""Probabilities of activation from z scores, for programs that give none themselves.

An empirical Bayes mixture of Gaussians over the whole volume, as in Everitt and Bullmore 1999
(Human Brain Mapping 7:1) or Efron 2008 (Statistical Science 23:1): a null class around 0 and an
active class above it, and where responses may be negative one below it.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import norm

from pyhrf.data import FloatArray

__all__ = ["activation_probability"]

N_ITERATIONS = 300


def activation_probability(z: FloatArray, *, two_sided: bool = False) -> FloatArray:
    """Posterior probability of not being in the null class.

    Parameters
    ----------
    z : array, shape (n_positions,)
    two_sided : bool
        There may be negative responses.

    Returns
    -------
    array, shape (n_positions,)
    """
    mean = np.array([0.0, 2.5, -2.5] if two_sided else [0.0, 2.5])
    sd = np.ones(len(mean))
    weight = np.array([0.8, 0.1, 0.1] if two_sided else [0.8, 0.2])
    for _ in range(N_ITERATIONS):
        share = _shares(z, mean, sd, weight)
        total = share.sum(axis=1)
        new = (total + 1) / (len(z) + len(mean))
        # The null class keeps its mean, the others their side; none may become a needle.
        centre = share @ z / np.maximum(total, 1e-9)
        centre = np.clip(centre, [0.0, 1.0, -50.0][: len(mean)], [0.0, 50.0, -1.0][: len(mean)])
        spread = np.sqrt((share * (z - centre[:, None]) ** 2).sum(axis=1) / np.maximum(total, 1e-9))
        spread = np.clip(spread, [0.8, 0.5, 0.5][: len(mean)], [4.0, 20.0, 20.0][: len(mean)])
        done = np.abs(new - weight).max() < 1e-6 and np.abs(centre - mean).max() < 1e-4
        mean, sd, weight = centre, spread, new
        if done:
            break
    return np.asarray(1 - _shares(z, mean, sd, weight)[0])


def _shares(z: FloatArray, mean: FloatArray, sd: FloatArray, weight: FloatArray) -> FloatArray:
    """Posterior of each class, shape (n_classes, n_positions)."""
    density = weight[:, None] * norm.pdf(z, mean[:, None], sd[:, None]) + 1e-300
    # A narrower class wins again in the far tail: what lies beyond an active class is active.
    density[0] = np.where(np.abs(z) > 8 * sd[0], 1e-300, density[0])
    return np.asarray(density / density.sum(axis=0))
