"""What a reader of results should know before he believes the figures."""

from __future__ import annotations

from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING

from pyhrf.parameters.estimators import assumed_response
from pyhrf.results.naming import parcels_called
from pyhrf.results.results import LOW_QUALITY, SHARED, SMOOTH, Results
from pyhrf.results.trial_text import CIRCULAR, is_circular

if TYPE_CHECKING:
    import pandas as pd


def warnings_of(results: Results) -> list[str]:
    """Say what a reader should know before he believes the figures."""
    parcels = results.parcels
    good = parcels[parcels["status"] == "ok"]
    found = [str(note) for note in results.provenance["notes"]]
    if response := assumed_response(results.provenance["study"]):
        found.append(
            f"the response is {response}, which the model assumes in every parcel: its shape, time "
            "to peak and width are no findings"
        )
    if is_circular(results):
        found.append(CIRCULAR)
    if results.failed:
        found.append(f"{len(results.failed)} of {len(parcels)} parcels could not be estimated")
    n_out = _n_left_out(good)
    if n_out:
        found.append(
            f"{n_out} of {good['n_positions'].sum()} {results.place}s are constant or not finite "
            "and were left out (1 in the map left_out)"
        )
    wandering = good[good["converged"] == 0]
    if len(wandering):
        found.append(
            f"{parcels_called(results, wandering['parcel'].tolist())} had not converged at the "
            "last iteration: raise n_iterations if the figures matter"
        )
    if outlying := outlying_warning(results):
        found.append(outlying)
    found.extend(noise_warnings(results))
    if results.weak:
        found.append(
            f"the response in {parcels_called(results, results.weak)} is poorly determined "
            f"(hrf_quality below {LOW_QUALITY:g}): what is drawn there is mostly the prior"
        )
    return found


def outlying_warning(results: Results) -> str:
    """Tell of scans that lie far off the others, and name the farthest of most parcels.

    Parameters
    ----------
    results : Results

    Returns
    -------
    str
        Empty if there are none, or in results of older versions.
    """
    found = results.outlying
    if not found:
        return ""
    most = max(n_scans for n_scans, _ in found.values())
    ((scan, _),) = Counter(sorted(scan for _, scan in found.values())).most_common(1)
    where = f"scan {scan}"
    lengths = [run["n_scans"] for run in results.provenance.get("runs", ())]
    if len(lengths) > 1:
        starts = [0, *accumulate(lengths)]
        run = max(n for n, start in enumerate(starts) if start <= scan)
        where = f"scan {scan - starts[run]} of run {run + 1}"
    many = "one scan lies" if most == 1 else f"up to {most} scans lie"
    return (
        f"in {parcels_called(results, list(found))} {many} far off those around, mostly {where} "
        "(the first is 0): censor scans before the steady state or with motion, since they spoil "
        "the estimates"
    )


def noise_warnings(results: Results) -> list[str]:
    """Tell that the data look smoothed, or that they have shared noise that is not modelled.

    Parameters
    ----------
    results : Results

    Returns
    -------
    list of str
        Empty if neither is so in most parcels, or in results of older versions.
    """
    where = (
        f"in {{}} of {results.n_parcels} parcels the noise of neighbouring voxels correlates by "
        "more than {:g} (neighbour_correlation): "
    )
    found = []
    if results.smooth:
        found.append(
            where.format(len(results.smooth), SMOOTH)
            + "the data look smoothed, or resampled to smaller voxels, so that much of what is "
            "called active lies next to the responses; use data that are not smoothed"
        )
    if results.unmodelled:
        found.append(
            where.format(len(results.unmodelled), SHARED)
            + "this study takes it for each voxel's own, so that too much is called active and "
            "responses may be wrong even where hrf_quality is high, the more so with many "
            "conditions of few events; JDE VEM with <shared_noise>measured</shared_noise> models it"
        )
    return found


def _n_left_out(good: pd.DataFrame) -> int:
    """Count the positions of estimated parcels that were not used."""
    if "n_positions_used" not in good:
        return 0
    return int((good["n_positions"] - good["n_positions_used"]).sum())
