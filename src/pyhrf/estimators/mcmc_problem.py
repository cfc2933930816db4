"""What the parcels of a study share in the Gibbs sampler, computed once."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.mcmc_state import Design
from pyhrf.estimators.potts import log_partition
from pyhrf.estimators.vem_problem import VEMProblem
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.statistics import DesignStatistics

# Values of the field's strength and log odds, and the sd of their prior around the choice of the
# variational EM, on a graph of up to so many pairs of neighbours (a cube of 216 voxels).
BETAS = np.round(np.arange(0.0, 1.2001, 0.025), 3)
ALPHAS = np.array([0.0, -0.5, -1.0, -2.0, -4.0])
BETA_SD, ALPHA_SD, PRIOR_EDGES = 0.02, 0.25, 540
# Sweeps for each pair of values, of which the log partition function is made.
PATH_SWEEPS = 100
# Part of the design's statistics that may be lost when they are compressed.
LOST = 1e-11


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """How the chains run.

    Attributes
    ----------
    n_sweeps, n_burn_in : int
        Sweeps of every chain, and how many of them come first and are thrown away.
    n_chains : int
    dispersed : bool
        Whether chains start far from each other; else close to the solution of the variational EM.
    threshold : float
        Level of the PPMs; NaN for the crossing of the classes.
    seed : int
        Seed of the study.
    """

    n_sweeps: int
    n_burn_in: int
    n_chains: int
    dispersed: bool
    threshold: float
    seed: int


class FieldPrior:
    """Prior of the field's log odds and strength, and its log partition function.

    The prior of a condition is normal, around what the variational EM chose: the field with which
    neighbours best predict a position. Labels that form blobs are likeliest under a field of
    0.65, while one of 0.8 predicts them best (``docs/model.md``). Their likelihood grows with the
    graph: on graphs of more than `PRIOR_EDGES` pairs the log prior does too, so that a field does
    not become another one where the same texture is seen in a larger parcel.

    The log partition function is computed once per graph. Its draws depend on the study's seed
    alone, so that it does not matter which parcel of a graph comes first.

    Parameters
    ----------
    beta : float or None
        The only strength, with log odds 0; None for the whole grid.
    seed : int
    """

    def __init__(self, beta: float | None, seed: int) -> None:
        self.seed = seed
        self.alphas = ALPHAS if beta is None else np.zeros(1)
        self.betas = BETAS if beta is None else np.array([beta])
        self._known: dict[bytes, FloatArray] = {}

    def table(self, graph: NeighbourGraph, alpha: FloatArray, beta: FloatArray) -> FloatArray:
        """Log prior less log partition function on a graph.

        Parameters
        ----------
        graph : NeighbourGraph
        alpha, beta : arrays, shape (n_conditions,)
            Where the priors lie.

        Returns
        -------
        array, shape (n_conditions, n_alphas, n_betas)
        """
        odds = (self.alphas - alpha[:, None]) / ALPHA_SD
        strength = (self.betas - beta[:, None]) / BETA_SD
        log_prior = -0.5 * (odds[:, :, None] ** 2 + strength[:, None, :] ** 2)
        log_prior *= max(graph.n_edges / PRIOR_EDGES, 1.0)
        return np.asarray(log_prior - self._log_partition(graph))

    def _log_partition(self, graph: NeighbourGraph) -> FloatArray:
        """Log partition function on a graph, shape (n_alphas, n_betas)."""
        if self.alphas.size * self.betas.size == 1:
            return np.zeros((1, 1))
        key = sha256(graph.start.tobytes() + graph.neighbours.tobytes()).digest()
        if key not in self._known:
            self._known[key] = log_partition(
                graph,
                alphas=self.alphas,
                betas=self.betas,
                n_sweeps=PATH_SWEEPS,
                seed=np.random.SeedSequence(self.seed),
            )
        return self._known[key]


@dataclass(frozen=True, slots=True)
class MCMCProblem:
    """Design, priors and settings.

    Attributes
    ----------
    vem : VEMProblem
        Of the variational EM, which gives the scale of the priors.
    design : Design
    field : FieldPrior
    settings : ChainSettings
    """

    vem: VEMProblem
    design: Design
    field: FieldPrior = field(repr=False)
    settings: ChainSettings


def compressed_design(statistics: DesignStatistics, R_inv: FloatArray) -> Design:
    """Bring the design's statistics to the form in which a sweep is fast.

    As functions of the autocorrelation the ``G`` are smooth: the few singular vectors that hold
    all but `LOST` of them, four for cosine drifts, replace the values at every point of the grid.

    Parameters
    ----------
    statistics : DesignStatistics
    R_inv : array, shape (n_hrf, n_hrf)
        Inverse prior covariance of the HRF.
    """
    n_rho, n_pairs = statistics.G.shape[:2]
    n_hrf = len(R_inv)
    rows, columns = np.tril_indices(n_hrf)
    lower = statistics.G.reshape(n_rho, n_pairs, n_hrf, n_hrf)[:, :, rows, columns]
    U, s, Vt = np.linalg.svd(lower.reshape(n_rho, -1), full_matrices=False)
    n_basis = max(int(np.sum(s > LOST * s[0])), 1)
    return Design(
        basis=np.ascontiguousarray(Vt[:n_basis]).reshape(n_basis, n_pairs, -1),
        mixing=np.ascontiguousarray(U[:, :n_basis] * s[:n_basis]),
        rho=statistics.rho,
        C=statistics.C,
        inv_PP=statistics.inv_PP,
        log_det=statistics.log_det,
        n_free=float(statistics.n_free),
        R_inv=R_inv,
    )
