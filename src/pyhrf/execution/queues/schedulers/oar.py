"""OAR."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

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


class Oar(Scheduler):
    """OAR."""

    name = "oar"
    title = "OAR"
    programs = ("oarsub", "oarstat", "oardel")
    question = "oarnodes -s"
    mark = "#OAR"
    advice = (
        "`account` is a project. `memory` is a property whose name each site chooses: write it as "
        "a line of `extra_directives`, such as `-p memnode>=4096`."
    )
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys(("Waiting", "toLaunch", "Launching", "Hold"), "waiting"),
        "Suspended": "suspended",
        **dict.fromkeys(("Running", "Resuming", "toAckReservation"), "running"),
        "Finishing": "ending",
    }
    _submitted = re.compile(r"OAR_JOB_ID=(\d+)")

    def check(self, settings: QueueSettings) -> None:
        """Refuse what each site calls by a name of its own."""
        if settings.memory is not None:
            raise ConfigError(
                "section [parallel-queue], key memory: OAR knows it by a property whose name each "
                "site chooses: write it as a line of extra_directives, such as -p memnode>=4096"
            )

    def directives(self, job: JobRequest) -> list[str | None]:
        """Write options of oarsub."""
        settings = job.settings
        # In one line: two would be two shapes of the job, from which OAR chooses.
        resources = f"/nodes=1/core={job.cores}"
        if job.walltime:
            resources += f",walltime={job.walltime}"
        return [
            f"-n {job.name}",
            settings.queue and f"-q {settings.queue}",
            settings.account and f"--project {settings.account}",
            f"-l {resources}",
            f"-O {job.folder}/%jobid%.out",
            f"-E {job.folder}/%jobid%.err",
        ]

    def submission(self, script: str, file: str) -> tuple[list[str], str]:  # noqa: ARG002 - it takes the text
        """Give directives and commands as words: a file would have to stay until the job starts."""
        lines = script.splitlines(keepends=True)
        asked = [line.removeprefix(self.mark) for line in lines if line.startswith(self.mark)]
        commands = "".join(line for line in lines if not line.startswith("#"))
        return ["oarsub", *shlex.split("".join(asked)), commands], ""

    def read_number(self, text: str) -> str | None:
        """Take what is called so: it prints other numbers before."""
        match = self._submitted.search(text)
        return match[1] if match else None

    def states_command(self, ids: Sequence[str]) -> list[str]:  # noqa: ARG002 - it lists a user's
        """Ask for all jobs of the user."""
        return ["oarstat", "-u", login_name(), "-J"]

    def read_states(self, text: str, *, name: str | None = None) -> dict[str, JobState]:  # noqa: ARG002 - numbers are enough
        """Read JSON: jobs by their number."""
        jobs = json.loads(text) if text.strip() else {}
        states = {
            str(number): self._states.get(job.get("state", "")) for number, job in jobs.items()
        }
        return {number: state for number, state in states.items() if state is not None}

    def reason_command(self, job: str) -> list[str]:
        """Ask for everything about the job."""
        return ["oarstat", "-fj", job]

    def read_reason(self, text: str) -> str:
        """Take the message."""
        return first_match(r"^\s*message = (.*)$", text)
