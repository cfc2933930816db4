"""Workers of one machine compile one after the other, where the next one finds it done."""

from __future__ import annotations

import fcntl
import threading

import pytest
from execution_fakes import FakeEstimator

from pyhrf.execution.compiling import compile_in_turn


class Compiling(FakeEstimator):
    """Notes that it was compiled."""

    def __init__(self):
        super().__init__()
        self.compiled = threading.Event()

    def compile(self):
        self.compiled.set()


@pytest.fixture
def worker(tmp_path):
    """An estimator, and a thread that compiles it while another process holds the lock."""
    estimator, lock = Compiling(), tmp_path / "compile.lock"
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        thread = threading.Thread(target=compile_in_turn, args=(estimator, lock), daemon=True)
        yield estimator, thread
    thread.join(10)
    assert estimator.compiled.is_set()


def test_compile_in_turn__waits_for_who_compiles(worker, tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    estimator, thread = worker
    thread.start()
    assert not estimator.compiled.wait(0.5)


def test_compile_in_turn__does_not_wait_where_nothing_can_be_kept(worker, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    estimator, thread = worker
    thread.start()
    assert estimator.compiled.wait(10)


def test_compile_in_turn__does_without_a_lock(tmp_path):
    estimator = Compiling()
    compile_in_turn(estimator, tmp_path / "nowhere" / "compile.lock")
    assert estimator.compiled.is_set()


def test_compile_in_turn__has_nothing_to_do_for_estimators_that_are_not_compiled(tmp_path):
    compile_in_turn(FakeEstimator(), tmp_path / "compile.lock")
    assert list(tmp_path.iterdir()) == []
