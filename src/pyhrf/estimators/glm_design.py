"""Design matrices of the general linear model, each column made by nilearn.

nilearn puts events on a grid of `OVERSAMPLING` points per repetition time; an event without
duration lasts one point of it.
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from nilearn.glm.first_level import (
    compute_regressor,
    make_first_level_design_matrix,
    spm_dispersion_derivative,
    spm_hrf,
    spm_time_derivative,
)

from pyhrf.data import Events, Experiment, FloatArray, Run
from pyhrf.errors import InputError, counted
from pyhrf.model.nuisance import independent_columns
from pyhrf.parameters.glm import GLMModel
from pyhrf.parameters.model import ModelSettings

Kernel = Callable[[float, int], FloatArray]

DERIVATIVES: tuple[Kernel, ...] = (spm_hrf, spm_time_derivative, spm_dispersion_derivative)
OVERSAMPLING = 50
# nilearn passes over events that are earlier than this before the first scan, seconds.
MIN_ONSET = -24.0
HRF_SECONDS = 32.0


@dataclass(frozen=True, slots=True)
class RunDesign:
    """Design of one run.

    Attributes
    ----------
    matrix : array, shape (n_scans, n_columns)
        The conditions that the run has, in the order of the experiment, then drift, mean and
        what confounds add. Censored scans have no row, as nilearn's ``sample_masks`` has it.
    columns : mapping of int to slice
        Columns of each condition, by its number.
    drifts : slice
        Columns of the drift, the constant last.
    unit : dict of int to float
        Height of the response to a unit event, in the unit of `GLMDesign.basis`, per unit of a
        coefficient: an impulse of height 1, or one second of stimulation.
    mixing : dict of int to array, shape (n_basis, n_basis)
        Coefficients of the basis are ``mixing @ coefficients of the columns``: nilearn makes the
        derivatives orthogonal to the columns before them.
    models : dict
        nilearn's models of this design that were made already, by kind and autocorrelation.
    """

    matrix: FloatArray
    columns: Mapping[int, slice]
    drifts: slice
    unit: dict[int, float]
    mixing: dict[int, FloatArray]
    models: dict[tuple[str, float], Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class GLMDesign:
    """Designs of all runs, and the responses of which they are made.

    Attributes
    ----------
    runs : tuple of RunDesign
    time : array, shape (n_times,)
        Seconds after an event.
    basis : array, shape (n_basis, n_times)
        Responses; that of the canonical HRF has a peak of 1.
    level : array, shape (n_basis,)
        Weights of the basis' coefficients in the height of the response: that of the canonical
        part, for FIR that of the canonical HRF which fits the coefficients best.
    """

    runs: tuple[RunDesign, ...]
    time: FloatArray
    basis: FloatArray
    level: FloatArray

    @property
    def n_basis(self) -> int:
        """Columns of each condition."""
        return len(self.basis)

    @property
    def is_fir(self) -> bool:
        """Whether every coefficient is the response at one time."""
        return np.array_equal(self.basis, np.eye(self.n_basis))


def fir_delays_of(tr: float, hrf_duration: float) -> tuple[float, ...]:
    """Give the usual delays: 0 and every repetition time up to the duration of the HRF, seconds."""
    return tuple(tr * k for k in range(int(hrf_duration / tr + 1e-6) + 1))


def make_designs(
    experiment: Experiment,
    settings: ModelSettings,
    *,
    model: GLMModel,
    delays: Sequence[float],
) -> GLMDesign:
    """Make the design of every run.

    Parameters
    ----------
    experiment : Experiment
    settings : ModelSettings
        Of which the drift counts, made by nilearn.
    model : {"canonical", "derivatives", "fir"}
    delays : sequence of float
        For ``fir``: where its bins end, seconds after an event. Each begins where the one before
        it ends, the first is as wide as the second; an event counts in the bin in which a scan
        lies. On a grid of the repetition time these are the columns of nilearn's own ``fir``.

    Returns
    -------
    GLMDesign

    Raises
    ------
    InputError
        If a run has not more scans than columns, a condition or a bin reaches no scan, columns
        cannot be told apart, or a condition has both impulses and events that last in one run.
    """
    edges = np.empty(0)
    if model == "fir":
        edges = np.concatenate([[2 * delays[0] - delays[1]], delays])
    reached = set[int]()
    runs = []
    for number, run in enumerate(experiment.runs, start=1):
        _check_run(number, run)
        blocks = {
            m: _condition_block(run, run.events[name], model, edges)[run.kept]
            for m, name in enumerate(experiment.conditions)
            if name in run.events and len(run.events[name].onsets)
        }
        # a condition counts in the runs in which it has events that reach a scan
        blocks = {m: block for m, block in blocks.items() if block.any()}
        reached |= set(blocks)
        if model == "fir":
            _check_bins(number, blocks, experiment.conditions, edges)
        design = _run_design(run, blocks, settings)
        _check_columns(number, design.matrix, len(blocks), model)
        for m in blocks:
            events = run.events[experiment.conditions[m]]
            design.unit[m] = _unit(run, events, model)
            design.mixing[m] = _mixing(run, events, model, blocks[m])
        runs.append(design)
    for m, name in enumerate(experiment.conditions):
        if m not in reached:
            cure = ", or no scan lies in the bins that fir_delays makes" if model == "fir" else ""
            raise InputError(f"condition {name!r} has no event that reaches a scan{cure}")
    return GLMDesign(tuple(runs), *_basis(experiment, model, edges))


def _condition_block(run: Run, events: Events, model: GLMModel, edges: FloatArray) -> FloatArray:
    """Columns of one condition, shape (n_scans, n_basis)."""
    if model == "canonical":
        return _regressors(run, events, "spm")
    if model == "derivatives":
        return _regressors(run, events, "spm + derivative + dispersion")
    steps = edges[1:] / run.tr
    if np.allclose(np.diff(edges), run.tr) and np.allclose(steps, np.rint(steps)):
        return _regressors(run, events, "fir", [int(step) for step in np.rint(steps)])
    # Bins of any width: boxes, one at a time since nilearn would make them orthogonal. A first bin
    # that begins before the event becomes causal by events that come earlier.
    shift = max(-edges[0], 0.0)
    earlier = Events(events.onsets - shift, events.durations, events.amplitudes)
    return np.column_stack(
        [
            _regressors(run, earlier, _box(start + shift, end + shift))
            for start, end in itertools.pairwise(edges)
        ]
    )


def _box(start: float, end: float) -> Kernel:
    """Response that is 1 in the time after `start` up to `end`, seconds; nilearn samples it."""

    def box(t_r: float, oversampling: int) -> FloatArray:
        first, last = (1 + round(edge / t_r * oversampling) for edge in (start, end))
        return np.repeat([0.0, 1.0 / oversampling], [first, max(last - first, 1)])

    return box


def _regressors(
    run: Run,
    events: Events,
    hrf_model: str | Kernel,
    delays: list[int] | None = None,
) -> FloatArray:
    times = run.tr * np.arange(run.n_scans)
    first = float(events.onsets.min(initial=0.0))
    columns, _ = compute_regressor(
        (events.onsets, events.durations, events.amplitudes),
        hrf_model,
        times,
        oversampling=OVERSAMPLING,
        fir_delays=delays,
        # nilearn's own unless an event is still earlier, which it would pass over
        min_onset=MIN_ONSET if first >= MIN_ONSET else first - run.tr,
    )
    return np.asarray(columns, dtype=np.float64)


def _run_design(run: Run, blocks: Mapping[int, FloatArray], settings: ModelSettings) -> RunDesign:
    with warnings.catch_warnings():
        # of a drift of too many columns for the scans, which `_check_columns` refuses
        warnings.filterwarnings("ignore", "Matrix is singular|High-pass filter will span")
        nuisance = make_first_level_design_matrix(
            run.tr * np.arange(run.n_scans),
            drift_model=None if settings.drift == "none" else settings.drift,
            high_pass=1 / settings.drift_cutoff,
            drift_order=settings.drift_order,
        )
    columns, first = {}, 0
    for m, block in blocks.items():
        columns[m] = slice(first, first + block.shape[1])
        first += block.shape[1]
    drifts = nuisance.to_numpy()[run.kept]
    matrix = np.column_stack([*blocks.values(), drifts])
    if run.confounds is not None:
        matrix = np.column_stack([matrix, independent_columns(run.confounds[run.kept], drifts)])
    matrix = np.ascontiguousarray(matrix, dtype=np.float64)
    return RunDesign(matrix, columns, slice(first, first + drifts.shape[1]), {}, {})


def _check_run(number: int, run: Run) -> None:
    """Refuse a run of which no columns can be made, or only some that mean two things at once."""
    if run.n_scans < 2:
        raise InputError(
            f"run {number} has {run.n_scans} scan: the GLM needs more scans than columns of the "
            "design, so leave this run out"
        )
    for name, events in run.events.items():
        lasting = events.durations > 0
        if lasting.any() and not lasting.all():
            raise InputError(
                f"run {number}: condition {name!r} has both events of 0 s ({np.sum(~lasting)}) and "
                f"events that last ({np.sum(lasting)}), of which the GLM would see the latter "
                "alone: give all of them a duration, or none, or make two conditions of them"
            )


def _check_bins(
    number: int, blocks: Mapping[int, FloatArray], conditions: Sequence[str], edges: FloatArray
) -> None:
    """Refuse bins of the FIR into which no scan falls."""
    for m, block in blocks.items():
        for bin_, column in enumerate(block.T):
            if not column.any():
                raise InputError(
                    f"run {number}: no scan lies between {edges[bin_]:g} and {edges[bin_ + 1]:g} s "
                    f"after an event of condition {conditions[m]!r}, so that the FIR cannot be "
                    "estimated there: give fewer or wider bins with fir_delays, or leave the "
                    "events that this condition has in this run out of its paradigm"
                )


def _check_columns(number: int, matrix: FloatArray, n_conditions: int, model: GLMModel) -> None:
    """Refuse a design that does not determine its coefficients and the noise."""
    n_scans, n_columns = matrix.shape
    cure = (
        "give fewer delays (fir_delays), fewer conditions, or more scans"
        if model == "fir"
        else "give fewer conditions or confounds, a longer cut-off of the drift, or more scans"
    )
    if n_columns >= n_scans:
        raise InputError(
            f"run {number}: the design has {counted(n_columns, 'column')} "
            f"({counted(n_conditions, 'condition')}, drift and mean) for "
            f"{counted(n_scans, 'scan')}, of which there must be more than columns: {cure}"
        )
    norms = np.linalg.norm(matrix, axis=0)
    rank = int(np.linalg.matrix_rank(matrix / np.where(norms > 0, norms, 1.0)))
    if rank < n_columns:
        raise InputError(
            f"run {number}: the {n_columns} columns of the design say only "
            f"{counted(rank, 'different thing')}, so that responses cannot be told apart: {cure}"
        )


def _unit(run: Run, events: Events, model: GLMModel) -> float:
    """Height of the response to a unit event per unit of a coefficient, see `RunDesign`."""
    height = 1 / OVERSAMPLING if model == "fir" else float(spm_hrf(run.tr, OVERSAMPLING).max())
    lasting = bool((events.durations > 0).any())
    return height * (OVERSAMPLING / run.tr if lasting else 1.0)


def _mixing(run: Run, events: Events, model: GLMModel, block: FloatArray) -> FloatArray:
    if model != "derivatives":
        return np.eye(block.shape[1])
    plain = np.column_stack([_regressors(run, events, kernel) for kernel in DERIVATIVES])[run.kept]
    return np.asarray(np.linalg.lstsq(plain, block)[0])


def _basis(
    experiment: Experiment, model: GLMModel, edges: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Make times, responses and weights of the height, as in `GLMDesign`."""
    if model == "fir":
        time = _bin_times(experiment, edges)
        fine = np.linspace(0.0, HRF_SECONDS, 321)
        response = _sampled(spm_hrf, fine)
        canonical = np.interp(time, fine, response / response.max(), left=0.0, right=0.0)
        return time, np.eye(len(time)), canonical / np.sum(canonical**2)
    time = np.linspace(0.0, HRF_SECONDS, 65)
    kernels = DERIVATIVES if model == "derivatives" else DERIVATIVES[:1]
    basis = np.stack([_sampled(kernel, time) for kernel in kernels])
    # nilearn's undershoot has not quite ended when its kernel does
    basis[:, -1] = 0.0
    return time, basis / basis[0].max(), np.eye(len(basis))[0]


