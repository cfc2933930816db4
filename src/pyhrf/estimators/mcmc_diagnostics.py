"""Whether chains agree, and how many independent draws they are worth.

Vehtari, Gelman, Simpson, Carpenter, Bürkner (2021), Bayesian Analysis 16(2):667.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri

from pyhrf.data import FloatArray


def split_rhat(chains: FloatArray) -> FloatArray:
    """Split R-hat of the ranks: 1 where the halves of all chains agree, more where they do not.

    The larger of that of the draws and that of their distances from the median, as the ranks'
    normal scores. A quantity that never changes has 1.

    Parameters
    ----------
    chains : array, shape (n_chains, n_draws, ...)

    Returns
    -------
    array, shape (...)
    """
    folded = np.abs(chains - np.median(chains, axis=(0, 1)))
    return np.maximum(_rhat(_halves(chains)), _rhat(_halves(folded)))


def effective_sample_size(chains: FloatArray) -> FloatArray:
    """Count the independent draws whose mean is known as well as that of the draws' ranks.

    Autocorrelations are summed by Geyer's initial monotone sequence. A quantity that never changes
    has as many as there are draws.

    Parameters
    ----------
    chains : array, shape (n_chains, n_draws, ...)

    Returns
    -------
    array, shape (...)
    """
    z = _scores(_halves(chains))
    n_chains, n_draws = z.shape[:2]
    flat = z.reshape(n_chains, n_draws, -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    n_fft = next_fast_len(2 * n_draws)
    power = np.abs(rfft(centred, n_fft, axis=1)) ** 2
    autocovariance = irfft(power, n_fft, axis=1)[:, :n_draws] / n_draws
    within = autocovariance[:, 0].mean(axis=0) * n_draws / (n_draws - 1)
    pooled = within * (n_draws - 1) / n_draws + flat.mean(axis=1).var(axis=0, ddof=1)
    constant = pooled <= 0
    pooled = np.where(constant, 1.0, pooled)
    rho = 1 - (within - autocovariance.mean(axis=0)) / pooled
    rho[0] = 1.0
    pairs = rho[: n_draws // 2 * 2].reshape(n_draws // 2, 2, -1).sum(axis=1)
    # up to the first pair that is not positive, and never rising
    positive = np.cumprod(pairs > 0, axis=0)
    monotone = np.minimum.accumulate(pairs, axis=0)
    tau = -1 + 2 * np.sum(monotone * positive, axis=0)
    total = n_chains * n_draws
    # antithetic chains: at most as much more as Stan allows
    ess = total / np.maximum(tau, 1 / np.log10(total))
    return np.asarray(np.where(constant, total, ess).reshape(z.shape[2:]))


def _halves(chains: FloatArray) -> FloatArray:
    """Split every chain in two, without the middle draw of an odd number."""
    n = chains.shape[1] // 2
    return np.concatenate([chains[:, :n], chains[:, -n:]])


def _scores(halves: FloatArray) -> FloatArray:
    """Rank among all draws, as normal scores; ties share theirs."""
    # imported only here: it takes a third of a second, which every start of VEM would wait
    from scipy.stats import rankdata

    flat = halves.reshape(halves.shape[0] * halves.shape[1], -1)
    ranks = rankdata(flat, axis=0)
    return np.asarray(ndtri((ranks - 0.375) / (len(flat) + 0.25)).reshape(halves.shape))


def _rhat(halves: FloatArray) -> FloatArray:
    """Root of the pooled over the mean within-chain variance of the normal scores."""
    z = _scores(halves)
    n_draws = z.shape[1]
    within = z.var(axis=1, ddof=1).mean(axis=0)
    between = z.mean(axis=1).var(axis=0, ddof=1)
    pooled = within * (n_draws - 1) / n_draws + between
    with np.errstate(divide="ignore", invalid="ignore"):
        rhat = np.sqrt(pooled / within)
    return np.asarray(np.where(pooled > 0, rhat, 1.0))
