"""What the JSON files of maps and tables say of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pyhrf.outputs.columns import COLUMNS, Table
from pyhrf.outputs.map_kind import SIGNAL, SIGNAL_SQUARED, MapKind, Stat
from pyhrf.spaces.space import Space


def density(label: str, kind: type[Space]) -> str:
    """Say what the label of the entity ``den`` means, as BIDS wants of each file that has it.

    Parameters
    ----------
    label : str
        Such as ``91k``.
    kind : type of Space
    """
    return f"{label} is the number of {kind.place}s, rounded"


def in_places(about: Mapping[str, Any], kind: type[Space]) -> dict[str, Any]:
    """Say where values are, which may be no voxels.

    Parameters
    ----------
    about : dict
        What a JSON file says.
    kind : type of Space

    Returns
    -------
    dict
        With other words in ``Description`` and ``Threshold``, which are ours, at any depth; names
        stay.
    """
    place = kind.place
    said: dict[str, Any] = {}
    for key, value in about.items():
        if isinstance(value, dict):
            said[key] = in_places(value, kind)
        elif key in ("Description", "Threshold") and isinstance(value, str):
            said[key] = value.replace("voxel", place).replace("Voxel", place.capitalize())
        else:
            said[key] = value
    return said


# What derivatives have that the results have not, or call otherwise.
_OWN_COLUMNS = {
    "parcel": "Number of the parcel in the file desc-parcels_dseg",
    "index": "Number of the parcel in the map",
    "name": "Name of the parcel",
}


def unit_of(kind: MapKind, stat: Stat, signal: str) -> str:
    """Give the unit of what becomes of a map, where that of the data is ``signal``."""
    if kind.unit not in (SIGNAL, SIGNAL_SQUARED):
        return kind.unit or "none"
    return f"({signal})^2" if stat.squared or kind.unit == SIGNAL_SQUARED else signal


def described_columns(table: Table, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Say what these columns of a table hold, as BIDS wants it in a JSON file."""
    said: dict[str, dict[str, Any]] = {}
    for name in names:
        if name in _OWN_COLUMNS:
            said[name] = {"Description": _OWN_COLUMNS[name]}
            continue
        column = COLUMNS[table][name]
        said[name] = {"Description": column.text}
        if column.unit not in ("", SIGNAL):
            said[name]["Units"] = column.unit
        if column.levels:
            said[name]["Levels"] = dict(column.levels)
    return said
