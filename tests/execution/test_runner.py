"""What is finished is kept, whatever ends a run, and is never done again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path

import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, ids, load, make_parcels, only

from pyhrf.data import ParcelId
from pyhrf.errors import EngineError, InputError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Batch, Engine, work_batch
from pyhrf.execution.journal import Journal
from pyhrf.execution.local import LocalEngine
from pyhrf.execution.runner import Interrupted, run_batches
from pyhrf.execution.serial import SerialEngine
from pyhrf.execution.together import Journals

SCRIPT = Path(__file__).with_name("interruptible_run.py")
BATCHES = [Batch(i, ids(2 * i + 1, 2 * i + 2), 1.0) for i in range(5)]
N_PARCELS = 60
SECONDS = 0.1  # long enough for a busy machine: a test ends most runs early


@contextlib.contextmanager
def running(directory, engine, *, n_parcels=N_PARCELS, seconds=SECONDS):
    """A run in a child process, given once it has kept its first batch."""
    command = [sys.executable, SCRIPT, directory, engine, str(n_parcels), str(seconds)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            deadline = time.monotonic() + 30
            while not list((directory / ".journal").glob("*.npz")):
                assert child.poll() is None, child.stderr.read()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            yield child
        finally:
            child.kill()


def finish(directory, engine, *, n_parcels=N_PARCELS):
    command = [sys.executable, SCRIPT, directory, engine, str(n_parcels), "0"]
    subprocess.run(command, check=True)


def kept(directory):
    with Journal(directory, {"study": "1"}) as journal:
        assert journal.notes == []
        return journal.done()


def worked_on(directory):
    log = directory.with_name("worked_on.txt").read_text()
    return Counter(int(line) for line in log.split())


def assert_all_estimated(directory, *, n_parcels=N_PARCELS):
    with Journal(directory, {"study": "1"}) as journal:
        found = journal.estimates()
    assert list(found) == list(range(1, n_parcels + 1))
    for parcel in make_parcels(*found):
        assert_same_estimate(found[parcel.number], FakeEstimator().fit_parcel(parcel))


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_run_batches__killed_halfway_redoes_no_finished_parcel(tmp_path, engine):
    directory = tmp_path / "out"
    with running(directory, engine) as child:
        time.sleep(0.2)
        child.kill()
    before = kept(directory)
    assert 0 < len(before) < N_PARCELS
    finish(directory, "local" if engine == "serial" else "serial")
    assert_all_estimated(directory)
    counts = worked_on(directory)
    assert all(counts[number] == 1 for number in before)


@pytest.mark.parametrize("engine", ["serial", "local"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_run_batches__signal_stops_within_seconds_and_says_how_to_resume(tmp_path, engine, number):
    directory = tmp_path / "out"
    with running(directory, engine) as child:
        child.send_signal(number)
        assert child.wait(20) == 130
        text = child.stderr.read()
    before = kept(directory)
    assert 0 < len(before) < N_PARCELS
    assert text == (
        f"interrupted: {len(before)} of {N_PARCELS} parcels are done and kept in {directory}; "
        "make the same call again to continue\n"
    )
    finish(directory, engine)
    assert_all_estimated(directory)
    assert all(worked_on(directory)[number] == 1 for number in before)


def test_run_batches__local_keeps_every_parcel_that_was_finished_before_ctrl_c(tmp_path):
    directory = tmp_path / "out"
    with running(directory, "local") as child:
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    assert set(worked_on(directory)) == kept(directory)


class InterruptedAt(list):
    """Batches of which the n-th is never given: Ctrl-C comes instead."""

    def __init__(self, batches, n):
        super().__init__(batches)
        self.n = n

    def __iter__(self):
        yield from self[: self.n]
        raise KeyboardInterrupt


@pytest.mark.parametrize("n", [2, 3, 4])
def test_run_batches__ctrl_c_between_a_result_and_the_journal_loses_nothing(tmp_path, n):
    """One thread has two batches in flight: the interruption comes with a result in hand."""
    log = tmp_path / "worked_on.txt"
    engine = LocalEngine(1)
    with Journal(tmp_path / "out", {"study": "1"}) as journal:
        batches = InterruptedAt(BATCHES, n)
        results = engine.run(batches, load=load, studies=only(FakeEstimator(seconds=0.05, log=log)))
        with pytest.raises(KeyboardInterrupt):
            deque(map(journal.add, results))
        assert journal.done()
        assert set(worked_on(tmp_path / "out")) == journal.done()


def test_run_batches__a_result_that_comes_twice_counts_once(tmp_path):
    class Repeating(Engine):
        name, n_workers, batch_seconds = "repeating", 1, 1.0

        def run(self, batches, *, load, studies):
            for batch in batches:
                result = work_batch(batch, load, studies)
                yield result
                yield result

    with Journal(tmp_path / "out", {"study": "1"}) as journal:
        outcome = run_batches(
            Repeating(),
            BATCHES,
            Journals([journal]),
            load=load,
            studies=only(FakeEstimator(unusable=[1])),
        )
        assert (outcome.n_done, outcome.n_failed, outcome.n_left) == (10, 1, 0)
        assert len(journal.history()) == len(BATCHES)


def test_run_batches__ctrl_c_does_not_wait_for_a_long_parcel(tmp_path):
    directory = tmp_path / "out"
    finish(directory, "local", n_parcels=1)
    started = tmp_path / "started.txt"
    started.unlink()
    with running(directory, "local", seconds=60) as child:
        while not started.exists():
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    assert kept(directory) == {1}


def test_run_batches__second_run_on_the_directory_is_refused_and_harms_nothing(tmp_path):
    directory = tmp_path / "out"
    with running(directory, "local") as child:
        command = [sys.executable, SCRIPT, directory, "local", str(N_PARCELS), "0"]
        second = subprocess.run(command, capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"in use by another run (process {child.pid}" in second.stderr
        assert child.wait(60) == 0
    assert_all_estimated(directory)
    assert set(worked_on(directory).values()) == {1}


def test_run_batches__ignored_signal_stays_ignored(tmp_path):
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # as nohup does
    try:
        estimator = FakeEstimator(before=lambda _: os.kill(os.getpid(), signal.SIGHUP))
        with Journal(tmp_path, {}) as journal:
            outcome = run_batches(
                SerialEngine(), BATCHES, Journals([journal]), load=load, studies=only(estimator)
            )
        assert outcome.n_done == 10
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)


@pytest.mark.parametrize("engine", [SerialEngine(), LocalEngine(2)], ids=lambda e: e.name)
def test_run_batches__signal_while_the_journal_writes_loses_nothing(tmp_path, engine, monkeypatch):
    added = []

    def add_under_signal(result):
        os.kill(os.getpid(), signal.SIGTERM)
        added.extend(estimate.parcel for estimate in result.estimates)
        add(result)

    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with Journal(tmp_path, {}) as journal:
        add = journal.add
        monkeypatch.setattr(journal, "add", add_under_signal)
        with pytest.raises(Interrupted, match=r"of 10 parcels are done"):
            run_batches(
                engine, BATCHES, Journals([journal]), load=load, studies=only(FakeEstimator())
            )
        assert added  # of two workers either may be the first to finish
        assert journal.done() == set(added)
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers


def test_run_batches__signal_after_the_last_result_is_not_lost(tmp_path, monkeypatch):
    class Late:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def advance(self, batch, *, n_failed):
            if journal.done() >= set(range(1, 11)):
                os.kill(os.getpid(), signal.SIGINT)

    with Journal(tmp_path, {}) as journal, pytest.raises(Interrupted, match="10 of 10"):
        run_batches(
            SerialEngine(),
            BATCHES,
            Journals([journal]),
            load=load,
            studies=only(FakeEstimator()),
            progress=Late(),
        )


def test_run_batches__works_outside_of_the_main_thread(tmp_path):
    outcomes = []

    def run():
        with Journal(tmp_path, {}) as journal:
            outcomes.append(
                run_batches(
                    LocalEngine(2),
                    BATCHES,
                    Journals([journal]),
                    load=load,
                    studies=only(FakeEstimator()),
                )
            )

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    assert outcomes[0].n_done == 10


def test_run_batches__counts(tmp_path):
    estimator = FakeEstimator(broken=[3], unusable=[5, 6])
    with Journal(tmp_path, {}) as journal:
        outcome = run_batches(
            SerialEngine(), BATCHES, Journals([journal]), load=load, studies=only(estimator)
        )
    assert (outcome.n_done, outcome.n_failed, outcome.n_left) == (10, 3, 0)
    assert outcome.seconds > 0


@pytest.mark.parametrize("engine", [SerialEngine(), LocalEngine(1)], ids=lambda e: e.name)
def test_run_batches__stops_at_the_first_failure(tmp_path, engine):
    with Journal(tmp_path, {}) as journal:
        outcome = run_batches(
            engine,
            BATCHES,
            Journals([journal]),
            load=load,
            studies=only(FakeEstimator(unusable=[4])),
            stop_at_first_failure=True,
        )
        assert (outcome.n_done, outcome.n_failed, outcome.n_left) == (4, 1, 6)
        assert journal.done() == {1, 2, 3, 4}


def test_run_batches__error_while_loading_keeps_what_is_finished(tmp_path):
    def fail_at_5(parcels):
        if ParcelId(0, 5) in parcels:
            raise InputError("bold.nii.gz is cut off")
        return load(parcels)

    with Journal(tmp_path, {}) as journal:
        with pytest.raises(InputError, match="cut off"):
            run_batches(
                SerialEngine(),
                BATCHES,
                Journals([journal]),
                load=fail_at_5,
                studies=only(FakeEstimator()),
            )
        assert journal.done() == {1, 2, 3, 4}


def test_run_batches__engine_that_loses_parcels_is_found_out(tmp_path):
    class Lossy(SerialEngine):
        def run(self, batches, *, load, studies):
            for batch in batches[:-1]:
                yield work_batch(batch, load, studies)

    with Journal(tmp_path, {}) as journal:
        with pytest.raises(EngineError, match="2 parcels left: make the same call again"):
            run_batches(
                Lossy(), BATCHES, Journals([journal]), load=load, studies=only(FakeEstimator())
            )
        assert len(journal.done()) == 8


def test_run_batches__memory_does_not_grow_with_the_number_of_parcels(tmp_path):
    loaded, alive = [], []

    def counting_load(numbers):
        parcels = load(numbers)
        loaded.extend(numbers)
        alive.append(len(loaded) - len(journal.done()))
        return parcels

    batches = make_batches(dict.fromkeys(ids(*range(1, 401)), 1.0), target_cost=4, n_workers=2)
    with Journal(tmp_path, {}) as journal:
        run_batches(
            LocalEngine(2),
            batches,
            Journals([journal]),
            load=counting_load,
            studies=only(FakeEstimator()),
        )
    assert max(alive) <= 4 * (2 * 2 + 1)
