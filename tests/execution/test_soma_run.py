"""The client's side of a workflow, with a soma-workflow that is only pretended."""

from __future__ import annotations

import contextlib
import io
import json
import tarfile
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from execution_fakes import (
    Answering,
    FakeEstimator,
    assert_same_estimate,
    ids,
    load,
    make_parcels,
    only,
)
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.data import ParcelId
from pyhrf.errors import EngineError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Batch, is_internal_error
from pyhrf.execution.packing import pack_estimates, unpack_parcels
from pyhrf.execution.soma import cluster as soma_cluster
from pyhrf.execution.soma import folder as cluster_folder
from pyhrf.execution.soma import run as soma_run
from pyhrf.execution.soma.cluster import Cluster, unpack_archive
from pyhrf.execution.soma.folder import ClusterLostError, LocalFolder
from pyhrf.execution.soma.job import JobSettings, name_of_input, name_of_mark
from pyhrf.execution.soma.notes import MAX_JOBS, WorkflowNotes, name_of_job, plan_jobs
from pyhrf.execution.soma.run import SomaRun
from pyhrf.execution.ssh.shells import Reply


@dataclass
class FakeSoma:
    """Does the jobs of a workflow when it is asked how they are; some parcels kill their job."""

    folder: Path
    killers: dict[int, int] = field(default_factory=dict)
    """How many jobs each kills."""
    away: int = 0
    """Questions that are not answered."""
    submitted: list[list[str]] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    done: list[int] = field(default_factory=list)
    status_of: dict[int, str] = field(default_factory=dict)
    """Workflows that say something else than that they are done."""
    calls: list[str] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    """What jobs say beside their results."""
    refusing: bool = False
    """Whether it says that it could not stop jobs."""
    scheduler = "slurm"

    def ids(self, workflow):
        return [f"{workflow}1", f"{workflow}2"]

    def submit(self, name, jobs, last):
        self.jobs, self.ended = jobs, None
        self.submitted.append([job["name"] for job in jobs])
        assert last["command"][-1] == "pack"
        return len(self.submitted)

    def status(self, workflow):
        if self.away:
            self.away -= 1
            raise ClusterLostError("the cluster is away")
        if workflow in self.status_of:
            return self.status_of[workflow], ["running" for _ in self.jobs]
        self.ended = self.ended or [self._do(job) for job in self.jobs]
        return "workflow_done", [*self.ended, "done"]

    def _do(self, job):
        number = int(job["command"][-1])
        settings = JobSettings.from_json((self.folder / JobSettings.FILE).read_bytes())
        estimates = []
        for parcel in unpack_parcels((self.folder / name_of_input(number)).read_bytes()).values():
            (self.folder / name_of_mark(number)).write_text(f"{parcel.number}   ")
            if self.killers.get(parcel.number, 0):
                self.killers[parcel.number] -= 1
                Path(job["stderr"]).write_text("one\n\nOut of memory\n")
                break
            self.done.append(parcel.number)
            estimates.append(FakeEstimator().fit_parcel(parcel))
        else:
            self._save(number, estimates)
            return "done"
        if settings.save_seconds == 0:
            self._save(number, estimates)
        return "failed"

    def _save(self, number, estimates):
        if estimates:
            about = {"study": "s", "host": "n1", "seconds": 1.0, **self.about}
            name = f"result-{number}-{estimates[0].parcel}-x.npz"
            (self.folder / name).write_bytes(pack_estimates(estimates, about=about))

    def delete(self, workflow):
        self.deleted.append(workflow)
        return not self.refusing

    def reopen(self):
        if self.away:
            raise ClusterLostError("still away")


@pytest.fixture
def said():
    return []


@pytest.fixture
def soma(tmp_path):
    return FakeSoma(tmp_path / "run")


@pytest.fixture
def run(tmp_path, soma, said, monkeypatch):
    """A run of twelve parcels in four jobs."""
    for name in ("_PAUSE", "_LONGEST_PAUSE", "_LATE_SECONDS", "_UNATTENDED_SECONDS"):
        monkeypatch.setattr(soma_run, name, 0.001)
    monkeypatch.setattr(soma_cluster, "_PAUSE", 0.001)
    folder = LocalFolder(tmp_path / "run")
    folder.ask = Answering(Reply(0, "", ""), soma.calls).ask
    cluster = Cluster("box", "/py", folder, soma, tmp_path, said.append)
    notes = WorkflowNotes("s", str(tmp_path / "run"), "pyhrf_x")
    run = SomaRun(
        cluster, notes, dict.fromkeys(ids(*range(1, 13)), 1.0), load, only(FakeEstimator())
    )
    jobs = make_batches(dict.fromkeys(ids(*range(1, 13)), 1.0), target_cost=3.0)
    run.start(jobs, b"{}", None)
    return run


