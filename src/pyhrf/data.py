"""The vocabulary that every room shares: experiment, parcel and what is estimated from it.

Plain arrays in frozen dataclasses, so that they travel between processes and machines without
any code. Units are seconds; the parcels of a study are numbered by positive integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError, says_where
from pyhrf.outputs.columns import COLUMNS, by_condition
from pyhrf.outputs.maps import MAPS, MapName

FloatArray = NDArray[np.float64]
Status = Literal["ok", "failed", "skipped"]
_HRF_COLUMNS = {name for column in COLUMNS["hrf"] for name in (column, by_condition(column))}


@says_where(
    "tables of events go to the fit of pyhrf.JDE, pyhrf.RFIR or pyhrf.GLM; here are arrays of the "
    "onsets, durations and amplitudes of one condition"
)
@dataclass(frozen=True, slots=True)
class Events:
    """Events of one condition in one run.

    Attributes
    ----------
    onsets : array, shape (n_events,)
        Seconds after the first scan of the run.
    durations : array, shape (n_events,)
        Seconds; 0 for an impulse, which counts as much as an event of 1 s. In files that mix the
        two in a condition, an impulse is taken as an event of the shortest duration, 1 s at most.
    amplitudes : array, shape (n_events,)
        Height of each event relative to the others, without unit; 1 if nothing is known.
    """

    onsets: FloatArray
    durations: FloatArray
    amplitudes: FloatArray

    def __post_init__(self) -> None:
        for name in ("onsets", "durations", "amplitudes"):
            try:
                values = np.asarray(getattr(self, name), dtype=np.float64)
            except (TypeError, ValueError):
                raise InputError(f"{name} of events must be an array of numbers") from None
            if values.ndim != 1 or len(values) != np.size(self.onsets):
                raise InputError(
                    f"{name} of events have the shape {values.shape}: onsets, durations and "
                    "amplitudes must be as many, in arrays of one dimension"
                )
            if not np.isfinite(values).all():
                raise InputError(f"{name} of events must be finite, and one is NaN or infinite")
            object.__setattr__(self, name, values)
        if (self.durations < 0).any():
            raise InputError(
                f"durations of events must be 0 or more, and one is {self.durations.min():g} s"
            )


@dataclass(frozen=True, slots=True)
class Run:
    """What was acquired and shown in one run.

    Attributes
    ----------
    n_scans : int
        Number of scans.
    tr : float
        Repetition time, seconds.
    events : mapping of str to Events
        Events by condition; a condition that this run lacks is absent.
    confounds : array, shape (n_scans, n_confounds), optional
        Further nuisance regressors, finite, any unit; integrated out like the drift.
    censored : bool array, shape (n_scans,), optional
        Scans that count as not acquired; their values are never looked at.
    outside : mapping of str to Events
        Events by condition that no scan can show: nothing is estimated of them, but they are listed
        among single trials.
    """

    n_scans: int
    tr: float
    events: Mapping[str, Events]
    confounds: FloatArray | None = None
    censored: NDArray[np.bool_] | None = None
    outside: Mapping[str, Events] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.n_scans, int | np.integer) or self.n_scans < 1:
            raise InputError(
                f"n_scans of a run is {self.n_scans!r}: it must be a whole number above 0"
            )
        if not isinstance(self.tr, int | float | np.number) or not 0 < self.tr < np.inf:
            raise InputError(
                f"tr of a run is {self.tr!r}: it must be a finite number of seconds above 0"
            )
        for name, events in self.events.items():
            if not isinstance(events, Events):
                raise InputError(
                    f"events of the condition {name!r} of a run must be Events: give a dict of "
                    "them by condition; tables of events are for pyhrf.JDE, pyhrf.RFIR and "
                    "pyhrf.GLM"
                )

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which scans count, shape (n_scans,)."""
        if self.censored is None:
            return np.ones(self.n_scans, dtype=np.bool_)
        return np.logical_not(self.censored)


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything that the parcels of a study share.

    Attributes
    ----------
    conditions : tuple of str
        Names of the conditions, in the order of every result.
    runs : tuple of Run
        Runs, in the order in which their scans follow each other in ``Parcel.bold``.
    """

    conditions: tuple[str, ...]
    runs: tuple[Run, ...]

    def __post_init__(self) -> None:
        names: object = self.conditions  # of whatever type a caller gave
        if not isinstance(names, tuple | list) or not all(isinstance(x, str) for x in names):
            raise InputError(f"conditions of an experiment are {names!r}: give a tuple of names")
        if len(set(self.conditions)) < len(self.conditions):
            raise InputError("conditions of an experiment must have different names")
        runs: object = self.runs
        if not isinstance(runs, tuple | list) or not all(isinstance(run, Run) for run in runs):
            raise InputError("runs of an experiment must be a tuple of Run")
        object.__setattr__(self, "conditions", tuple(self.conditions))
        object.__setattr__(self, "runs", tuple(self.runs))

    @property
    def n_scans(self) -> int:
        """Scans of all runs together, censored ones included."""
        return sum(run.n_scans for run in self.runs)

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which scans count, shape (n_scans,)."""
        return np.concatenate([run.kept for run in self.runs])


