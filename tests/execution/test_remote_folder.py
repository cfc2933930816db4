"""What a run keeps on a host, and that it takes away what it made, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pyhrf.errors import EngineError
from pyhrf.execution.lan.folder import RunFolder
from pyhrf.execution.ssh.host_folder import (
    MODULE,
    read_notes,
    remove_note,
    try_temporary,
    write_note,
)

NODE = os.uname().nodename


def names(path):
    return sorted(each.name for each in path.iterdir())


def test_run_folder__is_gone_after_success(tmp_path):
    folder = RunFolder(str(tmp_path / "pyhrf-1"), host="h1", run="r1")
    (folder.path / "batch-1-a.npz").touch()
    (folder.path / "batch-2-b.npz.h1-7.tmp").touch()
    (folder.scratch / "worker").mkdir()
    folder.leave(remove=True, arrived=())
    assert names(tmp_path) == []


def test_run_folder__keeps_what_has_not_arrived(tmp_path):
    folder = RunFolder(str(tmp_path / "pyhrf-1"), host="h1", run="r1")
    for name in ("batch-1-a.npz", "batch-2-b.npz"):
        (folder.path / name).touch()
    folder.leave(remove=False, arrived=["batch-1-a.npz"])
    assert names(folder.path) == ["batch-2-b.npz"]


def test_run_folder__removes_nothing_that_it_did_not_make(tmp_path):
    folder = RunFolder(str(tmp_path / "pyhrf-1"), host="h1", run="r1")
    (folder.path / "thesis.tex").touch()
    (tmp_path / "mine.npz").touch()
    folder.leave(remove=True, arrived=["../mine.npz", "../../mine.npz"])
    assert names(folder.path) == ["thesis.tex"]
    assert (tmp_path / "mine.npz").exists()


def test_run_folder__is_shared_by_hosts(tmp_path):
    path = str(tmp_path / "pyhrf-1")
    one, other = RunFolder(path, host="h1", run="r1"), RunFolder(path, host="h2", run="r1")
    assert one.scratch != other.scratch
    one.leave(remove=True, arrived=())
    assert other.scratch.is_dir()
    other.leave(remove=True, arrived=())
    assert names(tmp_path) == []


def leave_behind(path, host, pid, node=NODE):
    """Make what a launcher leaves that is killed."""
    token = f"{host}-{node}-{pid}"
    (path / f"log-{token}.txt").touch()
    (path / f"scratch-{token}" / "worker").mkdir(parents=True)


@pytest.fixture
def dead_pid():
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_run_folder__takes_away_after_success_what_the_killed_left(tmp_path, dead_pid):
    folder = RunFolder(str(tmp_path / "pyhrf-1"), host="h-1", run="r1")
    leave_behind(folder.path, "h-1", dead_pid)
    folder.leave(remove=True, arrived=())
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "whose",
    [{"host": "h1", "pid": os.getppid()}, {"host": "h2"}, {"host": "h1", "node": "elsewhere"}],
    ids=["alive", "host", "machine"],
)
def test_run_folder__leaves_to_others_what_is_theirs(tmp_path, dead_pid, whose):
    folder = RunFolder(str(tmp_path / "pyhrf-1"), host="h1", run="r1")
    leave_behind(folder.path, **{"pid": dead_pid, **whose})
    folder.leave(remove=True, arrived=())
    assert len(names(folder.path)) == 2


def test_run_folder__leaves_nothing_without_remote_path(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = RunFolder(None, host="h1", run="r1")
    assert folder.path.parent == tmp_path
    assert folder.path.stat().st_mode & 0o077 == 0
    folder.leave(remove=False, arrived=())
    assert names(tmp_path) == []


def test_run_folder__takes_away_what_a_killed_launcher_of_this_run_left(
    tmp_path, monkeypatch, dead_pid
):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = RunFolder(None, host="h1", run="r1")
    leave_behind(folder.path, "h1", dead_pid)
    other = RunFolder(None, host="h1", run="r2")
    folder.leave(remove=False, arrived=())
    assert names(tmp_path) == [other.path.name]


def test_run_folder__refuses_missing_remote_path(tmp_path):
    path = str(tmp_path / "nowhere" / "pyhrf-1")
    with pytest.raises(
        EngineError, match=r"remote_path .*/nowhere is not a folder there"
    ) as caught:
        RunFolder(path, host="h1", run="r1", login="-p 2222 ann@h1")
    assert "make it there" in caught.value.cure
    assert caught.value.cure.endswith(f"run: ssh -p 2222 ann@h1 mkdir -p {tmp_path}/nowhere")


def test_run_folder__refuses_remote_path_that_is_no_folder_to_write(tmp_path):
    (tmp_path / "pyhrf-1").write_text("a file")
    with pytest.raises(EngineError, match="remote_path cannot be written"):
        RunFolder(str(tmp_path / "pyhrf-1"), host="h1", run="r1")


def test_run_folder__refuses_folder_that_others_can_write(tmp_path):
    (tmp_path / "pyhrf-1").mkdir()
    (tmp_path / "pyhrf-1").chmod(0o777)
    with pytest.raises(EngineError, match="others may write it"):
        RunFolder(str(tmp_path / "pyhrf-1"), host="h1", run="r1")


def test_run_folder__refuses_link_to_another_folder(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "pyhrf-1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EngineError, match="belongs to someone else"):
        RunFolder(str(tmp_path / "pyhrf-1"), host="h1", run="r1")


@pytest.mark.usefixtures("little_room")
def test_run_folder__names_a_full_disk_and_leaves_nothing_new(tmp_path):
    path = tmp_path / "pyhrf-1"
    with pytest.raises(EngineError, match="remote_path cannot be written") as caught:
        RunFolder(str(path), host="h1", run="r1")
    assert f"(File too large: {path})" in str(caught.value)
    expected = "make room there, or set another remote_path in section [parallel-LAN]"
    assert caught.value.cure == expected
    assert names(tmp_path) == []
    path.mkdir(mode=0o700)
    (path / "batch-1-a.npz").touch()  # of an earlier run
    with pytest.raises(EngineError, match="remote_path cannot be written"):
        RunFolder(str(path), host="h1", run="r1")
    assert names(path) == ["batch-1-a.npz"]


@pytest.mark.usefixtures("little_room")
def test_run_folder__names_a_full_disk_of_temporary_files(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(EngineError, match="the folder for temporary files cannot be") as caught:
        RunFolder(None, host="h1", run="r1")
    assert caught.value.cure == "make room there, or set remote_path in section [parallel-LAN]"
    assert names(tmp_path) == []


def test_write_note__needs_room_for_more_than_the_note(tmp_path, little_room):
    assert write_note(str(tmp_path), "note") == ("File too large", "make room")
    assert names(tmp_path) == []


def test_write_note__is_read_where_the_folder_is_the_same(tmp_path):
    assert write_note(str(tmp_path), "note") == ("", "")
    assert read_notes(str(tmp_path), "other", "note") == ["note"]
    assert write_note(str(tmp_path), "note")[0] == "File exists"
    remove_note(str(tmp_path), "note")
    assert names(tmp_path) == []


def test_host_folder__as_a_job_says_why_it_failed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", MODULE, "write", str(tmp_path / "nowhere"), "note"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    reason = "No such file or directory"
    assert done.stderr == f"{tmp_path / 'nowhere'} cannot be written: {reason}\n"


@pytest.mark.usefixtures("little_room")
def test_try_temporary__names_what_helps(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert try_temporary() == ("File too large", "make room")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert try_temporary() == ("No such file or directory", "correct that")
