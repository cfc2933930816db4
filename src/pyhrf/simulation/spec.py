"""What artificial data shall be like: one frozen dataclass, checked when it is made.

The fields carry their own description, unit and limits, so that the command line, the checks and
the documentation say the same. Nothing here needs more than the standard library.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal, Self, get_args

from pyhrf.errors import InputError
from pyhrf.simulation.fields import about, check_value

Region = Literal["box", "ellipsoid", "grey-matter"]
StorageType = Literal["float32", "int16"]

VERSION = 1
"""Goes into `SimulationSpec.to_json`; raised when the same description gives other data."""


@dataclass(frozen=True, kw_only=True)
class SimulationSpec:
    """Description of an artificial data set; the same description gives the same data.

    Levels and drifts are relative to ``noise_sd``, so that ``snr`` is the height of the response to
    an impulse over the sd of the (stationary) noise. The description of each attribute is in the
    metadata of its field, and in ``pyhrf simulate --help``.

    Raises
    ------
    InputError
        A value has the wrong type, lies out of its range or does not fit the others; the message
        names the field, the value and what is allowed.
    """

    region: Region = field(
        default="ellipsoid",
        metadata=about(
            "where there are voxels: the whole box, the ellipsoid in it, or the grey matter that "
            "nilearn ships",
            option="region",
            choices=get_args(Region),
        ),
    )
    shape: tuple[int, int, int] | None = field(
        default=(24, 26, 17),
        metadata=about(
            "size of the grid, voxels; none for grey-matter, whose grid follows from the voxel "
            "size",
            option="shape",
            optional=True,
            length=3,
            whole=True,
            low=1,
            high=1000,
        ),
    )
    voxel_size: float = field(
        default=3.0,
        metadata=about("edge of a voxel, mm", option="voxel-size", low=0.1, high=20),
    )
    n_parcels: int = field(
        default=24,
        metadata=about("number of parcels", option="parcels", whole=True, low=1, high=100_000),
    )
    parcel_size_spread: float = field(
        default=0.2,
        metadata=about(
            "how much the sizes of the parcels differ, sd of their logarithm",
            option="parcel-size-spread",
            low=0,
            high=3,
        ),
    )
    n_runs: int = field(
        default=1, metadata=about("number of runs", option="runs", whole=True, low=1, high=100)
    )
    n_scans: int = field(
        default=200,
        metadata=about("scans of each run", option="scans", whole=True, low=10, high=100_000),
    )
    tr: float = field(
        default=2.0,
        metadata=about("repetition time, seconds", option="tr", low=0.05, high=30),
    )
    n_conditions: int = field(
        default=4,
        metadata=about("experimental conditions", option="conditions", whole=True, low=1, high=100),
    )
    event_interval: float = field(
        default=16.0,
        metadata=about(
            "mean time between two events of one condition, seconds; events of all conditions are "
            "mixed",
            option="event-interval",
            low=0.1,
            high=1e5,
        ),
    )
    event_duration: tuple[float, float] = field(
        default=(0.0, 0.0),
        metadata=about(
            "shortest and longest event, seconds; 0 0 for impulses, 15 15 for blocks",
            option="event-duration",
            length=2,
            low=0,
            high=1e5,
        ),
    )
    event_jitter: float = field(
        default=0.6,
        metadata=about(
            "random part of the time between events: 0 for regular ones, 1 for exponential "
            "intervals",
            option="event-jitter",
            low=0,
            high=1,
        ),
    )
    onset_step: float = field(
        default=0.1,
        metadata=about(
            "grid of the onsets and durations, seconds", option="onset-step", low=1e-3, high=30
        ),
    )
    hrf_peak: tuple[float, float] = field(
        default=(4.2, 7.2),
        metadata=about(
            "earliest and latest peak of an HRF, seconds; one HRF per parcel",
            option="hrf-peak",
            length=2,
            low=1,
            high=20,
        ),
    )
    hrf_fwhm: tuple[float, float] = field(
        default=(4.5, 6.5),
        metadata=about(
            "smallest and largest width of an HRF at half height, for a peak at 6 s, seconds",
            option="hrf-fwhm",
            length=2,
            low=1,
            high=12,
        ),
    )
    hrf_undershoot: tuple[float, float] = field(
        default=(0.05, 0.3),
        metadata=about(
            "smallest and largest undershoot, relative to the peak",
            option="hrf-undershoot",
            length=2,
            low=0,
            high=0.9,
        ),
    )
    active_fraction: float = field(
        default=0.3,
        metadata=about(
            "mean fraction of active voxels where a condition activates a parcel (a third more or "
            "less from one to the next)",
            option="active-fraction",
            low=0,
            high=1,
        ),
    )
    inactive_fraction: float = field(
        default=0.25,
        metadata=about(
            "fraction of the (parcel, condition) pairs without any active voxel; a parcel keeps "
            "one active condition as long as there are others to take",
            option="inactive-fraction",
            low=0,
            high=1,
        ),
    )
    negative_fraction: float = field(
        default=0.0,
        metadata=about(
            "fraction of the active (parcel, condition) pairs whose responses are negative",
            option="negative-fraction",
            low=0,
            high=1,
        ),
    )
    smoothness: float = field(
        default=1.4,
        metadata=about(
            "size of the activated blobs: sd of the Gaussian filter of the field whose largest "
            "values are active, voxels; 0 for voxels that know nothing of each other",
            option="smoothness",
            low=0,
            high=50,
        ),
    )
    snr: float = field(
        default=0.5,
        metadata=about(
            "mean response level of active voxels (height of the response to an impulse) over "
            "noise_sd",
            option="snr",
            low=0,
            high=1e3,
        ),
    )
    level_spread: float = field(
        default=0.25,
        metadata=about(
            "sd of the levels of active voxels over their mean",
            option="level-spread",
            low=0,
            high=5,
        ),
    )
    inactive_level_spread: float = field(
        default=0.0,
        metadata=about(
            "sd of the levels of inactive voxels over the mean level of active ones",
            option="inactive-level-spread",
            low=0,
            high=5,
        ),
    )
    baseline: float = field(
        default=1000.0,
        metadata=about(
            "mean signal of a voxel (a tenth more or less from one to the next)",
            option="baseline",
            low=0,
            high=1e6,
        ),
    )
    noise_sd: float = field(
        default=10.0,
        metadata=about(
            "sd of the stationary noise, in the median voxel; the unit of levels and drifts",
            option="noise-sd",
            low=0,
            high=1e6,
            strict=True,
        ),
    )
    noise_sd_spread: float = field(
        default=0.1,
        metadata=about(
            "how much the noise sd differs between voxels, sd of its logarithm",
            option="noise-sd-spread",
            low=0,
            high=2,
        ),
    )
    ar1: tuple[float, float] = field(
        default=(0.0, 0.5),
        metadata=about(
            "smallest and largest lag-1 autocorrelation of the noise of a voxel",
            option="ar1",
            length=2,
            low=-0.99,
            high=0.99,
        ),
    )
    noise_smoothness: float = field(
        default=0.0,
        metadata=about(
            "correlation of the noise between voxels: sd of its Gaussian filter, voxels; 0 for "
            "none",
            option="noise-smoothness",
            low=0,
            high=50,
        ),
    )
    noise_dof: float | None = field(
        default=None,
        metadata=about(
            "degrees of freedom of Student's t for the innovations of the noise; none for "
            "Gaussian ones",
            option="noise-dof",
            optional=True,
            low=2,
            high=1e6,
            strict=True,
        ),
    )
    drift: float = field(
        default=1.0,
        metadata=about(
            "size of the slow drifts (rms over time) over noise_sd",
            option="drift",
            low=0,
            high=1e3,
        ),
    )
    drift_period: float = field(
        default=128.0,
        metadata=about(
            "shortest period of the drifts, seconds", option="drift-period", low=1, high=1e5
        ),
    )
    dtype: StorageType = field(
        default="float32",
        metadata=about(
            "number type of the BOLD signal; int16 rounds it",
            option="dtype",
            choices=get_args(StorageType),
        ),
    )
    seed: int = field(
        default=0,
        metadata=about(
            "seed of every random number", option="seed", whole=True, low=0, high=2**63 - 1
        ),
    )

    def __post_init__(self) -> None:
        for one in fields(self):
            object.__setattr__(self, one.name, check_value(one, getattr(self, one.name)))
        self._check_together()

    def _check_together(self) -> None:
        if (self.shape is None) != (self.region == "grey-matter"):
            message = (
                "the grid of region grey-matter follows from voxel_size: leave shape out"
                if self.region == "grey-matter"
                else f"region {self.region} needs a shape: three numbers of voxels"
            )
            raise InputError(f"simulation: {message}.")
        if self.region == "grey-matter" and not self.voxel_size.is_integer():
            raise InputError(
                f"simulation: voxel_size = {self.voxel_size:g}: the grey matter comes at whole "
                f"millimetres only."
            )
        if self.region == "box" and self.shape and self.n_parcels > math.prod(self.shape):
            raise InputError(
                f"simulation: {self.n_parcels} parcels do not fit into "
                f"{math.prod(self.shape)} voxels; ask for fewer parcels or a larger shape."
            )
        seconds = self.n_scans * self.tr
        if seconds < 2 * self.event_interval:
            raise InputError(
                f"simulation: a run of {seconds:g} s is too short for an event of each condition "
                f"every {self.event_interval:g} s; it must last at least twice as long."
            )
        spacing = self.event_interval / self.n_conditions
        if self.event_duration[1] > 0 and self.event_duration[1] >= spacing:
            raise InputError(
                f"simulation: events of up to {self.event_duration[1]:g} s do not fit when one of "
                f"{self.n_conditions} conditions starts every {spacing:g} s; the event interval "
                f"must exceed {self.n_conditions * self.event_duration[1]:g} s."
            )
        if self.onset_step > spacing:
            raise InputError(
                f"simulation: onsets {spacing:g} s apart cannot lie on a grid of "
                f"{self.onset_step:g} s; take a smaller onset step or a longer event interval."
            )

    def to_json(self) -> str:
        """Text of the description, readable and complete; `from_json` reads it back."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, source: str = "simulation.json") -> Self:
        """Read a description back from the text that `to_json` made.

        Parameters
        ----------
        text : str
            JSON object; a field that it lacks has its default.
        source : str
            Where the text comes from, for messages.

        Raises
        ------
        InputError
            The text is not JSON, not an object, or holds an unknown field or a bad value.
        """
        try:
            values = json.loads(text)
        except json.JSONDecodeError as error:
            raise InputError(f"{source}, line {error.lineno}: not JSON: {error.msg}.") from error
        if not isinstance(values, Mapping):
            raise InputError(f"{source}: not a description of a simulation (a JSON object).")
        values = {name: value for name, value in values.items() if name != "version"}
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(values) - known):
            raise InputError(
                f"{source}: unknown field {unknown[0]!r}; allowed are {', '.join(sorted(known))}."
            )
        return cls(**values)
