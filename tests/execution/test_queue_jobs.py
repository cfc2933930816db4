"""How the programs of a scheduler are run, and what is made of their complaints."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from pyhrf.config.settings import QueueSettings
from pyhrf.execution.queues import jobs as queue_jobs
from pyhrf.execution.queues.jobs import QueueJobs, SchedulerError
from pyhrf.execution.queues.schedulers import SCHEDULERS


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Put a shell script in the place of a program."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")

    def put(name: str, text: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return path

    return put


def jobs_of(name: str, tmp_path: Path) -> QueueJobs:
    return QueueJobs(
        SCHEDULERS[name], QueueSettings(), folder=tmp_path, python="python", name="ours"
    )


def test_submit__returns_the_id_and_hands_over_the_script(programs, tmp_path):
    programs("sbatch", f'cp "$1" {tmp_path}/script; echo Submitted batch job 812')
    jobs = jobs_of("slurm", tmp_path)
    assert asyncio.run(jobs.submit("j3")) == "812"
    assert (tmp_path / "script").read_text() == jobs.script("j3")


@pytest.mark.parametrize(
    ("name", "program", "said"),
    [
        ("slurm", "sbatch", "Submitted batch job 812"),
        ("slurm", "sbatch", "Submitted batch job 812 on cluster c3"),
        ("sge", "qsub", 'Your job 812 ("ours") has been submitted'),
        ("lsf", "bsub", "Job <812> is submitted to queue <q2>."),
    ],
)
def test_submit__passes_over_what_a_site_prints_before(programs, tmp_path, name, program, said):
    banner = "Welcome to lonestar5\n--> 2 of 10 jobs (login1)...OK "
    programs(program, f"cat >/dev/null; printf '%s%s\\n' '{banner}' '{said}'")
    assert asyncio.run(jobs_of(name, tmp_path).submit("j3")) == "812"


def test_submit__refusal_is_one_line_of_what_was_said(programs, tmp_path):
    programs("sbatch", "echo 'sbatch: error: bad queue' >&2; echo 'sbatch: error: no' >&2; exit 1")
    with pytest.raises(SchedulerError, match=r"^sbatch: error: bad queue; sbatch: error: no$"):
        asyncio.run(jobs_of("slurm", tmp_path).submit("j1"))


def test_submit__refusal_of_lsf_is_not_hidden(programs, tmp_path):
    programs(
        "bsub", "cat >/dev/null; echo 'nowhere: No such queue. Job not submitted.' >&2; exit 255"
    )
    with pytest.raises(SchedulerError, match="No such queue"):
        asyncio.run(jobs_of("lsf", tmp_path).submit("j1"))


def test_submit__answer_without_a_number_is_named(programs, tmp_path):
    programs("sbatch", "echo thank you")
    with pytest.raises(SchedulerError, match="no job number in 'thank you'"):
        asyncio.run(jobs_of("slurm", tmp_path).submit("j1"))


def test_states__of_jobs_of_which_some_are_over(programs, tmp_path):
    line = "12.head  ours  ann  0 Q workq"
    programs("qstat", f"echo '{line}'; echo 'qstat: Unknown Job Id 13.head' >&2; exit 153")
    found = asyncio.run(jobs_of("pbs", tmp_path).states(["12.head", "13.head"]))
    assert found == {"12.head": "waiting"}


@pytest.mark.parametrize("text", ["echo 'cannot reach slurmctld' >&2; exit 1", "exit 1"])
def test_states__of_a_scheduler_that_is_down_are_unknown(programs, tmp_path, text):
    """Jobs are not taken for lost when nobody knows."""
    programs("squeue", text)
    with pytest.raises(SchedulerError, match=r"cannot reach slurmctld|squeue ended with status 1"):
        asyncio.run(jobs_of("slurm", tmp_path).states(["12"]))


def test_states__that_are_no_json_are_unknown(programs, tmp_path):
    programs("oarstat", "echo '{'")
    with pytest.raises(
        SchedulerError, match="oarstat gives an answer that PyHRF does not understand"
    ):
        asyncio.run(jobs_of("oar", tmp_path).states(["12"]))


def test_states__of_a_scheduler_that_hangs_are_unknown(programs, tmp_path, monkeypatch):
    monkeypatch.setattr(queue_jobs, "_SECONDS", 0.2)
    programs("squeue", "exec sleep 60")
    with pytest.raises(SchedulerError, match="squeue does not answer within"):
        asyncio.run(jobs_of("slurm", tmp_path).states(["12"]))


def test_states__program_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SchedulerError, match="squeue cannot be run"):
        asyncio.run(jobs_of("slurm", tmp_path).states(["12"]))


def test_cancel__removes_all_at_once_and_minds_no_complaint(programs, tmp_path):
    programs("scancel", f'echo "$@" >{tmp_path}/cancelled; exit 1')
    asyncio.run(jobs_of("slurm", tmp_path).cancel(["12", "13"]))
    assert (tmp_path / "cancelled").read_text() == "12 13\n"


def test_cancel__on_slurm_finds_jobs_by_their_name_too(programs, tmp_path):
    programs("scancel", f'echo "$@" >>{tmp_path}/cancelled')
    asyncio.run(jobs_of("slurm", tmp_path).cancel([], name="ours"))
    assert (tmp_path / "cancelled").read_text() == f"--user={os.getuid()} --name=ours\n"


def test_states__of_slurm_are_not_those_that_the_environment_chooses(
    programs, tmp_path, monkeypatch
):
    for name in ("SQUEUE_STATES", "SQUEUE_PARTITION", "SLURM_CLUSTERS", "SLURM_CONF"):
        monkeypatch.setenv(name, "x")
    programs("squeue", f'env >{tmp_path}/env; echo "$@" >{tmp_path}/asked; echo 12 RUNNING other')
    found = asyncio.run(jobs_of("slurm", tmp_path).states(["12"]))
    assert found == {"12": "running"}
    assert f"--user={os.getuid()} --states=all" in (tmp_path / "asked").read_text()
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert "SLURM_CONF" in names
    assert not names & {"SQUEUE_STATES", "SQUEUE_PARTITION", "SLURM_CLUSTERS"}


def test_states__of_an_earlier_run_are_of_its_name(programs, tmp_path):
    programs("squeue", "echo 12 RUNNING other; echo 13 PENDING pyhrf-old")
    found = asyncio.run(jobs_of("slurm", tmp_path).states(["12", "13"], name="pyhrf-old"))
    assert found == {"13": "waiting"}


def test_states__of_no_job_ask_nobody(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asyncio.run(jobs_of("pbs", tmp_path).states([])) == {}


def test_submit__is_out_of_the_reach_of_ctrl_c(programs, tmp_path):
    """Ctrl-C is sent to a process group: sbatch goes on, and tells which job it submitted."""
    programs("sbatch", f"cd {tmp_path}; cut -d' ' -f5 </proc/$$/stat >group; echo job 812")
    assert asyncio.run(jobs_of("slurm", tmp_path).submit("j1")) == "812"
    assert int((tmp_path / "group").read_text()) != os.getpgrp()