def _sampled(kernel: Kernel, time: FloatArray) -> FloatArray:
    """Sample a response of nilearn's at `time`, as an event's convolution on its grid would."""
    step = 0.02
    values = kernel(1.0, round(1 / step))
    return np.asarray(np.interp(time, step * np.arange(len(values)), values))


def _bin_times(experiment: Experiment, edges: FloatArray) -> FloatArray:
    """Mean time after an event at which the scans of each bin were taken.

    That is the end of a bin where events begin with scans, the middle where they begin anywhere.
    """
    lags = np.concatenate(
        [
            np.subtract.outer(run.tr * np.flatnonzero(run.kept), events.onsets).ravel()
            for run in experiment.runs
            for events in run.events.values()
        ]
    )
    # an onset written in decimals lies with the scan that it names
    bins = np.searchsorted(edges, lags - 1e-6, side="left") - 1
    inside = (bins >= 0) & (bins < len(edges) - 1)
    behind = edges[bins[inside] + 1] - lags[inside]
    widths = np.diff(edges)
    if np.allclose(widths, widths[0]):
        # evenly spaced times for evenly spaced bins
        return np.asarray(edges[1:] - behind.mean())
    late = np.bincount(bins[inside], weights=behind, minlength=len(widths))
    return np.asarray(edges[1:] - late / np.bincount(bins[inside], minlength=len(widths)))
