"""Grid Engine and its descendants."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyhrf.errors import ConfigError
from pyhrf.execution.login import login_name
from pyhrf.execution.queues.schedulers.base import (
    JobRequest,
    JobState,
    Scheduler,
    first_match,
)

if TYPE_CHECKING:
    from pyhrf.config.settings import QueueSettings


class Sge(Scheduler):
    """Grid Engine and its descendants."""

    name = "sge"
    title = "Grid Engine"
    programs = ("qsub", "qstat", "qdel")
    question = "qconf -sql"
    queue_question = "qconf -sq {queue}"
    queues = "qconf -sql"
    mark = "#$"
    advice = (
        "`account` is a project. `memory`, and a number of `cores`, are called by names that each "
        "site chooses: write them as lines of `extra_directives`, such as `-l h_vmem=4G` and "
        "`-pe smp 4`."
    )
    _line = re.compile(r"\s*(?P<id>\d+)\s+\S+\s+\S+\s+\S+\s+(?P<state>\w+)\s")
    _submitted = re.compile(r"Your job (\d+)")
    _over = re.compile("not exist", re.IGNORECASE)

    def check(self, settings: QueueSettings) -> None:
        """Refuse what each site calls by a name of its own."""
        if settings.memory is not None:
            raise ConfigError(
                "section [parallel-queue], key memory: Grid Engine knows it by a name that each "
                "site chooses: write it as a line of extra_directives, such as -l h_vmem=4G"
            )
        parallel = any(line.startswith("-pe ") for line in settings.extra_directives)
        if (settings.cores or 1) > 1 and not parallel:
            raise ConfigError(
                f"section [parallel-queue], key cores: for {settings.cores} cores Grid Engine "
                "wants the name of a parallel environment: add a line to extra_directives, such "
                f"as -pe smp {settings.cores}"
            )

    def directives(self, job: JobRequest) -> list[str | None]:
        """Write options of qsub."""
        settings = job.settings
        return [
            f"-N {job.name}",
            settings.queue and f"-q {settings.queue}",
            settings.account and f"-P {settings.account}",
            job.walltime and f"-l h_rt={job.walltime}",
            f"-e {job.folder}/",
            f"-o {job.folder}/",
            "-cwd",
            "-j y",
        ]

    def states_command(self, ids: Sequence[str]) -> list[str]:  # noqa: ARG002 - it lists a user's
        """Ask for all jobs of the user."""
        return ["qstat", "-u", login_name()]

    def read_states(self, text: str, *, name: str | None = None) -> dict[str, JobState]:  # noqa: ARG002 - it cuts names
        """Read letters that are joined: ``qw``, ``hqw``, ``r``, ``Rr``, ``Eqw``, ``dr``, ``sr``."""
        found: dict[str, JobState] = {}
        for line in text.splitlines():
            if match := self._line.match(line):
                state = match["state"]
                if "d" in state:
                    found[match["id"]] = "ending"
                elif set(state) & set("sST"):
                    found[match["id"]] = "suspended"
                else:
                    found[match["id"]] = "running" if set(state) & set("rt") else "waiting"
        return found

    def reason_command(self, job: str) -> list[str]:
        """Ask for everything about the job."""
        return ["qstat", "-j", job]

    def read_reason(self, text: str) -> str:
        """Take an error, else what the scheduler wrote down."""
        return first_match(r"^error reason\s+\d*:\s*(.*)$", text) or first_match(
            r"^scheduling info:\s*(.*)$", text
        )
