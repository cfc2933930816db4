"""Estimates as bytes and back: an npz file without pickle, for the journal and for far workers.

A batch is a handful of arrays, not one per map: opening a zip member costs as much as estimating
a small voxel. All values of one dtype follow each other in one member named by the dtype; the
member ``index`` (JSON, as bytes) says whose they are.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from pyhrf.data import Parcel, ParcelEstimate, ParcelId, Status
from pyhrf.files import regular_file

About = dict[str, str | int | float]

_FORMAT = 2
# By dtype, since the name of a dtype takes numpy longer to make than all the rest.
_MEMBERS = {np.dtype(t): np.dtype(t).name for t in ("bool", "i4", "i8", "u1", "f4", "f8")}
_GROUPS = ("conditions", "hrf", "courses", "trials")
_ARRAYS_OF_PARCEL = ("bold", "edges", "positions")


def pack_estimates(
    estimates: Sequence[ParcelEstimate], *, about: Mapping[str, str | int | float] | None = None
) -> bytes:
    """Turn estimates into the bytes of an npz file; equal estimates give equal bytes.

    Parameters
    ----------
    estimates : sequence of ParcelEstimate
        In the order in which `unpack_estimates` returns them.
    about : mapping of str to str, int or float, optional
        What else is to travel with them, as host and seconds.

    Returns
    -------
    bytes
        Readable by `numpy.load` with ``allow_pickle=False``.

    Raises
    ------
    TypeError
        If an array is not of a usual dtype of numbers.
    """
    pieces: defaultdict[str, list[NDArray[Any]]] = defaultdict(list)

    def put(values: Any) -> list[Any]:
        array = np.asarray(values)
        member = _MEMBERS.get(array.dtype)
        if member is None:
            raise TypeError(f"an estimate holds {array.dtype}, not {', '.join(_MEMBERS.values())}")
        pieces[member].append(array.ravel())
        return [member, array.shape]

    entries = []
    for estimate in estimates:
        entry: dict[str, Any] = {
            "parcel": int(estimate.parcel),
            "status": estimate.status,
            "reason": estimate.reason,
            "positions": put(estimate.positions),
            "trace": put(estimate.trace),
            "summary": list(estimate.summary),
        }
        put(np.array(list(estimate.summary.values()), dtype=np.float64))
        for group in _GROUPS:
            entry[group] = {name: put(a) for name, a in getattr(estimate, group).items()}
        entry["maps"] = [[*key, *put(a)] for key, a in estimate.maps.items()]
        entries.append(entry)
    index = json.dumps({"format": _FORMAT, "about": dict(about or {}), "estimates": entries})
    members = {dtype: np.concatenate(arrays) for dtype, arrays in sorted(pieces.items())}
    return _to_npz({"index": np.frombuffer(index.encode(), dtype=np.uint8), **members})


def unpack_estimates(blob: bytes) -> tuple[list[ParcelEstimate], About]:
    """Read back what `pack_estimates` made.

    Parameters
    ----------
    blob : bytes
        An npz file. Nothing in it is executed.

    Returns
    -------
    estimates : list of ParcelEstimate
        With the same keys, dtypes, shapes and values as were packed.
    about : dict
        As given to `pack_estimates`.

    Raises
    ------
    ValueError
        If the bytes are cut off, damaged, or of another kind.
    """
    try:
        return _unpack(blob)
    except Exception as error:  # damaged bytes fail anywhere: in zip, in npy headers, in the index
        raise ValueError(f"not a whole file of estimates ({type(error).__name__}: {error})") from (
            error
        )


def unpack_statuses(path: Path) -> tuple[dict[int, Status], About]:
    """Read from a file of `pack_estimates` only which parcels it holds, and what became of them.

    Returns
    -------
    statuses : dict of int to str
        By number of the parcel.
    about : dict
        As given to `pack_estimates`.

    Raises
    ------
    ValueError
        If the file is cut off, damaged, or of another kind.
    """
    try:
        with regular_file(path) as file, zipfile.ZipFile(file) as archive:
            _check_members(archive, path.stat().st_size)
            with archive.open("index.npy") as member:
                index = json.loads(np.lib.format.read_array(member, allow_pickle=False).tobytes())
        return {int(e["parcel"]): e["status"] for e in index["estimates"]}, dict(index["about"])
    except Exception as error:
        raise ValueError(f"not a whole file of estimates ({type(error).__name__}: {error})") from (
            error
        )


def _check_members(archive: zipfile.ZipFile, size: int) -> None:
    """Refuse what would fill the memory: nothing here is compressed, so no member is larger."""
    if sum(member.file_size for member in archive.infolist()) > size:
        raise ValueError("a member is larger than the file")


def _to_npz(members: Mapping[str, NDArray[Any]]) -> bytes:
    # Not numpy.savez: of some versions it takes no promise to leave pickle out.
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, array in members.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return stream.getvalue()


def _unpack(blob: bytes) -> tuple[list[ParcelEstimate], About]:
    with zipfile.ZipFile(io.BytesIO(blob)) as raw:
        _check_members(raw, len(blob))
    archive = np.load(io.BytesIO(blob), allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise TypeError("a single array")
    members: dict[str, NDArray[Any]] = {name: archive[name] for name in archive.files}
    index = json.loads(members.pop("index").tobytes())
    if index["format"] != _FORMAT:
        raise ValueError(f"format {index['format']}")
    used = dict.fromkeys(members, 0)

    def take(dtype: str, shape: Sequence[int]) -> NDArray[Any]:
        size = 1
        for length in shape:
            size *= length
        start = used[dtype]
        used[dtype] = start + size
        return members[dtype][start : start + size].reshape(shape)

    estimates = []
    for entry in index["estimates"]:
        if entry["status"] not in get_args(Status):
            raise ValueError(f"status {entry['status']}")
        positions, trace = take(*entry["positions"]), take(*entry["trace"])
        names = entry["summary"]
        summary = dict(zip(names, take("float64", [len(names)]).tolist(), strict=True))
        groups = {  # estimates of older versions lack some
            g: {name: take(*spec) for name, spec in entry.get(g, {}).items()} for g in _GROUPS
        }
        maps = {(kind, name): take(*spec) for kind, name, *spec in entry["maps"]}
        estimates.append(
            ParcelEstimate(
                parcel=int(entry["parcel"]),
                status=entry["status"],
                reason=str(entry["reason"]),
                positions=positions,
                summary=summary,
                trace=trace,
                maps=maps,
                **groups,
            )
        )
    if any(used[name] != array.size for name, array in members.items()):
        raise ValueError("index and arrays do not fit together")
    return estimates, index["about"]


def pack_parcels(parcels: Mapping[ParcelId, Parcel]) -> bytes:
    """Turn parcels into the bytes of an npz file, for a worker on another machine.

    Parameters
    ----------
    parcels : mapping of ParcelId to Parcel
        In the order in which `unpack_parcels` returns them.

    Returns
    -------
    bytes
        Readable by `numpy.load` with ``allow_pickle=False``.
    """
    studies, numbers = np.array(list(parcels), dtype=np.int64).reshape(-1, 2).T
    members: dict[str, NDArray[Any]] = {"numbers": numbers, "studies": studies}
    for i, parcel in enumerate(parcels.values()):
        for name in _ARRAYS_OF_PARCEL:
            # The order in memory has to arrive too: sums over another order round differently.
            array = getattr(parcel, name)
            if not (array.flags.c_contiguous or array.flags.f_contiguous):
                array = array.copy(order="K")
            members[f"{name}{i}"] = array
    return _to_npz(members)


def unpack_parcels(blob: bytes) -> dict[ParcelId, Parcel]:
    """Read back what `pack_parcels` made.

    Parameters
    ----------
    blob : bytes
        An npz file. Nothing in it is executed.

    Returns
    -------
    dict of ParcelId to Parcel
        With the same values, dtypes and order in memory.

    Raises
    ------
    ValueError
        If the bytes are cut off, damaged, or of another kind.
    """
    try:
        with np.load(io.BytesIO(blob), allow_pickle=False) as archive:
            numbers = archive["numbers"]
            studies = archive.get("studies", np.zeros_like(numbers))  # older versions knew one
            ids = map(ParcelId, studies.tolist(), numbers.tolist())
            return {
                parcel: Parcel(
                    parcel.number, *(archive[f"{name}{i}"] for name in _ARRAYS_OF_PARCEL)
                )
                for i, parcel in enumerate(ids)
            }
    except Exception as error:
        raise ValueError(f"not a whole file of parcels ({type(error).__name__}: {error})") from (
            error
        )
