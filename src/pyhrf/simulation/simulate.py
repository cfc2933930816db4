"""Artificial BOLD data from a description, with everything that was put into them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Experiment, FloatArray, Parcel
from pyhrf.simulation.events import draw_experiment
from pyhrf.simulation.hrf import HrfShape, make_hrf, regressor
from pyhrf.simulation.layout import draw_active_pairs, draw_labels, make_mask, make_parcels
from pyhrf.simulation.noise import draw_drift, draw_noise
from pyhrf.simulation.spec import SimulationSpec
from pyhrf.spaces.neighbours import find_parcels

HRF_TIME: FloatArray = np.linspace(0.0, 25.0, 251)
"""Times at which the true HRFs are given, seconds: 0 to 25 in steps of 0.1."""


@dataclass(frozen=True)
class Simulated:
    """Artificial data and their truth.

    Positions are the voxels of positive label, in C order of the grid; conditions are in the order
    of ``experiment.conditions``; parcels are numbered from 1.

    Attributes
    ----------
    spec : SimulationSpec
        What they were made from.
    experiment : Experiment
        Runs with their events.
    parcellation : int32 array, shape (n_x, n_y, n_z)
        Parcel of each voxel; 0 outside.
    affine : array, shape (4, 4)
        From voxel indices to millimetres.
    bold : float32 array, shape (n_scans, n_positions)
        BOLD signal, runs one after the other.
    hrf_shapes : tuple of HrfShape, one per parcel
        The HRFs, at any time.
    hrf : array, shape (n_parcels, 251)
        The HRFs at `HRF_TIME`; their highest value is 1.
    levels : array, shape (n_conditions, n_positions)
        Response levels: height of the response to an impulse, in the unit of ``bold``.
    labels : bool array, shape (n_conditions, n_positions)
        Which of them are active.
    noise_sd, ar1, baseline : array, shape (n_positions,)
        Sd of the stationary AR(1) noise, its lag-1 autocorrelation, and the constant signal.
    drift_basis : array, shape (n_scans, n_drifts)
        Slow functions of time, one block of columns per run.
    drift_coefficients : array, shape (n_drifts, n_positions)
        How much of each is in each voxel.
    """

    spec: SimulationSpec
    experiment: Experiment
    parcellation: NDArray[np.int32]
    affine: FloatArray
    bold: NDArray[np.float32]
    hrf_shapes: tuple[HrfShape, ...]
    hrf: FloatArray
    levels: FloatArray
    labels: NDArray[np.bool_]
    noise_sd: FloatArray
    ar1: FloatArray
    baseline: FloatArray
    drift_basis: FloatArray
    drift_coefficients: FloatArray

    @property
    def positions(self) -> NDArray[np.int64]:
        """Flat C-order voxel index of each position, shape (n_positions,)."""
        return np.flatnonzero(self.parcellation)

    @property
    def parcel_of(self) -> NDArray[np.int32]:
        """Parcel number of each position, shape (n_positions,)."""
        return self.parcellation.ravel()[self.positions]

    @property
    def drift(self) -> FloatArray:
        """Drift of each position, shape (n_scans, n_positions)."""
        return _multiply(self.drift_basis, self.drift_coefficients)

    @property
    def time_to_peak(self) -> FloatArray:
        """Time of the highest value of each HRF, seconds, shape (n_parcels,)."""
        return np.array([shape.time_to_peak for shape in self.hrf_shapes])

    def volume(self, run: int | None = None) -> NDArray[np.float32]:
        """BOLD signal on the grid, 0 outside the parcels.

        Parameters
        ----------
        run : int or None
            Index of a run from 0; None for all of them one after the other.

        Returns
        -------
        float32 array, shape (n_x, n_y, n_z, n_scans)
        """
        scans = slice(None)
        if run is not None:
            scans = slice(run * self.spec.n_scans, (run + 1) * self.spec.n_scans)
        bold = self.bold[scans]
        volume = np.zeros((self.parcellation.size, len(bold)), dtype=np.float32)
        volume[self.positions] = bold.T
        return volume.reshape(*self.parcellation.shape, len(bold))

    def parcels(self) -> list[Parcel]:
        """Parcels as an estimator takes them, by number."""
        found = find_parcels(self.parcellation)
        parcels = []
        for index, number in enumerate(found.numbers):
            voxels = found.voxels[found.bounds[index] : found.bounds[index + 1]]
            members = np.searchsorted(self.positions, voxels)
            parcels.append(
                Parcel(
                    number=number,
                    bold=np.ascontiguousarray(self.bold[:, members]),
                    edges=found.edges_of(index),
                    positions=voxels,
                )
            )
        return parcels


def _multiply(one: FloatArray, other: FloatArray) -> FloatArray:
    """Matrix product whose bytes do not depend on the BLAS library and its threads."""
    product: FloatArray = np.einsum("nk,kv->nv", one, other)
    return product


def simulate(spec: SimulationSpec) -> Simulated:
    """Make artificial data.

    The signal of a position is ``baseline + sum_m level_m x_m(t) + drift(t) + noise(t)``, where
    ``x_m`` is the exact response of its parcel's HRF to the events of condition ``m``. Each part
    has its own random numbers, so that a change to one leaves the others as they are.

    Parameters
    ----------
    spec : SimulationSpec
        Description of the data.

    Returns
    -------
    Simulated

    Raises
    ------
    InputError
        There are fewer voxels than parcels.
    """
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(spec.seed).spawn(8)]
    mask, affine = make_mask(spec)
    parcellation = make_parcels(mask, spec, streams[0])
    experiment = draw_experiment(spec, streams[1])
    shapes = _draw_hrfs(spec, streams[2])
    pairs = draw_active_pairs(spec, streams[3])
    labels = draw_labels(parcellation, pairs, spec, streams[4])
    parcel_of = parcellation[parcellation > 0]
    levels = _draw_levels(labels, pairs[:, parcel_of - 1], spec, streams[5])

    n_positions = len(parcel_of)
    noise_sd = spec.noise_sd * np.exp(
        spec.noise_sd_spread * streams[6].standard_normal(n_positions)
    )
    ar1 = streams[6].uniform(*spec.ar1, size=n_positions)
    baseline = spec.baseline * (1 + 0.1 * streams[6].uniform(-1, 1, size=n_positions))
    basis, coefficients = draw_drift(spec, n_positions, streams[6])

    bold = draw_noise(spec, parcellation, ar1, streams[7])
    bold *= noise_sd.astype(np.float32)
    bold += _multiply(basis, coefficients).astype(np.float32)
    bold += baseline.astype(np.float32)
    for index, shape in enumerate(shapes):
        members = np.flatnonzero(parcel_of == index + 1)
        signal = _multiply(_design(shape, experiment), levels[:, members])
        bold[:, members] += signal.astype(np.float32)
    if spec.dtype == "int16":
        bold = np.clip(np.rint(bold), -32768, 32767)
    return Simulated(
        spec=spec,
        experiment=experiment,
        parcellation=parcellation,
        affine=affine,
        bold=bold,
        hrf_shapes=shapes,
        hrf=np.stack([shape.value(HRF_TIME) for shape in shapes]),
        levels=levels,
        labels=labels,
        noise_sd=noise_sd,
        ar1=ar1,
        baseline=baseline,
        drift_basis=basis,
        drift_coefficients=coefficients,
    )


def _draw_hrfs(spec: SimulationSpec, rng: np.random.Generator) -> tuple[HrfShape, ...]:
    """One HRF per parcel; the peaks are spread evenly over their range, in random order."""
    quantile = (rng.permutation(spec.n_parcels) + 0.5) / spec.n_parcels
    if spec.n_parcels > 1:
        quantile = (quantile - quantile.min()) / np.ptp(quantile)
    peaks = spec.hrf_peak[0] + quantile * (spec.hrf_peak[1] - spec.hrf_peak[0])
    return tuple(
        make_hrf(
            peak=float(peak),
            fwhm=rng.uniform(*spec.hrf_fwhm),
            undershoot=rng.uniform(*spec.hrf_undershoot),
        )
        for peak in peaks
    )


def _design(shape: HrfShape, experiment: Experiment) -> FloatArray:
    """Responses of all conditions in all runs, shape (n_scans, n_conditions)."""
    return np.concatenate(
        [
            np.column_stack(
                [
                    regressor(shape, run.events[name], n_scans=run.n_scans, tr=run.tr)
                    for name in experiment.conditions
                ]
            )
            for run in experiment.runs
        ]
    )


def _draw_levels(
    labels: NDArray[np.bool_],
    signs: NDArray[np.int8],
    spec: SimulationSpec,
    rng: np.random.Generator,
) -> FloatArray:
    """Levels of active and inactive voxels, shape (n_conditions, n_positions)."""
    normal = rng.standard_normal(labels.shape)
    active = signs * (1 + spec.level_spread * normal)
    inactive = spec.inactive_level_spread * normal
    return spec.snr * spec.noise_sd * np.where(labels, active, inactive)
