"""Fits and tests of the general linear model, all of them nilearn's; runs by fixed effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from nilearn.glm.contrasts import Contrast, compute_contrast
from nilearn.glm.first_level import run_glm

from pyhrf.data import FloatArray
from pyhrf.estimators.checks import NoiseKind
from pyhrf.estimators.glm_design import GLMDesign, RunDesign

__all__ = ["Fit", "f_test", "fit_runs", "response_covariance", "responses", "t_test"]


@dataclass(frozen=True, slots=True)
class Fit:
    """What nilearn's ``run_glm`` returned for one run.

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
    model = "ar1" if noise == "ar1" else "ols"
    for run in design.runs:
        n_scans = len(run.matrix)
        part = bold[first : first + n_scans].astype(np.float64)
        fits.append(Fit(run, *run_glm(part, run.matrix, noise_model=model)))
        first += n_scans
    return fits


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
