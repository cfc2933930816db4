"""What single trials of PyHRF are compared with, each as a function of a data set.

Least squares of all trials together (LSA) or of each trial beside the sum of the others (LSS,
Mumford et al. 2012, NeuroImage 59:2636), with regressors and drifts of nilearn; and GLMsingle
(Prince et al. 2022, eLife 11:e77599) where it is installed.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import tempfile
from typing import NamedTuple

import numpy as np
from nilearn.glm.first_level.hemodynamic_models import spm_hrf
from scipy.interpolate import CubicSpline

from pyhrf.data import Events, FloatArray, Run
from validation.glm import run_design
from validation.trial_data import TrialData

__all__ = ["Estimate", "fit_glmsingle", "fit_lsa", "fit_lss", "has_glmsingle"]

FINE_STEP = 0.5
"""To which data are brought where events are between scans, as users of GLMsingle are advised."""
SHORTEST = 0.5
"""GLMsingle has no impulses: an event lasts at least so many seconds."""
HALF_GAP = 4.0
"""Trials so shortly before the place where a run is cut in two count as of the second part."""


class Estimate(NamedTuple):
    """Levels of trials, of which one sd may be known.

    Attributes
    ----------
    level, sd : arrays, shape (n_trials, n_positions)
        `sd` is NaN where nothing is said.
    """

    level: FloatArray
    sd: FloatArray


def fit_lsa(data: TrialData) -> dict[str, Estimate]:
    """Fit all trials of a run together."""
    found = []
    for X, heights, Y in _designs(data):
        n = len(heights)
        coefficients = np.linalg.pinv(X)
        level = coefficients @ Y
        left = np.sum((Y - X @ level) ** 2, axis=0) / (len(X) - X.shape[1])
        variance = np.outer(np.sum(coefficients[:n] ** 2, axis=1), left)
        found.append((heights * level[:n], heights * np.sqrt(variance)))
    return {"LSA": _together(found)}


def fit_lss(data: TrialData) -> dict[str, Estimate]:
    """Fit each trial beside the sum of all other trials of its run.

    The drifts are taken out of data and regressors once. What two regressors explain is then in
    closed form.
    """
    found = []
    for X, heights, Y in _designs(data):
        n = len(heights)
        Q = np.linalg.qr(X[:, n:])[0]
        Z, Y = X[:, :n] - Q @ (Q.T @ X[:, :n]), Y - Q @ (Q.T @ Y)
        others = Z.sum(axis=1, keepdims=True) - Z
        zz, oo, zo = (np.sum(a * b, axis=0) for a, b in ((Z, Z), (others, others), (Z, others)))
        determinant = (zz * oo - zo**2)[:, None]
        zy, oy = Z.T @ Y, others.T @ Y
        level = (oo[:, None] * zy - zo[:, None] * oy) / determinant
        of_others = (zz[:, None] * oy - zo[:, None] * zy) / determinant
        left = np.sum(Y**2, axis=0) - level * zy - of_others * oy
        variance = left / (len(Y) - Q.shape[1] - 2) * oo[:, None] / determinant
        found.append((heights * level, heights * np.sqrt(variance)))
    return {"LSS": _together(found)}


def _designs(data: TrialData) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Give design, heights of its trials in the unit of levels, and data of each run."""
    found = []
    for number, (run, Y) in enumerate(zip(data.experiment.runs, data.bold_of_runs(), strict=True)):
        mine = [trial for trial in data.trials if trial.run == number]
        events = {
            str(place): Events(*(np.array([x]) for x in (trial.onset, trial.duration, 1.0)))
            for place, trial in enumerate(mine)
        }
        X, _ = run_design(Run(run.n_scans, run.tr, events), tuple(events), "canonical")
        impulse = np.array([trial.duration == 0 for trial in mine])
        found.append((X, _heights(run.tr, impulse)[:, None], Y.astype(np.float64)))
    return found


def _heights(tr: float, impulse: np.ndarray, oversampling: int = 50) -> FloatArray:
    """Give the response to an impulse, or to 1 s, of which nilearn's coefficients are multiples.

    Its impulse is as long as its step, and its response to an event that lasts is as high at last
    as the event.
    """
    height = float(spm_hrf(tr, oversampling).max())
    return np.where(impulse, height, height * oversampling / tr)


def _together(runs: list[tuple[FloatArray, FloatArray]]) -> Estimate:
    return Estimate(*(np.vstack(part) for part in zip(*runs, strict=True)))


