"""Meshes of surface data: those that are given, those of fMRIPrep, and that of nilearn."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pyhrf.errors import ConfigError, InputError
from pyhrf.inputs.bids_names import BidsName, check_link
from pyhrf.spaces.surfaces import open_mesh, structure_of
from pyhrf.wording import named

_HEMISPHERES = {
    "CortexLeft": "L",
    "CortexRight": "R",
    "CIFTI_STRUCTURE_CORTEX_LEFT": "L",
    "CIFTI_STRUCTURE_CORTEX_RIGHT": "R",
}
_IN_NAME = re.compile("(?<![A-Za-z0-9])(?:hemi-([LR])|([lr])h)(?![A-Za-z0-9])")
_FSAVERAGE = {10242: "fsaverage5", 40962: "fsaverage6", 163842: "fsaverage"}
"""By nodes; the smaller ones are there with their nodes in two orders."""
_SIDES = {"L": "left", "R": "right"}


def by_hemisphere(paths: Sequence[Path], option: str) -> dict[str, Path]:
    """Tell which hemisphere each of some GIFTI files is of.

    Parameters
    ----------
    paths : sequence of Path
        Told by the word ``hemi-L`` or ``lh`` in the name, or by the structure that the file names.
    option : str
        How they were given, for what is said.

    Returns
    -------
    dict of str to Path
        By ``L`` and ``R``.

    Raises
    ------
    ConfigError
        If it cannot be told, name and file contradict each other, or two are of one hemisphere.
    InputError
        If a file cannot be read.
    """
    found: dict[str, Path] = {}
    for path in paths:
        structure = structure_of(path)
        hemi = _hemisphere(path, structure)
        if hemi is None:
            raise ConfigError(
                f"{option} {path}: its hemisphere is not known: put hemi-L or hemi-R into its "
                "name, or begin the name with lh. or rh."
            )
        try:
            check_hemisphere(path, hemi, structure)
        except InputError as error:
            raise ConfigError(f"{option} {error}") from error
        if hemi in found:
            raise ConfigError(
                f"{option} {path}: is a second file of the hemisphere {hemi}, beside {found[hemi]}"
            )
        found[hemi] = path
    return found


def check_hemisphere(path: Path, hemi: str, structure: str) -> None:
    """Make sure that a file is of the hemisphere of its name.

    Parameters
    ----------
    path : Path
        GIFTI file.
    hemi : {"L", "R"}
        As its name says.
    structure : str
        As the file says; nothing is known of a structure that is no hemisphere.

    Raises
    ------
    InputError
        If it is of the other one.
    """
    if _HEMISPHERES.get(structure, hemi) != hemi:
        raise InputError(
            f"{path}: its name says hemisphere {hemi}, but the file itself "
            f"(AnatomicalStructurePrimary) says {structure}: give the right file, or correct the "
            "one that is wrong"
        )


def _hemisphere(path: Path, structure: str) -> str | None:
    if (said := _IN_NAME.search(path.name)) is not None:
        return said[1] or said[2].upper()
    return _HEMISPHERES.get(structure)


def find_meshes(
    bold: BidsName, candidates: Sequence[BidsName], given: Mapping[str, Path]
) -> tuple[Path, ...]:
    """Find the mesh of each hemisphere on which a series lies.

    Parameters
    ----------
    bold : BidsName
        GIFTI of a hemisphere, or CIFTI.
    candidates : sequence of BidsName
        Those that fMRIPrep has written, the best first; the first with as many nodes as the data
        is taken.
    given : mapping of str to Path
        Those that the user names, by hemisphere, which go before all others.

    Raises
    ------
    InputError
        If there is none, it is of another hemisphere than its name says, or a file cannot be read.
    """
    check_link(bold.path)
    found = []
    kind = bold.kind
    for structure, n_nodes in kind.mesh_sizes(bold.path).items():
        side = bold.entities["hemi"] if kind.by_hemisphere else _HEMISPHERES.get(structure)
        if side is None:
            raise InputError(
                f"{bold.path}: holds the surface {structure}, of which no mesh is known here: "
                f"{named('single_file')}"
            )
        found.append(_mesh(bold, side, n_nodes, candidates, given))
    if not found:
        raise InputError(f"{bold.path}: holds no surface: choose a volume with {named('space')}")
    return tuple(found)


def _mesh(
    bold: BidsName,
    hemi: str,
    n_nodes: Collection[int],
    candidates: Sequence[BidsName],
    given: Mapping[str, Path],
) -> Path:
    if hemi in given:
        return given[hemi]
    seen = ""
    for name in candidates:
        if name.entities["hemi"] != hemi:
            continue
        check_link(name.path)
        mesh = open_mesh(name.path)
        if mesh.n_nodes in n_nodes:
            check_hemisphere(name.path, hemi, mesh.structure)
            return name.path
        seen = f"; {name.path.name} has {mesh.n_nodes} nodes, the data have {max(n_nodes)}"
    space = bold.entities.get("space", "fsnative")
    if space.startswith("fsaverage"):
        for number in n_nodes:
            if (shipped := shipped_mesh(number, hemi)) is not None:
                return shipped
    raise InputError(
        f"{bold.path}: no mesh of the hemisphere {hemi} in the space {space} is there "
        f"(anat/*_hemi-{hemi}_*midthickness.surf.gii of fMRIPrep{seen}): give it "
        f"({named('mesh')})"
    )


def shipped_mesh(n_nodes: int, hemi: str) -> Path | None:
    """Name the mesh of fsaverage that is here already; nothing is downloaded.

    Parameters
    ----------
    n_nodes : int
        By which fsaverage5 is known, which nilearn brings along; and fsaverage6 and fsaverage,
        which are here only if nilearn has fetched them before.
    hemi : {"L", "R"}
    """
    from nilearn.datasets import fetch_surf_fsaverage, get_data_dirs

    name, side = _FSAVERAGE.get(n_nodes), _SIDES[hemi]
    if name is None:
        return None
    if name == "fsaverage5":
        return Path(fetch_surf_fsaverage(name)[f"pial_{side}"])
    paths = [Path(folder) / name / f"pial_{side}.gii.gz" for folder in get_data_dirs()]
    return next((path for path in paths if path.is_file()), None)
