"""Conditions whose responses can hardly be told apart, though their events differ."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from pyhrf.data import Experiment, FloatArray
from pyhrf.model.nuisance import experiment_nuisance
from pyhrf.model.regressors import canonical_regressors
from pyhrf.notices import Note
from pyhrf.parameters.model import ModelSettings

# In artificial data of two conditions (pairs of events 0.5 to 8 s apart, and blocks in turns with
# pauses of 0 to 30 s), correlations up to .67 of either sign cost nothing: of what is called active
# with a probability above .95, less than 1 % is not. From .73 on it is 5 to 8 %, with levels whose
# differences are half as large again in error, and 27 % with errors of 2.5 times at .97.
_ALIKE = 0.7
# Pairs that are named.
_MOST = 5
# Less than this of a regressor is left when its nuisance is taken out: rounding.
_NOTHING = 1e-6


def alike_conditions(experiment: Experiment, model: ModelSettings) -> list[str]:
    """Warn of pairs of conditions that say much the same of the data.

    The regressors are those of the canonical response, without their nuisance. Modulations with
    their mean left in are ignored: `pyhrf.inputs.modulations.off_centre` tells of them.

    Parameters
    ----------
    experiment : Experiment
        That `pyhrf.model.checks.checked_design` accepts.
    model : ModelSettings

    Returns
    -------
    list of str
        A sentence for each pair, those that are most alike first.
    """
    regressors = canonical_regressors(experiment, model)
    P = experiment_nuisance(experiment, model)
    correlation = _correlation(regressors, P)
    pairs = [
        (m, n)
        for m, n in combinations(range(len(experiment.conditions)), 2)
        if abs(correlation[m, n]) > _ALIKE and not _modulates(experiment, m, n)
    ]
    pairs.sort(key=lambda pair: -abs(correlation[pair]))
    found = [
        _sentence(experiment.conditions[m], experiment.conditions[n], float(correlation[m, n]))
        for m, n in pairs[:_MOST]
    ]
    if len(pairs) > _MOST:
        form = f"{{n}} more pairs of conditions correlate by more than {_ALIKE:g}"
        found.append(Note(form, n=len(pairs) - _MOST))
    return found


def _sentence(one: str, other: str, correlation: float) -> str:
    cure = "leave one of them out, as the baseline of the other, or put pauses between them"
    if correlation > 0:
        cure = "make one condition of them, or vary the time between their events"
    return Note(
        "the responses to {one!r} and {other!r} can hardly be told apart: without drifts and "
        "confounds their regressors correlate by {correlation:.2f}, so that levels are uncertain "
        "and one may be called active for the other; {cure}",
        one=one,
        other=other,
        correlation=correlation,
        cure=cure,
    )


def _correlation(regressors: FloatArray, P: FloatArray) -> FloatArray:
    """Correlate regressors without their nuisance; 0 for those of which nothing is left."""
    Q = np.linalg.qr(P)[0]
    size = np.linalg.norm(regressors, axis=0)
    left = regressors - Q @ (Q.T @ regressors)
    norm = np.linalg.norm(left, axis=0)
    some = norm > _NOTHING * size
    left = np.where(some, left / np.where(some, norm, 1.0), 0.0)
    return np.asarray(left.T @ left)


def _modulates(experiment: Experiment, m: int, n: int) -> bool:
    """Tell whether one of two conditions has the events of the other one, which are all equal."""
    one, other = experiment.conditions[m], experiment.conditions[n]
    plain = {one: set[float](), other: set[float]()}
    for run in experiment.runs:
        events = [run.events.get(name) for name in (one, other)]
        if events[0] is None or events[1] is None:
            if events[0] is not events[1]:
                return False
            continue
        for field in ("onsets", "durations"):
            if not np.array_equal(getattr(events[0], field), getattr(events[1], field)):
                return False
        plain[one].update(events[0].amplitudes.tolist())
        plain[other].update(events[1].amplitudes.tolist())
    return any(len(amplitudes) == 1 for amplitudes in plain.values())
