"""Notes of many studies, of which those that are alike are told once."""

from __future__ import annotations

import re
from collections.abc import Iterable

_LABEL = re.compile("sub-[A-Za-z0-9]+")


def alike(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Put notes together that differ only in what they are of, or in figures.

    Parameters
    ----------
    notes : iterable of tuple of str
        The name of a study, and a note of it.

    Returns
    -------
    list of str
        The first of those that are alike, with the number of the others.

    Examples
    --------
    >>> alike([("sub-1", "2 of 9 scans censored"), ("sub-2", "3 of 9 scans censored")])
    ['sub-1: note: 2 of 9 scans censored (1 other has such a note, with figures of its own)']
    """
    shared: dict[tuple[str, int], dict[str, str]] = {}
    for name, note in notes:
        kind = re.sub("[0-9.]+", "0", _of_anyone(name, note))
        # A study may have several of a kind, such as one for each run.
        nth = sum(name in of_kind for (other, _), of_kind in shared.items() if other == kind)
        shared.setdefault((kind, nth), {})[name] = note
    told = []
    for of_kind in shared.values():
        (name, note), *others = of_kind.items()
        more = ""
        if others:
            same = all(_of_anyone(*other) == _of_anyone(name, note) for other in others)
            one = len(others) == 1
            figures = "" if same else f", with figures of {'its' if one else 'their'} own"
            more = f" ({len(others)} other{' has' if one else 's have'} such a note{figures})"
        told.append(f"{name}: note: {note}{more}")
    return told


def _of_anyone(name: str, note: str) -> str:
    """Take out of a note of whom it is."""
    label = _LABEL.match(name)
    return note.replace(name, "").replace(label[0] if label else name, "sub-")
