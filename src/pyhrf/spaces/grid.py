"""The voxels of a grid, and NIfTI files of them."""

from __future__ import annotations

import gzip
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import FloatArray
from pyhrf.errors import InputError, counted
from pyhrf.files import replace_file
from pyhrf.notices import Figures, Note
from pyhrf.spaces.labels import whole_labels
from pyhrf.spaces.space import Frames, Opened, OpenedMap, Space, Timing
from pyhrf.spaces.untyped import nib
from pyhrf.spaces.volumes import (
    Volume,
    check_oriented,
    grid_difference,
    open_volume,
    refuse_overfull,
)
from pyhrf.spaces.voxels import read_volume, read_voxels, scaled
from pyhrf.wording import named

# zlib's levels above 4 cost twice the time for a few per cent of these mostly empty maps.
_COMPRESSION = 4


@dataclass(frozen=True, slots=True)
class VolumeSeries:
    """A series of volumes, whose values are read when they are needed."""

    volume: Volume

    @property
    def path(self) -> Path:
        """The file."""
        return self.volume.path

    @property
    def n_scans(self) -> int:
        """Number of scans."""
        return self.volume.n_scans

    @property
    def tr(self) -> float | None:
        """Time between scans in seconds; None if the header does not say."""
        return self.volume.tr

    def stored(self, positions: NDArray[np.int64]) -> NDArray[Any]:
        """Read some voxels as they are stored, streaming the file once."""
        return read_voxels(self.volume, positions)

    def meant(self, stored: NDArray[Any]) -> NDArray[np.float32]:
        """Turn stored values into the values that are meant."""
        return scaled(self.volume, stored)


