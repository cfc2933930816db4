"""What a batch scheduler is: how it is asked for jobs, and how its answers are read.

Nothing heavy is imported here: the command line wants the names for a word of help.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

if TYPE_CHECKING:
    from pyhrf.config.settings import QueueSettings

JobState = Literal["waiting", "running", "suspended", "ending"]

_MEMORY = "2GB"
"""Asked for each core if the settings say nothing."""


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job that a scheduler is asked for.

    Attributes
    ----------
    settings : QueueSettings
        What the user asks for.
    folder : Path
        Where the job writes what it says.
    name : str
        Of all jobs of the run.
    token : str
        Of this one.
    command : str
        What it runs: plain words, which no shell changes.
    """

    settings: QueueSettings
    folder: Path
    name: str
    token: str
    command: str

    @property
    def cores(self) -> int:
        """How many cores it takes."""
        return self.settings.cores or 1

    @property
    def memory(self) -> int:
        """Bytes that it takes."""
        if self.settings.memory is None:
            return self.cores * _bytes(_MEMORY)
        return _bytes(self.settings.memory)

    @property
    def walltime(self) -> str | None:
        """Longest time, as HH:MM:SS: days are not understood everywhere."""
        if self.settings.walltime is None:
            return None
        seconds = walltime_seconds(self.settings.walltime)
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


class Scheduler:
    """A batch scheduler.

    Attributes
    ----------
    name : str
        Of the engine.
    title : str
        Its name in a sentence.
    programs : tuple of str
        What submits, lists and removes jobs.
    question : str
        Command of the shell that ends with status 0 if the scheduler answers.
    queue_question : str
        Command that prints something if the queue ``{queue}`` is there, and nothing or an error
        otherwise; empty where there are no queues.
    queues : str
        Command that prints the names of all queues, one a line.
    mark : str
        How a line of a script begins that is for the scheduler.
    hopeless : tuple of str
        Reasons for which a job would wait for ever.
    shows_names : bool
        Whether the list of jobs shows their names in full.
    misleading : tuple of str
        How variables begin that would change what the programs are asked.
    soma_name : str
        What soma-workflow calls it; empty if it does not know it.
    advice : str
        What a user of it has to know, for the documentation.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    programs: ClassVar[tuple[str, str, str]]
    question: ClassVar[str]
    queue_question: ClassVar[str] = ""
    queues: ClassVar[str] = ""
    mark: ClassVar[str] = "#"
    hopeless: ClassVar[tuple[str, ...]] = ()
    shows_names: ClassVar[bool] = False
    misleading: ClassVar[tuple[str, ...]] = ()
    soma_name: ClassVar[str] = ""
    advice: ClassVar[str] = ""
    _states: ClassVar[dict[str, JobState]] = {}
    """By its letters or words; what is not there is over."""
    _line: ClassVar[re.Pattern[str]] = re.compile("$^")
    """Of the list of jobs: ``id``, ``state``, and ``name`` if it shows that."""
    _submitted: ClassVar[re.Pattern[str]] = re.compile("$^")
    """The words around the number of a job that was submitted: a site may print more before."""
    _over: ClassVar[re.Pattern[str]] = re.compile("$^")
    """Complaint about a job that has ended."""

    def check(self, settings: QueueSettings) -> None:
        """Refuse settings that this scheduler does not know.

        Raises
        ------
        ConfigError
            With what to write in their place.
        """

    def directives(self, job: JobRequest) -> list[str | None]:
        """Write what is asked for, each a line of a script without its mark; None for no line."""
        raise NotImplementedError

    def script(self, job: JobRequest) -> str:
        """Write the script of a job."""
        asked = [*filter(None, self.directives(job)), *job.settings.extra_directives]
        lines = ["#!/usr/bin/env bash", "", *(f"{self.mark} {line}" for line in asked)]
        return "\n".join([*lines, "", job.command, ""])

    def submission(self, script: str, file: str) -> tuple[list[str], str]:  # noqa: ARG002 - some take the text
        """Give the command that submits a script, and what it reads; then the file is removed."""
        return [self.programs[0], file], ""

    def read_number(self, text: str) -> str | None:
        """Read the number of a job from the answer to its submission; None if there is none."""
        match = self._submitted.search(text) or re.search(r"(\d+)", text)
        return match[1] if match else None

    def states_command(self, ids: Sequence[str]) -> list[str]:
        """Return the command that lists at least these jobs."""
        raise NotImplementedError

    def read_states(self, text: str, *, name: str | None = None) -> dict[str, JobState]:
        """Read which jobs are not over from what that command says.

        Parameters
        ----------
        text : str
            What it says.
        name : str, optional
            Of the jobs that count, where `shows_names`; all if not given.
        """
        found: dict[str, JobState] = {}
        for line in text.splitlines():
            match = self._line.match(line)
            if match and (name is None or match.groupdict().get("name", name) == name):
                state = self._states.get(match["state"])
                if state is not None:
                    found[match["id"]] = state
        return found

    def key(self, job: str) -> str:
        """Return the id of a job as `read_states` gives it."""
        return job

    def complaints(self, text: str) -> list[str]:
        """Leave out, of what a program complained of, that a job has ended."""
        lines = (line.strip() for line in text.splitlines())
        return [line for line in lines if line and not self._over.search(line)]

    def cancel_command(self, ids: Sequence[str]) -> list[str]:
        """Return the command that removes jobs."""
        return [self.programs[2], *ids]

    def cancel_by_name_command(self, name: str) -> list[str]:  # noqa: ARG002 - most know no such command
        """Return the command that removes all jobs of a name; empty if there is none."""
        return []

    def reason_command(self, job: str) -> list[str]:
        """Return the command that says why a job waits."""
        raise NotImplementedError

    def read_reason(self, text: str) -> str:
        """Read the reason from what that command says; empty if it says none."""
        raise NotImplementedError


def walltime_seconds(walltime: str) -> int:
    """Count the seconds of ``D-HH:MM:SS`` or ``HH:MM:SS``."""
    days, _, rest = walltime.rpartition("-")
    hours, minutes, seconds = map(int, rest.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


def first_match(pattern: str, text: str) -> str:
    """Return what the group of a pattern finds at the begin of a line; empty if there is none."""
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].strip() if match else ""


def _bytes(text: str) -> int:
    """Count the bytes of ``500MB``, ``1.5 GiB`` and so on."""
    number, unit = re.split(r"(?<=[0-9]) ?(?=[KMGT])", text)
    return int(float(number) * (1024 if "i" in unit else 1000) ** (1 + "KMGT".index(unit[0])))
