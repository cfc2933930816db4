"""The engine cluster without a cluster: what it refuses, and what it does in light mode."""

from __future__ import annotations

import json
import sys

import pytest
from execution_fakes import FakeEstimator, assert_same_estimate, ids, load, make_parcels, only

from pyhrf.config.settings import ClusterSettings
from pyhrf.errors import ConfigError, EngineError
from pyhrf.execution import extras
from pyhrf.execution.batches import make_batches
from pyhrf.execution.packing import pack_estimates
from pyhrf.execution.soma.engine import SomaEngine
from pyhrf.execution.soma.folder import ClusterLostError
from pyhrf.execution.soma.job import JobSettings, pack_results
from pyhrf.execution.soma.notes import WorkflowNotes


class Estimator(FakeEstimator):
    """One that can be sent."""

    def __init__(self):
        super().__init__()

    def recipe(self):
        return {}


BATCHES = make_batches(dict.fromkeys(ids(*range(1, 6)), 1.0), target_cost=1.0)


def engine(tmp_path, said=None, **keys):
    made = SomaEngine(ClusterSettings(**keys), tell=(said if said is not None else []).append)
    made.folder = tmp_path / "cluster"
    return made


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"server": "login"}, "key server: it is login, but server_id is empty"),
        ({"server_id": "R"}, "key remote_path: it is empty"),
    ],
)
def test_engine__settings_that_are_not_complete(tmp_path, keys, message):
    with pytest.raises(ConfigError, match=message):
        engine(tmp_path, **keys)


def test_engine__packages_that_are_missing(tmp_path, monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "asyncssh" else "there")
    with pytest.raises(EngineError, match=r"needs asyncssh, .* pip install 'pyhrf\[cluster\]'"):
        engine(tmp_path, server_id="R", remote_path="/x")


def test_engine__section_that_soma_workflow_does_not_know(tmp_path):
    made = engine(tmp_path, server_id="R", remote_path="/x")
    with pytest.raises(ConfigError, match=r"\[R\]"):
        list(made.run(BATCHES, load=load, studies=only(Estimator())))


@pytest.mark.parametrize("name", ["a$b", "a`b", 'a"b', "a'b", "a\\b"])
def test_engine__folder_that_bash_would_change(tmp_path, name):
    made = engine(tmp_path, remote_path=str(tmp_path / name))
    with pytest.raises(ConfigError, match=r"key remote_path: .* choose another name"):
        list(made.run(BATCHES, load=load, studies=only(Estimator())))
    assert not (tmp_path / name).exists()


def test_engine__output_directory_that_bash_would_change(tmp_path):
    made = engine(tmp_path / "it's")
    made.folder.mkdir(parents=True)
    with pytest.raises(ConfigError, match="the output directory"):
        list(made.run(BATCHES, load=load, studies=only(Estimator())))
    assert not made.folder.exists()


def test_engine__estimator_that_cannot_be_sent(tmp_path):
    with pytest.raises(TypeError, match="no recipe"):
        list(engine(tmp_path).run(BATCHES, load=load, studies=only(object())))


def test_engine__light_mode_from_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", ":".join(sys.path))
    said = []
    made = engine(tmp_path, said)
    made.folder.parent.mkdir(exist_ok=True)
    assert made.detaches
    assert made.resume("study", fresh=False) == []
    results = list(made.run(BATCHES, load=load, studies=only(Estimator())))
    found = {e.parcel: e for result in results for e in result.estimates}
    assert sorted(found) == [1, 2, 3, 4, 5]
    for parcel in make_parcels(1, 2, 3, 4, 5):
        assert_same_estimate(found[parcel.number], FakeEstimator().fit_parcel(parcel))
    assert list(tmp_path.iterdir()) == []
    assert made.news == tuple(said)
    assert made.cancel() is False


def test_engine__leftovers_of_a_killed_run_are_cleared_up(tmp_path):
    made = engine(tmp_path)
    folder = made.folder / "run"
    folder.mkdir(parents=True)
    made.resume("study", fresh=False)
    WorkflowNotes(made._study, str(folder), "pyhrf_x", round=1, jobs={0: list(ids(1))}).save(
        made.folder
    )
    assert made.resume("study", fresh=False) == []
    assert list(made.run([], load=load, studies=only(Estimator()))) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("packed", [(1, 2, 3), (1, 2), ()])
def test_resume__brings_what_was_packed_and_what_came_later(tmp_path, packed):
    made = engine(tmp_path)
    made.resume("study", fresh=False)
    folder = made.folder / "run"
    folder.mkdir(parents=True)
    about = {"study": made._study, "host": "n1", "seconds": 1.0}
    for i, parcel in enumerate(make_parcels(*packed, *sorted({1, 2, 3} - set(packed)))):
        estimate = Estimator().fit_parcel(parcel)
        (folder / f"result-0-{parcel.number}.npz").write_bytes(
            pack_estimates([estimate], about=about)
        )
        if i + 1 == len(packed):
            (folder / JobSettings.FILE).write_bytes(JobSettings(made._study, 1.0).to_json())
            pack_results(folder)
    WorkflowNotes(made._study, str(folder), "pyhrf_x").save(made.folder)
    found = {e.parcel: e for result in made.resume("study", fresh=False) for e in result.estimates}
    assert sorted(found) == [1, 2, 3]
    assert made.resume("another study", fresh=False) == []
    made.cancel()


def test_resume__takes_what_was_pushed_when_the_cluster_is_away(tmp_path, monkeypatch):
    said = []
    made = engine(tmp_path, said)
    made.resume("study", fresh=False)
    made.folder.mkdir()
    about = {"study": made._study, "host": "n1", "seconds": 1.0}
    estimates = [Estimator().fit_parcel(parcel) for parcel in make_parcels(4)]
    (made.folder / "result-0-4.npz").write_bytes(pack_estimates(estimates, about=about))
    (made.folder / JobSettings.FILE).write_bytes(JobSettings(made._study, 1.0).to_json())
    pack_results(made.folder)
    WorkflowNotes(made._study, "/far/away", "pyhrf_x").save(made.folder)

    def away(*_):
        raise ClusterLostError("host login: no answer")

    monkeypatch.setattr(made, "_reach", away)
    (result,) = made.resume("study", fresh=False)
    assert_same_estimate(result.estimates[0], estimates[0])
    assert list(made.run([], load=load, studies=only(Estimator()))) == []
    assert "host login: no answer; the results that it has sent are used" in said
    assert "/far/away and the workflow pyhrf_x may be left there" in said[-1]
    assert "pyhrf.execution.engines.cancel removes them" in said[-1]


def test_cancel__removes_what_was_left(tmp_path):
    made = engine(tmp_path)
    (made.folder / "run").mkdir(parents=True)
    (made.folder / "run" / "at-1").touch()
    WorkflowNotes("study", str(made.folder / "run"), "pyhrf_x").save(made.folder)
    assert made.cancel() is True
    assert list(tmp_path.iterdir()) == []


def test_notes__are_json_for_whoever_looks(tmp_path):
    WorkflowNotes("s", "/p", "n").save(tmp_path)
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text())["name"] == "n"
