"""PBS Professional and OpenPBS."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import ClassVar

from pyhrf.execution.queues.schedulers.base import (
    JobRequest,
    JobState,
    Scheduler,
    first_match,
)


class Pbs(Scheduler):
    """PBS Professional and OpenPBS."""

    name = "pbs"
    title = "PBS"
    programs = ("qsub", "qstat", "qdel")
    question = "qstat -B"
    queue_question = "qstat -Q {queue}"
    queues = "qstat -Q | awk 'NR > 2 {print $1}'"
    mark = "#PBS"
    soma_name = "pbspro"
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys("QHWT", "waiting"),
        **dict.fromkeys("RB", "running"),
        **dict.fromkeys("SU", "suspended"),
        "E": "ending",
    }
    _line = re.compile(r"(?P<id>\d+)\S*\s+\S+\s+\S+\s+\S+\s+(?P<state>[A-Z])\s")
    _over = re.compile("unknown job|has finished|already", re.IGNORECASE)

    def directives(self, job: JobRequest) -> list[str | None]:
        """Write options of qsub."""
        settings = job.settings
        account = settings.account or os.environ.get("PBS_ACCOUNT")
        return [
            f"-N {job.name}",
            settings.queue and f"-q {settings.queue}",
            account and f"-A {account}",
            f"-l select=1:ncpus={job.cores}:mem={_size(job.memory)}",
            job.walltime and f"-l walltime={job.walltime}",
            f"-e {job.folder}/",
            f"-o {job.folder}/",
        ]

    def states_command(self, ids: Sequence[str]) -> list[str]:
        """Ask for each; some may be over."""
        return ["qstat", *ids]

    def key(self, job: str) -> str:
        """Leave out the server."""
        return job.partition(".")[0]

    def reason_command(self, job: str) -> list[str]:
        """Ask for everything about the job."""
        return ["qstat", "-f", job]

    def read_reason(self, text: str) -> str:
        """Take the comment; long lines are continued after a tab."""
        return first_match(r"^\s*comment = (.*)$", text.replace("\n\t", ""))


def _size(n_bytes: int) -> str:
    """Write an amount of memory in binary units that PBS calls kB, MB and GB, rounded up."""
    power = max((i for i in (1, 2, 3) if n_bytes >= 10 * 1024**i), default=0)
    return f"{math.ceil(n_bytes / 1024**power)}{('B', 'kB', 'MB', 'GB')[power]}"
