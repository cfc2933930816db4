"""How jobs are submitted, watched and replaced, without any scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import threading
import time
from dataclasses import replace
from importlib.util import find_spec

import pytest
from execution_fakes import FakeEstimator, ids, load, only

from pyhrf.config.settings import QueueSettings
from pyhrf.errors import ConfigError, EngineError
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.packing import unpack_parcels
from pyhrf.execution.result_files import pack_result

if find_spec("distributed") is None:
    pytest.skip("the extra queue is not installed", allow_module_level=True)

from pyhrf.execution import extras
from pyhrf.execution.dask import run as dask_run
from pyhrf.execution.queues import jobs as queue_jobs
from pyhrf.execution.queues import run as queue_run
from pyhrf.execution.queues.engine import QueueEngine
from pyhrf.execution.queues.folder import NotedJobs, QueueFolder, Trouble
from pyhrf.execution.queues.jobs import SchedulerError


class FakePool:
    """Works in this process as long as a worker is there."""

    contacts, pem, dashboard = ("tls://127.0.0.1:1",), {}, "http://127.0.0.1:1/status"

    def __init__(self):
        self.workers = asyncio.Semaphore(0)
        self.seconds = 0.0
        self.may_end = lambda: True
        self.is_reached = True

    async def reaches(self, address):
        assert address.startswith("tls://")
        return self.is_reached

    async def estimate(self, blob):
        async with self.workers:
            await asyncio.sleep(self.seconds)
            while not self.may_end():
                await asyncio.sleep(0.05)
            parcels = unpack_parcels(blob)
        found = list(parcels.values())
        result = work_batch(Batch(0, tuple(parcels), 0.0), lambda _: found, only(FakeEstimator()))
        return pack_result(replace(result, host="n1", seconds=0.5), "")


class FakeQueue:
    """Takes jobs; what becomes of each is said by its fate.

    work, wait, refuse; die (after some words), vanish (without any), hide (works, but is not in the
    list of jobs), linger (works, and takes long to end), slow (to be submitted).
    """

    def __init__(self, pool, *fates):
        self.pool, self.fates = pool, list(fates)
        self.submitted, self.cancelled, self.in_queue = [], [], {}
        self.why = "Resources"
        self.trouble = None
        self.joined = self.lost = None
        self.shows_names = False
        self.names, self.times, self.tokens = [], [], {}
        self.lingering = set()
        self.down = 0  # questions that are not answered

    def leave(self, number):
        """End a job that works, as by its walltime."""
        self.in_queue.pop(number, None)
        self.lost(f"n1#{self.tokens[number]}-abc-0")

    def fate_of(self, i):
        return self.fates[min(i, len(self.fates) - 1)]

    def jobs(self, kind, settings, *, folder, python, name):
        return FakeJobs(self, folder, name)


class FakeJobs:
    """What the engine sees of the queue."""

    def __init__(self, queue, folder, name):
        self.queue, self.folder, self.name = queue, folder, name
        self.shows_names, self.n_tried = queue.shows_names, 0

    def script(self, token):
        return "#!/bin/sh"

    async def submit(self, token):
        queue = self.queue
        fate, number = queue.fate_of(self.n_tried), str(100 + len(queue.submitted))
        self.n_tried += 1
        queue.times.append(time.monotonic())
        if fate == "refuse":
            raise SchedulerError("sbatch: error: no such queue")
        if fate == "slow":
            await asyncio.sleep(0.5)
        queue.submitted.append(number)
        queue.tokens[number] = token
        if fate in ("work", "hide", "linger"):
            if fate != "hide":
                queue.in_queue[number] = "running"
            if fate == "linger":
                queue.lingering.add(number)
            queue.joined(f"n1#{token}-abc-0", "tls://10.0.0.1:1")
            queue.pool.workers.release()
        elif fate in ("wait", "slow"):
            queue.in_queue[number] = "waiting"
        elif fate == "die":
            (self.folder / f"job-{number}.err").write_text("first\nno such python\n")
            if queue.trouble:
                QueueFolder(self.folder).report(token, queue.trouble)
        return number

    async def states(self, ids, *, name=None):
        if self.queue.down:
            self.queue.down -= 1
            raise SchedulerError("cannot reach slurmctld")
        return {job: self.queue.in_queue[job] for job in ids if job in self.queue.in_queue}

    async def reason(self, job):
        return self.queue.why

    async def cancel(self, ids, *, name=None):
        self.queue.cancelled += ids
        self.queue.names += [name] if name else []
        for job in ids:
            if job in self.queue.lingering:
                self.queue.in_queue[job] = "ending"
            else:
                self.queue.in_queue.pop(job, None)


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Make an engine over a queue in which jobs have given fates."""
    monkeypatch.setattr("pyhrf.execution.queues.engine.shutil.which", lambda program: program)
    for name in ("_SOON", "_LATER", "_TOGETHER"):
        monkeypatch.setattr(queue_run, name, 0.05)
    for name in ("_GRACE", "_PATIENCE"):
        monkeypatch.setattr(queue_run, name, 0.0)
    monkeypatch.setattr(queue_run, "_WAITS", (0.05, 300.0))

    def make_it(*fates, max_jobs=2, told=None):
        pool = FakePool()
        queue = FakeQueue(pool, *fates)

        @contextlib.asynccontextmanager
        async def open_pool(job, *, addresses, joined, lost):
            queue.joined, queue.lost = joined, lost
            yield pool

        monkeypatch.setattr(dask_run, "open_pool", open_pool)
        monkeypatch.setattr(queue_jobs, "QueueJobs", queue.jobs)
        tell = [].append if told is None else told.append
        engine = QueueEngine("slurm", QueueSettings(max_jobs=max_jobs), tell=tell)
        engine.folder = tmp_path / "queue"
        return engine, queue

    return make_it


