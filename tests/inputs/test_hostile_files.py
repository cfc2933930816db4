"""Files that are damaged or made to do harm: refused in a sentence, soon and in little memory.

Those that could hang a test or fill the memory are opened in a process with limits.
"""

from __future__ import annotations

import base64
import gzip
import os
import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf.errors import InputError
from pyhrf.inputs.paradigm import read_paradigm
from pyhrf.inputs.scan_lists import read_scans
from pyhrf.inputs.spm import read_spm
from pyhrf.spaces.gifti import load_gifti, read_head
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.surfaces import open_mesh
from pyhrf.spaces.volumes import open_volume

READERS = {
    ".nii": "from pyhrf.spaces.volumes import open_volume as o\nread = lambda p: o(p, n_dims=4)",
    ".dtseries.nii": "from pyhrf.spaces.kinds import time_step as read",
    ".gii": "from pyhrf.spaces.surfaces import open_mesh as read",
    ".mat": "from pyhrf.inputs.spm import read_spm as read",
    ".csv": "from pyhrf.inputs.paradigm import read_paradigm as r\nread = lambda p: r(p, n_runs=1)",
    ".json": "from pyhrf.inputs.bids_names import read_json as read",
    ".xml": "from pyhrf.config.study_xml import read_study as read",
}


def refused_in_a_child(*paths: Path, megabytes: int = 1000, seconds: float = 10) -> list[str]:
    """Read files in a process that has little memory; give what each is refused with."""
    code = "import sys, pathlib\nfrom pyhrf.errors import PyhrfError\n"
    for i, path in enumerate(paths, 1):
        ending = max((each for each in READERS if each in path.name), key=len)
        code += (
            f"{READERS[ending]}\n"
            f"try:\n    read(pathlib.Path(sys.argv[{i}]))\n"
            "except PyhrfError as error:\n    print(error)\n"
        )
    limit = megabytes << 20
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, paths)],
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (limit, limit)),
        capture_output=True,
        text=True,
        timeout=seconds + 5,
        check=False,
    )
    assert done.stderr == ""
    said = done.stdout.splitlines()
    assert len(said) == len(paths), done
    assert all(line.startswith(f"{p}: ") for line, p in zip(said, paths, strict=True)), done
    return said


_PART = 1 << 24


def zeros(n_parts: int) -> bytes:
    """Make a zlib stream of so many times 16 MB of zeros, which takes no time."""
    packer = zlib.compressobj(9, wbits=-15)
    part = packer.compress(bytes(_PART)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = struct.pack(">I", (n_parts * _PART % 65521) << 16 | 1)  # Adler-32 of zeros
    return b"\x78\xda" + n_parts * part + packer.flush() + checksum


def gzip_of(start: bytes, filling: bytes, n_parts: int) -> bytes:
    """Make a gzip file of a beginning and so many times 16 MB."""
    return gzip.compress(start) + n_parts * gzip.compress(filling * _PART)


def test_zeros__are_what_they_should_be():
    assert zlib.decompress(zeros(2)) == bytes(2 * _PART)


def test_pipe__is_refused_at_once_whatever_it_is_called(tmp_path):
    pipes = [tmp_path / f"pipe{ending}" for ending in READERS]
    for pipe in pipes:
        os.mkfifo(pipe)
    for said in refused_in_a_child(*pipes):
        assert "a pipe or a device; give a file" in said


def test_spm__that_crashes_or_fills_the_memory_costs_a_sentence(tmp_path):
    # a compressed variable of 4 GB of zeros: scipy unpacks it whole
    packed = zeros(256)
    head = b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack("<H2s", 0x0100, b"IM")
    path = tmp_path / "SPM.mat"
    path.write_bytes(head + struct.pack("<II", 15, len(packed)) + packed)
    assert path.stat().st_size < 5_000_000
    refused_in_a_child(path, seconds=20)
    path = tmp_path / "SPM.mat.gz"
    path.write_bytes(gzip_of(head, b"\0", 128))
    assert "memory" in refused_in_a_child(path, seconds=20)[0]


def test_spm__of_the_cases_that_crash_scipy(cases):
    # what scipy meets in memory decides whether it crashes or raises
    for name in ("bus_error_SPM.mat", "segfault_SPM.mat.gz"):
        with pytest.raises(InputError, match=f"{name}: (the file|is not an .*, or) is damaged"):
            read_spm(cases / "damaged" / name)


@pytest.fixture
def cases(shared_data) -> Path:
    folder = shared_data.parent / "cases"
    if not folder.is_dir():
        pytest.skip(f"the cases are not there: {folder}")
    return folder


def gifti(path: Path, data: bytes = b"", **about: object) -> Path:
    """Write a GIFTI file of one array by hand."""
    given: dict[str, object] = {
        "Intent": "NIFTI_INTENT_POINTSET",
        "DataType": "NIFTI_TYPE_FLOAT32",
        "ArrayIndexingOrder": "RowMajorOrder",
        "Dimensionality": 2,
        "Dim0": 3,
        "Dim1": 3,
        "Encoding": "GZipBase64Binary",
        "Endian": "LittleEndian",
        "ExternalFileName": "",
        "ExternalFileOffset": "",
    } | about
    shown = " ".join(f'{name}="{value}"' for name, value in given.items())
    text = (
        b'<?xml version="1.0"?><GIFTI Version="1.0" NumberOfDataArrays="1">'
        + f"<DataArray {shown}><Data>".encode()
        + base64.b64encode(data)
        + b"</Data></DataArray></GIFTI>"
    )
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def test_gifti__that_unpacks_to_gigabytes_is_refused_from_the_header_on(tmp_path):
    data = zeros(192)
    endings = (".surf.gii", ".surf.gii.gz")
    huge = [gifti(tmp_path / f"huge{ending}", data, Dim0=1 << 28) for ending in endings]
    # what is more than promised is not unpacked
    more = [gifti(tmp_path / f"more{ending}", data) for ending in endings]
    said = refused_in_a_child(*huge, *more)
    assert all("made to fill the memory" in line for line in said[:2])
    assert all("not a valid GIFTI file" in line for line in said[2:])


def test_gifti__of_a_gigabyte_of_blanks_in_gzip(tmp_path):
    path = tmp_path / ".surf.gii.gz"
    path.write_bytes(gzip_of(b"<?xml version='1.0'?><GIFTI>", b" ", 64))
    for read in (load_gifti, read_head):
        with pytest.raises(InputError, match="made to fill the memory"):
            read(path)


@pytest.mark.parametrize(
    "dims", [{"Dimensionality": 2147483648}, {"Dim0": -3}, {"Dim1": "9" * 5000}]
)
@pytest.mark.parametrize("read", [load_gifti, read_head])
def test_gifti__with_sizes_that_cannot_be(tmp_path, dims, read):
    path = gifti(tmp_path / "a.surf.gii", zlib.compress(bytes(36)), **dims)
    with pytest.raises(InputError, match=r"a\.surf\.gii: "):
        read(path)


def test_gifti__whose_values_lie_elsewhere_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(36))
    for place in ("secret", str(tmp_path / "secret"), "../../etc/passwd"):
        path = gifti(
            *(tmp_path / "a.surf.gii", b""), Encoding="ExternalFileBinary", ExternalFileName=place
        )
        with pytest.raises(InputError, match=r"in another file .*wb_command -gifti-convert"):
            open_mesh(path)