def estimates_of(run):
    found = {}
    for result in run.follow():
        assert result.batch.parcels == ids(*(e.parcel for e in result.estimates))
        for estimate in result.estimates:
            assert estimate.parcel not in found, "each parcel comes once"
            found[estimate.parcel] = estimate
    return found


def assert_right(found, but=()):
    assert sorted(found) == list(range(1, 13))
    for parcel in make_parcels(*(n for n in found if n not in but)):
        assert_same_estimate(found[parcel.number], FakeEstimator().fit_parcel(parcel))


def test_run__every_parcel_once(run, soma):
    assert_right(estimates_of(run))
    assert soma.submitted == [[f"parcels_{i}_to_{i + 2}" for i in (1, 4, 7, 10)]]


def test_run__tells_once_what_jobs_say_of_a_node(run, soma, said):
    soma.about = {"notes": "no room"}
    assert_right(estimates_of(run))
    assert said.count("host n1: no room") == 1


def test_run__job_that_failed_once_is_submitted_again(run, soma, said):
    soma.killers = {5: 1}
    assert_right(estimates_of(run))
    assert soma.submitted[1:] == [["parcels_4_to_6"]]
    assert soma.deleted == [1]
    assert any("parcels_4_to_6 failed: one | Out of memory; submitting it again" in s for s in said)


def test_run__parcel_of_which_three_jobs_died_is_given_up_alone(run, soma):
    soma.killers = {5: 3, 12: 2}
    found = estimates_of(run)
    assert_right(found, but=[5])
    assert is_internal_error(found[5])
    assert "3 jobs on box died of it; the last one failed: one | Out of memory" in found[5].reason
    assert soma.killers == {5: 0, 12: 0}
    assert len(soma.submitted) == 3
    # When its job comes again, the parcel is the last: it does not hold up its neighbours.
    assert soma.done.count(6) == 1
    assert soma.deleted == [1, 2, 3]


@pytest.mark.usefixtures("little_room")
def test_run__full_disk_of_the_cluster_is_not_the_fault_of_a_parcel(run, soma, tmp_path):
    soma.killers = {5: 1}
    with pytest.raises(EngineError, match=r"run cannot be written \(File too large\): make room"):
        estimates_of(run)
    assert run.notes.deaths == {}
    assert len(soma.submitted) == 1


def test_run__job_that_never_starts_gives_up_its_parcels(run, soma, monkeypatch):
    monkeypatch.setattr(FakeSoma, "_do", lambda self, job: "failed")
    found = estimates_of(run)
    assert sorted(found) == list(range(1, 13))
    assert all("never started" in estimate.reason for estimate in found.values())
    assert len(soma.submitted) == 3


def test_run__cluster_that_is_away_for_a_while(run, soma, said):
    soma.away = 3
    assert_right(estimates_of(run))
    assert said.count("the cluster is away; trying again") == 1


def test_run__cluster_that_is_away_for_good(run, soma, monkeypatch):
    monkeypatch.setattr(soma_cluster, "_PATIENCE", 0.05)
    soma.away = 10**9
    with pytest.raises(EngineError, match="make the same call again to fetch their results"):
        estimates_of(run)


def test_run__attached_takes_what_is_there_and_no_more(run, soma, tmp_path):
    """Another client takes over, whose journal already has the parcels 1 to 6."""
    notes = WorkflowNotes.load(tmp_path)
    assert notes == run.notes
    other = SomaRun(
        run._cluster, notes, dict.fromkeys(ids(*range(7, 13)), 1.0), load, only(FakeEstimator())
    )
    assert sorted(estimates_of(other)) == list(range(7, 13))


def test_run__results_of_another_study_and_damaged_ones_are_left_out(run, soma, tmp_path):
    about = {"study": "other", "host": "n1", "seconds": 1.0}
    wrong = FakeEstimator(unusable=[1]).fit_parcel(make_parcels(1)[0])
    (tmp_path / "run" / "result-0-1-o.npz").write_bytes(pack_estimates([wrong], about=about))
    (tmp_path / "run" / "result-0-2-o.npz").write_bytes(b"PK")
    assert_right(estimates_of(run))


