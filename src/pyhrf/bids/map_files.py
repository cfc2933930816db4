"""Maps as files of BIDS derivatives, of volumes and surfaces alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.results import GrayordinateGrid, Grid, MapGrid, NodeGrid
from pyhrf.results.label_files import write_labels
from pyhrf.spaces.cifti import Grayordinates, cifti_time_step
from pyhrf.spaces.surfaces import Mesh, is_gifti, series_time_step, structure_of

_ENDINGS = (".nii.gz", ".func.gii", ".dscalar.nii", ".dtseries.nii")
_NO_EDGES = np.empty((0, 2), np.int32)


def ending_of_map(path: Path) -> str:
    """Tell how the name of a map ends, such as ``.func.gii``."""
    return next(ending for ending in _ENDINGS if path.name.endswith(ending))


def map_step(path: Path) -> float | None:
    """Read the seconds between the samples of a map, if they are evenly spaced."""
    if is_gifti(path):
        return series_time_step(path)
    if path.name.endswith(".dtseries.nii"):
        return cifti_time_step(path)
    if path.name.endswith(".dscalar.nii"):
        return None
    header: Any = _load(path).header
    if len(header.get_data_shape()) < 4:
        return None
    return float(np.float32(header["pixdim"][4])) or None


def squared_map(path: Path, scratch: Path) -> bytes:
    """Make the map of a variance from that of a standard deviation.

    Parameters
    ----------
    path : Path
        The map, of one sample.
    scratch : Path
        A folder for files on their way.

    Returns
    -------
    bytes
        Of a file of the same kind.
    """
    image = _load(path)
    grid: MapGrid
    if is_gifti(path):
        values = np.asarray(image.darrays[0].data)
        grid = NodeGrid(np.zeros(values.shape, np.int32), structure_of(path))
    else:
        values = np.asarray(image.dataobj)
        if path.name.endswith(".dscalar.nii"):
            values = values[0]
            grid = GrayordinateGrid(np.zeros(values.shape, np.int32), image.header.get_axis(1))
        else:
            grid = Grid(np.zeros(values.shape[:3], np.int32), image.affine, image.header)
    squared = values.astype(np.float32).reshape(-1) ** 2
    written = grid.write(
        scratch / "variance", "variance", [squared], dtype=np.float32, n_samples=None, step=None
    )
    return written.read_bytes()


def parcel_names(path: Path) -> dict[int, str]:
    """Read the names that a parcellation of a surface gives its parcels.

    Parameters
    ----------
    path : Path
        The parcellation, which the analysis could use.

    Returns
    -------
    dict of int to str
        By number, in one line each; empty for volumes and maps, which name none.
    """
    table: Mapping[int, str] = {}
    if is_gifti(path):
        table = _load(path).labeltable.get_labels_as_dict()
    elif path.name.endswith(".dlabel.nii"):
        axis = _load(path).header.get_axis(0)
        table = {number: name for number, (name, _) in axis.label[0].items()}
    words = {int(number): " ".join((name or "").split()) for number, name in table.items()}
    # What PyHRF itself calls a parcel is no name.
    return {n: name for n, name in words.items() if name not in ("", f"parcel {n}")}


def label_file(path: Path, scratch: Path, names: Mapping[int, str]) -> tuple[str, bytes]:
    """Turn the map of parcels into a file of labels: with a name and a colour for each on surfaces.

    Parameters
    ----------
    path : Path
        The map.
    scratch : Path
        A folder for files on their way.
    names : mapping of int to str
        Of parcels, where they have one.

    Returns
    -------
    ending : str
        ``.nii.gz``, ``.label.gii`` or ``.dlabel.nii``.
    content : bytes
    """
    if path.name.endswith(".nii.gz"):
        return ".nii.gz", path.read_bytes()
    return _labels_like(path, _values(path), scratch, names)


def estimated_mask(parcels: Path, left_out: Path | None, scratch: Path) -> tuple[str, bytes]:
    """Make the mask of the positions that have an estimate.

    Parameters
    ----------
    parcels, left_out : Path
        Maps of PyHRF; without the second all positions of parcels are estimated.
    scratch : Path
        A folder for files on their way.

    Returns
    -------
    ending : str
        As of `label_file`.
    content : bytes
        1 where there is an estimate, 0 elsewhere.
    """
    mask = _values(parcels) > 0
    if left_out is not None:
        mask &= _values(left_out) == 0
    labels = mask.astype(np.int32)
    if not parcels.name.endswith(".nii.gz"):
        return _labels_like(parcels, labels, scratch, {1: "estimated"})
    image = _load(parcels)
    written = Grid(labels, image.affine, image.header).write(
        scratch / "estimated",
        "estimated",
        [labels.reshape(-1)],
        dtype=np.int32,
        n_samples=None,
        step=None,
    )
    return ".nii.gz", written.read_bytes()


def _values(path: Path) -> NDArray[Any]:
    """Read a map of one sample."""
    image = _load(path)
    if is_gifti(path):
        return np.asarray(image.darrays[0].data)
    values = np.asarray(image.dataobj)
    return values[0] if path.name.endswith(".dscalar.nii") else values


def _labels_like(
    path: Path, labels: NDArray[Any], scratch: Path, names: Mapping[int, str]
) -> tuple[str, bytes]:
    """Write labels where a map of a surface lies."""
    image = _load(path)
    space: Mesh | Grayordinates
    if is_gifti(path):
        ending = ".label.gii"
        # Only what the map says counts: the structure.
        nowhere = np.empty((0, 3))
        space = Mesh(path, nowhere, nowhere.astype(np.int32), _NO_EDGES, structure_of(path))
    else:
        ending = ".dlabel.nii"
        space = Grayordinates(image.header.get_axis(1), _NO_EDGES)
    made = scratch / f"parcels{ending}"
    write_labels(made, labels.astype(np.int32), space, names)
    return ending, made.read_bytes()


def _load(path: Path) -> Any:
    import nibabel as nib

    return nib.load(path)  # type: ignore[attr-defined, unused-ignore]
