"""The repetition time of each run: given, of an SPM.mat, or of the header."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.inputs.spm_file import SpmDesign
from pyhrf.notices import Note
from pyhrf.spaces.space import Series
from pyhrf.wording import named

_MAX_TR = 30.0
_MIN_TR = 0.01
_LIKELY_TR = 0.1
_MS_FROM = 100.0  # a "TR" from here on is surely in milliseconds


def repetition_times(
    bold: Sequence[Series],
    paradigms: Sequence[Path],
    designs: Mapping[Path, SpmDesign],
    tr: float | None,
    notes: list[str],
) -> list[float]:
    """Take the TR that is given for all runs, else that of each run's own SPM.mat or header.

    Parameters
    ----------
    bold : sequence of Series
        One per run.
    paradigms : sequence of Path
        The paradigm file of each run.
    designs : mapping of Path to SpmDesign
        Those of them that are an SPM.mat, which knows the TR better than a header.
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
        If a run has none, or it cannot be one.
    """
    if tr is not None:
        _check_tr(tr, "the TR that is given", cure="seconds are meant")
        form = "{path}: says TR {own:g} s; the TR that is given, {tr:g} s, is used"
        notes.extend(
            Note(form, path=path, own=design.tr, tr=tr)
            for path, design in designs.items()
            if _differ(design.tr, tr)
        )
        for series in bold:
            _compare_header(series, tr, "the TR that is given", notes)
        return [tr] * len(bold)
    trs: list[float] = []
    for series, path in zip(bold, paradigms, strict=True):
        if path in designs:
            own, source = designs[path].tr, Note("{path} says", path=path)
            _check_tr(own, f"{path}: the TR (SPM.xY.RT)", cure=f"give it ({named('tr')})")
            _compare_header(series, own, Note("that of {path}", path=path), notes)
        elif series.tr is None:
            raise InputError(
                f"{series.path}: the header gives no TR: give it in seconds ({named('tr')})"
            )
        else:
            own, source = float(series.tr), Note("the header says")
            _check_tr(own, f"{series.path}: the TR of the header", cure=f"give it ({named('tr')})")
        if trs and _differ(own, trs[0]):
            notes.append(
                Note(
                    "{path}: {source} TR {own:g} s and that of {first} is {tr:g} s; each run is "
                    "taken with its own",
                    path=series.path,
                    source=source,
                    own=own,
                    first=bold[0].path,
                    tr=trs[0],
                )
            )
        # Headers hold single precision: what differs by its rounding is one TR.
        trs.append(own if not trs or _differ(own, trs[0]) else trs[0])
    return trs


def _differ(one: float, other: float) -> bool:
    return not math.isclose(one, other, rel_tol=1e-3)


def _compare_header(series: Series, tr: float, used: str, notes: list[str]) -> None:
    """Tell if a header says another TR than the one that is used."""
    if series.tr is not None and _differ(series.tr, tr):
        notes.append(
            Note(
                "{path}: the header says TR {own:g} s; {used}, {tr:g} s, is used",
                path=series.path,
                own=float(series.tr),
                used=used,
                tr=tr,
            )
        )


def _check_tr(tr: float, what: str, *, cure: str) -> None:
    if not math.isfinite(tr) or tr <= 0:
        raise InputError(f"{what} is {tr:g}; it must be more than 0 seconds: {cure}")
    if tr >= _MS_FROM:
        raise InputError(
            f"{what} is {tr:g} s, which looks like milliseconds: {cure} "
            f"(did you mean {tr / 1000:g} s?)"
        )
    if not _MIN_TR <= tr <= _MAX_TR:
        meant = f" (did you mean {tr * 1000:g} s? the unit of a header may say milliseconds)"
        hint = meant if tr < _MIN_TR and _LIKELY_TR <= tr * 1000 <= _MAX_TR else ""
        raise InputError(
            f"{what} is {tr:g} s, not between {_MIN_TR:g} and {_MAX_TR:g} s: {cure}{hint}"
        )


def tr_of_files(
    bold: Sequence[Path], of_json: Sequence[float | None], of_headers: Sequence[float | None]
) -> float | None:
    """Take the TR of the JSON files where a header lacks one or says another.

    Parameters
    ----------
    bold : sequence of Path
        One per run.
    of_json, of_headers : sequence of float or None
        What its JSON files and its header say, seconds.

    Returns
    -------
    float or None
        None where the headers are right.

    Raises
    ------
    InputError
        If nothing says it, or the JSON files say several where headers are wrong.
    """
    if all(
        step is not None and (tr is None or not _differ(step, tr))
        for tr, step in zip(of_json, of_headers, strict=True)
    ):
        return None
    trs = {step if tr is None else tr for tr, step in zip(of_json, of_headers, strict=True)}
    known = sorted(tr for tr in trs if tr is not None)
    if len(known) == len(trs) == 1:
        return known[0]
    if not known:
        raise InputError(
            f"{bold[0]}: neither the header nor a JSON file (RepetitionTime) gives the TR"
        )
    raise InputError(
        f"{bold[0]}: the headers have no TR or another one than the JSON files, and the runs have "
        f"several ({', '.join(f'{tr:g}' for tr in known)} s): correct the headers, or take runs of "
        f"one ({named('run')})"
    )


def fitting_step(tr: float | None, default: float) -> float | None:
    """Give a time step of the response for scans so fast that the default is over twice the TR.

    Parameters
    ----------
    tr : float or None
        Seconds. None is given for a TR that cannot be one: it is refused by its name later.
    default : float
        Seconds.
    """
    return 2 * tr if tr is not None and _MIN_TR <= tr < default / 2 else None
