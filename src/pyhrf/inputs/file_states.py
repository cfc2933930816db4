"""Files that must stay what they were: from the first look at them until all is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.files import FileState, state_of


def states_of(paths: Iterable[Path]) -> dict[Path, FileState]:
    """Tell what files are now; those that are not there are left to who reads them.

    Parameters
    ----------
    paths : iterable of Path
    """
    found = {path: state_of(path) for path in dict.fromkeys(paths)}
    return {path: state for path, state in found.items() if state is not None}


def refuse_changed(states: Mapping[Path, FileState]) -> None:
    """Refuse files that are not what they were: results would be kept under the key of others.

    Parameters
    ----------
    states : mapping of Path to FileState
        As of `states_of`.

    Raises
    ------
    InputError
        Naming the first such file.
    """
    for path, state in states.items():
        if state_of(path) != state:
            raise InputError(
                f"{path}: was changed or replaced while it was being read: start again when "
                "nothing writes to it"
            )
