"""Names of the maps, from the names of conditions and contrasts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pyhrf.errors import ConfigError

BIDS_RESULTS = ".pyhrf"
"""Folder below OUT_DIR of ``pyhrf bids`` with a folder of results for each analysis."""

# Of every estimator: a study may be given to another one.
CONDITION_MAPS = (
    *("nrl_", "nrl_sd_", "nrl_q025_", "nrl_q975_", "active_", "ppm_"),
    *("response_", "response_sd_"),
    *("effect_", "effect_variance_", "t_", "z_", "p_", "F_", "F_z_", "F_p_"),
)
CONTRAST_MAPS = (
    *("contrast_", "contrast_sd_", "contrast_ppm_"),
    *("contrast_effect_", "contrast_effect_variance_", "contrast_t_", "contrast_z_"),
    *("contrast_p_", "contrast_F_", "contrast_F_z_", "contrast_F_p_"),
)
PARCEL_MAPS = ("noise_sd", "ar1", "residual_ar1", "hrf", "time_to_peak", "parcels", "left_out")


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
    taken: dict[str, str] = {name: f"the map '{name}'" for name in PARCEL_MAPS}
    _claim(taken, "condition", conditions, CONDITION_MAPS)
    _claim(taken, "contrast", contrasts, CONTRAST_MAPS)


def _claim(
    taken: dict[str, str], kind: str, names: Iterable[str], prefixes: tuple[str, ...]
) -> None:
    for name in names:
        if not name.strip():
            raise ConfigError(f"a {kind} has an empty name: give it one")
        longest = max(prefixes, key=len)
        if (n := len(file_stem(longest + name).encode())) > LONGEST_STEM:
            n_most = LONGEST_STEM - len(longest)
            raise ConfigError(
                f"the {kind} '{name[:40]}…' has a name of {n - len(longest)} bytes, and the names "
                f"of its maps have room for {n_most}: shorten it"
            )
        claims: Mapping[str, str] = {file_stem(p + name): f"{kind} '{name}'" for p in prefixes}
        for stem, owner in claims.items():
            if stem in taken:
                raise ConfigError(
                    f"{taken[stem]} and {owner} would both be written to {stem}.nii.gz: "
                    "rename one of them"
                )
        taken.update(claims)
