"""Responses of known truth in the noise of real BOLD data.

The task that was there is regressed out of every voxel. What is left is shifted in time, perhaps
reversed and negated, the same way in all voxels, so that what they share stays as it is. Means and
slow drifts are put back, and responses are added in the parcels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from nilearn.glm.first_level.hemodynamic_models import compute_regressor
from numpy.typing import NDArray
from scipy.fft import dct, idct
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.stats import gamma

from pyhrf.data import Events, Experiment, FloatArray, Run
from pyhrf.model.nuisance import cosine_drift
from pyhrf.simulation.simulate import HRF_TIME, Simulated
from pyhrf.simulation.spec import SimulationSpec
from validation.real_data import LOCALIZER, LOCALIZER_TR, read_image, read_onsets

__all__ = ["VARIANTS", "Variant", "semireal"]

FINE = 0.1
"""Step of the true responses, seconds."""
FINE_TIME: FloatArray = np.arange(0, 30 + FINE / 2, FINE)
N_CONDITIONS = 5
FWHM = 2 * np.sqrt(2 * np.log(2))
BLOB_SD = 4.8
"""Smoothness of the blobs of activation, mm."""
FIELD_SD = 10.0
"""Smoothness of the fields that make new maps of noise out of others, mm."""
FloatFields = Callable[[int], FloatArray]
INTERVALS = (2.1, 2.7, 3.3, 4.5, 6.0)
FRACTIONS, CHANCES = (0, 0.1, 0.2, 0.4), (0.4, 0.2, 0.2, 0.2)
"""Active part of a parcel under one condition, and how often it is so."""


@dataclass(frozen=True)
class Variant:
    """What differs from the plain data.

    Attributes
    ----------
    hrf : {"wide", "gamma"}
        Half-cosine pieces with peaks from 3 to 8 s, or differences of gamma densities.
    cut : int
        Parcels are cut into pieces of about so many voxels; 0 leaves them.
    negative : float
        Share of the conditions and parcels with negative responses.
    level_fwhm : float
        Smoothing of the true levels, mm; active is then more than half of a full response.
    fwhm : float
        Smoothing of the data with the responses in them, mm.
    spikes : int
        Scans at which four sd of the noise are added to, or taken from, every voxel.
    filled : bool
        Noise is put back into the dimensions of time of which the task was taken out, with the
        spectrum and the local covariance of the rest. Else these hold no noise at all.
    """

    hrf: Literal["wide", "gamma"] = "wide"
    cut: int = 0
    negative: float = 0.0
    level_fwhm: float = 0.0
    fwhm: float = 0.0
    spikes: int = 0
    filled: bool = False


VARIANTS: dict[str, Variant] = {
    "plain": Variant(),
    "filled": Variant(filled=True),
    "level-smooth": Variant(level_fwhm=4.0),
    "cut": Variant(cut=150),
    "gamma": Variant(hrf="gamma"),
    "negative": Variant(negative=0.5),
    "spikes": Variant(spikes=3),
    "smooth": Variant(fwhm=6.0),
}
SPIKE = 4.0


@dataclass(frozen=True)
class SampledHrf:
    """A true HRF at `FINE_TIME`, with what `HrfShape` offers."""

    values: FloatArray

    def value(self, time: FloatArray) -> FloatArray:
        """Height at any time."""
        return np.interp(time, FINE_TIME, self.values, right=0.0)

    @property
    def time_to_peak(self) -> float:
        """Time of the largest excursion, seconds."""
        return float(FINE_TIME[np.argmax(np.abs(self.values))])


def semireal(name: str, seed: int, amplitude: float, variant: Variant) -> Simulated:
    """Make data from one real set.

    Parameters
    ----------
    name : str
        Of `LOCALIZER`.
    seed : int
    amplitude : float
        Active levels in sd of the noise.
    variant : Variant

    Returns
    -------
    Simulated
        With a single run; ``noise_sd`` and ``ar1`` are those of the residuals.
    """
    rng = np.random.default_rng([seed, len(name), 7])
    volume, label, zooms = _read(name)
    n_scans = volume.shape[3]
    brain = _brain(volume, label)
    label = np.where(brain, label, 0)
    # Without smoothing, what lies outside the parcels is never looked at.
    used = brain if variant.fwhm else label > 0
    drift = cosine_drift(n_scans, LOCALIZER_TR, 128.0)
    # Random numbers of their own, so that responses are those of the other variants.
    fields = _fields(used, zooms, [seed, len(name), 8]) if variant.filled else None
    noise, slow = _noise_and_drift(volume[used].T.astype(np.float64), drift, rng, fields)
    if variant.cut:
        label = _cut(label, variant.cut, rng)
    experiment = _draw_experiment(n_scans, rng)
    inside = label[used] > 0
    sd = noise.std(axis=0)
    hrfs, levels, active = _draw_responses(label, brain, zooms, sd[inside], amplitude, variant, rng)
    parcel_of = label[label > 0]
    bold = drift @ slow + noise
    bold[:, inside] += _signal(experiment, hrfs, levels, parcel_of)
    if variant.spikes:
        for scan in rng.choice(n_scans, variant.spikes, replace=False):
            bold[scan] += rng.choice([-1, 1]) * SPIKE * sd
    if variant.fwhm:
        bold = _smooth_scans(bold, used, variant.fwhm / FWHM / zooms)
    centred = noise[:, inside] - noise[:, inside].mean(axis=0)
    return Simulated(
        spec=SimulationSpec(
            region="box",
            shape=label.shape,
            n_parcels=len(hrfs),
            n_scans=n_scans,
            tr=LOCALIZER_TR,
            n_conditions=N_CONDITIONS,
            negative_fraction=variant.negative,
            snr=amplitude,
            seed=seed,
        ),
        experiment=experiment,
        parcellation=label.astype(np.int32),
        affine=np.diag([*zooms, 1.0]),
        bold=bold[:, inside].astype(np.float32),
        hrf_shapes=tuple(SampledHrf(hrf) for hrf in hrfs),  # type: ignore[misc]  # by their names
        hrf=hrfs[:, : len(HRF_TIME)],
        levels=levels,
        labels=active,
        noise_sd=sd[inside],
        ar1=(centred[1:] * centred[:-1]).sum(axis=0) / (centred**2).sum(axis=0),
        baseline=np.zeros(len(parcel_of)),
        drift_basis=drift,
        drift_coefficients=slow[:, inside],
    )


def _read(name: str) -> tuple[NDArray[Any], NDArray[np.int64], FloatArray]:
    """BOLD volume, labels and sizes of voxels in mm."""
    bold_name, label_name = LOCALIZER[name]
    volume, header = read_image(bold_name)
    label, _ = read_image(label_name)
    return volume, label.astype(np.int64), np.array(header.get_zooms()[:3], dtype=np.float64)


def _brain(volume: NDArray[Any], label: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Voxels that are bright enough or of a parcel, and not constant."""
    mean = volume.mean(axis=3)
    bright = mean > 0.25 * np.quantile(mean, 0.98)
    return np.asarray((bright | (label > 0)) & (np.ptp(volume, axis=3) > 0))


