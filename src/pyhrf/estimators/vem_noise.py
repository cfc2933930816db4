"""The noise of a parcel, measured on what all possible responses leave of the data.

Residuals of one HRF that is still wrong hold a part of the responses, which would then pass for
noise.
"""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.vem_fit import VEMFit
from pyhrf.estimators.vem_problem import CosineDesign, VEMProblem, n_responses_with_room
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.noise_spectrum import (
    autocorrelation,
    gain_over_autoregression,
    to_cosines,
    updated_spectrum,
)
from pyhrf.model.shared_noise import (
    FoldSpectra,
    SharedNoise,
    fold_spectra,
    shared_correlation,
    shared_noise,
)
from pyhrf.model.statistics import without_nuisance

# Steps towards the spectrum, as if positions shared nothing and then as they do.
N_SPECTRA = (3, 2)
# Residuals this small beside the data are rounding.
LEAST_NOISE = 1e-6
# Gains in log likelihood for each position that are asked for: of noise that is shared, and of a
# spectrum over AR(1).
LEAST_GAIN = (0.5, 3.0)
# Mean squared correlation beside that of independent noise, up to which noise is not looked at any
# further: so much, and as much more in parcels of so many positions.
NOTABLE = (1.02, 6.0)
# Directions of HRFs, the present one first, whose responses are taken out when the noise is
# measured again.
N_RESPONSES_LATER = 3


