"""Jobs, nodes and the client are lost in the midst of ``-x slurm``; no result ever is."""

from __future__ import annotations

import os
import re
import signal
import stat
import sys
from collections.abc import Callable

import pytest
from bed_parts import wait_until
from cluster_bed import CLIENT, CLUSTER, Bed
from queue_client import Run, assert_nothing_left, configure, pyhrf
from runs import assert_all_found

pytestmark = pytest.mark.timeout(300)


def one_job(bed: Bed, state: str) -> int:
    return next(number for number, found in bed.jobs().items() if found == state)


def test_undisturbed__costs_little_more_than_the_work(bed: Bed, crowding: Callable[[], float]):
    """All beyond the 2.5 s of computing, from the first line of the program on: 8 s when idle."""
    configure(bed)
    costs: list[float] = []
    while not costs or (min(costs) >= 15 and len(costs) < 3):  # others on the machine only add
        before = crowding()
        with Run(bed, "--batches", 500, "--seconds", 0.02, out=f"out{len(costs)}") as run:
            figures = run.end(seconds=90)
        crowded = (before + crowding()) / 2
        print(f"\n500 batches of 0.02 s in four jobs, crowded {crowded:.1f} times: {figures}")
        assert_all_found(figures, 500)
        assert set(figures["hosts"]) == set(bed.nodes)
        assert "lost" not in run.said
        assert_nothing_left(bed, run)
        costs.append((figures["start_seconds"] + figures["work_seconds"] - 2.5) / crowded)
    assert min(costs) < 15, costs