def _noise_and_drift(
    bold: FloatArray,
    drift: FloatArray,
    rng: np.random.Generator,
    fields: FloatFields | None,
) -> tuple[FloatArray, FloatArray]:
    """Take the task out: what is left, as large as noise was, and the coefficients of drifts."""
    Z = np.column_stack([drift, _task(len(bold))])
    noise = bold - Z @ np.linalg.lstsq(Z, bold, rcond=None)[0]
    if fields is None:
        noise *= np.sqrt(len(bold) / (len(bold) - np.linalg.matrix_rank(Z)))
    else:
        noise += _filling(noise, Z, drift, fields)
    noise = np.roll(noise, int(rng.integers(len(bold))), axis=0) * rng.choice([-1, 1])
    if rng.random() < 0.5:
        noise = noise[::-1]
    return noise, np.linalg.lstsq(drift, bold, rcond=None)[0]


def _fields(used: NDArray[np.bool_], zooms: FloatArray, seed: list[int]) -> FloatFields:
    """Make a function that draws smooth fields of variance one, shape (n_fields, n_positions)."""
    rng = np.random.default_rng(seed)

    def draw(n_fields: int) -> FloatArray:
        rough = (rng.standard_normal(used.shape) for _ in range(n_fields))
        fields = np.array([gaussian_filter(one, FIELD_SD / zooms)[used] for one in rough])
        return np.asarray(fields / np.sqrt(np.mean(fields**2)))

    return draw


