"""Artificial paradigms: events of several conditions, mixed and jittered."""

from __future__ import annotations

import numpy as np

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError
from pyhrf.simulation.spec import SimulationSpec


def draw_experiment(spec: SimulationSpec, rng: np.random.Generator) -> Experiment:
    """Draw the paradigm of every run.

    Raises
    ------
    InputError
        A run is so short that a condition got no event.
    """
    width = len(str(spec.n_conditions))
    conditions = tuple(f"cond{m + 1:0{width}d}" for m in range(spec.n_conditions))
    runs = tuple(_draw_run(spec, conditions, rng) for _ in range(spec.n_runs))
    return Experiment(conditions, runs)


def _draw_run(spec: SimulationSpec, conditions: tuple[str, ...], rng: np.random.Generator) -> Run:
    """Events at jittered intervals, their conditions in random order, each as often as the rest."""
    spacing = spec.event_interval / spec.n_conditions
    gap = spacing - sum(spec.event_duration) / 2
    n_drawn = int(2 * spec.n_scans * spec.tr / spacing) + spec.n_conditions
    durations = rng.uniform(*spec.event_duration, size=n_drawn)
    gaps = gap * (1 + spec.event_jitter * (rng.standard_exponential(n_drawn) - 1))
    # Counted in steps, at least one apart: no condition has two events at one time.
    step = spec.onset_step
    durations = np.rint(durations / step)
    gaps = np.maximum(np.rint(gaps / step), 1.0)
    onsets = np.cumsum(gaps) + np.concatenate([[0.0], np.cumsum(durations[:-1])])
    onsets, durations = np.round(onsets * step, 6), np.round(durations * step, 6)
    n_events = int(np.searchsorted(onsets, spec.n_scans * spec.tr))
    if n_events < spec.n_conditions:
        raise InputError(
            f"simulation: {n_events} events fall into a run of {spec.n_scans * spec.tr:g} s, less "
            f"than one for each of {spec.n_conditions} conditions; ask for more scans or a "
            f"shorter event interval."
        )
    order = rng.permutation(np.arange(n_events) % spec.n_conditions)
    events = {
        name: Events(onsets[:n_events][chosen], durations[:n_events][chosen], np.ones(chosen.sum()))
        for name, chosen in ((name, order == m) for m, name in enumerate(conditions))
    }
    return Run(spec.n_scans, spec.tr, events)
