"""IBM Spectrum LSF."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pyhrf.execution.queues.schedulers.base import (
    JobRequest,
    JobState,
    Scheduler,
    first_match,
    walltime_seconds,
)


class Lsf(Scheduler):
    """IBM Spectrum LSF."""

    name = "lsf"
    title = "LSF"
    programs = ("bsub", "bjobs", "bkill")
    question = "bqueues"
    queue_question = "bqueues {queue}"
    queues = "bqueues | awk 'NR > 1 {print $1}'"
    mark = "#BSUB"
    advice = "`account` is a project."
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys(("PEND", "PSUSP", "WAIT"), "waiting"),
        **dict.fromkeys(("USUSP", "SSUSP"), "suspended"),
        **dict.fromkeys(("RUN", "UNKWN", "PROV"), "running"),
    }
    _line = re.compile(r"(?P<id>\d+)\s+\S+\s+(?P<state>[A-Z]+)\s")
    _submitted = re.compile(r"Job <(\d+)>")
    _over = re.compile("is not found|no unfinished job", re.IGNORECASE)

    def directives(self, job: JobRequest) -> list[str | None]:
        """Write options of bsub; a time without seconds is not less than was asked for."""
        settings = job.settings
        minutes = math.ceil(walltime_seconds(settings.walltime) / 60) if settings.walltime else 0
        return [
            f"-J {job.name}",
            f"-e {job.folder}/{job.token}-%J.err",
            f"-o {job.folder}/{job.token}-%J.out",
            settings.queue and f"-q {settings.queue}",
            settings.account and f'-P "{settings.account}"',
            f"-n {job.cores}",
            '-R "span[hosts=1]"' if job.cores > 1 else None,
            f"-M {math.ceil(job.memory / 1000 ** ('bkmgtpez'.index(memory_unit())))}",
            f"-W {minutes // 60:02d}:{minutes % 60:02d}" if minutes else None,
        ]

    def submission(self, script: str, file: str) -> tuple[list[str], str]:  # noqa: ARG002 - it takes the text
        """Have bsub read the script: as a file it would be run without its directives."""
        return ["bsub"], script

    def states_command(self, ids: Sequence[str]) -> list[str]:
        """Ask for each, also those that are over."""
        return ["bjobs", "-w", *ids]

    def reason_command(self, job: str) -> list[str]:
        """Ask for the reasons of waiting."""
        return ["bjobs", "-p", job]

    def read_reason(self, text: str) -> str:
        """Take the line below that of the job."""
        return first_match(r"^ (\S.*?);?$", text)


def memory_unit() -> str:
    """Find out in which unit this site gives memory: the first letter of KB, MB and so on."""
    folder = os.environ.get("LSF_ENVDIR", os.environ.get("LSF_CONFDIR", "/etc"))
    try:
        text = (Path(folder) / "lsf.conf").read_text("utf-8", "replace")
    except OSError:
        text = ""
    named = re.findall(r"^\s*LSF_UNIT_FOR_LIMITS\s*=\s*([KMGTPEZ])", text, re.M | re.I)
    return str(named[-1]).lower() if named else "k"
