"""Names of what comes out: labels of conditions and contrasts, and what each map is."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyhrf.errors import ConfigError

__all__ = ["bids_label", "check_labels"]

_WORDS = {"-": " Minus ", "+": " Plus ", ">": " Gt ", "<": " Lt "}


def bids_label(name: str, *, contrast: bool = False) -> str:
    """Turn the name of a condition or contrast into a label: letters and digits only.

    Operators in the name of a contrast become words, as nilearn has it; the case of letters is
    kept.

    Examples
    --------
    >>> bids_label("audio-video", contrast=True), bids_label("left hand")
    ('audioMinusVideo', 'leftHand')
    """
    if contrast:
        for sign, word in _WORDS.items():
            name = name.replace(sign, word)
    words: list[str] = re.findall(r"[A-Za-z0-9]+", name)
    first, *others = words or [""]
    return "".join([first, *(word[0].upper() + word[1:] for word in others)])


def check_labels(conditions: Iterable[str], contrasts: Iterable[str]) -> None:
    """Make sure that every map gets a file of its own.

    Raises
    ------
    ConfigError
        If a name has no letter or digit, or two names become one label.
    """
    taken: dict[str, str] = {}
    named = [
        *((f"the condition {name!r}", bids_label(name)) for name in sorted(conditions)),
        *((f"the contrast {name!r}", bids_label(name, contrast=True)) for name in contrasts),
    ]
    for what, label in named:
        if not label:
            raise ConfigError(f"{what} needs a letter (a-z) or a digit, for the names of its files")
        # Some file systems do not tell letters by their case.
        if label.lower() in taken:
            raise ConfigError(
                f"{taken[label.lower()]} and {what} would both be written as contrast-{label}: "
                "rename one of them"
            )
        taken[label.lower()] = what
