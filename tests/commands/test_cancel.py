"""``--cancel`` and ``--fresh`` with the engine whose work continues without its command."""

from __future__ import annotations

import pytest

from pyhrf.analysis import analyse
from pyhrf.commands.options import ENGINES as OFFERED
from pyhrf.config.settings import Settings
from pyhrf.errors import ConfigError, EngineError, InputError
from pyhrf.execution import output_folder
from pyhrf.execution.directory_lock import DirectoryLock
from pyhrf.execution.engines import ENGINES, begin_anew, cancel, make_engine, tell_unfinished
from pyhrf.execution.output_folder import folder_of_engine
from pyhrf.execution.soma.engine import SomaEngine
from pyhrf.execution.soma.notes import WorkflowNotes


@pytest.fixture
def built(run, study):
    """A study whose XML file is written."""
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    return study


@pytest.fixture
def left(tmp_path):
    """An output directory for which a run in light mode was killed."""
    output = tmp_path / "results"
    folder = folder_of_engine(output, "cluster")
    (folder / "run").mkdir(parents=True)
    WorkflowNotes("study", str(folder / "run"), "pyhrf_x").save(folder)
    (output / ".journal" / "study.json").write_text("{}")
    return output


def test_cancel__removes_what_a_killed_run_left(run, built, left):
    ended = run("pyhrf_jde_estim", "-c", built.xml, "-x", "cluster", "--cancel", "-u", left)
    assert ended.code == 0
    assert "stopped and cleared up" in ended.err
    assert {path.name for path in (left / ".journal").iterdir()} == {"lock", "study.json"}
    ended = run("pyhrf_jde_estim", "-c", built.xml, "-x", "cluster", "--cancel", "-u", left)
    assert ended.code == 0
    assert "there is nothing to cancel" in ended.err


def test_cancel__needs_an_engine_that_goes_on(run, built):
    ended = run("pyhrf_jde_estim", "-c", built.xml, "--cancel")
    assert ended.code == 2
    assert "-x cluster" in ended.err


@pytest.mark.parametrize("option", ["--fresh", "-s", "-p"])
def test_cancel__goes_without_options_of_a_run(run, built, left, option):
    options = ["-x", "cluster", "--cancel", "-u", left, option]
    ended = run("pyhrf_jde_estim", "-c", built.xml, *options)
    assert ended.code == 2
    assert f"--cancel starts nothing: leave out {option}" in ended.err
    assert (left / ".journal" / "cluster" / "run").exists()


def test_cancel__not_while_a_run_holds_the_directory(left):
    lock = DirectoryLock(left / ".journal" / "lock", owner=left)
    try:
        with pytest.raises(InputError, match="in use by another run"):
            cancel(left, "cluster", Settings(), tell=print)
    finally:
        lock.release()


def test_cancel__engine_that_ends_with_its_command(tmp_path):
    with pytest.raises(ConfigError, match="nothing to cancel"):
        cancel(tmp_path, "serial", Settings(), tell=print)


def test_fresh__stops_what_goes_on_for_older_results(left):
    engine = make_engine("cluster", Settings(), tell=print)
    engine.folder = folder_of_engine(left, "cluster")
    said = []
    begin_anew(left, engine, tell=said.append)
    assert not left.exists()
    kept = left.with_name("results.old-1")
    assert said == [f"{left}: older results are kept in {kept}"]
    assert not (kept / ".journal" / "cluster").exists()


def test_fresh__stops_nothing_where_the_results_cannot_be_set_aside(left, monkeypatch):
    engine = make_engine("cluster", Settings(), tell=print)
    engine.folder = folder_of_engine(left, "cluster")
    monkeypatch.setattr(output_folder.os, "access", lambda path, mode: path != left.parent)
    with pytest.raises(InputError, match="cannot be set aside"):
        begin_anew(left, engine, tell=print)
    assert (engine.folder / "run").exists()


def test_another_engine__says_that_a_workflow_may_go_on(left):
    engine = make_engine("serial", Settings(), tell=print)
    said = []
    tell_unfinished(left, engine, tell=said.append)
    assert f'the same call with engine="cluster" and output {left} fetches its results' in said[0]
    begin_anew(left, engine, tell=said.append)
    assert "pyhrf_x" in said[2]
    assert f"output {left.with_name('results.old-1')} fetches" in said[2]
    said.clear()
    tell_unfinished(left, engine, tell=said.append)
    assert said == []


def test_resume__the_study_does_not_depend_on_where_its_results_lie(built, tmp_path, monkeypatch):
    """A directory that is moved or reached by another name takes its workflow along."""
    studies = []

    def stop(self, study, *, fresh):
        studies.append(study)
        raise EngineError("enough")

    monkeypatch.setattr(SomaEngine, "resume", stop)
    for name in ("here", "there"):
        with pytest.raises(EngineError, match="enough"):
            analyse(built.xml, engine="cluster", output=tmp_path / name, settings=Settings())
    assert studies[0] == studies[1]


def test_engines__are_those_of_the_command():
    assert OFFERED == ENGINES
    with pytest.raises(ConfigError, match="there is no engine 'pigeon'"):
        make_engine("pigeon", Settings(), tell=print)
