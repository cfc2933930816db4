"""What a reader of results should know before he believes the figures."""

from __future__ import annotations

import numpy as np
import pandas as pd

from pyhrf.results.results import LOW_QUALITY, Results

__all__ = ["warnings_of"]


def warnings_of(results: Results) -> list[str]:
    """Say what a reader should know before he believes the figures."""
    parcels = results.parcels
    good = parcels[parcels["status"] == "ok"]
    found = [str(note) for note in results.provenance["notes"]]
    if results.failed:
        found.append(f"{len(results.failed)} of {len(parcels)} parcels could not be estimated")
    n_out = _n_left_out(good)
    if n_out:
        found.append(
            f"{n_out} of {good['n_positions'].sum()} positions are constant or not finite and were "
            "left out (1 in the map left_out)"
        )
    wandering = good[good["converged"] == 0]
    if len(wandering):
        found.append(
            f"{_some(wandering['parcel'])} had not converged at the last iteration: raise "
            "n_iterations if the figures matter"
        )
    found += _outlying(results, good)
    weak = good[good["hrf_quality"] < LOW_QUALITY]
    if len(weak):
        found.append(
            f"of the response in {_some(weak['parcel'])} the data say little (hrf_quality below "
            f"{LOW_QUALITY:g}): what is drawn there is mostly the prior"
        )
    return found


def _outlying(results: Results, good: pd.DataFrame) -> list[str]:
    """Tell of scans that lie far off the others, and name the farthest of most parcels."""
    if "n_outlying_scans" not in good:  # results of older versions
        return []
    hit = good[good["n_outlying_scans"] > 0]
    if not len(hit):
        return []
    most, scan = int(hit["n_outlying_scans"].max()), int(hit["outlying_scan"].mode()[0])
    where = f"scan {scan}"
    lengths = [run["n_scans"] for run in results.provenance.get("runs", ())]
    if len(lengths) > 1:
        run = int(np.searchsorted(np.cumsum(lengths), scan, side="right"))
        where = f"scan {scan - sum(lengths[:run])} of run {run + 1}"
    many = "one scan lies" if most == 1 else f"up to {most} scans lie"
    return [
        f"in {_some(hit['parcel'])} {many} far off those around, mostly {where} (the first is 0): "
        "censor what was not in steady state or moved, for it spoils the estimates"
    ]


def _n_left_out(good: pd.DataFrame) -> int:
    """Count the positions of estimated parcels that were not used."""
    if "n_positions_used" not in good:
        return 0
    return int((good["n_positions"] - good["n_positions_used"]).sum())


def _some(numbers: pd.Series[int], most: int = 8) -> str:
    """Name parcels, with their number if there is more than one."""
    if len(numbers) == 1:
        return f"parcel {numbers.iloc[0]}"
    named = ", ".join(str(number) for number in numbers[:most])
    left = len(numbers) - most
    return f"{len(numbers)} parcels ({named}{f' and {left} more' if left > 0 else ''})"
