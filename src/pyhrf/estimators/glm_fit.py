"""Fits and tests of the general linear model, all of them nilearn's; runs by fixed effects.

nilearn's ``run_glm`` inverts the design for each rounded autocorrelation that occurs, which in a
parcel is nearly one for each position. Here its models are kept for the parcels that follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nilearn.glm import ARModel, OLSModel
from nilearn.glm.contrasts import Contrast, compute_contrast

from pyhrf.data import FloatArray
from pyhrf.estimators.checks import NoiseKind
from pyhrf.estimators.glm_design import GLMDesign, RunDesign

__all__ = ["Fit", "f_test", "fit_runs", "response_covariance", "responses", "t_test"]

# nilearn's rounding of autocorrelations, and the bytes that the models of a run may take.
BINS = 100
KEPT_BYTES = 32_000_000


@dataclass(frozen=True, slots=True)
class Fit:
    """What nilearn's ``run_glm`` returns for one run.

    Attributes
    ----------
    design : RunDesign
    labels : array, shape (n_positions,)
        Which of the results holds a position.
    results : dict
        nilearn's regression results by label.
    """

    design: RunDesign
    labels: Any
    results: dict[Any, Any]

    def gather(self, what: str) -> FloatArray:
        """Collect an attribute of the results, whose last axis are positions."""
        values = {label: np.asarray(getattr(one, what)) for label, one in self.results.items()}
        shape = next(iter(values.values())).shape[:-1]
        gathered = np.empty((*shape, len(self.labels)))
        for label, some in values.items():
            gathered[..., self.labels == label] = some
        return gathered


def fit_runs(design: GLMDesign, bold: FloatArray, noise: NoiseKind) -> list[Fit]:
    """Fit every run by itself.

    Parameters
    ----------
    design : GLMDesign
    bold : array, shape (n_scans, n_positions)
        Runs one after the other.
    noise : {"ar1", "white"}

    Returns
    -------
    list of Fit
    """
    fits, first = [], 0
    for run in design.runs:
        n_scans = len(run.matrix)
        part = bold[first : first + n_scans].astype(np.float64)
        fits.append(_fit(run, part, noise))
        first += n_scans
    return fits


def _fit(run: RunDesign, bold: FloatArray, noise: NoiseKind) -> Fit:
    """Fit one run as ``run_glm`` does, by nilearn's models."""
    plain = _model(run, 0.0, OLSModel).fit(bold)
    if noise == "white":
        return Fit(run, np.zeros(bold.shape[1]), {0.0: plain})
    labels = _rounded_autocorrelation(np.asarray(plain.residuals))
    results = {
        float(rho): _model(run, float(rho), ARModel).fit(bold[:, labels == rho])
        for rho in np.unique(labels)
    }
    return Fit(run, labels, results)


def _rounded_autocorrelation(residuals: FloatArray) -> FloatArray:
    """Lag-1 autocorrelation by Yule and Walker, cut to a hundredth as nilearn does."""
    n = len(residuals)
    y = residuals - residuals.mean()
    variance = np.einsum("nv,nv->v", y, y) / n
    if not variance.all():
        raise FloatingPointError("a position has no residual")
    covariance = np.einsum("nv,nv->v", y[1:], y[:-1]) / (n - 1)
    return np.asarray((covariance / variance * BINS).astype(int) / BINS)


def _model(run: RunDesign, rho: float, kind: type[Any]) -> Any:
    """Give the model of an autocorrelation, kept from an earlier parcel if there is one."""
    key = (kind.__name__, rho)
    model = run.models.get(key)
    if model is None:
        model = kind(run.matrix, rho) if kind is ARModel else kind(run.matrix)
        # beside the design, it whitened and its inverse
        if (len(run.models) + 1) * 3 * run.matrix.nbytes < KEPT_BYTES:
            run.models[key] = model
    return model


def t_test(fits: Sequence[Fit], weights: FloatArray, basis: FloatArray) -> Contrast:
    """Test a weighted sum of the conditions.

    Parameters
    ----------
    fits : sequence of Fit
        One per run; a condition counts with its mean over the runs that have it.
    weights : array, shape (n_conditions,) or (n_runs, n_conditions)
    basis : array, shape (n_basis,)
        Weights of each condition's columns.

    Returns
    -------
    nilearn Contrast
        With ``effect_size``, ``effect_variance``, ``stat``, ``z_score`` and ``p_value``.
    """
    return _combined(fits, weights, basis[None, :], "t")


def f_test(fits: Sequence[Fit], weights: FloatArray, n_basis: int) -> Contrast:
    """Test whether a weighted sum of the conditions has any response, in all of the basis."""
    return _combined(fits, weights, np.eye(n_basis), "F")


def _combined(fits: Sequence[Fit], weights: FloatArray, basis: FloatArray, kind: str) -> Contrast:
    weights = np.broadcast_to(weights, (len(fits), np.shape(weights)[-1]))
    n_runs = np.array(
        [sum(m in fit.design.columns for fit in fits) for m in range(weights.shape[1])]
    )
    parts = []
    for fit, each in zip(fits, weights, strict=True):
        rows = np.zeros((len(basis), fit.design.matrix.shape[1]))
        for m, columns in fit.design.columns.items():
            rows[:, columns] = basis * (each[m] / n_runs[m])
        if rows.any():
            rows = rows[0] if kind == "t" else rows
            parts.append(compute_contrast(fit.labels, fit.results, rows, stat_type=kind))
    if kind == "F" and len(parts) > 1:
        # nilearn's F effects are free of the scale of a contrast: here the mean is taken
        parts = [part * (1 / len(parts)) for part in parts]
    # as nilearn's own sum of contrasts, which warns of every F
    return Contrast(
        effect=np.sum([part.effect for part in parts], axis=0),
        variance=np.sum([part.variance for part in parts], axis=0),
        dim=len(basis),
        dof=sum(part.dof for part in parts),
        stat_type=kind,
    )


def responses(fits: Sequence[Fit], n_conditions: int) -> FloatArray:
    """Coefficients of the basis for every condition, mean over runs, in the unit of the data.

    Returns
    -------
    array, shape (n_conditions, n_basis, n_positions)
    """
    found: list[list[FloatArray]] = [[] for _ in range(n_conditions)]
    for fit in fits:
        theta = fit.gather("theta")
        for m, columns in fit.design.columns.items():
            found[m].append(fit.design.unit[m] * (fit.design.mixing[m] @ theta[columns]))
    return np.stack([np.mean(each, axis=0) for each in found])


def response_covariance(fits: Sequence[Fit], condition: int, position: int) -> FloatArray:
    """Covariance of the coefficients of `responses` at one position, by nilearn's ``vcov``.

    Returns
    -------
    array, shape (n_basis, n_basis)
    """
    parts = []
    for fit in fits:
        if condition in fit.design.columns:
            label = fit.labels[position]
            result = fit.results[label]
            columns = np.arange(fit.design.matrix.shape[1])[fit.design.columns[condition]]
            mine = int(np.flatnonzero(np.flatnonzero(fit.labels == label) == position)[0])
            A = fit.design.unit[condition] * fit.design.mixing[condition]
            covariance = result.vcov(column=columns, dispersion=float(result.dispersion[mine]))
            parts.append(A @ covariance @ A.T)
    return np.asarray(np.sum(parts, axis=0) / len(parts) ** 2)
