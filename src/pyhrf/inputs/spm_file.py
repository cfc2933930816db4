"""Read an SPM.mat, as a process of its own: ``python -m pyhrf.inputs.spm_file FILE``."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import math
import resource
import sys
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.data import Events, FloatArray
from pyhrf.errors import InputError, counted
from pyhrf.files import read_regular
from pyhrf.inputs.condition_names import clean_name
from pyhrf.notices import Note

MEMORY = 1 << 30
"""Bytes that reading may take: the largest designs need a tenth of that."""

SECONDS = 8
"""Of the processor that reading may take, for a file of common size."""

_CURE = "give the SPM.mat that SPM wrote, or make the design again in SPM"
_BYTES_PER_SECOND = 5_000_000  # that more time is given for


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


def answer(path: Path) -> str:
    """Read a file and give the text that `from_json` understands, whatever is in it."""
    notes: list[Note] = []
    try:
        design = parse_spm(path, notes)
    except InputError as error:
        return json.dumps({"error": str(error)})
    except MemoryError:
        return json.dumps({"error": f"{path}: takes more than 1 GB of memory to read: {_CURE}"})
    except Exception as error:  # whatever structures the file holds, in place of those of SPM
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return json.dumps(
            {"error": f"{path}: is not an SPM.mat, or is damaged ({reason}): {_CURE}"}
        )
    runs = [{name: _lists(events) for name, events in run.items()} for run in design.runs]
    confounds = [None if each is None else each.tolist() for each in design.confounds]
    said = [[note.form, {**note.values, "path": str(path)}] for note in notes]
    return json.dumps(asdict(design) | {"runs": runs, "confounds": confounds, "notes": said})


def _lists(events: Events) -> list[list[float]]:
    return [events.onsets.tolist(), events.durations.tolist(), events.amplitudes.tolist()]


def from_json(text: bytes | str) -> tuple[SpmDesign, list[Note]]:
    """Give the design and the notes of `answer`.

    Raises
    ------
    InputError
        If the file could not be read.
    ValueError
        If this is no whole answer.
    """
    found = json.loads(text)
    if "error" in found:
        raise InputError(found["error"])
    runs = [
        {name: Events(*map(np.array, lists)) for name, lists in run.items()}
        for run in found["runs"]
    ]
    confounds = [None if each is None else np.array(each) for each in found["confounds"]]
    design = SpmDesign(
        tr=found["tr"],
        n_scans=tuple(found["n_scans"]),
        runs=tuple(runs),
        confounds=tuple(confounds),
        in_scans=found["in_scans"],
    )
    notes = [
        Note(form, **{**values, "path": Path(values["path"])}) for form, values in found["notes"]
    ]
    return design, notes


def parse_spm(path: Path, notes: list[Note]) -> SpmDesign:
    """Read the design of an SPM.mat, in this process.

    Parameters
    ----------
    path : Path
    notes : list of Note
        As of `pyhrf.inputs.spm.read_spm`.

    Raises
    ------
    InputError
        If it cannot be read, or is no design of an fMRI experiment with conditions.
    """
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
    _note_reference(path, spm, tr, notes)
    return SpmDesign(tr, n_scans, tuple(runs), tuple(confounds), units == "scans")


def _load(path: Path) -> Any:
    """Read the structure ``SPM``."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        raw = read_regular(path)
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
        raise InputError(f"{path}: is not an SPM.mat, or is damaged ({error})") from error
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
        raise InputError(f"{path}: SPM.{name} is not a number")
    return float(numbers[0])


def _several(value: Any) -> Iterator[Any]:
    """Give the elements of a structure array, which is no array if there is but one."""
    yield from np.ravel(value) if isinstance(value, np.ndarray) else [value]


def _names(value: Any) -> list[str]:
    """Give the texts of a cell array of them."""
    return [str(name) for name in np.ravel(np.asarray(value, dtype=object)) if str(name)]


def _events(
    path: Path, number: int, session: Any, unit: float, notes: list[Note]
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
        if modulations:
            notes.append(
                Note(
                    '{path}, session {number}, condition "{condition}": the modulation by '
                    "{modulations} is left out",
                    path=path,
                    number=number,
                    condition=name,
                    modulations=", ".join(map(str, modulations)),
                )
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


def _note_reference(path: Path, spm: Any, tr: float, notes: list[Note]) -> None:
    """Tell when SPM takes a scan not for its beginning: peaks are earlier here by as much."""
    bins, onset = (getattr(spm.xBF, name, None) for name in ("T", "T0"))
    if isinstance(bins, int | float) and isinstance(onset, int | float) and 1 < onset <= bins:
        notes.append(
            Note(
                "{path}: SPM takes each scan {later:.3g} s after its beginning (SPM.xBF.T0 is "
                "{onset:g} of {bins:g}), and PyHRF at its beginning: where slices are timed so, "
                "responses peak that much later than PyHRF says",
                path=path,
                later=tr * (onset - 1) / bins,
                onset=onset,
                bins=bins,
            )
        )


def _modulates(parameter: Any) -> bool:
    return str(getattr(parameter, "name", "none")) not in ("none", "", "[]")


def _vector(label: str, what: str, value: Any) -> FloatArray:
    try:
        vector = np.ravel(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        vector = np.array([math.nan])
    if not np.isfinite(vector).all():
        raise InputError(f"{label}: the {what} are not finite numbers")
    return np.asarray(vector, dtype=np.float64)


def _limit(path: Path) -> None:
    """Allow this process no more memory and time than a design takes."""
    limits = [(resource.RLIMIT_CORE, 0)]
    with contextlib.suppress(OSError):
        size = path.stat().st_size
        limits.append((resource.RLIMIT_CPU, SECONDS + size // _BYTES_PER_SECOND))
    with contextlib.suppress(OSError, ValueError):  # of Linux; elsewhere memory has no such limit
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        limits.append((resource.RLIMIT_AS, pages * resource.getpagesize() + MEMORY))
    for what, most in limits:
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, hard))


if __name__ == "__main__":
    import scipy.io.matlab  # noqa: F401 - before memory is counted

    _limit(Path(sys.argv[1]))
    print(answer(Path(sys.argv[1])))
