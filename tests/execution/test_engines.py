"""Every engine gives the same estimates, survives broken parcels and stops when it is told to."""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, ids, load, make_parcels, only
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_info

from pyhrf.data import ParcelEstimate
from pyhrf.errors import InputError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Batch, is_internal_error, work_batch
from pyhrf.execution.journal import Journal
from pyhrf.execution.local import LocalEngine, n_usable_cores
from pyhrf.execution.runner import run_batches
from pyhrf.execution.serial import SerialEngine
from pyhrf.execution.together import Journals

ENGINES = [SerialEngine, LocalEngine, lambda: LocalEngine(5, niceness=0)]
each_engine = pytest.mark.parametrize("make_engine", ENGINES, ids=["serial", "local", "local-5"])


def one_parcel_batches(numbers):
    return [Batch(i, ids(number), 1.0) for i, number in enumerate(numbers)]


def wait_for(condition):
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.01)


def worker_threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("pyhrf-")]


@each_engine
def test_engine__does_every_batch_once(make_engine):
    batches = make_batches(dict.fromkeys(ids(*range(1, 101)), 0.01), target_cost=0.05, n_workers=2)
    results = list(make_engine().run(batches, load=load, studies=only(FakeEstimator())))
    assert sorted(result.batch.number for result in results) == list(range(len(batches)))
    for result in results:
        assert result.batch == batches[result.batch.number]
        assert ids(*(e.parcel for e in result.estimates)) == result.batch.parcels
        assert result.host == platform.node()
        assert result.seconds > 0


@each_engine
def test_engine__nothing_to_do(make_engine):
    assert list(make_engine().run([], load=load, studies=only(FakeEstimator()))) == []


@settings(max_examples=25)
@given(
    numbers=st.sets(st.integers(1, 10_000), min_size=1, max_size=25),
    target=st.floats(0.5, 30),
    order=st.randoms(use_true_random=False),
    make_engine=st.sampled_from(ENGINES),
    killed_after=st.integers(0, 25),
)
def test_engine__result_does_not_depend_on_engine_batches_order_or_resume(
    numbers, target, order, make_engine, killed_after
):
    estimator = FakeEstimator()
    with tempfile.TemporaryDirectory() as folder:
        for n_more in (killed_after, len(numbers)):
            with Journal(Path(folder), {}) as journal:
                todo = sorted(numbers - journal.done())[:n_more]
                batches = make_batches(
                    dict.fromkeys(ids(*todo), 1.0), target_cost=target, n_workers=2
                )
                order.shuffle(batches)
                run_batches(
                    make_engine(), batches, Journals([journal]), load=load, studies=only(estimator)
                )
        with Journal(Path(folder), {}) as journal:
            found = journal.estimates()
    assert list(found) == sorted(numbers)
    for parcel in make_parcels(*sorted(numbers)):
        assert_same_estimate(found[parcel.number], estimator.fit_parcel(parcel))


@each_engine
def test_engine__one_broken_parcel_does_not_touch_the_others(make_engine, caplog):
    estimator = FakeEstimator(broken=[2], unusable=[3])
    (result,) = make_engine().run(
        [Batch(0, ids(1, 2, 3, 4), 1.0)], load=load, studies=only(estimator)
    )
    assert [e.status for e in result.estimates] == ["ok", "failed", "failed", "ok"]
    broken, unusable = result.estimates[1:3]
    assert broken.reason == (
        "internal error: ZeroDivisionError: the fake is broken (traceback in the log)"
    )
    assert is_internal_error(broken)
    assert not is_internal_error(unusable)
    np.testing.assert_array_equal(broken.positions, make_parcels(2)[0].positions)
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert "parcel 2" in record.message
    assert "fit_parcel" in caplog.text, "the traceback is logged"


def test_work_batch__estimate_of_another_parcel_is_an_internal_error():
    class Confused(FakeEstimator):
        def fit_parcel(self, parcel):
            return ParcelEstimate(99, "ok", "", parcel.positions)

    result = work_batch(Batch(0, ids(1), 1.0), load, only(Confused()))
    assert result.estimates[0].parcel == 1
    assert "answered for parcel 99" in result.estimates[0].reason


def test_work_batch__other_parcels_than_asked_for():
    with pytest.raises(RuntimeError, match="other parcels"):
        work_batch(Batch(0, ids(1, 2), 1.0), lambda _: make_parcels(2, 1), only(FakeEstimator()))


