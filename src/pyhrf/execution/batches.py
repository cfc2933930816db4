"""Group parcels into batches: parcels take milliseconds to minutes, passing one on costs too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby

from pyhrf.data import ParcelId
from pyhrf.execution.engine import Batch

_BATCHES_PER_WORKER = 4


def make_batches(
    costs: Mapping[ParcelId, float], *, target_cost: float, n_workers: int = 1
) -> list[Batch]:
    """Group parcels into batches of about equal cost, the longest first.

    Parcels that follow each other stay together, since their data are read together. A batch holds
    at most the target, unless it is a single parcel. The target is lowered when there would be
    fewer than four batches for each worker: the last ones then end at about the same time.

    Parameters
    ----------
    costs : mapping of ParcelId to float
        Expected seconds of work of each parcel, > 0.
    target_cost : float
        Seconds of work that a batch should hold at most, > 0.
    n_workers : int
        Workers that share the batches.

    Returns
    -------
    list of Batch
        In the order of work; each parcel is in exactly one of them.
    """
    target = min(target_cost, sum(costs.values()) / (_BATCHES_PER_WORKER * n_workers))
    groups: list[tuple[float, list[ParcelId]]] = []
    cost, parcels = 0.0, list[ParcelId]()
    for parcel in sorted(costs):
        # The tolerance keeps rounding from splitting a batch that fills the target exactly.
        if parcels and cost + costs[parcel] > target * (1 + 1e-9):
            groups.append((cost, parcels))
            cost, parcels = 0.0, []
        cost += costs[parcel]
        parcels.append(parcel)
    if parcels:
        groups.append((cost, parcels))
    groups.sort(key=lambda group: (-group[0], group[1]))
    return [Batch(i, tuple(parcels), cost) for i, (cost, parcels) in enumerate(groups)]


def study_by_study(
    costs: Mapping[ParcelId, float], *, target_cost: float, n_workers: int
) -> list[Batch]:
    """Group parcels as `make_batches` does, study after study: the data of few fit in memory.

    Returns
    -------
    list of Batch
        In the order of work; none holds parcels of two studies.
    """
    target = min(target_cost, sum(costs.values()) / (_BATCHES_PER_WORKER * n_workers))
    batches: list[Batch] = []
    for _, parcels in groupby(sorted(costs), key=lambda parcel: parcel.study):
        of_study = make_batches({parcel: costs[parcel] for parcel in parcels}, target_cost=target)
        batches += [replace(batch, number=len(batches) + batch.number) for batch in of_study]
    return batches
