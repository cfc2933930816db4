"""What every engine is, and the piece of work that every engine does.

An engine knows neither HRFs nor files: it is given batches of parcels of one study or several, a
function that brings their data, and what estimates them, and it yields the estimates as they become
ready.
"""

from __future__ import annotations

import logging
import platform
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from pyhrf.data import Estimator, Parcel, ParcelEstimate, ParcelId
from pyhrf.execution.studies import Studies

Load = Callable[[Sequence[ParcelId]], list[Parcel]]
"""Brings parcels, in the given order; may be called by several threads."""

_INTERNAL = "internal error: "
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Batch:
    """Parcels that are worked on together, one after the other, by one worker.

    Attributes
    ----------
    number : int
        Place in the order of work, from 0.
    parcels : tuple of ParcelId
        Its parcels, ascending.
    cost : float
        Seconds that the work is expected to take, roughly.
    """

    number: int
    parcels: tuple[ParcelId, ...]
    cost: float


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What came out of a batch.

    Attributes
    ----------
    batch : Batch
        The batch; when it was interrupted, the part of it that was done.
    estimates : list of ParcelEstimate
        One for each parcel of the batch, in its order.
    host : str
        Name of the machine that did the work.
    seconds : float
        Time that the work took there, without the loading of the data.
    """

    batch: Batch
    estimates: list[ParcelEstimate]
    host: str
    seconds: float

    def cut_to(self, parcels: Iterable[ParcelId]) -> BatchResult:
        """Give the part of it that is of some parcels, with their share of cost and seconds."""
        wanted = frozenset(parcels)
        pairs = zip(self.batch.parcels, self.estimates, strict=True)
        kept = {parcel: estimate for parcel, estimate in pairs if parcel in wanted}
        share = len(kept) / len(self.estimates)
        batch = replace(self.batch, parcels=tuple(kept), cost=self.batch.cost * share)
        return BatchResult(batch, list(kept.values()), self.host, self.seconds * share)


class Engine(Protocol):
    """A way of getting batches worked on: in this process, by threads, on other machines.

    Engines derive from it: what it gives here suits one that works in this process.

    Attributes
    ----------
    name : str
        As it is chosen, such as ``local``.
    n_workers : int
        Batches that are worked on at the same time.
    batch_seconds : float
        Work that a batch should hold, seconds: enough to make the cost of passing it on small.
    folder : Path
        Beside the journal, for files of the engine itself; set before anything else is done.
    resumes : bool
        Whether results of earlier runs may lie elsewhere, which `resume` brings home.
    detaches : bool
        Whether the work continues when this process ends, and is found again; `cancel` stops it.
    news : tuple of str
        The latest sentences that the user should read.
    farewell : str
        What continues after an interruption, in a clause for the user.
    """

    name: str
    n_workers: int
    batch_seconds: float
    folder: Path = Path()
    resumes: bool = False
    detaches: bool = False
    news: tuple[str, ...] = ()
    farewell: str = ""

    def resume(self, study: str, *, fresh: bool) -> list[BatchResult]:  # noqa: ARG002 - for who derives
        """Bring home what earlier runs finished; has to be called before ``run``.

        Parameters
        ----------
        study : str
            Everything that the results depend on, and for an engine that does not detach also
            where they go: nothing else is brought.
        fresh : bool
            Whether the work begins anew: what earlier runs finished is removed there, and
            nothing is brought.

        Returns
        -------
        list of BatchResult
            Each parcel once.
        """
        return []

    def cancel(self) -> bool:
        """Stop the work of an earlier run and remove what is left; False if there is none."""
        return False

    def run(
        self, batches: Sequence[Batch], *, load: Load, studies: Studies
    ) -> Generator[BatchResult, None, None]:
        """Work on batches in the given order and yield each result as soon as it is there.

        A bounded number of batches is in flight at any time. Closing the generator stops the
        work and drops what is in flight, also where it would continue without this process. A
        `KeyboardInterrupt`, raised or thrown into the generator, stops it within seconds: what is
        finished by then may still be yielded, then the `KeyboardInterrupt` is raised again.
        Whatever `load` raises ends the run.

        Parameters
        ----------
        batches : sequence of Batch
            What to do.
        load : callable
            Brings parcels; it is called in this process, by any thread.
        studies : Studies
            Their estimators, called by several threads at once; engines on other machines send
            their recipes.

        Yields
        ------
        BatchResult
            In any order.
        """
        ...


def is_internal_error(estimate: ParcelEstimate) -> bool:
    """Tell whether an estimate failed by a fault of the program, not by its data."""
    return estimate.status == "failed" and estimate.reason.startswith(_INTERNAL)


def work_batch(
    batch: Batch, load: Load, studies: Studies, *, stop: Callable[[], bool] = lambda: False
) -> BatchResult:
    """Load the parcels of a batch and estimate one after the other.

    Parameters
    ----------
    batch : Batch
        What to do.
    load : callable
        Brings the parcels; its errors are not caught.
    studies : Studies
        An exception that an estimator raises becomes a ``failed`` estimate of that parcel, with
        the traceback in the log; the other parcels are not affected.
    stop : callable
        Asked before each parcel; when true, the parcels that are left are not worked on.

    Returns
    -------
    BatchResult
        With ``batch`` cut down to what was done.
    """
    parcels = load(batch.parcels)
    if [parcel.number for parcel in parcels] != [number for _, number in batch.parcels]:
        raise RuntimeError(f"other parcels were loaded than {', '.join(map(str, batch.parcels))}")
    start = time.perf_counter()
    estimates: list[ParcelEstimate] = []
    for (study, _), parcel in zip(batch.parcels, parcels, strict=True):
        if stop():
            break
        if parcel.positions.size == 0:  # what `Loads` gives of a study that cannot be read
            nothing = ParcelEstimate(parcel.number, "failed", "no data", parcel.positions)
            estimates.append(nothing)
            continue
        estimates.append(_estimate(parcel, studies.estimator(study), studies.of(study)))
    seconds = time.perf_counter() - start
    if len(estimates) < len(parcels):
        cost = batch.cost * len(estimates) / len(parcels)
        batch = replace(batch, parcels=batch.parcels[: len(estimates)], cost=cost)
    return BatchResult(batch, estimates, platform.node(), seconds)


def failed_internally(parcel: Parcel, reason: str) -> ParcelEstimate:
    """Make the estimate of a parcel that met a fault of the program; a rerun tries it again."""
    positions = np.asarray(parcel.positions, dtype=np.int64)
    text = " ".join(f"{_INTERNAL}{reason}".split())
    return ParcelEstimate(parcel.number, "failed", text, positions)


def _estimate(parcel: Parcel, estimator: Estimator, of: str) -> ParcelEstimate:
    """Estimate a parcel; what the estimator raises becomes a failed estimate, told in the log."""
    try:
        estimate = estimator.fit_parcel(parcel)
        if estimate.parcel != parcel.number:
            raise RuntimeError(f"the estimator answered for parcel {estimate.parcel}")
    except Exception as error:
        _log.exception("parcel %s%s: the estimator %s failed", parcel.number, of, estimator.name)
        text = f"{type(error).__name__}: {error} (traceback in the log)"
        return failed_internally(parcel, text)
    return estimate