def _filling(
    noise: FloatArray, Z: FloatArray, drift: FloatArray, fields: FloatFields
) -> FloatArray:
    """Noise for the dimensions of the task, with the spectrum and local covariance of the rest.

    Maps of noise at other times, shifted to the level of noise at their frequencies, times smooth
    fields: without these the maps would be sums of those that are there, and the noise of lower
    rank than it was.

    Parameters
    ----------
    noise : array, shape (n_scans, n_positions)
        What is left without the columns of `Z`.
    Z : array, shape (n_scans, n_regressors)
        Drifts and task.
    drift : array, shape (n_scans, n_drifts)
        These stay without noise.
    fields : callable
        As of `_fields`.
    """
    U, s, _ = np.linalg.svd(Z - drift @ (drift.T @ Z), full_matrices=False)
    task = dct(U[:, s > 1e-6 * s[0]], axis=0, norm="ortho")
    spectrum = dct(noise, axis=0, norm="ortho")
    left = 1 - (task**2).sum(axis=1) - (dct(drift, axis=0, norm="ortho") ** 2).sum(axis=1)
    power = gaussian_filter1d((spectrum**2).mean(axis=1), 3) / gaussian_filter1d(left, 3)
    maps = spectrum / np.sqrt(power)[:, None]
    draws = fields(task.shape[1])
    chosen = np.argsort(-left, kind="stable")[: len(draws)]
    maps = maps[chosen] / np.sqrt(left[chosen])[:, None] * draws
    height = np.sqrt(task.T**2 @ power)
    return np.asarray(idct(task @ (height[:, None] * maps), axis=0, norm="ortho"))


def _task(n_scans: int) -> FloatArray:
    """Regressors of the real task: canonical of each condition, FIR of sound, sight and click."""
    onsets = read_onsets("paradigm_loc.csv")
    times = LOCALIZER_TR * np.arange(n_scans)

    def regressors(which: FloatArray, model: str, **more: Any) -> FloatArray:
        events = (which, np.zeros(len(which)), np.ones(len(which)))
        return np.asarray(compute_regressor(events, model, times, **more)[0])

    columns = [regressors(which, "spm") for which in onsets.values()]
    for words in (("audio",), ("video", "damier"), ("clic",)):
        kinds = [t for name, t in onsets.items() if any(word in name for word in words)]
        together = np.sort(np.concatenate(kinds))
        columns.append(regressors(together, "fir", fir_delays=np.arange(1, 7)))
    return np.column_stack(columns)


