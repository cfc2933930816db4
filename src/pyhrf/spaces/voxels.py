"""Values of volumes: streamed once, a few scans at a time, never held whole."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from pyhrf.errors import InputError
from pyhrf.files import regular_file
from pyhrf.spaces.volumes import Volume

_READ_BYTES = 1 << 20
_MOST_TAIL = 1 << 28  # bytes behind the last value: a file that is nothing else is not unpacked
# Scans picked at a time: small enough to stay in the processor's cache.
_CHUNK_BYTES = 4 << 20


def read_volume(volume: Volume) -> NDArray[Any]:
    """Read a single volume.

    Returns
    -------
    array, shape ``volume.grid``
        In the type of the file, or float64 if the header scales.

    Raises
    ------
    InputError
        If the file cannot be read to its end.
    """
    with _stream(volume) as stream:
        buffer = bytearray(volume.scan_bytes)
        _read_exactly(volume, stream, memoryview(buffer))
    stored = np.frombuffer(buffer, volume.dtype).reshape(volume.grid, order="F")
    values = stored.astype(volume.dtype.newbyteorder("="))
    if volume.slope == 1 and volume.inter == 0:
        return values
    return values * volume.slope + volume.inter


def read_voxels(volume: Volume, voxels: NDArray[np.int64]) -> NDArray[Any]:
    """Stream a series once and keep some of its voxels.

    Parameters
    ----------
    volume : Volume
        The series.
    voxels : int array, shape (n_voxels,)
        Flat C-order indices of the voxels to keep, in any order.

    Returns
    -------
    array, shape (n_scans, n_voxels)
        Stored values, not scaled yet (see `scaled`), in the type of the file; float32 when the
        file holds wider floats.

    Raises
    ------
    InputError
        If the file cannot be read to its end.
    """
    # The file has the first index fastest.
    picked = np.ravel_multi_index(np.unravel_index(voxels, volume.grid), volume.grid, order="F")
    kept = _kept_dtype(volume.dtype)
    values = np.empty((volume.n_scans, len(voxels)), kept)
    per_chunk = max(1, min(volume.n_scans, _CHUNK_BYTES // volume.scan_bytes))
    buffer = np.empty(per_chunk * volume.scan_bytes, np.uint8)
    with _stream(volume) as stream, np.errstate(over="ignore", invalid="ignore"):
        for first in range(0, volume.n_scans, per_chunk):
            n_scans = min(per_chunk, volume.n_scans - first)
            part = buffer[: n_scans * volume.scan_bytes]
            _read_exactly(volume, stream, part.data)
            scans = part.view(volume.dtype).reshape(n_scans, -1)
            for scan, row in zip(scans, values[first : first + n_scans], strict=True):
                if kept == volume.dtype:
                    # "clip" only spares numpy a copy; all indices are inside.
                    scan.take(picked, out=row, mode="clip")
                else:
                    row[...] = scan.take(picked)
    return values


def scaled(volume: Volume, stored: NDArray[Any]) -> NDArray[np.float32]:
    """Turn stored values into the values that are meant.

    Computed in double precision when the header scales, so give it a part of the data at a time.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if volume.slope == 1 and volume.inter == 0:
            return stored.astype(np.float32)
        values = np.multiply(stored, volume.slope, dtype=np.float64)
        values += volume.inter
        scaled_values: NDArray[np.float32] = values.astype(np.float32)
    return scaled_values


def percent_change(bold: NDArray[np.float32], kept: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Turn the signal of a run into per cent of its mean over time, less 100.

    Parameters
    ----------
    bold : float32 array, shape (n_scans, n_positions)
    kept : bool array, shape (n_scans,)
        Scans of which the mean is taken.

    Returns
    -------
    float32 array, shape (n_scans, n_positions)
        NaN where the mean is not above 0, of which there is no per cent.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean = bold[kept].mean(axis=0, dtype=np.float64)
        mean = np.where(mean > 0, mean, np.nan)
        change: NDArray[np.float32] = (100.0 * (bold - mean) / mean).astype(np.float32)
    return change


def has_level(bold: NDArray[np.float32]) -> bool:
    """Tell whether a signal varies about a level of its own and not about 0.

    Parameters
    ----------
    bold : float32 array, shape (n_scans, n_positions)

    Returns
    -------
    bool
        Whether in half of the positions or more, of those that vary, the mean is above the standard
        deviation; in raw data it is 20 times as large and more. True if none varies.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        mean, sd = bold.mean(axis=0, dtype=np.float64), bold.std(axis=0, dtype=np.float64)
        varying = np.isfinite(mean) & (sd > 0)
    return not varying.any() or bool(np.median(mean[varying] - sd[varying]) >= 0)


def _kept_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    if dtype.kind == "f":
        return np.dtype(np.float32)
    return dtype.newbyteorder("=")


@contextmanager
def _stream(volume: Volume) -> Iterator[IO[bytes]]:
    """Open a file at its first value; whatever goes wrong in reading becomes an InputError."""
    try:
        with regular_file(volume.path) as file:
            if not volume.compressed:
                file.seek(volume.offset)
                yield file
                return
            with gzip.GzipFile(fileobj=file) as stream:
                stream.seek(volume.offset)
                yield stream  # type: ignore[misc]  # typeshed: GzipFile is no IO[bytes]
                tail = 0
                while tail < _MOST_TAIL and (part := stream.read(_READ_BYTES)):
                    tail += len(part)  # only at the very end is the checksum compared
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{volume.path}: the compressed data are damaged ({error}); copy the file again"
        ) from error
    except OSError as error:
        raise InputError(f"{volume.path}: cannot be read: {error.strerror or error}") from error


def _read_exactly(volume: Volume, stream: IO[bytes], buffer: memoryview) -> None:
    n_read = 0
    while n_read < len(buffer):
        n = stream.readinto(buffer[n_read:])  # type: ignore[attr-defined]  # IO lacks readinto
        if not n:
            raise InputError(f"{volume.path}: the file ends too early; copy it again")
        n_read += n
