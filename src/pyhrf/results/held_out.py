"""What scans that were held out say of an analysis, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyhrf.results.results import Results

if TYPE_CHECKING:
    import pandas as pd

LEAST_DELTA, LEAST_ERRORS = 4.0, 2.0
"""Nats, and standard errors, above which a parcel's own HRF predicts better than the canonical."""


def needs_own_hrf(parcels: pd.DataFrame) -> pd.Series[bool]:
    """Tell in which parcels the canonical HRF is not enough.

    Parameters
    ----------
    parcels : DataFrame
        With ``delta_canonical`` and ``delta_canonical_sd``, as ``parcels.tsv``.

    Returns
    -------
    Series of bool
        False where the data do not show it, or there is no value.
    """
    delta, error = parcels["delta_canonical"], parcels["delta_canonical_sd"]
    return (delta > LEAST_DELTA) & (delta > LEAST_ERRORS * error)


def held_out_text(results: Results) -> str:
    """Say how well scans that were held out were predicted; empty where none were.

    Parameters
    ----------
    results : Results
    """
    parcels = results.parcels
    if "r2_held_out" not in parcels or parcels["r2_held_out"].isna().all():
        return ""
    kind = results.provenance["study"]["cross_validate"]
    of_what = "each run" if kind == "runs" else "four blocks of the scans"
    share = parcels["r2_held_out"].median()
    text = (
        f" With {of_what} held out in turn, {100 * share:.2g} % of the signal without drift and "
        "confounds was predicted by what was estimated from the other scans (median of the parcels)"
    )
    if "delta_canonical" not in parcels:
        return f"{text}."
    compared = int(parcels["delta_canonical"].notna().sum())
    return (
        f"{text}; in {int(needs_own_hrf(parcels).sum())} of {compared} parcels the canonical "
        f"response predicted less well (a difference in log likelihood above {LEAST_DELTA:g} and "
        f"above {LEAST_ERRORS:g} standard errors)."
    )
