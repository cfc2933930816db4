"""The meshes on which maps of results lie."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from pyhrf.errors import InputError
from pyhrf.results.results import Results
from pyhrf.spaces.space import MapSurface
from pyhrf.spaces.surfaces import open_mesh


def refuse_cuts(results: Results) -> NoReturn:
    """Say that maps of a surface are drawn on meshes, not on an anatomy.

    Raises
    ------
    InputError
        Always.
    """
    raise InputError(
        f"{results.directory} has maps of a surface, which are drawn on its meshes: an anatomy and "
        "cuts are for volumes"
    )


def surfaces_of(results: Results) -> list[MapSurface]:
    """Find the meshes of results, where the run found them.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of MapSurface
        In the order of the study, without those that are gone or no longer fit.
    """
    meshes = []
    for path in results.provenance["study"]["data"].get("meshes", ()):
        try:
            meshes.append(open_mesh(Path(path)))
        except InputError:  # gone, or another file by now
            continue
    return [] if results.space is None else results.space.surfaces(meshes)
