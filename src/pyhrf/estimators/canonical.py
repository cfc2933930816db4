"""Is the canonical HRF enough? What the data that an HRF was estimated from say of it."""

from __future__ import annotations

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.estimators.vem_fit import VEMSolution
from pyhrf.model.hrf import canonical_coefficients, rougher_part


def hrf_priors(R_inv: FloatArray, dt: float) -> tuple[FloatArray, FloatArray]:
    """Give the covariance of the HRF's prior, up to its scale, without and with rougher responses.

    Parameters
    ----------
    R_inv : array, shape (n_hrf, n_hrf)
        Inverse prior covariance, up to its scale.
    dt : float
        Step of the HRF, seconds.
    """
    prior = np.linalg.inv(R_inv).astype(np.float64, copy=False)
    return prior, prior + rougher_part(len(prior), dt)


def evidence_of(solution: VEMSolution, priors: tuple[FloatArray, FloatArray], dt: float) -> float:
    """Give `log_bayes_canonical` of a parcel.

    Parameters
    ----------
    solution : VEMSolution
    priors : pair of array, shape (n_hrf, n_hrf)
        As `hrf_priors` gives them: with shared noise the covariance allows for rougher responses.
    dt : float
        Step of the HRF, seconds.
    """
    state, prior = solution.state, priors[solution.shared]
    return log_bayes_canonical(state.h, solution.hrf_covariance, state.v_h[0] * prior, dt)


def log_bayes_canonical(
    h: FloatArray, covariance: FloatArray, prior: FloatArray, dt: float
) -> float:
    """Log Bayes factor of a free HRF against one of canonical shape, whatever its height.

    The second model is the first where all components ``u`` that are orthogonal to the canonical
    HRF are 0, so that the factor is the prior's density there over the posterior's (Savage and
    Dickey; Verdinelli and Wasserman 1995, JASA 90:614). To first order it is the difference of the
    two free energies with the noise as it was measured.

    Parameters
    ----------
    h : array, shape (n_hrf,)
        The HRF, posterior mean.
    covariance : array, shape (n_hrf, n_hrf)
        Of its posterior.
    prior : array, shape (n_hrf, n_hrf)
        Covariance of its prior, whose mean is 0.
    dt : float
        Step of the HRF, seconds.

    Returns
    -------
    float
        In nats; below 0 where the data speak for the canonical shape.
    """
    canonical = canonical_coefficients(len(h), dt)
    others = np.linalg.svd(canonical[None])[2][1:]
    before, after = (others @ each @ others.T for each in (prior, covariance))
    return _log_density_at_0(0 * (others @ h), before) - _log_density_at_0(others @ h, after)


def _log_density_at_0(mean: FloatArray, covariance: FloatArray) -> float:
    """Log density of a normal distribution at 0, up to the constant of its dimension."""
    root = np.linalg.cholesky(covariance)
    scaled = np.linalg.solve(root, mean)
    return float(-0.5 * scaled @ scaled - np.sum(np.log(np.diag(root))))
