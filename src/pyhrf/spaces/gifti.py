"""GIFTI files as XML: what they promise is checked before memory is given for it.

An array's header says how large it is, how it is packed, and may say that it lies in another file.
Packed twice, by zlib and by gzip, a file of some megabytes can hold thousands of times as much.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import math
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, BinaryIO
from xml.parsers.expat import ExpatError, ParserCreate

import numpy as np

from pyhrf.errors import InputError
from pyhrf.files import regular_file

STRUCTURE = "AnatomicalStructurePrimary"
"""Name under which a file says what it is of."""
ENDINGS = (".gii", ".gii.gz")
"""Of the names of GIFTI files, in small letters."""

_BLOCK = 1 << 16
_MOST_DIMENSIONS = 6  # of the format
# Labels and zeros are packed tightly, but nothing that is as large as this: it is noise.
_HARMLESS = 1 << 28
_MOST_PACKED = 200


def read_head(path: Path) -> tuple[tuple[int, ...], str]:
    """Read what a GIFTI file says before its first values, and none of these.

    Parameters
    ----------
    path : Path
        A series, of one array per scan or of one array of all scans.

    Returns
    -------
    sizes : tuple of int
        The number of nodes; of an array of all scans, that of the scans too, in the file's order.
    structure : str
        As `structure_of`.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    sizes: list[int] = []
    tags: list[str] = []
    seen: set[str] = set()
    texts = {"Name": "", "Value": ""}
    structures: list[str] = []

    def begin(tag: str, about: dict[str, str]) -> None:
        tags.append(tag)
        seen.add(tag)
        if tag == "DataArray" and not sizes:
            sizes.extend(_sizes(path, about))
        elif tag in texts:
            texts[tag] = ""

    def read(text: str) -> None:
        if tags[-1] in texts:
            texts[tags[-1]] += text.strip()

    def end(tag: str) -> None:
        tags.pop()
        if tag == "Value" and texts["Name"] == STRUCTURE:
            structures.append(texts["Value"])

    parser = ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler = read
    try:
        with _unpacked(path) as file:
            while "Data" not in seen and (block := file.read(_BLOCK)):
                parser.Parse(block)
    except (OSError, EOFError, zlib.error, ExpatError, LookupError, ValueError) as error:
        load_gifti(path)  # which says what is wrong
        raise InputError(f"{path}: this is not a valid GIFTI file ({error})") from error
    if not sizes:
        load_gifti(path)
        raise InputError(f"{path}: the GIFTI file holds no array of values")
    return tuple(sizes), next((one for one in structures if one), "")


def load_gifti(path: Path) -> Any:
    """Read a GIFTI file whole.

    Parameters
    ----------
    path : Path

    Returns
    -------
    nibabel GiftiImage

    Raises
    ------
    InputError
        If it cannot be read, or one of its arrays is larger than it can be, or in another file.
    """
    if not path.exists():
        raise InputError(f"{path}: there is no such file")
    if path.is_dir():
        raise InputError(f"{path}: this is a folder; a GIFTI file is needed")
    if not str(path).lower().endswith(ENDINGS):
        raise InputError(f"{path}: this is not a GIFTI file (.gii), which surface data need")
    try:
        with _unpacked(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of numbers of arrays: what is there counts
            parser = _parser_class()(path)
            parser.parse(fptr=file)
        image = parser.img
        for one in image.darrays if image is not None else ():
            if one.data is None:
                raise InputError(f"{path}: an array of it holds no value: make the file again")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ExpatError, EOFError, zlib.error, binascii.Error) as error:
        raise InputError(
            f"{path}: the GIFTI file is truncated or damaged ({error}); copy it again"
        ) from error
    except (
        ValueError,
        LookupError,
        ArithmeticError,
        TypeError,
        AttributeError,
        AssertionError,
    ) as error:
        # What the parser meets in XML that is well-formed but no GIFTI.
        raise InputError(f"{path}: this is not a valid GIFTI file ({error})") from error
    if image is None or not image.darrays:
        raise InputError(f"{path}: the GIFTI file holds no array of values")
    return image


