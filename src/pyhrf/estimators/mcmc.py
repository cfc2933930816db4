"""Joint detection-estimation by Markov chain Monte Carlo: the class that users and engines call."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Literal, get_args

import numpy as np
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, Parcel, ParcelEstimate
from pyhrf.errors import InputError
from pyhrf.estimators.base import Bold, BoolArray, ParcelEstimator
from pyhrf.estimators.checks import check_beta, check_seed, check_threshold
from pyhrf.estimators.mcmc_problem import FieldPrior, MCMCProblem, Settings, compressed_design
from pyhrf.estimators.mcmc_solver import solve_mcmc
from pyhrf.estimators.mcmc_summary import summarise_draws
from pyhrf.estimators.vem_problem import experiment_problem
from pyhrf.model.checks import NoiseKind
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.neighbour_correlation import neighbour_correlation
from pyhrf.model.nuisance import DriftKind

StartKind = Literal["vem", "dispersed"]

# Fewest sweeps that quantiles and the comparison of chains can be taken of.
FEWEST_KEPT = 50
# Iterations of the variational EM that sets priors and starting points.
VEM_ITERATIONS, VEM_TOLERANCE = 100, 1e-4
# Positions of the noise that brings the kernels into memory.
N_COMPILED = 8


class JDEMCMC(ParcelEstimator):
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
    dt : float
        Step of the HRF, seconds; it need not divide TR.
    hrf_duration : float
        Length of the HRF, seconds, made up to a multiple of `dt`; the HRF is 0 at both ends.
    drift : {"cosine", "polynomial", "none"}
        Slow drift, integrated out together with one intercept per run.
    drift_cutoff : float
        Shortest period of the cosines, seconds.
    drift_order : int
        Degree of the polynomials.
    noise : {"ar1", "white"}
        Noise model; with ``ar1`` every position has its own autocorrelation.
    n_iterations : int
        Sweeps of every chain, those of the burn-in included.
    n_burn_in : int
        Sweeps at the start of every chain that are thrown away.
    n_chains : int
        Chains of every parcel; two at least are needed to see whether they agree.
    start : {"vem", "dispersed"}
        Chains start with a draw from the solution of the variational EM, or far from each other.
    beta : float, optional
        Strength of the field, the same everywhere. By default it is sampled.
    contrasts : mapping of str to mapping of str to float, optional
        Weights of the conditions, by name of the contrast.
    ppm_threshold : float, optional
        Level for ``ppm_COND``, unit of the data: the probability of more than this, or, where it
        is below 0, of less; by default where the two classes cross.
    min_positions : int
        Parcels with fewer usable positions are not estimated.
    seed : int
        Seed of the study; a parcel's draws also depend on its number.

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
    >>> sampler.fit(rng.normal(size=(150, 30))).maps["nrl_q975_flash"].shape
    (30,)
    """

    name = "jde-mcmc"

    def __init__(
        self,
        experiment: Experiment,
        *,
        dt: float = 1.0,
        hrf_duration: float = 25.0,
        drift: DriftKind = "cosine",
        drift_cutoff: float = 128.0,
        drift_order: int = 4,
        noise: NoiseKind = "ar1",
        n_iterations: int = 3000,
        n_burn_in: int = 1000,
        n_chains: int = 2,
        start: StartKind = "vem",
        beta: float | None = None,
        contrasts: Mapping[str, Mapping[str, float]] | None = None,
        ppm_threshold: float | None = None,
        min_positions: int = 5,
        seed: int = 0,
    ) -> None:
        super().__init__(experiment, contrasts, min_positions, given=locals())
        _check_chains(n_iterations, n_burn_in, n_chains, start, seed)
        check_beta(beta)
        check_threshold(ppm_threshold)
        vem = experiment_problem(
            experiment,
            dt=dt,
            hrf_duration=hrf_duration,
            drift=drift,
            drift_cutoff=drift_cutoff,
            drift_order=drift_order,
            noise=noise,
            n_iterations=VEM_ITERATIONS,
            tolerance=VEM_TOLERANCE,
            beta=beta,
        )
        self.dt = dt
        with threadpool_limits(1, user_api="blas"):
            design = compressed_design(vem.design, vem.prior.R_inv)
        settings = Settings(
            n_sweeps=n_iterations,
            n_burn_in=n_burn_in,
            n_chains=n_chains,
            dispersed=start == "dispersed",
            threshold=np.nan if ppm_threshold is None else float(ppm_threshold),
            seed=seed,
        )
        self._problem = MCMCProblem(vem, design, FieldPrior(beta, seed), settings)

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
            contrasts=self.contrasts,
            dt=self.dt,
            neighbour_correlation=neighbour_correlation(bold, self._problem.vem.explained, graph),
        )


def _check_chains(n_iterations: int, n_burn_in: int, n_chains: int, start: str, seed: int) -> None:
    """Refuse chains that cannot run or leave too little."""
    if n_burn_in < 0 or n_iterations - n_burn_in < FEWEST_KEPT:
        raise InputError(
            f"n_burn_in is {n_burn_in}: it must be 0 or more and leave at least {FEWEST_KEPT} of "
            f"the {n_iterations} iterations (n_iterations)"
        )
    if n_chains < 1:
        raise InputError(f"n_chains is {n_chains}: it must be at least 1")
    if start not in get_args(StartKind):
        raise InputError(f"start is {start!r}: it must be one of {', '.join(get_args(StartKind))}")
    check_seed(seed)
