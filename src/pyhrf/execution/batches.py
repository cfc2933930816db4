"""Group parcels into batches: parcels take milliseconds to minutes, passing one on costs too."""

from __future__ import annotations

from collections.abc import Mapping

from pyhrf.execution.engine import Batch

_BATCHES_PER_WORKER = 4


def make_batches(
    costs: Mapping[int, float], *, target_cost: float, n_workers: int = 1
) -> list[Batch]:
    """Group parcels into batches of about equal cost, the longest first.

    Neighbours in number stay together, since their data are read together. A batch holds at most
    the target, unless it is a single parcel. The target is lowered when there would be fewer
    than four batches for each worker: the last ones then end at about the same time.

    Parameters
    ----------
    costs : mapping of int to float
        Expected seconds of work by parcel number, > 0.
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
    groups: list[tuple[float, list[int]]] = []
    cost, numbers = 0.0, list[int]()
    for number in sorted(costs):
        # The tolerance keeps rounding from splitting a batch that fills the target exactly.
        if numbers and cost + costs[number] > target * (1 + 1e-9):
            groups.append((cost, numbers))
            cost, numbers = 0.0, []
        cost += costs[number]
        numbers.append(number)
    if numbers:
        groups.append((cost, numbers))
    groups.sort(key=lambda group: (-group[0], group[1]))
    return [Batch(i, tuple(numbers), cost) for i, (cost, numbers) in enumerate(groups)]
