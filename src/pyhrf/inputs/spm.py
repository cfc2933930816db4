"""Events, regressors and TR of every session from an SPM.mat of SPM5, SPM8 or SPM12."""

from __future__ import annotations

import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.data import Events, FloatArray
from pyhrf.errors import InputError, counted
from pyhrf.inputs.condition_names import clean_name

__all__ = ["SpmDesign", "is_spm", "read_spm", "sessions_of"]


@dataclass(frozen=True, slots=True)
class SpmDesign:
    """What a first-level design of SPM says of the experiment.

    Attributes
    ----------
    tr : float
        Repetition time, seconds.
    n_scans : tuple of int
        Scans of every session.
    runs : tuple of dict of str to Events
        Events of every session by condition, in order of onset; seconds.
    confounds : tuple of array, shape (n_scans, n_confounds), or None
        The user's own regressors of every session (``SPM.Sess.C``), if there are any.
    in_scans : bool
        Onsets and durations are scans in the file, so that their seconds follow from `tr`.
    """

    tr: float
    n_scans: tuple[int, ...]
    runs: tuple[dict[str, Events], ...]
    confounds: tuple[FloatArray | None, ...]
    in_scans: bool


def is_spm(path: Path) -> bool:
    """Tell by its name whether a file is an SPM.mat, perhaps gzipped."""
    return path.name.lower().endswith((".mat", ".mat.gz"))


def read_spm(path: Path | str, notes: list[str] | None = None) -> SpmDesign:
    """Read the design of an SPM.mat.

    Parameters
    ----------
    path : Path or str
        As SPM5, SPM8 or SPM12 writes it (MATLAB format up to 7), gzipped or not.
    notes : list of str, optional
        What the user should be told is appended here: parametric modulations, which are not taken
        over, and when in a scan SPM samples its regressors, if that is not its beginning.

    Returns
    -------
    SpmDesign
        Onsets and durations in scans are turned into seconds.

    Raises
    ------
    InputError
        If it cannot be read, or is no design of an fMRI experiment with conditions.
    """
    path = Path(path)
    spm = _load(path)
    tr = _scalar(path, spm, "xY.RT")
    units = str(_field(path, spm, "xBF.UNITS"))
    if not (math.isfinite(tr) and tr > 0) or units not in ("secs", "scans"):
        raise InputError(
            f"{path}: the repetition time (SPM.xY.RT) is {tr:g} and the unit of onsets "
            f"(SPM.xBF.UNITS) {units!r}; they must be above 0, and secs or scans"
        )
    sessions = list(_several(_field(path, spm, "Sess")))
    n_scans = tuple(int(n) for n in np.atleast_1d(_field(path, spm, "nscan")))
    if len(n_scans) != len(sessions):
        raise InputError(
            f"{path}: has {counted(len(sessions), 'session')} (SPM.Sess) and scans of "
            f"{len(n_scans)} (SPM.nscan); estimate the design again in SPM"
        )
    runs, confounds = [], []
    for number, session in enumerate(sessions, start=1):
        events = _events(path, number, session, tr if units == "scans" else 1.0, notes)
        if not events:
            raise InputError(f"{path}: session {number} has no condition (SPM.Sess.U)")
        runs.append(events)
        confounds.append(_confounds(path, number, session, n_scans[number - 1]))
    if notes is not None:
        _note_reference(path, spm, tr, notes)
    return SpmDesign(tr, n_scans, tuple(runs), tuple(confounds), units == "scans")


def _load(path: Path) -> Any:
    """Read the structure ``SPM``."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        stream: Any = io.BytesIO(raw)  # which the types of loadmat do not know
        found = loadmat(stream, struct_as_record=False, squeeze_me=True, variable_names=["SPM"])
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except NotImplementedError:  # an HDF5 file
        raise InputError(
            f"{path}: is of MATLAB's format 7.3, which is not read; load it in MATLAB and save it "
            "with save('SPM.mat', 'SPM', '-v7')"
        ) from None
    except (MatReadError, ValueError, TypeError, LookupError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: is no SPM.mat, or is damaged ({error})") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if "SPM" not in found:
        raise InputError(f"{path}: holds no variable SPM; give the SPM.mat of a first-level design")
    return found["SPM"]


def _field(path: Path, value: Any, name: str) -> Any:
    for part in name.split("."):
        value = getattr(value, part, None)
        if value is None:
            raise InputError(
                f"{path}: has no SPM.{name}; give the SPM.mat of the first level of an fMRI design"
            )
    return value


def _scalar(path: Path, value: Any, name: str) -> float:
    numbers = np.atleast_1d(_field(path, value, name))
    if numbers.size != 1 or numbers.dtype.kind not in "iuf":
        raise InputError(f"{path}: SPM.{name} is no number")
    return float(numbers[0])


def _several(value: Any) -> Iterator[Any]:
    """Give the elements of a structure array, which is no array if there is but one."""
    yield from np.ravel(value) if isinstance(value, np.ndarray) else [value]


def _names(value: Any) -> list[str]:
    """Give the texts of a cell array of them."""
    return [str(name) for name in np.ravel(np.asarray(value, dtype=object)) if str(name)]


def _events(
    path: Path, number: int, session: Any, unit: float, notes: list[str] | None
) -> dict[str, Events]:
    """Give the events of a session by condition, seconds."""
    found: dict[str, Events] = {}
    for condition in _several(getattr(session, "U", np.empty(0))):
        name = clean_name((_names(getattr(condition, "name", ())) or [""])[0].strip())
        label = f'{path}, session {number}, condition "{name}"'
        if not name or name in found:
            raise InputError(f"{label}: each condition needs a name of its own")
        onsets = _vector(label, "onsets", getattr(condition, "ons", None))
        durations = _vector(label, "durations", getattr(condition, "dur", None))
        if durations.size == 1:
            durations = np.repeat(durations, onsets.size)
        if durations.shape != onsets.shape or not onsets.size or durations.min() < 0:
            raise InputError(
                f"{label}: {onsets.size} onsets and {durations.size} durations; there must be one "
                "duration of at least 0 for each onset, or one for all"
            )
        order = np.argsort(onsets, kind="stable")
        found[name] = Events(unit * onsets[order], unit * durations[order], np.ones(onsets.size))
        modulations = [
            each.name for each in _several(getattr(condition, "P", np.empty(0))) if _modulates(each)
        ]
        if modulations and notes is not None:
            notes.append(
                f"{label}: the modulation by {', '.join(map(str, modulations))} is not taken over"
            )
    return found


def _confounds(path: Path, number: int, session: Any, n_scans: int) -> FloatArray | None:
    """Give the user's own regressors of a session."""
    values = np.asarray(getattr(getattr(session, "C", None), "C", np.empty(0)))
    if not values.size:
        return None
    label = f"{path}, session {number}, regressors (SPM.Sess.C)"
    columns = _vector(label, "values", values).reshape(len(values), -1)
    if len(columns) != n_scans:
        raise InputError(
            f"{label}: have {counted(len(columns), 'row')}, but the session has {n_scans} scans "
            "(SPM.nscan): make the design again in SPM"
        )
    return columns


