"""The fit of one parcel by variational EM: what both models of the noise share.

A fit is an object that changes: it holds the statistics of the data and a `State`, which compiled
kernels change in place. The model is that of Chaari et al. 2013 (IEEE TMI 32(5):821) with the
nuisance integrated out and each level joined with its label.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.field_kernels import leave_one_out_scores
from pyhrf.estimators.level_kernels import log_odds
from pyhrf.estimators.posterior_kernels import hrf_covariance, posterior_covariances
from pyhrf.estimators.vem_kernels import contract_design, run_vem
from pyhrf.estimators.vem_problem import VEMProblem
from pyhrf.estimators.vem_state import Hyper, ParcelData, Prior, State

# The mixtures' prior: worth so many positions; mean in standard errors of a level, variances
# of the inactive and the active class in squared standard errors.
PRIOR_WEIGHT = 5.0
PRIOR_MEAN = 2.5
PRIOR_VARIANCE = (0.1, 0.6)
# The field: strengths that are tried, and what unusual ones and log odds cost.
BETAS = np.array([0.0, 0.2, 0.35, 0.45, 0.55, 0.6, 0.65, 0.7, 0.8, 0.9])
BETA_PRIOR = (0.5, 0.2)
ALPHA_COST = 1.0
# Strength and log odds of "nothing is active".
NOTHING = (np.array([0.5]), np.array([-4.0]))
# Sweeps of mean field, at most, for each trial of a field.
N_SWEEPS = 12


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
        Share of the HRF's second moment that its mean carries, times the highest probability of
        activation: 1 known, towards 0 only the prior, or noise.
    hrf_covariance : array, shape (n_hrf, n_hrf)
        Posterior covariance of the HRF.
    rho : array, shape (n_positions,)
        Autocorrelation of the noise.
    beta, alpha : arrays, shape (n_conditions,)
        Field that was used.
    trace : array, shape (n_iterations,)
        Free energy after every iteration, once the field is fixed.
    shared : bool
        Whether the model of the noise is one that positions share.
    inflation : float
        How much more noise sums over positions hold than the model says.
    noise_sd : array, shape (n_positions,)
        Standard deviation of the noise of each position.
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
    shared: bool
    inflation: float
    noise_sd: FloatArray
    hyper: Hyper
    n_iterations: int
    converged: bool


class VEMFit(ABC):
    """One parcel on its way: statistics at the present noise, and the present state; both change.

    Attributes
    ----------
    problem : VEMProblem
    data : ParcelData
    prior : Prior
    state : State
    hyper : Hyper
    traces : list of array
        Free energies of the iterations that count.
    n_iterations : int
        All iterations so far.
    shared : bool
        Whether the noise is one that positions share.
    """

    shared: bool
    problem: VEMProblem
    data: ParcelData
    prior: Prior
    state: State
    hyper: Hyper

    def __init__(self, problem: VEMProblem) -> None:
        self.problem = problem
        self.traces: list[FloatArray] = []
        self.n_iterations = 0

    def Gamma(self) -> FloatArray:
        """Cross products of the present regressors, for all autocorrelations."""
        state = self.state
        second_moment = state.Sigma + np.outer(state.h, state.h)
        every = np.ones_like(self.data.occupied)
        return contract_design(self.prior.G, second_moment, every, self.problem.n_conditions)

    def iterate(self, n_iterations: int, *, until_settled: bool = True) -> bool:
        """Iterate (`vem_kernels.run_vem`), keep the free energies; tell whether they converged."""
        trace = np.empty(n_iterations)
        tolerance = self.problem.settings.tolerance if until_settled else -np.inf
        done, converged = run_vem(self.data, self.prior, self.state, self.hyper, tolerance, trace)
        if not np.isfinite(trace[:done]).all():
            raise FloatingPointError("the free energy is not finite")
        self.traces.append(trace[:done])
        self.n_iterations += int(done)
        return bool(converged)

    def choose_field(
        self, betas: FloatArray, alphas: FloatArray, *, counted: float, nothing_bonus: float
    ) -> None:
        """Take, per condition, the field with which neighbours best predict a position.

        Parameters
        ----------
        betas : array, shape (n_betas,)
            Strengths to choose from.
        alphas : array, shape (n_alphas,)
            Log odds to choose from, beside those of "nothing is active".
        counted : float
            How often the same evidence is counted: neighbours that share noise predict each
            other's, which must not speak for a field.
        nothing_bonus : float
            By how many nats "nothing is active" is favoured: the other fields are judged with an
            HRF and a mixture that were fitted to the same noise.
        """
        b = self.data.B @ self.state.h
        evidence = log_odds(self.data, self.state, self.hyper.two_sided, b, self.Gamma())
        graph = (self.data.start, self.data.neighbours)
        scores = leave_one_out_scores(evidence, *graph, betas, alphas, N_SWEEPS) / counted
        scores -= 0.5 * (((betas - BETA_PRIOR[0]) / BETA_PRIOR[1]) ** 2)[None, :, None]
        scores += ALPHA_COST * alphas[:, None, None]
        nothing = leave_one_out_scores(evidence, *graph, *NOTHING, N_SWEEPS) / counted
        flat = scores.reshape(-1, scores.shape[2])
        best = flat.argmax(axis=0)
        active = flat.max(axis=0) > nothing[0, 0] + nothing_bonus
        self.hyper.alpha[:] = np.where(active, alphas[best // len(betas)], NOTHING[1])
        self.hyper.beta[:] = np.where(active, betas[best % len(betas)], NOTHING[0])

    def forget_warm_up(self) -> None:
        """Drop the first free energies, of other fields and other noise."""
        self.traces.clear()

    @abstractmethod
    def plain_covariance(self) -> FloatArray:
        """Covariance of the levels of least squares, shape as of `VEMSolution.covariance`."""

    @abstractmethod
    def autocorrelation(self) -> FloatArray:
        """Lag-1 autocorrelation of the noise, shape (n_positions,)."""

    @abstractmethod
    def noise_sd(self) -> FloatArray:
        """Return the standard deviation of the noise, shape (n_positions,)."""

    def level_covariance(self) -> FloatArray:
        """Posterior covariance of each position's levels."""
        return posterior_covariances(self.data, self.state, self.Gamma())

    def hrf_covariance(self) -> FloatArray:
        """Posterior covariance of the HRF."""
        return hrf_covariance(self.data, self.prior, self.state, float(self.hyper.inflation[0]))

    def solution(self, converged: bool) -> VEMSolution:
        """Put together what was found."""
        state = self.state
        Sigma = self.hrf_covariance()
        energy = float(state.h @ state.h)
        return VEMSolution(
            state=state,
            covariance=self.level_covariance(),
            plain_covariance=self.plain_covariance(),
            # where nothing is active, an HRF was fitted to noise
            quality=float(state.p.max()) * energy / (energy + float(np.trace(Sigma))),
            hrf_covariance=Sigma,
            rho=self.autocorrelation(),
            beta=self.hyper.beta,
            alpha=self.hyper.alpha,
            trace=np.concatenate(self.traces),
            shared=self.shared,
            inflation=float(self.hyper.inflation[0]),
            noise_sd=self.noise_sd(),
            hyper=self.hyper,
            n_iterations=self.n_iterations,
            converged=converged,
        )


def initial_state(
    problem: VEMProblem,
    h: FloatArray,
    level: FloatArray,
    level_var: FloatArray,
    noise: FloatArray,
    *,
    mean: FloatArray,
    variance: FloatArray,
) -> tuple[State, Hyper]:
    """Begin with given levels, every label undecided.

    Parameters
    ----------
    problem : VEMProblem
    h : array, shape (n_hrf,)
    level, level_var : arrays, shape (n_positions, n_conditions)
    noise : array, shape (n_positions,)
    mean : array, shape (n_conditions,)
        Of the active class.
    variance : array, shape (2, n_conditions)
        Of the inactive and the active class.
    """
    n_positions, n_conditions = level.shape
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
        side=np.zeros(n_conditions),
    )
    beta = 0.5 if problem.beta is None else problem.beta
    hyper = Hyper(
        beta=np.full(n_conditions, float(beta)),
        alpha=np.zeros(n_conditions),
        mean=mean,
        variance=variance,
        weight=PRIOR_WEIGHT,
        inflation=np.ones(1),
    )
    return state, hyper