def estimates(engine, n):
    batches = [Batch(i, ids(i + 1), 1.0) for i in range(n)]
    found = {}
    for result in engine.run(batches, load=load, studies=only(FakeEstimator())):
        found.update({estimate.parcel: estimate for estimate in result.estimates})
    return found


def test_run__delivers_every_parcel_and_leaves_nothing(make):
    engine, queue = make("work")
    assert sorted(estimates(engine, 20)) == list(range(1, 21))
    assert len(queue.submitted) == 2
    assert queue.cancelled == queue.submitted
    assert not engine.folder.exists()


def test_run__submits_no_more_jobs_than_there_is_work(make):
    engine, queue = make("work", max_jobs=50)
    estimates(engine, 3)
    assert len(queue.submitted) == 3


def test_run__replaces_a_job_that_died(make):
    told = []
    engine, queue = make("die", "wait", "work", told=told)
    assert len(estimates(engine, 20)) == 20
    assert len(queue.submitted) == 3
    assert "job 100 is lost: first / no such python; it is replaced in 0 s" in told


def test_run__says_why_jobs_wait_and_that_they_run(make):
    told = []
    engine, queue = make("work", "wait", told=told)
    queue.pool.seconds = 0.05
    run = engine.run(
        [Batch(i, ids(i + 1), 1.0) for i in range(60)], load=load, studies=only(FakeEstimator())
    )
    for _ in range(15):
        next(run)
    time.sleep(0.4)
    text = "1 of 2 jobs wait in the queue (Slurm says: Resources): 101"
    assert text in told
    assert engine.news[-1] == text
    queue.in_queue["101"] = "running"
    for _ in range(10):
        next(run)
    time.sleep(0.4)
    run.close()
    assert told.count(text) == 1
    assert "all 2 jobs are running" in told
    assert queue.in_queue == {}


def test_run__ends_when_jobs_die_one_after_the_other(make):
    engine, queue = make("die")
    with pytest.raises(EngineError) as caught:
        estimates(engine, 20)
    assert "4 jobs in a row ended without a result" in str(caught.value)
    assert "first / no such python" in str(caught.value)
    assert str(engine.folder) in str(caught.value)
    assert len(queue.submitted) == 4
    assert (engine.folder / f"job-{queue.submitted[-1]}.err").exists()
    assert not (engine.folder / "run.json").exists()


