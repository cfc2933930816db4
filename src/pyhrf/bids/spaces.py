"""In which space the runs are analysed."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pyhrf.errors import InputError
from pyhrf.inputs.bids import DEFAULT_SPACE, spaces_of
from pyhrf.inputs.bids_names import BidsName
from pyhrf.study_data import Tell
from pyhrf.wording import named

_NATIVE_RES = "res-native"
"""How fMRIPrep calls the resolution of the data themselves, which its names leave out."""


def choose_space(
    volumes: Sequence[str], surfaces: Sequence[str], wanted: str | None, tell: Tell
) -> list[str]:
    """Take the space that is asked for, the only one, or the usual one of fMRIPrep.

    Parameters
    ----------
    volumes, surfaces : sequence of str
        Spaces of the data that there are, as `pyhrf.inputs.bids.space_of` names them. Where there
        are volumes, surfaces are taken only if they are asked for.
    wanted : str, optional
        What is asked for.
    tell : callable
        Told which is taken where there are others.

    Returns
    -------
    list of str
        Several if they are cohorts of one template: fMRIPrep chooses a cohort by the age of a
        participant.

    Raises
    ------
    InputError
        If there is no such space, or several could be meant.
    """
    if wanted is not None:
        return _wanted_space([*volumes, *surfaces], wanted)
    if volumes and surfaces:
        tell(f"note: using volumes; {named('space')} chooses surfaces ({', '.join(surfaces)})")
    spaces = volumes or surfaces
    kinds = {_without_cohort(space) for space in spaces}
    if len(kinds) == 1:
        return list(spaces)
    near = {kind for kind in kinds if kind.partition(":")[0] == DEFAULT_SPACE}
    if len(near) != 1:
        raise InputError(
            f"the BOLD data are there in several spaces ({', '.join(spaces)}): "
            f"choose one with {named('space')}"
        )
    (kind,) = near
    chosen = [space for space in spaces if _without_cohort(space) == kind]
    others = ", ".join(space for space in spaces if space not in chosen)
    tell(f"note: the space is {kind}; {named('space')} chooses another ({others})")
    return chosen


def _wanted_space(spaces: Sequence[str], wanted: str) -> list[str]:
    near = [space for space in dict.fromkeys(spaces) if _fits(space, wanted)]
    kinds = {_without_cohort(space) for space in near}
    if len(kinds) > 1 and (kind := _without_cohort(wanted)) in kinds:
        near, kinds = [space for space in near if _without_cohort(space) == kind], {kind}
    if len(kinds) == 1:
        return near
    asked = named("space_of_name", name=wanted)
    if near:
        raise InputError(f"{asked} could be {' or '.join(near)}; write one of these")
    raise InputError(f"{asked}: there is no such space; there are {', '.join(spaces)}")


def _fits(space: str, wanted: str) -> bool:
    """Tell whether a space is the template that is asked for, with all words asked for."""
    template, *words = space.split(":")
    wanted_template, *wanted_words = wanted.split(":")
    if _NATIVE_RES in wanted_words and any(word.startswith("res-") for word in words):
        return False
    return template == wanted_template and {*wanted_words} - {_NATIVE_RES} <= {*words}


def _without_cohort(space: str) -> str:
    words = [word for word in space.split(":") if not word.startswith("cohort-")]
    return ":".join(word for word in words if word != _NATIVE_RES)


def check_one_space(names: Collection[BidsName]) -> None:
    """Make sure that the runs of a participant are of one cohort.

    Raises
    ------
    InputError
        If they are of several.
    """
    spaces = spaces_of(names)
    if len(spaces) > 1:
        raise InputError(
            f"the BOLD data are there in the spaces {' and '.join(spaces)}: choose one with "
            f"{named('space_of_name', name=spaces[0])}"
        )
