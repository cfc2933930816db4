"""Regularised FIR of one parcel: every position by itself, then what they have in common.

Pure functions on arrays. The model is that of Ciuciu et al. 2003 (IEEE TMI 22(10):1235): a smooth
response of each position and condition, ``h_vm ~ N(0, r_vm R)``, nuisance integrated out, all
hyperparameters by maximum likelihood of the second kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.estimators.rfir_kernels import fit_positions
from pyhrf.estimators.rfir_posterior_kernels import level_covariances, posterior_means
from pyhrf.model.graph import NeighbourGraph
from pyhrf.model.statistics import (
    DesignStatistics,
    Moments,
    Projector,
    cross_products,
    parcel_moments,
    without_nuisance,
)
from pyhrf.parameters.rfir import RfirSettings

# Directions of the prior that hold less than this of its variance are left out: some ten are left.
LEAST_SHARE = 1e-5
# Where iterations begin: prior variance of a response, per coefficient, in units of the noise's.
START = 1.0
# How often the parcel's mean response is used to tell where it is strong.
ROUNDS = 2


@dataclass(frozen=True, slots=True)
class RFIRProblem:
    """What the parcels of a study share.

    Attributes
    ----------
    projector : Projector
    design : DesignStatistics
        With `C` in the coordinates of the prior.
    G : array, shape (n_rho, n_conditions * n_coef, n_conditions * n_coef)
        Cross products of the design, likewise.
    basis : array, shape (n_coef, n_hrf)
        Responses whose weights have independent priors of variance ``r``.
    start : array, shape (n_conditions,)
        Prior variances to begin with, in units of the noise's.
    white : int
        Place of the autocorrelation 0 in the grid.
    settings : RfirSettings
        Of the estimator.
    """

    projector: Projector
    design: DesignStatistics
    G: FloatArray
    basis: FloatArray
    start: FloatArray
    white: int
    settings: RfirSettings

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Responses:
    """Posterior of the responses to which time courses belong.

    Attributes
    ----------
    moments : Moments
        In the coordinates of the prior.
    lam : array, shape (n_positions, n_conditions)
        Prior variances in units of the noise's, means over what the data leave open.
    responding : bool array, shape (n_positions, n_conditions)
        Whether the most likely prior variance is above 0.
    rho_index : int array, shape (n_positions,)
        Place of each autocorrelation in the grid.
    noise : array, shape (n_positions,)
        Variance of the innovations.
    z : array, shape (n_positions, n_conditions, n_coef)
        Posterior means of the coordinates.
    sd : array, shape (n_positions, n_conditions, n_hrf)
        Posterior sd of the responses.
    n_iterations : int array, shape (n_positions,)
    converged : bool array, shape (n_positions,)
    trace : array, shape (n_iterations,)
        Log likelihood of all positions after every iteration.
    """

    moments: Moments
    lam: FloatArray
    responding: NDArray[np.bool_]
    rho_index: NDArray[np.int64]
    noise: FloatArray
    z: FloatArray
    sd: FloatArray
    n_iterations: NDArray[np.int64]
    converged: NDArray[np.bool_]
    trace: FloatArray


@dataclass(frozen=True, slots=True)
class RFIRSolution:
    """Responses of a parcel.

    Attributes
    ----------
    responses : Responses
        Of every position.
    mean : array, shape (n_conditions, n_hrf)
        Response of the parcel to each condition, any scale.
    covariance : array, shape (n_conditions, n_hrf, n_hrf)
        Their posterior covariance.
    share : array, shape (n_conditions,)
        Weights with which they give the response to all conditions together.
    """

    responses: Responses
    mean: FloatArray
    covariance: FloatArray
    share: FloatArray


def make_rfir_problem(
    projector: Projector,
    design: DesignStatistics,
    R: FloatArray,
    settings: RfirSettings,
) -> RFIRProblem:
    """Compute what does not depend on the data.

    Parameters
    ----------
    projector, design
        Of the study.
    R : array, shape (n_hrf, n_hrf)
        Prior covariance of a response, up to its scale.
    settings : RfirSettings
    """
    n_hrf = len(R)
    values, vectors = np.linalg.eigh(R)
    kept = values > LEAST_SHARE * values.sum()
    basis = np.ascontiguousarray((vectors[:, kept] * np.sqrt(values[kept])).T[::-1])
    n_conditions = design.C.shape[2] // n_hrf
    W = np.kron(np.eye(n_conditions), basis.T)
    G = W.T @ cross_products(projector, design) @ W
    white = int(np.argmin(np.abs(design.rho)))
    power = np.diag(G[white]).reshape(n_conditions, -1).mean(axis=1)
    power = np.maximum(power, 1e-9 * power.max())  # of what the nuisance leaves nothing
    return RFIRProblem(
        projector,
        design._replace(C=design.C @ W),
        G,
        basis,
        START / power,
        white,
        settings,
    )


def solve_rfir(
    problem: RFIRProblem, bold: NDArray[np.floating], graph: NeighbourGraph
) -> RFIRSolution:
    """Fit the positions of one parcel, then its mean responses.

    Parameters
    ----------
    problem : RFIRProblem
    bold : array, shape (n_scans, n_positions)
        Finite values, none constant.
    graph : NeighbourGraph
        Of its positions.

    Returns
    -------
    RFIRSolution

    Raises
    ------
    FloatingPointError
        If a likelihood leaves the finite numbers.
    """
    Y = without_nuisance(problem.projector, bold)
    found = fit_responses(problem, Y)
    return RFIRSolution(found, *_parcel_responses(problem, Y, found, graph))


def fit_responses(problem: RFIRProblem, Y: FloatArray) -> Responses:
    """Fit time courses without nuisance, shape (n_scans, n_positions), each by itself."""
    n_positions, M = Y.shape[1], problem.n_conditions
    design = problem.design
    n_coef, n_hrf = problem.basis.shape
    moments = _in_coordinates(problem, parcel_moments(problem.projector, Y))
    given = (*moments, problem.G, design.C, design.inv_PP, design.rho)
    lam = np.empty((n_positions, M))
    rho_index = np.full(n_positions, problem.white)
    n_iterations = np.empty(n_positions, dtype=np.int64)
    converged = np.empty(n_positions, dtype=np.bool_)
    trace = np.zeros(problem.settings.n_iterations)
    n_free = float(design.n_free)
    fit_positions(
        *given,
        design.log_det,
        n_free,
        problem.start,
        problem.settings.tolerance * (len(Y) - len(problem.projector.censored)),
        problem.settings.n_iterations,
        *(lam, rho_index, n_iterations, converged, trace),
    )
    if not np.isfinite(trace).all():
        raise FloatingPointError("a log likelihood is not finite")
    responding = lam > 0
    noise = np.empty(n_positions)
    z = np.empty((n_positions, M, n_coef))
    sd = np.empty((n_positions, M, n_hrf))
    posterior_means(*given, n_free, lam, rho_index, problem.basis, noise, z, sd)
    return Responses(
        moments, lam, responding, rho_index, noise, z, sd, n_iterations, converged, trace
    )


def _in_coordinates(problem: RFIRProblem, moments: Moments) -> Moments:
    """Bring the products with the design to the coordinates of the prior."""
    K, M = problem.projector.Q.shape[1], problem.n_conditions
    n_coef, n_hrf = problem.basis.shape
    products, n_positions, _ = moments.ZY.shape
    ZY = np.empty((products, n_positions, K + M * n_coef))
    ZY[:, :, :K] = moments.ZY[:, :, :K]
    by_condition = moments.ZY[:, :, K:].reshape(products, n_positions, M, n_hrf)
    ZY[:, :, K:] = (by_condition @ problem.basis.T).reshape(products, n_positions, -1)
    return Moments(ZY, moments.YY)


def levels_of(
    problem: RFIRProblem, found: Responses, hrf: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Height of every response if it has the shape of `hrf`, and its covariance.

    The projection ``h' h_vm / h' h``.

    Parameters
    ----------
    problem : RFIRProblem
    found : Responses
    hrf : array, shape (n_hrf,)

    Returns
    -------
    array, shape (n_positions, n_conditions)
    array, shape (n_positions, n_conditions, n_conditions)
    """
    weights = problem.basis @ hrf / (hrf @ hrf)
    covariance = np.empty((len(found.lam), problem.n_conditions, problem.n_conditions))
    level_covariances(problem.G, found.lam, found.rho_index, found.noise, weights, covariance)
    return found.z @ weights, covariance