def _cut(label: NDArray[np.int64], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cut each parcel into compact pieces of about `size` voxels (k-means of the places)."""
    pieces_of = np.zeros_like(label)
    count = 0
    for number in range(1, label.max() + 1):
        places = np.argwhere(label == number)
        n_pieces = max(1, round(len(places) / size))
        centres = places[rng.choice(len(places), n_pieces, replace=False)].astype(float)
        for _ in range(15):
            nearest = ((places[:, None] - centres) ** 2).sum(axis=-1).argmin(axis=1)
            for piece in np.unique(nearest):
                centres[piece] = places[nearest == piece].mean(axis=0)
        pieces_of[tuple(places.T)] = nearest + 1 + count
        count += n_pieces
    return np.unique(pieces_of, return_inverse=True)[1].reshape(label.shape)


def _draw_experiment(n_scans: int, rng: np.random.Generator) -> Experiment:
    """Brief events of all conditions in random order."""
    onsets: list[list[float]] = [[] for _ in range(N_CONDITIONS)]
    time = 4.0
    while time < n_scans * LOCALIZER_TR - 12:
        onsets[int(rng.integers(N_CONDITIONS))].append(round(time, 1))
        time += float(rng.choice(INTERVALS))
    events = {
        f"c{m}": Events(np.array(times), np.zeros(len(times)), np.ones(len(times)))
        for m, times in enumerate(onsets)
    }
    return Experiment(tuple(events), (Run(n_scans, LOCALIZER_TR, events),))


def _draw_responses(
    label: NDArray[np.int64],
    brain: NDArray[np.bool_],
    zooms: FloatArray,
    sd: FloatArray,
    amplitude: float,
    variant: Variant,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """HRF of each parcel; levels and labels, shape (n_conditions, n_positions)."""
    inside = label > 0
    parcel_of = label[inside]
    blobs = [
        gaussian_filter(rng.normal(size=brain.shape), BLOB_SD / zooms)[inside]
        for _ in range(N_CONDITIONS)
    ]
    levels = np.zeros((N_CONDITIONS, len(parcel_of)))
    active = np.zeros(levels.shape, dtype=bool)
    hrfs = []
    for number in range(1, parcel_of.max() + 1):
        members = np.flatnonzero(parcel_of == number)
        hrfs.append(draw_hrf(rng, variant.hrf))
        full = amplitude * np.median(sd[members])
        for m, blob in enumerate(blobs):
            fraction = rng.choice(FRACTIONS, p=CHANCES)
            on = blob[members] > np.quantile(blob[members], 1 - fraction) if fraction else False
            sign = -1 if rng.random() < variant.negative else 1
            responding = rng.normal(sign * rng.uniform(0.8, 1.2), 0.25, len(members))
            at_rest = rng.normal(0, 0.08, len(members))
            active[m, members] = on
            levels[m, members] = full * np.where(on, responding, at_rest)
    if variant.level_fwhm:
        sigma = variant.level_fwhm / FWHM / zooms
        weight = np.maximum(gaussian_filter(inside.astype(float), sigma)[inside], 1e-3)
        for row in levels:
            spread = np.zeros(label.shape)
            spread[inside] = row
            row[:] = gaussian_filter(spread, sigma)[inside] / weight
        active = np.abs(levels) > 0.5 * amplitude * sd
    return np.array(hrfs), levels, active


def draw_hrf(rng: np.random.Generator, family: Literal["wide", "gamma"]) -> FloatArray:
    """Draw an HRF at `FINE_TIME`, its largest excursion 1."""
    if family == "gamma":
        scale = rng.uniform(0.8, 1.2)
        rise = gamma.pdf(FINE_TIME, rng.uniform(4.5, 7.5) / scale, scale=scale)
        fall = gamma.pdf(FINE_TIME, rng.uniform(13, 18)) * rng.uniform(0.05, 0.3)
        return _scaled(rise - fall)
    while True:
        peak, width = rng.uniform(3, 8), rng.uniform(3, 9)
        dip = float(rng.choice([0, 0, 0.1, 0.2]))
        rise_time = peak - (1.2 if dip else 0)
        if 0.5 * rise_time <= 2 * width - rise_time <= 2.2 * rise_time + 2:
            return _half_cosines(peak, width, dip, rng.uniform(0, 0.45))


def _half_cosines(peak: float, width: float, dip: float, undershoot: float) -> FloatArray:
    """HRF of half periods of cosines from one turning point to the next."""
    dip_time = 1.2 if dip else 0.0
    low_time = peak + max(2 * width - (peak - dip_time), 2.0)
    turns = [(0.0, 0.0), (peak, 1.0), (low_time, -undershoot), (low_time + 7, 0.0)]
    if dip:
        turns.insert(1, (dip_time, -dip))
    hrf = np.zeros_like(FINE_TIME)
    for (start, low), (stop, high) in pairwise(turns):
        piece = (start <= FINE_TIME) & (stop > FINE_TIME)
        way = (1 - np.cos(np.pi * (FINE_TIME[piece] - start) / (stop - start))) / 2
        hrf[piece] = low + (high - low) * way
    return _scaled(gaussian_filter1d(hrf, 3, mode="constant"))


def _scaled(hrf: FloatArray) -> FloatArray:
    hrf[0] = 0.0
    return np.asarray(hrf / hrf[np.argmax(np.abs(hrf))])


def _signal(
    experiment: Experiment, hrfs: Sequence[FloatArray], levels: FloatArray, parcel_of: FloatArray
) -> FloatArray:
    """Responses of all positions, shape (n_scans, n_positions)."""
    (run,) = experiment.runs
    scans = np.round(run.tr * np.arange(run.n_scans) / FINE).astype(int)
    signal = np.zeros((run.n_scans, len(parcel_of)))
    for number, hrf in enumerate(hrfs, start=1):
        members = np.flatnonzero(parcel_of == number)
        for level, name in zip(levels, experiment.conditions, strict=True):
            events = np.zeros(scans[-1] + 1 + len(hrf))
            events[np.round(run.events[name].onsets / FINE).astype(int)] = 1.0
            response = np.convolve(events, hrf)[scans]
            signal[:, members] += np.outer(response, level[members])
    return signal


def _smooth_scans(bold: FloatArray, used: NDArray[np.bool_], sigma: FloatArray) -> FloatArray:
    """Smooth every scan with a Gaussian that knows nothing of what lies outside the brain."""
    weight = np.maximum(gaussian_filter(used.astype(np.float32), sigma)[used], 1e-3)
    scan = np.zeros(used.shape, dtype=np.float32)
    smoothed = np.empty_like(bold)
    for row, values in zip(smoothed, bold, strict=True):
        scan[used] = values
        row[:] = gaussian_filter(scan, sigma)[used] / weight
    return smoothed
