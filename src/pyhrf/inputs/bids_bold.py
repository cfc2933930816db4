"""Which BOLD files of a participant are taken, and why the others are not."""

from __future__ import annotations

from pathlib import Path

from pyhrf.inputs.bids_names import BidsName, parse_name, why_no_name
from pyhrf.spaces.kinds import KINDS
from pyhrf.wording import named

_BOLD = {ending: kind for kind in KINDS for ending in kind.bold_endings}
NO_LABEL = "none"
"""What is asked for to get the files without an entity."""
ALL_PREPROCESSED = "preproc"
"""The label of ``desc`` of what fMRIPrep has made of the data."""


def is_bold(path: Path) -> bool:
    """Tell whether a file is a BOLD series by the end of its name, however it begins."""
    stem, dot, extension = path.name.partition(".")
    # Not all names that lack an underscore have it before the suffix.
    return stem.lower().endswith("bold") and dot + extension in _BOLD


def why_not(path: Path, *, subject: str, session: str | None, desc: str) -> str:
    """Say why a BOLD file is not taken for a run; empty if it is.

    Parameters
    ----------
    path : Path
        Its name counts.
    subject : str
        Label of the folder.
    session : str or None
        Label of the folder; None outside of sessions.
    desc : str
        The version of the data that is asked for.
    """
    name = parse_name(path)
    if name is None:
        return why_no_name(path)
    there = name.entities
    for key, label in (("sub", subject), ("ses", session)):
        if label is not None and key in there and there[key] != label:
            return f"it is of {key}-{there[key]} and lies in the folder of {key}-{label}"
    if name.suffix != "bold":
        return f"its suffix is {name.suffix!r}, not 'bold'"
    for key in ("sub", "task"):
        if key not in there:
            return f"its name has no {key}-"
    if "echo" in there:
        return "it is a single echo"
    if there.get("part") in ("phase", "real", "imag"):
        return f"it is the {there['part']} part of complex data"
    return _why_not_desc(name, desc)


def _why_not_desc(name: BidsName, wanted: str) -> str:
    """Choose by the version of the data: fMRIPrep gives ``desc-preproc`` to volumes alone."""
    own = name.entities.get("desc", NO_LABEL)
    if own == wanted or (
        _BOLD[name.extension].needs_mesh and {own, wanted} == {NO_LABEL, ALL_PREPROCESSED}
    ):
        return ""
    is_wanted = f"desc-{wanted}" if wanted != NO_LABEL else "data without desc-"
    is_own = f"desc-{own}" if own != NO_LABEL else "without desc-"
    return f"it is {is_own}, and {is_wanted} is taken: {named('desc', name=own)} chooses it"
