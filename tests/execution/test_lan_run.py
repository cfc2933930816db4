"""How batches are handed out and how failures are met, without any host or server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import ClassVar

import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, ids, load, make_parcels, only

from pyhrf.config.settings import LanSettings
from pyhrf.data import ParcelId
from pyhrf.errors import ConfigError, EngineError, InputError
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.extras import EXTRAS
from pyhrf.execution.packing import unpack_parcels
from pyhrf.execution.result_files import pack_result

pytest.importorskip("distributed", reason="the extra lan is not installed")
pytest.importorskip("asyncssh", reason="the extra lan is not installed")

from pyhrf.execution.dask import run as dask_run
from pyhrf.execution.dask.pool import WorkerDiedError
from pyhrf.execution.lan import run as lan_run
from pyhrf.execution.lan.engine import LanEngine
from pyhrf.execution.ssh.refusals import HostError


class FakePool:
    """Works in this process; some parcels kill it, others make it raise."""

    port, pem, run, dashboard = 1, {}, "r1", "http://127.0.0.1:1/status"

    def __init__(self):
        self.estimator = FakeEstimator()
        self.killers = set()
        self.raising = Counter()
        self.about = {}
        self.seconds = 0.0
        self.n_in_flight = self.most = self.most_bytes = self.n_bytes = 0
        self.calls = []

    async def estimate(self, blob):
        self.n_in_flight += 1
        self.n_bytes += len(blob)
        self.most = max(self.most, self.n_in_flight)
        self.most_bytes = max(self.most_bytes, self.n_bytes)
        try:
            await asyncio.sleep(self.seconds)
            return self.work(unpack_parcels(blob))
        finally:
            self.n_in_flight -= 1
            self.n_bytes -= len(blob)

    def work(self, parcels):
        numbers = tuple(parcel.number for parcel in parcels)
        self.calls.append(numbers)
        if self.killers & set(numbers):
            raise WorkerDiedError("its worker died each time")
        for number in numbers:
            if self.raising[number]:
                self.raising[number] -= 1
                raise MemoryError("none left")
        found = list(parcels.values())
        result = work_batch(Batch(0, tuple(parcels), 0.0), lambda _: found, only(self.estimator))
        result = replace(result, host=f"h{numbers[0] % 2}", seconds=0.5)
        return pack_result(result, "", self.about)


class FakeHost:
    """Is up at once, unless its name says what is wrong with it."""

    ended: ClassVar[list] = []

    def __init__(self, name, n_slots, *, meeting, tell):
        self.name, self.n_slots, self.tell = name, n_slots, tell
        self.up, self.was_up, self.error = False, False, None
        self.tried = asyncio.Event()

    async def serve(self, changed):
        if self.name.startswith("bad"):
            self.error = HostError(self.name, "it is bad", "make it good")
            self.tell(str(self.error))
        else:
            self.up = True
        self.tried.set()
        changed()

    async def end(self, *, remove, arrived):
        self.ended.append((self.name, remove, sorted(arrived)))


@pytest.fixture
def pool(monkeypatch):
    pool = FakePool()

    @contextlib.asynccontextmanager
    async def open_pool(job, *, addresses, joined, lost):
        yield pool

    monkeypatch.setattr(dask_run, "open_pool", open_pool)
    monkeypatch.setattr(lan_run, "Host", FakeHost)
    monkeypatch.setattr(FakeHost, "ended", [])
    return pool


def make_engine(hosts="h1,h1,h2", told=None):
    return LanEngine(LanSettings(hosts=hosts), tell=[].append if told is None else told.append)


def batches_of(n, size):
    numbers = range(1, n + 1)
    return [Batch(i, ids(*numbers[i : i + size]), 1.0) for i in range(0, n, size)]


def estimates(engine, batches, load=load):
    found = {}
    for result in engine.run(batches, load=load, studies=only(FakeEstimator())):
        assert ids(*(e.parcel for e in result.estimates)) == result.batch.parcels
        for estimate in result.estimates:
            assert estimate.parcel not in found
            found[estimate.parcel] = estimate
    return found


def test_lan__delivers_every_parcel_once_and_unchanged(pool):
    found = estimates(make_engine(), batches_of(41, 3))
    assert sorted(found) == list(range(1, 42))
    for parcel in make_parcels(*range(1, 42)):
        assert_same_estimate(found[parcel.number], FakeEstimator().fit_parcel(parcel))


def test_lan__bounds_what_is_under_way_by_slots(pool):
    pool.seconds = 0.01
    estimates(make_engine("h1,h1,h2"), batches_of(40, 1))
    assert 3 <= pool.most <= 6


def test_lan__bounds_what_is_under_way_by_bytes(pool, monkeypatch):
    pool.seconds = 0.01
    monkeypatch.setattr(dask_run, "_MAX_BYTES", 3000)
    estimates(make_engine("h1,h1,h1,h1"), batches_of(30, 1))
    assert pool.most_bytes < 3000 + 2000


def test_lan__complains_of_nothing_that_is_left_behind_at_its_end(pool, monkeypatch, caplog):
    """distributed leaves a future behind whose time was up as its loop ended."""
    left = []

    def work(parcels):
        left.append(asyncio.get_running_loop().create_future())
        left[-1].set_exception(TimeoutError("Timeout"))
        return FakePool.work(pool, parcels)

    monkeypatch.setattr(pool, "work", work)
    estimates(make_engine(), batches_of(3, 1))
    assert len(left) == 3
    left.clear()
    gc.collect()
    assert [record for record in caplog.records if record.levelname != "DEBUG"] == []


def test_lan__waits_for_a_slow_consumer(pool):
    """Results that nobody takes do not pile up."""
    engine = make_engine("h1")
    run = engine.run(batches_of(40, 1), load=load, studies=only(FakeEstimator()))
    next(run)
    time.sleep(0.3)
    assert len(pool.calls) <= 4
    run.close()


def test_lan__parcel_that_kills_its_worker_fails_alone(pool):
    pool.killers = {5}
    told = []
    found = estimates(make_engine(told=told), batches_of(12, 4))
    assert sorted(found) == list(range(1, 13))
    failed = {n: e.reason for n, e in found.items() if e.status == "failed"}
    assert list(failed) == [5]
    assert failed[5].startswith("internal error: its worker died each time: perhaps out of memory")
    assert pool.calls.count((5,)) == 2
    assert any("parcel 5 is given up" in text for text in told)


def test_lan__tells_once_what_the_workers_of_a_host_say_of_it(pool):
    pool.about = {"notes": "no room\nno home"}
    told = []
    estimates(make_engine(told=told), batches_of(12, 1))
    expected = [f"host {host}: {note}" for host in ("h0", "h1") for note in ("no home", "no room")]
    assert sorted(text for text in told if ": no " in text) == expected


def test_lan__tries_again_what_raised(pool):
    pool.raising[7] = 2
    found = estimates(make_engine(), batches_of(12, 4))
    assert {e.status for e in found.values()} == {"ok"}


def test_lan__gives_up_what_raises_again_and_again(pool):
    pool.raising[7] = 99
    found = estimates(make_engine(), batches_of(12, 4))
    assert [n for n, e in found.items() if e.status == "failed"] == [7]
    assert found[7].reason == "internal error: MemoryError: none left"


def test_lan__error_of_the_data_ends_the_run(pool):
    def load_some(numbers):
        if ParcelId(0, 9) in numbers:
            raise InputError("bold.nii.gz: cut off")
        return load(numbers)

    with pytest.raises(InputError, match="cut off"):
        estimates(make_engine(), batches_of(12, 1), load=load_some)
    assert FakeHost.ended
    assert not any(remove for _, remove, _ in FakeHost.ended)


def test_lan__removes_what_is_kept_on_hosts_only_after_success(pool):
    estimates(make_engine(), batches_of(3, 1))
    assert {name: remove for name, remove, _ in FakeHost.ended} == {"h1": True, "h2": True}


def test_lan__bad_hosts_are_named_and_left_out(pool):
    told = []
    found = estimates(make_engine("bad1,h1,bad2", told), batches_of(3, 1))
    assert len(found) == 3
    for name in ("bad1", "bad2"):
        assert f"host {name}: it is bad; make it good; the run continues without it" in told
    assert "hosts and their job slots: h1 (1)" in told


def test_lan__all_hosts_bad_is_an_error_that_names_each(pool):
    told = []
    with pytest.raises(EngineError, match=r"no host .* can be used") as caught:
        estimates(make_engine("bad1,bad2", told), batches_of(3, 1))
    assert "host bad1: it is bad; make it good" in str(caught.value)
    assert "host bad2: it is bad; make it good" in str(caught.value)
    assert told == []


def test_lan__interrupt_yields_what_has_arrived_then_stops(pool):
    run = make_engine("h1,h1").run(batches_of(100, 1), load=load, studies=only(FakeEstimator()))
    first = next(run)
    time.sleep(0.2)  # for more results to wait
    second = run.throw(KeyboardInterrupt())
    assert second.batch != first.batch
    with pytest.raises(KeyboardInterrupt):
        list(run)
    assert not any(thread.name == "pyhrf-lan" for thread in threading.enumerate())
    assert FakeHost.ended
    assert not any(remove for _, remove, _ in FakeHost.ended)


def test_lan__close_ends_the_thread_at_once(pool):
    run = make_engine().run(batches_of(5, 1), load=load, studies=only(FakeEstimator()))
    next(run)
    pool.seconds = 60
    start = time.monotonic()
    run.close()
    assert time.monotonic() - start < 5
    assert not any(thread.name == "pyhrf-lan" for thread in threading.enumerate())


def test_lan__nothing_to_do_starts_nothing(pool):
    assert estimates(make_engine(), []) == {}
    assert FakeHost.ended == []


def test_lan__says_which_package_is_missing(monkeypatch):
    monkeypatch.setitem(EXTRAS, "lan", ("distributed", "nonsuch_package"))
    with pytest.raises(EngineError, match=r"nonsuch_package.*pip install 'pyhrf\[lan\]'"):
        make_engine()


def test_lan__needs_a_host(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        make_engine(str(tmp_path / "hosts"))
