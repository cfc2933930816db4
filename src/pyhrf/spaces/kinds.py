"""The kinds of space, and which of them files are of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyhrf.errors import InputError
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.grid import Grid
from pyhrf.spaces.nodes import Nodes
from pyhrf.spaces.space import Opened, Space
from pyhrf.wording import named

# The first that takes a file has it: NIfTI, which goes by its content, is the last.
KINDS: tuple[type[Space], ...] = (Nodes, Grayordinates, Grid)


def kind_of_file(path: Path | str) -> type[Space]:
    """Tell by its name of which kind a file is."""
    return next(kind for kind in KINDS if kind.takes(path))


def open_data(bold: Sequence[Path], parcellation: Path, meshes: Sequence[Path]) -> Opened:
    """Open the series of all runs, and the parcellation.

    Parameters
    ----------
    bold : sequence of Path
        4D NIfTI, or with meshes GIFTI or CIFTI.
    parcellation : Path
        Of the same format.
    meshes : sequence of Path
        Surfaces; none for volumes.

    Returns
    -------
    Opened

    Raises
    ------
    InputError
        If a file cannot be used or they do not lie on one space.
    """
    if not meshes:
        for path in (*bold, parcellation):
            check_mesh(path, meshes)
    for path in bold:
        if meshes and path.is_file() and not kind_of_file(path).needs_mesh:
            raise InputError(
                f"{path}: this is not a GIFTI file (.gii) nor a CIFTI series (.dtseries.nii), as "
                f"data on a mesh are: leave out the mesh ({named('mesh')}) for a volume"
            )
    return kind_of_file(bold[0]).open(bold, parcellation, meshes)


def time_step(bold: Path) -> float | None:
    """Read the time between scans of a series, seconds; None if its file does not say."""
    return kind_of_file(bold).timing(bold).step


def check_mesh(path: Path, meshes: Sequence[Path]) -> None:
    """Refuse a file on a mesh if none is given.

    Raises
    ------
    InputError
    """
    if kind_of_file(path).needs_mesh and not meshes:
        raise InputError(f"{path}: surface data need their mesh: give it ({named('mesh')})")
