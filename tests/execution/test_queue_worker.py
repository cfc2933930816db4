"""What a job does before it works, and the folder through which it meets its run."""

from __future__ import annotations

import asyncio
import json
import platform
import socket
import stat
import time

import pytest

from pyhrf.execution.queues import worker as queue_worker
from pyhrf.execution.queues.folder import NotedJobs, QueueFolder, Trouble
from pyhrf.execution.ssh.host_facts import host_facts


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
    assert folder.read_jobs() == []
    noted = [NotedJobs("pyhrf-old", ("1",), "other"), NotedJobs("pyhrf-abc", ("1", "2"))]
    folder.write_jobs(noted)
    assert folder.read_jobs() == noted
    assert noted[1].host == platform.node()
    (folder.path / "jobs.json").write_text("{")
    assert folder.read_jobs() == []


def test_folder__made_again_holds_no_trouble_of_last_time(folder):
    folder.report("j1", Trouble("of last time", final=True))
    folder.make()
    assert folder.trouble("j1") is None


def test_log_end__is_that_of_the_job_and_prefers_errors(folder):
    (folder.path / "pyhrf-abc-12.out").write_text("said\n")
    (folder.path / "pyhrf-abc-112.err").write_text("of another job\n")
    assert folder.log_end("12") == "said"
    (folder.path / "pyhrf-abc-12.err").write_text("a\n\nb\nc\nd\n  e \n")
    assert folder.log_end("12") == "b / c / d / e"
    assert folder.log_end("13") == ""


LOGS = {
    "slurm": ("12", "pyhrf-abc-12.out", "pyhrf-abc-12.err"),
    "pbs": ("12", "12.head.OU", "12.head.ER"),
    "pbs, without a folder": ("12", "pyhrf-abc.o12", "pyhrf-abc.e12"),
    "sge": ("12", "pyhrf-abc.o12", "pyhrf-abc.e12"),
    "lsf": ("12", "abcj7-12.out", "abcj7-12.err"),
    "htcondor": ("12.0", "worker-12.0.out", "worker-12.0.err"),
    "oar": ("12", "12.out", "12.err"),
}


@pytest.mark.parametrize("scheduler", LOGS)
def test_log_end__knows_the_names_of_each_scheduler(folder, scheduler):
    job, out, err = LOGS[scheduler]
    for name in (out, err):  # of another job
        (folder.path / name.replace("12", "112")).write_text("of 112\n")
        (folder.path / name.replace("12", "121")).write_text("of 121\n")
    assert folder.log_end(job) == ""
    (folder.path / out).write_text("said\n")
    assert folder.log_end(job) == "said"
    (folder.path / err).write_text("no such python\n")
    assert folder.log_end(job) == "no such python"


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


def test_worker__names_a_folder_that_its_node_cannot_write(monkeypatch, folder):
    folder.scratch.rmdir()
    folder.scratch.write_text("no folder")
    folder.write_config({"versions": host_facts()["versions"], "contacts": []})
    with pytest.raises(SystemExit, match=f"cannot write {folder.scratch}/j1: Not a directory"):
        start(monkeypatch, folder)
    trouble = folder.trouble("j1")
    assert trouble is not None
    assert not trouble.final  # another node may see another disk


def test_worker__names_the_addresses_that_it_does_not_reach(monkeypatch, folder):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    folder.write_config(
        {"versions": host_facts()["versions"], "contacts": [f"tls://127.0.0.1:{port}"]}
    )
    with pytest.raises(SystemExit, match=rf"does not reach the login node at 127.0.0.1:{port} \("):
        start(monkeypatch, folder)
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


def test_reach__prefers_any_address_to_its_own(monkeypatch):
    """At 127.0.0.1 another program of the node may answer, and sooner."""

    async def connect(host, port):
        if host != "127.0.0.1":
            await asyncio.sleep(0.2)
        if host == "10.0.0.1":
            raise ConnectionRefusedError(111, "refused")

        class Writer:
            def get_extra_info(self, name):
                return (f"me at {host}", 1)

            def close(self):
                pass

        return None, Writer()

    monkeypatch.setattr(queue_worker.asyncio, "open_connection", connect)
    contacts = [f"tls://{host}:1" for host in ("10.0.0.1", "10.0.0.2", "127.0.0.1")]
    found = asyncio.run(queue_worker._reach(contacts, "n1"))
    assert found == ("tls://10.0.0.2:1", "me at 10.0.0.2")


def test_reach__does_not_wait_for_one_address_after_the_other(monkeypatch):
    async def connect(host, port):
        await asyncio.sleep(60)

    monkeypatch.setattr(queue_worker.asyncio, "open_connection", connect)
    monkeypatch.setattr(queue_worker, "_CONNECT_SECONDS", 0.5)
    start = time.monotonic()
    with pytest.raises(queue_worker._TroubleError, match=r"10.0.0.1:1 .*10.0.0.8:1 .*firewall"):
        asyncio.run(queue_worker._reach([f"tls://10.0.0.{i}:1" for i in range(1, 9)], "n1"))
    assert time.monotonic() - start < 2


def test_worker__of_a_run_that_is_over_ends(monkeypatch, folder):
    with pytest.raises(SystemExit, match="the run has ended"):
        start(monkeypatch, folder)


def test_trouble__that_is_not_there_or_no_json_is_none(folder):
    assert folder.trouble("j1") is None
    (folder.path / "trouble-j1.json").write_text(json.dumps({"other": 1}))
    assert folder.trouble("j1") is None