@dataclass(frozen=True)
class Grid(Space):
    """The voxels of a grid.

    Attributes
    ----------
    affine : float array, shape (4, 4)
        From voxel indices to millimetres.
    header : nibabel NIfTI header
        That of the input, whose codes and units the maps keep.
    """

    place = "voxel"
    bold_endings = (".nii.gz", ".nii")
    label_ending = ".nii.gz"
    map_endings = (".nii.gz",)
    series_named = "volumes (NIfTI)"
    atlas_named = "one NIfTI"
    needs_mesh = False
    fills_grid = True

    affine: FloatArray
    header: Any

    @classmethod
    def of(cls, volume: Volume) -> Self:
        """Give that of a volume."""
        return cls(volume.grid, volume.affine, volume.header)

    @classmethod
    def takes(cls, path: Path | str) -> bool:  # noqa: ARG003 - of Space
        """Take any file: NIfTI is told by its content."""
        return True

    @classmethod
    def open_series(
        cls,
        bold: Sequence[Path],
        meshes: Sequence[Path] = (),  # noqa: ARG003 - of Space
    ) -> tuple[tuple[VolumeSeries, ...], Self]:
        """Open volumes of one grid; see `Space`."""
        volumes = [open_volume(path, n_dims=4) for path in bold]
        for volume in volumes[1:]:
            _check_grid(volume, volumes[0])
        return tuple(map(VolumeSeries, volumes)), cls.of(volumes[0])

    @classmethod
    def open(cls, bold: Sequence[Path], parcellation: Path, meshes: Sequence[Path] = ()) -> Opened:
        """Open volumes and their parcellation; see `Space`."""
        series, space = cls.open_series(bold, meshes)
        volumes = [one.volume for one in series]
        of_labels = open_volume(parcellation, n_dims=3)
        _check_grid(of_labels, volumes[0])
        labels = whole_labels(parcellation, read_volume(of_labels), place=cls.place)
        return Opened(series, space.parcels(labels), space, _unoriented([*volumes, of_labels]))

    @classmethod
    def open_placed(cls, path: Path, meshes: Sequence[Path]) -> tuple[NDArray[Any], Self]:
        """Open a volume, which has no mesh; see `Space`."""
        if meshes:
            raise InputError(
                f"{path}: is neither a GIFTI (.gii) nor a dense CIFTI file, and only these have "
                f"a mesh: leave it out ({named('mesh')})"
            )
        volume = open_volume(path, n_dims=3)
        return read_volume(volume), cls.of(volume)

    @classmethod
    def timing(cls, path: Path) -> Timing:
        """Read the header; see `Space`."""
        volume = open_volume(path, n_dims=4)
        return Timing(volume.tr, (volume.n_scans,))

    @classmethod
    def load_map(cls, path: Path) -> Any:
        """Open a map; see `Space`."""
        image = nib().load(path)
        refuse_overfull(path, math.prod(image.shape) * image.get_data_dtype().itemsize)
        return image

    @classmethod
    def read_map(cls, path: Path) -> tuple[Self, NDArray[Any]]:
        """Read a map; see `Space`."""
        image = cls.load_map(path)
        return cls(image.shape[:3], image.affine, image.header), np.asarray(image.dataobj)

    @classmethod
    def open_map(cls, path: Path) -> OpenedMap:
        """Open a map; the file is read and unpacked volume by volume; see `Space`."""
        image = nib().load(path, keep_file_open=True)  # else it is unpacked anew for each
        refuse_overfull(path, math.prod(image.shape) * image.get_data_dtype().itemsize)
        volumes = (slice(None),) * 3
        n_samples = image.shape[3] if len(image.shape) > 3 else None
        places = [volumes] if n_samples is None else [(*volumes, i) for i in range(n_samples)]
        frames = (np.asarray(image.dataobj[place]).reshape(-1) for place in places)
        return OpenedMap(cls(image.shape[:3], image.affine, image.header), n_samples, frames)

    @classmethod
    def map_step(cls, path: Path) -> float | None:
        """Read the step of a map of samples; see `Space`."""
        header = cls.load_map(path).header
        if len(header.get_data_shape()) < 4:
            return None
        return float(np.float32(header["pixdim"][4])) or None

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
        """Write a map as ``.nii.gz``, one volume in memory at a time; see `Space`."""
        path = path.with_name(f"{path.name}.nii.gz")
        with replace_file(path) as file:
            self._pack(file, self._header(name, np.dtype(dtype), n_samples, step), frames)
        return path

    def label_bytes(
        self,
        labels: NDArray[np.int32],
        names: Mapping[int, str] = MappingProxyType({}),  # noqa: ARG002 - of Space
        *,
        title: str = "parcels",
    ) -> bytes:
        """Make a map of labels, which have no names in NIfTI; see `Space`."""
        file = io.BytesIO()
        self._pack(file, self._header(title, np.dtype(np.int32), None, None), [labels])
        return file.getvalue()

    def volume(self, values: NDArray[Any]) -> Any:
        """Make an image of them."""
        return nib().Nifti1Image(values.reshape(self.shape), self.affine)

    def _pack(self, file: BinaryIO, header: Any, frames: Frames) -> None:
        dtype = header.get_data_dtype()
        # No name and no time in the gzip header: equal estimates are equal bytes.
        with gzip.GzipFile("", "wb", _COMPRESSION, file, mtime=0) as packed:
            header.write_to(packed)
            packed.write(b"\0" * (header.single_vox_offset - packed.tell()))
            for frame in frames:
                # as NIfTI wants it: the first axis fastest, the bytes in the file's order
                values = frame.reshape(self.shape).astype(dtype, copy=False)
                packed.write(values.tobytes(order="F"))

    def _header(
        self, name: str, dtype: np.dtype[Any], n_samples: int | None, step: float | None
    ) -> Any:
        """Return the header of the input, without what is true of its scans only."""
        shape = self.shape if n_samples is None else (*self.shape, n_samples)
        header = self.header.copy()
        if not np.allclose(header.get_best_affine(), self.affine, rtol=0, atol=1e-4):
            header.set_qform(None, 0)
            header.set_sform(self.affine, 2)
        header.extensions.clear()
        header.set_data_dtype(dtype)
        header.set_data_shape(shape)
        header["pixdim"][4:] = 0 if step is None else [step, 0, 0, 0]
        header.set_xyzt_units(header.get_xyzt_units()[0], "unknown" if step is None else "sec")
        for field in ("slice_start", "slice_end", "slice_code", "slice_duration", "toffset"):
            header[field] = 0
        for field in ("dim_info", "cal_min", "cal_max"):
            header[field] = 0
        header["aux_file"] = b""
        header["descrip"] = f"PyHRF {name}".encode("ascii", "replace")[:79]
        header.set_intent("none")
        # One file, also when the input was a pair of header and image.
        header["magic"] = header.single_magic
        header["vox_offset"] = header.single_vox_offset
        header.set_slope_inter(1, 0)
        return header


def _check_grid(volume: Volume, first: Volume) -> None:
    """Refuse a volume on another grid."""
    difference = grid_difference(volume, first)
    if difference:
        if volume.grid == first.grid:
            check_oriented(volume, first)  # else the affine is no reason
        raise InputError(
            f"{volume.path}: does not lie on the grid of {first.path}: {difference}; "
            "resample it (a parcellation by nearest neighbour)"
        )


def _unoriented(volumes: Sequence[Volume]) -> tuple[str, ...]:
    """Say if volumes that fit together by their voxels do not tell left from right."""
    lost = [volume.path for volume in volumes if not volume.oriented]
    if not lost:
        return ()
    others = f", nor does that of {counted(len(lost) - 1, 'other file')}" if lost[1:] else ""
    return (
        Note(
            "{path}: its header does not say how it lies in space (qform_code and sform_code are "
            "0){others}: files are matched voxel by voxel, and left and right cannot be known, "
            "here and in the maps",
            path=lost[0],
            others=Figures(others),
        ),
    )