class ParcelId(NamedTuple):
    """Which parcel of which study, where a run may have several.

    Estimators and files of results know nothing of studies: the number is all that they have.

    Attributes
    ----------
    study : int
        Place of the study in the run, from 0.
    number : int
        Its label in the parcellation of the study, positive.

    Examples
    --------
    >>> [str(parcel) for parcel in (ParcelId(0, 225), ParcelId(2, 7))]
    ['225', '2.7']
    """

    study: int
    number: int

    def __str__(self) -> str:
        return f"{self.study}.{self.number}" if self.study else f"{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str` gives.

        Raises
        ------
        ValueError
            If it is something else.
        """
        study, _, number = text.rpartition(".")
        return cls(int(study or 0), int(number))


@dataclass(frozen=True, slots=True)
class Parcel:
    """Data of one parcel.

    Attributes
    ----------
    number : int
        Its label in the parcellation, positive.
    bold : float32 array, shape (n_scans, n_positions)
        BOLD signal, runs one after the other, in the unit of the scanner.
    edges : int32 array, shape (n_edges, 2)
        Pairs of neighbouring positions (columns of ``bold``), each pair once, smaller index first.
    positions : int64 array, shape (n_positions,)
        Where each position lies in the data set (flat C-order voxel index, or mesh node).
    """

    number: int
    bold: NDArray[np.float32]
    edges: NDArray[np.int32]
    positions: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ParcelEstimate:
    """What an estimator says of one parcel, as tables and maps without any file.

    All of its columns and maps are in the catalogue, `pyhrf.outputs`.

    Attributes
    ----------
    parcel : int
        Number of the parcel.
    status : {"ok", "failed", "skipped"}
        Whether the rest is there.
    reason : str
        Why it is not, in one sentence; empty when ``ok``.
    positions : int64 array, shape (n_positions,)
        As in `Parcel`.
    summary : mapping of str to float
        One value per parcel; the columns of ``parcels.tsv``.
    conditions : mapping of str to array, shape (n_conditions,)
        One value per condition; the columns of ``conditions.tsv``.
    hrf : mapping of str to array, shape (n_samples,)
        ``time``, ``hrf``, ``sd`` and perhaps more; the columns of ``hrf.tsv``. Where every
        condition has an HRF of its own, ``hrf_by_condition`` and ``sd_by_condition``, of shape
        (n_conditions, n_samples), hold them, and the others that of all conditions together.
    maps : mapping of (str, str) to float32 array, (n_positions,) or (n_positions, n_samples)
        By kind and condition or contrast, as ``("nrl", "audio")``; by kind and nothing where it is
        of neither, as ``("noise_sd", "")``. NaN where a position was left out. With a second axis,
        of the times of `hrf` or of single trials, it becomes a 4D file.
    trace : float array, shape (n_iterations,)
        Course of the criterion: of VEM the free energy, of MCMC the log likelihood after every
        sweep, one chain after the other.
    courses : mapping of str to float32 array, shape (n_scans,)
        ``measured`` and ``fitted`` of the positions that are explained best; see
        `pyhrf.model.fitted.mean_courses`.
    trials : mapping of str to array, shape (n_trials,)
        One value per single trial, the median over positions; columns of ``trials.tsv``.

    Raises
    ------
    ValueError
        If the catalogue lacks a column or a map.
    """

    parcel: int
    status: Status
    reason: str
    positions: NDArray[np.int64]
    summary: Mapping[str, float] = field(default_factory=dict)
    conditions: Mapping[str, FloatArray] = field(default_factory=dict)
    hrf: Mapping[str, FloatArray] = field(default_factory=dict)
    maps: Mapping[MapName, NDArray[np.float32]] = field(default_factory=dict)
    trace: FloatArray = field(default_factory=lambda: np.empty(0))
    courses: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    trials: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = [
            *(key for key in self.maps if key[0] not in MAPS),
            *(name for name in self.summary if name not in COLUMNS["parcels"]),
            *(name for name in self.conditions if name not in COLUMNS["conditions"]),
            *(name for name in self.hrf if name not in _HRF_COLUMNS),
            *(name for name in self.courses if name not in COLUMNS["courses"]),
            *(name for name in self.trials if name not in COLUMNS["trials"]),
        ]
        if unknown:
            raise ValueError(f"{unknown} of an estimate are not in the catalogue, pyhrf.outputs")


class Estimator(Protocol):
    """What an engine runs: it turns a parcel into an estimate and never raises for bad data."""

    name: str

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        """Estimate one parcel; data that cannot be used give a ``failed`` estimate."""
        ...

    def compile(self) -> None:
        """Bring compiled code into memory, before workers need it; by default there is none."""
        return
