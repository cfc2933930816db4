"""The studies of a run, as an engine knows them: how their parcels are estimated and called."""

from __future__ import annotations

import base64
import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Sequence
from itertools import groupby
from typing import Self

from pyhrf.data import Estimator, ParcelId
from pyhrf.execution.recipe import from_recipe, to_recipe

_IN_MEMORY = 4
"""Estimators that are kept ready; studies follow each other, so that few are needed at a time."""


class Studies:
    """Estimators and names of the studies of a run, by their places in it.

    Parameters
    ----------
    estimators : sequence of Estimator or str
        Each itself, or from `packed_recipe` how it is made: it is small, so that an estimator is
        made where and when it is needed.
    names : sequence of str
        As the user reads them; none where there is one study.
    """

    def __init__(self, estimators: Sequence[Estimator | str], names: Sequence[str] = ()) -> None:
        self._estimators, self._names = tuple(estimators), tuple(names)
        self._ready: OrderedDict[int, Estimator] = OrderedDict()
        self._lock = threading.Lock()

    def estimator(self, study: int) -> Estimator:
        """Give that of a study."""
        found = self._estimators[study]
        if not isinstance(found, str):
            return found
        with self._lock:
            if study not in self._ready:
                self._ready[study] = from_recipe(_unpacked(found))
            self._ready.move_to_end(study)
            while len(self._ready) > _IN_MEMORY:
                self._ready.popitem(last=False)
            return self._ready[study]

    def of(self, study: int) -> str:
        """Say behind a parcel of which study it is, as `` of sub-01``; of a single one nothing."""
        return f" of {self._names[study]}" if self._names else ""

    def called(self, parcels: Sequence[ParcelId]) -> str:
        """Name parcels, as ``parcels 3, 4 of sub-01 and 7 of sub-02``."""
        parts = []
        for study, of_study in groupby(parcels, key=lambda parcel: parcel.study):
            numbers = ", ".join(str(parcel.number) for parcel in of_study)
            parts.append(f"{numbers}{self.of(study)}")
        return f"parcel{'s' if len(parcels) > 1 else ''} {' and '.join(parts)}"

    def to_json(self) -> bytes:
        """Write them down: the recipe of one estimator as such, of several in a list.

        Raises
        ------
        TypeError
            If an estimator cannot be sent.
        """
        if not self._names:
            return to_recipe(self.estimator(0))
        recipes = [e if isinstance(e, str) else packed_recipe(e) for e in self._estimators]
        return json.dumps({"names": self._names, "recipes": recipes}, ensure_ascii=False).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """Read what `to_json` wrote.

        Raises
        ------
        ValueError
            If it is something else.
        """
        try:
            content = json.loads(text)
            several = "recipes" in content
        except (ValueError, TypeError) as error:
            raise ValueError(f"not the recipe of an estimator ({error})") from error
        return cls(content["recipes"], content["names"]) if several else cls([from_recipe(text)])


def packed_recipe(estimator: Estimator) -> str:
    """Write down how an estimator is made, in letters that take little room."""
    return base64.b85encode(zlib.compress(to_recipe(estimator))).decode("ascii")


def _unpacked(recipe: str) -> bytes:
    return zlib.decompress(base64.b85decode(recipe))
