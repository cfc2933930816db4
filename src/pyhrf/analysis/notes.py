"""Notes of many studies, of which those that are alike are told once."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from pyhrf.notices import Note


def alike(notes: Iterable[tuple[str, str]]) -> list[str]:
    """Put notes together that say the same of several studies.

    Parameters
    ----------
    notes : iterable of tuple of str
        The name of a study, and a note of it: a `pyhrf.notices.Note` where it holds paths or
        numbers.

    Returns
    -------
    list of str
        The first of those that are alike, with the number of the others.

    Examples
    --------
    >>> note = "{n} of 9 scans censored"
    >>> alike([("sub-1", Note(note, n=2)), ("sub-2", Note(note, n=3))])
    ['sub-1: note: 2 of 9 scans censored (1 other has such a note, with figures of its own)']
    """
    shared: dict[tuple[Hashable, int], dict[str, str]] = {}
    for name, note in notes:
        kind = note.kind if isinstance(note, Note) else note
        # A study may have several of a kind, such as one for each run.
        nth = sum(name in of_kind for (other, _), of_kind in shared.items() if other == kind)
        shared.setdefault((kind, nth), {})[name] = note
    told = []
    for of_kind in shared.values():
        (name, note), *others = of_kind.items()
        more = ""
        if others:
            same = all(_figures(other) == _figures(note) for _, other in others)
            one = len(others) == 1
            figures = "" if same else f", with figures of {'its' if one else 'their'} own"
            more = f" ({len(others)} other{' has' if one else 's have'} such a note{figures})"
        told.append(f"{name}: note: {note}{more}")
    return told


def _figures(note: str) -> tuple[object, ...]:
    return note.figures if isinstance(note, Note) else ()
