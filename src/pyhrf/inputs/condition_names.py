"""Names of conditions: which say that there is none, which look alike, which a run lacks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pyhrf.data import Events

NO_VALUE = "n/a"
"""What BIDS writes where a value is missing."""

_WRITTEN_BY_PROGRAMS = {NO_VALUE, "nan", "<na>"}
_LIKELY_MISSING = {"na", "none", "null"}
_FILLING = str.maketrans("", "", " _-\u200b\u200c\u200d\u2060\ufeff\u00ad")


def says_missing(text: str, *, number: bool = False) -> bool:
    """Tell if a field says that its value lacks, as BIDS or a program that writes tables has it.

    Parameters
    ----------
    text : str
    number : bool
        A number is wanted: then words that may be names of conditions say it too.
    """
    word = text.lower()
    return word in _WRITTEN_BY_PROGRAMS or (number and word in _LIKELY_MISSING)


def clean_name(name: str) -> str:
    """Write a name in the one way that Unicode has for what it looks like (NFC).

    macOS and Windows write an accent in different ways; what is typed must fit both.
    """
    return unicodedata.normalize("NFC", name)


def same_letters(names: Iterable[str]) -> list[str]:
    """Name what `clean_name` makes one of several, each once."""
    forms: dict[str, set[str]] = {}
    for name in names:
        forms.setdefault(clean_name(name), set()).add(name)
    return sorted(name for name, each in forms.items() if len(each) > 1)


def name_notes(runs: Sequence[Mapping[str, Events]]) -> Iterator[str]:
    """Say which names of conditions may be mistakes.

    Parameters
    ----------
    runs : sequence of dict of str to Events
        The events of each run.

    Yields
    ------
    str
        A sentence for names that differ by case, blanks, hyphens or invisible characters only, for
        those that mostly say that there is no condition, and for those of one run only.
    """
    names = sorted({name for run in runs for name in run})
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(_bare(name), []).append(name)
    for several in alike.values():
        if len(several) > 1:
            yield (
                f"the conditions {' and '.join(map(_visible, several))} differ only in case, "
                "blanks, hyphens or underscores: if one is meant, write it in one way"
            )
    for name in names:
        if name.lower() in _LIKELY_MISSING or says_missing(name):
            yield (
                f'a condition is called "{name}": if that means that there is none, write '
                f"{NO_VALUE} in its place"
            )
    if len(runs) > 1:
        yield from _of_one_run(names, runs)


def _visible(name: str) -> str:
    """Write a name so that invisible characters are seen."""
    return repr(name) if all(char.isprintable() for char in name) else ascii(name)


def _bare(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold().translate(_FILLING)


def _of_one_run(names: Sequence[str], runs: Sequence[Mapping[str, Events]]) -> Iterator[str]:
    """Say which conditions one run alone has, in one sentence."""
    owners = {name: [k for k, run in enumerate(runs, start=1) if name in run] for name in names}
    alone = [f'"{name}" (run {mine[0]})' for name, mine in owners.items() if len(mine) == 1]
    if alone:
        more = f" and {len(alone) - 5} more" if len(alone) > 5 else ""
        yield f"of {len(runs)} runs only one has the condition {', '.join(alone[:5])}{more}"