@each_engine
def test_engine__error_while_loading_ends_the_run(make_engine):
    def fail(numbers):
        raise InputError("bold.nii.gz is cut off")

    with pytest.raises(InputError, match="cut off"):
        list(
            make_engine().run(one_parcel_batches([1, 2]), load=fail, studies=only(FakeEstimator()))
        )
    wait_for(lambda: not worker_threads())


@each_engine
def test_engine__one_blas_thread_while_it_runs_and_as_before_after(make_engine):
    def n_threads():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    before, seen = n_threads(), []
    estimator = FakeEstimator(before=lambda _: seen.append(n_threads()))
    list(make_engine().run(one_parcel_batches([1]), load=load, studies=only(estimator)))
    assert set(seen[0]) <= {1}
    assert n_threads() == before


@each_engine
def test_engine__closing_stops_the_work(make_engine):
    worked_on = []
    estimator = FakeEstimator(seconds=0.02, before=worked_on.append)
    engine = make_engine()
    run = engine.run(one_parcel_batches(range(1, 1001)), load=load, studies=only(estimator))
    next(run)
    run.close()
    wait_for(lambda: not worker_threads())
    assert len(worked_on) <= 2 * engine.n_workers + 1


@each_engine
def test_engine__never_runs_far_ahead_of_its_consumer(make_engine):
    worked_on = []
    engine = make_engine()
    estimator = FakeEstimator(before=worked_on.append)
    run = engine.run(one_parcel_batches(range(1, 101)), load=load, studies=only(estimator))
    for n_taken in range(1, 6):
        next(run)
        time.sleep(0.02)
        assert len(worked_on) <= n_taken + 2 * engine.n_workers
    run.close()


def test_local__works_on_several_batches_at_once():
    barrier = threading.Barrier(3, timeout=10)
    estimator = FakeEstimator(before=lambda _: barrier.wait())
    results = LocalEngine(3).run(one_parcel_batches([1, 2, 3]), load=load, studies=only(estimator))
    assert all(result.estimates[0].status == "ok" for result in results)


def test_local__interrupted_batch_yields_the_part_that_is_done():
    started = threading.Event()
    go_on = threading.Event()

    def before(number):
        if number == 3:
            started.set()
            go_on.wait(10)

    batches = [Batch(0, ids(1, 2, 3, 4), 4.0), Batch(1, ids(5), 1.0), Batch(2, ids(6), 1.0)]
    run = LocalEngine(2).run(batches, load=load, studies=only(FakeEstimator(before=before)))
    first = next(run)
    assert first.batch.parcels == ids(5)
    started.wait(10)
    threading.Timer(0.1, go_on.set).start()
    done = {*ids(5), *run.throw(KeyboardInterrupt()).batch.parcels}

    def take_the_rest():
        for result in run:
            done.update(result.batch.parcels)

    with pytest.raises(KeyboardInterrupt):
        take_the_rest()
    assert {*ids(1, 2, 3, 5)} <= done
    assert not done.intersection(ids(4))


def test_local__interrupt_does_not_wait_for_a_long_parcel():
    estimator = FakeEstimator(seconds=60)
    batches = [Batch(0, ids(1), 1.0), Batch(1, ids(2), 1.0)]
    run = LocalEngine(1).run(batches, load=load, studies=only(estimator))
    main = threading.Timer(0.2, lambda: os.kill(os.getpid(), 2))
    main.start()
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        next(run)
    assert time.monotonic() - start < 20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a niceness of threads")
def test_local__workers_are_nice_but_this_thread_is_not():
    seen = []
    before = os.getpriority(os.PRIO_PROCESS, 0)
    estimator = FakeEstimator(before=lambda _: seen.append(os.getpriority(os.PRIO_PROCESS, 0)))
    engine = LocalEngine(2, niceness=7)
    list(engine.run(one_parcel_batches(range(1, 9)), load=load, studies=only(estimator)))
    assert set(seen) == {min(before + 7, 19)}
    assert os.getpriority(os.PRIO_PROCESS, 0) == before


def test_local__uses_the_cores_that_it_may_use():
    assert LocalEngine().n_workers == n_usable_cores() >= 1
    assert LocalEngine(7).n_workers == 7
    if sys.platform == "linux":
        allowed = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(allowed)})
            assert LocalEngine().n_workers == 1
        finally:
            os.sched_setaffinity(0, allowed)
