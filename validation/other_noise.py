"""Noise that the simulator does not make: shared, smooth, slow, or wrong in single scans."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import fftconvolve, lfilter

from pyhrf.data import FloatArray
from pyhrf.simulation.hrf import regressor
from pyhrf.simulation.simulate import Simulated

__all__ = ["OtherNoise", "with_noise"]

WARM_UP = 300
# Sd of the maps, voxels: of factors, of the smooth part, of movements.
FACTOR_SIZE, SMOOTH_SIZE, MOVEMENT_SIZE = 3.0, 0.9, 4.0
OSCILLATION_PERIOD = 80.0
PER_SD = 1 / np.sqrt(8 * np.log(2))


@dataclass(frozen=True)
class OtherNoise:
    """What the noise is made of. Shares are sd; the sum of the first three is scaled to sd 1.

    Attributes
    ----------
    factors : float
        Eight maps, smooth over the volume, each with a course of its own.
    smooth : float
        Noise that is smooth between neighbours.
    own : float
        Of each voxel.
    spectrum : str
        Of the noise of each voxel: AR(1); ARMA(1, 1) with coefficients .95 and -.6; or
        fractionally integrated by .4, which is 1/f noise.
    oscillation : float
        Sd of a sine of 80 s that is added, with the same phase in all voxels.
    movements : float
        Sd of three smooth maps whose slow courses jump.
    spikes : tuple of (int, float)
        Number and size of scans that are off in all voxels.
    fwhm : float
        Smoothing of the data with the responses in them, mm.
    """

    factors: float = 0.0
    smooth: float = 0.0
    own: float = 1.0
    spectrum: Literal["ar1", "arma", "long"] = "ar1"
    oscillation: float = 0.0
    movements: float = 0.0
    spikes: tuple[int, float] = (0, 0.0)
    fwhm: float = 0.0


SHARED = OtherNoise(factors=0.6, smooth=0.5, own=0.6)


def with_noise(data: Simulated, noise: OtherNoise) -> Simulated:
    """Put other noise in the place of that of the simulator.

    Parameters
    ----------
    data : Simulated
        Of one run.
    noise : OtherNoise
        In units of the simulator's `noise_sd`.
    """
    rng = np.random.default_rng([data.spec.seed, 12])
    inside = data.parcellation > 0
    n, tr, sd = len(data.bold), data.spec.tr, data.spec.noise_sd
    made = _stationary(rng, noise, n, inside)
    made /= made.std()
    if noise.oscillation:
        phase = 2 * np.pi * (tr * np.arange(n) / OSCILLATION_PERIOD + rng.uniform())
        sizes = rng.normal(1.0, 0.3, made.shape[1])
        made += noise.oscillation * np.sqrt(2) * np.outer(np.sin(phase), sizes)
    for _ in range(3 if noise.movements else 0):
        steps = rng.normal(size=n) * (rng.random(n) < 0.08)
        course = np.cumsum(steps + 0.3 * rng.normal(size=n) / np.sqrt(n))
        field = _fields(rng, 1, inside, MOVEMENT_SIZE)[0]
        made += noise.movements / np.sqrt(3) * np.outer(_standard(course), field)
    n_spikes, size = noise.spikes
    made[rng.choice(n, n_spikes, replace=False)] += size * rng.choice([-1, 1], n_spikes)[:, None]
    bold = _without_noise(data) + sd * made
    if noise.fwhm:
        bold = _smoothed(bold, inside, noise.fwhm * PER_SD / data.spec.voxel_size)
    return replace(data, bold=bold.astype(np.float32), noise_sd=np.full(made.shape[1], sd))


def _without_noise(data: Simulated) -> FloatArray:
    """Baseline, drift and responses."""
    (run,) = data.experiment.runs
    bold = data.baseline + data.drift
    for index, shape in enumerate(data.hrf_shapes):
        members = data.parcel_of == index + 1
        for name, levels in zip(data.experiment.conditions, data.levels, strict=True):
            course = regressor(shape, run.events[name], n_scans=run.n_scans, tr=run.tr)
            bold[:, members] += np.outer(course, levels[members])
    return bold


def _stationary(
    rng: np.random.Generator, noise: OtherNoise, n: int, inside: NDArray[np.bool_]
) -> FloatArray:
    """Factors, smooth noise and that of each voxel, shape (n_scans, n_positions)."""
    n_positions = int(inside.sum())
    own = noise.own * _coloured(rng.normal(size=(n + WARM_UP, n_positions)), noise.spectrum)
    if noise.factors:
        courses = [_autoregressive(rng.normal(size=n + WARM_UP), rng.uniform(0.2, 0.8))
                   for _ in range(8)]  # fmt: skip
        maps = _fields(rng, 8, inside, FACTOR_SIZE)
        own += noise.factors / np.sqrt(8) * np.transpose(courses)[WARM_UP:] @ maps
    if noise.smooth:
        fields = _fields(rng, n, inside, SMOOTH_SIZE)
        own += noise.smooth * _autoregressive(fields, 0.3)
    return own


def _coloured(white: FloatArray, spectrum: str) -> FloatArray:
    """Noise of a spectrum, without its first scans, sd 1."""
    if spectrum == "ar1":
        return _autoregressive(white, 0.25)[WARM_UP:]
    if spectrum == "arma":
        found = lfilter([1, -0.6], [1, -0.95], white, axis=0)
    else:
        k = np.arange(1, len(white))
        weights = np.concatenate([[1.0], np.cumprod((k - 0.6) / k)])
        found = fftconvolve(white, weights[:, None], axes=0)[: len(white)]
    return np.asarray(found[WARM_UP:] / found[WARM_UP:].std())


def _autoregressive(white: FloatArray, rho: float) -> FloatArray:
    return np.asarray(lfilter([np.sqrt(1 - rho**2)], [1, -rho], white, axis=0))


def _standard(values: FloatArray) -> FloatArray:
    centred = values - values.mean()
    return np.asarray(centred / max(float(centred.std()), 1e-12))


def _fields(rng: np.random.Generator, n: int, inside: NDArray[np.bool_], size: float) -> FloatArray:
    """Smooth fields of variance 1, shape (n, n_positions)."""
    rough = (rng.normal(size=inside.shape) for _ in range(n))
    fields = np.array([gaussian_filter(one, size)[inside] for one in rough])
    return np.asarray(fields / np.sqrt(np.mean(fields**2, axis=1, keepdims=True)))


def _smoothed(bold: FloatArray, inside: NDArray[np.bool_], sd: float) -> FloatArray:
    """Smooth every scan; outside of the parcels are the means of those inside."""
    found = np.empty_like(bold)
    for scan, values in zip(found, bold, strict=True):
        volume = np.full(inside.shape, values.mean())
        volume[inside] = values
        scan[:] = gaussian_filter(volume, sd)[inside]
    return found
