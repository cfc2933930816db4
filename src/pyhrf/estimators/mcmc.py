"""Joint detection-estimation by Markov chain Monte Carlo: the class that users and engines call."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from threadpoolctl import threadpool_limits

from pyhrf.data import Parcel, ParcelEstimate
from pyhrf.errors import InputError, says_where
from pyhrf.estimators.base import FOR_IMAGES, Bold, BoolArray, ParcelEstimator
from pyhrf.estimators.checks import check_seed, check_threshold, strength_of
from pyhrf.estimators.mcmc_problem import ChainSettings, FieldPrior, MCMCProblem, compressed_design
from pyhrf.estimators.mcmc_solver import solve_mcmc
from pyhrf.estimators.mcmc_summary import summarise_draws
from pyhrf.estimators.vem_problem import experiment_problem
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.neighbour_correlation import neighbour_correlation
from pyhrf.parameters.declare import documented
from pyhrf.parameters.mcmc import FEWEST_KEPT, McmcSettings
from pyhrf.parameters.vem import VemSettings

# Iterations of the variational EM that sets priors and starting points.
VEM_ITERATIONS, VEM_TOLERANCE = 100, 1e-4
# Positions of the noise that brings the kernels into memory.
N_COMPILED = 8


@documented
@says_where(FOR_IMAGES)
@dataclass(frozen=True, kw_only=True, eq=False)
class JDEMCMC(McmcSettings, ParcelEstimator):
    """HRF of a parcel, and response levels and activation of its positions, with their posterior.

    The model of `JDEVEM`, sampled instead of approximated: Gibbs sampling (Makni et al. 2008,
    NeuroImage 41:941; Vincent et al. 2010, IEEE TMI 29(4):1059) on the sufficient statistics, with
    each level and label drawn together, and moves of scale and sign between HRF and levels. The
    field's strength and log odds are sampled too, with the log partition function of the parcel's
    own graph.

    Parameters
    ----------
    experiment : Experiment
        Runs, TR, conditions and events.
    contrasts : mapping of str to mapping of str to float, optional
        Weights of the conditions, by name of the contrast.
    {parameters}

    Raises
    ------
    InputError
        If a value is not allowed, or the design leaves no scan free.

    Examples
    --------
    >>> import numpy as np
    >>> from pyhrf.data import Events, Experiment, Run
    >>> rng = np.random.default_rng(0)
    >>> onsets = np.arange(10.0, 270.0, 13.0)
    >>> events = Events(onsets, np.zeros(20), np.ones(20))
    >>> experiment = Experiment(("flash",), (Run(150, 2.0, {"flash": events}),))
    >>> sampler = JDEMCMC(experiment, n_iterations=200, n_burn_in=100)
    >>> sampler.fit(rng.normal(size=(150, 30))).maps["nrl_q975", "flash"].shape
    (30,)
    """

    name = "jde-mcmc"

    def _check(self) -> None:
        _check_chains(self)
        check_threshold(self.ppm_threshold)
        _ = self._problem

    @cached_property
    def _problem(self) -> MCMCProblem:
        start = VemSettings(
            n_iterations=VEM_ITERATIONS,
            tolerance=VEM_TOLERANCE,
            beta=self.beta,
            shared_noise="none",
        )
        vem = experiment_problem(self.experiment, self, start)
        with threadpool_limits(1, user_api="blas"):
            design = compressed_design(vem.design, vem.prior.R_inv)
        settings = ChainSettings(
            n_sweeps=self.n_iterations,
            n_burn_in=self.n_burn_in,
            n_chains=self.n_chains,
            dispersed=self.start == "dispersed",
            threshold=np.nan if self.ppm_threshold is None else float(self.ppm_threshold),
            seed=self.seed,
        )
        return MCMCProblem(vem, design, FieldPrior(strength_of(self.beta), self.seed), settings)

    def cost(self, n_positions: int) -> float:
        """Tell how long a parcel of `n_positions` takes, seconds, roughly."""
        settings, design = self._problem.settings, self._problem.design
        M, n_hrf = len(self.experiment.conditions), self._problem.vem.n_hrf
        sweep = 2e-9 * design.basis.size + 1e-9 * n_hrf**3
        sweep += n_positions * (6e-8 + M * (6e-8 + 1e-9 * n_hrf + 1e-9 * M))
        touch = 2e-9 * self.experiment.n_scans * M * n_hrf
        return settings.n_chains * settings.n_sweeps * sweep + n_positions * (touch + 3e-4)

    def compile(self) -> None:
        """Bring the compiled kernels into memory: seconds the first time, then tenths of one.

        Without it the first parcel of every worker waits for them.
        """
        positions = np.arange(N_COMPILED)
        shape = (self.experiment.n_scans, len(positions))
        noise = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        pairs = np.column_stack([positions[:-1], positions[1:]]).astype(np.int32)
        graph = NeighbourGraph.from_edges(pairs, len(positions))
        # every kernel is called in the first sweeps; the user's chains would take minutes
        short = replace(self._problem.settings, n_sweeps=12, n_burn_in=1, n_chains=1)
        with suppress(ArithmeticError, np.linalg.LinAlgError):  # of noise nothing is asked
            solve_mcmc(replace(self._problem, settings=short), noise, graph, number=1)

    def _estimate(
        self, parcel: Parcel, usable: BoolArray, bold: Bold, graph: NeighbourGraph
    ) -> ParcelEstimate:
        return summarise_draws(
            solve_mcmc(self._problem, bold, graph, number=parcel.number),
            parcel=parcel,
            usable=usable,
            conditions=self.experiment.conditions,
            contrasts=self._weights,
            dt=self.dt,
            neighbour_correlation=neighbour_correlation(bold, self._problem.vem.explained, graph),
        )


def _check_chains(chains: JDEMCMC) -> None:
    """Refuse chains that cannot run or leave too little."""
    if chains.n_burn_in < 0 or any(chains.conflicts()):
        raise InputError(
            f"n_burn_in is {chains.n_burn_in}: it must be 0 or more and leave at least "
            f"{FEWEST_KEPT} of the {chains.n_iterations} iterations (n_iterations)"
        )
    if chains.n_chains < 1:
        raise InputError(f"n_chains is {chains.n_chains}: it must be at least 1")
    check_seed(chains.seed)
