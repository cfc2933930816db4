"""From nilearn's fits of a parcel to the tables and maps that users read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from nilearn.glm.contrasts import Contrast
from numpy.typing import NDArray

from pyhrf.data import FloatArray, Parcel, ParcelEstimate
from pyhrf.estimators.glm_design import GLMDesign
from pyhrf.estimators.glm_fit import (
    RunFit,
    f_test,
    fit_runs,
    response_covariance,
    responses,
    t_test,
)
from pyhrf.estimators.summary import estimated, shape_figures
from pyhrf.model.fitted import Part, mean_courses, share, squares
from pyhrf.model.hrf import scaled_to_peak
from pyhrf.outputs.maps import MapName
from pyhrf.parameters.model import NoiseKind

# Share of the positions, those with the highest F, whose mean signal gives a parcel's HRF.
TOP = 0.1


def summarise_glm(
    design: GLMDesign,
    fits: Sequence[RunFit],
    *,
    bold: FloatArray,
    noise: NoiseKind,
    parcel: Parcel,
    usable: NDArray[np.bool_],
    conditions: tuple[str, ...],
    contrasts: Mapping[str, FloatArray],
    kept: NDArray[np.bool_],
) -> ParcelEstimate:
    """Tabulate tests, responses and noise of a parcel.

    Parameters
    ----------
    design : GLMDesign
    fits : sequence of RunFit
        Of the usable positions.
    bold : array, shape (n_kept_scans, n_usable)
        Their signal.
    noise : {"ar1", "white"}
    parcel : Parcel
    usable : bool array, shape (n_positions,)
        Positions that were fitted; the others become NaN.
    conditions : tuple of str
    contrasts : mapping of str to array, shape (n_conditions,)
    kept : bool array, shape (n_scans,)
        Which of all scans count.

    Returns
    -------
    ParcelEstimate
    """
    units = _units(fits, len(conditions))
    maps: dict[MapName, FloatArray] = {}
    F = np.empty((len(conditions), bold.shape[1]))
    for m, condition in enumerate(conditions):
        weights = np.eye(len(conditions))[m]
        level, tests = _tests(fits, weights, units, design)
        F[m] = tests["F"]
        maps |= {(kind, condition): values for kind, values in tests.items()}
        maps |= _levels("nrl", condition, level)
    for name, weights in contrasts.items():
        level, tests = _tests(fits, weights, units, design)
        maps |= {(f"contrast_{kind}", name): values for kind, values in tests.items()}
        maps |= _levels("contrast", name, level)
    if design.is_fir:
        found = responses(fits, len(conditions))
        maps |= {("response", name): found[m].T for m, name in enumerate(conditions)}
    maps |= _noise_maps(fits)
    parts = _parts(fits, bold)
    total, left = np.zeros((2, bold.shape[1]))
    for part in parts:
        of_run = squares(*part)
        total, left = total + of_run[0], left + of_run[1]
    maps["r2", ""] = share(total, left)
    hrf = _parcel_hrf(design, bold, noise, F, conditions)
    return estimated(
        parcel,
        usable,
        summary={
            **_shape(hrf["time"], hrf["hrf"]),
            "r2": float(share(total.sum(), left.sum())),
        },
        conditions={
            "mean_nrl": np.array([maps["nrl", name].mean() for name in conditions]),
            "max_z": np.array([maps["z", name].max() for name in conditions]),
        },
        hrf=hrf,
        maps=maps,
        courses=mean_courses(parts, maps["r2", ""], kept),
    )


def _units(fits: Sequence[RunFit], n_conditions: int) -> FloatArray:
    """Height of each condition's response per unit of its coefficients, (n_runs, n_conditions)."""
    return np.array([[fit.design.unit.get(m, 0.0) for m in range(n_conditions)] for fit in fits])


def _tests(
    fits: Sequence[RunFit], weights: FloatArray, units: FloatArray, design: GLMDesign
) -> tuple[Contrast, dict[str, FloatArray]]:
    """Test a contrast of heights: t and F, and the effect in nilearn's unit if there is one.

    A column of nilearn's is many times higher for events that last than for impulses: coefficients
    are compared as the heights that they stand for. Where all that a contrast uses have one unit
    the tests are nilearn's own; where they have not, coefficients have no sum that means anything.
    """
    level = t_test(fits, weights * units, design.level)
    F = f_test(fits, weights * units, design.n_basis)
    tests = {
        "t": level.stat(),
        "z": level.z_score(),
        "p": level.p_value(),
        "F": F.stat(),
        "F_z": F.z_score(),
        "F_p": F.p_value(),
    }
    used = units[:, weights != 0]
    used = used[used > 0]
    if np.allclose(used, used[0]):
        own = t_test(fits, weights, design.level)
        tests |= {"effect": own.effect_size(), "effect_variance": own.effect_variance()}
    return level, tests


