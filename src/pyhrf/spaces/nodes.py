"""The nodes of a mesh, and GIFTI files of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.files import replace_file
from pyhrf.spaces.gifti import ENDINGS, STRUCTURE, load_gifti, read_head
from pyhrf.spaces.labels import label_table, whole_labels
from pyhrf.spaces.space import Frames, MapSurface, Opened, Space, Timing
from pyhrf.spaces.surfaces import (
    Mesh,
    NodeSeries,
    open_mesh,
    open_nodes,
    read_node_map,
    structure_in,
    time_step_in,
)
from pyhrf.spaces.untyped import nib


@dataclass(frozen=True)
class Nodes(Space):
    """The nodes of a mesh.

    Attributes
    ----------
    structure : str
        What the mesh shows, such as ``CortexLeft``, by which viewers find it; may be empty.
    """

    place = "node"
    endings = ENDINGS
    bold_endings = (".func.gii",)
    label_ending = ".label.gii"
    map_endings = (".func.gii",)
    series_named = "series of each hemisphere (GIFTI)"
    atlas_named = "a .label.gii of each hemisphere"
    by_hemisphere = True

    structure: str

    @classmethod
    def of(cls, mesh: Mesh) -> Self:
        """Give those of a mesh."""
        return cls((mesh.n_nodes,), mesh.structure, edges=mesh.edges)

    @classmethod
    def open_series(
        cls, bold: Sequence[Path], meshes: Sequence[Path]
    ) -> tuple[tuple[NodeSeries, ...], Self]:
        """Read series of one mesh; see `Space`."""
        mesh = _only(meshes)
        return tuple(open_nodes(path, mesh) for path in bold), cls.of(mesh)

    @classmethod
    def open(cls, bold: Sequence[Path], parcellation: Path, meshes: Sequence[Path]) -> Opened:
        """Read series of one mesh, and its parcellation; see `Space`."""
        mesh = _only(meshes)
        # First the data: if the mesh is not theirs, that is what is wrong, not the parcellation.
        series = tuple(open_nodes(path, mesh) for path in bold)
        space = cls.of(mesh)
        cure = "give a parcellation of the nodes of that mesh"
        values = read_node_map(parcellation, mesh, cure=cure)
        labels = whole_labels(parcellation, values, place=cls.place)
        return Opened(series, space.parcels(labels), space)

    @classmethod
    def open_placed(cls, path: Path, meshes: Sequence[Path]) -> tuple[NDArray[Any], Self]:
        """Read a file of one array; see `Space`."""
        mesh = _only(meshes)
        return read_node_map(path, mesh), cls.of(mesh)

    @classmethod
    def timing(cls, path: Path) -> Timing:
        """Count arrays; of one array of all scans either of its sizes may be that."""
        image = load_gifti(path)
        n_arrays = len(image.darrays)
        lengths = image.darrays[0].data.shape if n_arrays == 1 else (n_arrays,)
        return Timing(time_step_in(path, image), tuple(map(int, lengths)))

    @classmethod
    def mesh_sizes(cls, path: Path) -> Mapping[str, Collection[int]]:
        """Read the head of a series, of which some size is the number of nodes; see `Space`."""
        sizes, structure = read_head(path)
        return {structure: sizes}

    @classmethod
    def load_map(cls, path: Path) -> Any:
        """Open a map; see `Space`."""
        return load_gifti(path)

    @classmethod
    def read_map(cls, path: Path) -> tuple[Self, NDArray[Any]]:
        """Read a map, which names its structure; see `Space`."""
        image = load_gifti(path)
        frames = [np.asarray(array.data) for array in image.darrays]
        values = frames[0] if len(frames) == 1 else np.stack(frames, axis=-1)
        return cls(values.shape[:1], structure_in(image)), values

    @classmethod
    def parcel_names(cls, path: Path) -> Mapping[int, str]:
        """Read the table of labels."""
        names: Mapping[int, str] = load_gifti(path).labeltable.get_labels_as_dict()
        return names

    def write(
        self,
        path: Path,
        name: str,
        frames: Frames,
        *,
        dtype: type[np.generic] = np.float32,
        n_samples: int | None = None,
        step: float | None = None,
    ) -> Path:
        """Write a map as ``.func.gii``, one array for each sample; see `Space`."""
        gifti = nib().gifti
        intent = "NIFTI_INTENT_NONE" if n_samples is None else "NIFTI_INTENT_TIME_SERIES"
        timing = {} if step is None else {"TimeStep": f"{1000 * step:g}"}  # milliseconds
        arrays = [
            _array(frame, dtype, intent, meta=gifti.GiftiMetaData({"Name": name, **timing}))
            for frame in frames
        ]
        path = path.with_name(f"{path.name}.func.gii")
        with replace_file(path) as file:
            file.write(self._image(f"PyHRF {name}", arrays).to_bytes())
        return path

    def label_bytes(
        self,
        labels: NDArray[np.int32],
        names: Mapping[int, str] = MappingProxyType({}),
        *,
        title: str = "parcels",  # noqa: ARG002 - of Space; parcels have names
    ) -> bytes:
        """Make a ``.label.gii``, with a name and a colour for each parcel; see `Space`."""
        gifti = nib().gifti
        table = gifti.GiftiLabelTable()
        for number, (name, colour) in label_table(labels, names).items():
            label = gifti.GiftiLabel(number, *colour)
            label.label = name
            table.labels.append(label)
        array = _array(labels, np.int32, "NIFTI_INTENT_LABEL")
        content: bytes = self._image("parcels", [array], labeltable=table).to_bytes()
        return content

    def surfaces(self, meshes: Sequence[Mesh]) -> list[MapSurface]:
        """Tell which of these meshes have as many nodes; see `Space`."""
        (n_nodes,) = self.shape
        every = np.arange(n_nodes)
        return [
            MapSurface(mesh.structure or mesh.path.name, mesh, every, every)
            for mesh in meshes
            if mesh.n_nodes == n_nodes
        ]

    def _image(self, name: str, arrays: list[Any], **more: Any) -> Any:
        structure = {STRUCTURE: self.structure} if self.structure else {}
        meta = nib().gifti.GiftiMetaData({"Name": name, **structure})
        return nib().gifti.GiftiImage(darrays=arrays, meta=meta, **more)


def _array(values: NDArray[Any], dtype: type[Any], intent: str, **more: Any) -> Any:
    # Named bytes: the order of this machine would else be in the file.
    return nib().gifti.GiftiDataArray(
        np.ascontiguousarray(values, dtype),
        intent=intent,
        datatype=np.dtype(dtype),
        endian="little",
        **more,
    )


def _only(meshes: Sequence[Path]) -> Mesh:
    """Open the mesh, which is one."""
    if len(meshes) > 1:
        raise InputError(
            f"{meshes[1]}: a second mesh; GIFTI data lie on one (each hemisphere is a study of "
            "its own, or both are one CIFTI file)"
        )
    return open_mesh(meshes[0])
