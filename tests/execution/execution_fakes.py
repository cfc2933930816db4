"""Parcels and estimators for tests of the engines: tiny, and slow or broken on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from pyhrf.data import Estimator, Parcel, ParcelEstimate, ParcelId
from pyhrf.execution.packing import pack_parcels
from pyhrf.execution.ssh.shells import Reply
from pyhrf.execution.studies import Studies

T = TypeVar("T")


def make_parcel(number: int) -> Parcel:
    """A parcel whose data follow from its number alone."""
    rng = np.random.default_rng(number)
    n_positions = 1 + number % 5
    return Parcel(
        number,
        rng.normal(size=(12, n_positions)).astype(np.float32),
        np.zeros((0, 2), dtype=np.int32),
        np.arange(n_positions) + 100 * number,
    )


def ids(*numbers: int, study: int = 0) -> tuple[ParcelId, ...]:
    """Parcels of a study, the only one if nothing else is said."""
    return tuple(ParcelId(study, number) for number in numbers)


def load(parcels: Sequence[ParcelId]) -> list[Parcel]:
    return [make_parcel(parcel.number) for parcel in parcels]


def make_parcels(*numbers: int) -> list[Parcel]:
    return load(ids(*numbers))


def packed(*numbers: int) -> bytes:
    """Parcels of the only study, as they are sent."""
    return pack_parcels({parcel: make_parcel(parcel.number) for parcel in ids(*numbers)})


def only(estimator: object) -> Studies:
    """A single study, and what estimates its parcels."""
    return Studies([estimator])


class FakeEstimator(Estimator):
    """Estimates by sums; what it did is written down, a line for each parcel, when asked."""

    name = "fake"

    def __init__(
        self,
        *,
        seconds: float = 0.0,
        broken: Sequence[int] = (),
        unusable: Sequence[int] = (),
        log: Path | None = None,
        before: Callable[[int], object] | None = None,
    ) -> None:
        self.seconds = seconds
        self.broken = frozenset(broken)
        self.unusable = frozenset(unusable)
        self.log = log
        self.before = before

    def recipe(self) -> dict[str, object]:
        return {"seconds": self.seconds, "broken": tuple(self.broken)}

    def fit_parcel(self, parcel: Parcel) -> ParcelEstimate:
        if self.before is not None:
            self.before(parcel.number)
        time.sleep(self.seconds)
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{parcel.number}\n")
        if parcel.number in self.broken:
            raise ZeroDivisionError("the fake\nis broken")
        if parcel.number in self.unusable:
            return ParcelEstimate(parcel.number, "failed", "too few voxels", parcel.positions)
        total = parcel.bold.sum(axis=0, dtype=np.float64)
        return ParcelEstimate(
            parcel.number,
            "ok",
            "",
            parcel.positions,
            summary={"free_energy": float(total.sum()), "fwhm": float("nan"), "n_iterations": 3.0},
            conditions={"mean_active": total[:1] / 3, "beta": np.array([np.inf])},
            hrf={"time": np.arange(4.0), "hrf": parcel.bold[:4, 0].astype(np.float64)},
            maps={("nrl", "a b"): total.astype(np.float32), ("ppm", "é"): np.float32(total) * 0.1},
            trace=np.array([1.0, -0.0, parcel.number / 7]),
        )


class Answering:
    """A shell that answers every command in the same way, and notes the commands."""

    def __init__(self, answer: Reply, commands: list[str] | None = None) -> None:
        self.answer, self.commands = answer, [] if commands is None else commands

    async def run(self, command: str, **_: object) -> Reply:
        self.commands.append(command)
        return self.answer

    def ask(self, what: Callable[[Answering], Coroutine[object, object, T]]) -> T:
        """Do as `ClusterFolder.ask` does."""
        return asyncio.run(what(self))


def assert_same_estimate(one: ParcelEstimate, other: ParcelEstimate) -> None:
    """Same keys in the same order, and the same bits."""
    assert (one.parcel, one.status, one.reason) == (other.parcel, other.status, other.reason)
    assert list(one.summary) == list(other.summary)
    for name in one.summary:
        _assert_same_bits(np.float64(one.summary[name]), np.float64(other.summary[name]))
    _assert_same_bits(one.positions, other.positions)
    _assert_same_bits(one.trace, other.trace)
    for group in ("conditions", "hrf", "courses", "maps", "trials"):
        ours, theirs = getattr(one, group), getattr(other, group)
        assert list(ours) == list(theirs)
        for name in ours:
            _assert_same_bits(ours[name], theirs[name])


def _assert_same_bits(one: np.ndarray, other: np.ndarray) -> None:
    one, other = np.asarray(one), np.asarray(other)
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()
