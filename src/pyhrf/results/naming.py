"""What parcels and units are called in messages and figures."""

from __future__ import annotations

from collections.abc import Sequence

from pyhrf.outputs.map_kind import SIGNAL
from pyhrf.results.results import Results

_MOST = 8
_MOST_NAMED = 4
_LONGEST_TITLE = 30  # letters above a panel


def parcel_called(results: Results, number: int) -> str:
    """Name a parcel, as ``parcel 12 (V1 left)``, or ``parcel 12`` where its region has no name.

    Parameters
    ----------
    results : Results
    number : int
    """
    region = results.regions.get(number)
    return f"parcel {number} ({region})" if region else f"parcel {number}"


def parcels_called(results: Results, numbers: Sequence[int]) -> str:
    """Name one parcel, or several with their number: the first few of many.

    Parameters
    ----------
    results : Results
    numbers : sequence of int
        One at least.

    Returns
    -------
    str
        As ``parcel 12 (V1 left)``, ``2 parcels (12, 14)`` or
        ``9 parcels (12 V1 left; 14 A1; 15; 17 A2 and 5 more)``.
    """
    if len(numbers) == 1:
        return parcel_called(results, numbers[0])
    regions = results.regions
    named = any(number in regions for number in numbers)
    most = _MOST_NAMED if named else _MOST
    words = (f"{number} {regions.get(number, '')}".strip() for number in numbers[:most])
    left = len(numbers) - most
    more = f" and {left} more" if left > 0 else ""
    return f"{len(numbers)} parcels ({('; ' if named else ', ').join(words)}{more})"


def short_name(number: int, region: str = "") -> str:
    """Name a parcel where there is little room: ``12 · V1 left``, or ``parcel 12``."""
    return f"{number} · {region}" if region else f"parcel {number}"


def panel_title(results: Results, number: int) -> str:
    """Name a parcel above a small figure; a long name of a region is cut."""
    region = results.regions.get(number, "")
    if len(region) > _LONGEST_TITLE:
        region = f"{region[: _LONGEST_TITLE - 1].rstrip()}…"
    return short_name(number, region)


def signal_unit(results: Results) -> str:
    """Name the unit of the data, which is that of levels."""
    data = results.provenance["study"]["data"]
    return "% signal change" if data.get("scaling") == "percent" else SIGNAL
