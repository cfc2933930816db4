"""The adapters by which an engine works on the parcels of many studies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from execution_fakes import FakeEstimator, load, make_parcel
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.data import Events, Experiment, Run
from pyhrf.errors import InputError
from pyhrf.estimators.glm import GLM
from pyhrf.execution.recipe import from_recipe, to_recipe
from pyhrf.execution.together import (
    EstimatorOfAll,
    LoadOfAll,
    Numbering,
    batches_of_all,
    packed_recipe,
)
from pyhrf.notices import OfParcels

NUMBERS = Numbering.of({"sub-01": [1, 2, 3], "sub-02": [7, 120], "sub-03": []})


@given(st.lists(st.lists(st.integers(1, 10**6), min_size=1), min_size=1, max_size=9))
def test_numbering__is_unique_and_can_be_undone(parcels):
    numbering = Numbering.of({str(i): numbers for i, numbers in enumerate(parcels)})
    places = {(i, number) for i, numbers in enumerate(parcels) for number in numbers}
    whole = {numbering.whole(*place) for place in places}
    assert len(whole) == len(places)
    assert {numbering.split(number) for number in whole} == places


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (OfParcels([2120], " is given up: it died"), "parcel 120 of sub-02 is given up: it died"),
        (OfParcels([1001, 1003], ": tried again"), "parcels 1, 3 of sub-01: tried again"),
        (OfParcels([1003, 2007], ": out"), "parcels 3 of sub-01 and 7 of sub-02: out"),
        ("parcel 2120 of a sentence of anyone", "parcel 2120 of a sentence of anyone"),
    ],
)
def test_numbering__says_the_numbers_of_the_studies(said, heard):
    assert NUMBERS.said(said) == heard


def test_batches_of_all__study_after_study_the_longest_first():
    costs = [{1: 1.0, 2: 5.0, 3: 1.0}, {7: 9.0, 120: 1.0}, {}]
    batches = batches_of_all(costs, NUMBERS, target_cost=2.0, n_workers=1)
    assert [batch.parcels for batch in batches] == [(1002,), (1001,), (1003,), (2007,), (2120,)]
    assert [batch.number for batch in batches] == [0, 1, 2, 3, 4]
    assert sum(batch.cost for batch in batches) == 17.0


def glm(n_scans: int) -> GLM:
    events = Events(np.array([4.0, 16.0]), np.array([2.0, 2.0]), np.ones(2))
    return GLM(Experiment(("a",), (Run(n_scans, 1.0, {"a": events}),)))


def test_estimator_of_all__estimates_as_that_of_the_study():
    of_all = EstimatorOfAll([packed_recipe(glm(n)) for n in (40, 50)], ["a", "b"], 1000)
    bold = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    edges, positions = np.zeros((0, 2), np.int32), np.arange(4)
    parcel = make_parcel(7)
    mine = type(parcel)(7, bold, edges, positions)
    alone = glm(50).fit_parcel(mine)
    for estimator in (of_all, from_recipe(to_recipe(of_all))):
        found = estimator.fit_parcel(type(parcel)(2007, bold, edges, positions))
        assert found.parcel == 2007
        assert found.status == alone.status == "ok"
        for name, values in alone.maps.items():
            np.testing.assert_array_equal(found.maps[name], values)


def test_load_of_all__keeps_two_studies_open():
    opened = []

    def open_study(place: int):
        opened.append(place)
        return load

    numbering = Numbering.of({name: [1, 2] for name in "abc"})
    load_all = LoadOfAll(numbering, open_study)
    parcels = load_all([11, 21, 12])
    assert [parcel.number for parcel in parcels] == [11, 21, 12]
    np.testing.assert_array_equal(parcels[1].bold, make_parcel(1).bold)
    assert opened == [0, 1]
    load_all([31])  # the one that was used longest ago has to go
    load_all([11])
    assert opened == [0, 1, 2]
    load_all([21])
    assert opened == [0, 1, 2, 1]


def test_load_of_all__a_study_that_cannot_be_read_gives_empty_parcels():
    def open_study(place: int):
        if place == 0:
            raise InputError("damaged")
        return load

    load_all = LoadOfAll(Numbering.of({"a": [1, 2], "b": [1]}), open_study)
    one, other, last = load_all([11, 12, 21])
    assert (one.positions.size, other.number, last.positions.size) == (0, 12, 2)
    assert {place: str(error) for place, error in load_all.broken.items()} == {0: "damaged"}
    estimate = EstimatorOfAll(["", ""], ["a", "b"], 10).fit_parcel(one)
    assert (estimate.status, estimate.parcel) == ("failed", 11)


def test_load_of_all__opens_a_study_once_for_many_threads():
    opened, barrier = [], threading.Barrier(4)

    def open_study(place: int):
        opened.append(place)
        return load

    load_all = LoadOfAll(Numbering.of({"a": [1]}), open_study)

    def work() -> None:
        barrier.wait()
        load_all([11])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [0]


class BrokenEstimator(FakeEstimator):
    def __init__(self, broken: Sequence[int] = ()) -> None:
        super().__init__(broken=broken)

    def recipe(self) -> dict[str, object]:
        return {"broken": list(self.broken)}


def test_estimator_of_all__an_internal_error_is_logged_with_its_study(caplog):
    of_all = EstimatorOfAll([packed_recipe(BrokenEstimator([7]))] * 2, ["one", "two"], 10)
    logging.getLogger("pyhrf").propagate = True
    estimate = of_all.fit_parcel(replace(make_parcel(7), number=27))
    assert (estimate.parcel, estimate.status) == (27, "failed")
    assert "the fake is broken" in estimate.reason
    assert "parcel 7 of two: the estimator fake failed" in caplog.text
    assert of_all.fit_parcel(replace(make_parcel(6), number=26)).status == "ok"
