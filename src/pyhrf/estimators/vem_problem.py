"""What the parcels of a study share in the variational EM, computed once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from pyhrf.data import Experiment, FloatArray
from pyhrf.estimators.checks import strength_of
from pyhrf.estimators.vem_kernels import contract_design
from pyhrf.estimators.vem_state import Prior
from pyhrf.model.checks import checked_design
from pyhrf.model.hrf import canonical_coefficients, canonical_hrf, prior_precision, rougher_part
from pyhrf.model.noise_spectrum import CosineBasis, cosine_basis, to_cosines
from pyhrf.model.nuisance import independent_columns
from pyhrf.model.statistics import DesignStatistics, Projector, design_statistics
from pyhrf.parameters.model import ModelSettings
from pyhrf.parameters.vem import VemSettings

# Grid of lag-1 autocorrelations, and the peak times of the HRFs to begin with, seconds.
AR1_GRID = np.round(np.arange(-0.2, 0.91, 0.05), 2)
# Directions of the HRF's prior that a response is made of when the noise is measured.
N_RESPONSES = 4
# At least this part of the free scans is left when all possible responses have been taken out,
# and at least so many.
LEAST_LEFT = (1 / 3, 20)
START_PEAKS = (3.5, 4.25, 5.0, 6.0, 7.0, 8.0)


@dataclass(frozen=True, slots=True)
class CosineDesign:
    """The design in the cosine basis of its runs, for noise that positions share.

    Attributes
    ----------
    basis : CosineBasis
    X : array, shape (n_scans, n_conditions * n_hrf)
        The design, without its nuisance.
    Q : array, shape (n_scans, n_nuisance)
        The nuisance.
    responses : array, shape (n_responses, n_hrf)
        Directions in which HRFs vary most under their prior, the first one most.
    rougher : array, shape (n_hrf, n_hrf)
        As of `pyhrf.model.hrf.rougher_part`.
    white : bool
        Whether the noise has the same variance at all frequencies.
    """

    basis: CosineBasis
    X: FloatArray
    Q: FloatArray
    responses: FloatArray
    rougher: FloatArray
    white: bool


@dataclass(frozen=True, slots=True)
class VEMProblem:
    """Design, prior and settings.

    Attributes
    ----------
    projector : Projector
        Turns data into statistics.
    design : DesignStatistics
        For every autocorrelation of the grid.
    prior : Prior
        The same and the HRF's prior, for the iterations.
    white : int
        Place of the autocorrelation 0 in the grid.
    starts : array, shape (n_starts, n_hrf)
        HRFs to begin with; the one that explains most is taken.
    start_Gamma, start_inverse : arrays, shape (n_starts, n_rho, n_conditions, n_conditions)
        Cross products of the regressors that they make, and their pseudo-inverses.
    settings : VemSettings
        Of the estimator.
    explained : array, shape (n_scans, n_explained)
        Orthonormal basis of the nuisance and of all that a response could be.
    cosines : CosineDesign or None
        For noise that positions share; None takes the noise of each for its own.
    """

    projector: Projector
    design: DesignStatistics
    prior: Prior
    white: int
    starts: FloatArray
    start_Gamma: FloatArray
    start_inverse: FloatArray
    settings: VemSettings
    explained: FloatArray
    cosines: CosineDesign | None = None

    @property
    def n_iterations(self) -> int:
        """Largest number of iterations, once the field is fixed."""
        return self.settings.n_iterations

    @property
    def beta(self) -> float | None:
        """Strength of the field; None to choose it, with its log odds, per condition."""
        return strength_of(self.settings.beta)

    @property
    def n_conditions(self) -> int:
        """Number of conditions."""
        return self.start_Gamma.shape[-1]

    @property
    def n_hrf(self) -> int:
        """Number of free HRF coefficients."""
        return self.starts.shape[1]


def experiment_problem(
    experiment: Experiment,
    model: ModelSettings,
    settings: VemSettings,
    *,
    canonical: bool = False,
) -> VEMProblem:
    """Check what an experiment and the settings of its model say, and compute what they share.

    Parameters
    ----------
    experiment : Experiment
    model : ModelSettings
    settings : VemSettings
    canonical : bool
        Whether the HRF is the canonical one, of which the scale alone is free: it has a single
        coefficient, and all else is the same.

    Raises
    ------
    InputError
        If a value is not allowed, or the design leaves no scan free.
    """
    # the last digits depend on the number of threads
    with threadpool_limits(1, user_api="blas"):
        X, P = checked_design(experiment, model)
        is_white = model.noise == "white"
        if canonical:
            X = (X @ canonical_coefficients(X.shape[2], model.dt))[:, :, None]
            R_inv, rougher = np.ones((1, 1)), np.zeros((1, 1))
            starts = np.ones((len(START_PEAKS), 1))
        else:
            n_hrf = X.shape[2]
            R_inv, rougher = (part(n_hrf, model.dt) for part in (prior_precision, rougher_part))
            times = model.dt * np.arange(1, n_hrf + 1, dtype=np.float64)
            starts = np.array([canonical_hrf(times * 5.0 / peak) for peak in START_PEAKS])
        projector, design = design_statistics(
            X,
            P,
            tuple(run.n_scans for run in experiment.runs),
            np.zeros(1) if is_white else AR1_GRID,
            kept=experiment.kept,
        )
        return make_problem(
            projector,
            design,
            R_inv=R_inv,
            starts=starts,
            settings=settings,
            cosines=_cosine_design(experiment, projector, R_inv, rougher, white=is_white)
            if settings.shared_noise == "measured"
            else None,
        )


def _cosine_design(
    experiment: Experiment,
    projector: Projector,
    R_inv: FloatArray,
    rougher: FloatArray,
    *,
    white: bool,
) -> CosineDesign:
    basis = cosine_basis(experiment)
    n_nuisance = projector.Q.shape[1]
    cosines = to_cosines(projector.Z, basis.run_lengths)
    return CosineDesign(
        basis,
        np.ascontiguousarray(cosines[:, n_nuisance:]),
        np.ascontiguousarray(cosines[:, :n_nuisance]),
        _responses(R_inv),
        rougher,
        white,
    )


def _responses(R_inv: FloatArray) -> FloatArray:
    """Directions in which HRFs vary most under their prior, shape (n_responses, n_hrf)."""
    return np.ascontiguousarray(np.linalg.eigh(R_inv)[1][:, :N_RESPONSES].T)


def n_responses_with_room(n_free: int, n_conditions: int) -> int:
    """Count the directions of a response that can be taken out of the data; at least 0.

    Parameters
    ----------
    n_free : int
        Scans less nuisance regressors.
    n_conditions : int
    """
    room = n_free - max(LEAST_LEFT[0] * n_free, LEAST_LEFT[1])
    return min(N_RESPONSES, max(int(room // n_conditions), 0))


def _explained(projector: Projector, responses: FloatArray) -> FloatArray:
    """Give an orthonormal basis of nuisance and responses of all conditions."""
    n_scans, n_nuisance = projector.Q.shape
    X = projector.Z[:, n_nuisance:].reshape(n_scans, -1, responses.shape[1])
    regressors = (X @ responses.T).reshape(n_scans, -1)
    return np.hstack([projector.Q, independent_columns(regressors, projector.Q)])


def make_problem(
    projector: Projector,
    design: DesignStatistics,
    *,
    R_inv: FloatArray,
    starts: FloatArray,
    settings: VemSettings,
    cosines: CosineDesign | None = None,
) -> VEMProblem:
    """Compute what does not depend on the data.

    Parameters
    ----------
    projector, design
        Of the study.
    R_inv : array, shape (n_hrf, n_hrf)
        Inverse prior covariance of the HRF, up to its scale.
    starts : array, shape (n_starts, n_hrf)
        HRFs to begin with.
    settings, cosines
        As in `VEMProblem`.
    """
    n_conditions = design.C.shape[2] // starts.shape[1]
    every = np.ones(len(design.rho), dtype=np.bool_)
    responses = _responses(R_inv)[: n_responses_with_room(design.n_free, n_conditions)]
    Gamma = np.array(
        [contract_design(design.G, np.outer(h, h), every, n_conditions) for h in starts]
    )
    prior = Prior(
        design.G,
        design.log_det,
        float(design.n_free),
        R_inv,
        float(np.linalg.slogdet(R_inv)[1]),
    )
    return VEMProblem(
        projector=projector,
        design=design,
        prior=prior,
        white=int(np.argmin(np.abs(design.rho))),
        starts=starts,
        start_Gamma=Gamma,
        start_inverse=np.linalg.pinv(Gamma, hermitian=True),
        settings=settings,
        explained=_explained(projector, responses),
        cosines=cosines,
    )
