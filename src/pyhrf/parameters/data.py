"""The parameters of the data and their confounds, but for their files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pyhrf.parameters.declare import Option, parameter

DataKind = Literal["volume", "surface", "simulation"]
ExampleName = Literal["default", "small", "realistic"]
Scaling = Literal["none", "percent"]
LevelsKind = Literal["shared", "per-run"]

MAX_TR = 30.0  # seconds; no scanner is that slow, so that a larger value is a mistake


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """The data, but for their files."""

    kind: DataKind = parameter(
        "simulation",
        description="Kind of data: your own, in the voxels of volumes or on the nodes of a "
        "surface, or an example data set that is made for you",
        allowed="volume, surface or simulation",
        option=Option(
            "-d",
            "Kind of data",
            default="volume with -f, surface with -f and -g, else simulation",
            in_bids=False,
        ),
    )
    example: ExampleName = parameter(
        "default",
        description="Example data set, used when the kind is simulation",
        allowed="default, small or realistic",
        option=Option("-t", "Example data to analyse when no -f is given", in_bids=False),
    )
    tr: float | None = parameter(
        None,
        description="Repetition time of all runs",
        allowed=f"> 0 and at most {MAX_TR:g}",
        unit="seconds",
        empty="taken from the header of the BOLD data",
        option=Option(
            "-I",
            "Repetition time in seconds, instead of the header's",
            metavar="SECONDS",
            default="none",
            needs="-f",
            in_bids=False,
        ),
    )
    event_column: str = parameter(
        "trial_type",
        min_length=1,
        description="Column of BIDS events files that names the condition of each event",
        allowed="the name of a column",
        option=Option(
            "--event-column",
            "Column of BIDS events files that names the conditions",
            metavar="NAME",
            needs="-f",
        ),
    )
    amplitude_column: str | None = parameter(
        None,
        description="Column of BIDS events files that has the amplitude of each event",
        allowed="the name of a column",
        empty="the column amplitude where it is there, else every amplitude is 1",
        option=Option(
            "--amplitude-column",
            "Column of BIDS events files that has the amplitudes",
            metavar="NAME",
            default="amplitude, where it is there",
            needs="-f",
        ),
    )
    scaling: Scaling = parameter(
        "none",
        description="Unit of the signal: as it is in the file, or percent of its mean over time "
        "in each voxel and run",
        allowed="none or percent",
        option=Option(
            "--percent",
            "Scale the signal to percent of its mean over time",
            flag="percent",
            default="none",
        ),
    )
    levels: LevelsKind = parameter(
        "shared",
        description="Response levels: shared by all runs, or per-run, COND_run1, COND_run2 and so "
        "on, of which a contrast of COND takes the mean; the HRF is shared in any case",
        allowed="shared or per-run",
        option=Option(
            "--levels-per-run",
            "Give each run its own levels",
            flag="per-run",
            default="none",
            in_bids=False,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ConfoundSettings:
    """Confounds and censoring by motion, from the files of confounds that runs name."""

    columns: str = parameter(
        "motion6",
        min_length=1,
        description="Columns that are removed from the signal with the drift: names, patterns such "
        "as a_comp_cor_0*, motion6, motion12 or motion24 (fMRIPrep's motion parameters, with "
        "derivatives, and with squares), outliers (fMRIPrep's columns of single scans, as many as "
        "a run has), all, or none; apart by blanks",
        allowed="names of columns, patterns, motion6, motion12, motion24, outliers, all or none",
        option=Option(
            "--confound-columns",
            "Confounds to remove: names of columns, patterns, motion6, motion12, motion24, "
            "outliers (as many as a run has), all or none",
            metavar="NAMES",
            needs="--confounds",
        ),
    )
    fd_threshold: float | None = parameter(
        None,
        gt=0,
        description="Scans whose framewise_displacement exceeds this count as not acquired",
        allowed="a number > 0",
        unit="millimetres",
        empty="no scan is censored by its displacement",
        option=Option(
            "--fd-threshold",
            "Censor scans whose framewise_displacement exceeds this",
            metavar="MM",
            default="none",
            needs="--confounds",
        ),
    )
