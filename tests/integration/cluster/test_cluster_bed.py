"""The test bed itself: a test that passes because nothing was there would prove nothing."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import bed_parts
import cluster_bed
import pytest
from bed_parts import NoBedError, provide_programs, wait_until
from cluster_bed import CLIENT, CLUSTER, Bed

SSH = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]


def test_bed__has_two_machines_that_log_in_to_each_other(bed: Bed):
    assert bed.run(CLIENT, ["hostname"]).stdout.strip() == "desk"
    said = bed.run(CLIENT, [*SSH, f"{CLUSTER}@login", "hostname; sinfo -h -o %D; which sacct"])
    assert said.stdout.split() == ["login", str(len(bed.nodes)), str(bed.folder / "bin" / "sacct")]
    assert bed.run(CLUSTER, [*SSH, f"{CLIENT}@desk", "hostname"]).stdout.strip() == "desk"
    bed.give_key(CLIENT, stranger=True)
    assert bed.run(CLIENT, [*SSH, f"{CLUSTER}@login", "true"], check=False).returncode == 255


def test_bed__runs_jobs_and_loses_nodes(bed: Bed):
    job = int(bed.run(CLUSTER, ["sbatch", "--parsable", "--wrap", "sleep 97"]).stdout)
    wait_until(lambda: bed.jobs() == {job: "RUNNING"}, seconds=10, what="a running job")
    wait_until(
        lambda: any(p.command == "sleep 97" for p in bed.processes(CLUSTER)),
        seconds=5,
        what="its process",
    )
    node = bed.node_of(job)
    bed.kill_node(node)
    wait_until(lambda: not bed.processes(CLUSTER), seconds=2, what="an end of its process")
    wait_until(lambda: bed.jobs() != {job: "RUNNING"}, seconds=30, what="a word of Slurm")
    bed.reset()
    assert bed.jobs() == {}
    assert bed.processes() == []
    assert "down" not in bed.slurm("sinfo", "-h", "-o", "%t")


def processes_in(folder: str) -> list[str]:
    """Return the processes that work in a folder, or did in one that is removed."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str((entry / "cwd").readlink()).startswith(folder):
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    return found


@pytest.mark.usefixtures("bed")
def test_bed__of_tests_that_were_killed_ends_with_them():
    program = (
        "import sys, time\n"
        "sys.path.insert(0, '..')\n"
        "import cluster_bed\n"
        "bed = cluster_bed.Bed(n_nodes=1)\n"
        "bed.up()\n"
        "print(bed.folder, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(
        command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        folder = Path(tests.stdout.readline().strip())
        assert processes_in(str(folder))
        tests.send_signal(signal.SIGKILL)
    wait_until(lambda: not processes_in(str(folder)), seconds=10, what="an end of all processes")
    wait_until(lambda: not folder.exists(), seconds=10, what="an end of its folder")


@pytest.mark.usefixtures("bed")
def test_bed__that_cannot_be_made_leaves_nothing(monkeypatch):
    monkeypatch.setitem(cluster_bed.MACHINES, "login", "no address")
    other = Bed(n_nodes=1)
    with pytest.raises(NoBedError, match=r"no namespaces can be made: .*no"):
        other.up()
    assert processes_in(str(other.folder)) == []
    assert not other.folder.exists()


def test_provide_programs__installs_nothing_on_a_machine_of_someone(monkeypatch):
    monkeypatch.setattr(bed_parts.os, "geteuid", lambda: 0)
    monkeypatch.setattr(bed_parts, "run", lambda *_, **__: pytest.fail("it was installed"))
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.delenv("PYHRF_REQUIRE_INTEGRATION", raising=False)
    with pytest.raises(NoBedError, match="nonsuch-package are not installed"):
        provide_programs({"nonsuch-program": "nonsuch-package"})


def test_kill_node__that_was_killed_kills_nobody_else(bed: Bed):
    bed.kill_node("n1")
    with pytest.raises(AssertionError, match="n1 runs no more"):
        bed.kill_node("n1")


def test_reset__revives_a_node_that_does_not_answer(bed: Bed):
    bed.kill_node("n1")
    bed.slurm("scontrol", "update", "NodeName=n1", "State=DOWN", "Reason=test")
    bed.reset()
    assert "down" not in bed.slurm("sinfo", "-h", "-o", "%t")
    assert bed.broken == ""


@pytest.mark.usefixtures("bed")
def test_reset__that_cannot_revive_a_node_shows_its_log_and_does_not_wait():
    other = Bed(n_nodes=1)
    other.up()
    try:
        other.kill_node("n1")
        # Its port is another's, who is root: what the users run ends.
        program = (
            "import socket, time\n"
            "server = socket.create_server(('', 17001))\n"
            "print('here', flush=True)\n"
            "time.sleep(100)\n"
        )
        command = [*other._enter("login"), sys.executable, "-c", program]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "here\n"
            start = time.monotonic()
            with pytest.raises(NoBedError, match=r"(?s)not use n1:.*log of n1:.*already in use"):
                other.reset()
            assert time.monotonic() - start < 30
            assert "n1" in other.broken
            holder.kill()
    finally:
        other.down()
