"""``pyhrf check slurm`` on a real Slurm: every fault is named with its cure."""

from __future__ import annotations

import sys

import pytest
from cluster_bed import CLUSTER, Bed
from runs import PROGRAM, settings

pytestmark = pytest.mark.timeout(180)


def check(
    bed: Bed, *, name: str = "slurm", env: dict[str, str] | None = None, **keys: object
) -> tuple[int, str]:
    """Write ``[parallel-queue]``, run the program, return its exit code and what it said."""
    bed.write(CLUSTER, ".pyhrf/config.cfg", settings("parallel-queue", keys))
    command = [*PROGRAM, "check", name]
    done = bed.run(CLUSTER, command, check=False, env=env)
    assert done.stderr == ""
    assert bed.jobs() == {}
    assert list(bed.home(CLUSTER).glob(".pyhrf-check-*")) == []
    return done.returncode, done.stdout


def test_check__finds_nothing_amiss(bed: Bed) -> None:
    code, said = check(bed, queue="main", walltime="00:10:00", memory="500MB")
    assert code == 0, said
    marks = [line.split("  ")[-2].strip() for line in said.splitlines()[:5]]
    assert "NO" not in said
    assert marks == ["yes"] * 5
    assert "Slurm answers" in said
    assert said.endswith("-x slurm can be used\n")


def test_check__names_a_queue_that_is_not_there(bed: Bed) -> None:
    code, said = check(bed, queue="night")
    assert code == 1
    assert "queue: Slurm has no queue night\n    set queue in section [parallel-queue]" in said
    assert "to one of main\n" in said


def test_check__gives_what_the_scheduler_says_of_a_job(bed: Bed) -> None:
    code, said = check(bed, memory="900GB")
    assert code == 1, said
    assert "a job, there and back" in said
    assert "Requested node configuration is not available" in said


@pytest.mark.long
def test_check__names_an_interpreter_that_the_nodes_lack(bed: Bed) -> None:
    code, said = check(bed, python="/nowhere/python")
    assert code == 1, said
    assert "/nowhere/python: No such file" in said
    assert ".pyhrf-check-" not in said
    assert "-x slurm cannot be used" in said


def test_check__says_that_a_scheduler_does_not_answer(bed: Bed) -> None:
    text = "ClusterName=x\nSlurmctldHost=gone\nMessageTimeout=2\n"
    configuration = bed.write(CLUSTER, "gone.conf", text)
    code, said = check(bed, env={"SLURM_CONF": str(configuration)})
    assert code == 1, said
    assert "scheduler: Slurm does not answer (sinfo -h -o %P): " in said


def test_check__says_that_programs_are_not_there(bed: Bed) -> None:
    code, said = check(bed, name="oar")
    assert code == 1
    assert "oarsub and oarstat and oardel of OAR not found on the PATH" in said
    assert "login node" in said


def test_check__does_not_take_a_long_queue_for_a_fault(bed: Bed) -> None:
    bed.slurm("scontrol", "update", "PartitionName=main", "State=DOWN")
    try:
        code = (
            "from pyhrf.config.settings import QueueSettings\n"
            "from pyhrf.execution.queues.check import check_queue\n"
            "found = check_queue('slurm', QueueSettings(), job_seconds=8)\n"
            "print(found.usable, *found.notes)\n"
        )
        done = bed.run(CLUSTER, [sys.executable, "-c", code])
    finally:
        bed.slurm("scontrol", "update", "PartitionName=main", "State=UP")
    assert done.stdout.startswith("True the job was not done after 8 s")
    assert "the queue may be long" in done.stdout
    assert bed.jobs() == {}
