"""Slurm."""

from __future__ import annotations

import math
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, ClassVar

from pyhrf.errors import ConfigError
from pyhrf.execution.queues.schedulers.base import JobRequest, JobState, Scheduler

if TYPE_CHECKING:
    from pyhrf.config.settings import QueueSettings

# By the name of a job and what it prints, the command finds it and says what became of it.
_OUR_LETTERS = ("-J", "-M", "-a", "-o", "-e")
_OUR_WORDS = ("job-name", "clusters", "array", "output", "error")


class Slurm(Scheduler):
    """Slurm."""

    name = "slurm"
    title = "Slurm"
    programs = ("sbatch", "squeue", "scancel")
    question = "sinfo -h -o %P"
    queue_question = "sinfo -h -p {queue} -o %a"
    queues = "sinfo -h -o %R"
    mark = "#SBATCH"
    hopeless = (
        "AssocMaxWallDurationPerJobLimit",
        "InvalidAccount",
        "InvalidQOS",
        "PartitionTimeLimit",
        "QOSMaxWallDurationPerJobLimit",
    )
    shows_names = True
    # On another cluster, or under another name, a job would not be found again.
    misleading = (
        *("SQUEUE_", "SCANCEL_", "SLURM_CLUSTERS", "SBATCH_CLUSTERS", "SBATCH_JOB_NAME"),
        *("SBATCH_ARRAY_INX", "SBATCH_OUTPUT", "SBATCH_ERROR"),
    )
    soma_name = "slurm"
    advice = (
        "`queue` is a partition. `extra_directives` may not name the job, make an array of it, "
        "send it to another cluster or move its output (`-J`, `-a`, `-M`, `-o`, `-e`)."
    )
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys(("PENDING", "CONFIGURING", "REQUEUED"), "waiting"),
        **dict.fromkeys(("REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"), "waiting"),
        **dict.fromkeys(("RUNNING", "SIGNALING", "RESIZING", "STAGE_OUT"), "running"),
        **dict.fromkeys(("SUSPENDED", "STOPPED"), "suspended"),
        "COMPLETING": "ending",
    }
    _line = re.compile(r"(?P<id>\d+) (?P<state>\w+)(?: (?P<name>.*))?$")
    _submitted = re.compile(r"Submitted batch job (\d+)")
    _over = re.compile("invalid job id|already", re.IGNORECASE)

    def check(self, settings: QueueSettings) -> None:
        """Refuse directives without which no job could be found again."""
        for word in _words(settings.extra_directives):
            if _is_ours(word):
                raise ConfigError(
                    f"section [parallel-queue], key extra_directives: {word} cannot be chosen, "
                    "since the command finds its jobs and what they say by it: leave it out"
                )

    def directives(self, job: JobRequest) -> list[str | None]:
        """Write options of sbatch."""
        settings = job.settings
        return [
            f"-J {job.name}",
            f"-e {job.folder}/{job.name}-%J.err",
            f"-o {job.folder}/{job.name}-%J.out",
            settings.queue and f"-p {settings.queue}",
            settings.account and f"-A {settings.account}",
            "-n 1",
            f"--cpus-per-task={job.cores}",
            f"--mem={_size(job.memory)}",
            settings.walltime and f"-t {settings.walltime}",
        ]

    def states_command(self, ids: Sequence[str]) -> list[str]:  # noqa: ARG002 - an id that is forgotten would be an error
        """Ask for all jobs of the user."""
        user = f"--user={os.getuid()}"
        return ["squeue", "--noheader", user, "--states=all", "--format=%A %T %j"]

    def cancel_by_name_command(self, name: str) -> list[str]:
        """Cancel by name, for a job whose number was never known."""
        return ["scancel", f"--user={os.getuid()}", f"--name={name}"]

    def reason_command(self, job: str) -> list[str]:
        """Ask for the column of reasons."""
        return ["squeue", "--noheader", f"--jobs={job}", "--format=%r"]

    def read_reason(self, text: str) -> str:
        """Take the first line; ``None`` means that Slurm has not looked at the job yet."""
        reason = text.partition("\n")[0].strip()
        return "" if reason in ("None", "(null)") else reason


def _size(n_bytes: int) -> str:
    """Write an amount of memory in binary units, rounded up."""
    power = max((i for i in (1, 2, 3) if n_bytes >= 1024**i), default=1)
    return f"{math.ceil(n_bytes / 1024**power)}{'_KMG'[power]}"


def _words(lines: Iterable[str]) -> list[str]:
    """Split lines as a shell does, or at each space where quotes are not closed."""
    words: list[str] = []
    for line in lines:
        try:
            words += shlex.split(line)
        except ValueError:
            words += line.split()
    return words


def _is_ours(word: str) -> bool:
    if not word.startswith("--"):
        return word.startswith(_OUR_LETTERS)
    option = word[2:].partition("=")[0]  # which may be cut short
    return bool(option) and any(name.startswith(option) for name in _OUR_WORDS)
