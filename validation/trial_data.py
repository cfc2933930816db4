"""Artificial data of which the level of every single trial is known, and what real data share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from pyhrf.data import Events, Experiment, FloatArray, Parcel, Run
from pyhrf.model.trials import Trial, trials_of
from pyhrf.parameters.trials import TrialSettings
from pyhrf.simulation.hrf import HrfShape, make_hrf, regressor
from validation.held_out_sets import part_of

__all__ = ["SCENARIOS", "TrialData", "TrialScenario", "simulate_trials"]

HRF_SECONDS = 25.0
SIDE = (5, 5, 4)
PER_PARCEL = int(np.prod(SIDE))
FIRST_ONSET, LAST_SECONDS, REST = 4.0, 12.0, 20.0
"""Seconds: before the first event of a run, after the last one, and what of a run has none."""


@dataclass(frozen=True)
class TrialData:
    """A data set as every method takes it.

    Positions follow each other parcel by parcel, trials by run and onset.

    Attributes
    ----------
    experiment : Experiment
    parcels : list of Parcel
    levels : array, shape (n_trials, n_positions), or None
        True heights of the responses, to an impulse or to 1 s of a longer event.
    active : bool array, shape (n_positions,), or None
        Where there are any.
    """

    experiment: Experiment
    parcels: list[Parcel]
    levels: FloatArray | None = None
    active: NDArray[np.bool_] | None = None

    @cached_property
    def trials(self) -> list[Trial]:
        """All events."""
        settings = TrialSettings(single_trials="all")
        return trials_of(self.experiment, settings, hrf_duration=HRF_SECONDS)

    @cached_property
    def runs(self) -> NDArray[np.int64]:
        """Run of each trial."""
        return np.array([trial.run for trial in self.trials])

    @cached_property
    def conditions(self) -> NDArray[np.int64]:
        """Condition of each trial, as a place in those of the experiment."""
        return np.array([self.experiment.conditions.index(t.condition) for t in self.trials])

    @cached_property
    def bold(self) -> NDArray[np.float32]:
        """Signal of all parcels, shape (n_scans, n_positions)."""
        return np.hstack([parcel.bold for parcel in self.parcels])

    @cached_property
    def parcel_of(self) -> NDArray[np.int64]:
        """Number of the parcel of each position."""
        return np.repeat(
            [parcel.number for parcel in self.parcels],
            [len(parcel.positions) for parcel in self.parcels],
        )

    def bold_of_runs(self) -> list[NDArray[np.float32]]:
        """Signal of each run."""
        ends = np.cumsum([run.n_scans for run in self.experiment.runs])
        return np.split(self.bold, ends[:-1])


@dataclass(frozen=True)
class TrialScenario:
    """How data are made.

    Levels have a mean of `1` where a parcel is active, and sd of conditions and of trials around
    it; half of their variance is smooth in space. Besides, all trials of a parcel are higher or
    lower together.

    Attributes
    ----------
    text : str
        What differs.
    tr, run_seconds : float
        Seconds.
    n_runs, n_conditions, n_parcels : int
        A parcel has 100 voxels.
    intervals : (float, float)
        Between onsets, seconds.
    on_scans : bool
        Onsets are at scans, 4 s apart. Else they are anywhere.
    durations : (float, float)
        Of events, seconds.
    sd_condition, sd_trial, sd_together : float
        Of the levels.
    noise_sd : float
    rho : float
        Autocorrelation of the noise that is no factor, at 2 s.
    shared : float
        Share of the variance of the noise that is in four factors, with maps over all parcels and
        an autocorrelation of .85 at 2 s.
    smoothness : float
        Of the rest of the noise, sd in voxels.
    drift : float
        Sd of each of three slow courses of each voxel.
    """

    text: str
    tr: float = 2.0
    run_seconds: float = 300.0
    n_runs: int = 4
    n_conditions: int = 20
    n_parcels: int = 8
    intervals: tuple[float, float] = (3.0, 6.0)
    on_scans: bool = False
    durations: tuple[float, float] = (1.0, 1.0)
    sd_condition: float = 0.5
    sd_trial: float = 0.4
    sd_together: float = 0.3
    noise_sd: float = 2.0
    rho: float = 0.4
    shared: float = 0.5
    smoothness: float = 0.7
    drift: float = 1.0

    @property
    def n_scans(self) -> int:
        """Scans of a run."""
        return round(self.run_seconds / self.tr)


_SHARED = TrialScenario("20 conditions, 12 trials each; shared noise")
SCENARIOS: dict[str, TrialScenario] = {
    "conditions-20": _SHARED,
    "conditions-100": replace(
        _SHARED,
        text="100 conditions, 3 or 4 trials each, five runs",
        n_conditions=100,
        intervals=(3.0, 5.0),
        n_runs=5,
    ),
    "conditions-4": replace(_SHARED, text="4 conditions, 62 trials each", n_conditions=4),
    "weak": replace(_SHARED, text="noise twice as large", noise_sd=4.0),
    "short-tr": replace(_SHARED, text="TR 0.8 s", tr=0.8),
    "independent": replace(_SHARED, text="noise of each voxel alone", shared=0.0, smoothness=0.05),
    "alike": replace(_SHARED, text="trials of a condition alike", sd_trial=0.0, sd_together=0.0),
    "on-scans": replace(_SHARED, text="onsets at scans", on_scans=True),
    "durations": replace(_SHARED, text="events of 0.5 to 3 s", durations=(0.5, 3.0)),
}
"""Onsets are between scans but for one."""


def simulate_trials(scenario: TrialScenario, seed: int) -> TrialData:
    """Make data of known levels.

    The signal of a voxel is ``100 + sum_t a_t x_t + drift + noise``, where ``x_t`` is the exact
    response of its parcel's HRF to the event of trial ``t``.
    """
    streams = [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(5)]
    events = _draw_events(scenario, streams[0])
    shapes = _draw_hrfs(scenario, streams[1])
    levels, active = _draw_levels(scenario, [names for _, _, names in events], streams[2])
    signal = np.vstack(
        [_response(scenario, shapes, run, part) for run, part in _by_run(events, levels)]
    )
    noise = np.vstack(_draw_noise(scenario, streams[3]))
    bold = 100.0 + signal + noise + np.vstack(_draw_drift(scenario, streams[4]))
    runs = [_run(scenario, *one) for one in events]
    x, y, z = SIDE
    label = np.repeat(np.arange(1, scenario.n_parcels + 1), PER_PARCEL)
    label = label.reshape(scenario.n_parcels * x, y, z)
    volumes = np.split(bold.T.reshape(*label.shape, -1), scenario.n_runs, axis=-1)
    part = part_of(list(zip(volumes, runs, strict=True)), label)
    return TrialData(part.experiment, part.parcels, levels, active)


_RunEvents = tuple[FloatArray, FloatArray, NDArray[np.int64]]


def _draw_events(scenario: TrialScenario, rng: np.random.Generator) -> list[_RunEvents]:
    """Draw onsets, durations and conditions of each run; conditions are as often as can be."""
    onsets = [_draw_onsets(scenario, rng) for _ in range(scenario.n_runs)]
    if scenario.n_conditions <= min(map(len, onsets)):
        conditions = [_balanced(scenario.n_conditions, len(one), rng) for one in onsets]
    else:
        together = _balanced(scenario.n_conditions, sum(map(len, onsets)), rng)
        conditions = np.split(together, np.cumsum([len(one) for one in onsets])[:-1])
    durations = [rng.uniform(*scenario.durations, size=len(one)) for one in onsets]
    return list(zip(onsets, durations, conditions, strict=True))


def _draw_onsets(scenario: TrialScenario, rng: np.random.Generator) -> FloatArray:
    mean = np.mean(scenario.intervals)
    n = int((scenario.run_seconds - REST) / mean)
    if scenario.on_scans:
        onsets = FIRST_ONSET + scenario.tr * round(mean / scenario.tr) * np.arange(n)
    else:
        between = rng.uniform(*scenario.intervals, size=n - 1)
        start = FIRST_ONSET + rng.uniform(0, scenario.tr)
        onsets = start + np.concatenate([[0.0], np.cumsum(between)])
    return onsets[onsets < scenario.run_seconds - LAST_SECONDS]


def _balanced(n_conditions: int, n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    blocks = [rng.permutation(n_conditions) for _ in range(-(-n // n_conditions))]
    return rng.permutation(np.concatenate(blocks)[:n])


def _run(
    scenario: TrialScenario, onsets: FloatArray, durations: FloatArray, names: NDArray[np.int64]
) -> Run:
    events = {
        f"c{name:03d}": Events(onsets[mine], durations[mine], np.ones(mine.sum()))
        for name in np.unique(names)
        if (mine := names == name).any()
    }
    return Run(scenario.n_scans, scenario.tr, events)


def _draw_hrfs(scenario: TrialScenario, rng: np.random.Generator) -> list[HrfShape]:
    return [
        make_hrf(
            peak=rng.uniform(3.8, 7.2), fwhm=rng.uniform(4.8, 6.6), undershoot=rng.uniform(0, 0.35)
        )
        for _ in range(scenario.n_parcels)
    ]


def _draw_levels(
    scenario: TrialScenario, names: list[NDArray[np.int64]], rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Draw levels of all trials, and where they are: in the half of each parcel."""
    n_parcels, of = scenario.n_parcels, np.concatenate(names)
    field = _patterns(1, n_parcels, 1.0, rng).reshape(n_parcels, -1)
    active = (field > np.median(field, axis=1, keepdims=True)).ravel()
    mean = active * np.maximum(1 + 0.4 * rng.standard_normal(len(active)), 0.3)

    def around(n: int) -> FloatArray:
        return 0.7 * _patterns(n, n_parcels, 0.8, rng) + 0.7 * rng.standard_normal((n, len(active)))

    levels = mean + scenario.sd_condition * around(scenario.n_conditions)[of]
    levels += scenario.sd_trial * around(len(of))
    together = scenario.sd_together * rng.standard_normal((len(of), n_parcels))
    levels += np.repeat(together, PER_PARCEL, axis=1) * mean
    return levels * active, active


