"""Fits and tests of the general linear model, all of them nilearn's; runs by fixed effects.

nilearn's ``run_glm`` inverts the design for each rounded autocorrelation that occurs, which in a
parcel is nearly one for each position. Here its models are kept for the parcels that follow, and
what nilearn's t and F test of one row have in common is done once for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from nilearn.glm import ARModel, OLSModel
from nilearn.glm.contrasts import Contrast, compute_contrast

from pyhrf.data import FloatArray
from pyhrf.estimators.glm_design import GLMDesign, RunDesign
from pyhrf.parameters.model import NoiseKind

# nilearn's rounding of autocorrelations, and the bytes that the models of a run may take.
BINS = 100
KEPT_BYTES = 32_000_000
_NO_OFFSET = 1e-6  # of the sd of the noise


@dataclass(frozen=True)
class RunFit:
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
    _sums: dict[bytes, tuple[FloatArray, FloatArray]] = field(default_factory=dict, init=False)

    @cached_property
    def _places(self) -> dict[Any, Any]:
        """Indices of the positions that each result holds."""
        return {label: np.flatnonzero(self.labels == label) for label in self.results}

    @cached_property
    def dispersion(self) -> FloatArray:
        """Variance of the noise of each position, whitened."""
        return self.gather("dispersion")

    def row_sums(self, row: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Give a weighted sum of the coefficients, and its variance per unit of the noise's.

        Parameters
        ----------
        row : array, shape (1, n_columns)

        Returns
        -------
        effect, variance : array, shape (n_positions,)
        """
        key = row.tobytes()
        if key not in self._sums:
            effect, variance = np.empty((2, len(self.labels)))
            for label, one in self.results.items():
                mine = self._places[label]
                effect[mine] = np.dot(row, one.theta)[0]
                variance[mine] = np.dot(row, np.dot(one.cov, row.T))[0, 0]
            self._sums[key] = effect, variance
        return self._sums[key]

    def gather(self, what: str) -> FloatArray:
        """Collect an attribute of the results, whose last axis are positions."""
        values = {label: np.asarray(getattr(one, what)) for label, one in self.results.items()}
        shape = next(iter(values.values())).shape[:-1]
        gathered = np.empty((*shape, len(self.labels)))
        for label, some in values.items():
            gathered[..., self._places[label]] = some
        return gathered


def fit_runs(design: GLMDesign, bold: FloatArray, noise: NoiseKind) -> list[RunFit]:
    """Fit every run by itself.

    Parameters
    ----------
    design : GLMDesign
    bold : array, shape (n_scans, n_positions)
        Runs one after the other.
    noise : {"ar1", "white"}

    Returns
    -------
    list of RunFit
    """
    fits, first = [], 0
    for run in design.runs:
        n_scans = len(run.matrix)
        part = bold[first : first + n_scans].astype(np.float64)
        fits.append(_fit(run, part, noise))
        first += n_scans
    return fits


def _fit(run: RunDesign, bold: FloatArray, noise: NoiseKind) -> RunFit:
    """Fit one run as ``run_glm`` does, by nilearn's models."""
    plain = _model(run, 0.0, OLSModel).fit(bold)
    if noise == "white":
        return RunFit(run, np.zeros(bold.shape[1]), {0.0: plain})
    labels = _rounded_autocorrelation(np.asarray(plain.residuals))
    results = {
        float(rho): _model(run, float(rho), ARModel).fit(bold[:, labels == rho])
        for rho in np.unique(labels)
    }
    return RunFit(run, labels, results)


def _rounded_autocorrelation(residuals: FloatArray) -> FloatArray:
    """Lag-1 autocorrelation by Yule and Walker, cut to a hundredth as nilearn does."""
    n = len(residuals)
    mean = residuals.mean()  # of all, as nilearn's: 0 but for rounding
    y = residuals - mean
    variance = np.einsum("nv,nv->v", y, y) / n
    # The rounding of a position of huge values would be an offset of all others.
    if (far := mean**2 > _NO_OFFSET**2 * variance).any():
        y[:, far] = residuals[:, far] - residuals[:, far].mean(axis=0)
        variance[far] = np.einsum("nv,nv->v", y[:, far], y[:, far]) / n
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


def t_test(fits: Sequence[RunFit], weights: FloatArray, basis: FloatArray) -> Contrast:
    """Test a weighted sum of the conditions.

    Parameters
    ----------
    fits : sequence of RunFit
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


def f_test(fits: Sequence[RunFit], weights: FloatArray, n_basis: int) -> Contrast:
    """Test whether a weighted sum of the conditions has any response, in all of the basis."""
    return _combined(fits, weights, np.eye(n_basis), "F")


def _combined(
    fits: Sequence[RunFit], weights: FloatArray, basis: FloatArray, kind: str
) -> Contrast:
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
            parts.append(_test_of_run(fit, rows, kind))
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


def _test_of_run(fit: RunFit, rows: FloatArray, kind: str) -> Contrast:
    """Test rows as ``compute_contrast`` does: the same numbers, to the last bit."""
    if len(rows) > 1:
        return compute_contrast(fit.labels, fit.results, rows, stat_type=kind)
    effect, variance = fit.row_sums(rows)
    dispersion = fit.dispersion
    last = next(reversed(fit.results.values()))
    if kind == "t":
        variance = np.sqrt(variance * dispersion) ** 2
    else:
        effect, variance = (np.sqrt(1 / variance) * effect)[None, :], dispersion
    return Contrast(effect=effect, variance=variance, dim=1, dof=last.df_residuals, stat_type=kind)


def responses(fits: Sequence[RunFit], n_conditions: int) -> FloatArray:
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


def response_covariance(fits: Sequence[RunFit], condition: int, position: int) -> FloatArray:
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