def test_run__workflow_that_nobody_looks_after_is_taken_back(run, soma, said, monkeypatch):
    """The login node was restarted: soma-workflow says "warning" for ever, and cannot stop jobs."""
    soma.status_of, soma.refusing = {1: "warning"}, True
    assert_right(estimates_of(run))
    assert soma.deleted == [1]
    assert [call.rpartition("; ")[2] for call in soma.calls] == ["scancel 11 12"]
    assert len(soma.submitted) == 2
    assert run.notes.deaths == {}, "no parcel is to blame"
    assert any("no longer looks after workflow 1" in text for text in said)


def test_run__jobs_that_cannot_be_stopped_are_named(run, soma, said, monkeypatch):
    soma.status_of, soma.refusing, soma.scheduler = {1: "warning"}, True, "local_basic"
    assert_right(estimates_of(run))
    assert soma.calls == []
    assert any("may still be running on box; stop them there: 11, 12" in text for text in said)


def test_run__jobs_that_a_scheduler_keeps_are_named_with_its_command(run, soma, said, tmp_path):
    soma.status_of, soma.refusing = {1: "warning"}, True
    folder = LocalFolder(tmp_path / "run")
    folder.ask = Answering(Reply(1, "", "scancel: error: no controller")).ask
    replace(run._cluster, folder=folder).stop(1)
    assert said[-1].endswith(
        "11, 12 (scancel: scancel: error: no controller); run there: scancel 11 12"
    )


def test_run__short_unattended_time_is_no_loss(run, soma, monkeypatch):
    monkeypatch.setattr(soma_run, "_UNATTENDED_SECONDS", 30.0)
    soma.status_of = {1: "warning"}
    answers = iter(["warning"] * 3)
    ask = FakeSoma.status

    def status(self, workflow):
        if next(answers, None) is None:
            self.status_of = {}
        return ask(self, workflow)

    monkeypatch.setattr(FakeSoma, "status", status)
    assert_right(estimates_of(run))
    assert len(soma.submitted) == 1


def test_run__parcels_that_no_job_of_the_round_has_join_the_next(run, soma, tmp_path):
    """Given up by the run that left, they are awaited again."""
    costs = dict.fromkeys(ids(*range(1, 15)), 1.0)
    other = SomaRun(run._cluster, WorkflowNotes.load(tmp_path), costs, load, only(FakeEstimator()))
    assert sorted(estimates_of(other)) == list(range(1, 15))
    assert soma.submitted[1:] == [["parcel_13", "parcel_14"]]


def test_run__file_that_is_late(run, soma, tmp_path, monkeypatch):
    """A result is said to be written seconds before its name can be seen: no job is done twice."""
    monkeypatch.setattr(soma_run, "_LATE_SECONDS", 30.0)
    hidden = iter([True] * 3)
    names = LocalFolder.names

    def seen(self):
        found = names(self)
        late = next(hidden, False)
        return [n for n in found if not (late and n.startswith("result-2"))]

    monkeypatch.setattr(LocalFolder, "names", seen)
    assert_right(estimates_of(run))
    assert len(soma.submitted) == 1


def test_late_seconds__are_more_than_nfs_remembers_names():
    assert soma_run._LATE_SECONDS > 60


def test_run__file_that_is_short_at_first_is_read_again(run, soma, monkeypatch):
    monkeypatch.setattr(soma_run, "_LATE_SECONDS", 30.0)
    read, cut = LocalFolder.read, iter([True])

    def short(self, names):
        blobs = read(self, names)
        if names and names[0].startswith("result-") and next(cut, False):
            blobs[0] = blobs[0][:20]
        return blobs

    monkeypatch.setattr(LocalFolder, "read", short)
    assert_right(estimates_of(run))
    assert len(soma.submitted) == 1


def test_start__folder_that_cannot_be_made_leaves_no_notes(tmp_path, soma, said):
    path = tmp_path / "nowhere" / "run"
    cluster = Cluster("box", "/py", LocalFolder(path), soma, tmp_path, said.append)
    run = SomaRun(
        cluster,
        WorkflowNotes("s", str(path), "pyhrf_x"),
        dict.fromkeys(ids(1), 1.0),
        load,
        only(FakeEstimator()),
    )
    with pytest.raises(EngineError, match="set another remote_path"):
        run.start(make_batches(dict.fromkeys(ids(1), 1.0), target_cost=1.0), b"{}", None)
    assert WorkflowNotes.load(tmp_path) is None


