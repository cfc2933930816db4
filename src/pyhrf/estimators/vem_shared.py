"""Variational EM where positions share noise.

The noise ``N`` has the precision ``diag(1/spectrum)`` between the cosines of a run
(`pyhrf.model.noise_spectrum`) and ``Q`` between positions (`pyhrf.model.shared_noise`), both
measured beforehand (`vem_noise`).
"""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.posterior_kernels import hrf_covariance
from pyhrf.estimators.vem_along import AlongNoise
from pyhrf.estimators.vem_fit import (
    BETAS,
    PRIOR_MEAN,
    PRIOR_VARIANCE,
    VEMSolution,
    initial_state,
)
from pyhrf.estimators.vem_misfit import HRF, combined_hrf, hrf_of_sums, noise_of_sums
from pyhrf.estimators.vem_noise import NoiseFit
from pyhrf.estimators.vem_start import joint_start
from pyhrf.estimators.vem_state import ParcelData, Prior
from pyhrf.model.shared_noise import held_out_ratio
from pyhrf.model.statistics import pair_blocks

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
# An active class is turned if more than so many positions are in it, as a part of all, and the sum
# of the levels is of the other sign by more than so many standard errors.
LEAST_CALLED, LEAST_TOTAL = 0.02, 1.0
# How often HRF and levels follow each other at the end.
N_COMBINED = 2


class SharedFit(NoiseFit):
    """One parcel on its way, from a start without classes on."""

    G: FloatArray
    whitened: tuple[FloatArray, FloatArray]
    covariance: FloatArray

    def solve(self) -> VEMSolution:
        """Start and iterate; then look at what the model of the noise may have taken away."""
        converged = self._converge()
        left = self.residual(self.responses)
        along = self._along(*left)
        n_left = self.problem.n_iterations - len(self.traces[-1])
        if n_left and self._turn_signs(along):
            converged = self._iterate_to_the_end(n_left)
            along = self._along(*left)
        state = self.state
        self.hyper.inflation[0] = held_out_ratio(self.spectra, self.noise, state.level)
        fitted = HRF(state.h.copy(), self._covariance_by_precision())
        raised, variance = along.raised(state.level)
        hrf = fitted
        if np.trace(fitted.covariance) < fitted.h @ fitted.h and raised.any():
            for _ in range(N_COMBINED):
                of_sums = self._of_sums(raised, state.level_var + variance, *left)
                hrf = self._combined(fitted, of_sums)
                state.h[:] = hrf.h
                raised, variance = self._along(*left).raised(state.level)
        self.covariance = hrf.covariance
        solution = self.solution(converged)
        state.level[:] = raised
        _add_variance(solution.covariance, variance)
        return solution

    def _combined(self, fitted: HRF, of_sums: HRF) -> HRF:
        """Combine the fitted HRF with that of sums over positions; the height stays."""
        prior = np.linalg.inv(self.prior.R_inv / self.state.v_h[0])
        combined = combined_hrf(fitted, of_sums, prior)
        return combined.scaled(float(np.abs(fitted.h).max() / np.abs(combined.h).max()))

    def _of_sums(
        self, level: FloatArray, level_var: FloatArray, residual: FloatArray, expected: FloatArray
    ) -> HRF:
        """Estimate the HRF from sums over positions, with the noise that is left in them."""
        sd, basis = self.noise.sd, None if self.design.white else self.design.basis
        A = level / sd[:, None]
        weights, more = A.T @ A, (1 / sd**2) @ level_var
        noise = noise_of_sums(basis, (residual / sd) @ A, expected)
        # on average at least what positions that share nothing would have
        scale = np.sqrt(noise * max(1 / float(np.trace(weights)), 1 / float(noise.mean())))
        nuisance = np.linalg.qr(self._whitened(self.design.Q) / scale[:, None])[0]
        sums = (self._whitened(self.Y) / scale[:, None]) @ (A / sd[:, None])
        X = self._whitened(self.design.X) / scale[:, None]
        X, sums = (each - nuisance @ (nuisance.T @ each) for each in (X, sums))
        prior = self.prior.R_inv / self.state.v_h[0]
        return hrf_of_sums(X.reshape(len(X), len(weights), -1), sums, weights, more, prior)

    def _converge(self) -> bool:
        """Iterate with the noise that positions share, measuring it again on the way."""
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
        return self._iterate_to_the_end(self.problem.n_iterations)

    def _iterate_to_the_end(self, n_iterations: int) -> bool:
        """Iterate until nothing changes any more, with field and noise as they are."""
        self.forget_warm_up()
        return self.iterate(n_iterations)

    def _along(self, residual: FloatArray, expected: FloatArray) -> AlongNoise:
        """Levels of least squares along the noise, with the present HRF."""
        X, Y = self.whitened
        regressors = X.reshape(len(X), self.problem.n_conditions, -1) @ self.state.h
        basis = self.design.basis
        return AlongNoise.measured(self.noise, basis, regressors, Y, residual, expected)

    def _fill(self) -> None:
        """Compute the statistics at the present noise."""
        M, n_positions = self.problem.n_conditions, self.Y.shape[1]
        X, Y = self.whitened = self._without_nuisance()
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

    def _turn_signs(self, along: AlongNoise) -> bool:
        """Turn active classes that the sum of the levels contradicts; tell whether there are any.

        Where all positions respond, `Q` leaves the differences between them, and those that
        respond less than the others look like an active class of the other sign.
        """
        state = self.state
        total = along.sum_of_raised(state.level, state.level_var)
        called = np.mean(state.p > 0.5, axis=0) > LEAST_CALLED
        wrong = called & (total * np.sign(state.mu) < -LEAST_TOTAL)
        for values in (state.mu, self.hyper.mean):
            values[wrong] *= -1
        state.p[:, wrong] = 0.5
        return bool(wrong.any())

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
        """As in `VEMFit`, of the HRF that is given."""
        return self.covariance

    def _covariance_by_precision(self) -> FloatArray:
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
        """As in `VEMFit`."""
        inverse = self._least_squares(self.problem.starts[START_HRF])
        return inverse * self.noise.variance[:, None, None]

    def level_covariance(self) -> FloatArray:
        """As in `VEMFit`, but no level is surer than it is beside all other positions.

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


def _add_variance(covariance: FloatArray, variance: FloatArray) -> None:
    """Add to the variances of levels; correlations stay."""
    every = np.arange(covariance.shape[1])
    stretch = np.sqrt(1 + variance / covariance[:, every, every])
    covariance *= stretch[:, :, None] * stretch[:, None, :]