def test_run__ends_at_a_trouble_that_every_job_will_have(make):
    engine, queue = make("die")
    queue.trouble = Trouble("node n1 has other versions", final=True)
    with pytest.raises(EngineError, match="node n1 has other versions"):
        estimates(engine, 20)
    assert len(queue.submitted) == 2


def test_run__ends_when_a_job_would_wait_for_ever(make):
    engine, queue = make("wait")
    queue.why = "PartitionTimeLimit"
    with pytest.raises(EngineError, match="for ever: Slurm says PartitionTimeLimit; see walltime"):
        estimates(engine, 20)
    assert queue.in_queue == {}


def test_run__refused_job_is_told_in_the_words_of_the_scheduler(make):
    engine, _ = make("refuse")
    with pytest.raises(EngineError, match=r"Slurm refuses the job: sbatch: error: no such queue"):
        estimates(engine, 20)


def test_run__goes_on_with_the_jobs_that_were_taken(make):
    told = []
    engine, _ = make("work", "refuse", told=told)
    assert len(estimates(engine, 20)) == 20
    assert any("accepts no more jobs: sbatch: error: no such queue" in text for text in told)


def test_run__removes_the_jobs_of_a_run_that_was_killed(make):
    told = []
    engine, queue = make("work", told=told)
    engine.folder.mkdir()
    folder = QueueFolder(engine.folder)
    folder.write_jobs([NotedJobs("pyhrf-old", ("7", "8"))])
    queue.in_queue["8"] = "waiting"
    estimates(engine, 3)
    assert "removing jobs of an earlier run: 8" in told
    assert queue.cancelled[0] == "8"
    assert queue.names[0] == "pyhrf-old"
    assert not engine.folder.exists()


def test_run__remembers_leftovers_until_the_scheduler_answers(make):
    told = []
    engine, queue = make("work", told=told)
    engine.folder.mkdir()
    folder = QueueFolder(engine.folder)
    folder.write_jobs([NotedJobs("pyhrf-old", ("8",))])
    queue.in_queue["8"] = "waiting"
    queue.down = 1
    run = engine.run(
        [Batch(i, ids(i + 1), 1.0) for i in range(20)], load=load, studies=only(FakeEstimator())
    )
    next(run)
    assert [each.ids for each in folder.read_jobs()] == [("8",), ("100", "101")]
    for _ in run:
        pass
    assert queue.in_queue == {}
    assert "may still be in the queue, 8: Slurm does not answer" in told[0]
    assert not engine.folder.exists()


def test_run__leaves_jobs_of_another_host_alone_where_numbers_may_mean_others(make):
    told = []
    engine, queue = make("work", told=told)
    engine.folder.mkdir()
    noted = NotedJobs("pyhrf-old", ("8",), "other-login")
    QueueFolder(engine.folder).write_jobs([noted])
    queue.in_queue["8"] = "running"
    estimates(engine, 3)
    assert "8" not in queue.cancelled
    assert "they were submitted on other-login; make the same call again there" in told[0]
    assert QueueFolder(engine.folder).read_jobs() == [noted]


def test_run__nothing_to_do_submits_nothing(make):
    engine, queue = make("work")
    assert estimates(engine, 0) == {}
    assert queue.submitted == []
    assert not engine.folder.exists()


def test_run__nothing_to_do_removes_what_is_left(make):
    engine, queue = make("work")
    engine.folder.mkdir()
    QueueFolder(engine.folder).write_jobs([NotedJobs("pyhrf-old", ("8",))])
    queue.in_queue["8"] = "waiting"
    estimates(engine, 0)
    assert queue.cancelled[0] == "8"
    assert queue.submitted == []
    assert not engine.folder.exists()


def test_run__path_that_a_script_cannot_hold_is_refused(make, tmp_path):
    engine, _ = make("work")
    engine.folder = tmp_path / "my data" / "queue"
    with pytest.raises(ConfigError, match=r"my data.*\(output\)"):
        estimates(engine, 1)


def test_engine__names_what_is_missing(monkeypatch):
    monkeypatch.setattr("pyhrf.execution.queues.engine.shutil.which", lambda program: None)
    with pytest.raises(
        EngineError, match=r'engine="slurm" needs the program sbatch of Slurm.*login node'
    ):
        QueueEngine("slurm", QueueSettings(), tell=print)
    monkeypatch.setitem(extras.EXTRAS, "queue", ("nonsuch_package",))
    with pytest.raises(EngineError, match=r"nonsuch_package.*pip install 'pyhrf\[queue\]'"):
        QueueEngine("slurm", QueueSettings(), tell=print)