def test_remove__while_a_job_still_writes(tmp_path):
    folder = LocalFolder(tmp_path / "run")
    folder.make()
    for number in range(200):
        folder.write(f"result-{number}.npz", b"x")
    end = time.monotonic() + 0.5

    def write():
        while time.monotonic() < end:
            with contextlib.suppress(OSError):
                (tmp_path / "run" / "a.tmp").write_bytes(b"1")
                (tmp_path / "run" / "a.tmp").replace(tmp_path / "run" / "results.tar")

    job = threading.Thread(target=write)
    job.start()
    folder.remove()
    job.join()
    folder.remove()
    assert not (tmp_path / "run").exists()


def test_local_folder__trouble_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_folder, "REMOVE_SECONDS", 0.0)
    path = tmp_path / "a file"
    path.write_text("")
    folder = LocalFolder(path)
    for action in (folder.names, lambda: folder.read(["x"]), folder.remove):
        with pytest.raises(EngineError, match=r"a file cannot be (read|removed)"):
            action()


def test_unpack_archive__whole_and_cut_off():
    about = {"study": "s", "host": "n1", "seconds": 1.0}
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for parcel in make_parcels(1, 2):
            blob = pack_estimates([FakeEstimator().fit_parcel(parcel)], about=about)
            member = tarfile.TarInfo(f"result-0-{parcel.number}.npz")
            member.size = len(blob)
            archive.addfile(member, io.BytesIO(blob))
    content = stream.getvalue()
    found = [r.batch.parcels for r in unpack_archive(content, "s")]
    assert found == [ids(1), ids(2)]
    assert unpack_archive(content, "other") == []
    assert [r.batch.parcels for r in unpack_archive(content[: len(blob) + 900], "s")] in (
        [],
        [ids(1)],
    )
    assert unpack_archive(b"nothing", "s") == []


@given(
    st.dictionaries(
        st.builds(ParcelId, st.integers(0, 2), st.integers(1, 5000)),
        st.floats(1e-3, 1e4),
        min_size=1,
        max_size=300,
    ),
    st.floats(0.5, 100),
)
def test_plan_jobs__each_parcel_once_in_a_hundred_jobs_at_most(costs, target):
    batches = make_batches(costs, target_cost=target)
    jobs = plan_jobs(batches)
    assert sorted(p for job in jobs for p in job.parcels) == sorted(costs)
    assert 1 <= len(jobs) <= MAX_JOBS
    assert jobs == sorted(jobs, key=lambda job: -job.cost)


@pytest.mark.parametrize(
    ("n_parcels", "seconds", "fewest", "most"),
    [
        (1, 1.0, 1, 1),
        (1000, 1e-3, 4, 4),
        (1000, 0.5, 20, 20),
        (1000, 1.8, 30, 32),
        (5000, 60, 50, 100),
    ],
)
def test_plan_jobs__twenty_to_a_hundred_of_a_minute_or_more(n_parcels, seconds, fewest, most):
    batches = [Batch(i, ids(i + 1), seconds) for i in range(n_parcels)]
    assert fewest <= len(plan_jobs(batches)) <= most


def test_name_of_job__tells_its_parcels():
    assert name_of_job(ids(4)) == "parcel_4"
    assert name_of_job(ids(6, 4, 5)) == "parcels_4_to_6"
    assert name_of_job(ids(1, 9, 12)) == "3_parcels_of_1_to_12"


def test_name_of_job__tells_the_studies():
    assert name_of_job(ids(6, 4, 5, study=2)) == "parcels_2.4_to_2.6"
    assert name_of_job(ids(4, 5) + ids(6, study=1)) == "3_parcels_of_4_to_1.6"


def test_notes__of_an_older_version_are_understood(tmp_path):
    WorkflowNotes("s", "/p", "n").save(tmp_path)
    (path,) = tmp_path.iterdir()
    content = json.loads(path.read_text()) | {"jobs": {"3": [1, 2]}, "deaths": {"2": 1}}
    path.write_text(json.dumps(content))
    notes = WorkflowNotes.load(tmp_path)
    assert notes.jobs == {3: list(ids(1, 2))}
    assert notes.deaths == {ParcelId(0, 2): 1}


def test_notes__damaged_ones_are_none(tmp_path):
    assert WorkflowNotes.load(tmp_path) is None
    notes = WorkflowNotes("s", "/p", "n", jobs={3: list(ids(1, 2))}, deaths={ParcelId(1, 4): 2})
    notes.save(tmp_path)
    assert WorkflowNotes.load(tmp_path) == notes
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-3])
    assert WorkflowNotes.load(tmp_path) is None
    WorkflowNotes.forget(tmp_path)
    WorkflowNotes.forget(tmp_path)
    assert list(tmp_path.iterdir()) == []
