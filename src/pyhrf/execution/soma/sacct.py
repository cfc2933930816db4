"""``pyhrf-sacct``: answers for ``sacct`` where Slurm's own cannot answer soma-workflow.

soma-workflow follows its jobs by ``sacct -j ID -o jobid,state,…,stdout,ncpus``. Slurm before
24.05 has no field ``stdout``, and a cluster without an accounting database has no answer at all:
jobs run, but stay "undetermined" for ever. This program asks slurmctld (``scontrol show job``)
instead, and for a job that slurmctld has forgotten the real ``sacct``. It uses the standard library
alone.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

FIELDS = ("jobid", "state", "derivedexitcode", "totalcpu", "maxrss", "timelimit", "stdout", "ncpus")
"""What soma-workflow asks for."""

NAME = "pyhrf-sacct"
"""What ``--version`` prints: nothing else may answer soma-workflow."""

_SECONDS = 30
_PAIR = re.compile(r"(?:^|\s)([A-Za-z][\w:/]*)=")
_PENDING = {"REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "RESV_DEL_HOLD", "SPECIAL_EXIT"}
_RUNNING = {"COMPLETING", "CONFIGURING", "STAGE_OUT", "SIGNALING", "STOPPED"}
# soma-workflow takes CANCELLED for "suspended" and does not know the last ones: it would wait on.
_LOST = {
    "CANCELLED",
    "BOOT_FAIL",
    "DEADLINE",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
}
_GUARD = "PYHRF_SACCT_ASKED"
"""Set for the real sacct, so that two copies of this program do not ask each other for ever."""


class SacctError(Exception):
    """Slurm has no answer; the text is what it said."""


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``pyhrf-sacct -j ID[,ID] -o FIELD[,FIELD]``; exit status 1 if Slurm does not answer."""
    parser = argparse.ArgumentParser(
        prog=NAME,
        description="Answer for sacct from what slurmctld knows, as soma-workflow needs it. "
        "Put a link to this program, named sacct, into a folder that comes first on the PATH of "
        "your account on the cluster.",
    )
    parser.add_argument("-j", "--jobs", required=True, metavar="ID[,ID]")
    parser.add_argument("-o", "--format", default=",".join(FIELDS), metavar="FIELD[,FIELD]")
    parser.add_argument("--version", action="version", version=NAME)
    given = parser.parse_args(arguments)
    fields = [field.partition("%")[0].strip().lower() for field in given.format.split(",")]
    try:
        rows = [_ask(job, fields) for job in given.jobs.split(",")]
    except SacctError as error:
        sys.stderr.write(f"pyhrf-sacct: {error}\n")
        sys.exit(1)
    sys.stdout.write(table(fields, rows))
    sys.exit(0)


def parse_job(text: str) -> dict[str, str]:
    """Read the line of ``scontrol show job -o``.

    Parameters
    ----------
    text : str
        ``KEY=VALUE`` after ``KEY=VALUE``; a value may hold blanks.

    Returns
    -------
    dict of str to str
        The first value of each key.
    """
    found: dict[str, str] = {}
    marks = list(_PAIR.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        end = following.start() if following else len(text)
        found.setdefault(mark[1], text[mark.end() : end].strip())
    return found


def job_row(job: Mapping[str, str]) -> dict[str, str]:
    """Say of a job what soma-workflow understands.

    A job that was cancelled or lost, or ran out of time or memory, is ``FAILED`` with an exit code
    that is not 0; one that waits to be run again is ``PENDING``.

    Returns
    -------
    dict of str to str
        The value of each of `FIELDS`.
    """
    state, code = job.get("JobState", ""), job.get("ExitCode", "0:0")
    if state in _LOST:
        state = "FAILED"
    elif state in _PENDING:
        state = "PENDING"
    elif state in _RUNNING:
        state = "RUNNING"
    if state == "FAILED" and code == "0:0":
        code = "1:0"
    return {
        "jobid": job.get("JobId", ""),
        "state": state,
        "derivedexitcode": code,
        "totalcpu": job.get("RunTime", ""),
        "maxrss": "",
        "timelimit": job.get("TimeLimit", ""),
        "stdout": job.get("StdOut", ""),
        "ncpus": job.get("NumCPUs", "1"),
    }


def table(fields: Sequence[str], rows: Sequence[Mapping[str, str]]) -> str:
    """Lay rows out as sacct does: names, dashes that give the width of each column, values."""
    widths = [max(10, len(field), *(len(row.get(field, "")) for row in rows)) for field in fields]
    lines = [fields, ["-" * width for width in widths]]
    lines += [[row.get(field, "") for field in fields] for row in rows]
    return "".join(
        " ".join(value.ljust(width) for value, width in zip(line, widths, strict=True)) + "\n"
        for line in lines
    )


def _ask(job: str, fields: Sequence[str]) -> dict[str, str]:
    done = _output(["scontrol", "show", "job", "-o", job])
    if done.returncode == 0 and done.stdout.strip():
        return job_row(parse_job(done.stdout.splitlines()[0]))
    if "Invalid job id" not in done.stderr:
        # slurmctld does not answer for the moment: that says nothing of the job
        raise SacctError(done.stderr.strip() or "scontrol says nothing")
    # Where nobody knows how it ended, it has failed: otherwise soma-workflow would wait for ever.
    return _from_accounting(job, fields) or job_row({"JobId": job, "JobState": "NODE_FAIL"})


def _from_accounting(job: str, fields: Sequence[str]) -> dict[str, str] | None:
    """Ask the real sacct, if there is one that knows the job."""
    program = _real_sacct()
    if program is None or os.environ.get(_GUARD):
        return None
    wanted = [field for field in fields if field in FIELDS and field != "stdout"]
    done = _output([program, "-n", "-P", "-X", "-j", job, "-o", ",".join(["state", *wanted])])
    lines = done.stdout.splitlines()
    if done.returncode != 0 or not lines:
        return None
    state, *values = lines[0].split("|")
    said = dict(zip(wanted, values, strict=False))
    # "CANCELLED by 1000"
    words = {"JobState": state.split()[0] if state else "", "JobId": job}
    row = job_row({**words, "ExitCode": said.get("derivedexitcode", "0:0")})
    return {**said, **{name: row[name] for name in ("jobid", "state", "derivedexitcode")}}


def _real_sacct() -> str | None:
    """Find the sacct that is not this program, whatever link leads to it."""
    own = Path(sys.argv[0]).resolve()
    for folder in os.get_exec_path():
        found = shutil.which("sacct", path=folder)
        if found is not None and Path(found).resolve() != own:
            return found
    return None


def _output(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, _GUARD: "1", "LC_ALL": "C"}
    try:
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise SacctError(f"{command[0]} is not on the PATH: is this a node of Slurm?") from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SacctError(f"{command[0]} does not answer: {error}") from None


if __name__ == "__main__":
    run()