def _patterns(n: int, n_parcels: int, smoothness: float, rng: np.random.Generator) -> FloatArray:
    """Draw smooth maps of sd 1 within parcels, shape (n, n_positions)."""
    maps = rng.standard_normal((n, n_parcels, *SIDE))
    maps = gaussian_filter(maps, (0, 0, *[smoothness] * 3), mode="wrap").reshape(n, -1)
    return np.asarray(maps / maps.std())


def _by_run(events: list[_RunEvents], levels: FloatArray) -> list[tuple[_RunEvents, FloatArray]]:
    ends = np.cumsum([len(onsets) for onsets, _, _ in events])
    return list(zip(events, np.split(levels, ends[:-1]), strict=True))


def _response(
    scenario: TrialScenario, shapes: list[HrfShape], events: _RunEvents, levels: FloatArray
) -> FloatArray:
    """Signal of the events of a run, shape (n_scans, n_positions)."""
    onsets, durations, _ = events
    of_parcels = np.split(levels, scenario.n_parcels, axis=1)

    def response(shape: HrfShape, onset: float, duration: float) -> FloatArray:
        one = Events(np.array([onset]), np.array([duration]), np.ones(1))
        return regressor(shape, one, n_scans=scenario.n_scans, tr=scenario.tr)

    signals = []
    for shape, mine in zip(shapes, of_parcels, strict=True):
        X = np.stack([response(shape, *one) for one in zip(onsets, durations, strict=True)], axis=1)
        signals.append(X @ mine)
    return np.hstack(signals)


