"""Variational EM where the noise of each position is its own: a start, the noise, the field.

Every position has its own variance and autocorrelation.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.noise_kernels import best_autocorrelation, fill_statistics
from pyhrf.estimators.vem_fit import (
    BETAS,
    PRIOR_MEAN,
    PRIOR_VARIANCE,
    VEMFit,
    VEMSolution,
    initial_state,
)
from pyhrf.estimators.vem_problem import VEMProblem
from pyhrf.estimators.vem_state import ParcelData
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.statistics import (
    grid_energy,
    noise_inflation,
    parcel_moments,
    without_nuisance,
)

# Smallest part of a position's variance that its noise is taken to be at the start.
LEAST_NOISE = 1e-6
# Iterations before the field is chosen, and after it was chosen a first time.
WARM_UP = 8
# Iterations between two estimates of the autocorrelations, and the share of positions that may
# still change theirs, by a step of the grid, at convergence.
NOISE_ROUND = 25
NOISE_SETTLED = 0.01
# The fields that are tried, first few and then all, and by how much "nothing" is favoured.
COARSE_BETAS, COARSE_ALPHAS = np.array([0.3, 0.5, 0.7]), np.array([0.0])
ALPHAS = np.array([0.0, -0.5, -1.0])
NOTHING_BONUS = 2.0


def solve_independent(
    problem: VEMProblem, bold: NDArray[np.floating], graph: NeighbourGraph
) -> VEMSolution:
    """Fit one parcel whose positions share no noise.

    Parameters, results and errors are those of `pyhrf.estimators.vem_solver.solve_vem`.
    """
    fit = _IndependentFit(problem, bold, graph)
    warm_up = min(problem.n_iterations, WARM_UP)
    for betas, alphas in ((COARSE_BETAS, COARSE_ALPHAS), (BETAS, ALPHAS)):
        fit.iterate(warm_up)
        fit.update_noise()
        fit.update_inflation()
        if problem.beta is None:
            counted = float(fit.hyper.inflation[0])
            fit.choose_field(betas, alphas, counted=counted, nothing_bonus=NOTHING_BONUS)
    fit.forget_warm_up()
    left, converged = problem.n_iterations, False
    while left > 0 and not converged:
        converged = fit.iterate(min(left, NOISE_ROUND))
        left -= len(fit.traces[-1])
        changed = fit.update_noise()
        converged = converged and changed <= NOISE_SETTLED * bold.shape[1]
    return fit.solution(converged)


class _IndependentFit(VEMFit):
    """One parcel on its way, with an autocorrelation for each position."""

    shared = False

    def __init__(
        self, problem: VEMProblem, bold: NDArray[np.floating], graph: NeighbourGraph
    ) -> None:
        super().__init__(problem)
        n_positions = bold.shape[1]
        self.prior = problem.prior
        self.Y = without_nuisance(problem.projector, bold)
        moments = parcel_moments(problem.projector, self.Y)
        self.ZY = moments.ZY
        self.energy = grid_energy(moments, problem.design.rho, problem.design.inv_PP)
        self.data = ParcelData(
            np.empty((n_positions, problem.n_conditions, problem.n_hrf)),
            np.empty(n_positions),
            np.full(n_positions, problem.white),
            np.zeros(len(problem.design.rho), dtype=np.bool_),
            graph.start,
            graph.neighbours,
            np.zeros((n_positions, 0)),
        )
        self.filled = np.full(n_positions, -1)
        self._fill()
        h, level, level_var, noise = self._start()
        error_var = np.median(level_var, axis=0)
        z = level / np.sqrt(level_var)
        # The active class lies where the heavier tail is. A prior in the data's own unit makes
        # the estimate follow any scaling of the data.
        skew = np.sum(np.maximum(z, 0) ** 3 - np.maximum(-z, 0) ** 3, axis=0)
        self.state, self.hyper = initial_state(
            problem,
            h,
            level,
            level_var,
            noise,
            mean=PRIOR_MEAN * np.sqrt(error_var) * np.where(skew < 0, -1.0, 1.0),
            variance=np.outer(PRIOR_VARIANCE, error_var),
        )

    def _fill(self) -> None:
        """Bring the statistics to the present autocorrelations."""
        design, data = self.problem.design, self.data
        fill_statistics(
            *(self.ZY, self.energy, design.rho, design.C),
            *(data.rho_index, self.filled, data.B, data.e),
        )
        data.occupied[:] = False
        data.occupied[data.rho_index] = True

    def _start(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Least squares with each of the starting HRFs; the best, and the noise that it leaves."""
        problem, data = self.problem, self.data
        b = np.ascontiguousarray((data.B @ problem.starts.T).transpose(2, 0, 1))
        explained = ((b @ problem.start_inverse[:, problem.white]) * b).sum(axis=2).T
        left = np.maximum(data.e[:, None] - explained, LEAST_NOISE * data.e[:, None])
        self.start = best = int(np.argmin(np.log(left).sum(axis=0)))
        h, Gamma = problem.starts[best], problem.start_Gamma[best]
        level, level_var, noise = self._least_squares(best)
        if len(problem.design.rho) > 1:
            for _ in range(2):
                self._best_autocorrelation(h, Gamma, level, np.zeros_like(level), noise)
                level, level_var, noise = self._least_squares(best)
        return h, level, level_var, noise

    def _least_squares(self, start: int) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Levels, their variances and the noise for a starting HRF, by least squares."""
        problem, data = self.problem, self.data
        inverse = problem.start_inverse[start][data.rho_index]
        b = data.B @ problem.starts[start]
        level = np.einsum("vmn,vn->vm", inverse, b)
        left = data.e - np.einsum("vm,vm->v", level, b)
        n_free = max(problem.design.n_free - problem.n_conditions, 1)
        noise = np.maximum(left, LEAST_NOISE * data.e) / n_free
        level_var = noise[:, None] * np.diagonal(inverse, axis1=1, axis2=2)
        return level, level_var, noise

    def _best_autocorrelation(
        self,
        h: FloatArray,
        Gamma: FloatArray,
        level: FloatArray,
        level_var: FloatArray,
        noise: FloatArray,
    ) -> int:
        """Estimate autocorrelation and variance of the noise, and refill if any changed."""
        design = self.problem.design
        changed = best_autocorrelation(
            *(self.ZY, self.energy, design.rho, design.C, design.log_det),
            float(design.n_free),
            *(h, Gamma, level, level_var),
            *(self.data.rho_index, noise),
        )
        if changed:
            self._fill()
        return int(changed)

    def update_noise(self) -> int:
        """Estimate the autocorrelations again; return how many positions changed."""
        state = self.state
        if len(self.problem.design.rho) == 1:
            return 0
        return self._best_autocorrelation(
            state.h, self.Gamma(), state.level, state.level_var, state.noise
        )

    def update_inflation(self) -> None:
        """Estimate how often the positions count the same noise."""
        state, hyper, n_conditions = self.state, self.hyper, self.problem.n_conditions
        in_prior = float(np.sum(self.problem.prior.R_inv * state.Sigma)) / state.v_h[0]
        hyper.inflation[0] = noise_inflation(
            self.problem.projector,
            self.Y,
            h=state.h,
            level=state.level,
            noise=state.noise,
            rho=self.problem.design.rho[self.data.rho_index],
            n_fitted=n_conditions + (len(state.h) - in_prior) / n_conditions,
        )

    def forget_warm_up(self) -> None:
        """Drop the data, too: nothing needs them now."""
        super().forget_warm_up()
        self.Y = np.empty((0, 0))

    def plain_covariance(self) -> FloatArray:
        """As in `VEMFit`."""
        inverse = self.problem.start_inverse[self.start][self.data.rho_index]
        return inverse * self.state.noise[:, None, None]

    def autocorrelation(self) -> FloatArray:
        """As in `VEMFit`."""
        return self.problem.design.rho[self.data.rho_index]

    def noise_sd(self) -> FloatArray:
        """As in `VEMFit`."""
        return np.sqrt(self.state.noise / (1 - self.autocorrelation() ** 2))
