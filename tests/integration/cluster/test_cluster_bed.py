"""The test bed itself: a test that passes because nothing was there would prove nothing."""

from __future__ import annotations

from cluster_bed import CLIENT, CLUSTER, Bed, wait_until

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
