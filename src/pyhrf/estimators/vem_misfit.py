"""The HRF of a parcel whose positions do not all respond as the model says.

Weights by the precision of shared noise look at differences between positions, where the noise is
small. If the responses of positions differ a little in shape, that is where it shows, and the HRF
becomes one of differences: it dips first and swings. Sums over positions, each by its level, hold
more noise but little of such misfit. Where the two HRFs differ by more than their errors allow
(Hausman 1978, Econometrica 46:1251), the rest is taken for misfit of the first one.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.model.shared_noise import SharedNoise

__all__ = ["HRF", "combined_hrf", "hrf_of_sums"]

# Directions in which HRFs vary most, by which the misfit is known; and its variances to choose
# from, in units of the prior's.
N_DIRECTIONS = 5
MISFITS = np.concatenate([[0.0], np.geomspace(1e-4, 3.0, 40)])
# Errors that are told for the HRF are themselves known to this part only.
KNOWN = 0.02
TINY = 1e-9


class HRF(NamedTuple):
    """An HRF and the covariance of its error."""

    h: FloatArray
    covariance: FloatArray

    def scaled(self, factor: float) -> HRF:
        """Multiply by a factor."""
        return HRF(self.h * factor, self.covariance * factor**2)


def hrf_of_sums(
    noise: SharedNoise,
    B: FloatArray,
    G: FloatArray,
    level: FloatArray,
    level_var: FloatArray,
    prior: FloatArray,
) -> HRF:
    """Estimate the HRF from sums over positions, each weighted by its level over its noise.

    Without the correlation between positions ``S``, whitened data and levels ``A``, both over the
    sd of the noise, have the normal equations

        (sum_mn (A'A)_mn X_m'X_n / r + P) h = sum_m X_m' Y A_m / r,   r = tr A'SA / tr A'A

    where ``r`` is the variance that the noise really has in such sums, and ``P`` the prior's
    precision.

    Parameters
    ----------
    noise : SharedNoise
    B : array, shape (n_positions, n_conditions, n_hrf)
        ``Y' X``.
    G : array, shape (n_conditions, n_hrf, n_conditions, n_hrf)
        ``X' X``.
    level, level_var : arrays, shape (n_positions, n_conditions)
        Levels, not all 0, and their variances.
    prior : array, shape (n_hrf, n_hrf)
        Precision of the prior.
    """
    A = level / noise.sd[:, None]
    W = A.T @ A
    along = noise.directions.T @ A
    beyond = 1 / noise.precision - 1 / noise.rest
    in_sums = np.trace(W) / noise.rest + float(beyond @ np.sum(along**2, axis=1))
    r = max(in_sums / float(np.trace(W)), 1.0)
    W[np.diag_indices_from(W)] += (1 / noise.sd**2) @ level_var
    covariance = np.linalg.inv(np.einsum("mn,mdnk->dk", W, G) / r + prior)
    return HRF(covariance @ np.einsum("vm,vmd->d", A / noise.sd[:, None], B) / r, covariance)


def combined_hrf(precise: HRF, robust: HRF, prior: FloatArray) -> HRF:
    """Combine an HRF that may have a misfit with one of more noise.

    Were the model right, the errors of `precise` would not depend on how far `robust` is off it,
    and the difference ``d`` would have the covariance ``V``, that of `robust` less that of
    `precise`. A misfit with the prior's covariance ``C`` adds ``t C``. At the likeliest ``t`` the
    best combination is ``h + K d``, ``K = t C inv(V + t C)``.

    Parameters
    ----------
    precise, robust : HRF
        Their scales need not be the same.
    prior : array, shape (n_hrf, n_hrf)
        Covariance of the prior.

    Returns
    -------
    HRF
        On the scale of `precise`.
    """
    robust = robust.scaled(float(robust.h @ precise.h) / float(robust.h @ robust.h))
    d = robust.h - precise.h
    V = _without_negative(robust.covariance - precise.covariance)
    E = np.linalg.eigh(prior)[1][:, ::-1][:, :N_DIRECTIONS]
    seen = E.T @ (V + KNOWN * precise.covariance) @ E
    misfit = E.T @ prior @ E
    losses = [_loss(E.T @ d, seen + t * misfit) for t in MISFITS]
    t = float(MISFITS[int(np.argmin(losses))])
    if t == 0.0:
        return precise
    C = t * prior
    ridge = TINY * np.trace(prior) * np.eye(len(prior))
    K = np.linalg.solve(V + C + ridge, C).T
    covariance = precise.covariance + _without_negative(C - K @ C)
    return HRF(precise.h + K @ d, covariance)


def _loss(z: FloatArray, covariance: FloatArray) -> float:
    """Twice the negative log density of a normal distribution, up to a constant."""
    return float(np.linalg.slogdet(covariance)[1] + z @ np.linalg.solve(covariance, z))


def _without_negative(matrix: FloatArray) -> FloatArray:
    """Put 0 for negative eigenvalues."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
