"""Data and journals of the studies of a run, each reached by the place of its study."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from pyhrf.data import Parcel, ParcelId
from pyhrf.errors import InputError
from pyhrf.execution.engine import BatchResult
from pyhrf.execution.journal import Journal
from pyhrf.execution.run_state import RunState, write_state

LoadOfStudy = Callable[[Sequence[int]], list[Parcel]]
"""Brings the parcels of a study by their numbers, in that order."""


class Loads:
    """Brings parcels of many studies; threads may call it at once.

    A study of which a file turns out to be damaged does not end the work of the others: its
    parcels are given without data from then on, and its name is in ``broken``.

    Parameters
    ----------
    n_studies : int
    open_study : callable
        Opens the data of a study, given its place, and returns what loads its parcels. Two studies
        at most are open at a time.

    Attributes
    ----------
    broken : dict of int to InputError
        What is wrong, by place of the study.
    """

    def __init__(self, n_studies: int, open_study: Callable[[int], LoadOfStudy]) -> None:
        self.broken: dict[int, InputError] = {}
        self._open_study = open_study
        self._open: OrderedDict[int, LoadOfStudy] = OrderedDict()
        self._lock = threading.Lock()
        self._locks = [threading.Lock() for _ in range(n_studies)]

    def __call__(self, parcels: Sequence[ParcelId]) -> list[Parcel]:
        """Load parcels, in their order."""
        found: list[Parcel] = []
        for study, of_study in groupby(parcels, key=lambda parcel: parcel.study):
            found += self._load(study, [parcel.number for parcel in of_study])
        return found

    def _load(self, study: int, numbers: list[int]) -> list[Parcel]:
        if study not in self.broken:
            try:
                return self._loader(study)(numbers)
            except InputError as error:
                self.broken[study] = error
        return [_without_data(number) for number in numbers]

    def _loader(self, study: int) -> LoadOfStudy:
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


def _without_data(number: int) -> Parcel:
    return Parcel(
        number=number,
        bold=np.empty((0, 0), np.float32),
        edges=np.empty((0, 2), np.int32),
        positions=np.empty(0, np.int64),
    )


class Journals:
    """Keeps each estimate in the journal of its study.

    Parameters
    ----------
    journals : sequence of Journal
        Of the studies, open.
    folder : Path, optional
        Of a run of many studies, where it says how it goes; its parent's parent is named to the
        user. That of a single study says it in its journal.
    waiting : sequence of collection of int
        Parcels of each study that are not done.
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
        journals: Sequence[Journal],
        *,
        folder: Path | None = None,
        waiting: Sequence[Collection[int]] = (),
        broken: Mapping[int, InputError] | None = None,
        complete: Callable[[int], object] = lambda _: None,
    ) -> None:
        self.directory = folder.parent.parent if folder else journals[0].directory
        self._journals, self._folder = journals, folder
        self._broken, self._complete = broken or {}, complete
        self._waiting = {study: set(numbers) for study, numbers in enumerate(waiting)}

    def done(self) -> set[ParcelId]:
        """Parcels that need no more work."""
        return {
            ParcelId(study, number)
            for study, journal in enumerate(self._journals)
            for number in journal.done()
        }

    def add(self, result: BatchResult) -> None:
        """Keep the estimates of a batch, each where it belongs."""
        for study, of_study in groupby(result.batch.parcels, key=lambda parcel: parcel.study):
            if study in self._broken:
                continue
            mine = list(of_study)
            self._journals[study].add(result.cut_to(mine))
            if waiting := self._waiting.get(study):
                waiting.difference_update(parcel.number for parcel in mine)
                if not waiting:
                    self._complete(study)

    def announce(self, state: RunState) -> None:
        """Keep what the run says of itself.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        if self._folder is None:
            self._journals[0].announce(state)
            return
        try:
            write_state(self._folder, state)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"{self.directory} cannot be written ({reason})") from error