def test_scancel__of_a_running_and_of_a_waiting_job(bed: Bed):
    configure(bed, max_jobs=6)
    with Run(bed, "--batches", 180, "--seconds", 0.5) as run:
        run.wait_for(10)
        assert stat.S_IMODE(run.folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((run.folder / "run.json").stat().st_mode) == 0o600
        assert bed.run(CLIENT, ["ls", run.folder], check=False).returncode != 0
        running, waiting = one_job(bed, "RUNNING"), one_job(bed, "PENDING")
        bed.slurm("scancel", running, waiting)
        for job in (running, waiting):
            run.wait_for_word(f"job {job} is lost; it is replaced", seconds=20)
        line = run.wait_for_word("jobs wait in the queue", seconds=20)
        assert re.search(
            r"2 of 6 jobs wait in the queue \(Slurm says: (Resources|Priority)\)", line
        )
        wait_until(lambda: len(bed.jobs()) == 6, seconds=10, what="six jobs again")
        shown = pyhrf(bed, "monitor", run.out).stdout
        assert f"job {running} is lost" in shown
        figures = run.end(seconds=60)
    assert_all_found(figures, 180)
    assert_nothing_left(bed, run)


def test_node_lost__its_work_is_done_elsewhere(bed: Bed):
    configure(bed)
    with Run(bed, "--batches", 200, "--seconds", 0.4) as run:
        run.wait_for(10)
        bed.kill_node("n2")
        run.wait_for_word("a worker on n2 is lost", seconds=10)
        # Slurm notices later, and puts the job of n2 into the queue again.
        wait_until(lambda: "PENDING" in bed.jobs().values(), seconds=30, what="a requeued job")
        bed.start_node("n2")
        figures = run.end(seconds=60)
    assert_all_found(figures, 200)
    assert "is replaced" not in run.said
    assert_nothing_left(bed, run)


def test_bad_node__the_others_do_the_work(bed: Bed):
    """Each job dies there at once, so that the next one gets that free node too.

    The first one dies only when n4 has its job, which n3 would get instead.
    """
    python = bed.folder / "shared" / "python"
    python.write_text(f"""#!/bin/sh
there={bed.folder}/shared/there-
: > $there$SLURMD_NODENAME
[ "$SLURMD_NODENAME" != n3 ] || {{
  until [ -e ${{there}}n4 ]; do sleep .1; done
  echo no disk on n3 >&2
  exit 7
}}
exec {sys.executable} "$@"
""")
    python.chmod(0o755)
    configure(bed, python=python)
    with Run(bed, "--batches", 120, "--seconds", 0.5) as run:
        figures = run.end(seconds=90)
    assert_all_found(figures, 120)
    assert set(figures["hosts"]) == set(bed.nodes) - {"n3"}
    assert "no disk on n3; it is replaced in 2 s" in run.said
    # Without pauses a job would be lost each second.
    assert 2 <= run.said.count("no disk on n3") <= 6
    assert_nothing_left(bed, run)


def test_walltime__a_job_that_met_its_end_is_replaced(bed: Bed):
    configure(bed, max_jobs=2)
    with Run(bed, "--batches", 100, "--seconds", 1) as run:
        run.wait_for(4)
        # Slurm counts in minutes, and looks whether one is over twice in each.
        job = one_job(bed, "RUNNING")
        bed.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=0")
        run.wait_for_word(f"job {job} is lost; it is replaced", seconds=60)
        assert "JobState=TIMEOUT" in bed.slurm("scontrol", "show", "job", job)
        figures = run.end(seconds=60)
    assert_all_found(figures, 100)
    assert_nothing_left(bed, run)


def test_parcel_that_kills_its_worker__fails_alone(bed: Bed):
    configure(bed)
    with Run(bed, "--batches", 60, "--killer", 33) as run:
        figures = run.end(seconds=60)
    assert figures["n_found"] == 60
    assert list(figures["failed"]) == ["33"]
    assert "died" in figures["failed"]["33"]
    assert figures["same"]
    assert_nothing_left(bed, run)


def test_interrupted__leaves_nothing_in_the_queue(bed: Bed):
    configure(bed, max_jobs=5)
    with Run(bed, "--batches", 100) as run:
        run.wait_for(10)
        os.kill(run.process.pid, signal.SIGINT)
        run.end(seconds=20, status=130)
        assert re.search(r"interrupted: \d+ of 100 parcels are done", run.said)
        assert "Traceback" not in run.said
        assert_nothing_left(bed, run)
        n_kept = run.n_done
    with Run(bed, "--batches", 100) as run:
        figures = run.end(seconds=40)
    assert figures["n_before"] == n_kept >= 10
    assert_all_found(figures, 100)


def test_killed__its_jobs_end_and_the_same_command_goes_on(bed: Bed):
    configure(bed, max_jobs=5)
    with Run(bed, "--batches", 100) as run:
        run.wait_for(10)
        run.process.kill()
        run.end(seconds=5, status=-signal.SIGKILL)
        n_kept = run.n_done
    # The first four end of themselves; the fifth starts then, and finds nobody.
    seconds = wait_until(lambda: not bed.jobs(), seconds=60, what=f"an empty queue: {run.said}")
    print(f"\nthe queue was empty {seconds:.0f} s after kill -9")
    assert bed.processes(CLUSTER) == []
    with Run(bed, "--batches", 100) as run:
        figures = run.end(seconds=40)
    assert figures["n_before"] == n_kept >= 10
    assert_all_found(figures, 100)
    assert_nothing_left(bed, run)


def test_killed__the_same_command_removes_what_it_left_in_the_queue(bed: Bed):
    configure(bed, max_jobs=5)
    with Run(bed, "--batches", 60) as run:
        run.wait_for(10)
        waiting = one_job(bed, "PENDING")
        bed.slurm("scontrol", "hold", waiting)  # else it would start, and end by itself
        run.process.kill()
        run.end(seconds=5, status=-signal.SIGKILL)
    with Run(bed, "--batches", 60) as run:
        line = run.wait_for_word("removing jobs of an earlier run")
        figures = run.end(seconds=40)
    assert str(waiting) in re.findall(r"\d+", line.partition("earlier run:")[2])
    assert_all_found(figures, 60)
    assert_nothing_left(bed, run)
