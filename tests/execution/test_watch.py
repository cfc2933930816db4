from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Generator, Sequence

import pytest
from execution_fakes import FakeEstimator, ids, load, only

from pyhrf.errors import InputError
from pyhrf.execution.engine import Batch, BatchResult, Engine, work_batch
from pyhrf.execution.journal import Journal
from pyhrf.execution.run_state import ENDED, SILENCE, RunState, read_state, write_state
from pyhrf.execution.runner import Interrupted, run_batches
from pyhrf.execution.together import Journals
from pyhrf.execution.watch import MEMBERS, Watch, WatchAll

BATCHES = [Batch(0, ids(1, 2, 3), 1.0), Batch(1, ids(4), 1.0)]


class WatchedEngine(Engine):
    """Works here, and has us look at the journal after each batch; then ends as it is told."""

    name = "watched"
    n_workers = 2
    batch_seconds = 1.0

    def __init__(self, look, *, end_by: BaseException | None = None) -> None:
        self.look, self.end_by = look, end_by

    def run(self, batches: Sequence[Batch], *, load, studies) -> Generator[BatchResult]:
        for batch in batches:
            yield work_batch(batch, load, studies)
            self.look()
            self.news += (f"news after batch {batch.number}",)
            if self.end_by:
                raise self.end_by


def work(folder, engine, *, batches=BATCHES, estimator=None) -> None:
    with Journal(folder, {"a": "1"}) as journal:
        run_batches(
            engine,
            batches,
            Journals([journal]),
            load=load,
            studies=only(estimator or FakeEstimator()),
        )


def test_watch__follows_a_run_to_its_end(tmp_path):
    seen = []

    def look():
        watch = Watch(tmp_path / "out")
        seen.append((watch.n_done, watch.n_failed, watch.n_total, watch.is_running))

    work(tmp_path / "out", WatchedEngine(look), estimator=FakeEstimator(unusable=[2]))
    assert seen == [(3, 1, 4, True), (4, 1, 4, True)]
    watch = Watch(tmp_path / "out")
    assert not watch.is_running
    assert watch.how_it_stands() == "ended"
    assert watch.state.news == ["news after batch 0", "news after batch 1"]
    (host,) = watch.hosts.values()
    assert (host.n_batches, host.n_parcels) == (2, 4)
    assert watch.rate() > 0
    assert not watch.look()


def test_watch__counts_what_earlier_runs_have_done(tmp_path):
    with pytest.raises(Interrupted):
        work(tmp_path, WatchedEngine(lambda: None, end_by=KeyboardInterrupt()))
    watch = Watch(tmp_path)
    assert watch.how_it_stands() == "interrupted, 1 parcel left; the same call continues it"
    work(tmp_path, WatchedEngine(watch.look), batches=BATCHES[1:])
    watch.look()
    assert (watch.n_done, watch.n_total) == (4, 4)
    assert watch.state.n_before == 3
    assert watch.how_it_stands() == "ended"


def test_watch__says_that_a_run_failed(tmp_path):
    with pytest.raises(OSError, match="no more"):
        work(tmp_path, WatchedEngine(lambda: None, end_by=OSError("no more")))
    assert Watch(tmp_path).how_it_stands().startswith("failed, 1 parcel left")


def test_watch__sees_that_a_run_was_killed(tmp_path):
    work(tmp_path, WatchedEngine(lambda: None))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    state = RunState("local", 2, 9, 0, pid=gone.pid)
    write_state(tmp_path / ".journal", state)
    watch = Watch(tmp_path)
    assert not watch.is_running
    assert f"killed (process {gone.pid}" in watch.how_it_stands()
    # Elsewhere a process of that number says nothing.
    write_state(tmp_path / ".journal", state.replaced(host="elsewhere"))
    assert watch.look()
    assert watch.is_running


def test_watch__takes_a_run_elsewhere_that_is_silent_for_killed(tmp_path):
    work(tmp_path, WatchedEngine(lambda: None))
    state = RunState("local", 2, 9, 0, host="elsewhere", alive=time.time() - SILENCE - 5)
    write_state(tmp_path / ".journal", state)
    watch = Watch(tmp_path)
    assert not watch.is_running
    assert "silent for long, perhaps killed" in watch.how_it_stands()
    write_state(tmp_path / ".journal", state.replaced(alive=time.time()))
    assert watch.look()
    assert watch.is_running
    # That it still goes on is no news.
    write_state(tmp_path / ".journal", state.replaced(alive=time.time() + 60))
    assert not watch.look()