def common_shape(problem: RFIRProblem, found: Responses) -> FloatArray:
    """Shape that the conditions' mean responses have in common: their leading singular vector.

    Returns
    -------
    array, shape (n_hrf,)
        Its largest excursion is +1.
    """
    means = found.z.mean(axis=0) @ problem.basis
    h = np.linalg.svd(means)[2][0]
    return np.asarray(h / h[np.argmax(np.abs(h))])


def _parcel_responses(
    problem: RFIRProblem, Y: FloatArray, found: Responses, graph: NeighbourGraph
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Responses of the parcel: regularised FIR of one mean signal per condition.

    A position counts as its neighbours' levels say, over the variance of its noise: where nothing
    responds little is added, and responses downwards are turned round. The mean signal tells by
    its own noise what neighbours share, and it needs less regularisation than its parts.
    """
    shape = common_shape(problem, found)
    n_conditions = problem.n_conditions
    mean = np.zeros((n_conditions, problem.basis.shape[1]))
    covariance = np.zeros((n_conditions, *2 * mean.shape[1:]))
    for _ in range(ROUNDS):
        level = found.z @ (problem.basis @ shape / (shape @ shape))
        weights = _of_neighbours(level, graph) / found.noise[:, None]
        size = np.abs(weights).sum(axis=0)
        signals = fit_responses(problem, Y @ (weights / size))
        for m in range(n_conditions):
            mean[m] = signals.z[m, m] @ problem.basis
            covariance[m] = _covariance(problem, signals, m)
        share = size / size.sum()
        shape = share @ mean
        shape = shape / shape[np.argmax(np.abs(shape))]
    return mean, covariance, share


def _of_neighbours(level: FloatArray, graph: NeighbourGraph) -> FloatArray:
    """Sum the neighbours' levels; where there is no neighbour, a level is its own.

    A position's own level follows its own noise: with it in the weights, the errors of the mean
    response covered the truth in three cases of four where they promise 95 of a hundred.
    """
    n_neighbours = np.diff(graph.start)
    total = np.where(n_neighbours[:, None] > 0, 0.0, level)
    np.add.at(total, np.repeat(np.arange(len(level)), n_neighbours), level[graph.neighbours])
    return total


def _covariance(problem: RFIRProblem, found: Responses, m: int) -> FloatArray:
    """Posterior covariance of the response to condition `m` in time course `m`."""
    n_coef = len(problem.basis)
    root = np.repeat(np.sqrt(found.lam[m]), n_coef)
    A = np.eye(len(root)) + root[:, None] * problem.G[found.rho_index[m]] * root
    own = slice(m * n_coef, (m + 1) * n_coef)
    inverse = found.noise[m] * found.lam[m, m] * np.linalg.inv(A)[own, own]
    return np.asarray(problem.basis.T @ inverse @ problem.basis)
