"""CIFTI-2 files: dense time series of cortical nodes and voxels, and their parcellations.

The format is that of www.nitrc.org/projects/cifti; its positions, here grayordinates, are nodes of
one or more meshes, the medial wall left out, and voxels of one grid.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.files import regular_file
from pyhrf.model.graph import grid_edges
from pyhrf.spaces.once import once_per_file
from pyhrf.spaces.surfaces import Mesh
from pyhrf.spaces.untyped import nib
from pyhrf.wording import named

ENDINGS = (".dtseries.nii", ".dlabel.nii", ".dscalar.nii")
"""Of the names of dense CIFTI files, in small letters."""

_SECONDS = {"SECOND": 1.0}


@once_per_file
def _load(path: Path) -> tuple[Any, list[Any]]:
    """Open a CIFTI file, whose matrix is not read yet; return the image and its axes."""
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; a CIFTI file is needed")
    if not str(path).lower().endswith(ENDINGS):
        raise InputError(f"{path}: this is not a dense CIFTI file ({', '.join(ENDINGS)})")
    with _sound(path):
        with regular_file(path) as file:
            start = file.read(8)
        if start[4:7] != b"n+2":  # of NIfTI-2, on which the format stands
            raise InputError(f"{path}: this is not a CIFTI-2 file: make it again")
        image = nib().Cifti2Image.from_filename(path)
        return image, [image.header.get_axis(place) for place in range(image.ndim)]


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """Turn what nibabel meets in a damaged file into one sentence."""
    from xml.parsers.expat import ExpatError

    from nibabel.cifti2.cifti2 import Cifti2HeaderError
    from nibabel.filebasedimages import ImageFileError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    try:
        with warnings.catch_warnings():
            # of a matrix that is not as large as the file says
            warnings.filterwarnings("error", "Dataobj shape")
            yield
    except (
        *(ImageFileError, HeaderDataError, WrapStructError, Cifti2HeaderError, ExpatError),
        # its parser trusts that XML says what the format demands
        *(ValueError, TypeError, LookupError, AttributeError, AssertionError, ArithmeticError),
        *(EOFError, MemoryError, UserWarning, OSError),
    ) as error:
        if isinstance(error, OSError) and error.strerror:  # nibabel's own have none
            raise InputError(f"{path}: cannot be read: {error.strerror}") from error
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: the CIFTI-2 file is truncated or damaged ({reason}); copy it again"
        ) from error


def open_cifti(path: Path, *, first: str, or_else: str = "") -> tuple[Any, Any, Any]:
    """Open a matrix of maps or scans by grayordinates, which is not read yet.

    Parameters
    ----------
    path : Path
    first, or_else : str
        What the first axis may be, such as ``SeriesAxis``.

    Returns
    -------
    image : nibabel Cifti2Image
    rows, columns : nibabel Axis
        The second is a ``BrainModelAxis``.

    Raises
    ------
    InputError
        If it cannot be used, or has other axes.
    """
    image, axes = _load(path)
    kinds = [type(axis).__name__ for axis in axes]
    if len(axes) != 2 or kinds[0] not in (first, or_else) or kinds[1] != "BrainModelAxis":
        raise InputError(
            f"{path}: its axes are {', '.join(kinds)}; needed are {first} and BrainModelAxis"
        )
    with _sound(path):
        _check_places(path, axes[1])
    return image, axes[0], axes[1]


def _check_places(path: Path, axis: Any) -> None:
    """Refuse nodes beyond their mesh and voxels beyond their grid."""
    for name, _, model in axis.iter_structures():
        of_mesh = name in model.nvertices
        places = model.vertex if of_mesh else model.voxel
        most = model.nvertices[name] if of_mesh else model.volume_shape
        if len(places) and (places.min() < 0 or (places >= np.asarray(most)).any()):
            what = "nodes" if of_mesh else "voxels"
            where = f"mesh of {most} nodes" if of_mesh else f"grid of {most} voxels"
            raise InputError(
                f"{path}: holds {what} of {name} beyond its {where}: the file is damaged; make it "
                "again"
            )


def values_of(path: Path, image: Any, *, exact: bool = False) -> NDArray[Any]:
    """Read a matrix; wide floats become float32 unless they must be exact, as labels must."""
    with _sound(path):
        values = np.asarray(image.dataobj)
    if values.dtype.kind not in "iuf":
        raise InputError(f"{path}: its values are not real numbers but {values.dtype}")
    narrow = values.dtype.kind == "f" and not exact
    kept = np.dtype(np.float32) if narrow else values.dtype.newbyteorder("=")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out later
        return values.astype(kept, copy=False)


def time_step_of(time: Any) -> float | None:
    """Give the seconds between scans of an axis of time; None if it has another unit."""
    step = float(time.step) * _SECONDS.get(str(time.unit), np.nan)
    # Stored as decimal text, possibly in single precision.
    return float(f"{step:.7g}") if np.isfinite(step) and step > 0 else None


def edges_of(path: Path, axis: Any, meshes: Sequence[Mesh]) -> NDArray[np.int32]:
    """Find the neighbours inside every structure."""
    by_name = _by_structure(axis, meshes)
    found = [np.empty((0, 2), np.int32)]
    for name, place, model in axis.iter_structures():
        first = place.start or 0
        if name not in model.nvertices:
            found.append(grid_edges(model.voxel) + np.int32(first))
            continue
        mesh = by_name.pop(name, None)
        if mesh is None:
            raise InputError(
                f"{path}: the mesh of {name} is missing: give it ({named('mesh')}); it must "
                "name its structure, as AnatomicalStructurePrimary"
            )
        if mesh.n_nodes != model.nvertices[name]:
            raise InputError(
                f"{mesh.path}: has {mesh.n_nodes} nodes, and {name} in {path} has "
                f"{model.nvertices[name]}"
            )
        where = np.full(mesh.n_nodes, -1, np.int32)
        where[model.vertex] = np.arange(first, first + len(model), dtype=np.int32)
        edges = where[mesh.edges]
        found.append(np.sort(edges[(edges >= 0).all(axis=1)], axis=1))
    if by_name:
        mesh = next(iter(by_name.values()))
        raise InputError(f"{mesh.path}: {path} holds no structure of this mesh ({mesh.structure})")
    return np.concatenate(found)


def _by_structure(axis: Any, meshes: Sequence[Mesh]) -> dict[str, Mesh]:
    named: dict[str, Mesh] = {}
    for mesh in meshes:
        try:
            name = axis.to_cifti_brain_structure_name(mesh.structure)
        except ValueError:
            raise InputError(
                f"{mesh.path}: does not name its structure (AnatomicalStructurePrimary, such as "
                f"CortexLeft) but {mesh.structure!r}"
            ) from None
        if name in named:
            raise InputError(f"{mesh.path}: is a second mesh of {mesh.structure}")
        named[name] = mesh
    return named
