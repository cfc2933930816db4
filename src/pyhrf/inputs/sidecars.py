"""When scans were acquired, as the JSON files of BIDS say it."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pyhrf.errors import InputError, counted
from pyhrf.notices import Figures, Note
from pyhrf.spaces.kinds import kind_of_file, time_step

_CORRECTED = "SliceTimingCorrected"
_MAX_TR = 30.0
_SHORTEST_START = 1e-3  # seconds; less is no delay
_EVEN = 0.01  # of a step, by which a scan may be early or late: times are rounded
_FIRST_WITH_START = 21  # the version of fMRIPrep that began to write StartTime


@dataclass(frozen=True)
class ScanTimes:
    """When the scans of a run were acquired.

    Attributes
    ----------
    tr : float or None
        Time between scans, seconds; None if no JSON file says it.
    start : float
        When the first scan was acquired, seconds after the time that onsets count from.
    doubts : tuple of str
        What is taken for granted and was not said.
    """

    tr: float | None
    start: float
    doubts: tuple[str, ...] = ()


def scan_times(
    bold: Path,
    own: Mapping[str, Any],
    *,
    raw: Mapping[str, Any] | None = None,
    volumes: Mapping[str, Mapping[str, Any]] | None = None,
    is_old: bool = False,
) -> ScanTimes:
    """Tell from the JSON files of a series when its scans were acquired.

    Slice timing correction moves all slices to one time, mostly the middle of a scan. It is
    ``StartTime``, which fMRIPrep writes since version 21. Where it is missing after a correction,
    the middle is taken.

    Parameters
    ----------
    bold : Path
        The series, for messages.
    own : mapping
        What its JSON files say.
    raw : mapping, optional
        What those of the acquired data say, if the series was made of them.
    volumes : mapping of str to mapping, optional
        Of a series on a surface: what the JSON files of its volumes say, by their names.
    is_old : bool
        Whether the series is of a version of fMRIPrep that corrects slice times and does not say.

    Returns
    -------
    ScanTimes

    Raises
    ------
    InputError
        If a value is none, scans are not evenly spaced (``VolumeTiming``), or files contradict
        each other.
    """
    raw, volumes = raw or {}, volumes or {}
    both = {**raw, **own}
    tr, doubts = _repetition_time(both, bold)
    start = _start(bold, own, volumes)
    if start is not None:
        return ScanTimes(tr, start if abs(start) > _SHORTEST_START else 0.0, doubts)
    corrected = next(
        (one[_CORRECTED] for one in (own, *volumes.values()) if _CORRECTED in one), None
    )
    slices = _slice_times(raw)
    if corrected is None and not slices:
        return ScanTimes(tr, 0.0, doubts)
    if corrected is None and not is_old:
        doubt = (
            "the JSON of the acquired data gives SliceTiming, and no file says whether slice times "
            f"were corrected ({_CORRECTED}): onsets are not moved; if they were, give StartTime in "
            "the JSON of the series, in seconds"
        )
        return ScanTimes(tr, 0.0, (*doubts, doubt))
    if corrected is False:
        return ScanTimes(tr, 0.0, doubts)
    known = time_step(bold) if tr is None else tr
    if known is None:
        raise InputError(
            f"{bold}: slice times were corrected, and its JSON files give neither StartTime nor "
            "RepetitionTime: give StartTime there, in seconds"
        )
    middle = _middle(both, slices, known)
    why = f"{_CORRECTED} is true"
    if corrected is None:
        why = f"fMRIPrep before {_FIRST_WITH_START} corrects slice times unless it is told not to"
    doubt = Note(
        "{why}, and StartTime is missing: the scans are taken to show the middle of their "
        "acquisition, {middle:g} s after its beginning; StartTime in the JSON of the series, in "
        "seconds, says otherwise",
        why=why,
        middle=middle,
    )
    return ScanTimes(tr, middle, (*doubts, doubt))


def doubts_of(runs: Iterable[ScanTimes]) -> list[str]:
    """Give what is in doubt of some runs, each once, with the number of runs if not of all."""
    all_runs = list(runs)
    counts = Counter(doubt for run in all_runs for doubt in run.doubts)
    return [
        doubt
        if n_runs == len(all_runs)
        else Note("of {runs}: {doubt}", runs=Figures(counted(n_runs, "run")), doubt=doubt)
        for doubt, n_runs in counts.items()
    ]


def is_old_fmriprep(description: Mapping[str, Any]) -> bool:
    """Tell by ``dataset_description.json`` if a folder is of fMRIPrep before 21.

    Examples
    --------
    >>> is_old_fmriprep({"GeneratedBy": [{"Name": "fMRIPrep", "Version": "20.2.3"}]})
    True
    """
    makers = description.get("GeneratedBy", description.get("PipelineDescription"))
    for maker in makers if isinstance(makers, list) else [makers]:
        if isinstance(maker, dict) and str(maker.get("Name")).lower() == "fmriprep":
            version = re.match(r"v?(\d+)\.", str(maker.get("Version")))
            return version is not None and int(version[1]) < _FIRST_WITH_START
    return False


def _start(
    bold: Path, own: Mapping[str, Any], volumes: Mapping[str, Mapping[str, Any]]
) -> float | None:
    """Read when a run began: not all surfaces say it, and then their volumes do."""
    start = _seconds(own, "StartTime", bold)
    if start is not None:
        return start
    starts = {
        start: name
        for name, about in volumes.items()
        if (start := _seconds(about, "StartTime", bold.with_name(name))) is not None
    }
    if len(starts) > 1:
        found = " and ".join(f"{start:g} in {name}" for start, name in starts.items())
        text = f"its JSON gives no StartTime, and those of its volumes disagree ({found})"
        raise InputError(f"{bold}: {text}: give it, in seconds, in that JSON")
    return next(iter(starts), None)


def _seconds(about: Mapping[str, Any], key: str, bold: Path) -> float | None:
    value = about.get(key)
    if value is None:
        return None
    if not _is_number(value):
        raise InputError(f"{bold}: its JSON gives {key} as {value!r}: seconds are needed")
    if key == "RepetitionTime" and not 0 < value <= _MAX_TR:
        raise InputError(
            f"{bold}: its JSON gives {key} as {value:g}: it is in seconds, more than 0 and at most "
            f"{_MAX_TR:g}"
        )
    if key == "StartTime" and abs(value) > _MAX_TR:
        raise InputError(
            f"{bold}: its JSON gives StartTime as {value:g}: it is in seconds, within a scan"
        )
    return float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _repetition_time(about: Mapping[str, Any], bold: Path) -> tuple[float | None, tuple[str, ...]]:
    """Read the time between scans, said in either way, and what is in doubt of it."""
    step, doubts = _volume_timing(about, bold)
    tr = _seconds(about, "RepetitionTime", bold)
    if step is not None and tr is not None and not math.isclose(step, tr, rel_tol=1e-3):
        raise InputError(
            f"{bold}: its JSON files give RepetitionTime {tr:g} s and VolumeTiming in steps of "
            f"{step:g} s: take the wrong one away"
        )
    return step if tr is None else tr, doubts


def _volume_timing(about: Mapping[str, Any], bold: Path) -> tuple[float | None, tuple[str, ...]]:
    """Read the step of even ``VolumeTiming``, and what is in doubt of its begin and length."""
    times = about.get("VolumeTiming")
    if times is None:
        return None, ()
    if not isinstance(times, list) or not all(map(_is_number, times)) or not times[1:]:
        raise InputError(
            f"{bold}: its JSON gives VolumeTiming that is not a list of times of scans, in seconds"
        )
    step = (times[-1] - times[0]) / (len(times) - 1)
    if not 0 < step <= _MAX_TR or any(
        abs(time - times[0] - k * step) > _EVEN * step for k, time in enumerate(times)
    ):
        steps = [later - earlier for earlier, later in pairwise(times)]
        raise InputError(
            f"{bold}: its JSON gives VolumeTiming with steps from {min(steps):g} to "
            f"{max(steps):g} s, and scans must follow each other in equal steps: leave the run "
            "out; or resample it to equal steps, and give RepetitionTime in its JSON files in "
            "place of VolumeTiming"
        )
    doubts = []
    if times[0]:
        doubts.append(
            Note(
                "VolumeTiming begins at {begin:g} s: onsets are taken to count from the first "
                "scan, as BIDS has it",
                begin=times[0],
            )
        )
    # What cannot be opened is refused elsewhere, in other words.
    if bold.is_file() and len(times) not in (found := kind_of_file(bold).timing(bold).n_scans):
        doubts.append(
            Note(
                "VolumeTiming gives the times of {scans}, and the series has {found}: onsets are "
                "taken to count from the first that is there; if scans were taken away at the "
                "beginning, give events counted from there",
                scans=Figures(counted(len(times), "scan")),
                found=Figures(" or ".join(map(str, found))),
            )
        )
    return round(step, 6), tuple(doubts)


def _slice_times(raw: Mapping[str, Any]) -> Sequence[float]:
    """Give the times of slices, if they are several and different."""
    times = raw.get("SliceTiming")
    if not isinstance(times, list) or not all(map(_is_number, times)) or len(set(times)) == 1:
        return ()
    return times


def _middle(about: Mapping[str, Any], slices: Sequence[float], tr: float) -> float:
    """Give the middle of the acquisition of a scan, as fMRIPrep has it: between its slices."""
    if slices and min(slices) >= 0 and max(slices) <= tr:
        return round((min(slices) + max(slices)) / 2, 6)
    duration, delay = about.get("AcquisitionDuration"), about.get("DelayTime")
    if _is_number(duration) and 0 < float(duration or 0) <= tr:
        return round(float(duration or 0) / 2, 6)
    rest = float(delay or 0) if _is_number(delay) else 0.0
    return round((tr - rest) / 2 if 0 <= rest < tr else tr / 2, 6)
