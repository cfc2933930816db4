"""Events, regressors and TR of every session from an SPM.mat of SPM5, SPM8 or SPM12.

MATLAB's format is read by scipy's compiled code, which a damaged file can make crash, loop or take
all memory. So `pyhrf.inputs.spm_file` reads it in a process of its own, which has limits.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from pyhrf.data import Events, FloatArray
from pyhrf.errors import InputError, counted
from pyhrf.inputs import spm_file
from pyhrf.inputs.spm_file import SpmDesign
from pyhrf.notices import Figures, Note
from pyhrf.wording import named

_WAIT = 120.0
"""Seconds for the process that reads: of work it has few, but its disk may be slow."""


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
    # The reader finds the modules that we find, and none that happen to lie where we are.
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(place for place in sys.path if place),
        "OPENBLAS_NUM_THREADS": "1",  # each thread would take from the limit of memory
    }
    command = [sys.executable, "-P", "-m", spm_file.__name__, str(path)]
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WAIT,
            check=False,
        )
        design, said = spm_file.from_json(done.stdout)
    except subprocess.TimeoutExpired:
        raise _unreadable(path, f"took longer than {_WAIT:g} s") from None
    except ValueError:
        raise _unreadable(path, _how_it_ended(done)) from None
    if notes is not None:
        notes += said
    return design


def _how_it_ended(done: subprocess.CompletedProcess[bytes]) -> str:
    """Say why the process that reads has given no answer."""
    if done.returncode == -signal.SIGXCPU:
        return f"took longer than {spm_file.SECONDS} s"
    if done.returncode < 0:
        return f"ended by a crash ({signal.strsignal(-done.returncode)})"
    said = done.stderr.decode(errors="replace").split("\n")
    return f"ended without a result ({' '.join(' '.join(said[-4:]).split())})"


def _unreadable(path: Path, how: str) -> InputError:
    return InputError(
        f"{path}: the file is damaged: reading it {how}; copy it again, or make the design again "
        "in SPM"
    )


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
            what = Note(
                "{path}, session {number}: its {regressors} (SPM.Sess.C)",
                path=Path(label),
                number=session + 1,
                regressors=Figures(regressors),
            )
            are = "is" if confounds.shape[1] == 1 else "are"
            if n_sessions == n_runs:
                notes.append(Note("{what} {are} taken as confounds", what=what, are=are))
            elif number == 0:
                notes.append(
                    f"{what} {are} of one session, and not used for {n_runs} runs; give the "
                    f"confounds of each run ({named('confounds')})"
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
