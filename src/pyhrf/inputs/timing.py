"""The repetition time of each run: given, of an SPM.mat, or of the header."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.inputs.series import Series
from pyhrf.inputs.spm import SpmDesign

__all__ = ["repetition_times", "tr_of_designs"]

_MAX_TR = 30.0
_MIN_TR = 0.01
_MS_FROM = 100.0  # a "TR" from here on is surely in milliseconds


def tr_of_designs(
    designs: Mapping[Path, SpmDesign], tr: float | None, notes: list[str]
) -> float | None:
    """Take the TR that is given, else that of an SPM.mat, which knows it better than a header.

    Parameters
    ----------
    designs : mapping of Path to SpmDesign
        By their files.
    tr : float or None
        Seconds.
    notes : list of str
        What the user should be told is appended here.

    Returns
    -------
    float or None
        Seconds.
    """
    if tr is None:
        return next((design.tr for design in designs.values()), None)
    notes.extend(
        f"{path}: says TR {design.tr:g} s, the study {tr:g} s; the study's is used"
        for path, design in designs.items()
        if not math.isclose(design.tr, tr, rel_tol=1e-3)
    )
    return tr


def repetition_times(bold: Sequence[Series], tr: float | None, notes: list[str]) -> list[float]:
    """Take the TR that is given for all runs, else that of each header.

    Parameters
    ----------
    bold : sequence of Series
        One per run.
    tr : float or None
        Seconds.
    notes : list of str
        What the user should be told is appended here.

    Returns
    -------
    list of float
        Seconds.

    Raises
    ------
    InputError
        If there is none, or it cannot be one.
    """
    if tr is not None:
        _check_tr(tr, "the TR that is given", cure="seconds are meant")
        notes.extend(
            f"{volume.path}: the header says TR {volume.tr:g} s, the study {tr:g} s; "
            "the study's is used"
            for volume in bold
            if volume.tr is not None and not math.isclose(volume.tr, tr, rel_tol=1e-3)
        )
        return [tr] * len(bold)
    trs = []
    for volume in bold:
        if volume.tr is None:
            raise InputError(f"{volume.path}: the header gives no TR; give it in seconds (-I)")
        _check_tr(volume.tr, f"{volume.path}: the TR of the header", cure="give it with -I")
        trs.append(float(volume.tr))
        if math.isclose(trs[-1], trs[0], rel_tol=1e-3):
            trs[-1] = trs[0]
        else:
            notes.append(
                f"{volume.path}: the header says TR {volume.tr:g} s and that of {bold[0].path} "
                f"{trs[0]:g} s; each run is taken with its own (-I gives one for all)"
            )
    return trs


def _check_tr(tr: float, what: str, *, cure: str) -> None:
    if not math.isfinite(tr) or tr <= 0:
        raise InputError(f"{what} is {tr:g}; it must be more than 0 seconds: {cure}")
    if tr >= _MS_FROM:
        raise InputError(
            f"{what} is {tr:g} s, which looks like milliseconds: {cure} "
            f"(did you mean {tr / 1000:g} s?)"
        )
    if not _MIN_TR <= tr <= _MAX_TR:
        raise InputError(f"{what} is {tr:g} s, not between {_MIN_TR:g} and {_MAX_TR:g} s: {cure}")