def test_gifti__whose_array_is_packed_tightly_is_read(tmp_path):
    path = gifti(tmp_path / "a.surf.gii", zlib.compress(bytes(12 * 200_000), 9), Dim0=200_000)
    assert load_gifti(path).darrays[0].data.shape == (200_000, 3)


def nifti(path: Path, shape: tuple[int, ...] = (4, 4, 4, 5), **fields: object) -> Path:
    image = nib.Nifti1Image(np.ones(shape, np.int16), np.eye(4))
    content = bytearray(image.to_bytes())
    header = nib.Nifti1Header(bytes(content[:348]), check=False)
    for name, value in fields.items():
        header[name] = value
    content[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(content)) if path.suffix == ".gz" else bytes(content))
    return path


@pytest.mark.parametrize("offset", [np.inf, -np.inf, np.nan, -400.0])
def test_nifti__whose_values_begin_nowhere(tmp_path, offset):
    path = nifti(tmp_path / "a.nii", vox_offset=offset)
    with pytest.raises(InputError, match=r"a\.nii: "):
        open_volume(path, n_dims=4)


def test_nifti__that_promises_more_than_gzip_can_hold_is_truncated(tmp_path):
    path = nifti(tmp_path / "a.nii.gz", dim=[4, 30000, 30000, 30000, 500, 1, 1, 1])
    with pytest.raises(InputError, match="truncated"):
        open_volume(path, n_dims=4)


def test_nifti__of_gigabytes_of_zeros(tmp_path):
    image = nib.Nifti1Image(np.ones((4, 4, 4, 5), np.int16), np.eye(4))
    header = image.header
    header.set_data_shape((256, 256, 256, 100))
    header["vox_offset"], header["magic"] = 352, b"n+1"
    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip_of(header.binaryblock + bytes(4), b"\0", 200))
    assert "made to fill the memory" in refused_in_a_child(path)[0]


def test_cifti__with_a_vertex_beyond_its_mesh(tmp_path):
    axis = nib.cifti2.BrainModelAxis.from_surface([0, 1, 2], 3, "CORTEX_LEFT")
    axis.vertex[2] = 7
    time = nib.cifti2.SeriesAxis(0, 2, 4)
    path = tmp_path / "a.dtseries.nii"
    nib.save(nib.Cifti2Image(np.ones((4, 3), np.float32), (time, axis)), path)
    with pytest.raises(InputError, match=r"nodes of CIFTI_STRUCTURE_CORTEX_LEFT beyond its mesh"):
        Grayordinates.open_series([path], [])


def test_numbers_of_thousands_of_digits_are_no_fault_of_ours(tmp_path):
    path = tmp_path / "a.csv"
    for line in (f"0 a {'9' * 5000}", f"{'9' * 5000} a 1", f"0 a 1 1e{'9' * 5000}"):
        path.write_text(line)
        with pytest.raises(InputError, match=r"a\.csv, line 1"):
            read_paradigm(path, n_runs=1)
    path.write_text("9" * 5000)
    with pytest.raises(InputError, match="is not a scan"):
        read_scans(path, 10)
