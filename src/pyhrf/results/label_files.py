"""Files of parcellations: NIfTI, GIFTI or CIFTI, the same bytes from the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

from pyhrf.inputs.series import Space
from pyhrf.inputs.surfaces import Mesh
from pyhrf.inputs.volumes import Volume
from pyhrf.results.files import replace_file
from pyhrf.results.maps import Grid

__all__ = ["ending_of", "write_labels"]

Colour = tuple[float, float, float, float]


def ending_of(space: Space) -> str:
    """Tell how the name of a parcellation ends: ``.nii.gz``, ``.label.gii`` or ``.dlabel.nii``."""
    if isinstance(space, Volume):
        return ".nii.gz"
    return ".label.gii" if isinstance(space, Mesh) else ".dlabel.nii"


def write_labels(path: Path, labels: NDArray[np.int32], space: Space) -> None:
    """Write a parcellation; those of surfaces with a colour for each parcel.

    Parameters
    ----------
    path : Path
        Its ending is that of the space, see `ending_of`.
    labels : int32 array, shape (n_x, n_y, n_z) or (n_positions,)
        0 is background.
    space : Volume, Mesh or Grayordinates
        Where they lie.
    """
    labels = np.ascontiguousarray(labels, np.int32)
    if isinstance(space, Volume):
        stem = path.with_name(path.name.removesuffix(".nii.gz"))
        grid = Grid(labels, space.affine, space.header)
        flat = labels.reshape(-1)
        grid.write(stem, "parcels", [flat], dtype=np.int32, n_samples=None, step=None)
        return
    image = _gifti(labels, space) if isinstance(space, Mesh) else _cifti(labels, space.axis)
    with replace_file(path) as file:
        file.write(image.to_bytes())


def _colours(labels: NDArray[np.int32]) -> dict[int, tuple[str, Colour]]:
    """Name and colour each parcel; the background is transparent."""
    table: dict[int, tuple[str, Colour]] = {0: ("background", (0.0, 0.0, 0.0, 0.0))}
    palette = mpl.colormaps["tab20"]
    for number in np.unique(labels[labels > 0]).tolist():
        red, green, blue, _ = palette(number % 20)
        table[number] = (f"parcel {number}", (float(red), float(green), float(blue), 1.0))
    return table


def _gifti(labels: NDArray[np.int32], mesh: Mesh) -> Any:
    from nibabel.gifti import gifti

    make: Any = gifti  # without types
    table = make.GiftiLabelTable()
    for number, (name, colour) in _colours(labels).items():
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


def _cifti(labels: NDArray[np.int32], axis: Any) -> Any:
    from nibabel.cifti2 import cifti2, cifti2_axes

    make: Any = cifti2  # without types
    rows: Any = cifti2_axes
    image = make.Cifti2Image(labels[None], (rows.LabelAxis(["parcels"], [_colours(labels)]), axis))
    image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS")
    return image
