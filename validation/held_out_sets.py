"""Real data in two parts: scans to estimate from, and scans to predict."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from pyhrf.data import Events, Experiment, FloatArray, Parcel, Run
from pyhrf.spaces.neighbours import find_parcels
from validation.real_data import LOCALIZER, LOCALIZER_TR, data_file, read_image, read_onsets

__all__ = ["SETS", "WHOLE", "Fold", "Part", "impulses", "part_of"]

DROPPED = 15.0
"""Seconds left out between two halves of a run."""
MEMORY = 25.0
"""Events this long before the first scan still count, seconds: their responses reach it."""
HAXBY_RUNS, HAXBY_TR, HAXBY_FOLDS = 12, 2.5, 3


@dataclass(frozen=True)
class Part:
    """Some runs: their experiment, and their data parcel by parcel."""

    experiment: Experiment
    parcels: list[Parcel]


@dataclass(frozen=True)
class Fold:
    """What is estimated from, and what is predicted; parcels in the same order."""

    training: Part
    test: Part


def _localizer_data(
    name: str,
) -> tuple[NDArray[np.generic], NDArray[np.int64], dict[str, FloatArray]]:
    bold_name, label_name = LOCALIZER[name]
    volume, _ = read_image(bold_name)
    label, _ = read_image(label_name)
    label = np.where(np.ptp(volume, axis=3) > 0, label.astype(np.int64), 0)
    return volume, label, read_onsets("paradigm_loc_av.csv")


def _localizer(name: str) -> Iterator[Fold]:
    """Either half of the scans predicts the other one."""
    volume, label, onsets = _localizer_data(name)
    n_scans = volume.shape[3]
    gap = int(np.ceil(DROPPED / LOCALIZER_TR))
    middle = (n_scans - gap) // 2
    halves = [
        part_of([_half(volume, onsets, first, last)], label)
        for first, last in ((0, middle), (middle + gap, n_scans))
    ]
    yield Fold(halves[0], halves[1])
    yield Fold(halves[1], halves[0])


def _localizer_in_four(name: str) -> Iterator[Fold]:
    """Each quarter of the scans is predicted from all that is not beside it."""
    volume, label, onsets = _localizer_data(name)
    n_scans = volume.shape[3]
    gap = int(np.ceil(DROPPED / LOCALIZER_TR))
    ends = np.linspace(0, n_scans, 5).astype(int)
    for first, last in pairwise(ends):
        parts = ((0, first - gap), (last + gap, n_scans))
        training = [_half(volume, onsets, a, b) for a, b in parts if b - a > 0]
        yield Fold(part_of(training, label), part_of([_half(volume, onsets, first, last)], label))


def _whole_localizer(name: str) -> Part:
    volume, label, onsets = _localizer_data(name)
    return part_of([_half(volume, onsets, 0, volume.shape[3])], label)


def _half(
    volume: NDArray[np.generic], onsets: dict[str, FloatArray], first: int, last: int
) -> tuple[NDArray[np.generic], Run]:
    """Scans `first` to `last` as a run of their own, with the events that they can show."""
    start, stop = LOCALIZER_TR * first, LOCALIZER_TR * last
    events = {
        name: impulses(times[(times > start - MEMORY) & (times < stop)] - start)
        for name, times in onsets.items()
    }
    return volume[..., first:last], Run(last - first, LOCALIZER_TR, events)


def impulses(onsets: FloatArray) -> Events:
    return Events(onsets, np.zeros(len(onsets)), np.ones(len(onsets)))


def _haxby() -> Iterator[Fold]:
    """Four of the runs, each third one, are predicted from the other eight."""
    runs = [_haxby_run(number) for number in range(1, HAXBY_RUNS + 1)]
    label = _quarters(np.mean([volume.mean(axis=3) for volume, _ in runs], axis=0))
    for fold in range(HAXBY_FOLDS):
        chosen = [number % HAXBY_FOLDS == fold for number in range(HAXBY_RUNS)]
        test = [run for run, here in zip(runs, chosen, strict=True) if here]
        training = [run for run, here in zip(runs, chosen, strict=True) if not here]
        yield Fold(part_of(training, label), part_of(test, label))


def _whole_haxby() -> Part:
    runs = [_haxby_run(number) for number in range(1, HAXBY_RUNS + 1)]
    return part_of(runs, _quarters(np.mean([volume.mean(axis=3) for volume, _ in runs], axis=0)))


def _haxby_run(number: int) -> tuple[NDArray[np.generic], Run]:
    stem = f"haxby/run-{number:02d}"
    volume, _ = read_image(f"{stem}_bold.nii.gz")
    table = pd.read_csv(data_file(f"{stem}_events.tsv"), sep="\t")
    events = {
        str(name): Events(
            rows["onset"].to_numpy(float), rows["duration"].to_numpy(float), np.ones(len(rows))
        )
        for name, rows in table.groupby("trial_type")
    }
    return volume, Run(volume.shape[3], HAXBY_TR, events)


def _quarters(mean: FloatArray) -> NDArray[np.int64]:
    """Cut what is bright enough into four parcels of equal size, by its first two coordinates."""
    places = np.argwhere(mean > 0.25 * np.quantile(mean, 0.98))
    right = places[:, 0] >= np.median(places[:, 0])
    front = np.zeros(len(places), dtype=bool)
    for side in (right, ~right):
        front[side] = places[side, 1] >= np.median(places[side, 1])
    label = np.zeros(mean.shape, dtype=np.int64)
    label[tuple(places.T)] = 1 + right + 2 * front
    return label


def part_of(runs: list[tuple[NDArray[np.generic], Run]], label: NDArray[np.int64]) -> Part:
    """Put runs together, their data as parcels."""
    found = find_parcels(label)
    conditions = sorted({name for _, run in runs for name in run.events})
    bold = np.concatenate(
        [volume.reshape(-1, volume.shape[3])[found.voxels].T for volume, _ in runs]
    ).astype(np.float32)
    parcels = [
        Parcel(
            number=number,
            bold=np.ascontiguousarray(bold[:, found.bounds[index] : found.bounds[index + 1]]),
            edges=found.edges_of(index),
            positions=found.voxels[found.bounds[index] : found.bounds[index + 1]],
        )
        for index, number in enumerate(found.numbers)
    ]
    return Part(Experiment(tuple(conditions), tuple(run for _, run in runs)), parcels)


SETS: dict[str, dict[str, Callable[[], Iterator[Fold]]]] = {
    "localizer": {
        "localizer, regions": lambda: _localizer("regions"),
        "localizer, subj0": lambda: _localizer("subj0"),
    },
    "quarters": {
        "localizer in four, regions": lambda: _localizer_in_four("regions"),
        "localizer in four, subj0": lambda: _localizer_in_four("subj0"),
    },
    "haxby": {"haxby": _haxby},
}
"""Folds of the data sets that a name stands for."""

WHOLE: dict[str, Callable[[], Part]] = {
    "localizer, regions": lambda: _whole_localizer("regions"),
    "localizer, subj0": lambda: _whole_localizer("subj0"),
    "haxby": _whole_haxby,
}
"""All runs of each data set."""
