"""Artificial noise and drifts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pyhrf.data import FloatArray
from pyhrf.simulation.spec import SimulationSpec


def draw_drift(
    spec: SimulationSpec, n_positions: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw a line and slow cosines in each run; the faster, the smaller."""
    time = (np.arange(spec.n_scans) + 0.5) / spec.n_scans
    n_cosines = int(2 * spec.n_scans * spec.tr / spec.drift_period)
    orders = np.arange(1, n_cosines + 1)
    columns = [np.sqrt(12) * (time - 0.5)] + [np.sqrt(2) * np.cos(np.pi * k * time) for k in orders]
    block = np.column_stack(columns)
    weights = np.concatenate([[1.0], 1.0 / orders])
    basis = np.kron(np.eye(spec.n_runs), block)
    coefficients = rng.standard_normal((basis.shape[1], n_positions))
    coefficients *= np.tile(weights, spec.n_runs)[:, None]
    # The basis has unit rms but for the overlap of line and cosines: scale to the expected rms.
    variance = np.mean(((block * weights) ** 2).sum(axis=1))
    return basis, spec.drift * spec.noise_sd / np.sqrt(variance) * coefficients


def draw_noise(
    spec: SimulationSpec,
    parcellation: NDArray[np.int32],
    ar1: FloatArray,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Stationary AR(1) noise of unit sd, new in each run, shape (n_scans, n_positions)."""
    rho = ar1.astype(np.float32)
    innovation = np.sqrt(1 - rho**2)
    noise = np.empty((spec.n_runs * spec.n_scans, len(ar1)), dtype=np.float32)
    for scan in range(len(noise)):
        fresh = _draw_innovation(spec, parcellation, len(ar1), rng)
        first = scan % spec.n_scans == 0
        noise[scan] = fresh if first else rho * noise[scan - 1] + innovation * fresh
    return noise


def _draw_innovation(
    spec: SimulationSpec,
    parcellation: NDArray[np.int32],
    n_positions: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """One scan of unit-variance innovations, shape (n_positions,)."""
    size = parcellation.shape if spec.noise_smoothness > 0 else (n_positions,)
    fresh: NDArray[np.float32] = rng.standard_normal(size, dtype=np.float32)
    if spec.noise_smoothness > 0:
        # Over opposite faces of the grid: the variance is then the same everywhere, and known.
        impulse = np.zeros(size)
        impulse[0, 0, 0] = 1.0
        kernel = gaussian_filter(impulse, spec.noise_smoothness, mode="wrap")
        fresh = gaussian_filter(fresh, spec.noise_smoothness, mode="wrap")
        fresh = (fresh / np.sqrt(np.sum(kernel**2)))[parcellation > 0].astype(np.float32)
    if spec.noise_dof is not None:
        # Student's t of unit variance: a Gaussian over the root of its own chi-square.
        scale = rng.chisquare(spec.noise_dof, size=n_positions) / (spec.noise_dof - 2)
        fresh = (fresh / np.sqrt(scale)).astype(np.float32)
    return fresh
