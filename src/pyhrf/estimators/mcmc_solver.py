"""Markov chain Monte Carlo for one parcel: priors, starting points, chains.

Pure functions on arrays; the model stands in `mcmc_kernels`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhrf.estimators.mcmc_kernels import run_chain
from pyhrf.estimators.mcmc_problem import ChainSettings, FieldPrior, MCMCProblem
from pyhrf.estimators.mcmc_state import Chain, Design, Draws, ParcelMoments, Priors, Steps
from pyhrf.estimators.vem_fit import VEMSolution
from pyhrf.estimators.vem_independent import solve_independent
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.statistics import Moments, grid_energy, parcel_moments, without_nuisance

# Priors that are worth little: shape and scale of that of the HRF's scale (a canonical response
# with a peak of 1 has a scale of 0.03; a prior that expects more makes weak responses rougher, one
# that expects far less shrinks weak levels), and how many scans that of the noise's is worth.
HRF_SCALE = (1.0, 0.02)
NOISE_WEIGHT = 2.0
# How many positions the prior of the mixtures is worth. The variational EM, whose mixtures are a
# point, has 5; averaged over, mixtures with a prior this weak call too many positions active.
MIXTURE_WEIGHT = 20.0
# Draws of all levels that are kept for quantiles, of all chains together.
N_LEVEL_DRAWS = 400


@dataclass(frozen=True, slots=True)
class MCMCSolution:
    """Draws of one parcel.

    Attributes
    ----------
    draws : list of Draws
        One per chain.
    steps : Steps
        How each of them ran.
    inflation : float
        How often the positions count the same noise.
    """

    draws: list[Draws]
    steps: Steps
    inflation: float


def solve_mcmc(
    problem: MCMCProblem, bold: NDArray[np.floating], graph: NeighbourGraph, *, number: int
) -> MCMCSolution:
    """Sample one parcel.

    Parameters
    ----------
    problem : MCMCProblem
    bold : array, shape (n_scans, n_positions)
        Finite values, none constant.
    graph : NeighbourGraph
        Of its positions.
    number : int
        Of the parcel: its random numbers come from the study's seed and this.

    Returns
    -------
    MCMCSolution

    Raises
    ------
    FloatingPointError
        If a chain leaves the finite numbers.
    """
    settings = problem.settings
    found = solve_independent(problem.vem, bold, graph)
    Y = without_nuisance(problem.vem.projector, bold)
    moments = moments_of(parcel_moments(problem.vem.projector, Y), problem.design, graph)
    hyper = _priors(found, problem.field, graph)
    steps = _steps(settings)
    streams = np.random.SeedSequence([settings.seed, number]).spawn(settings.n_chains)
    start = _dispersed_start if settings.dispersed else _vem_start
    every = []
    for stream in streams:
        rng = np.random.Generator(np.random.SFC64(stream))
        chain = start(rng, problem, found, hyper)
        V, M = chain.level.shape
        draws = empty_draws(steps, n_positions=V, n_conditions=M, n_hrf=len(chain.h))
        run_chain(rng, moments, problem.design, hyper, chain, steps, draws)
        if not (np.isfinite(draws.log_likelihood).all() and np.isfinite(draws.hrf).all()):
            raise FloatingPointError("the likelihood of a chain is not finite")
        every.append(draws)
    return MCMCSolution(every, steps, hyper.inflation)


def moments_of(moments: Moments, design: Design, graph: NeighbourGraph) -> ParcelMoments:
    """Statistics of a parcel as the sampler takes them."""
    energy = grid_energy(moments, design.rho, design.inv_PP)
    return ParcelMoments(moments.ZY, energy, graph.start, graph.neighbours)


def empty_draws(steps: Steps, *, n_positions: int, n_conditions: int, n_hrf: int) -> Draws:
    """Room for what a chain writes down."""
    shape = (n_positions, n_conditions)
    return Draws(
        hrf=np.zeros((steps.n_kept, n_hrf)),
        mixture=np.zeros((steps.n_kept, n_conditions, 6)),
        levels=np.zeros((steps.n_kept // steps.thinning, *shape), dtype=np.float32),
        active=np.zeros(shape),
        level=np.zeros(shape),
        square=np.zeros(shape),
        beyond=np.zeros(shape),
        noise_sd=np.zeros(n_positions),
        ar1=np.zeros(n_positions),
        log_likelihood=np.zeros(steps.n_burn_in + steps.n_kept),
        accepted=np.zeros(2),
    )


def _steps(settings: ChainSettings) -> Steps:
    n_kept = settings.n_sweeps - settings.n_burn_in
    wanted = max(N_LEVEL_DRAWS // settings.n_chains, 1)
    return Steps(settings.n_burn_in, n_kept, max(n_kept // wanted, 1), settings.threshold)


def _priors(found: VEMSolution, field: FieldPrior, graph: NeighbourGraph) -> Priors:
    """Priors of the parcel, in the unit of its data, as the variational EM takes them.

    A prior in the data's own unit makes the estimate follow any scaling of the data.
    """
    weight = 0.5 * NOISE_WEIGHT
    return Priors(
        mean=found.hyper.mean,
        variance=found.hyper.variance,
        weight=MIXTURE_WEIGHT,
        hrf_scale=np.array(HRF_SCALE),
        noise=np.array([weight, weight * float(np.median(found.state.noise))]),
        alphas=field.alphas,
        betas=field.betas,
        field=field.table(graph, found.alpha, found.beta),
        inflation=found.inflation,
    )


def _vem_start(
    rng: np.random.Generator, problem: MCMCProblem, found: VEMSolution, hyper: Priors
) -> Chain:
    """Start with a draw from the solution of the variational EM."""
    state = found.state
    label = (rng.random(state.p.shape) < state.p).astype(np.int8)
    which = label[..., None] == 1
    mean = np.where(which, state.class_mean[..., 1:], state.class_mean[..., :1])[..., 0]
    var = np.where(which, state.class_var[..., 1:], state.class_var[..., :1])[..., 0]
    root = np.linalg.cholesky(found.hrf_covariance)
    strength = np.abs(hyper.betas[:, None] - found.beta).argmin(axis=0)
    odds = np.abs(hyper.alphas[:, None] - found.alpha).argmin(axis=0)
    v = state.v.copy()
    v[0] = np.minimum(v[0], 0.5 * (v[1] + state.mu**2))
    return Chain(
        h=state.h + root @ rng.standard_normal(len(state.h)),
        v_h=state.v_h.copy(),
        label=label,
        level=mean + np.sqrt(var) * rng.standard_normal(mean.shape),
        noise=state.noise.copy(),
        rho_index=np.abs(problem.design.rho[:, None] - found.rho).argmin(axis=0),
        mu=state.mu.copy(),
        v=v,
        field=np.stack([odds, strength]),
    )


def _dispersed_start(
    rng: np.random.Generator, problem: MCMCProblem, found: VEMSolution, hyper: Priors
) -> Chain:
    """Start anywhere: any of the starting HRFs, any labels, any noise, no levels."""
    V, M = found.state.p.shape
    starts = problem.vem.starts
    h = starts[rng.integers(len(starts))] * np.exp(rng.normal(0.0, 0.5))
    factor = np.exp(rng.normal(0.0, 0.5, (2, M)))
    mu = hyper.mean * np.exp(rng.normal(0.0, 0.5, M))
    v = hyper.variance * factor
    v[0] = np.minimum(v[0], 0.5 * (v[1] + mu**2))
    return Chain(
        h=h,
        v_h=np.array([h @ problem.design.R_inv @ h / len(h)]),
        label=rng.integers(0, 2, (V, M)).astype(np.int8),
        level=np.zeros((V, M)),
        noise=found.state.noise * np.exp(rng.normal(0.0, 0.5, V)),
        rho_index=rng.integers(0, len(problem.design.rho), size=(V,)),
        mu=mu,
        v=v,
        field=np.stack(
            [rng.integers(0, len(hyper.alphas), M), rng.integers(0, len(hyper.betas), M)]
        ),
    )