def test_engine__interpreter_that_a_script_cannot_hold_is_refused(monkeypatch):
    monkeypatch.setattr("pyhrf.execution.queues.engine.shutil.which", lambda program: program)
    with pytest.raises(ConfigError, match=r"key python: the interpreter /opt/my python cannot"):
        QueueEngine("slurm", QueueSettings(python="/opt/my python"), tell=print)


def run_slowly(engine, n, *, seconds=0.05, work_for):
    """Start a run whose batches take some time; look for a while what becomes of its jobs."""
    run = engine.run(
        [Batch(i, ids(i + 1), 1.0) for i in range(n)], load=load, studies=only(FakeEstimator())
    )
    next(run)
    time.sleep(work_for)
    return run


def test_run__survives_a_node_on_which_every_job_dies(make, monkeypatch):
    """Even before the first result is there."""
    monkeypatch.setattr(queue_run, "_WAITS", (0.05, 0.05))
    told = []
    engine, queue = make("work", "die", told=told)
    queue.pool.may_end = lambda: sum("is lost" in text for text in told) > 4
    assert len(estimates(engine, 2)) == 2
    assert engine.job_states == ("running",)


def test_run__survives_a_node_with_other_versions(make):
    told = []
    engine, queue = make("work", "die", told=told)
    queue.pool.seconds = 0.05
    queue.trouble = Trouble("node n9 has other versions", final=True)
    assert len(estimates(engine, 30)) == 30
    assert any("node n9 has other versions; it is replaced" in text for text in told)


@pytest.mark.parametrize("fate", ["vanish", "die"])
def test_run__replaces_jobs_that_never_join_more_and_more_slowly(make, monkeypatch, fate):
    """A queue that loses jobs without a word is not flooded."""
    monkeypatch.setattr(queue_run, "_WAITS", (0.2, 300.0))
    engine, queue = make("work", fate)
    queue.pool.seconds = 0.1
    run = run_slowly(engine, 200, work_for=2)
    run.close()
    pauses = [later - first for first, later in zip(queue.times[1:], queue.times[2:], strict=False)]
    assert 2 <= len(pauses) <= 4
    assert all(pause >= 0.2 * 2**i for i, pause in enumerate(pauses))


def test_run__ends_when_jobs_vanish_one_after_the_other(make):
    engine, queue = make("vanish")
    with pytest.raises(EngineError, match=r"8 jobs in a row .*said: nothing; check that the nodes"):
        estimates(engine, 20)
    assert len(queue.submitted) == 8


def test_run__cancels_a_job_that_is_not_listed_any_more(make):
    """It may be there, hidden: else each look would add one."""
    engine, queue = make("hide", "work")
    queue.pool.seconds = 0.05
    run_slowly(engine, 60, work_for=1).close()
    assert queue.cancelled[0] == "100"
    assert len(queue.submitted) == 3


def test_run__forgets_what_jobs_of_an_earlier_run_complained_of(make):
    engine, queue = make("die", "work")
    engine.folder.mkdir()
    for token in ("j1", "j2"):
        QueueFolder(engine.folder).report(token, Trouble("of last time", final=True))
    assert len(estimates(engine, 5)) == 5
    tokens = list(queue.tokens.values())
    other, second = make("work")
    estimates(other, 5)
    assert not set(tokens) & set(second.tokens.values())


def test_run__job_that_was_suspended_is_no_new_one(make):
    """After it was resumed and has ended, it counts as one that worked: replaced at once."""
    told = []
    engine, queue = make("work", told=told)
    queue.pool.seconds = 0.1
    run = run_slowly(engine, 200, work_for=0)
    for state, seconds in (("suspended", 0.4), ("waiting", 0.4), ("running", 0.4)):
        queue.in_queue["100"] = state
        time.sleep(seconds)
    queue.in_queue.pop("100")
    time.sleep(0.4)
    run.close()
    assert "1 of 2 jobs are suspended: 100" in told
    assert "job 100 is lost; it is replaced" in told


