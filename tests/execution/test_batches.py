"""Batches hold every parcel once, are of bounded cost, and the longest come first."""

from __future__ import annotations

import pytest
from execution_fakes import ids
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.data import ParcelId
from pyhrf.execution.batches import make_batches, study_by_study

costs_by_number = st.dictionaries(
    st.integers(1, 1000).map(lambda number: ParcelId(number % 3, number)),
    st.floats(1e-4, 100, allow_nan=False),
    max_size=60,
)


@given(costs_by_number, st.floats(0.01, 10), st.integers(1, 9))
def test_make_batches__every_parcel_once_and_longest_first(costs, target, n_workers):
    batches = make_batches(costs, target_cost=target, n_workers=n_workers)
    assert sorted(n for batch in batches for n in batch.parcels) == sorted(costs)
    assert [batch.number for batch in batches] == list(range(len(batches)))
    assert [b.cost for b in batches] == sorted((b.cost for b in batches), reverse=True)
    for batch in batches:
        assert batch.cost == pytest.approx(sum(costs[n] for n in batch.parcels))
        assert batch.cost <= target * (1 + 1e-6) or len(batch.parcels) == 1
        between = [n for n in costs if batch.parcels[0] <= n <= batch.parcels[-1]]
        assert list(batch.parcels) == sorted(between), "neighbours in number stay together"


def test_make_batches__fills_the_target():
    batches = make_batches(dict.fromkeys(ids(*range(1, 1001)), 0.01), target_cost=0.5, n_workers=2)
    assert {len(batch.parcels) for batch in batches} == {50}


@pytest.mark.parametrize("n_workers", [1, 2, 8])
def test_make_batches__short_work_still_occupies_every_worker(n_workers):
    costs = dict.fromkeys(ids(*range(1, 501)), 0.0001)
    batches = make_batches(costs, target_cost=0.5, n_workers=n_workers)
    assert 4 * n_workers <= len(batches) <= 5 * n_workers


def test_make_batches__six_equal_parcels_are_shared_out():
    assert (
        len(make_batches(dict.fromkeys(ids(*range(1, 7)), 1.0), target_cost=10, n_workers=2)) == 6
    )


def test_make_batches__nothing_to_do():
    assert make_batches({}, target_cost=1.0, n_workers=2) == []


def test_study_by_study__one_after_the_other_the_longest_first():
    costs = dict(zip(ids(1, 2, 3), (1.0, 5.0, 1.0), strict=True))
    costs |= dict(zip(ids(7, 120, study=1), (9.0, 1.0), strict=True))
    batches = study_by_study(costs, target_cost=2.0, n_workers=1)
    names = [" ".join(map(str, batch.parcels)) for batch in batches]
    assert names == ["2", "1", "3", "1.7", "1.120"]
    assert [batch.number for batch in batches] == [0, 1, 2, 3, 4]
    assert sum(batch.cost for batch in batches) == 17.0


@given(st.lists(st.floats(1e-4, 100), max_size=60), st.floats(0.01, 10), st.integers(1, 9))
def test_study_by_study__of_one_study_are_the_batches_of_all(seconds, target, n_workers):
    costs = dict(zip(ids(*range(1, len(seconds) + 1)), seconds, strict=True))
    wanted = make_batches(costs, target_cost=target, n_workers=n_workers)
    assert study_by_study(costs, target_cost=target, n_workers=n_workers) == wanted
