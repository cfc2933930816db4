"""What a job does before it works, and the folder through which it meets its run."""

from __future__ import annotations

import json
import socket
import stat

import pytest

from pyhrf.execution import queue_worker
from pyhrf.execution.host_facts import host_facts
from pyhrf.execution.queue_folder import QueueFolder, Trouble


@pytest.fixture
def folder(tmp_path) -> QueueFolder:
    made = QueueFolder(tmp_path / "slurm")
    made.make()
    return made


def start(monkeypatch, folder, *arguments):
    monkeypatch.setattr("sys.argv", ["worker", str(folder.path), "--name", "j1", *arguments])
    queue_worker.main()


def test_folder__is_closed_to_others(folder):
    folder.write_config({"tls": {"key": "secret"}})
    (keys,) = [path for path in folder.path.iterdir() if path.is_file()]
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(keys.stat().st_mode) == 0o600
    assert folder.read_config() == {"tls": {"key": "secret"}}
    folder.forget_keys()
    with pytest.raises(FileNotFoundError):
        folder.read_config()


def test_folder__remembers_jobs(folder):
    assert folder.read_jobs() == ("", [])
    folder.write_jobs("pyhrf-abc", ["1", "2"])
    assert folder.read_jobs() == ("pyhrf-abc", ["1", "2"])
    (folder.path / "jobs.json").write_text("{")
    assert folder.read_jobs() == ("", [])


def test_log_end__is_that_of_the_job_and_prefers_errors(folder):
    (folder.path / "pyhrf-abc-12.out").write_text("said\n")
    (folder.path / "pyhrf-abc-112.err").write_text("of another job\n")
    assert folder.log_end("12") == "said"
    (folder.path / "pyhrf-abc-12.err").write_text("a\n\nb\nc\nd\n  e \n")
    assert folder.log_end("12") == "b / c / d / e"
    assert folder.log_end("13") == ""


def test_worker__names_other_versions(monkeypatch, folder, capsys):
    versions = {**host_facts()["versions"], "numpy": "1.0.0"}
    folder.write_config({"versions": versions, "contacts": []})
    with pytest.raises(SystemExit, match="numpy"):
        start(monkeypatch, folder)
    trouble = folder.trouble("j1")
    assert trouble is not None
    assert trouble.final
    assert "(here 1.0.0)" in trouble.text
    assert "python in section [parallel-queue]" in trouble.text


def test_worker__names_the_addresses_that_it_does_not_reach(monkeypatch, folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    folder.write_config(
        {"versions": host_facts()["versions"], "contacts": [f"tls://127.0.0.1:{port}"]}
    )
    with pytest.raises(SystemExit, match=rf"does not reach the login node at 127.0.0.1:{port} \("):
        start(monkeypatch, folder, "--nthreads", "1", "--memory-limit", "1GB")
    assert folder.trouble("j1") == Trouble(folder.trouble("j1").text, final=False)


def test_worker__joins_at_the_first_address_that_answers(monkeypatch, folder):
    joined = []

    async def serve(config, contact, own_address, names, scratch):
        joined.append((contact, own_address, names, scratch))

    monkeypatch.setattr(queue_worker, "_serve", serve)
    monkeypatch.setattr(queue_worker.signal, "signal", lambda number, handler: None)
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    pytest.importorskip("dask", reason="the extra queue is not installed")
    with (
        socket.create_server(("127.0.0.1", 0)) as free,
        socket.create_server(("127.0.0.1", 0)) as s,
    ):
        closed, port = free.getsockname()[1], s.getsockname()[1]
        free.close()
        contacts = [f"tls://127.0.0.1:{closed}", f"tls://127.0.0.1:{port}"]
        folder.write_config(
            {"versions": host_facts()["versions"], "contacts": contacts, "dask": {}}
        )
        start(monkeypatch, folder, "--workers", "2")
    ((contact, own_address, names, scratch),) = joined
    assert (contact, own_address) == (contacts[1], "127.0.0.1")
    assert [name.rpartition("-")[0].startswith("n7#j1-") for name in names] == [True, True]
    assert len(set(names)) == 2
    assert scratch.is_dir()


def test_worker__of_a_run_that_is_over_ends(monkeypatch, folder):
    with pytest.raises(SystemExit, match="the run has ended"):
        start(monkeypatch, folder)


def test_trouble__that_is_not_there_or_no_json_is_none(folder):
    assert folder.trouble("j1") is None
    (folder.path / "trouble-j1.json").write_text(json.dumps({"other": 1}))
    assert folder.trouble("j1") is None