def test_run__job_that_was_put_back_into_the_queue_is_a_new_one(make):
    told = []
    engine, queue = make("work", told=told)
    queue.pool.seconds = 0.1
    run = run_slowly(engine, 200, work_for=0)
    queue.lost(f"n1#{queue.tokens['100']}-abc-0")
    queue.in_queue["100"] = "waiting"
    time.sleep(0.4)
    queue.in_queue.pop("100")
    time.sleep(0.4)
    run.close()
    assert "job 100 is lost; it is replaced in 0 s" in told


def test_run__refusal_is_told_once_and_tried_again(make):
    told = []
    engine, queue = make("work", "refuse", "refuse", "refuse", "work", told=told)
    queue.pool.seconds = 0.1
    run = run_slowly(engine, 200, work_for=1.5)
    run.close()
    assert sum("accepts no more jobs" in text for text in told) == 1
    assert len(queue.submitted) == 2


def test_run__refusal_of_a_replacement_does_not_end_it(make):
    """Even when no job is left: the refusal may pass, as that of a scheduler that is restarted."""
    engine, queue = make("work", "refuse", "refuse", "work", max_jobs=1)
    queue.pool.seconds = 0.1
    run = run_slowly(engine, 30, work_for=0)
    queue.leave("100")
    assert len(list(run)) == 29
    assert len(queue.submitted) == 2


def test_run__takes_back_a_job_whose_submission_was_interrupted(make):
    engine, queue = make("work", "work", "slow")
    queue.pool.seconds = 0.05
    run = run_slowly(engine, 200, work_for=0)
    queue.leave("101")
    while len(queue.times) < 3:
        time.sleep(0.01)
    run.close()  # the third job is on its way into the queue
    assert queue.submitted == ["100", "101", "102"]
    assert queue.cancelled[-2:] == ["100", "102"]
    assert queue.in_queue == {}


def test_run__ends_when_results_cannot_be_fetched(make):
    engine, queue = make("work")
    queue.pool.is_reached = False
    queue.pool.seconds = 5
    with pytest.raises(EngineError, match=r"worker on node n1 has joined, .*tls://10.0.0.1:1"):
        estimates(engine, 5)
    assert queue.in_queue == {}


def test_run__does_not_wait_for_jobs_that_are_about_to_end(make, monkeypatch):
    monkeypatch.setattr(queue_run, "_ENDING_SECONDS", 0.5)
    told = []
    engine, queue = make("linger", told=told)
    estimates(engine, 5)
    assert set(queue.in_queue.values()) == {"ending"}
    assert not any("has not ended" in text for text in told)
    assert not engine.folder.exists()


def test_run__parcel_that_kills_its_workers_may_be_one_for_a_longer_walltime(make):
    engine, queue = make("work")

    async def die(blob):
        raise dask_run.WorkerDiedError("its worker died each of 3 times, the last on host n1")

    queue.pool.estimate = die
    found = estimates(engine, 1)
    assert "n1: perhaps out of memory, " in found[1].reason
    assert "memory and walltime in section [parallel-queue]" in found[1].reason


def test_run__end_that_is_interrupted_again_leaves_nothing(make):
    engine, queue = make("linger")
    queue.pool.seconds = 0.05
    run = run_slowly(engine, 200, work_for=0)
    loop, main = engine._run._loop, engine._run._main
    stop = threading.Thread(target=run.close)
    stop.start()
    for _ in range(3):
        time.sleep(0.2)
        loop.call_soon_threadsafe(main.cancel)
    queue.lingering.clear()
    queue.in_queue.clear()
    stop.join(20)
    assert sorted(queue.cancelled) == ["100", "101"]
    assert not engine.folder.exists()


def test_run__names_the_folder_where_its_disk_is_full(make):
    engine, _ = make()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))  # the error of a write has no name
    try:
        with pytest.raises(EngineError, match=f"{engine.folder}: cannot be written: File too lar"):
            list(engine.run([Batch(0, ids(1), 1.0)], load=load, studies=only(FakeEstimator())))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
