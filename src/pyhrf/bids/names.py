"""Names of what comes out: labels of conditions and contrasts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256

from pyhrf.errors import ConfigError
from pyhrf.results.names import LONGEST_STEM

_WORDS = {"-": " Minus ", "+": " Plus ", ">": " Gt ", "<": " Lt "}
_AROUND = "_contrast-_stat-effectvariance_statmap"
_HYPHEN = re.compile("(?<=[A-Za-z0-9])-(?=[A-Za-z0-9])")


def bids_label(name: str, *, contrast: bool = False) -> str:
    """Turn the name of a condition or contrast into a label: letters and digits only.

    Operators become words, as nilearn has it; the case of letters is kept. In the name of a
    condition a hyphen between letters or digits is none.

    Examples
    --------
    >>> bids_label("audio-video", contrast=True), bids_label("left-hand"), bids_label("word-")
    ('audioMinusVideo', 'leftHand', 'wordMinus')
    """
    if not contrast:
        name = _HYPHEN.sub(" ", name)
    for sign, word in _WORDS.items():
        name = name.replace(sign, word)
    words: list[str] = re.findall(r"[A-Za-z0-9]+", name)
    first, *others = words or [""]
    return "".join([first, *(word[0].upper() + word[1:] for word in others)])


def condition_labels(conditions: Iterable[str]) -> dict[str, str]:
    """Give each condition a label of its own.

    Where names differ only in what a label loses, each gets a number. It is made of the name
    itself: a number by order would be another one for a participant who lacks a condition, and
    a group analysis would mix the two.

    Parameters
    ----------
    conditions : iterable of str
        Names of a study, each once.

    Returns
    -------
    dict of str to str
        Labels, different also where letters are not told by their case, by name.

    Examples
    --------
    >>> condition_labels(["word+", "word-"])
    {'word+': 'wordPlus', 'word-': 'wordMinus'}
    >>> condition_labels(["go-left", "go_left"])
    {'go-left': 'goLeftNo2304', 'go_left': 'goLeftNo7647'}
    """
    labels = {name: bids_label(name) for name in conditions}
    plain = dict(labels)
    n_digits = 4
    while shared := _shared(labels):
        for name in shared:
            number = int.from_bytes(sha256(name.encode()).digest()) % 10**n_digits
            labels[name] = f"{plain[name]}No{number:0{n_digits}}"
        n_digits += 1
    return labels


def _shared(labels: Mapping[str, str]) -> list[str]:
    """Name those whose label another one has; some file systems do not tell letters by case."""
    counts = Counter(label.lower() for label in labels.values())
    return [name for name, label in labels.items() if label and counts[label.lower()] > 1]


def check_labels(conditions: Iterable[str], contrasts: Iterable[str], *, study: str = "") -> None:
    """Make sure that every map gets a file of its own.

    Parameters
    ----------
    conditions, contrasts : iterable of str
        Their names.
    study : str
        How names of files begin.

    Raises
    ------
    ConfigError
        If a name has nothing that a label keeps, its label is too long for the name of a file, or
        the label of a contrast is that of another one or of a condition.
    """
    room = LONGEST_STEM - len(study.encode()) - len(_AROUND)
    labels = condition_labels(sorted(conditions))
    taken: dict[str, str] = {}
    named = [
        *((f"the condition {name!r}", x) for name, x in labels.items()),
        *((f"the contrast {name!r}", bids_label(name, contrast=True)) for name in contrasts),
    ]
    for what, label in named:
        if not label:
            raise ConfigError(f"{what} needs a letter (a-z) or a digit, for the names of its files")
        if len(label) > room:
            raise ConfigError(
                f"{what} has a label of {len(label)} characters, and names of files that begin "
                f"with {study} have room for {room}: shorten it"
            )
        if label.lower() in taken:
            raise ConfigError(
                f"{taken[label.lower()]} and {what} would both be written as contrast-{label}: "
                "rename one of them"
            )
        taken[label.lower()] = what
