"""Real data for single trials, where no level is known: reliability and decoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Experiment, FloatArray, Run
from validation.glm import run_design
from validation.held_out_sets import WHOLE, impulses, part_of
from validation.real_data import LOCALIZER, LOCALIZER_TR, read_image, read_onsets
from validation.trial_data import TrialData
from validation.trial_scores import contiguous_folds

__all__ = ["REAL", "Decoding", "decodings"]

POSITIONS = 80
"""Of each parcel of the localizer; the same for all methods."""
LATEST = 8.0
"""Events of the last seconds of a run are left out: hardly any scan shows them."""


@dataclass(frozen=True)
class Decoding:
    """What is told of each trial from the others.

    Attributes
    ----------
    classes, folds : int array, shape (n_trials,)
    parcel_of : int array, shape (n_positions,)
        Positions that are looked at together.
    """

    classes: NDArray[np.int64]
    folds: NDArray[np.int64]
    parcel_of: NDArray[np.int64]


def _localizer(name: str) -> TrialData:
    """Read a run of ten conditions, in the positions that respond most to any event."""
    volume, _ = read_image(LOCALIZER[name][0])
    label = read_image(LOCALIZER[name][1])[0].astype(np.int64)
    label[np.ptp(volume, axis=3) == 0] = 0
    n_scans = volume.shape[3]
    last = LOCALIZER_TR * n_scans - LATEST
    onsets = {
        condition: times[times < last]
        for condition, times in read_onsets("paradigm_loc.csv").items()
    }
    chosen = responding(volume, label, np.sort(np.concatenate(list(onsets.values()))))
    run = Run(n_scans, LOCALIZER_TR, {c: impulses(times) for c, times in onsets.items()})
    part = part_of([(volume, run)], np.where(chosen, label, 0))
    return TrialData(part.experiment, part.parcels)


def responding(
    volume: NDArray[np.generic], label: NDArray[np.int64], onsets: FloatArray
) -> NDArray[np.bool_]:
    """Choose positions of each parcel by what a canonical response to all events explains.

    No condition is looked at.
    """
    run = Run(volume.shape[3], LOCALIZER_TR, {"all": impulses(onsets)})
    X, _ = run_design(run, ("all",), "canonical")
    Q = np.linalg.qr(X[:, 1:])[0]
    inside = np.flatnonzero(label)
    Y = volume.reshape(-1, volume.shape[3])[inside].T.astype(np.float64)
    Y -= Q @ (Q.T @ Y)
    z = X[:, 0] - Q @ (Q.T @ X[:, 0])
    r2 = (z @ Y) ** 2 / np.sum(Y**2, axis=0)
    chosen = np.zeros(label.size, dtype=np.bool_)
    for number in np.unique(label.ravel()[inside]):
        mine = np.flatnonzero(label.ravel()[inside] == number)
        chosen[inside[mine[np.argsort(-r2[mine], kind="stable")[:POSITIONS]]]] = True
    return chosen.reshape(label.shape)


def _haxby() -> TrialData:
    part = WHOLE["haxby"]()
    return TrialData(part.experiment, part.parcels)


REAL: dict[str, Callable[[], TrialData]] = {
    "regions": lambda: _localizer("regions"),
    "subj0": lambda: _localizer("subj0"),
    "haxby": _haxby,
}


def decodings(data: TrialData) -> dict[str, Decoding]:
    """Give what is to be decoded: leaving runs out, or a fifth of the only run.

    By name; the conditions parcel by parcel have none, ``all`` takes all positions together.
    """
    if len(data.experiment.runs) > 1:
        by_parcel = {"": Decoding(data.conditions, data.runs, data.parcel_of)}
        if data.levels is not None:
            return by_parcel
        together = np.ones_like(data.parcel_of)
        return by_parcel | {
            "all": Decoding(data.conditions, data.runs, together),
        }
    folds = contiguous_folds(len(data.trials))
    modality = _modality(data.experiment)[data.conditions]
    return {
        "": Decoding(data.conditions, folds, data.parcel_of),
        "modality": Decoding(modality, folds, data.parcel_of),
    }


def _modality(experiment: Experiment) -> NDArray[np.int64]:
    """Tell sounds, checkerboards and words that are read apart."""
    return np.array(
        [1 * ("audio" in name) + 2 * ("damier" in name) for name in experiment.conditions]
    )
