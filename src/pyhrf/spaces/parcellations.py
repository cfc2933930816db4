"""Parcellations and masks by themselves: of voxels, of a mesh or of grayordinates."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.files import read_regular
from pyhrf.spaces.kinds import check_mesh, kind_of_file
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.space import Space

_ENDING = re.compile(r"(\.(label|func|shape|dlabel|dscalar))?\.(nii\.gz|nii|gii|gii\.gz)$", re.I)


@dataclass(frozen=True, slots=True)
class LabelImage:
    """One value for each position, and where the positions lie.

    Attributes
    ----------
    path : Path
        The file.
    values : array, shape (n_x, n_y, n_z) or (n_positions,)
        As the file means them.
    space : Space
        Where they lie.
    """

    path: Path
    values: NDArray[Any]
    space: Space

    def labels(self) -> NDArray[np.int32]:
        """Return the values as numbers of parcels.

        Raises
        ------
        InputError
            If they are none.
        """
        whole = whole_labels(self.path, self.values, place=self.space.place)
        return whole.astype(np.int32)

    def mask(self) -> NDArray[np.bool_]:
        """Tell which values are not 0.

        Raises
        ------
        InputError
            If some are not finite.
        """
        if not np.isfinite(self.values).all():
            raise InputError(f"{self.path}: the mask holds NaN or infinite values")
        return np.asarray(self.values != 0)


def open_placed(path: Path, meshes: Sequence[Path] = ()) -> LabelImage:
    """Open a parcellation or a mask.

    Parameters
    ----------
    path : Path
        3D NIfTI; GIFTI of one array; CIFTI of one map.
    meshes : sequence of Path
        The mesh of GIFTI, or those of the cortical structures of CIFTI.

    Returns
    -------
    LabelImage

    Raises
    ------
    InputError
        If a file cannot be used, or they do not belong together.
    """
    check_mesh(path, meshes)
    return LabelImage(path, *kind_of_file(path).open_placed(path, meshes))


def names_file(path: Path) -> Path:
    """Give the table beside a parcellation in which the names of its parcels may be.

    Examples
    --------
    >>> names_file(Path("atlas_dseg.nii.gz")).name
    'atlas_dseg.tsv'
    """
    return path.with_name(f"{_ENDING.sub('', path.name)}.tsv")


def parcel_names(path: Path) -> dict[int, str]:
    """Read the names of the parcels of a parcellation, if there are any.

    Parameters
    ----------
    path : Path
        The parcellation, which the analysis could use. A surface's may have names itself; those of
        others are in the table beside it (`names_file`), in its columns ``index`` and ``name``, as
        BIDS has it.

    Returns
    -------
    dict of int to str
        By number, in one line each.
    """
    table = kind_of_file(path).parcel_names(path) or _names_beside(path)
    words = {int(number): " ".join((name or "").split()) for number, name in table.items()}
    # What PyHRF itself calls a parcel is no name.
    return {n: name for n, name in words.items() if name not in ("", f"parcel {n}")}


def names_table(names: Mapping[int, str]) -> bytes:
    """Make the table that has these names, for the file `names_file`."""
    rows = (f"{number}\t{' '.join(name.split())}\n" for number, name in names.items())
    return f"index\tname\n{''.join(rows)}".encode()


def _names_beside(path: Path) -> dict[int, str]:
    """Read the table beside a parcellation; whatever else is there under that name is none."""
    try:
        lines = read_regular(names_file(path)).decode("utf-8-sig").splitlines()
        rows = csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        return {int(row["index"]): row["name"] for row in rows}
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return {}
