"""Artificial BOLD data from a description, with everything that was put into them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pyhrf.data import Events, Experiment, FloatArray, Parcel, Run
from pyhrf.simulation.hrf import HrfShape, make_hrf, regressor
from pyhrf.simulation.layout import draw_active_pairs, draw_labels, make_mask, make_parcels
from pyhrf.simulation.spec import SimulationSpec

__all__ = ["HRF_TIME", "Simulated", "simulate"]

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
        return self.drift_basis @ self.drift_coefficients

    @property
    def time_to_peak(self) -> FloatArray:
        """Time of the highest value of each HRF on a fine grid, seconds, shape (n_parcels,)."""
        time = np.linspace(0.0, 30.0, 30_001)
        return np.array([time[np.argmax(shape.value(time))] for shape in self.hrf_shapes])

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
        edges = _edges(self.parcellation)
        parcel_of, positions = self.parcel_of, self.positions
        edge_parcel = parcel_of[edges[:, 0]]
        local = np.empty(len(positions), dtype=np.int32)
        parcels = []
        for number in range(1, self.spec.n_parcels + 1):
            members = np.flatnonzero(parcel_of == number)
            local[members] = np.arange(len(members))
            parcels.append(
                Parcel(
                    number=number,
                    bold=np.ascontiguousarray(self.bold[:, members]),
                    edges=local[edges[edge_parcel == number]],
                    positions=positions[members],
                )
            )
        return parcels


def _edges(parcellation: NDArray[np.int32]) -> NDArray[np.int32]:
    """Pairs of positions that share a face and a parcel, shape (n_edges, 2)."""
    index = np.cumsum(parcellation.ravel() > 0).reshape(parcellation.shape) - 1
    pairs = []
    for axis in range(parcellation.ndim):
        one, other = np.moveaxis(parcellation, axis, 0)[:-1], np.moveaxis(parcellation, axis, 0)[1:]
        same = (one == other) & (one > 0)
        moved = np.moveaxis(index, axis, 0)
        pairs.append(np.column_stack([moved[:-1][same], moved[1:][same]]))
    edges = np.concatenate(pairs).astype(np.int32)
    return edges[np.lexsort((edges[:, 1], edges[:, 0]))]


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
    experiment = _draw_experiment(spec, streams[1])
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
    basis, coefficients = _draw_drift(spec, n_positions, streams[6])

    bold = _draw_noise(spec, parcellation, ar1, streams[7])
    bold *= noise_sd.astype(np.float32)
    bold += (basis @ coefficients).astype(np.float32)
    bold += baseline.astype(np.float32)
    for index, shape in enumerate(shapes):
        members = np.flatnonzero(parcel_of == index + 1)
        bold[:, members] += (_design(shape, experiment) @ levels[:, members]).astype(np.float32)
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


def _draw_experiment(spec: SimulationSpec, rng: np.random.Generator) -> Experiment:
    width = len(str(spec.n_conditions))
    conditions = tuple(f"cond{m + 1:0{width}d}" for m in range(spec.n_conditions))
    return Experiment(
        conditions, tuple(_draw_run(spec, conditions, rng) for _ in range(spec.n_runs))
    )


def _draw_run(spec: SimulationSpec, conditions: tuple[str, ...], rng: np.random.Generator) -> Run:
    """Events at jittered intervals, their conditions in random order, each as often as the rest."""
    spacing = spec.event_interval / spec.n_conditions
    gap = spacing - sum(spec.event_duration) / 2
    n_drawn = int(2 * spec.n_scans * spec.tr / spacing) + spec.n_conditions
    durations = rng.uniform(*spec.event_duration, size=n_drawn)
    gaps = gap * rng.uniform(0.5, 1.5, size=n_drawn)
    step = spec.onset_step
    durations = np.rint(durations / step)
    onsets = np.concatenate([[0.0], np.cumsum(durations[:-1])]) + np.rint(np.cumsum(gaps) / step)
    onsets, durations = np.round(onsets * step, 6), np.round(durations * step, 6)
    n_events = int(np.searchsorted(onsets, spec.n_scans * spec.tr))
    order = rng.permutation(np.arange(n_events) % spec.n_conditions)
    events = {
        name: Events(onsets[:n_events][chosen], durations[:n_events][chosen], np.ones(chosen.sum()))
        for name, chosen in ((name, order == m) for m, name in enumerate(conditions))
    }
    return Run(spec.n_scans, spec.tr, events)


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


def _draw_drift(
    spec: SimulationSpec, n_positions: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Draw a line and slow cosines in each run, with coefficients that fall with their frequency."""
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


def _draw_noise(
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
