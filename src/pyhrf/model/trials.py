"""Single trials: which events have a level of their own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError
from pyhrf.notices import Note
from pyhrf.parameters.trials import TrialSettings
from pyhrf.wording import did_you_mean, named

# Onsets that differ by less are one time, seconds.
_SAME = 1e-3
# A trial of a longer block says little of single events, seconds.
LONG_BLOCK = 30.0
# More trials than this part of the scans that are left beside the nuisance say little each.
MANY_TRIALS = 0.8
POOLED = " + "


class Trial(NamedTuple):
    """An event that has a level of its own.

    Attributes
    ----------
    run : int
        Number of its run, from 0.
    condition : str
        Its condition; of events that are pooled, those of all of them.
    onset, duration : float
        Seconds.
    amplitude : float
        As given; its level is the height of the response whatever this is.
    n_scans : int
        Scans that count, while its response lasts.
    reason : str
        Why it has no level; empty if it has.
    """

    run: int
    condition: str
    onset: float
    duration: float
    amplitude: float
    n_scans: int
    reason: str


def trials_of(
    experiment: Experiment, settings: TrialSettings, *, hrf_duration: float
) -> list[Trial]:
    """List the single trials of an experiment, by run and onset.

    Parameters
    ----------
    experiment : Experiment
    settings : TrialSettings
    hrf_duration : float
        Seconds that a response lasts.

    Returns
    -------
    list of Trial
        Empty if there are to be none.

    Raises
    ------
    InputError
        If a condition is not there or modulates the events of another, events are at one time, no
        event reaches a scan, or runs are to be left out and there is one only.
    """
    if not settings.has_trials:
        return []
    conditions = _chosen(experiment, settings)
    found: list[Trial] = []
    for number, run in enumerate(experiment.runs):
        events = [
            Trial(number, name, *event, *_seen(run, event, hrf_duration))
            for name in conditions
            for event in _events_of(run, name)
        ]
        # whatever their conditions are called
        events.sort(key=lambda one: (one.onset, one.duration, one.amplitude))
        found += _apart(events, run.tr, pooled=settings.simultaneous == "pooled")
    if all(trial.reason for trial in found):
        raise InputError(f"{named('single_trials')}: no event of these conditions reaches a scan")
    if settings.trial_hyper == "run" and len({t.run for t in found if not t.reason}) < 2:
        raise InputError(
            f"{named('trial_hyper')} is run, and there is one run with trials only: take all"
        )
    return found


def _events_of(run: Run, condition: str) -> Iterator[tuple[float, float, float]]:
    """Give onset, duration and amplitude of each event, also of those outside the scans."""
    for of_conditions in (run.events, run.outside):
        if condition in of_conditions:
            events = of_conditions[condition]
            columns = (events.onsets, events.durations, events.amplitudes)
            yield from zip(*(values.tolist() for values in columns), strict=True)


def _seen(run: Run, event: tuple[float, float, float], hrf_duration: float) -> tuple[int, str]:
    """Count the scans that see an event; tell why it has no level if none does."""
    onset, duration, amplitude = event
    times = run.tr * np.arange(run.n_scans)
    during = (times > onset) & (times < onset + duration + hrf_duration)
    n_scans = int((during & run.kept).sum())
    if amplitude == 0:
        return n_scans, "its amplitude is 0"
    if not during.any():
        return 0, "it is outside the scans"
    return n_scans, "" if n_scans else "all scans that see it are censored"


def _apart(trials: Sequence[Trial], tr: float, *, pooled: bool) -> list[Trial]:
    """Refuse or pool the events of one time, which differ in duration by less than a TR.

    Those that have no level anyway are confused with none.
    """
    found: list[Trial] = []
    for trial in trials:
        alike = [
            place
            for place, other in enumerate(found)
            if not (trial.reason or other.reason)
            and _at_one_time(other, (trial.onset, trial.duration), tr)
        ]
        if not alike:
            found.append(trial)
            continue
        other = found[alike[0]]
        if not pooled:
            raise InputError(
                f"{named('single_trials')}: in run {trial.run + 1} events of "
                f"{other.condition!r} and {trial.condition!r} are both at {other.onset:g} s, so "
                "that their levels cannot be told apart: leave one of the conditions out, or take "
                f"them for one trial ({named('pool_simultaneous')})"
            )
        names = dict.fromkeys((*other.condition.split(POOLED), trial.condition))
        found[alike[0]] = _pooled(other, trial, POOLED.join(names))
    return found


def _at_one_time(trial: Trial, event: tuple[float, float], tr: float) -> bool:
    """Tell whether the responses to a trial and to an event, by onset and duration, are one."""
    onset, duration = event
    return abs(trial.onset - onset) < _SAME and abs(trial.duration - duration) < tr


def _pooled(one: Trial, other: Trial, condition: str) -> Trial:
    """Pool two events: the longer one, from when the first begins, so that their order holds."""
    longer = max(one, other, key=lambda trial: trial.duration)
    return longer._replace(condition=condition, onset=one.onset)


def _chosen(experiment: Experiment, settings: TrialSettings) -> list[str]:
    """Give the conditions whose events are trials, in the order of the experiment."""
    names = settings.trial_conditions
    modulations = modulated(experiment)
    if names is None:
        return [name for name in experiment.conditions if name not in modulations]
    unknown = [name for name in names if name not in experiment.conditions]
    if unknown:
        raise InputError(
            f"{named('single_trials')}: no condition is called {unknown[0]!r}: "
            f"{did_you_mean(unknown[0], experiment.conditions)}"
        )
    chosen = [name for name in experiment.conditions if name in names]
    for name in chosen:
        if name in modulations:
            raise InputError(
                f"{named('single_trials')}: {name!r} modulates the events of "
                f"{modulations[name]!r}, which are no events of its own: take {modulations[name]!r}"
            )
    return chosen


def modulated(experiment: Experiment) -> dict[str, str]:
    """Find the conditions whose events are those of another, with other amplitudes.

    Returns
    -------
    dict of str to str
        The other condition, by the one that modulates it.
    """
    found: dict[str, str] = {}
    times = {name: _times(experiment, name) for name in experiment.conditions}
    for name in experiment.conditions:
        if not _varies(experiment, name):
            continue
        plain = (
            other
            for other in experiment.conditions
            if other != name and times[name] <= times[other] and not _varies(experiment, other)
        )
        if (other := next(plain, None)) is not None:
            found[name] = other
    return found


def _times(experiment: Experiment, name: str) -> set[tuple[int, float, float]]:
    return {
        (number, onset, duration)
        for number, run in enumerate(experiment.runs)
        for onset, duration, _ in _events_of(run, name)
    }


def _varies(experiment: Experiment, name: str) -> bool:
    amplitudes = [run.events[name].amplitudes for run in experiment.runs if name in run.events]
    return bool(amplitudes and np.ptp(np.concatenate(amplitudes)) > 0)


def trial_notes(
    experiment: Experiment, trials: Sequence[Trial], n_free: Sequence[int]
) -> list[str]:
    """Say what is doubtful in trials that can be estimated.

    Parameters
    ----------
    experiment : Experiment
    trials : sequence of Trial
    n_free : sequence of int
        Scans less nuisance regressors of each run.
    """
    notes: list[str] = []
    if not trials:
        return notes
    own = _conditions_of(experiment, trials)
    for name, other in modulated(experiment).items():
        if other in own:
            notes.append(
                Note(
                    "single trials: {name!r} modulates the events of {other!r}, whose single "
                    "levels have it already; it has none of its own",
                    name=name,
                    other=other,
                )
            )
    others = set(experiment.conditions) - own - modulated(experiment).keys()
    notes += [
        Note(
            "single trials: events of {name!r} are at the times of trials, whose levels are the "
            "heights of the response to both",
            name=name,
        )
        for name in sorted(others)
        if _shares_times(experiment, name, trials)
    ]
    without = [trial for trial in trials if trial.reason]
    if without:
        first = without[0]
        notes.append(
            Note(
                "single trials: {n} of {of} have no level (NaN), the first of {name!r} at "
                "{onset:g} s in run {run}: {reason}",
                n=len(without),
                of=len(trials),
                name=first.condition,
                onset=first.onset,
                run=first.run + 1,
                reason=first.reason,
            )
        )
    for number, free in enumerate(n_free):
        n = sum(trial.run == number and not trial.reason for trial in trials)
        if n > MANY_TRIALS * free:
            notes.append(
                Note(
                    "single trials: run {run} has {n} trials and {free} scans beside its nuisance "
                    "regressors: each trial says little, and is shrunk by much",
                    run=number + 1,
                    n=n,
                    free=free,
                )
            )
    longest = max(trial.duration for trial in trials)
    if longest > LONG_BLOCK:
        notes.append(
            Note(
                "single trials: events last up to {longest:g} s; the level of a long block is "
                "hardly told from slow drifts",
                longest=longest,
            )
        )
    return notes


def _conditions_of(experiment: Experiment, trials: Sequence[Trial]) -> set[str]:
    """Name the conditions of trials: a pooled one has several, and each may have a plus itself."""
    found = {trial.condition for trial in trials}
    pooled = [POOLED + name + POOLED for name in found.difference(experiment.conditions)]
    parts = (name for name in experiment.conditions if name not in found)
    return found | {one for one in parts if any(POOLED + one + POOLED in x for x in pooled)}


def trials_as_one(experiment: Experiment, trials: Sequence[Trial]) -> Experiment:
    """Put all trials into one condition, the first, which knows nothing of theirs.

    The other conditions stay, but for those that modulate events of trials, and for single events
    at the time of a trial: its level is the height of the response to all that is then. A condition
    of just these events would be the mean of all trials, which nothing could then tell.
    """
    own = _conditions_of(experiment, trials)
    modulations = modulated(experiment)
    others = [
        name
        for name in experiment.conditions
        if name not in own and modulations.get(name) not in own
    ]
    together = "trials"
    while together in others:
        together += "_"
    runs = []
    for number, run in enumerate(experiment.runs):
        mine = [trial for trial in trials if trial.run == number and not trial.reason]
        left = {
            name: _without(run.events[name], mine, run.tr) for name in others if name in run.events
        }
        events = {name: of_name for name, of_name in left.items() if len(of_name.onsets)}
        if mine:
            onsets, durations = ([getattr(t, x) for t in mine] for x in ("onset", "duration"))
            ones = np.ones(len(mine))
            events[together] = Events(np.array(onsets), np.array(durations), ones)
        runs.append(replace(run, events=events, outside={}))
    others = [name for name in others if any(name in run.events for run in runs)]
    return Experiment((together, *others), tuple(runs))


def _without(events: Events, trials: Sequence[Trial], tr: float) -> Events:
    """Leave out the events that are at the time of a trial."""
    columns = (events.onsets, events.durations, events.amplitudes)
    times = zip(events.onsets.tolist(), events.durations.tolist(), strict=True)
    kept = [not any(_at_one_time(trial, time, tr) for trial in trials) for time in times]
    return events if all(kept) else Events(*(values[kept] for values in columns))


def _shares_times(experiment: Experiment, condition: str, trials: Sequence[Trial]) -> bool:
    """Tell whether a condition has an event at the time of a trial that has a level."""
    for number, run in enumerate(experiment.runs):
        mine = [trial for trial in trials if trial.run == number and not trial.reason]
        events = run.events.get(condition)
        if events is not None and _without(events, mine, run.tr) is not events:
            return True
    return False
