"""The studies of a run: each parcel goes to the data, the estimator and the journal of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

import numpy as np
import pytest
from execution_fakes import FakeEstimator, ids, load, make_parcel

from pyhrf.data import Events, Experiment, Parcel, ParcelId, Run
from pyhrf.errors import InputError
from pyhrf.estimators.glm import GLM
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.journal import Journal
from pyhrf.execution.recipe import to_recipe
from pyhrf.execution.result_files import pack_result, unpack_result
from pyhrf.execution.studies import Studies, packed_recipe
from pyhrf.execution.together import Journals, Loads


def load_numbers(numbers: Sequence[int]) -> list[Parcel]:
    return [make_parcel(number) for number in numbers]


@pytest.mark.parametrize(
    ("parcels", "said"),
    [
        (ids(120, study=1), "parcel 120 of sub-02"),
        (ids(1, 3), "parcels 1, 3 of sub-01"),
        (ids(3) + ids(7, study=1), "parcels 3 of sub-01 and 7 of sub-02"),
    ],
)
def test_studies__name_parcels(parcels, said):
    assert Studies(["", ""], ["sub-01", "sub-02"]).called(parcels) == said


def test_studies__a_single_one_has_no_name():
    studies = Studies([FakeEstimator()])
    assert studies.called(ids(3)) == "parcel 3"
    assert studies.called(ids(3, 4)) == "parcels 3, 4"


@pytest.mark.parametrize("parcel", [ParcelId(0, 225), ParcelId(12, 7)])
def test_parcel_id__is_read_as_it_is_written(parcel):
    assert ParcelId.parse(str(parcel)) == parcel


@pytest.mark.parametrize("text", ["", "1.", "a.7", "seven"])
def test_parcel_id__refuses_what_is_none(text):
    with pytest.raises(ValueError, match="invalid literal"):
        ParcelId.parse(text)


def glm(n_scans: int) -> GLM:
    events = Events(np.array([4.0, 16.0]), np.array([2.0, 2.0]), np.ones(2))
    return GLM(Experiment(("a",), (Run(n_scans, 1.0, {"a": events}),)))


def test_studies__each_parcel_is_estimated_by_that_of_its_study():
    studies = Studies([packed_recipe(glm(n)) for n in (40, 50)], ["a", "b"])
    bold = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    parcel = Parcel(7, bold, np.zeros((0, 2), np.int32), np.arange(4))
    alone = glm(50).fit_parcel(parcel)
    batch = Batch(0, ids(7, study=1), 1.0)
    for each in (studies, Studies.from_json(studies.to_json())):
        (found,) = work_batch(batch, lambda _: [parcel], each).estimates
        assert found.parcel == 7
        assert found.status == alone.status == "ok"
        for name, values in alone.maps.items():
            np.testing.assert_array_equal(found.maps[name], values)


def test_studies__a_single_one_is_sent_as_its_recipe():
    studies = Studies([glm(40)])
    assert studies.to_json() == to_recipe(glm(40))
    assert to_recipe(Studies.from_json(studies.to_json()).estimator(0)) == to_recipe(glm(40))


def test_result__of_several_studies_is_read_as_it_was_written():
    parcels = (*ids(3, 5), *ids(3, study=1))
    result = work_batch(Batch(0, parcels, 0.0), load, Studies([FakeEstimator()] * 2, ["a", "b"]))
    back = unpack_result(pack_result(result, "digest"), "digest")
    assert back is not None
    assert back.batch.parcels == parcels
    assert [estimate.parcel for estimate in back.estimates] == [3, 5, 3]


def test_loads__keep_two_studies_open():
    opened = []

    def open_study(place: int):
        opened.append(place)
        return load_numbers

    loads = Loads(3, open_study)
    parcels = loads([*ids(1), *ids(1, study=1), *ids(2)])
    assert [parcel.number for parcel in parcels] == [1, 1, 2]
    np.testing.assert_array_equal(parcels[1].bold, make_parcel(1).bold)
    assert opened == [0, 1]
    loads(ids(1, study=2))  # the one that was used longest ago has to go
    loads(ids(1))
    assert opened == [0, 1, 2]
    loads(ids(1, study=1))
    assert opened == [0, 1, 2, 1]


def test_loads__a_study_that_cannot_be_read_gives_empty_parcels():
    def open_study(place: int):
        if place == 0:
            raise InputError("damaged")
        return load_numbers

    loads = Loads(2, open_study)
    parcels = (*ids(1, 2), *ids(1, study=1))
    one, other, last = loads(parcels)
    assert (one.positions.size, other.number, last.positions.size) == (0, 2, 2)
    assert {place: str(error) for place, error in loads.broken.items()} == {0: "damaged"}
    result = work_batch(Batch(0, parcels, 1.0), loads, Studies([FakeEstimator()] * 2, ["a", "b"]))
    assert [estimate.status for estimate in result.estimates] == ["failed", "failed", "ok"]


def test_loads__open_a_study_once_for_many_threads():
    opened, barrier = [], threading.Barrier(4)

    def open_study(place: int):
        opened.append(place)
        return load_numbers

    loads = Loads(1, open_study)

    def work() -> None:
        barrier.wait()
        loads(ids(1))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert opened == [0]


def test_journals__keep_each_estimate_in_the_journal_of_its_study(tmp_path):
    completed = []
    with Journal(tmp_path / "a", {}) as one, Journal(tmp_path / "b", {}) as other:
        journals = Journals(
            [one, other],
            folder=tmp_path / "out" / ".journal" / "run-1",
            waiting=[[1, 2], [1, 9]],
            complete=completed.append,
        )
        assert journals.directory == tmp_path / "out"
        parcels = (*ids(1, 2), *ids(1, study=1))
        studies = Studies([FakeEstimator()] * 2, ["a", "b"])
        journals.add(work_batch(Batch(0, parcels, 1.0), load, studies))
        assert (one.done(), other.done()) == ({1, 2}, {1})
        assert journals.done() == set(parcels)
    assert completed == [0]


class BrokenEstimator(FakeEstimator):
    def __init__(self, broken: Sequence[int] = ()) -> None:
        super().__init__(broken=broken)

    def recipe(self) -> dict[str, object]:
        return {"broken": list(self.broken)}


def test_work_batch__an_internal_error_is_logged_with_its_study(caplog):
    studies = Studies([packed_recipe(BrokenEstimator([7]))] * 2, ["one", "two"])
    logging.getLogger("pyhrf").propagate = True
    result = work_batch(Batch(0, ids(6, 7, study=1), 1.0), load, studies)
    fine, estimate = result.estimates
    assert fine.status == "ok"
    assert (estimate.parcel, estimate.status) == (7, "failed")
    assert "the fake is broken" in estimate.reason
    assert "parcel 7 of two: the estimator fake failed" in caplog.text
