"""Response levels of each run: a condition becomes one per run, all with one HRF per parcel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pyhrf.data import Experiment
from pyhrf.errors import InputError


def levels_per_run(experiment: Experiment) -> tuple[Experiment, dict[str, tuple[str, ...]]]:
    """Give every condition levels of its own in each run that has it.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    experiment : Experiment
        With the conditions ``COND_run1``, ``COND_run2``, … in the place of ``COND``.
    parts : dict of str to tuple of str
        New names by the old one.

    Raises
    ------
    InputError
        If a new name is that of a condition already.
    """
    parts = {
        condition: tuple(
            f"{condition}_run{number}"
            for number, run in enumerate(experiment.runs, start=1)
            if condition in run.events
        )
        for condition in experiment.conditions
    }
    names = tuple(name for each in parts.values() for name in each)
    for name in experiment.conditions:
        if name in names:
            raise InputError(
                f"the condition {name!r} has the name that the levels of one run are given: "
                "rename it in the paradigm, or let runs share their levels"
            )
    runs = tuple(
        replace(
            run,
            events={f"{name}_run{number}": each for name, each in run.events.items()},
            outside={f"{name}_run{number}": each for name, each in run.outside.items()},
        )
        for number, run in enumerate(experiment.runs, start=1)
    )
    return Experiment(names, runs), parts


def spread_weights(
    weights: Mapping[str, float], parts: Mapping[str, Sequence[str]]
) -> dict[str, float]:
    """Put the mean over runs in the place of a condition in the weights of a contrast.

    Parameters
    ----------
    weights : mapping of str to float
        By names of conditions, old or new ones.
    parts : mapping of str to sequence of str
        As of `levels_per_run`.

    Returns
    -------
    dict of str to float
        Weights that are not 0, by the new names.
    """
    spread: dict[str, float] = {}
    for name, weight in weights.items():
        mine = parts.get(name, (name,))
        for part in mine:
            spread[part] = spread.get(part, 0.0) + weight / len(mine)
    return {name: weight for name, weight in spread.items() if weight}
