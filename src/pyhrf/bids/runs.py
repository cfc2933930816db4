"""Which files are runs: each scan counts once, and the runs of a study lie on one another."""

from __future__ import annotations

from collections.abc import Sequence

from pyhrf.errors import InputError
from pyhrf.inputs.bids import NATIVE_SPACE, Selection, space_of
from pyhrf.inputs.bids_bold import NO_LABEL
from pyhrf.inputs.bids_names import BidsName, natural
from pyhrf.wording import named

_OF_A_SCAN = ("ses", "run", "dir")
"""Entities that tell scans of a participant and task apart."""

_OF_A_SCAN_IF_ASKED = ("acq", "ce")
"""These may, or may tell ways apart to treat the same scan; the user knows."""


def without_copies(names: Sequence[BidsName]) -> list[BidsName]:
    """Leave out unpacked copies: ``.nii`` beside ``.nii.gz`` of the same name."""
    packed = {_stem(name) for name in names if name.extension == ".nii.gz"}
    return [name for name in names if name.extension == ".nii.gz" or _stem(name) not in packed]


def _stem(name: BidsName) -> str:
    return str(name.path).removesuffix(name.extension)


def check_once(names: Sequence[BidsName], selection: Selection) -> None:
    """Make sure that no scan counts twice, as two reconstructions of it would.

    Parameters
    ----------
    names : sequence of BidsName
        BOLD files of a participant, task and space.
    selection : Selection
        What is asked for: of several labels of ``acq`` or ``ce``, each is a scan of its own.

    Raises
    ------
    InputError
        Naming two files of a scan, and the option that chooses one.
    """
    asked = [key for key in _OF_A_SCAN_IF_ASKED if len(selection.labels[key]) > 1]
    seen: dict[tuple[str, ...], BidsName] = {}
    for name in names:
        scan = tuple(_label(name, key) for key in (*_OF_A_SCAN, *asked))
        if scan in seen:
            raise InputError(_same_scan(seen[scan], name))
        seen[scan] = name


def _label(name: BidsName, key: str) -> str:
    label = name.entities.get(key, "")
    return str(int(label)) if key == "run" and label.isdecimal() else label


def _same_scan(one: BidsName, other: BidsName) -> str:
    """Say that two files are of one scan, and what to do."""
    both = f"{one.path} and {other.path.name} may be one scan, which must not count twice"
    entities = [*_OF_A_SCAN_IF_ASKED, "rec"]
    for key in entities:
        labels = {name.entities.get(key, NO_LABEL) for name in (one, other)}
        if len(labels) > 1:
            first, second = sorted(labels, key=natural)
            text = f"{both}: choose with --{key} {first} or --{key} {second}"
            if key in _OF_A_SCAN_IF_ASKED:
                text += f"; --{key} {first} {second} takes both, as scans of their own"
            return text
    return f"{both}: take one of them away"


def check_aligned(names: Sequence[BidsName]) -> None:
    """Make sure that voxels of one place are one place of the brain in all runs.

    Raises
    ------
    InputError
        If there are several runs in the space of the BOLD data themselves.
    """
    if len(names) > 1 and any(space_of(name) == NATIVE_SPACE for name in names):
        raise InputError(
            f"{names[0].path} and {names[1].path.name} lie each in the space of its own run "
            f"({named('space_of_name', name=NATIVE_SPACE)}), where the same voxel is not the same "
            "place, and runs that share their responses need one space: choose T1w or a "
            f"standard space with {named('space')}, or a single run with "
            f"{named('run')} and {named('session')}"
        )
