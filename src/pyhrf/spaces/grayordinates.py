"""The positions of dense CIFTI files: nodes of meshes and voxels."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.files import replace_file
from pyhrf.spaces.cifti import ENDINGS, edges_of, open_cifti, time_step_of, values_of
from pyhrf.spaces.labels import label_table, whole_labels
from pyhrf.spaces.space import Frames, MapSurface, Opened, Space, Timing
from pyhrf.spaces.surfaces import Mesh, NodeSeries, open_mesh
from pyhrf.spaces.untyped import nib


@dataclass(frozen=True)
class Grayordinates(Space):
    """Positions of a CIFTI file.

    Neighbours are nodes that the mesh of their structure joins, and voxels of one structure that
    share a face.

    Attributes
    ----------
    axis : nibabel BrainModelAxis
        The positions.
    """

    place = "grayordinate"
    endings = ENDINGS
    bold_endings = (".dtseries.nii",)
    label_ending = ".dlabel.nii"
    map_endings = (".dscalar.nii", ".dtseries.nii")
    series_named = "dense series (CIFTI)"
    atlas_named = "a .dlabel.nii"

    axis: Any

    @classmethod
    def of(cls, axis: Any, edges: NDArray[np.int32] | None = None) -> Self:
        """Give those of an axis."""
        return cls((len(axis),), axis, edges=edges)

    @classmethod
    def open_series(
        cls, bold: Sequence[Path], meshes: Sequence[Path]
    ) -> tuple[tuple[NodeSeries, ...], Self]:
        """Open dense series, with a mesh for each cortical structure; see `Space`."""
        surfaces = [open_mesh(mesh) for mesh in meshes]
        series: list[NodeSeries] = []
        first = None
        for path in bold:
            _, time, axis = open_cifti(path, first="SeriesAxis")
            first = axis if first is None else first
            if axis is not first and axis != first:
                raise InputError(f"{path}: holds other grayordinates than {bold[0]}")
            series.append(NodeSeries.of(path, len(axis), partial(_read_series, path)))
            if len(time) < 2:
                raise InputError(f"{path}: holds one scan where a series is needed")
        return tuple(series), cls.of(first, edges_of(bold[0], first, surfaces))

    @classmethod
    def open(cls, bold: Sequence[Path], parcellation: Path, meshes: Sequence[Path]) -> Opened:
        """Open dense series and their parcellation; see `Space`."""
        series, space = cls.open_series(bold, meshes)
        if not cls.takes(parcellation):
            raise InputError(
                f"{parcellation}: CIFTI series need a CIFTI parcellation (.dlabel.nii)"
            )
        values, axis = _one_map(parcellation)
        if axis != space.axis:
            raise InputError(
                f"{parcellation}: holds other grayordinates ({len(axis)}) than the series "
                f"({len(space.axis)}): bring it to theirs"
            )
        labels = whole_labels(parcellation, values, place=cls.place)
        return Opened(series, space.parcels(labels), space)

    @classmethod
    def open_placed(cls, path: Path, meshes: Sequence[Path]) -> tuple[NDArray[Any], Self]:
        """Open a file of one map; see `Space`."""
        surfaces = [open_mesh(mesh) for mesh in meshes]
        values, axis = _one_map(path)
        return values, cls.of(axis, edges_of(path, axis, surfaces))

    @classmethod
    def timing(cls, path: Path) -> Timing:
        """Read the axis of time; see `Space`."""
        _, time, _ = open_cifti(path, first="SeriesAxis")
        return Timing(time_step_of(time), (len(time),))

    @classmethod
    def mesh_sizes(cls, path: Path) -> Mapping[str, Collection[int]]:
        """Read the sizes of cortical structures; see `Space`."""
        _, _, axis = open_cifti(path, first="SeriesAxis")
        models = surface_models(axis)
        return {name: (int(model.nvertices[name]),) for name, (_, model) in models.items()}

    @classmethod
    def read_map(cls, path: Path) -> tuple[Self, NDArray[Any]]:
        """Read a map; see `Space`."""
        return cls.of(cls.load_map(path).header.get_axis(1)), cls.map_values(path)

    @classmethod
    def load_map(cls, path: Path) -> Any:
        """Open a map; see `Space`."""
        return nib().load(path)

    @classmethod
    def map_values(cls, path: Path) -> NDArray[Any]:
        """Read the rows without what the columns are, which takes nibabel a second."""
        header_of = nib().Nifti2Header
        with path.open("rb") as file:
            header = header_of(file.read(header_of.sizeof_hdr))
        values = np.asarray(nib().arrayproxy.ArrayProxy(path, header))
        # the first four axes are those of NIfTI, of size 1
        frames: NDArray[Any] = values.reshape(values.shape[4:])
        return frames[0] if len(frames) == 1 else np.stack(list(frames), axis=-1)

    @classmethod
    def map_step(cls, path: Path) -> float | None:
        """Read the step of a map of samples; see `Space`."""
        return cls.timing(path).step if path.name.endswith(".dtseries.nii") else None

    @classmethod
    def parcel_names(cls, path: Path) -> Mapping[int, str]:
        """Read the table of labels, which maps of numbers have not."""
        if not path.name.endswith(cls.label_ending):
            return {}
        return {n: name for n, (name, _) in nib().load(path).header.get_axis(0).label[0].items()}

    def write(
        self,
        path: Path,
        name: str,
        frames: Frames,
        *,
        dtype: type[np.generic] = np.float32,
        n_samples: int | None = None,  # noqa: ARG002 - of Space; the frames tell
        step: float | None = None,
    ) -> Path:
        """Write a map as ``.dscalar.nii``, one row for each sample; see `Space`.

        A step between samples makes it a ``.dtseries.nii``.
        """
        cifti2 = nib().cifti2
        values = np.stack(list(frames)).astype(dtype, copy=False)
        if step is None:
            rows, kind, intent = cifti2.ScalarAxis([name] * len(values)), "dscalar", "SCALARS"
        else:
            rows, kind, intent = cifti2.SeriesAxis(0, step, len(values)), "dtseries", "SERIES"
        image = cifti2.Cifti2Image(values, (rows, self.axis))
        image.nifti_header.set_intent(f"NIFTI_INTENT_CONNECTIVITY_DENSE_{intent}")
        path = path.with_name(f"{path.name}.{kind}.nii")
        with replace_file(path) as file:
            file.write(image.to_bytes())
        return path

    def label_bytes(
        self,
        labels: NDArray[np.int32],
        names: Mapping[int, str] = MappingProxyType({}),
        *,
        title: str = "parcels",  # noqa: ARG002 - of Space; parcels have names
    ) -> bytes:
        """Make a ``.dlabel.nii``, with a name and a colour for each parcel; see `Space`."""
        cifti2 = nib().cifti2
        rows = cifti2.LabelAxis(["parcels"], [label_table(labels, names)])
        image = cifti2.Cifti2Image(labels[None], (rows, self.axis))
        image.nifti_header.set_intent("NIFTI_INTENT_CONNECTIVITY_DENSE_LABELS")
        content: bytes = image.to_bytes()
        return content

    def surfaces(self, meshes: Sequence[Mesh]) -> list[MapSurface]:
        """Tell which of these meshes are those of its structures; see `Space`."""
        models = surface_models(self.axis)
        found = []
        for mesh in meshes:
            try:
                name = self.axis.to_cifti_brain_structure_name(mesh.structure)
            except ValueError:
                continue
            if name not in models or models[name][1].nvertices[name] != mesh.n_nodes:
                continue
            first, model = models[name]
            nodes = np.asarray(model.vertex, np.int64)
            found.append(MapSurface(mesh.structure, mesh, nodes, first + np.arange(len(nodes))))
        return found

    def volume(self, values: NDArray[Any]) -> Any:
        """Put the values that lie in voxels on their grid; see `Space`."""
        positions = np.flatnonzero(self.axis.volume_mask)
        if not positions.size:
            return None
        volume = np.zeros(self.axis.volume_shape)
        volume[tuple(self.axis.voxel[positions].T)] = values[positions]
        return nib().Nifti1Image(volume, self.axis.affine)


def surface_models(axis: Any) -> dict[str, tuple[int, Any]]:
    """Give the first place and the nibabel model of each structure on a mesh, by name."""
    return {
        str(name): (place.start or 0, model)
        for name, place, model in axis.iter_structures()
        if name in model.nvertices
    }


def _read_series(path: Path) -> tuple[NDArray[Any], float | None]:
    image, time, _ = open_cifti(path, first="SeriesAxis")
    return values_of(path, image), time_step_of(time)


def _one_map(path: Path) -> tuple[NDArray[Any], Any]:
    """Read a file of one map; return the values and the positions."""
    image, maps, axis = open_cifti(path, first="LabelAxis", or_else="ScalarAxis")
    if len(maps) != 1:
        raise InputError(
            f"{path}: holds {len(maps)} maps, and a parcellation or mask is one: keep that one in "
            "a file of its own"
        )
    return values_of(path, image, exact=True)[0], axis
