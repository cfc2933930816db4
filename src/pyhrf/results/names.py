"""Names of the maps, from the names of conditions and contrasts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pyhrf.errors import ConfigError
from pyhrf.outputs.maps import MAPS, map_title

BIDS_RESULTS = ".pyhrf"
"""Folder below OUT_DIR of ``pyhrf bids`` with a folder of results for each analysis."""

LONGEST_STEM = 225
"""Bytes of the name of a map: file systems take 255, of which an ending and a temporary name need
some."""


def file_stem(name: str) -> str:
    """Turn the name of a map into that of its file, without the ending.

    Letters, digits, ``-`` and ``_`` stay; every other character becomes ``_``.

    Parameters
    ----------
    name : str
        Such as ``nrl_left hand``.

    Returns
    -------
    str
        Such as ``nrl_left_hand``.
    """
    return re.sub(r"[^\w-]", "_", name)


def check_names(conditions: Iterable[str], contrasts: Iterable[str] = ()) -> None:
    """Make sure that no two maps would share one file.

    Parameters
    ----------
    conditions, contrasts : iterables of str
        Their names, as the user wrote them.

    Raises
    ------
    ConfigError
        When two names differ only in characters that a file name does not keep, when one
        name looks like another's map (a condition ``sd_audio`` beside ``audio``), or when one is
        too long for the name of a file.
    """
    # Maps of every estimator: a study may be given to another one.
    taken = {name: f"the map '{name}'" for name, kind in MAPS.items() if not kind.is_named}
    _claim(taken, "condition", conditions)
    _claim(taken, "contrast", contrasts)


def _claim(taken: dict[str, str], subject: str, names: Iterable[str]) -> None:
    kinds = [kind.name for kind in MAPS.values() if kind.subject == subject]
    for name in names:
        if not name.strip():
            raise ConfigError(f"a {subject} has an empty name: give it one")
        n_before = len(map_title(max(kinds, key=len), ""))
        n_bytes = len(file_stem(name).encode())
        if n_before + n_bytes > LONGEST_STEM:
            raise ConfigError(
                f"the {subject} '{name[:40]}…' has a name of {n_bytes} bytes, and the names "
                f"of its maps have room for {LONGEST_STEM - n_before}: shorten it"
            )
        claims = {file_stem(map_title(kind, name)): f"{subject} '{name}'" for kind in kinds}
        for stem, owner in claims.items():
            if stem in taken:
                raise ConfigError(
                    f"{taken[stem]} and {owner} would both be written to {stem}.nii.gz: "
                    "rename one of them"
                )
        taken.update(claims)