def _note_reference(path: Path, spm: Any, tr: float, notes: list[str]) -> None:
    """Tell when SPM takes a scan not for its beginning: peaks are earlier here by as much."""
    bins, onset = (getattr(spm.xBF, name, None) for name in ("T", "T0"))
    if isinstance(bins, int | float) and isinstance(onset, int | float) and 1 < onset <= bins:
        notes.append(
            f"{path}: SPM takes each scan {tr * (onset - 1) / bins:.3g} s after its beginning "
            f"(SPM.xBF.T0 is {onset:g} of {bins:g}), and PyHRF at its beginning: where slices are "
            "timed so, responses peak that much later than PyHRF says"
        )


def _modulates(parameter: Any) -> bool:
    return str(getattr(parameter, "name", "none")) not in ("none", "", "[]")


def _vector(label: str, what: str, value: Any) -> FloatArray:
    try:
        vector = np.ravel(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        vector = np.array([math.nan])
    if not np.isfinite(vector).all():
        raise InputError(f"{label}: the {what} are no finite numbers")
    return np.asarray(vector, dtype=np.float64)


def sessions_of(
    design: SpmDesign,
    scans: Mapping[Path, int],
    *,
    tr: float,
    label: str,
    notes: list[str] | None = None,
) -> list[tuple[dict[str, Events], FloatArray | None]]:
    """Give events and confounds of the runs that use a design.

    Parameters
    ----------
    design : SpmDesign
        Its only session serves each run, without its confounds if there are several.
    scans : mapping of Path to int
        Scans of each run by its BOLD file, in the order of the runs.
    tr : float
        Repetition time of the runs, seconds: that of onsets in scans.
    label : str
        Name of the file, for messages.
    notes : list of str, optional
        What the user should be told is appended here.

    Returns
    -------
    list of tuple
        Events by condition, and an array of shape (n_scans, n_confounds) or None.

    Raises
    ------
    InputError
        If there are as many sessions not as runs, or their scans are others.
    """
    n_runs, n_sessions = len(scans), len(design.runs)
    if n_sessions not in (1, n_runs):
        raise InputError(
            f"{label}: holds {n_sessions} sessions for {counted(n_runs, 'run')}; give as many "
            "BOLD files as sessions"
        )
    given = []
    for number, (path, n_scans) in enumerate(scans.items()):
        session = number % n_sessions
        if n_scans != design.n_scans[session]:
            raise InputError(
                f"{label}: session {session + 1} has {design.n_scans[session]} scans (SPM.nscan), "
                f"and {path} has {n_scans}: give the BOLD files of this design in the order of its "
                "sessions"
            )
        confounds = design.confounds[session]
        if confounds is not None and notes is not None:
            regressors = counted(confounds.shape[1], "regressor")
            what = f"{label}, session {session + 1}: its {regressors} (SPM.Sess.C)"
            are = "is" if confounds.shape[1] == 1 else "are"
            if n_sessions == n_runs:
                notes.append(f"{what} {are} taken as confounds")
            elif number == 0:
                notes.append(
                    f"{what} {are} of one session, and not taken over for {n_runs} runs; give the "
                    "confounds of each run (--confounds)"
                )
        events = _rescaled(design, session, tr)
        given.append((events, confounds if n_sessions == n_runs else None))
    return given


def _rescaled(design: SpmDesign, session: int, tr: float) -> dict[str, Events]:
    """Give the events of a session; those in scans of another repetition time are stretched."""
    unit = tr / design.tr if design.in_scans else 1.0
    return {
        name: Events(unit * each.onsets, unit * each.durations, each.amplitudes)
        for name, each in design.runs[session].items()
    }
