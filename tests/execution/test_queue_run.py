"""How jobs are submitted, watched and replaced, without any scheduler."""

from __future__ import annotations

import asyncio
import contextlib
import time
from importlib.util import find_spec

import pytest
from execution_fakes import FakeEstimator, load

from pyhrf.config.settings import QueueSettings
from pyhrf.errors import ConfigError, EngineError
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.packing import pack_estimates, unpack_parcels

if find_spec("dask_jobqueue") is None:
    pytest.skip("the extra queue is not installed", allow_module_level=True)

from pyhrf.execution import dask_run, queue_jobs, queue_run
from pyhrf.execution.queue_engine import QueueEngine
from pyhrf.execution.queue_folder import QueueFolder, Trouble
from pyhrf.execution.queue_jobs import SchedulerError


class FakePool:
    """Works in this process as long as a worker is there."""

    contacts, pem, dashboard = ("tls://127.0.0.1:1",), {}, "http://127.0.0.1:1/status"

    def __init__(self):
        self.workers = asyncio.Semaphore(0)
        self.seconds = 0.0

    async def estimate(self, blob):
        async with self.workers:
            await asyncio.sleep(self.seconds)
            parcels = unpack_parcels(blob)
        numbers = tuple(parcel.number for parcel in parcels)
        result = work_batch(Batch(0, numbers, 0.0), lambda _: parcels, FakeEstimator())
        return pack_estimates(result.estimates, about={"host": "n1", "seconds": 0.5})


class FakeQueue:
    """Takes jobs; what becomes of each is said by `fate`: work, wait, die or refuse."""

    def __init__(self, pool, *fates):
        self.pool, self.fates = pool, list(fates)
        self.submitted, self.cancelled, self.in_queue = [], [], {}
        self.why = "Resources"
        self.trouble = None
        self.joined = self.lost = None

    def fate_of(self, i):
        return self.fates[min(i, len(self.fates) - 1)]

    def jobs(self, kind, settings, *, folder, python, name):
        return FakeJobs(self, folder, name)


class FakeJobs:
    """What the engine sees of the queue."""

    def __init__(self, queue, folder, name):
        self.queue, self.folder, self.name = queue, folder, name

    def script(self, token):
        return "#!/bin/sh"

    async def submit(self, token):
        queue = self.queue
        fate, number = queue.fate_of(len(queue.submitted)), str(100 + len(queue.submitted))
        if fate == "refuse":
            raise SchedulerError("sbatch: error: no such queue")
        queue.submitted.append(number)
        if fate == "work":
            queue.in_queue[number] = "running"
            queue.joined(f"n1#{token}-abc-0")
            queue.pool.workers.release()
        elif fate == "wait":
            queue.in_queue[number] = "waiting"
        elif fate == "die":
            (self.folder / f"job-{number}.err").write_text("first\nno such python\n")
            if queue.trouble:
                QueueFolder(self.folder).report(token, queue.trouble)
        return number

    async def states(self, ids, *, name=None):
        return {job: self.queue.in_queue[job] for job in ids if job in self.queue.in_queue}

    async def reason(self, job):
        return self.queue.why

    async def cancel(self, ids):
        self.queue.cancelled += ids
        for job in ids:
            self.queue.in_queue.pop(job, None)


@pytest.fixture
def make(monkeypatch, tmp_path):
    """Make an engine over a queue in which jobs have given fates."""
    monkeypatch.setattr("pyhrf.execution.queue_engine.shutil.which", lambda program: program)
    for name, value in {"_SOON": 0.05, "_LATER": 0.05, "_GRACE": 0.0, "_PATIENCE": 0.0}.items():
        monkeypatch.setattr(queue_run, name, value)

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
    batches = [Batch(i, (i + 1,), 1.0) for i in range(n)]
    found = {}
    for result in engine.run(batches, load=load, estimator=FakeEstimator()):
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
    assert "job 100 is lost: first / no such python; it is replaced" in told


def test_run__says_why_jobs_wait_and_that_they_run(make):
    told = []
    engine, queue = make("work", "wait", told=told)
    queue.pool.seconds = 0.05
    run = engine.run([Batch(i, (i + 1,), 1.0) for i in range(60)], load=load, estimator=None)
    for _ in range(15):
        next(run)
    time.sleep(0.8)
    text = "1 of 2 jobs wait in the queue (Slurm says: Resources): 101"
    assert text in told
    assert engine.news[-1] == text
    queue.in_queue["101"] = "running"
    for _ in range(10):
        next(run)
    time.sleep(0.8)
    run.close()
    assert told.count(text) == 1
    assert "all 2 jobs run" in told
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
    assert any("takes no further job: sbatch: error: no such queue" in text for text in told)


def test_run__removes_the_jobs_of_a_run_that_was_killed(make):
    told = []
    engine, queue = make("work", told=told)
    engine.folder.mkdir()
    folder = QueueFolder(engine.folder)
    folder.write_jobs("pyhrf-old", ["7", "8"])
    queue.in_queue["8"] = "waiting"
    estimates(engine, 3)
    assert "jobs of an earlier run are removed: 8" in told
    assert queue.cancelled[0] == "8"


def test_run__nothing_to_do_submits_nothing(make):
    engine, queue = make("work")
    assert estimates(engine, 0) == {}
    assert queue.submitted == []


def test_run__path_that_a_script_cannot_hold_is_refused(make, tmp_path):
    engine, _ = make("work")
    engine.folder = tmp_path / "my data" / "queue"
    with pytest.raises(ConfigError, match=r"my data.*-u DIR"):
        estimates(engine, 1)


def test_engine__names_what_is_missing(monkeypatch):
    monkeypatch.setattr("pyhrf.execution.queue_engine.shutil.which", lambda program: None)
    with pytest.raises(
        EngineError, match=r"-x slurm needs the program sbatch of Slurm.*login node"
    ):
        QueueEngine("slurm", QueueSettings(), tell=print)
    monkeypatch.setattr("pyhrf.execution.queue_engine._PACKAGES", ("nonsuch_package",))
    with pytest.raises(EngineError, match=r"nonsuch_package.*pip install 'pyhrf\[queue\]'"):
        QueueEngine("slurm", QueueSettings(), tell=print)