def test_run_batches__says_now_and_then_that_it_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("pyhrf.execution.runner.HEARTBEAT", 0.0)
    monkeypatch.setattr("pyhrf.execution.runner._NEWS_SECONDS", 0.01)
    said = []

    def look():
        begin = read_state(tmp_path / ".journal").alive
        deadline = time.monotonic() + 20
        while read_state(tmp_path / ".journal").alive == begin:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        said.append(begin)

    work(tmp_path, WatchedEngine(look))
    assert len(said) == 2


def test_watch__takes_nothing_from_the_run(tmp_path):
    with Journal(tmp_path, {"a": "1"}) as journal:
        before = sorted((journal.directory / ".journal").iterdir())
        watch = Watch(tmp_path)
        assert (watch.n_done, watch.is_running) == (0, False)
        assert watch.how_it_stands() == "not running"
        assert sorted((journal.directory / ".journal").iterdir()) == before


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"engine": "local"'])
def test_read_state__is_not_misled_by_a_damaged_file(tmp_path, content):
    (tmp_path / "run-state.json").write_bytes(content)
    assert read_state(tmp_path) is None


def test_watch__leaves_damaged_batches_to_the_run(tmp_path):
    work(tmp_path, WatchedEngine(lambda: None))
    batch = sorted((tmp_path / ".journal").glob("batch-*"))[0]
    batch.write_bytes(batch.read_bytes()[:-30])
    assert Watch(tmp_path).n_done == 1


def test_watch__refuses_a_folder_without_journal(tmp_path):
    with pytest.raises(InputError, match="no journal of an analysis: give the output directory"):
        Watch(tmp_path)


def begin(directory, name: str, *studies: str, started: float = 1.0) -> RunState:
    """Feign the beginning of a run of many studies, of which half of the first is done."""
    folder = directory / ".journal" / f"run-{name}"
    folder.mkdir(parents=True)
    (folder / MEMBERS).write_text(json.dumps(studies))
    state = RunState("local", 2, 4 * len(studies), 0, started=started)
    write_state(folder, state)
    work(directory / studies[0], WatchedEngine(lambda: None), batches=BATCHES[1:])
    return state


def test_watch_all__sums_up_the_runs_of_an_array_job(tmp_path):
    states = {name: begin(tmp_path, name, f".pyhrf/sub-{name}") for name in "12"}
    begin(tmp_path, "old", ".pyhrf/sub-3")
    write_state(tmp_path / ".journal" / "run-old", states["1"].replaced(state=ENDED))
    watch = WatchAll(tmp_path)
    assert [run.name for run in watch.runs] == ["sub-1", "sub-2"]
    assert [(run.n_done, run.n_total) for run in watch.runs] == [(1, 4), (1, 4)]
    (host,) = watch.hosts.values()
    assert (host.n_batches, host.n_parcels) == (2, 2)
    assert not watch.look()
    # A job that begins later is seen, one that ends stays in sight.
    begin(tmp_path, "4", ".pyhrf/sub-4", ".pyhrf/sub-5")
    assert watch.look()
    assert [run.name for run in watch.runs] == ["sub-1", "sub-2", "sub-4 and 1 more"]
    for name in ("1", "2"):
        write_state(tmp_path / ".journal" / f"run-{name}", states[name].replaced(state=ENDED))
    assert watch.look()
    assert watch.is_running
    assert [run.is_running for run in watch.runs].count(True) == 1
    write_state(tmp_path / ".journal" / "run-4", states["1"].replaced(state=ENDED))
    watch.look()
    assert not watch.is_running
    assert len(watch.runs) == 3


def test_watch_all__shows_the_newest_when_none_works(tmp_path):
    for name, started in (("1", 3.0), ("2", 5.0), ("3", 4.0)):
        state = begin(tmp_path, name, f"sub-{name}", started=started)
        write_state(tmp_path / ".journal" / f"run-{name}", state.replaced(state=ENDED))
    watch = WatchAll(tmp_path)
    assert [run.name for run in watch.runs] == ["sub-2"]
    assert not watch.is_running
