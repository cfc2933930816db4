"""``pyhrf-sacct``: what soma-workflow reads from it, checked with soma-workflow's own reader."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyhrf.errors import EngineError
from pyhrf.execution.soma.resource import check_sacct
from pyhrf.execution.soma.sacct import FIELDS, job_row, parse_job, table
from pyhrf.execution.ssh.shells import LocalShell, Reply

STAND_IN = f'#!/bin/sh\nexec "{sys.executable}" -m pyhrf.execution.soma.sacct "$@"\n'
LINE = (
    "JobId=12 JobName=parcels 1 to 3 UserId=clu(1001) JobState=RUNNING Reason=None Requeue=1 "
    "ExitCode=0:0 RunTime=00:01:02 TimeLimit=01:00:00 NumNodes=1 NumCPUs=2 "
    "Command=/home/clu/x=1 y.sh StdOut=/home/clu/out put.txt Power="
)


def scontrol(folder: Path, text: str = "", *, error: str = "") -> None:
    """Put a scontrol into a folder that says this."""
    (folder / "said").write_text(text)
    script = '#!/bin/sh\ncat "$(dirname "$0")/said"\n'
    if error:
        script = f"#!/bin/sh\necho '{error}' >&2\nexit 1\n"
    program(folder / "scontrol", script)


def program(path: Path, script: str) -> None:
    path.write_text(script)
    path.chmod(0o755)


def sacct(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the program with one folder before the PATH."""
    environment = {**os.environ, "PATH": f"{folder}:/usr/bin:/bin"}
    command = [sys.executable, "-m", "pyhrf.execution.soma.sacct", *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_parse_job__keeps_blanks_in_values() -> None:
    job = parse_job(LINE)
    assert job["JobName"] == "parcels 1 to 3"
    assert job["StdOut"] == "/home/clu/out put.txt"
    assert (job["JobState"], job["NumCPUs"], job["Power"]) == ("RUNNING", "2", "")


@pytest.mark.parametrize(
    ("state", "code", "expected"),
    [
        ("RUNNING", "0:0", ("RUNNING", "0:0")),
        ("COMPLETING", "0:0", ("RUNNING", "0:0")),
        ("PENDING", "0:0", ("PENDING", "0:0")),
        ("REQUEUED", "0:0", ("PENDING", "0:0")),
        ("COMPLETED", "0:0", ("COMPLETED", "0:0")),
        ("FAILED", "3:0", ("FAILED", "3:0")),
        ("CANCELLED", "0:15", ("FAILED", "0:15")),
        ("CANCELLED", "0:0", ("FAILED", "1:0")),
        ("TIMEOUT", "0:0", ("FAILED", "1:0")),
        ("NODE_FAIL", "1:0", ("FAILED", "1:0")),
    ],
)
def test_job_row__says_what_soma_workflow_understands(
    state: str, code: str, expected: tuple[str, str]
) -> None:
    row = job_row({"JobId": "7", "JobState": state, "ExitCode": code})
    assert (row["state"], row["derivedexitcode"]) == expected
    assert tuple(row) == FIELDS


@pytest.mark.parametrize(
    ("state", "code", "meaning"),
    [
        ("RUNNING", "0:0", "running"),
        ("PENDING", "0:0", "queued_active"),
        ("SUSPENDED", "0:0", "user_system_suspended"),
        ("COMPLETED", "0:0", "done"),
        ("COMPLETED", "2:0", "failed"),
        ("CANCELLED", "0:15", "failed"),
        ("CANCELLED", "0:0", "failed"),
        ("TIMEOUT", "0:0", "failed"),
        ("OUT_OF_MEMORY", "0:125", "failed"),
        ("REQUEUED", "0:0", "queued_active"),
        ("PREEMPTED", "0:0", "failed"),
    ],
)
def test_sacct__is_understood_by_soma_workflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, code: str, meaning: str
) -> None:
    pytest.importorskip("soma_workflow")
    from soma_workflow.schedulers.slurm_scheduler import SlurmScheduler

    text = LINE.replace("JobState=RUNNING", f"JobState={state}").replace("0:0", code)
    scontrol(tmp_path, text)
    program(
        tmp_path / "sacct",
        f'#!/bin/sh\nexec "{sys.executable}" -m pyhrf.execution.soma.sacct "$@"\n',
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    scheduler = SlurmScheduler(None, str(tmp_path))
    assert scheduler.get_job_status("12") == meaning
    assert scheduler.get_job_extended_status("12")["Output_Path"] == "/home/clu/out put.txt"


def test_sacct__prints_columns_under_dashes(tmp_path: Path) -> None:
    scontrol(tmp_path, LINE)
    done = sacct(tmp_path, "-j", "12,13", "-o", "jobid,state%20,stdout")
    names, dashes, *rows = done.stdout.splitlines()
    assert done.returncode == 0
    assert names.split() == ["jobid", "state", "stdout"]
    assert [len(part) for part in dashes.split()] == [10, 10, len("/home/clu/out put.txt")]
    assert len(rows) == 2
    assert rows[0].split(maxsplit=2) == ["12", "RUNNING", "/home/clu/out put.txt"]


def test_check_sacct__takes_nothing_but_the_stand_in(tmp_path: Path) -> None:
    class Account:
        """The shell of an account whose ``sacct`` is a given program."""

        async def run(self, command: str, *, text: str = "") -> Reply:
            return await LocalShell().run(f"PATH={tmp_path}:/usr/bin:/bin; {command}", text=text)

    scontrol(tmp_path, LINE)
    program(
        tmp_path / "sacct",
        f'#!/bin/sh\nexec "{sys.executable}" -m pyhrf.execution.soma.sacct "$@"\n',
    )
    asyncio.run(check_sacct(Account(), "/py/bin/python"))
    # Slurm 24.05 or newer, which knows all the fields
    head = " ".join(FIELDS)
    program(
        tmp_path / "sacct",
        f'#!/bin/sh\n[ "$1" = --version ] && echo slurm 24.05 || echo "{head}"\n',
    )
    with pytest.raises(EngineError) as caught:
        asyncio.run(check_sacct(Account(), "/py/bin/python"))
    assert "cancelled" in caught.value.cause
    assert "ln -s /py/bin/pyhrf-sacct ~/bin/sacct" in caught.value.cure


def test_sacct__tells_a_forgotten_job_from_a_silent_controller(tmp_path: Path) -> None:
    program(tmp_path / "sacct", "#!/bin/sh\nexit 1\n")  # there is no accounting
    scontrol(tmp_path, error="slurm_load_jobs error: Invalid job id specified")
    done = sacct(tmp_path, "-j", "12", "-o", "state,derivedexitcode")
    assert done.returncode == 0
    assert done.stdout.splitlines()[2].split() == ["FAILED", "1:0"]
    scontrol(tmp_path, error="Unable to contact slurm controller (connect failure)")
    done = sacct(tmp_path, "-j", "12", "-o", "state,derivedexitcode")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Unable to contact slurm controller" in done.stderr


def test_sacct__asks_the_accounting_for_a_forgotten_job(tmp_path: Path) -> None:
    scontrol(tmp_path, error="slurm_load_jobs error: Invalid job id specified")
    answer = "COMPLETED|12|COMPLETED|0:0"
    program(tmp_path / "sacct", f'#!/bin/sh\necho "asked $@" >"$0.asked"\necho "{answer}"\n')
    done = sacct(tmp_path, "-j", "12", "-o", "jobid,state,derivedexitcode,stdout")
    assert done.stdout.splitlines()[2].split() == ["12", "COMPLETED", "0:0"]
    asked = (tmp_path / "sacct.asked").read_text()
    assert asked == "asked -n -P -X -j 12 -o state,jobid,state,derivedexitcode\n"


def test_sacct__does_not_ask_itself(tmp_path: Path) -> None:
    scontrol(tmp_path, error="slurm_load_jobs error: Invalid job id specified")
    program(
        tmp_path / "sacct",
        f'#!/bin/sh\nexec "{sys.executable}" -m pyhrf.execution.soma.sacct "$@"\n',
    )
    done = sacct(tmp_path, "-j", "12")
    assert done.returncode == 0
    assert done.stdout.splitlines()[2].split()[:2] == ["12", "FAILED"]


def test_sacct__says_where_slurm_is_lacking(tmp_path: Path) -> None:
    environment = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, "-m", "pyhrf.execution.soma.sacct", "-j", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "pyhrf-sacct: scontrol is not on the PATH: is this a node of Slurm?\n"


def test_table__is_as_wide_as_its_longest_value() -> None:
    text = table(["stdout"], [{"stdout": "x" * 40}])
    assert [len(line) for line in text.splitlines()] == [40, 40, 40]
