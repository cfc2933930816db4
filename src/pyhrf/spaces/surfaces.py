"""GIFTI files: meshes, time series and labels of their nodes, all checked when opened.

The format is defined in the GIFTI Surface Data Format, version 1.0 (www.nitrc.org/projects/gifti).
Its files are XML, which cannot be read in part: the values come into memory when a file is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.files import FileState, settled_state
from pyhrf.spaces.gifti import STRUCTURE, load_gifti
from pyhrf.spaces.once import once_per_file

_sound: dict[tuple[Path, FileState | None, int], tuple[int, float | None]] = {}
"""Number of scans and time between them of series that were read, by file and number of nodes."""

_OTHER_MESH = "give the mesh on which the data lie"


@dataclass(frozen=True, slots=True)
class Mesh:
    """A surface.

    Attributes
    ----------
    path : Path
        The file.
    coordinates : float array, shape (n_nodes, 3)
        Millimetres.
    triangles : int32 array, shape (n_triangles, 3)
        Their nodes.
    edges : int32 array, shape (n_edges, 2)
        Nodes that a triangle joins, each pair once, smaller first, in lexicographic order.
    structure : str
        What it shows, such as ``CortexLeft``; empty if the file does not say.
    """

    path: Path
    coordinates: FloatArray
    triangles: NDArray[np.int32]
    edges: NDArray[np.int32]
    structure: str

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.coordinates)


@dataclass(frozen=True)
class NodeSeries:
    """Time series of nodes; of a file that is known to be sound they are read when needed.

    Attributes
    ----------
    path : Path
        The file.
    n_scans : int
        Number of scans.
    tr : float or None
        Time between scans in seconds; None if the file does not say.
    """

    path: Path
    n_scans: int
    tr: float | None
    _read: Callable[[], tuple[NDArray[Any], float | None]]
    _fresh: list[NDArray[Any]]

    @classmethod
    def of(
        cls, path: Path, n_nodes: int, read: Callable[[], tuple[NDArray[Any], float | None]]
    ) -> Self:
        """Open a series: it is read, unless it was before and the file is still the same.

        Parameters
        ----------
        path : Path
        n_nodes : int
            How many it is to have.
        read : callable
            Checks and gives the values, shape (n_scans, n_nodes), in the type of the file or as
            float32, and the time between scans.
        """
        key, fresh = (path, settled_state(path), n_nodes), []
        known = _sound.get(key)
        if known is None:
            values, tr = read()
            known, fresh = (len(values), tr), [values]
            if key[1] is not None:
                _sound[key] = known
        return cls(path, *known, read, fresh)

    @property
    def values(self) -> NDArray[Any]:
        """All values, shape (n_scans, n_nodes)."""
        return self._fresh[0] if self._fresh else self._read()[0]

    def stored(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Give some positions as they are stored; the others need not stay in memory."""
        values = self.values
        self._fresh.clear()
        return values[:, positions]

    def meant(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Turn stored values into the values that are meant."""
        return stored.astype(np.float32)


def mesh_edges(triangles: NDArray[Any]) -> NDArray[np.int32]:
    """Give the neighbours on a mesh: the sides of its triangles, each once.

    Parameters
    ----------
    triangles : int array, shape (n_triangles, 3)
        Their nodes.

    Returns
    -------
    int32 array, shape (n_edges, 2)
        Smaller node first, in lexicographic order.
    """
    corners = np.asarray(triangles, dtype=np.int64)
    one, other = corners.T.ravel(), np.roll(corners, -1, axis=1).T.ravel()
    low, high = np.minimum(one, other), np.maximum(one, other)
    n_nodes = int(high.max(initial=0)) + 1
    # One number for a pair, and sorted: np.unique takes 6 times as long, of rows 10 times.
    pairs = np.sort((low * n_nodes + high)[low != high])
    is_first = np.ones(len(pairs), np.bool_)
    is_first[1:] = pairs[1:] != pairs[:-1]
    edges: NDArray[np.int32] = np.stack(
        np.divmod(pairs[is_first], n_nodes), axis=1, dtype=np.int32, casting="same_kind"
    )
    return edges


@once_per_file
def open_mesh(path: Path) -> Mesh:
    """Read and check a surface.

    Parameters
    ----------
    path : Path
        GIFTI file of one array of points and one of triangles (``.surf.gii``).

    Returns
    -------
    Mesh

    Raises
    ------
    InputError
        If the file cannot be read, has no points or no triangles, or has triangles of points
        that are not there.
    """
    image = load_gifti(path)
    points = image.get_arrays_from_intent("pointset")
    triangles = image.get_arrays_from_intent("triangle")
    if len(points) != 1 or len(triangles) != 1:
        raise InputError(
            f"{path}: holds {len(points)} arrays of points and {len(triangles)} of triangles; "
            "a mesh is one of each (a .surf.gii file)"
        )
    coordinates = np.asarray(points[0].data, dtype=np.float64)
    corners = np.asarray(triangles[0].data)
    if coordinates.ndim != 2 or coordinates.shape[1] != 3 or not np.isfinite(coordinates).all():
        raise InputError(f"{path}: its points are not finite numbers, three for each node")
    if corners.ndim != 2 or corners.shape[1] != 3 or corners.dtype.kind not in "iu":
        raise InputError(f"{path}: its triangles are not three whole numbers each")
    if corners.size == 0:
        raise InputError(f"{path}: the mesh has no triangle, so that no node has a neighbour")
    if corners.min() < 0 or corners.max() >= len(coordinates):
        wrong = corners.min() if corners.min() < 0 else corners.max()
        raise InputError(
            f"{path}: a triangle names node {wrong}, but the mesh has {len(coordinates)} nodes, "
            "numbered from 0: the file is damaged; make it again"
        )
    structure = points[0].meta.get(STRUCTURE) or image.meta.get(STRUCTURE) or ""
    triangles = corners.astype(np.int32)
    return Mesh(path, coordinates, triangles, mesh_edges(triangles), str(structure))


def open_nodes(path: Path | str, mesh: Mesh) -> NodeSeries:
    """Read the time series of the nodes of a mesh.

    Parameters
    ----------
    path : Path or str
        GIFTI file of one array per scan, or of one array of all scans, with the nodes along
        either axis.
    mesh : Mesh
        The surface.

    Returns
    -------
    NodeSeries

    Raises
    ------
    InputError
        If the file cannot be read, holds no series, or has another number of nodes.
    """
    path = Path(path)
    return NodeSeries.of(path, mesh.n_nodes, partial(_read_nodes, path, mesh))


def _read_nodes(path: Path, mesh: Mesh) -> tuple[NDArray[Any], float | None]:
    image = load_gifti(path)
    arrays = [np.asarray(one.data) for one in image.darrays]
    for array in arrays:
        if array.dtype.kind not in "iuf":
            raise InputError(f"{path}: its values are not real numbers but {array.dtype}")
    values = _joined(path, arrays) if len(arrays) != 1 else arrays[0]
    if len(arrays) == 1:
        values = _nodes_last(path, values, mesh)
    if len(values) < 2:
        raise InputError(
            f"{path}: holds one scan where a series is needed; join the scans into one file"
        )
    if values.shape[1] != mesh.n_nodes:
        raise _other_nodes(path, values.shape[1], mesh, f"{_OTHER_MESH}; all runs lie on one")
    kept = np.dtype(np.float32) if values.dtype.kind == "f" else values.dtype.newbyteorder("=")
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is left out later
        return values.astype(kept, copy=False), time_step_in(path, image)


def structure_of(path: Path) -> str:
    """Read what a GIFTI file is of, such as ``CortexLeft``; empty if it does not say.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    return structure_in(load_gifti(path))


def structure_in(image: Any) -> str:
    """Tell what a GIFTI image is of, as `structure_of`."""
    said = [image.meta.get(STRUCTURE), *(one.meta.get(STRUCTURE) for one in image.darrays)]
    return str(next((one for one in said if one), ""))


def read_node_map(path: Path, mesh: Mesh, *, cure: str = _OTHER_MESH) -> NDArray[Any]:
    """Read one value per node, such as a parcellation or a mask.

    Parameters
    ----------
    path : Path
        GIFTI file of one array (``.label.gii``, ``.func.gii`` or ``.shape.gii``).
    mesh : Mesh
        The surface.
    cure : str
        What helps if it is another one.

    Returns
    -------
    array, shape (n_nodes,)

    Raises
    ------
    InputError
        If the file cannot be read, or has several arrays or another number of nodes.
    """
    image = load_gifti(path)
    arrays = image.get_arrays_from_intent("label") or image.darrays
    if len(arrays) != 1:
        raise InputError(
            f"{path}: holds {len(arrays)} arrays, and a parcellation or mask is one: keep that one "
            "in a file of its own"
        )
    values = np.asarray(arrays[0].data)
    values = values.reshape(-1) if values.size == max(values.shape, default=0) else values
    if values.ndim != 1:
        raise InputError(f"{path}: a parcellation has one value per node, not {values.shape}")
    if len(values) != mesh.n_nodes:
        raise _other_nodes(path, len(values), mesh, cure)
    return values


def _joined(path: Path, arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put one array per scan below each other."""
    sizes = {array.shape for array in arrays}
    if len(sizes) > 1 or arrays[0].ndim != 1:
        shown = ", ".join("x".join(map(str, size)) for size in sorted(sizes)[:3])
        raise InputError(
            f"{path}: its {len(arrays)} arrays have the sizes {shown}; a series is one array per "
            "scan with one value per node, or one array of all scans"
        )
    return np.stack(arrays)


def _nodes_last(path: Path, values: NDArray[Any], mesh: Mesh) -> NDArray[Any]:
    """Turn one array of all scans so that scans come first."""
    if values.ndim == 1:
        return values[np.newaxis]
    if values.ndim != 2:
        raise InputError(f"{path}: its array has {values.ndim} dimensions, not scans and nodes")
    if values.shape == (mesh.n_nodes, mesh.n_nodes):
        raise InputError(
            f"{path}: as many scans as nodes ({mesh.n_nodes}): which axis is time cannot be told; "
            "write one array per scan"
        )
    return values.T if values.shape[0] == mesh.n_nodes else values


def _other_nodes(path: Path, n_nodes: int, mesh: Mesh, cure: str) -> InputError:
    return InputError(
        f"{path}: has {n_nodes} nodes, and the mesh {mesh.path} has {mesh.n_nodes}: {cure}"
    )


def time_step_in(path: Path, image: Any) -> float | None:
    """Read the time between scans in seconds; GIFTI gives ``TimeStep`` in milliseconds."""
    found = [one.meta.get("TimeStep") for one in image.darrays] + [image.meta.get("TimeStep")]
    text = next((one for one in found if one), None)
    if text is None:
        return None
    try:
        step = float(text) / 1000
    except ValueError:
        raise InputError(f"{path}: its TimeStep {text!r} is not a number of milliseconds") from None
    return step if np.isfinite(step) and step > 0 else None
