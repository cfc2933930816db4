"""The peer: nilearn's general linear model with AR(1) noise, as a careful user runs it.

Cosine drift with the cut-off that PyHRF has, exact onsets and durations, runs combined by fixed
effects, smoothing within the mask over the whole volume, and every HRF model that nilearn offers
for one kind of response: SPM's canonical one, the same with its time and dispersion derivatives,
and finite impulse responses (FIR).
"""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from nilearn.glm.contrasts import compute_fixed_effect_contrast
from nilearn.glm.first_level import make_first_level_design_matrix, run_glm
from nilearn.glm.first_level.hemodynamic_models import (
    compute_regressor,
    spm_dispersion_derivative,
    spm_hrf,
    spm_time_derivative,
)
from scipy.ndimage import gaussian_filter1d

from pyhrf.data import FloatArray, Run
from pyhrf.simulation.simulate import HRF_TIME, Simulated
from validation.mixture import activation_probability
from validation.outcome import Outcome

__all__ = ["HIGH_PASS", "Model", "fit_glm", "run_design", "smooth_within_mask"]

Model = Literal["canonical", "derivatives", "fir"]

KERNELS: dict[Model, list[Any]] = {
    "canonical": [spm_hrf],
    "derivatives": [spm_hrf, spm_time_derivative, spm_dispersion_derivative],
}
HIGH_PASS = 1 / 128.0
FIR_SECONDS = 20.0
TOP = 0.1
"""Share of the (voxel, condition) pairs of a parcel, those with the highest z, whose mean is taken
for its HRF."""


def fit_glm(data: Simulated, *, model: Model, fwhm: float) -> Outcome:
    """Fit a mass-univariate GLM.

    Parameters
    ----------
    data : Simulated
    model : {"canonical", "derivatives", "fir"}
    fwhm : float
        Smoothing, mm; 0 for none.

    Returns
    -------
    Outcome
        Scores are z values of a t test of the canonical response, of an F test of the others.
    """
    bold = smooth_within_mask(data, fwhm) if fwhm else data.bold
    names = data.experiment.conditions
    labels, results, sizes, start = [], [], [], 0
    for run in data.experiment.runs:
        design, width = run_design(run, names, model)
        part = bold[start : start + run.n_scans].astype(np.float64)
        label, result = run_glm(part, design, noise_model="ar1")
        labels.append(label)
        results.append(result)
        sizes.append(design.shape[1])
        start += run.n_scans
    z = np.empty((len(names), bold.shape[1]))
    effects, variances = [], []
    for row in range(len(names)):
        mine = slice(row * width, (row + 1) * width)
        weights = [np.squeeze(np.eye(size)[mine]) for size in sizes]
        kind = "t" if model == "canonical" else "F"
        with warnings.catch_warnings():
            # its F of several runs is the usual approximation, and it says so every time
            warnings.filterwarnings("ignore", "Running approximate fixed effects")
            contrast = compute_fixed_effect_contrast(labels, results, weights, stat_type=kind)
        z[row] = contrast.z_score()
        effects.append(np.atleast_2d(contrast.effect_size()))
        variances.append(contrast.effect_variance())
    negative = data.spec.negative_fraction > 0 and model == "canonical"
    height = _height(data, model)
    return Outcome(
        score=np.abs(z) if negative else z,
        probability=np.stack([activation_probability(row, two_sided=negative) for row in z]),
        level=height * np.concatenate(effects) if height else None,
        level_sd=height * np.sqrt(np.stack(variances)) if height else None,
        hrfs=_parcel_hrfs(data, np.stack(effects), z, model),
    )


def _height(data: Simulated, model: Model) -> float | None:
    """Height of the canonical response to an impulse, of which a coefficient is the multiple.

    None for the other models, and where events last: nilearn's impulse is as long as its step.
    """
    events = [one for run in data.experiment.runs for one in run.events.values()]
    if model != "canonical" or any(one.durations.any() for one in events):
        return None
    return float(spm_hrf(data.experiment.runs[0].tr, 50).max())


