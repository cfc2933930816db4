"""The engine cluster and the workflow of an earlier run: what is found, kept, stopped, refused."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from execution_fakes import Answering, FakeEstimator, ids, load, make_parcels, only

from pyhrf.config.settings import ClusterSettings
from pyhrf.data import ParcelId
from pyhrf.errors import ConfigError, EngineError, InputError
from pyhrf.execution.batches import make_batches
from pyhrf.execution.journal import Journal
from pyhrf.execution.packing import pack_estimates
from pyhrf.execution.runner import Interrupted, run_batches
from pyhrf.execution.soma import engine as soma
from pyhrf.execution.soma.cluster import Cluster
from pyhrf.execution.soma.engine import SomaEngine
from pyhrf.execution.soma.folder import ClusterLostError, LocalFolder
from pyhrf.execution.soma.notes import WorkflowNotes
from pyhrf.execution.soma.setup import check_sacct_there, check_versions, check_words
from pyhrf.execution.ssh.shells import Reply
from pyhrf.execution.together import Journals

NAME = "pyhrf_x"


class Estimator(FakeEstimator):
    """One that can be sent."""

    def recipe(self):
        return {}


class FakeClient:
    """A soma-workflow that has the workflows that it is told."""

    scheduler = "slurm"

    def __init__(self, rounds, status="workflow_in_progress"):
        self.rounds, self.said, self.deleted = rounds, status, []

    def connect(self):
        pass

    def find(self, name):
        assert name == NAME
        return {w: n for w, n in self.rounds.items() if w not in self.deleted}

    def status(self, workflow):
        return self.said, ["running", "running"]

    def ids(self, workflow):
        return []

    def delete(self, workflow):
        self.deleted.append(workflow)
        return True

    def close(self, *, seconds=0):
        pass


class Earlier:
    """An engine whose earlier run left a workflow 7 with the jobs 8 and 9."""

    def __init__(self, tmp_path, *, status="workflow_in_progress", rounds=None, **notes):
        (tmp_path / "run").mkdir()
        (tmp_path / "cluster").mkdir()
        self.said = []
        self.engine = SomaEngine(
            ClusterSettings(server_id="R", remote_path="/x"), tell=self.said.append
        )
        self.engine.folder = tmp_path / "cluster"
        self.engine._study = "S"
        self.client = FakeClient({7: 2} if rounds is None else rounds, status)
        self.folder = LocalFolder(tmp_path / "run")
        self.cluster = Cluster(
            "R", "/py", self.folder, self.client, self.engine.folder, self.said.append
        )
        self.engine._reach = lambda notes, token="": self.cluster
        given = {"study": "S", "workflow": 7, "jobs": {8: list(ids(2)), 9: list(ids(3))}}
        given["deaths"] = dict(zip(ids(1, 2), (3, 1), strict=True))
        self.notes = WorkflowNotes(
            path=str(tmp_path / "run"), name=NAME, round=2, **{**given, **notes}
        )
        self.notes.save(self.engine.folder)

    def attach(self, *parcels):
        return self.engine._attach(dict.fromkeys(ids(*parcels), 1.0), load, only(Estimator()))

    def add_result(self, parcel, name="result-8-2-x.npz"):
        about = {"study": "S", "host": "n1", "seconds": 1.0}
        estimates = [FakeEstimator().fit_parcel(each) for each in make_parcels(parcel)]
        self.folder.write(name, pack_estimates(estimates, about=about))


@pytest.mark.parametrize("parcels", [(2, 3), (3,), (1, 2, 3), (1, 3)])
def test_attach__to_a_workflow_that_has_any_of_the_parcels(tmp_path, parcels):
    earlier = Earlier(tmp_path)
    run = earlier.attach(*parcels)
    assert run is not None
    assert earlier.client.deleted == []
    deaths = {} if 1 in parcels else dict.fromkeys(ids(1), 3)
    assert run.notes.deaths == deaths | dict.fromkeys(ids(2), 1)
    assert WorkflowNotes.load(earlier.engine.folder) == run.notes
    assert "workflow 7 is still running on R" in earlier.said[0]


def test_attach__not_where_none_of_its_parcels_is_awaited(tmp_path):
    earlier = Earlier(tmp_path)
    assert earlier.attach(1, 4) is None
    assert earlier.client.deleted == [7]
    assert not (tmp_path / "run").exists()
    assert WorkflowNotes.load(earlier.engine.folder) is None


def test_attach__to_a_workflow_that_has_just_ended(tmp_path):
    earlier = Earlier(tmp_path, status="workflow_done")
    earlier.add_result(2)
    run = earlier.attach(2, 3)
    assert run is not None
    assert next(run.follow()).batch.parcels == ids(2)
    assert earlier.client.deleted == []
    assert run.notes.deaths[ParcelId(0, 2)] == 1


@pytest.mark.parametrize(
    ("noted", "rounds", "found"),
    [
        (None, {6: 1, 7: 2}, 7),
        (None, {6: 1}, None),
        (7, {6: 1, 7: 2}, 7),
        (6, {7: 2}, None),
    ],
)
def test_attach__to_the_workflow_of_the_latest_round(tmp_path, noted, rounds, found):
    earlier = Earlier(tmp_path, workflow=noted, rounds=rounds)
    run = earlier.attach(2, 3)
    assert (run.notes.workflow if run else None) == found


def test_attach__what_is_of_another_study_is_not_removed_in_silence(tmp_path):
    earlier = Earlier(tmp_path, study="another")
    assert earlier.attach(2, 3) is None
    assert any("belongs to another study and is removed" in text for text in earlier.said)


def test_attach__folder_that_cannot_be_removed_does_not_stop_the_next_run(tmp_path):
    earlier = Earlier(tmp_path, study="another")

    def refuse():
        raise EngineError("the folder is stuck")

    earlier.folder.remove = refuse
    assert earlier.attach(2, 3) is None
    assert "the folder is stuck; it may be left there: remove it by hand" in earlier.said


BATCHES = make_batches(dict.fromkeys(ids(2, 3), 1.0), target_cost=1.0)


def delivered(earlier):
    return sorted(
        e.parcel
        for result in earlier.engine.run(BATCHES, load=load, studies=only(FakeEstimator()))
        for e in result.estimates
    )


@pytest.mark.parametrize("error", [EngineError("it is stuck"), ClusterLostError("it is away")])
def test_run__all_delivered_whatever_happens_at_the_end(tmp_path, error):
    earlier = Earlier(tmp_path)
    earlier.add_result(2)
    earlier.add_result(3, "result-9-3-x.npz")

    def fail():
        raise error

    earlier.folder.remove = fail
    assert delivered(earlier) == [2, 3]
    assert f"{error}; {tmp_path / 'run'} and the workflow {NAME} may be left" in earlier.said[-1]
    assert WorkflowNotes.load(earlier.engine.folder) is not None, "for --cancel to find it"


def test_run__closed_on_purpose_stops_the_workflow(tmp_path):
    earlier = Earlier(tmp_path)
    earlier.add_result(2)
    results = earlier.engine.run(BATCHES, load=load, studies=only(FakeEstimator()))
    next(results)
    results.close()
    assert earlier.client.deleted == [7]


def test_run_batches__full_disk_here_leaves_the_workflow(tmp_path, monkeypatch):
    earlier = Earlier(tmp_path)
    earlier.engine._resource.mode, earlier.engine._cluster = "remote", earlier.cluster
    earlier.add_result(2)

    def full(self, result):
        raise InputError("the disk is full")

    monkeypatch.setattr(Journal, "add", full)
    with (
        Journal(tmp_path / "out", {}) as journal,
        pytest.raises(
            InputError, match=rf"the disk is full; workflow 7 \({NAME}\) is still running on R"
        ),
    ):
        run_batches(
            earlier.engine, BATCHES, Journals([journal]), load=load, studies=only(FakeEstimator())
        )
    assert earlier.client.deleted == []
    assert WorkflowNotes.load(earlier.engine.folder) is not None


def test_run_batches__fault_of_the_program_leaves_the_workflow(tmp_path, monkeypatch):
    earlier = Earlier(tmp_path)
    earlier.add_result(2)

    def broken(self, result):
        raise ZeroDivisionError

    monkeypatch.setattr(Journal, "add", broken)
    with Journal(tmp_path / "out", {}) as journal, pytest.raises(ZeroDivisionError):
        run_batches(
            earlier.engine, BATCHES, Journals([journal]), load=load, studies=only(FakeEstimator())
        )
    assert earlier.client.deleted == []
    assert not issubclass(ZeroDivisionError, Interrupted)


def test_cancel__says_that_results_are_removed(tmp_path):
    earlier = Earlier(tmp_path)
    earlier.add_result(2)
    assert earlier.engine.cancel()
    assert f"{NAME} on R is removed with 1 files of results" in earlier.said[-1]


def test_resume__anew_removes_what_was_finished_there(tmp_path):
    earlier = Earlier(tmp_path)
    earlier.add_result(2)
    assert earlier.engine.resume("study", fresh=True) == []
    assert earlier.client.deleted == [7]
    assert not (tmp_path / "run").exists()


class StillClient(FakeClient):
    """A client that only looks its resource up."""

    def __init__(self, resource, folder):
        super().__init__({})
        self.resource = resource

    def configure(self):
        if self.resource.name is not None:
            self.resource.mode, self.resource.address = "local", "login"
            self.resource.login = self.resource.login or "me"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"server_id": "Q"}, "key server_id: .* went to R, and server_id is Q now: set it back"),
        ({"server_id": None}, "key server_id: .* went to R, and server_id is empty now"),
        ({"server": "other"}, "key server: .* went to login, and server is other now"),
        ({"user": "you"}, "key user: .* went to me, and user is you now"),
    ],
)
def test_resume__settings_under_which_the_workflow_is_not_found(
    tmp_path, monkeypatch, changes, message
):
    monkeypatch.setattr(soma, "SomaClient", StillClient)
    settings = ClusterSettings(server_id="R", remote_path="/x")
    notes = WorkflowNotes(
        "S", str(tmp_path / "run"), NAME, server_id="R", server="login", login="me"
    )
    for keys, refused in (({}, False), (changes, True)):
        made = SomaEngine(settings.model_copy(update=keys), tell=print)
        made.folder = tmp_path
        if refused:
            with pytest.raises(ConfigError, match=message):
                made._reach(notes)
        else:
            assert made._reach(notes).folder.path == notes.path


def test_engine__remote_path_that_was_wrong_can_be_corrected(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))

    def engine(path):
        made = SomaEngine(ClusterSettings(remote_path=str(path)), tell=print)
        made.folder = tmp_path / "cluster"
        assert made.resume("study", fresh=False) == []
        return made

    with pytest.raises(EngineError, match="set another remote_path"):
        list(engine(tmp_path / "no").run(BATCHES, load=load, studies=only(Estimator())))
    assert list(tmp_path.iterdir()) == []
    assert engine(tmp_path / "yes").cancel() is False


def cluster_with(earlier, **changes):
    return replace(earlier.cluster, **changes)


def test_check_words__percent_sign_that_sbatch_would_expand(tmp_path):
    cluster = cluster_with(Earlier(tmp_path), folder=LocalFolder(tmp_path / "50%j"), python="/py")
    with pytest.raises(ConfigError, match=r"key remote_path: .* holds a %"):
        check_words(cluster, inside=False)
    check_words(cluster, inside=True)


def test_check_versions__of_another_python_on_this_machine(tmp_path):
    earlier = Earlier(tmp_path)
    check_versions(cluster_with(earlier, python=sys.executable))
    other = tmp_path / "python"
    other.write_text(
        f'#!/bin/sh\n{sys.executable} "$@" | sed \'s/"numpy": "[^"]*"/"numpy": "1.0"/\'\n'
    )
    other.chmod(0o755)
    with pytest.raises(EngineError, match=r"this machine: .*python has other .*numpy 1\.0 \(here"):
        check_versions(cluster_with(earlier, python=str(other)))
    with pytest.raises(EngineError, match="this machine: /no/python cannot be run"):
        check_versions(cluster_with(earlier, python="/no/python"))


@pytest.mark.parametrize(
    ("scheduler", "answer", "refused"),
    [
        ("slurm", Reply(0, "pyhrf-sacct\n", ""), False),
        ("slurm", Reply(0, "slurm 24.05.1\n", ""), True),
        ("slurm", Reply(127, "", "sacct: not found"), True),
        ("pbspro", Reply(127, "", "sacct: not found"), False),
    ],
)
def test_check_sacct_there__only_the_stand_in_will_do(tmp_path, scheduler, answer, refused):
    earlier = Earlier(tmp_path)
    earlier.client.scheduler = scheduler
    earlier.folder.ask = Answering(answer).ask
    if refused:
        with pytest.raises(EngineError, match="would not see there that a job was cancelled"):
            check_sacct_there(earlier.cluster)
    else:
        check_sacct_there(earlier.cluster)
