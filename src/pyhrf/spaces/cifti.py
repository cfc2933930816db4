"""CIFTI-2 files: dense time series of cortical nodes and voxels, and their parcellations.

The format is that of www.nitrc.org/projects/cifti; its positions, here grayordinates, are nodes of
one or more meshes, the medial wall left out, and voxels of one grid.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.files import regular_file
from pyhrf.model.graph import grid_edges
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.surfaces import Mesh, NodeSeries
from pyhrf.wording import named

_ENDINGS = (".dtseries.nii", ".dlabel.nii", ".dscalar.nii")
_SECONDS = {"SECOND": 1.0}


@dataclass(frozen=True, slots=True)
class Grayordinates:
    """Positions of a CIFTI file and who is beside whom.

    Attributes
    ----------
    axis : nibabel BrainModelAxis
        The positions.
    edges : int32 array, shape (n_edges, 2)
        Neighbours, each pair once, smaller first: nodes that the mesh of their structure joins,
        voxels of one structure that share a face.
    """

    axis: Any
    edges: NDArray[np.int32]


def is_cifti(path: Path | str) -> bool:
    """Tell by its name whether a file is dense CIFTI."""
    return str(path).lower().endswith(_ENDINGS)


def open_cifti(
    bold: Sequence[Path], meshes: Sequence[Mesh]
) -> tuple[tuple[NodeSeries, ...], Grayordinates]:
    """Open the dense time series of all runs.

    Parameters
    ----------
    bold : sequence of Path
        ``.dtseries.nii``.
    meshes : sequence of Mesh
        The surface of each cortical structure that the series hold, in any order.

    Returns
    -------
    series : tuple of NodeSeries
    positions : Grayordinates

    Raises
    ------
    InputError
        If a file cannot be used, they hold other positions, or a mesh is missing.
    """
    series: list[NodeSeries] = []
    axes: list[Any] = []
    for path in bold:
        image = _load(path)
        time, axis = _axes(path, image, first="SeriesAxis")
        if axes and axis != axes[0]:
            raise InputError(f"{path}: holds other grayordinates than {bold[0]}")
        axes.append(axis)
        series.append(NodeSeries(path, _values(path, image), _tr(time)))
        if len(time) < 2:
            raise InputError(f"{path}: holds one scan where a series is needed")
    return tuple(series), Grayordinates(axes[0], _edges(bold[0], axes[0], meshes))


def cifti_time_step(path: Path) -> float | None:
    """Read the time between scans of a dense time series, seconds; None if it has another unit."""
    return _tr(_axes(path, _load(path), first="SeriesAxis")[0])


def cifti_length(path: Path) -> int:
    """Read how many scans a dense time series has."""
    return len(_axes(path, _load(path), first="SeriesAxis")[0])


def cifti_surfaces(path: Path) -> dict[str, int]:
    """Read which surfaces a dense time series needs the meshes of.

    Returns
    -------
    dict of str to int
        Number of nodes of the mesh by structure, such as ``CIFTI_STRUCTURE_CORTEX_LEFT``.

    Raises
    ------
    InputError
        If the file cannot be used.
    """
    _, axis = _axes(path, _load(path), first="SeriesAxis")
    return {
        str(name): int(model.nvertices[name])
        for name, _, model in axis.iter_structures()
        if name in model.nvertices
    }


def read_cifti_labels(path: Path, positions: Grayordinates) -> NDArray[np.int64]:
    """Read the parcel of each grayordinate.

    Parameters
    ----------
    path : Path
        ``.dlabel.nii`` or ``.dscalar.nii`` of one map; 0 is background.
    positions : Grayordinates
        Those of the series, which must be the same.

    Returns
    -------
    int64 array, shape (n_positions,)

    Raises
    ------
    InputError
        If the file cannot be used, or holds several maps or other grayordinates.
    """
    if not is_cifti(path):
        raise InputError(f"{path}: CIFTI series need a CIFTI parcellation (.dlabel.nii)")
    image = _load(path)
    maps, axis = _axes(path, image, first="LabelAxis", or_else="ScalarAxis")
    _check_one_map(path, len(maps))
    if axis != positions.axis:
        raise InputError(
            f"{path}: holds other grayordinates ({len(axis)}) than the series "
            f"({len(positions.axis)}): bring it to theirs"
        )
    return whole_labels(path, _values(path, image, exact=True)[0], place="grayordinate")


def open_cifti_map(path: Path, meshes: Sequence[Mesh]) -> tuple[NDArray[Any], Grayordinates]:
    """Open a file of one map by itself, such as a parcellation or a mask.

    Parameters
    ----------
    path : Path
        ``.dlabel.nii`` or ``.dscalar.nii``.
    meshes : sequence of Mesh
        As for `open_cifti`.

    Returns
    -------
    values : array, shape (n_positions,)
    positions : Grayordinates

    Raises
    ------
    InputError
        If the file cannot be used, holds several maps, or a mesh is missing.
    """
    image = _load(path)
    maps, axis = _axes(path, image, first="LabelAxis", or_else="ScalarAxis")
    _check_one_map(path, len(maps))
    return _values(path, image, exact=True)[0], Grayordinates(axis, _edges(path, axis, meshes))


def _check_one_map(path: Path, n_maps: int) -> None:
    if n_maps != 1:
        raise InputError(
            f"{path}: holds {n_maps} maps, and a parcellation or mask is one: keep that one in a "
            "file of its own"
        )


def _load(path: Path) -> Any:
    import nibabel as nib

    load: Any = nib.Cifti2Image.from_filename  # type: ignore[attr-defined, unused-ignore]
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; a CIFTI file is needed")
    if not is_cifti(path):
        raise InputError(f"{path}: this is not a dense CIFTI file ({', '.join(_ENDINGS)})")
    with _sound(path):
        with regular_file(path) as file:
            start = file.read(8)
        if start[4:7] != b"n+2":  # of NIfTI-2, on which the format stands
            raise InputError(f"{path}: this is not a CIFTI-2 file: make it again")
        return load(path)


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


def _axes(path: Path, image: Any, *, first: str, or_else: str = "") -> tuple[Any, Any]:
    """Return the two axes of a matrix of maps or scans by grayordinates."""
    n_axes = image.ndim
    with _sound(path):
        axes = [image.header.get_axis(place) for place in range(n_axes)]
    kinds = [type(axis).__name__ for axis in axes]
    if n_axes != 2 or kinds[0] not in (first, or_else) or kinds[1] != "BrainModelAxis":
        raise InputError(
            f"{path}: its axes are {', '.join(kinds)}; needed are {first} and BrainModelAxis"
        )
    with _sound(path):
        _check_places(path, axes[1])
    return axes[0], axes[1]


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
                "anew"
            )


def _values(path: Path, image: Any, *, exact: bool = False) -> NDArray[Any]:
    """Read a matrix; wide floats become float32 unless they must be exact, as labels must."""
    with _sound(path):
        values = np.asarray(image.dataobj)
    if values.dtype.kind not in "iuf":
        raise InputError(f"{path}: its values are not real numbers but {values.dtype}")
    narrow = values.dtype.kind == "f" and not exact
    kept = np.dtype(np.float32) if narrow else values.dtype.newbyteorder("=")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out later
        return values.astype(kept, copy=False)


def _tr(time: Any) -> float | None:
    step = float(time.step) * _SECONDS.get(str(time.unit), np.nan)
    # Stored as decimal text, possibly in single precision.
    return float(f"{step:.7g}") if np.isfinite(step) and step > 0 else None


def _edges(path: Path, axis: Any, meshes: Sequence[Mesh]) -> NDArray[np.int32]:
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