class NoiseFit(VEMFit):
    """One parcel on its way, with the noise that its positions share."""

    shared = True

    def __init__(
        self, problem: VEMProblem, design: CosineDesign, Y: FloatArray, graph: NeighbourGraph
    ) -> None:
        super().__init__(problem)
        self.design = design
        self.Y = Y
        self.graph = graph
        self.spectrum = np.ones(len(Y))
        self.n_responses = N_RESPONSES_LATER
        self.noise: SharedNoise
        self.spectra: FoldSpectra

    @classmethod
    def measured(
        cls, problem: VEMProblem, bold: NDArray[np.floating], graph: NeighbourGraph
    ) -> Self | None:
        """Measure the noise; None if each position may as well have its own.

        Parameters
        ----------
        problem, bold, graph
            As for `pyhrf.estimators.vem_solver.solve_vem`.
        """
        design = problem.cosines
        if design is None:
            return None
        n_responses = n_responses_with_room(problem.design.n_free, problem.n_conditions)
        if n_responses < 1:
            return None
        Y = to_cosines(without_nuisance(problem.projector, bold), design.basis.run_lengths)
        fit = cls(problem, design, Y, graph)
        responses = design.responses[:n_responses]
        for _ in range(N_SPECTRA[0]):
            fit.update_spectrum(responses)
        if not fit._finds_sharing(responses):
            return None
        for _ in range(N_SPECTRA[1]):
            fit.update_spectrum(responses, shared=True)
            fit.measure(responses, again=True)
        fit.n_responses = min(n_responses, N_RESPONSES_LATER)
        return fit

    def _finds_sharing(self, responses: FloatArray) -> bool:
        """Tell whether shared noise, or a common spectrum, is likelier by enough."""
        residual, expected = self.residual(responses)
        n_positions = self.Y.shape[1]
        size = np.sum(self.Y**2 / self.spectrum[:, None], axis=0)
        if np.any(np.sum(residual**2, axis=0) <= LEAST_NOISE * size):
            return False
        of_spectrum = 0.0
        if not self.design.white:
            of_spectrum = gain_over_autoregression(
                self.design.basis,
                self.spectrum,
                residual**2 * self.spectrum[:, None],
                expected,
                self.problem.design.rho,
            )
        other_spectrum = of_spectrum > LEAST_GAIN[1] * n_positions
        beyond = shared_correlation(residual, expected.sum()) - NOTABLE[1] / n_positions
        if beyond <= NOTABLE[0] and not other_spectrum:
            return False
        self.measure(responses)
        of_sharing = self.noise.gain + min(of_spectrum, 0.0)
        return other_spectrum or of_sharing > LEAST_GAIN[0] * n_positions

    def _whitened(self, values: FloatArray) -> FloatArray:
        """Bring all cosines to the same variance of the noise."""
        return values / np.sqrt(self.spectrum)[:, None]

    def _columns(self, responses: FloatArray) -> FloatArray:
        """Nuisance and regressors of the responses, whitened."""
        X = self.design.X
        regressors = X.reshape(len(X), -1, responses.shape[1]) @ responses.T
        columns = np.hstack([self.design.Q, regressors.reshape(len(X), -1)])
        return self._whitened(columns)

    def residual(self, responses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Take nuisance and responses out of whitened data.

        Returns
        -------
        array, shape (n_scans, n_positions)
            What is left.
        array, shape (n_scans,)
            The expected square of white noise there.
        """
        fitted = np.linalg.qr(self._columns(responses))[0]
        Y = self._whitened(self.Y)
        expected = np.maximum(1 - np.sum(fitted**2, axis=1), 0.0)
        return Y - fitted @ (fitted.T @ Y), expected

    def update_spectrum(self, responses: FloatArray, *, shared: bool = False) -> None:
        """Take a step towards the spectrum of what responses leave.

        Parameters
        ----------
        responses : array, shape (n_responses, n_hrf)
        shared : bool
            Whether to weigh by the precision between positions, or as if they shared nothing:
            before slow noise of single positions is known as such, a few cosines with much
            variance look like noise that is shared.
        """
        if self.design.white:
            return
        residual, expected = self.residual(responses)
        if shared:
            scaled = residual / self.noise.sd
            weight = self.noise.rest - self.noise.precision
            squares = self.noise.rest * np.mean(scaled**2, axis=1)
            squares -= (scaled @ self.noise.directions) ** 2 @ weight / residual.shape[1]
            squares *= self.noise.scale
        else:
            squares = np.mean(residual**2 / np.sum(residual**2, axis=0), axis=1) * expected.sum()
        self.spectrum = updated_spectrum(self.design.basis, self.spectrum, squares, expected)

    def measure(self, responses: FloatArray, *, again: bool = False) -> None:
        """Estimate the covariance of what responses leave of whitened data.

        Parameters
        ----------
        responses : array, shape (n_responses, n_hrf)
        again : bool
            Whether the shrinkage is that of the last time.
        """
        rows = _free_rows(self._columns(responses), self._whitened(self.Y))
        self.spectra = fold_spectra(rows, n_folds=0) if again else fold_spectra(rows)
        self.noise = shared_noise(self.spectra, self.noise if again else None)
        self.responses = responses

    def _without_nuisance(self) -> tuple[FloatArray, FloatArray]:
        """Design of the HRF and data, whitened."""
        nuisance = np.linalg.qr(self._whitened(self.design.Q))[0]
        X, Y = self._whitened(self.design.X), self._whitened(self.Y)
        return X - nuisance @ (nuisance.T @ X), Y - nuisance @ (nuisance.T @ Y)

    def autocorrelation(self) -> FloatArray:
        """As in `VEMFit`."""
        rho = 0.0 if self.design.white else autocorrelation(self.design.basis, self.spectrum)
        return np.full(self.Y.shape[1], rho)

    def noise_sd(self) -> FloatArray:
        """As in `VEMFit`; of what the responses leave of the data, not whitened."""
        residual, expected = self.residual(self.responses)
        return np.sqrt(self.spectrum @ residual**2 / expected.sum())


def _free_rows(columns: FloatArray, Y: FloatArray) -> FloatArray:
    """Turn the data so that columns fill the first rows; return the others, which are free.

    Reflection by reflection, for numpy does not offer more, and scipy's own BLAS does not know of
    the one thread that engines allow.
    """
    reflections, scales = np.linalg.qr(columns, mode="raw")
    turned = Y.copy()
    for j, (reflection, scale) in enumerate(zip(reflections, scales, strict=True)):
        v = reflection[j:].copy()
        v[0] = 1.0
        turned[j:] -= np.outer(scale * v, v @ turned[j:])
    return turned[columns.shape[1] :].copy()
