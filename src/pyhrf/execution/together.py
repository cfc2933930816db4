"""Several studies as one: their parcels numbered through, so that any engine works on all of them.

An engine sees parcels, a loader and an estimator. Here are a loader, an estimator and a journal
that know to which study a number belongs and pass it on; no engine has to know of it.
"""

from __future__ import annotations

import base64
import threading
import zlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

import numpy as np

from pyhrf.data import Estimator, Parcel, ParcelEstimate
from pyhrf.errors import InputError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Batch, BatchResult, Load, estimate_parcel
from pyhrf.execution.journal import Journal
from pyhrf.execution.recipe import from_recipe, to_recipe
from pyhrf.execution.run_state import RunState, write_state
from pyhrf.notices import OfParcels

_IN_MEMORY = 4
"""Estimators that are kept ready; studies follow each other, so that few are needed at a time."""


@dataclass(frozen=True)
class Numbering:
    """Numbers of parcels through all studies: those of study i begin behind i times ``step``.

    Attributes
    ----------
    names : tuple of str
        Of the studies.
    step : int
        A power of ten above every number of a parcel, so that people can read the numbers.
    """

    names: tuple[str, ...]
    step: int

    @classmethod
    def of(cls, parcels: Mapping[str, Sequence[int]]) -> Numbering:
        """Make it for the parcels of each study."""
        largest = max((max(numbers, default=0) for numbers in parcels.values()), default=0)
        return cls(tuple(parcels), 10 ** len(str(largest)))

    def whole(self, study: int, parcel: int) -> int:
        """Give the number through all of a parcel of a study."""
        return (study + 1) * self.step + parcel

    def split(self, number: int) -> tuple[int, int]:
        """Give study and parcel of a number."""
        study, parcel = divmod(number, self.step)
        return study - 1, parcel

    def said(self, text: str) -> str:
        """Give parcels of which an engine says something their names and numbers of the studies."""
        if not isinstance(text, OfParcels):
            return text
        places = [self.split(number) for number in text.parcels]
        parts = []
        for study, of_study in groupby(places, key=lambda place: place[0]):
            parcels = ", ".join(str(parcel) for _, parcel in of_study)
            parts.append(f"{parcels} of {self.names[study]}")
        return f"parcel{'s' if len(places) > 1 else ''} {' and '.join(parts)}{text.rest}"


class EstimatorOfAll:
    """Estimates a parcel with the estimator of its study.

    Parameters
    ----------
    recipes : sequence of str
        How the estimator of each study is made, from `packed_recipe`: small, so that an estimator
        is made where and when it is needed.
    names : sequence of str
        Of the studies.
    step : int
        That of the numbering.
    """

    name = "studies"

    def __init__(self, recipes: Sequence[str], names: Sequence[str], step: int) -> None:
        self._recipes, self._names, self._step = tuple(recipes), tuple(names), step
        self._ready: OrderedDict[int, Estimator] = OrderedDict()
        self._lock = threading.Lock()

    def recipe(self) -> dict[str, object]:
        """Return the arguments with which this class makes an equal estimator elsewhere."""
        return {"recipes": self._recipes, "names": self._names, "step": self._step}

    def compile(self) -> None:
        """Bring compiled code into memory: that of the first study, which is that of all."""
        self._estimator(0).compile()

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        """Estimate a parcel under the number that it has in its study."""
        study, number = divmod(parcel.number, self._step)
        if parcel.positions.size == 0:  # what `LoadOfAll` gives of a study that cannot be read
            return ParcelEstimate(parcel.number, "failed", "no data", parcel.positions)
        mine, estimator = replace(parcel, number=number), self._estimator(study - 1)
        estimate = estimate_parcel(mine, estimator, of=self._names[study - 1])
        return replace(estimate, parcel=estimate.parcel + study * self._step)

    def _estimator(self, study: int) -> Estimator:
        with self._lock:
            if study not in self._ready:
                self._ready[study] = from_recipe(_unpacked(self._recipes[study]))
            self._ready.move_to_end(study)
            while len(self._ready) > _IN_MEMORY:
                self._ready.popitem(last=False)
            return self._ready[study]


def packed_recipe(estimator: Estimator) -> str:
    """Write down how an estimator is made, in letters that take little room."""
    return base64.b85encode(zlib.compress(to_recipe(estimator))).decode("ascii")


def _unpacked(recipe: str) -> bytes:
    return zlib.decompress(base64.b85decode(recipe))