@contextmanager
def _unpacked(path: Path) -> Iterator[_Bounded]:
    """Open a file for reading its XML."""
    with regular_file(path) as file:
        size = path.stat().st_size
        if not size:
            raise InputError(f"{path}: the file is empty")
        if not path.name.lower().endswith(".gz"):
            yield _Bounded(path, file, math.inf)
            return
        with gzip.GzipFile(fileobj=file) as stream:
            yield _Bounded(path, stream, max(_HARMLESS, _MOST_PACKED * size))


class _Bounded:
    """A stream that refuses to give more than what is allowed."""

    def __init__(self, path: Path, stream: BinaryIO | gzip.GzipFile, most: float) -> None:
        self._path, self._stream, self._left = path, stream, most

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise _too_large(self._path)
        return block


@cache
def _parser_class() -> type[Any]:
    """Make nibabel's parser careful; nibabel is imported when a file is read."""
    from nibabel.gifti.parse_gifti_fast import GiftiImageParser
    from nibabel.gifti.util import (
        array_index_order_codes,
        gifti_encoding_codes,
        gifti_endian_codes,
    )
    from nibabel.nifti1 import data_type_codes

    base: Any = GiftiImageParser

    class Parser(base):  # type: ignore[misc]  # nibabel has no types
        def __init__(self, path: Path) -> None:
            super().__init__(buffer_size=35_000_000, mmap=False)
            self._path = path
            self._most = max(_HARMLESS, _MOST_PACKED * path.stat().st_size)
            self._promised = 0
            self._char_blocks: list[str] | None

        def StartElementHandler(self, name: str, attrs: dict[str, str]) -> None:
            if name == "DataArray":
                _sizes(self._path, attrs)
            super().StartElementHandler(name, attrs)
            if name == "DataArray" and self.da.encoding == gifti_encoding_codes["External"]:
                # Which file that is nobody checks, and no checksum covers it.
                raise InputError(
                    f"{self._path}: its values lie in another file ({self.da.ext_fname!r}), which "
                    "is not read; write them into this one, as wb_command -gifti-convert "
                    "GZIP_BASE64_BINARY IN OUT does"
                )

        def flush_chardata(self) -> None:
            if self.write_to != "Data" or self._char_blocks is None or self.da is None:
                super().flush_chardata()
                return
            array = self.da
            dtype: Any = data_type_codes.dtype[array.datatype]
            size = math.prod(array.dims) * dtype.itemsize
            self._promised += size
            if self._promised > self._most:
                raise _too_large(self._path)
            if array.encoding != gifti_encoding_codes["B64GZ"]:
                super().flush_chardata()
                return
            packed = base64.b64decode("".join(self._char_blocks).encode("ascii"))
            self._char_blocks = None
            dtype = dtype.newbyteorder(gifti_endian_codes.byteorder[array.endian])
            order: Any = array_index_order_codes.npcode[array.ind_ord]
            values = np.frombuffer(_inflated(packed, size), dtype=dtype)
            array.data = values.reshape(array.dims, order=order)

    return Parser


def _inflated(packed: bytes, size: int) -> bytearray:
    """Unpack values, and no more of them than there can be."""
    unpacker = zlib.decompressobj()
    plain = bytearray(unpacker.decompress(packed, size + 1))
    if not unpacker.eof:  # its checksum may be all that is left
        plain += unpacker.decompress(unpacker.unconsumed_tail, 1)
    if not unpacker.eof and len(plain) <= size:
        raise zlib.error("incomplete or truncated stream")
    return plain


def _too_large(path: Path) -> InputError:
    return InputError(
        f"{path}: would take {_MOST_PACKED} times its size in memory and more, as no data do: the "
        "file is damaged, or made to fill the memory; make it again"
    )


def _sizes(path: Path, about: Mapping[str, str]) -> list[int]:
    """Read the sizes of an array, of which nibabel believes any number."""
    n_axes = int(about.get("Dimensionality", 0))
    if not 0 <= n_axes <= _MOST_DIMENSIONS:
        raise InputError(
            f"{path}: an array of it has {n_axes} dimensions, and the format allows "
            f"{_MOST_DIMENSIONS}: the file is damaged; make it again"
        )
    sizes = [int(about[f"Dim{axis}"]) for axis in range(n_axes)]
    if min(sizes, default=0) < 0:
        raise InputError(f"{path}: an array of it has the size {min(sizes)}; make the file again")
    return sizes