def has_glmsingle() -> bool:
    """Tell whether GLMsingle can be imported."""
    return importlib.util.find_spec("glmsingle") is not None


def fit_glmsingle(
    data: TrialData, *, step: float | None = None, as_is: bool = False
) -> dict[str, Estimate]:
    """Fit types B, C and D of GLMsingle, with its defaults.

    C and D choose by other runs: for them the only run is cut in two.

    Parameters
    ----------
    data : TrialData
    step : float, optional
        Data are interpolated to scans so many seconds apart. By default onsets are moved to the
        nearest scan.
    as_is : bool
        It writes its files and figures, too, as it does for a user. D alone is given back.
    """
    tr = step or data.experiment.runs[0].tr
    runs = _runs_of_glmsingle(data, step)
    if as_is:
        levels = _glmsingle(data, runs, tr, "D", writes=True)
    elif len(runs) > 1:
        levels = _glmsingle(data, runs, tr, "BCD")
    else:
        levels = _glmsingle(data, runs, tr, "B")
        levels |= _glmsingle(data, cut_in_two(*runs[0], tr), tr, "CD")
    way = f", {step:g} s" if step else ""
    return {
        f"GLMsingle {kind}{way}": Estimate(level, np.full(level.shape, np.nan))
        for kind, level in levels.items()
    }


_RunData = tuple[np.ndarray, FloatArray, np.ndarray]
"""Data, shape (n_scans, n_positions), and onset, seconds, and condition of each event."""


def _glmsingle(
    data: TrialData, runs: list[_RunData], tr: float, kinds: str, *, writes: bool = False
) -> dict[str, FloatArray]:
    """Run GLMsingle on the scans of some runs; levels by type."""
    from glmsingle.glmsingle import GLM_single

    seconds = max(float(np.median([trial.duration for trial in data.trials])), SHORTEST)
    more = int(kinds != "B")
    options = {
        "wantglmdenoise": more,
        "wantfracridge": more,
        "wantfileoutputs": [int(writes)] * 4,
        "wantmemoryoutputs": [0, *(int(kind in kinds) for kind in "BCD")],
        "seed": 0,
    }
    n_conditions = len(data.experiment.conditions)
    designs = [_design(n_conditions, len(Y), onsets / tr, names) for Y, onsets, names in runs]
    signals = [np.ascontiguousarray(Y.T, np.float32) for Y, _, _ in runs]
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        model = GLM_single(options)
        figures = f"{folder}/figures" if writes else None
        results = model.fit(
            designs, signals, seconds, tr, outputdir=f"{folder}/files", figuredir=figures
        )
    return {
        kind: np.asarray(results[f"type{kind.lower()}"]["betasmd"], np.float64)
        .reshape(data.bold.shape[1], -1)
        .T
        for kind in kinds
    }


def _runs_of_glmsingle(data: TrialData, step: float | None) -> list[_RunData]:
    tr, runs = data.experiment.runs[0].tr, []
    onsets = np.array([trial.onset for trial in data.trials])
    for number, Y in enumerate(data.bold_of_runs()):
        times = tr * np.arange(len(Y))
        if step:
            Y = CubicSpline(times, Y)(np.arange(0, times[-1] + 1e-6, step))
        mine = data.runs == number
        runs.append((Y, onsets[mine], data.conditions[mine]))
    return runs


def cut_in_two(
    Y: np.ndarray, onsets: FloatArray, conditions: np.ndarray, tr: float
) -> list[_RunData]:
    """Make two runs of one; events just before the cut start the second."""
    half = len(Y) // 2
    cut = half * tr
    late = onsets >= cut - HALF_GAP
    return [
        (Y[:half], onsets[~late], conditions[~late]),
        (Y[half:], np.maximum(onsets[late] - cut, 0), conditions[late]),
    ]


def _design(n_conditions: int, n_scans: int, onsets: FloatArray, names: np.ndarray) -> FloatArray:
    """Mark the scan of each event: the nearest, or the next one that has none."""
    design = np.zeros((n_scans, n_conditions))
    for scan, name in zip(free_scans(onsets, n_scans), names, strict=True):
        design[scan, name] = 1
    return design


def free_scans(onsets: FloatArray, n_scans: int) -> list[int]:
    """Give each of the onsets, which rise, a scan of its own, as near as the others allow."""
    scans: list[int] = []
    for onset in onsets:
        scans.append(max(round(onset), scans[-1] + 1 if scans else 0))
    for place in range(len(scans) - 1, -1, -1):
        scans[place] = min(scans[place], n_scans - len(scans) + place)
    return scans
