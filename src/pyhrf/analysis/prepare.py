"""A study made ready: its files opened, its parameters checked against them, its estimator made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from pyhrf.analysis.memory import check_memory
from pyhrf.config.contrasts import parse_contrast
from pyhrf.config.study import Study
from pyhrf.data import Events, Experiment, FloatArray
from pyhrf.errors import ConfigError, InputError
from pyhrf.estimation import (
    StudyEstimator,
    check_trials,
    code_versions,
    design_warnings,
    make_estimator,
)
from pyhrf.execution.journal import Journal
from pyhrf.inputs.dataset import Dataset
from pyhrf.inputs.spm import is_spm
from pyhrf.model.levels import spread_weights
from pyhrf.parameters.trials import TrialSettings
from pyhrf.results import check_names
from pyhrf.study_data import EXAMPLE_DATA, StudyData, Tell

_SAME_AMPLITUDES = 1e-6  # distance at norm 1, above what decimals of a file lose


@dataclass(frozen=True)
class Prepared:
    """All that the work needs, checked.

    Attributes
    ----------
    dataset : Dataset
        Opened; its values are read when they are needed.
    estimator : StudyEstimator
    key : mapping of str to str
        Everything that the results depend on.
    checksums : mapping of str to str
        Of the input files, by path.
    warnings : sequence of str
        What is doubtful in the design.
    """

    dataset: Dataset
    estimator: StudyEstimator
    key: Mapping[str, str]
    checksums: Mapping[str, str]
    warnings: Sequence[str]

    @property
    def costs(self) -> dict[int, float]:
        """Seconds that each parcel is expected to take, roughly."""
        cost, n_fits = self.estimator.cost, self.estimator.n_fits
        return {number: n_fits * cost(size) for number, size in self.dataset.parcels.items()}


def check_fit(study: Study, dataset: Dataset) -> dict[str, dict[str, float]]:
    """Check parameters against the data; return the weights of each contrast."""
    if study.hrf.dt > 2 * dataset.tr:
        raise ConfigError(
            f"element <hrf><dt>: {study.hrf.dt:g} is not allowed: must be at most twice the "
            f"repetition time of {dataset.tr:g}, so {2 * dataset.tr:g} (seconds)"
        )
    conditions = dataset.experiment.conditions
    check_memory(study, dataset)
    _check_distinct(dataset.experiment)
    check_trials(study, dataset.experiment)
    check_names(conditions, (contrast.name for contrast in study.contrasts))
    parts = dataset.run_conditions
    known = tuple(dict.fromkeys([*parts, *conditions]))
    return {
        contrast.name: spread_weights(
            parse_contrast(contrast.expression, known, name=contrast.name), parts
        )
        for contrast in study.contrasts
    }


def _check_distinct(experiment: Experiment) -> None:
    """Refuse conditions with proportional events: nothing could tell their responses apart.

    The same onsets with other amplitudes are another thing: a parametric modulation.
    """
    seen: dict[tuple[bytes, ...], list[tuple[str, FloatArray]]] = {}
    for condition in experiment.conditions:
        times, amplitudes = _shape_of_events(experiment, condition)
        if not amplitudes.size:
            continue
        alike = seen.setdefault(times, [])
        for other, theirs in alike:
            gap = min(np.linalg.norm(amplitudes - sign * theirs) for sign in (1, -1))
            if gap < _SAME_AMPLITUDES:
                raise InputError(
                    f"the conditions {other!r} and {condition!r} have the same events, with "
                    "amplitudes that are the same up to a factor, so that their responses cannot "
                    "be told apart: make one condition of them"
                )
        alike.append((condition, amplitudes))


def _shape_of_events(
    experiment: Experiment, condition: str
) -> tuple[tuple[bytes, ...], FloatArray]:
    """Give the times of the events that count, and their amplitudes at norm 1, runs joined."""
    times: list[bytes] = []
    amplitudes: list[FloatArray] = []
    for run in experiment.runs:
        events = run.events.get(condition)
        # An event of amplitude 0 is none.
        some = np.empty(0, np.intp) if events is None else np.flatnonzero(events.amplitudes)
        if events is None or not some.size:
            times.append(b"")
            continue
        times.append(events.onsets[some].tobytes() + events.durations[some].tobytes())
        amplitudes.append(events.amplitudes[some])
    joined = np.concatenate(amplitudes or [np.empty(0)])
    largest = np.abs(joined).max(initial=0.0) or 1.0  # first, so that no square overflows
    return tuple(times), joined / largest / (np.linalg.norm(joined / largest) or 1.0)


def prepare(study: Study, data: StudyData) -> Prepared:
    """Open the files of a study, check that all fits, and make its estimator.

    Raises
    ------
    InputError, ConfigError
        Naming file, place, value and cure.
    """
    dataset = data.open()
    contrasts = check_fit(study, dataset)
    # Only now: compiled code takes a second to import, and the user waits for what is wrong.
    estimator = make_estimator(study, dataset.experiment, contrasts)
    sums = dataset.checksums()
    key = {
        **study.numerical_parameters(),
        # What the files hold counts, not where they lie: the data may be moved between runs.
        **{
            f"content of {role}": sums[str(path)]
            for role, path in dataset.roles.items()
            # of other paradigms than an SPM.mat the events are all that is read
            if not role.startswith("paradigm of run ") or is_spm(path)
        },
        **_events(dataset, outside=_has_trials(study)),
        **code_versions(study),
    }
    checksums = {data.home_of(path): sum_ for path, sum_ in sums.items()}
    warnings = design_warnings(study, dataset.experiment)
    return Prepared(dataset, estimator, key, checksums, warnings)


def _events(dataset: Dataset, *, outside: bool) -> dict[str, str]:
    """Give a checksum of the events of each run, as they are used: moved by `start_time`.

    A file has more than is read of it: other columns, comments. Events outside the scans count
    where each event has a place of its own.
    """
    contents = {}
    for number, run in enumerate(dataset.experiment.runs, start=1):
        contents[f"events of run {number}"] = _sum_of(run.events)
        if outside and run.outside:
            contents[f"events outside the scans of run {number}"] = _sum_of(run.outside)
    return contents


def _sum_of(of_conditions: Mapping[str, Events]) -> str:
    digest = hashlib.sha256()
    for condition, events in sorted(of_conditions.items()):
        digest.update(json.dumps([condition, len(events.onsets)]).encode())
        for values in (events.onsets, events.durations, events.amplitudes):
            digest.update(values.astype("<f8").tobytes())
    return digest.hexdigest()


def _has_trials(study: Study) -> bool:
    return isinstance(study.own, TrialSettings) and study.own.has_trials


@contextmanager
def open_journal(
    study: Study, data: StudyData, prepared: Prepared, tell: Tell
) -> Iterator[Journal]:
    """Hold the journal of a study; its notes are told, and example data are kept beside it.

    Raises
    ------
    InputError
        If the output directory cannot be used.
    """
    expected = (EXAMPLE_DATA,) if study.data.kind == "simulation" else ()
    with Journal(study.output, prepared.key, expected=expected) as journal:
        for note in journal.notes:
            tell(f"note: {note}")
        data.keep()
        yield journal