def _levels(kind: str, name: str, contrast: Contrast) -> dict[MapName, FloatArray]:
    """Height of the response, in the unit of the data, and its standard error."""
    return {
        (kind, name): contrast.effect_size(),
        (f"{kind}_sd", name): np.sqrt(contrast.effect_variance()),
    }


def _noise_maps(fits: Sequence[RunFit]) -> dict[MapName, FloatArray]:
    """Noise of each position, mean over runs: sd, AR(1) coefficient, and what that leaves."""
    variance, rho, left = [], [], []
    for fit in fits:
        # nilearn's labels of AR(1) models are their coefficients
        rho.append(fit.labels.astype(np.float64))
        # of a few scans, or numbers that are too large, a coefficient may be 1: infinite, and seen
        with np.errstate(divide="ignore", invalid="ignore"):
            variance.append(fit.dispersion / (1 - rho[-1] ** 2))
        w = fit.gather("whitened_residuals")
        left.append(np.sum(w[1:] * w[:-1], axis=0) / np.sum(w**2, axis=0))
    return {
        ("noise_sd", ""): np.sqrt(np.mean(variance, axis=0)),
        ("ar1", ""): np.mean(rho, axis=0),
        ("residual_ar1", ""): np.mean(left, axis=0),
    }


def _parts(fits: Sequence[RunFit], bold: FloatArray) -> list[Part]:
    """Give data, the task's signal and a basis of the nuisance of each run."""
    parts = []
    first = 0
    for fit in fits:
        matrix = fit.design.matrix
        is_task = np.zeros(matrix.shape[1], np.bool_)
        for columns in fit.design.columns.values():
            is_task[columns] = True
        task = matrix[:, is_task] @ fit.gather("theta")[is_task]
        Q = np.linalg.qr(matrix[:, ~is_task])[0]
        parts.append((bold[first : first + len(matrix)], task, Q))
        first += len(matrix)
    return parts


def _parcel_hrf(
    design: GLMDesign,
    bold: FloatArray,
    noise: NoiseKind,
    F: FloatArray,
    conditions: tuple[str, ...],
) -> dict[str, FloatArray]:
    """HRF of a parcel: of the mean signal of the positions with the highest F, fitted again.

    The noise of that signal is that of the mean, so that the errors know what neighbours share;
    they do not know that the positions were chosen.
    """
    time = design.time
    if design.n_basis == 1:
        return {"time": time, "hrf": design.basis[0], "sd": np.zeros(len(time))}
    fits = fit_runs(design, _top_signals(design, bold, noise, F), noise)
    coefficients = responses(fits, len(conditions))
    mean, covariance = [], []
    for m in range(len(conditions)):
        own = response_covariance(fits, m, m)
        mean.append(coefficients[m, :, m] @ design.basis)
        covariance.append(design.basis.T @ own @ design.basis)
    share = _share_of_top(F)
    together = scaled_to_peak(
        np.einsum("m,mt->t", share, mean), np.einsum("m,mtu->tu", share**2, covariance)
    )
    each = [scaled_to_peak(h, Sigma) for h, Sigma in zip(mean, covariance, strict=True)]
    return {
        "time": time,
        "hrf": together[0],
        "sd": together[1],
        "hrf_by_condition": np.stack([one[0] for one in each]),
        "sd_by_condition": np.stack([one[1] for one in each]),
    }


def _top_signals(
    design: GLMDesign, bold: FloatArray, noise: NoiseKind, F: FloatArray
) -> FloatArray:
    """Mean signal of the best positions of every condition, negative responses turned round."""
    n_top = max(1, round(TOP * F.shape[1]))
    signals = np.empty((len(bold), len(F)))
    for m, score in enumerate(F):
        top = np.argsort(-score, kind="stable")[:n_top]
        weights = np.eye(len(F))[m]
        level = t_test(fit_runs(design, bold[:, top], noise), weights, design.level)
        sign = np.where(level.effect_size() < 0, -1.0, 1.0)
        signals[:, m] = (bold[:, top] * sign).mean(axis=1)
    return signals


def _share_of_top(F: FloatArray) -> FloatArray:
    """Share of each condition in the best pairs of a condition and a position."""
    n_top = max(1, round(TOP * F.size))
    top = np.argsort(-F.ravel(), kind="stable")[:n_top]
    return np.bincount(top // F.shape[1], minlength=len(F)) / n_top


def _shape(time: FloatArray, hrf: FloatArray) -> dict[str, float]:
    """Figures of the HRF's shape; of uneven times only the peak."""
    steps = np.diff(time)
    if not np.allclose(steps, steps[0]):
        return {"time_to_peak": float(time[np.argmax(hrf)])}
    # zeros beyond the ends, where a response has not begun or has ended
    figures = shape_figures(np.pad(hrf, 1), float(steps[0]))
    figures["time_to_peak"] = float(figures["time_to_peak"] + time[0] - steps[0])
    return figures
