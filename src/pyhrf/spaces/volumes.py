"""NIfTI files: everything that can be wrong with them is checked when they are opened."""

from __future__ import annotations

import gzip
import logging
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.errors import InputError, counted
from pyhrf.files import regular_file

_GZIP_MAGIC = b"\x1f\x8b"
_HEADER_BYTES = 540  # of NIfTI-2; NIfTI-1 takes the first 348
_READ_BYTES = 1 << 20
_MOST_PACKED = 1032  # times that gzip can make a file smaller
_HARMLESS = 1 << 30  # bytes; an atlas of one label is packed as tightly as that
_PER_SECOND = {0: 1, 8: 1, 16: 1000, 24: 1000000}  # xyzt_units: unknown, s, ms, us
_OF_SERIES = 4  # dimensions
_INTENT_OF_SERIES = 2001  # NIFTI_INTENT_TIME_SERIES
_SAME_GRID_MM = 1e-2

# nibabel reports every trifle that it mends in a header; nobody needs to see them.
_trifles = logging.getLogger(f"{__name__}.trifles")
_trifles.addHandler(logging.NullHandler())
_trifles.propagate = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A NIfTI file whose header has been checked and whose values have not been read.

    Attributes
    ----------
    path : Path
        The file.
    shape : tuple of int
        Three sizes, or four for a series.
    dtype : numpy dtype
        Type of a value in the file, with its byte order.
    offset : int
        Bytes before the first value.
    slope, inter : float
        Value = ``slope * stored + inter``.
    affine : float array, shape (4, 4)
        Voxel index to millimetres.
    tr : float or None
        Time between scans in seconds; None if the header does not say.
    compressed : bool
        Whether the file is gzip-compressed.
    header : nibabel header
        As read, a template for maps.
    """

    path: Path
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float
    affine: FloatArray
    tr: float | None
    compressed: bool
    header: Any

    @property
    def grid(self) -> tuple[int, int, int]:
        """Sizes of the three dimensions of space."""
        return self.shape[0], self.shape[1], self.shape[2]

    @property
    def oriented(self) -> bool:
        """Whether the header says how the voxels lie in space; else the affine is made up."""
        return bool(self.header["qform_code"] > 0 or self.header["sform_code"] > 0)

    @property
    def n_scans(self) -> int:
        """Number of scans, 1 for a single volume."""
        return self.shape[3] if len(self.shape) > 3 else 1

    @property
    def scan_bytes(self) -> int:
        """Bytes of one scan in the file, uncompressed."""
        return math.prod(self.grid) * self.dtype.itemsize


def open_volume(path: Path | str, *, n_dims: int) -> Volume:
    """Open a NIfTI file and check all that can be checked without reading its values.

    Parameters
    ----------
    path : Path or str
        A ``.nii`` or ``.nii.gz`` file (recognised by its content, NIfTI-1 or NIfTI-2).
    n_dims : {3, 4}
        Dimensions that are meant.

    Returns
    -------
    Volume

    Raises
    ------
    InputError
        If the file is missing, empty, truncated or no NIfTI, or has other dimensions, values
        that are no real numbers, or an affine that is no map of space.
    """
    path = Path(path)
    start, compressed = _read_start(path)
    with np.errstate(all="ignore"):  # what is not finite is found by the checks
        volume = _make_volume(path, _parse_header(path, start), compressed, n_dims)
    _check_size(volume)
    return volume


def _make_volume(path: Path, header: Any, compressed: bool, n_dims: int) -> Volume:
    shape = tuple(int(n) for n in header.get_data_shape())
    flat = n_dims == _OF_SERIES and _is_flat_series(shape, header)
    shape = _check_shape(path, (*shape[:3], shape[-1]) if flat else shape, n_dims)
    dtype = _check_dtype(path, header)
    slope, inter = _check_scaling(path, header)
    return Volume(
        path=path,
        shape=shape,
        dtype=dtype,
        offset=_check_offset(path, header),
        slope=slope,
        inter=inter,
        affine=_check_affine(path, header),
        tr=_header_tr(header, len(header.get_data_shape()) if flat else 4) if n_dims == 4 else None,
        compressed=compressed,
        header=header,
    )


def grid_difference(volume: Volume, reference: Volume) -> str | None:
    """Say how two volumes differ in space.

    Returns
    -------
    str or None
        None when they have the same sizes and their corners lie within 0.01 mm of each other.
    """
    if volume.grid != reference.grid:
        mine, other = ("x".join(map(str, v.grid)) for v in (volume, reference))
        return f"its grid is {mine} voxels instead of {other}"
    ends = np.array(volume.grid) - 1
    corners = np.array([[*(ends * corner), 1] for corner in np.ndindex(2, 2, 2)])
    shifts = np.linalg.norm((corners @ (volume.affine - reference.affine).T)[:, :3], axis=1)
    if shifts.max() > _SAME_GRID_MM:
        return f"its affine puts a corner of the grid {shifts.max():.3g} mm away"
    return None


def check_oriented(*volumes: Volume) -> None:
    """Refuse volumes of which the place in space is made up, where it counts.

    Raises
    ------
    InputError
        Naming the first whose header gives no orientation.
    """
    for volume in volumes:
        if not volume.oriented:
            raise InputError(
                f"{volume.path}: its header does not say how it lies in space (qform_code and "
                "sform_code are 0), so that left and right cannot be told; give it its true "
                "affine with a code above 0, as nibabel's set_sform(affine, 1) or FSL's "
                "fslcpgeom from an image on the same voxels does"
            )


def _read_start(path: Path) -> tuple[bytes, bool]:
    """Read the bytes of the header and say whether they were compressed."""
    try:
        with regular_file(path) as file:
            magic = file.read(2)
            file.seek(0)
            if magic != _GZIP_MAGIC:
                start, compressed = file.read(_HEADER_BYTES), False
            else:
                with gzip.GzipFile(fileobj=file) as stream:
                    start, compressed = stream.read(_HEADER_BYTES), True
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise InputError(f"{path}: this is a folder; a NIfTI file is needed") from None
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InputError(
            f"{path}: the compressed file is truncated or damaged; copy it again"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not start:
        raise InputError(f"{path}: the file is empty")
    return start, compressed


def _parse_header(path: Path, start: bytes) -> Any:
    """Make a nibabel header of the first bytes of a file."""
    import nibabel as nib
    from nibabel.spatialimages import HeaderDataError

    kinds: tuple[Any, ...] = (nib.Nifti1Header, nib.Nifti2Header)
    for kind in kinds:
        n_bytes = kind.template_dtype.itemsize
        if len(start) < n_bytes or not kind.may_contain_header(start):
            continue
        try:
            header = kind(binaryblock=start[:n_bytes], check=False)
            header.check_fix(logger=_trifles, error_level=40)
        except (HeaderDataError, LookupError, ValueError, ArithmeticError) as error:
            raise InputError(f"{path}: the NIfTI header is damaged: {error}") from error
        if header["magic"].item() not in (b"n+1", b"n+2"):
            raise InputError(
                f"{path}: this is one half of a .hdr/.img pair; convert it to a single .nii file"
            )
        return header
    raise InputError(f"{path}: this is not a NIfTI file (.nii or .nii.gz)")


def _is_flat_series(shape: tuple[int, ...], header: Any) -> bool:
    """Tell whether time is a later dimension than the fourth: x, y, z, 1, t.

    So NIfTI has vectors, too, but these say so.
    """
    is_series = header["intent_code"] in (0, _INTENT_OF_SERIES)
    return is_series and len(shape) > _OF_SERIES and set(shape[3:-1]) == {1} and shape[-1] > 1


def _check_shape(path: Path, shape: tuple[int, ...], n_dims: int) -> tuple[int, ...]:
    while len(shape) > n_dims and shape[-1] == 1:
        shape = shape[:-1]
    sizes = "x".join(map(str, shape))
    if n_dims == 4 and (len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)):
        raise InputError(
            f"{path}: holds one volume ({sizes}) where a 4D series is needed; "
            "join the scans into one 4D file"
        )
    if len(shape) != n_dims:
        raise InputError(
            f"{path}: has {counted(len(shape), 'dimension')} ({sizes}) instead of {n_dims}"
        )
    if min(shape) < 1:
        raise InputError(f"{path}: holds no value: its size is {sizes}")
    return shape


def _check_dtype(path: Path, header: Any) -> np.dtype[Any]:
    from nibabel.spatialimages import HeaderDataError

    try:
        dtype: np.dtype[Any] = header.get_data_dtype()
    except HeaderDataError as error:
        raise InputError(f"{path}: the type of its values is not known: {error}") from error
    if dtype.kind not in "iuf" or dtype.itemsize == 0:
        raise InputError(
            f"{path}: its values are of the type {header.get_value_label('datatype')}; "
            "integers or real numbers of at most 64 bits are needed"
        )
    return dtype


def _check_offset(path: Path, header: Any) -> int:
    try:
        offset = int(header.get_data_offset())
    except (ValueError, OverflowError):  # NaN or infinite
        offset = -1
    if offset < 0:
        raise InputError(
            f"{path}: the header does not say where the values begin (vox_offset is "
            f"{header['vox_offset']:g}): the file is damaged; make it again"
        )
    return offset


def _check_scaling(path: Path, header: Any) -> tuple[float, float]:
    from nibabel.spatialimages import HeaderDataError

    try:
        slope, inter = header.get_slope_inter()
    except HeaderDataError as error:
        raise InputError(f"{path}: scl_slope and scl_inter are not usable: {error}") from error
    return (1.0, 0.0) if slope is None else (float(slope), float(inter))


def _check_affine(path: Path, header: Any) -> FloatArray:
    from nibabel.spatialimages import HeaderDataError

    try:
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError) as error:
        raise InputError(f"{path}: the affine cannot be read: {error}") from error
    if not np.isfinite(affine).all() or _is_flat(affine[:3, :3]):
        raise InputError(
            f"{path}: the affine is not finite or flattens space; correct it (sform or qform)"
        )
    return affine


def _is_flat(axes: FloatArray) -> bool:
    """Tell whether three axes span no space."""
    sides = np.linalg.norm(axes, axis=0)
    return bool(abs(np.linalg.det(axes)) <= 1e-6 * np.prod(sides))


def _header_tr(header: Any, axis: int) -> float | None:
    """Time between scans in seconds, None if the header gives none for the axis of time."""
    per_second = _PER_SECOND.get(int(header["xyzt_units"]) & 0x38)
    tr = float(header["pixdim"][axis])
    if per_second is None or not np.isfinite(tr) or tr <= 0:
        return None
    # Stored in single precision: 2.4 would come out as 2.4000000954.
    return float(np.format_float_positional(np.float32(tr))) / per_second


def _check_size(volume: Volume) -> None:
    """Refuse a file that holds fewer bytes than its header promises."""
    promised = volume.offset + volume.n_scans * volume.scan_bytes
    size = volume.path.stat().st_size
    if not volume.compressed:
        there = size
    elif promised > _MOST_PACKED * size:
        there = _MOST_PACKED * size  # at most
    else:
        refuse_overfull(volume.path, promised)
        # The last four bytes of a complete gzip file are its uncompressed size (modulo 2**32).
        with regular_file(volume.path) as file:
            file.seek(-4, 2)
            if int.from_bytes(file.read(4), "little") == promised % 2**32:
                return
        # Not so in a file of several gzip members, or with a tail: then unpack it to see.
        there = _count_bytes(volume.path, promised)
    if there < promised:
        raise InputError(
            f"{volume.path}: the file is truncated: its header promises {promised} bytes and "
            f"{there} are there; copy it again"
        )


def refuse_overfull(path: Path, promised: int) -> None:
    """Refuse a compressed file that would fill the memory.

    Parameters
    ----------
    path : Path
    promised : int
        Bytes that it unpacks to, as its header says.

    Raises
    ------
    InputError
        If it holds hardly anything but one value, many times.
    """
    size = path.stat().st_size
    if promised > max(_HARMLESS, _MOST_PACKED // 2 * size):
        raise InputError(
            f"{path}: would take {promised // max(size, 1)} times its size in memory, as no data "
            "do: the file is damaged, or made to fill the memory; make it again"
        )


def _count_bytes(path: Path, most: int) -> int:
    """Count the bytes that a gzip file unpacks to, as far as they matter."""
    n_bytes = 0
    try:
        with regular_file(path) as file, gzip.GzipFile(fileobj=file) as stream:
            while n_bytes < most and (part := stream.read(_READ_BYTES)):
                n_bytes += len(part)
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise InputError(
            f"{path}: the compressed file is truncated or damaged (it ends or breaks after "
            f"{n_bytes} unpacked bytes); copy it again"
        ) from None
    return n_bytes
