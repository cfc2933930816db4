"""Levels along the main directions of shared noise, and whether they are more than noise.

Responses are as smooth as the noise, and vary from event to event along the same maps, which puts
these among the first directions of the noise. Classes whose levels know nothing of each other
then take a response along them for noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc, gammaln

from pyhrf.data import FloatArray
from pyhrf.model.noise_spectrum import CosineBasis, updated_spectrum
from pyhrf.model.shared_noise import SharedNoise

N_DIRECTIONS = 20
# Singular values of the regressors, of unit norm, this far below the largest one count as 0.
ALIKE = 0.1
# Numbers of directions, from the first one on, along which levels may exceed the noise.
COUNTS = (1, 2, 3, 5, 8, 12, 20)
# How often they exceed it along none, before the parcel's conditions are looked at; how many
# conditions that is worth, and how often it is learned from them.
NONE, WORTH, N_ROUNDS = 0.05, 2.0, 3
# Power of the prior of the noise's share of the variance: below 1, little noise is likelier.
SHARE_POWER = 1 / 3
TINY = 1e-300


@dataclass(frozen=True, slots=True)
class AlongNoise:
    """Levels of least squares along the first directions of the noise.

    Attributes
    ----------
    sd : array, shape (n_positions,)
        Of the noise.
    directions : array, shape (n_positions, n_directions)
        Orthonormal, of levels over `sd`.
    plain : array, shape (n_directions, n_conditions)
        Levels of least squares along the directions.
    error : array, shape (n_directions, n_conditions)
        Variances that the noise gives them.
    seen : array, shape (n_conditions, n_conditions)
        What becomes of true levels there: the identity, but where conditions are alike.
    """

    sd: FloatArray
    directions: FloatArray
    plain: FloatArray
    error: FloatArray
    seen: FloatArray

    @classmethod
    def measured(
        cls,
        noise: SharedNoise,
        basis: CosineBasis,
        regressors: FloatArray,
        Y: FloatArray,
        residual: FloatArray,
        expected: FloatArray,
    ) -> AlongNoise:
        """Project levels of least squares and tell their errors.

        The noise along a direction may have more power at the frequencies of the regressors than
        the spectrum of all positions says, as movements have: the larger variance counts.

        Parameters
        ----------
        noise : SharedNoise
        basis : CosineBasis
        regressors : array, shape (n_scans, n_conditions)
        Y : array, shape (n_scans, n_positions)
            Both whitened cosines, free of nuisance.
        residual : array, shape (n_scans, n_positions)
        expected : array, shape (n_scans,)
            As `pyhrf.estimators.vem_noise.NoiseFit.residual` gives them.
        """
        first = np.argsort(noise.precision, kind="stable")[:N_DIRECTIONS]
        U, d = noise.directions[:, first], 1 / noise.precision[first]
        size = np.linalg.norm(regressors, axis=0)
        size[size == 0] = 1.0
        # what conditions that are alike have apart would be levels of mere noise
        weights = np.linalg.pinv(regressors / size, rcond=ALIKE) / size[:, None]
        error = np.empty((len(d), len(weights)))
        for k, course in enumerate(((residual / noise.sd) @ U).T):
            power = float(np.sum(course**2) / expected.sum())
            spectrum = updated_spectrum(basis, np.ones(len(course)), course**2 / power, expected)
            spectrum *= expected.sum() / (spectrum @ expected)
            as_all = np.sum(weights**2, axis=1) * d[k]
            # a condition without a regressor has no error
            error[k] = np.maximum(weights**2 @ spectrum * power, np.maximum(as_all, TINY))
        plain = (weights @ ((Y / noise.sd) @ U)).T
        return cls(noise.sd, U, plain, error, weights @ regressors)

    def raised(self, level: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Raise levels that lack more than noise along the directions.

        Parameters
        ----------
        level : array, shape (n_positions, n_conditions)
            Estimates.

        Returns
        -------
        level : array, shape (n_positions, n_conditions)
            Along each direction the estimate goes by `kept_parts` of the way to that of least
            squares.
        variance : array, shape (n_positions, n_conditions)
            What the errors along the directions add to theirs.
        """
        kept, missing = self._missing(level)
        step = self.directions @ (kept * missing)
        variance = self.directions**2 @ (kept * self.error)
        return level + self.sd[:, None] * step, self.sd[:, None] ** 2 * variance

    def sum_of_raised(self, level: FloatArray, level_var: FloatArray) -> FloatArray:
        """Sum the raised levels of each condition, and divide by the error of the sum.

        Parameters
        ----------
        level, level_var : arrays, shape (n_positions, n_conditions)
            Estimates and their variances.

        Returns
        -------
        array, shape (n_conditions,)
            Of levels over the noise's sd, in standard errors.
        """
        kept, missing = self._missing(level)
        summed = self.directions.sum(axis=0)
        total = (1 / self.sd) @ level + summed @ (kept * missing)
        variance = (1 / self.sd**2) @ level_var + summed**2 @ (kept * self.error)
        return np.asarray(total / np.sqrt(np.maximum(variance, TINY)))

    def _missing(self, level: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Parts to be kept, and what the levels lack of those of least squares."""
        scaled = level / self.sd[:, None]
        had = self.directions.T @ scaled
        plain = self.plain + had - had @ self.seen.T
        kept = kept_parts(plain, had, self.error, np.mean(scaled**2, axis=0))
        return kept, plain - had


def kept_parts(
    plain: FloatArray, had: FloatArray, error: FloatArray, own: FloatArray
) -> FloatArray:
    """Tell what part of levels of least squares is to be kept along each direction.

    Either a level is what it was estimated and the rest is noise, ``x_k ~ N(had_k, e_k)``, or
    along the first ``c`` directions levels have a variance of their own, of which noise and
    estimates are the part ``s``: ``x_k ~ N(0, (e_k + own) / s)`` with a prior ``s^(a - 1)`` on
    0 to 1 (Strawderman 1971, Annals of Mathematical Statistics 42:385). Then ``1 - E[s]`` of
    ``x`` is kept, and on average so over all ``c``, each by its probability. How probable each is
    before, the conditions of the parcel tell together.

    Parameters
    ----------
    plain : array, shape (n_directions, n_conditions)
        Levels of least squares ``x``.
    had : array, shape (n_directions, n_conditions)
        Estimates.
    error : array, shape (n_directions, n_conditions)
        Variances that the noise gives to `plain`.
    own : array, shape (n_conditions,)
        Mean squares of the estimates along any direction.

    Returns
    -------
    array, shape (n_directions, n_conditions)
        From 0 to 1.
    """
    counts = [count for count in COUNTS if count <= len(plain)]
    # a condition without a regressor has neither levels nor errors
    told = np.all(error > TINY, axis=0)
    error = np.where(told, error, 1.0)
    variance = error + own
    half = np.maximum(0.5 * np.cumsum(plain**2 / variance, axis=0), 1e-12)
    of_noise = 0.5 * np.cumsum((plain - had) ** 2 / error - np.log(variance / error), axis=0)
    log_odds = np.zeros((len(counts) + 1, plain.shape[1]))
    kept = np.zeros_like(log_odds)
    for row, count in enumerate(counts, start=1):
        power, S = count / 2 + SHARE_POWER, half[count - 1]
        log_mass = _log_gamma_integral(power, S)
        log_odds[row] = np.log(SHARE_POWER) + log_mass + of_noise[count - 1]
        kept[row] = 1 - np.exp(_log_gamma_integral(power + 1, S) - log_mass)
    prior = np.full(len(log_odds), (1 - NONE) / max(len(counts), 1))
    prior[0] = NONE
    shares = prior
    for _ in range(N_ROUNDS):
        total = _probabilities(log_odds[:, told], shares).sum(axis=1)
        shares = (total + WORTH * prior) / (told.sum() + WORTH)
    weights = _probabilities(log_odds, shares) * kept * told
    parts = np.zeros_like(plain)
    for row, count in enumerate(counts, start=1):
        parts[:count] += weights[row]
    return parts


def _probabilities(log_odds: FloatArray, shares: FloatArray) -> FloatArray:
    """Probabilities of the rows, which are as frequent as `shares` says."""
    log = log_odds + np.log(shares)[:, None]
    odds = np.exp(log - log.max(axis=0, initial=-np.inf))
    return np.asarray(odds / odds.sum(axis=0))


def _log_gamma_integral(power: float, S: FloatArray) -> FloatArray:
    """Log of the integral of ``s^(power - 1) exp(-S s)`` over s from 0 to 1."""
    mass = np.maximum(gammainc(power, S), TINY)
    return np.asarray(gammaln(power) + np.log(mass) - power * np.log(S))