def _draw_noise(scenario: TrialScenario, rng: np.random.Generator) -> list[FloatArray]:
    """Draw the noise of each run: smooth, and of four factors that all parcels share."""
    n_positions, n_factors = scenario.n_parcels * PER_PARCEL, 4
    rho = scenario.rho ** (scenario.tr / 2) + 0.08 * rng.standard_normal(n_positions)
    rho = np.clip(rho, 0.0, 0.93)
    rho_shared = np.full(n_factors, 0.85 ** (scenario.tr / 2))
    maps = _patterns(n_factors, scenario.n_parcels, 1.2, rng)
    maps += 0.5 * rng.standard_normal((n_factors, 1))
    maps /= np.sqrt(np.sum(maps**2, axis=0)).mean()

    def smooth(n: int) -> FloatArray:
        return _patterns(n, scenario.n_parcels, scenario.smoothness, rng)

    runs = []
    for _ in range(scenario.n_runs):
        own = _ar1(scenario.n_scans, rho, smooth)
        factors = _ar1(scenario.n_scans, rho_shared, lambda n: rng.standard_normal((n, n_factors)))
        noise = np.sqrt(1 - scenario.shared) * own + np.sqrt(scenario.shared) * factors @ maps
        runs.append(scenario.noise_sd * noise)
    return runs


def _ar1(n_scans: int, rho: FloatArray, draw: Callable[[int], FloatArray]) -> FloatArray:
    """Make stationary AR(1) courses of sd 1 from independent scans."""
    courses = draw(n_scans)
    for before, now in pairwise(courses):
        now *= np.sqrt(1 - rho**2)
        now += rho * before
    return courses


def _draw_drift(scenario: TrialScenario, rng: np.random.Generator) -> list[FloatArray]:
    time = (np.arange(scenario.n_scans) + 0.5) / scenario.n_scans
    line = np.sqrt(12) * (time - 0.5)
    basis = np.stack([line, *(np.sqrt(2) * np.cos(k * np.pi * time) for k in (2, 3))], axis=1)
    n_positions = scenario.n_parcels * PER_PARCEL
    return [
        scenario.drift * basis @ rng.standard_normal((3, n_positions))
        for _ in range(scenario.n_runs)
    ]
