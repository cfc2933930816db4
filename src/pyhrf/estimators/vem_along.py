"""Levels along the main directions of shared noise, and whether they are more than noise.

Responses are as smooth as the noise, and vary from event to event along the same maps, which puts
these among the first directions of the noise. Classes whose levels know nothing of each other
then take a response along them for noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.model.noise_spectrum import CosineBasis, updated_spectrum
from pyhrf.model.shared_noise import SharedNoise

__all__ = ["AlongNoise", "excess"]

N_DIRECTIONS = 20
# Numbers of directions of which the levels may exceed the noise.
COUNTS = (1, 2, 3, 5, 8, 12, 20)
# In nats, that they do.
LEAST_EVIDENCE = 0.25
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
    """

    sd: FloatArray
    directions: FloatArray
    plain: FloatArray
    error: FloatArray

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
        weights = np.linalg.pinv(regressors)
        error = np.empty((len(d), len(weights)))
        for k, course in enumerate(((residual / noise.sd) @ U).T):
            size = float(np.sum(course**2) / expected.sum())
            spectrum = updated_spectrum(basis, np.ones(len(course)), course**2 / size, expected)
            as_all = np.sum(weights**2, axis=1) * d[k]
            # a condition without a regressor has no error
            error[k] = np.maximum(weights**2 @ spectrum * size, np.maximum(as_all, TINY))
        return cls(noise.sd, U, (weights @ ((Y / noise.sd) @ U)).T, error)

    def _of(self, level: FloatArray) -> FloatArray:
        """Bring levels to the directions, shape (n_directions, n_conditions)."""
        return self.directions.T @ (level / self.sd[:, None])

    def raised(self, level: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Raise levels that lack more than noise along the directions.

        Along the first ``k`` directions levels of least squares ``x`` have the variance
        ``(1 + t) e``, where noise alone would give them ``e``. So the level there is
        ``t / (1 + t)`` of ``x`` and the rest of what it was, with the variance ``e t / (1 + t)``
        (empirical Bayes; Efron and Morris 1973, JASA 68:117).

        Parameters
        ----------
        level : array, shape (n_positions, n_conditions)
            Estimates.

        Returns
        -------
        level : array, shape (n_positions, n_conditions)
        variance : array, shape (n_positions, n_conditions)
            What the errors along the directions add to theirs.
        """
        raised, variance = level.copy(), np.zeros_like(level)
        scaled = level / self.sd[:, None]
        lacking = self.plain - self.directions.T @ scaled
        own = np.mean(scaled**2, axis=0)
        for m in range(level.shape[1]):
            error = self.error[:, m]
            if excess(lacking[:, m] ** 2 / error)[0] < LEAST_EVIDENCE:
                continue
            _, count, ratio = excess(self.plain[:, m] ** 2 / (error + own[m]))
            kept, U = ratio / (1 + ratio), self.directions[:, :count]
            raised[:, m] += self.sd * (U @ (kept * lacking[:count, m]))
            variance[:, m] = self.sd**2 * (U**2 @ (kept * error[:count]))
        return raised, variance


def excess(squares: FloatArray) -> tuple[float, int, float]:
    """Find along how many directions levels exceed what they should be, and by how much.

    Parameters
    ----------
    squares : array, shape (n_directions,)
        Squared levels over the variances that they should have.

    Returns
    -------
    float
        How much likelier that is, in nats.
    int
        How many directions, from the first one on; 0 if they do not.
    float
        Their variance beyond what it should be, as a multiple of that.
    """
    found = (0.0, 0, 0.0)
    for count in COUNTS:
        if count > len(squares):
            break
        ratio = float(np.mean(squares[:count]))
        if ratio > 1:
            evidence = 0.5 * count * (ratio - 1 - np.log(ratio))
            found = max(found, (evidence, count, ratio - 1))
    return found