class LoadOfAll:
    """Brings parcels by their numbers through all studies; threads may call it at once.

    A study of which a file turns out to be damaged does not end the work of the others: its
    parcels are given without data from then on, and its name is in ``broken``.

    Parameters
    ----------
    numbering : Numbering
    open_study : callable
        Opens the data of a study, given its place, and returns what loads its parcels. Two studies
        at most are open at a time.

    Attributes
    ----------
    broken : dict of int to InputError
        What is wrong, by place of the study.
    """

    def __init__(self, numbering: Numbering, open_study: Callable[[int], Load]) -> None:
        self.broken: dict[int, InputError] = {}
        self._numbering, self._open_study = numbering, open_study
        self._open: OrderedDict[int, Load] = OrderedDict()
        self._lock = threading.Lock()
        self._locks = [threading.Lock() for _ in numbering.names]

    def __call__(self, numbers: Sequence[int]) -> list[Parcel]:
        """Load parcels, in the order of their numbers through all studies."""
        found: list[Parcel] = []
        places = [self._numbering.split(number) for number in numbers]
        for study, of_study in groupby(places, key=lambda place: place[0]):
            found += self._load(study, [parcel for _, parcel in of_study])
        return found

    def _load(self, study: int, numbers: list[int]) -> list[Parcel]:
        if study not in self.broken:
            try:
                parcels = self._loader(study)(numbers)
                return [
                    replace(parcel, number=self._numbering.whole(study, parcel.number))
                    for parcel in parcels
                ]
            except InputError as error:
                self.broken[study] = error
        return [_without_data(self._numbering.whole(study, number)) for number in numbers]

    def _loader(self, study: int) -> Load:
        # A lock for each: while one study is opened, parcels of the other are loaded.
        with self._locks[study]:
            with self._lock:
                loader = self._open.get(study)
            if loader is None:
                loader = self._open_study(study)
            with self._lock:
                self._open[study] = loader
                self._open.move_to_end(study)
                while len(self._open) > 2:
                    self._open.popitem(last=False)
        return loader


class JournalOfAll:
    """Keeps each estimate in the journal of its study.

    Parameters
    ----------
    folder : Path
        Where the run says how it goes; its parent's parent is named to the user.
    numbering : Numbering
    journals : sequence of Journal
        Of the studies, open.
    parcels : sequence of collection of int
        Those of each study.
    broken : mapping of int to InputError
        Studies whose results are not to be kept.
    complete : callable
        Called with the place of a study as soon as all its parcels are done.

    Attributes
    ----------
    directory : Path
        What the user gave.
    """

    def __init__(
        self,
        folder: Path,
        numbering: Numbering,
        journals: Sequence[Journal],
        parcels: Sequence[Sequence[int]],
        *,
        broken: Mapping[int, InputError],
        complete: Callable[[int], None],
    ) -> None:
        self.directory = folder.parent.parent
        self._folder, self._numbering, self._journals = folder, numbering, journals
        self._broken, self._complete = broken, complete
        self._waiting = [
            set(numbers) - journal.done()
            for numbers, journal in zip(parcels, journals, strict=True)
        ]

    def done(self) -> set[int]:
        """Parcels that need no more work, numbered through."""
        return {
            self._numbering.whole(study, number)
            for study, journal in enumerate(self._journals)
            for number in journal.done()
        }

    def add(self, result: BatchResult) -> None:
        """Keep the estimates of a batch, each where it belongs."""
        n_parcels = len(result.estimates)
        places = [(self._numbering.split(e.parcel), e) for e in result.estimates]
        for study, of_study in groupby(places, key=lambda place: place[0][0]):
            mine = [replace(e, parcel=number) for (_, number), e in of_study]
            if study in self._broken:
                continue
            numbers = tuple(estimate.parcel for estimate in mine)
            share = len(mine) / n_parcels
            part = Batch(result.batch.number, numbers, result.batch.cost * share)
            self._journals[study].add(BatchResult(part, mine, result.host, result.seconds * share))
            waited = bool(self._waiting[study])
            self._waiting[study].difference_update(numbers)
            if waited and not self._waiting[study]:
                self._complete(study)

    def announce(self, state: RunState) -> None:
        """Keep what the run says of itself.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        news = tuple(self._numbering.said(text) for text in state.news)
        try:
            write_state(self._folder, state.replaced(news=news))
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{self.directory} cannot be written ({reason})") from error


def batches_of_all(
    costs: Sequence[Mapping[int, float]],
    numbering: Numbering,
    *,
    target_cost: float,
    n_workers: int,
) -> list[Batch]:
    """Group the parcels of all studies: study after study, since the data of few fit in memory.

    Parameters
    ----------
    costs : sequence of mapping of int to float
        Seconds of each parcel that is to be done, by its number in its study.
    numbering : Numbering
    target_cost, n_workers
        As for `pyhrf.execution.batches.make_batches`.

    Returns
    -------
    list of Batch
        In the order of work, with numbers through all; none holds parcels of two studies.
    """
    total = sum(sum(of_study.values()) for of_study in costs)
    target = min(target_cost, total / (4 * n_workers))
    batches: list[Batch] = []
    for study, of_study in enumerate(costs):
        for batch in make_batches(of_study, target_cost=target):
            numbers = tuple(numbering.whole(study, number) for number in batch.parcels)
            batches.append(Batch(len(batches), numbers, batch.cost))
    return batches


def _without_data(number: int) -> Parcel:
    return Parcel(
        number=number,
        bold=np.empty((0, 0), np.float32),
        edges=np.empty((0, 2), np.int32),
        positions=np.empty(0, np.int64),
    )