def smooth_within_mask(data: Simulated, fwhm: float) -> FloatArray:
    """Smooth every scan with a Gaussian that knows nothing of what lies outside the mask.

    Returns
    -------
    array, shape (n_scans, n_positions)
    """
    sigma = fwhm / (np.sqrt(8 * np.log(2)) * data.spec.voxel_size)
    volume = data.volume()
    weight = (data.parcellation > 0).astype(np.float32)
    for axis in range(3):
        volume = gaussian_filter1d(volume, sigma, axis=axis, mode="constant")
        weight = gaussian_filter1d(weight, sigma, axis=axis, mode="constant")
    inside = data.positions
    smoothed = volume.reshape(-1, volume.shape[-1])[inside] / weight.ravel()[inside, None]
    return np.asarray(smoothed.T)


def run_design(run: Run, conditions: tuple[str, ...], model: Model) -> tuple[FloatArray, int]:
    """Design matrix of one run, and how many columns each condition has; its conditions first."""
    times = run.tr * np.arange(run.n_scans)
    columns = []
    for name in conditions:
        one = run.events[name]
        given = (one.onsets, one.durations, one.amplitudes)
        if model == "fir":
            delays = np.arange(1, round(FIR_SECONDS / run.tr) + 1)
            columns.append(compute_regressor(given, "fir", times, fir_delays=delays)[0])
        else:
            # One at a time: together nilearn makes them orthogonal, which leaves the F test as it
            # is but loses the meaning of the coefficients.
            columns += [compute_regressor(given, kernel, times)[0] for kernel in KERNELS[model]]
    drift = make_first_level_design_matrix(times, drift_model="cosine", high_pass=HIGH_PASS)
    per_condition = sum(block.shape[1] for block in columns) // len(conditions)
    return np.column_stack([*columns, drift.to_numpy()]), per_condition


def _parcel_hrfs(
    data: Simulated, effects: FloatArray, z: FloatArray, model: Model
) -> list[tuple[FloatArray, FloatArray] | None]:
    """HRF of each parcel: the mean response of its most active voxels and conditions.

    Parameters
    ----------
    data : Simulated
    effects : array, shape (n_conditions, n_regressors, n_positions)
    z : array, shape (n_conditions, n_positions)
    model : {"canonical", "derivatives", "fir"}
    """
    time, basis = _basis(data, model)
    if model == "canonical":
        return [(time, basis[0])] * len(data.hrf)
    canonical = np.interp(time, *_basis(data, "canonical")[:1], _basis(data, "canonical")[1][0])
    hrfs: list[tuple[FloatArray, FloatArray] | None] = []
    for number in range(1, len(data.hrf) + 1):
        members = data.parcel_of == number
        score = z[:, members].ravel()
        responses = effects[:, :, members].transpose(0, 2, 1).reshape(len(score), -1) @ basis
        best = np.argsort(-score)[: max(1, round(TOP * len(score)))]
        sign = np.sign(responses[best] @ canonical)
        hrfs.append((time, sign @ responses[best]))
    return hrfs


def _basis(data: Simulated, model: Model) -> tuple[FloatArray, FloatArray]:
    """Responses to an impulse of which the model's are made: times, (n_regressors, n_times)."""
    if model == "fir":
        tr = data.spec.tr
        n_delays = round(FIR_SECONDS / tr)
        # nilearn's delay k is the mean response from (k - 1) TR to k TR after the event
        time = np.concatenate([[0.0], tr * (np.arange(n_delays) + 0.5), [tr * (n_delays + 0.5)]])
        return time, np.pad(np.eye(n_delays), ((0, 0), (1, 1)))
    return HRF_TIME, np.stack(
        [kernel(0.1, 1, time_length=25.1)[: len(HRF_TIME)] for kernel in KERNELS[model]]
    )
