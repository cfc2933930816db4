"""Files of parcellations: NIfTI, GIFTI or CIFTI, the same bytes from the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from pyhrf.files import replace_file
from pyhrf.results.maps import Grid
from pyhrf.spaces.series import Space
from pyhrf.spaces.surfaces import Mesh
from pyhrf.spaces.volumes import Volume
from pyhrf.wording import named

Colour = tuple[float, float, float, float]
Table = dict[int, tuple[str, Colour]]


def ending_of(space: Space) -> str:
    """Tell how the name of a parcellation ends: ``.nii.gz``, ``.label.gii`` or ``.dlabel.nii``."""
    if isinstance(space, Volume):
        return ".nii.gz"
    return ".label.gii" if isinstance(space, Mesh) else ".dlabel.nii"


def write_labels(
    path: Path,
    labels: NDArray[np.int32],
    space: Space,
    names: Mapping[int, str] = MappingProxyType({}),
) -> None:
    """Write a parcellation; those of surfaces with a colour for each parcel.

    Parameters
    ----------
    path : Path
        Its ending is that of the space, see `ending_of`.
    labels : int32 array, shape (n_x, n_y, n_z) or (n_positions,)
        0 is background.
    space : Volume, Mesh or Grayordinates
        Where they lie.
    names : mapping of int to str
        Of parcels of surfaces; others are ``parcel 7`` and such.
    """
    labels = np.ascontiguousarray(labels, np.int32)
    if isinstance(space, Volume):
        stem = path.with_name(path.name.removesuffix(".nii.gz"))
        grid = Grid(labels, space.affine, space.header)
        flat = labels.reshape(-1)
        grid.write(stem, "parcels", [flat], dtype=np.int32, n_samples=None, step=None)
        return
    table = _table(labels, names)
    image = (
        _gifti(labels, space, table)
        if isinstance(space, Mesh)
        else _cifti(labels, space.axis, table)
    )
    with replace_file(path, cure=f"choose another file ({named('file')})") as file:
        file.write(image.to_bytes())


def _table(labels: NDArray[np.int32], names: Mapping[int, str]) -> Table:
    """Name and colour each parcel; the background is transparent."""
    table: Table = {0: ("background", (0.0, 0.0, 0.0, 0.0))}
    palette = mpl.colormaps["tab20"]
    for number in np.unique(labels[labels > 0]).tolist():
        red, green, blue, _ = palette(number % 20)
        name = names.get(number, f"parcel {number}")
        table[number] = (name, (float(red), float(green), float(blue), 1.0))
    return table


def _gifti(labels: NDArray[np.int32], mesh: Mesh, named: Table) -> Any:
    from nibabel.gifti import gifti

    make: Any = gifti  # without types
    table = make.GiftiLabelTable()
    for number, (name, colour) in named.items():
        label = make.GiftiLabel(number, *colour)
        label.label = name
        table.labels.append(label)
    array = make.GiftiDataArray(
        labels, intent="NIFTI_INTENT_LABEL", datatype=np.dtype(np.int32), endian="little"
    )
    structure = {"AnatomicalStructurePrimary": mesh.structure} if mesh.structure else {}
    return make.GiftiImage(
        darrays=[array], labeltable=table, meta=make.GiftiMetaData({"Name": "parcels", **structure})
    )


def _cifti(labels: NDArray[np.int32], axis: Any, table: Table) -> Any:
    from nibabel.cifti2 import cifti2, cifti2_axes

    make: Any = cifti2  # without types
    rows: Any = cifti2_axes
    image = make.Cifti2Image(labels[None], (rows.LabelAxis(["parcels"], [table]), axis))
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS")
    return image
