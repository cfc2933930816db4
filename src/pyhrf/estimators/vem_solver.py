"""Variational EM for one parcel: a start, the noise, the field, then the iterations.

Pure functions on arrays; the model is that of Chaari et al. 2013 (IEEE TMI 32(5):821) with the
nuisance integrated out and each level joined with its label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.field_kernels import leave_one_out_scores
from pyhrf.estimators.level_kernels import log_odds
from pyhrf.estimators.noise_kernels import best_autocorrelation, fill_statistics
from pyhrf.estimators.posterior_kernels import hrf_covariance, posterior_covariances
from pyhrf.estimators.vem_kernels import contract_design, run_vem
from pyhrf.estimators.vem_problem import VEMProblem
from pyhrf.estimators.vem_state import Hyper, ParcelData, State
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.statistics import (
    grid_energy,
    noise_redundancy,
    parcel_moments,
    without_nuisance,
)

__all__ = ["VEMSolution", "solve_vem"]

# Smallest part of a position's variance that its noise is taken to be at the start.
LEAST_NOISE = 1e-6
# Iterations before the field is chosen, and after it was chosen a first time.
WARM_UP = 8
# Iterations between two estimates of the autocorrelations, and the share of positions that may
# still change theirs, by a step of the grid, at convergence.
NOISE_ROUND = 25
NOISE_SETTLED = 0.01
# The mixtures' prior: worth so many positions; mean in standard errors of a level, variances
# of the inactive and the active class in squared standard errors.
PRIOR_WEIGHT = 5.0
PRIOR_MEAN = 2.5
PRIOR_VARIANCE = (0.1, 0.6)
# The field: strengths and log odds that are tried, first few and then all, and what they cost.
COARSE_BETAS, COARSE_ALPHAS = np.array([0.3, 0.5, 0.7]), np.array([0.0])
BETAS = np.array([0.0, 0.2, 0.35, 0.45, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9])
ALPHAS = np.array([0.0, -0.5, -1.0])
BETA_PRIOR = (0.5, 0.2)
ALPHA_COST = 1.0
# Strength and log odds of "nothing is active", and by how many nats it is favoured: the other
# fields are judged with an HRF and a mixture that were fitted to the same noise.
NOTHING, NOTHING_BONUS = (np.array([0.5]), np.array([-4.0])), 2.0


@dataclass(frozen=True, slots=True)
class VEMSolution:
    """Posterior of one parcel.

    Attributes
    ----------
    state : State
        Means and variances after the last iteration.
    covariance : array, shape (n_positions, n_conditions, n_conditions)
        Posterior covariance of each position's levels.
    plain_covariance : array, shape (n_positions, n_conditions, n_conditions)
        That of least squares with the starting HRF, whose peak is 1.
    quality : float
        Share of the HRF's second moment that its mean carries: 1 known, towards 0 only the prior.
    hrf_covariance : array, shape (n_hrf, n_hrf)
        Posterior covariance of the HRF.
    rho : array, shape (n_positions,)
        Autocorrelation of the noise.
    beta, alpha : arrays, shape (n_conditions,)
        Field that was used.
    trace : array, shape (n_iterations,)
        Free energy after every iteration, once the field is fixed.
    redundancy : float
        How often the positions count the same noise.
    hyper : Hyper
        The field again, and the prior of the mixtures.
    n_iterations : int
        Iterations in all, those before the field was fixed included.
    converged : bool
    """

    state: State
    covariance: FloatArray
    plain_covariance: FloatArray
    quality: float
    hrf_covariance: FloatArray
    rho: FloatArray
    beta: FloatArray
    alpha: FloatArray
    trace: FloatArray
    redundancy: float
    hyper: Hyper
    n_iterations: int
    converged: bool


def solve_vem(
    problem: VEMProblem, bold: NDArray[np.floating], graph: NeighbourGraph
) -> VEMSolution:
    """Fit one parcel.

    Parameters
    ----------
    problem : VEMProblem
    bold : array, shape (n_scans, n_positions)
        Finite values, none constant.
    graph : NeighbourGraph
        Of its positions.

    Returns
    -------
    VEMSolution

    Raises
    ------
    FloatingPointError
        If the iterations leave the finite numbers.
    """
    fit = _Fit(problem, bold, graph)
    warm_up = min(problem.n_iterations, WARM_UP)
    for betas, alphas in ((COARSE_BETAS, COARSE_ALPHAS), (BETAS, ALPHAS)):
        fit.iterate(warm_up)
        fit.update_noise()
        fit.update_redundancy()
        if problem.beta is None:
            fit.choose_field(betas, alphas)
    fit.forget_warm_up()
    left, converged = problem.n_iterations, False
    while left > 0 and not converged:
        converged = fit.iterate(min(left, NOISE_ROUND))
        left -= len(fit.traces[-1])
        changed = fit.update_noise()
        converged = converged and changed <= NOISE_SETTLED * bold.shape[1]
    return fit.solution(converged)


class _Fit:
    """One parcel on its way: statistics at the present noise, and the present state."""

    def __init__(
        self, problem: VEMProblem, bold: NDArray[np.floating], graph: NeighbourGraph
    ) -> None:
        n_positions = bold.shape[1]
        self.problem = problem
        self.Y = without_nuisance(problem.projector, bold)
        moments = parcel_moments(problem.projector, self.Y)
        self.ZY = moments.ZY
        self.energy = grid_energy(moments, problem.design.rho, problem.design.inv_PP)
        self.traces: list[FloatArray] = []
        self.n_iterations = 0
        self.data = ParcelData(
            np.empty((n_positions, problem.n_conditions, problem.n_hrf)),
            np.empty(n_positions),
            np.full(n_positions, problem.white),
            np.zeros(len(problem.design.rho), dtype=np.bool_),
            graph.start,
            graph.neighbours,
        )
        self.filled = np.full(n_positions, -1)
        self._fill()
        h, level, level_var, noise = self._start()
        self.state, self.hyper = _initial_state(problem, h, level, level_var, noise)

    def _fill(self) -> None:
        """Bring the statistics to the present autocorrelations."""
        design, data = self.problem.design, self.data
        fill_statistics(
            *(self.ZY, self.energy, design.rho, design.C),
            *(data.rho_index, self.filled, data.B, data.e),
        )
        data.occupied[:] = False
        data.occupied[data.rho_index] = True

    def _Gamma(self) -> FloatArray:
        """Cross products of the present regressors, for the whole grid."""
        state, problem = self.state, self.problem
        second_moment = state.Sigma + np.outer(state.h, state.h)
        every = np.ones_like(self.data.occupied)
        return contract_design(problem.design.G, second_moment, every, problem.n_conditions)

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
            state.h, self._Gamma(), state.level, state.level_var, state.noise
        )

    def update_redundancy(self) -> None:
        """Estimate how often the positions count the same noise."""
        state, hyper, n_conditions = self.state, self.hyper, self.problem.n_conditions
        in_prior = float(np.sum(self.problem.prior.R_inv * state.Sigma)) / state.v_h[0]
        hyper.redundancy[0] = noise_redundancy(
            self.problem.projector,
            self.Y,
            h=state.h,
            level=state.level,
            noise=state.noise,
            rho=self.problem.design.rho[self.data.rho_index],
            n_fitted=n_conditions + (len(state.h) - in_prior) / n_conditions,
        )

    def iterate(self, n_iterations: int) -> bool:
        """Run the iterations and keep their free energies; tell whether they converged."""
        trace = np.empty(n_iterations)
        done, converged = run_vem(
            self.data, self.problem.prior, self.state, self.hyper, self.problem.tolerance, trace
        )
        if not np.isfinite(trace[:done]).all():
            raise FloatingPointError("the free energy is not finite")
        self.traces.append(trace[:done])
        self.n_iterations += int(done)
        return bool(converged)

    def choose_field(self, betas: FloatArray, alphas: FloatArray) -> None:
        """Take, per condition, the field with which neighbours best foretell a position.

        Parameters
        ----------
        betas : array, shape (n_betas,)
            Strengths to choose from.
        alphas : array, shape (n_alphas,)
            Log odds to choose from, beside those of "nothing is active".
        """
        b = self.data.B @ self.state.h
        evidence = log_odds(self.data, self.state, b, self._Gamma())
        graph = (self.data.start, self.data.neighbours)
        # neighbours that share noise foretell each other's noise: what it is counted too often
        # must not speak for a field
        shared = self.hyper.redundancy[0]
        scores = leave_one_out_scores(evidence, *graph, betas, alphas, 12) / shared
        scores -= 0.5 * (((betas - BETA_PRIOR[0]) / BETA_PRIOR[1]) ** 2)[None, :, None]
        scores += ALPHA_COST * alphas[:, None, None]
        nothing = leave_one_out_scores(evidence, *graph, *NOTHING, 12) / shared
        flat = scores.reshape(-1, scores.shape[2])
        best = flat.argmax(axis=0)
        active = flat.max(axis=0) > nothing[0, 0] + NOTHING_BONUS
        self.hyper.alpha[:] = np.where(active, alphas[best // len(betas)], NOTHING[1])
        self.hyper.beta[:] = np.where(active, betas[best % len(betas)], NOTHING[0])

    def forget_warm_up(self) -> None:
        """Drop the first free energies, of other fields, and the data: nothing needs them now."""
        self.traces.clear()
        self.Y = np.empty((0, 0))

    def solution(self, converged: bool) -> VEMSolution:
        """Put together what was found."""
        state, problem = self.state, self.problem
        Sigma = hrf_covariance(self.data, problem.prior, state, self.hyper.redundancy[0])
        energy = float(state.h @ state.h)
        inverse = problem.start_inverse[self.start][self.data.rho_index]
        return VEMSolution(
            state=state,
            covariance=posterior_covariances(self.data, state, self._Gamma()),
            plain_covariance=inverse * state.noise[:, None, None],
            quality=energy / (energy + float(np.trace(Sigma))),
            hrf_covariance=Sigma,
            rho=self.problem.design.rho[self.data.rho_index],
            beta=self.hyper.beta,
            alpha=self.hyper.alpha,
            trace=np.concatenate(self.traces),
            redundancy=float(self.hyper.redundancy[0]),
            hyper=self.hyper,
            n_iterations=self.n_iterations,
            converged=converged,
        )


def _initial_state(
    problem: VEMProblem,
    h: FloatArray,
    level: FloatArray,
    level_var: FloatArray,
    noise: FloatArray,
) -> tuple[State, Hyper]:
    """Begin with the least-squares levels; the mixtures' prior is in their standard errors.

    A prior in the data's own unit makes the estimate follow any scaling of the data.
    """
    n_positions, n_conditions = level.shape
    error_var = np.median(level_var, axis=0)
    z = level / np.sqrt(level_var)
    # The active class lies where the heavier tail is.
    skew = np.sum(np.maximum(z, 0) ** 3 - np.maximum(-z, 0) ** 3, axis=0)
    mean = PRIOR_MEAN * np.sqrt(error_var) * np.where(skew < 0, -1.0, 1.0)
    variance = np.outer(PRIOR_VARIANCE, error_var)
    state = State(
        h=h.copy(),
        Sigma=np.zeros_like(problem.prior.R_inv),
        v_h=np.array([h @ problem.prior.R_inv @ h / len(h)]),
        p=np.full((n_positions, n_conditions), 0.5),
        class_mean=np.zeros((n_positions, n_conditions, 2)),
        class_var=np.ones((n_positions, n_conditions, 2)),
        level=np.ascontiguousarray(level),
        level_var=np.ascontiguousarray(level_var),
        noise=np.ascontiguousarray(noise),
        mu=mean.copy(),
        v=variance.copy(),
    )
    beta = 0.5 if problem.beta is None else problem.beta
    hyper = Hyper(
        beta=np.full(n_conditions, float(beta)),
        alpha=np.zeros(n_conditions),
        mean=mean,
        variance=variance,
        weight=PRIOR_WEIGHT,
        redundancy=np.ones(1),
    )
    return state, hyper
