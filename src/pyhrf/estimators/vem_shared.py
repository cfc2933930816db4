"""Variational EM where positions share noise.

The noise ``N`` has the precision ``diag(1/spectrum)`` between the cosines of a run
(`pyhrf.model.noise_spectrum`) and ``Q`` between positions (`pyhrf.model.shared_noise`). Both are
measured on what all possible responses leave: residuals of one HRF that is still wrong hold a
part of the responses, which would then pass for noise.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.posterior_kernels import hrf_covariance
from pyhrf.estimators.vem_fit import (
    BETAS,
    PRIOR_MEAN,
    PRIOR_VARIANCE,
    Fit,
    VEMSolution,
    initial_state,
)
from pyhrf.estimators.vem_problem import CosineDesign, VEMProblem
from pyhrf.estimators.vem_start import joint_start
from pyhrf.estimators.vem_state import ParcelData, Prior
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
    held_out_ratio,
    shared_correlation,
    shared_noise,
)
from pyhrf.model.statistics import pair_blocks, without_nuisance

__all__ = ["SharedFit"]

# Steps towards the spectrum, as if positions shared nothing and then as they do.
N_SPECTRA = (3, 2)
# At least this part of the free scans is left when all possible responses have been taken out,
# and at least so many.
LEAST_LEFT = (1 / 3, 20)
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
# The start: HRF whose peak is at 5 s, probability of activation, squared standard errors that the
# classes are measured in, as a part of those given all other positions.
START_HRF = 2
START_ACTIVE = 0.3
START_ERROR = 0.7
# Iterations before and after the field is chosen, in each round; the last one converges.
ROUNDS = ((8, 7), (8, 7), (8, 0))
COARSE_BETAS, COARSE_ALPHAS = np.array([0.35, 0.55, 0.7, 0.9]), np.array([0.0, -1.0])
ALPHAS = np.array([0.0, -0.5, -1.0, -1.5, -2.0])
FIRST_BETA = 0.55
COUNTED = 1.5
NOTHING_BONUS = 5.0


class SharedFit(Fit):
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
    ) -> SharedFit | None:
        """Measure the noise; None if each position may as well have its own.

        Parameters
        ----------
        problem, bold, graph
            As for `pyhrf.estimators.vem_solver.solve_vem`.
        """
        design = problem.cosines
        n_free = problem.design.n_free
        if design is None:
            return None
        room = n_free - max(LEAST_LEFT[0] * n_free, LEAST_LEFT[1])
        n_responses = min(len(design.responses), int(room // problem.n_conditions))
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

    def solve(self) -> VEMSolution:
        """Start and iterate."""
        self._fill()
        self._start()
        for index, (before, after) in enumerate(ROUNDS):
            last = index == len(ROUNDS) - 1
            if index:
                self._measure_again(shrinkage=last)
            # before the signs are known the free energy is not exact
            self.iterate(before, until_settled=index > 0)
            if self.problem.beta is None:
                fields = (BETAS, ALPHAS) if last else (COARSE_BETAS, COARSE_ALPHAS)
                self.choose_field(*fields, counted=COUNTED, nothing_bonus=NOTHING_BONUS)
            if after:
                self.iterate(after, until_settled=index > 0)
            if index == 0:
                self._choose_signs()
        self.forget_warm_up()
        converged = self.iterate(self.problem.n_iterations)
        self.hyper.redundancy[0] = held_out_ratio(self.spectra, self.noise, self.state.level)
        return self.solution(converged)

    def _fill(self) -> None:
        """Compute the statistics at the present noise."""
        M, n_positions = self.problem.n_conditions, self.Y.shape[1]
        weight = 1 / np.sqrt(self.spectrum)[:, None]
        nuisance = np.linalg.qr(self.design.Q * weight)[0]
        X, Y = self.design.X * weight, self.Y * weight
        X -= nuisance @ (nuisance.T @ X)
        Y -= nuisance @ (nuisance.T @ Y)
        products = X.T @ X
        self.G = products.reshape(M, len(products) // M, M, -1)
        prior = self.problem.prior
        self.prior = Prior(
            pair_blocks(products, M)[None], np.zeros(1), prior.n_free, prior.R_inv, prior.log_det_R
        )
        self.data = ParcelData(
            np.ascontiguousarray((Y.T @ X).reshape(n_positions, M, -1)),
            np.sum(Y**2, axis=0),
            np.zeros(n_positions, dtype=np.int64),
            np.ones(1, dtype=np.bool_),
            self.graph.start,
            self.graph.neighbours,
            self.noise.factors,
        )

    def _start(self) -> None:
        """Begin with levels and HRF without classes; either sign may be that of activation."""
        problem = self.problem
        h = problem.starts[START_HRF] / np.abs(problem.starts[START_HRF]).max()
        inverse = self._least_squares(h)
        error_var = START_ERROR * float(np.median(1 / self.noise.own)) * np.diagonal(inverse)
        h, level, Sigma, v_h = joint_start(self.data.B, self.G, self.noise, self.prior.R_inv, h)
        self.state, hyper = initial_state(
            problem,
            h,
            level,
            np.zeros_like(level),
            1 / self.noise.diagonal,
            mean=PRIOR_MEAN * np.sqrt(error_var),
            variance=np.outer(PRIOR_VARIANCE, error_var),
        )
        self.state.Sigma[:] = Sigma
        self.state.v_h[0] = v_h
        self.state.p[:] = START_ACTIVE
        if problem.beta is None:
            hyper.beta[:] = FIRST_BETA
        self.hyper = hyper._replace(two_sided=True)

    def _least_squares(self, h: FloatArray) -> FloatArray:
        """Covariance of levels of least squares with an HRF, in units of the noise's variance."""
        return np.linalg.pinv(np.einsum("d,mdnk,k->mn", h, self.G, h), hermitian=True)

    def _choose_signs(self) -> None:
        """Give the active class of each condition the sign of most positions in it."""
        sign = np.where(self.state.side < 0, -1.0, 1.0)
        self.state.mu[:] *= sign
        self.hyper.mean[:] *= sign
        self.hyper = self.hyper._replace(two_sided=False)

    def _measure_again(self, *, shrinkage: bool) -> None:
        """Measure the noise, perhaps its shrinkage too, on what the HRF so far known leaves."""
        state = self.state
        Sigma = hrf_covariance(self.data, self.prior, state, 1.0)
        vectors: FloatArray = np.linalg.eigh(np.outer(state.h, state.h) + Sigma)[1]
        responses = vectors.T[::-1][: self.n_responses]
        self.update_spectrum(responses, shared=True)
        self.measure(responses, again=not shrinkage)
        self._fill()
        state.noise[:] = 1 / self.noise.diagonal

    def hrf_covariance(self) -> FloatArray:
        """Return the squared error to expect of the HRF, which may be rougher than its prior.

        With data of precision ``A`` and the prior's precision ``P``, the estimate of a response
        ``h`` lacks ``Sigma P h`` of it: a covariance ``T`` beyond the prior's adds
        ``Sigma P T P Sigma`` to ``Sigma = inv(A + P)``.
        """
        Sigma = super().hrf_covariance()
        v_h = self.state.v_h[0]
        lacking = Sigma @ self.prior.R_inv / v_h
        return Sigma + v_h * lacking @ self.design.rougher @ lacking.T

    def plain_covariance(self) -> FloatArray:
        """As in `Fit`."""
        inverse = self._least_squares(self.problem.starts[START_HRF])
        return inverse * self.noise.variance[:, None, None]

    def autocorrelation(self) -> FloatArray:
        """As in `Fit`."""
        rho = 0.0 if self.design.white else autocorrelation(self.design.basis, self.spectrum)
        return np.full(self.Y.shape[1], rho)

    def noise_sd(self) -> FloatArray:
        """As in `Fit`; of what the responses leave of the data, not whitened."""
        residual, expected = self.residual(self.responses)
        return np.sqrt(self.spectrum @ residual**2 / expected.sum())

    def level_covariance(self) -> FloatArray:
        """As in `Fit`, and every level at least as uncertain as it is beside all other positions.

        The iterations take the levels of other positions for known. With the Gaussian in place of
        a level's prior that gives its variance there (`posterior_covariances`), the levels of a
        condition have the precision ``Gamma_mm Q + diag(sites)``, of which the inverse is known
        by its factors.
        """
        covariance = super().level_covariance()
        Gamma, F = self.Gamma()[0], self.data.factors
        own = self.noise.own
        for m in range(self.problem.n_conditions):
            site = 1 / self.state.level_var[:, m] - Gamma[m, m] * own
            site = np.maximum(site, 1e-3 * Gamma[m, m] * own)
            alone = 1 / (Gamma[m, m] * self.noise.diagonal + site)
            scaled = F * alone[:, None]
            inner = np.linalg.inv(np.eye(F.shape[1]) - Gamma[m, m] * (F.T @ scaled))
            variance = alone + Gamma[m, m] * np.sum((scaled @ inner) * scaled, axis=1)
            stretch = np.sqrt(np.maximum(variance / covariance[:, m, m], 1.0))
            covariance[:, m, :] *= stretch[:, None]
            covariance[:, :, m] *= stretch[:, None]
        return covariance


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
