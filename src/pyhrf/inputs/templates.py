"""Of which template an atlas is, by its name or the JSON beside it."""

from __future__ import annotations

import re
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.inputs.bids_names import json_beside, read_json

_ENTITY = re.compile("(?:^|[_/])(?:tpl|space)-([A-Za-z0-9]+)")
_WORD = re.compile("(?:^|[_.-])(FSLMNI152|MNI152NLin[A-Za-z0-9]+)")
_KEYS = ("SpatialReference", "Space", "ReferenceSpace", "Template")
_ALSO = {"FSLMNI152": "MNI152NLin6Asym"}
"""Other names of templates, as those of Schaefer's atlas."""


def template_notes(atlas: Path, space: str | None) -> list[str]:
    """Tell if an atlas says that it is of another template than the data.

    Parameters
    ----------
    atlas : Path
        Its name is looked at, for ``tpl-``, ``space-`` and well-known words, and the JSON beside.
    space : str or None
        Of the data, as ``MNI152NLin2009cAsym`` or ``T1w``; nothing can be told of None.

    Returns
    -------
    list of str
        One, or empty.
    """
    if space is None:
        return []
    for said, where in ((space_in_name(atlas), "name"), (_space_in_json(atlas), "JSON")):
        if said is not None and not _alike(said, space):
            return [
                f"{atlas.name}: its {where} says that the atlas is of {said}, and the data are in "
                f"the space {space}: the same coordinates are other places of the brain there; "
                f"take an atlas of {space}, or bring this one to it"
            ]
    return []


def space_in_name(path: Path) -> str | None:
    """Read in the name of a file in which space it is; None if it does not say."""
    found = _ENTITY.search(path.name) or _WORD.search(path.name)
    return None if found is None else _ALSO.get(found[1], found[1])


def _space_in_json(atlas: Path) -> str | None:
    path = json_beside(atlas)
    if path is None:
        return None
    try:
        about = read_json(path)
    except InputError:  # perhaps of another program
        return None
    for key in _KEYS:
        value = about.get(key)
        for text in value.values() if isinstance(value, dict) else [value]:
            if not isinstance(text, str) or text == "orig":
                continue
            found = _ENTITY.search(text) or re.fullmatch("([A-Za-z0-9]+)", text)
            if found is not None:
                return _ALSO.get(found[1], found[1])
    return None


def _alike(one: str, other: str) -> bool:
    """Tell if two names may be of one space: ``MNI152`` says no more than the beginning."""
    one, other = (re.sub(r"^(fsaverage)\d$", r"\1", name) for name in (one, other))
    return one.startswith(other) or other.startswith(one)
