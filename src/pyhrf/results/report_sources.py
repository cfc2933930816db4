"""Which command made results, and what their parcels are: words for reports."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pyhrf.parameters.estimators import ESTIMATORS
from pyhrf.results.names import BIDS_RESULTS

# `pyhrf bids` names the parcels that it cuts so.
_CUT = re.compile(r"parcels-of-(?P<size>[0-9]+)-(?P<what>voxels|nodes)-[0-9a-f]{16}\..*")
_CUT_FROM = {"voxels": "the brain mask", "nodes": "the mesh"}


def command_of(provenance: Mapping[str, Any]) -> str:
    """Name the command of an analysis, without its arguments.

    Parameters
    ----------
    provenance : mapping
        Of ``run.json``.

    Returns
    -------
    str
        ``pyhrf bids`` if that was it, else the program of the estimator.
    """
    program, *arguments = provenance.get("command") or [""]
    if Path(program).name == "pyhrf" and arguments[:1] == ["bids"]:
        return "pyhrf bids"
    return f"pyhrf_{ESTIMATORS[provenance['study']['estimator']].program.name}_estim"


class Parcellation:
    """What parcels are.

    Parameters
    ----------
    path : Path or None
        Their file, if there is one.

    Attributes
    ----------
    name : str
        For a table; empty without a file.
    """

    def __init__(self, path: Path | None) -> None:
        self.name = "" if path is None else path.name
        self._cut = ""
        # A file that the user made is called by its name, whatever that is.
        found = _CUT.fullmatch(self.name)
        if path is not None and found is not None and BIDS_RESULTS in path.parts:
            source = _CUT_FROM[found["what"]]
            self._cut = f"at most {found['size']} {found['what']} that were cut from {source}"
            self.name = f"at most {found['size']} {found['what']}, cut from {source}"

    def counted(self, number: int) -> str:
        """Say what a number of these parcels are, as in "into the 12 parcels of atlas.nii,"."""
        if self._cut:
            return f"{number} parcels of {self._cut},"
        return f"the {number} parcels of {self.name}," if self.name else f"{number} parcels"


def parcellation_of(data: Mapping[str, Any]) -> Parcellation:
    """Say what the parcels of an analysis are, from the section of the data of its study."""
    path = data.get("parcellation")
    return Parcellation(Path(path) if path else None)
