"""The HRF of a parcel whose positions do not all respond alike.

Weights by the precision of shared noise look at differences between positions, where the noise is
small. Where the responses of positions differ in shape, the HRF becomes one of differences. Sums
over positions, each by its level, hold more noise but little of such misfit. How much there is of
it, the two HRFs tell by how far they differ (Hausman 1978, Econometrica 46:1251).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.model.noise_spectrum import CosineBasis, updated_spectrum

# Variances of the misfit, in units of the prior's, and how often there is none. Of the parcels of
# real data about half have none that is seen, the others .05 to .5 (`validation.held_out`).
MISFITS = np.concatenate([[0.0], np.geomspace(0.1, 1.0, 5)])
NO_MISFIT = 0.5
# Directions in which HRFs vary most, by which the misfit is known.
N_DIRECTIONS = 5
# The least variance of the difference of two HRFs, in units of that of the more precise one: their
# covariances are not known so well that it could be less.
LEAST_DIFFERENCE = 1.0
# Steps towards the spectrum of sums, and towards the common scale of two HRFs.
N_STEPS = 3
TINY = 1e-9


class HRF(NamedTuple):
    """An HRF and the covariance of its error."""

    h: FloatArray
    covariance: FloatArray

    def scaled(self, factor: float) -> HRF:
        """Multiply by a factor."""
        return HRF(self.h * factor, self.covariance * factor**2)


def noise_of_sums(basis: CosineBasis | None, left: FloatArray, expected: FloatArray) -> FloatArray:
    """Tell the variance of sums over positions at every cosine.

    Noise that is shared may have a spectrum of its own, as an oscillation has: what all positions
    have on average does not tell of it.

    Parameters
    ----------
    basis : CosineBasis, optional
        None for white noise.
    left : array, shape (n_scans, n_conditions)
        Sums of what responses leave of whitened data.
    expected : array, shape (n_scans,)
        The expected square of white noise there.

    Returns
    -------
    array, shape (n_scans,)
        All sums together.
    """
    squares = np.sum(left**2, axis=1)
    power = float(squares.sum() / expected.sum())
    spectrum = np.ones(len(left))
    if basis is None:
        return spectrum * power
    for _ in range(N_STEPS):
        spectrum = updated_spectrum(basis, spectrum, squares / (power * spectrum), expected)
    return spectrum * float(np.sum(squares / spectrum) / expected.sum())


def hrf_of_sums(
    X: FloatArray, sums: FloatArray, weights: FloatArray, more: FloatArray, prior: FloatArray
) -> HRF:
    """Estimate the HRF from sums over positions, each weighted by its level over its noise.

    With the levels ``A`` and the data ``Y`` of positions, both over the sd of the noise, whose
    variance in the sums ``Y A`` is that of one position times ``r``, the normal equations are

        (sum_mn (A'A)_mn X_m'X_n + P) h = sum_m X_m' Y A_m

    with ``X`` and ``Y`` over the square root of ``r``, and the prior's precision ``P``.

    Parameters
    ----------
    X : array, shape (n_scans, n_conditions, n_hrf)
        Design, free of nuisance, over the sd of the noise of sums.
    sums : array, shape (n_scans, n_conditions)
        ``Y A``, likewise.
    weights : array, shape (n_conditions, n_conditions)
        ``A'A``.
    more : array, shape (n_conditions,)
        What the variances of the levels add to its diagonal. The covariance is that with known
        levels (`pyhrf.estimators.posterior_kernels.hrf_covariance`).
    prior : array, shape (n_hrf, n_hrf)
        Precision of the prior.
    """
    n_scans, M, D = X.shape
    columns = X.reshape(n_scans, M * D)
    G = (columns.T @ columns).reshape(M, D, M, D)
    known = np.einsum("mn,mdnk->dk", weights, G) + prior
    precision = known + np.einsum("m,mdmk->dk", more, G)
    h = np.linalg.solve(precision, np.einsum("tmd,tm->d", X, sums))
    return HRF(h, np.linalg.inv(known))


def combined_hrf(precise: HRF, robust: HRF, prior: FloatArray) -> HRF:
    """Combine an HRF that may have a misfit with one of more noise.

    Were the model right, the errors of `precise` would not depend on how far `robust` is off it,
    and the difference ``d`` would have the covariance ``V``, that of `robust` less that of
    `precise`; neither is known so well that it could be less than that of `precise`. A misfit
    with the prior's covariance ``C`` adds ``t C``, and the best combination is ``h + K d``,
    ``K = t C inv(V + t C)``. It is averaged over `MISFITS`, each by its probability.

    Parameters
    ----------
    precise, robust : HRF
        Their scales need not be the same.
    prior : array, shape (n_hrf, n_hrf)
        Covariance of the prior.

    Returns
    -------
    HRF
        On the scale of `precise`. It is `precise` if the two have nothing in common.
    """
    if robust.h @ precise.h <= 0:
        return precise
    E = np.linalg.eigh(prior)[1][:, ::-1][:, :N_DIRECTIONS]
    ridge = TINY * np.trace(prior) * np.eye(len(prior))
    log_odds, found = np.zeros(len(MISFITS)), []
    for index, t in enumerate(MISFITS):
        C = t * prior
        scale = _scale(precise, robust, C, E)
        scaled = robust.scaled(scale)
        d, V = scaled.h - precise.h, _more_noise(scaled.covariance, precise.covariance)
        # the density of `robust` itself, whatever its scale
        log_odds[index] = (N_DIRECTIONS - 1) * np.log(scale) - 0.5 * _loss(
            E.T @ d, E.T @ (V + C) @ E
        )
        K = np.linalg.solve(V + C + ridge, C).T
        found.append(HRF(precise.h + K @ d, C - K @ C))
    share = np.full(len(MISFITS), (1 - NO_MISFIT) / (len(MISFITS) - 1))
    share[0] = NO_MISFIT
    odds = share * np.exp(log_odds - log_odds.max())
    weights = odds / odds.sum()
    h = weights @ np.array([each.h for each in found])
    covariance = precise.covariance.copy()
    for weight, each in zip(weights, found, strict=True):
        covariance += weight * (each.covariance + np.outer(each.h - h, each.h - h))
    return HRF(h, (covariance + covariance.T) / 2)


def _scale(precise: HRF, robust: HRF, C: FloatArray, E: FloatArray) -> float:
    """Tell by what to multiply the second HRF, by generalized least squares in directions `E`.

    Above 0, for the sign of a response is known: if need be, it is that of plain projection.
    """
    of_robust, of_precise = E.T @ robust.h, E.T @ precise.h
    seen_of_robust, seen = E.T @ robust.covariance @ E, E.T @ precise.covariance @ E
    plain = scale = float(precise.h @ precise.h / (robust.h @ precise.h))
    for _ in range(N_STEPS):
        V = _more_noise(scale**2 * seen_of_robust, seen)
        weighed = np.linalg.solve(V + E.T @ C @ E, of_robust)
        scale = float(weighed @ of_precise / (weighed @ of_robust))
    return scale if scale > 0 else plain


def _more_noise(of_robust: FloatArray, of_precise: FloatArray) -> FloatArray:
    """Covariance of the difference of two HRFs of which the second one has the least error."""
    return _without_negative(of_robust - of_precise) + LEAST_DIFFERENCE * of_precise


def _loss(z: FloatArray, covariance: FloatArray) -> float:
    """Twice the negative log density of a normal distribution, up to a constant."""
    return float(np.linalg.slogdet(covariance)[1] + z @ np.linalg.solve(covariance, z))


def _without_negative(matrix: FloatArray) -> FloatArray:
    """Put 0 for negative eigenvalues."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
