"""The batch schedulers behind ``-x slurm`` and the others: what each wants, and what it says.

Job scripts, submission and removal are those of dask-jobqueue; here is what it lacks: the settings
of ``[parallel-queue]`` in each scheduler's own words, which jobs wait, and why.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pyhrf.config.settings import QueueSettings
from pyhrf.errors import ConfigError
from pyhrf.execution.login import login_name
from pyhrf.execution.queues.directives import check_slurm_directives
from pyhrf.execution.queues.schedulers import SCHEDULERS

JobState = Literal["waiting", "running", "suspended", "ending"]

_MEMORY = "2GB"
"""Asked for each core if the settings say nothing."""


class QueueKind:
    """A batch scheduler.

    Attributes
    ----------
    name : str
        Of the engine.
    job_class : tuple of str
        Module and class of dask-jobqueue.
    hopeless : tuple of str
        Reasons for which a job would wait for ever.
    shows_names : bool
        Whether the list of jobs shows their names in full.
    misleading : tuple of str
        How variables begin that would change what the programs are asked.
    """

    name: ClassVar[str]
    job_class: ClassVar[tuple[str, str]]
    hopeless: ClassVar[tuple[str, ...]] = ()
    shows_names: ClassVar[bool] = False
    misleading: ClassVar[tuple[str, ...]] = ()
    _account: ClassVar[str] = "account"
    _states: ClassVar[dict[str, JobState]] = {}
    """By its letters or words; what is not there is over."""
    _line = re.compile("")
    """Of the list of jobs: number, state, and name if it shows that."""

    @property
    def title(self) -> str:
        """Its name in a sentence."""
        return SCHEDULERS[self.name].title

    @property
    def programs(self) -> tuple[str, ...]:
        """What submits, lists and removes jobs."""
        return SCHEDULERS[self.name].programs

    def options(self, settings: QueueSettings, *, folder: Path) -> dict[str, Any]:
        """Turn the settings into arguments of dask-jobqueue's class.

        Parameters
        ----------
        settings : QueueSettings
            What the user asks for.
        folder : Path
            Where jobs write what they say.

        Returns
        -------
        dict

        Raises
        ------
        ConfigError
            If this scheduler does not know what is asked for.
        """
        cores = settings.cores or 1
        options: dict[str, Any] = {
            "cores": cores,
            "processes": cores,
            "memory": settings.memory or f"{int(_MEMORY[:-2]) * cores}GB",
            "walltime": self._walltime(settings.walltime) if settings.walltime else None,
            "queue": settings.queue,
            self._account: settings.account,
            "job_extra_directives": list(settings.extra_directives),
            "log_directory": str(folder),
        }
        return {key: value for key, value in options.items() if value is not None}

    def _walltime(self, text: str) -> str:
        """Write a time as HH:MM:SS; days are not understood everywhere."""
        seconds = _seconds(text)
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

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

    def cancel_command(self, name: str) -> list[str]:  # noqa: ARG002 - most know no such command
        """Return the command that removes all jobs of a name; empty if there is none."""
        return []

    def reason_command(self, job: str) -> list[str]:
        """Return the command that says why a job waits."""
        raise NotImplementedError

    def read_reason(self, text: str) -> str:
        """Read the reason from what that command says; empty if it says none."""
        raise NotImplementedError


class Slurm(QueueKind):
    """Slurm."""

    name = "slurm"
    job_class = ("dask_jobqueue.slurm", "SLURMJob")
    hopeless = (
        "AssocMaxWallDurationPerJobLimit",
        "InvalidAccount",
        "InvalidQOS",
        "PartitionTimeLimit",
        "QOSMaxWallDurationPerJobLimit",
    )
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys(("PENDING", "CONFIGURING", "REQUEUED"), "waiting"),
        **dict.fromkeys(("REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT"), "waiting"),
        **dict.fromkeys(("RUNNING", "SIGNALING", "RESIZING", "STAGE_OUT"), "running"),
        **dict.fromkeys(("SUSPENDED", "STOPPED"), "suspended"),
        "COMPLETING": "ending",
    }
    shows_names = True
    # On another cluster, or under another name, a job would not be found again.
    misleading = (
        *("SQUEUE_", "SCANCEL_", "SLURM_CLUSTERS", "SBATCH_CLUSTERS", "SBATCH_JOB_NAME"),
        *("SBATCH_ARRAY_INX", "SBATCH_OUTPUT", "SBATCH_ERROR"),
    )
    _line = re.compile(r"(?P<id>\d+) (?P<state>\w+)(?: (?P<name>.*))?$")

    def options(self, settings: QueueSettings, *, folder: Path) -> dict[str, Any]:
        """Refuse directives without which no job could be found again."""
        check_slurm_directives(settings.extra_directives)
        return super().options(settings, folder=folder)

    def _walltime(self, text: str) -> str:
        return text

    def states_command(self, ids: Sequence[str]) -> list[str]:  # noqa: ARG002 - an id that is forgotten would be an error
        """Ask for all jobs of the user."""
        user = f"--user={os.getuid()}"
        return ["squeue", "--noheader", user, "--states=all", "--format=%A %T %j"]

    def cancel_command(self, name: str) -> list[str]:
        """Cancel by name, for a job whose number was never known."""
        return ["scancel", f"--user={os.getuid()}", f"--name={name}"]

    def reason_command(self, job: str) -> list[str]:
        """Ask for the column of reasons."""
        return ["squeue", "--noheader", f"--jobs={job}", "--format=%r"]

    def read_reason(self, text: str) -> str:
        """Take the first line; ``None`` means that Slurm has not looked at the job yet."""
        reason = text.partition("\n")[0].strip()
        return "" if reason in ("None", "(null)") else reason


class Pbs(QueueKind):
    """PBS Professional and OpenPBS."""

    name = "pbs"
    job_class = ("dask_jobqueue.pbs", "PBSJob")
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys("QHWT", "waiting"),
        **dict.fromkeys("RB", "running"),
        **dict.fromkeys("SU", "suspended"),
        "E": "ending",
    }
    _line = re.compile(r"(?P<id>\d+)\S*\s+\S+\s+\S+\s+\S+\s+(?P<state>[A-Z])\s")

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
        match = re.search(r"^\s*comment = (.*)$", text.replace("\n\t", ""), re.MULTILINE)
        return match[1].strip() if match else ""


class Sge(QueueKind):
    """Grid Engine and its descendants."""

    name = "sge"
    job_class = ("dask_jobqueue.sge", "SGEJob")
    _account = "project"
    _line = re.compile(r"\s*(?P<id>\d+)\s+\S+\s+\S+\s+\S+\s+(?P<state>\w+)\s")

    def options(self, settings: QueueSettings, *, folder: Path) -> dict[str, Any]:
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
        return super().options(settings, folder=folder)

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
        for pattern in (r"^error reason\s+\d*:\s*(.*)$", r"^scheduling info:\s*(.*)$"):
            if match := re.search(pattern, text, re.MULTILINE):
                return match[1].strip()
        return ""


class Lsf(QueueKind):
    """IBM Spectrum LSF."""

    name = "lsf"
    job_class = ("dask_jobqueue.lsf", "LSFJob")
    _account = "project"
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys(("PEND", "PSUSP", "WAIT"), "waiting"),
        **dict.fromkeys(("USUSP", "SSUSP"), "suspended"),
        **dict.fromkeys(("RUN", "UNKWN", "PROV"), "running"),
    }
    _line = re.compile(r"(?P<id>\d+)\s+\S+\s+(?P<state>[A-Z]+)\s")

    def _walltime(self, text: str) -> str:
        """Write HH:MM, not less than was asked for."""
        minutes = math.ceil(_seconds(text) / 60)
        return f"{minutes // 60:02d}:{minutes % 60:02d}"

    def states_command(self, ids: Sequence[str]) -> list[str]:
        """Ask for each, also those that are over."""
        return ["bjobs", "-w", *ids]

    def reason_command(self, job: str) -> list[str]:
        """Ask for the reasons of waiting."""
        return ["bjobs", "-p", job]

    def read_reason(self, text: str) -> str:
        """Take the line below that of the job."""
        match = re.search(r"^ (\S.*?);?$", text, re.MULTILINE)
        return match[1].strip() if match else ""


class HtCondor(QueueKind):
    """HTCondor."""

    name = "htcondor"
    job_class = ("dask_jobqueue.htcondor", "HTCondorJob")
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys("15", "waiting"),
        **dict.fromkeys("26", "running"),
        "7": "suspended",
        "3": "ending",
    }
    _line = re.compile(r"(?P<id>\d+\.\d+) (?P<state>\d)")

    def options(self, settings: QueueSettings, *, folder: Path) -> dict[str, Any]:
        """Write everything as lines ``KEY = VALUE`` of the description of the job."""
        if settings.queue is not None:
            raise ConfigError(
                "section [parallel-queue], key queue: HTCondor has no queues: leave it out, or "
                "write requirements = … as a line of extra_directives"
            )
        lines: dict[str, str] = {}
        for line in settings.extra_directives:
            key, equals, value = line.partition("=")
            if not equals:
                raise ConfigError(
                    f"section [parallel-queue], key extra_directives: {line!r} is not KEY = VALUE, "
                    "as HTCondor wants it"
                )
            lines[key.strip()] = value.strip()
        if settings.account is not None:
            lines.setdefault("accounting_group", settings.account)
        if settings.walltime is not None:
            spent = "(time() - EnteredCurrentStatus)"
            limit = f"(JobStatus == 2) && ({spent} > {_seconds(settings.walltime)})"
            lines.setdefault("periodic_remove", limit)
        options = super().options(settings, folder=folder)
        for key in ("walltime", "account"):
            options.pop(key, None)
        return {**options, "job_extra_directives": lines, "disk": "1GB"}

    def states_command(self, ids: Sequence[str]) -> list[str]:
        """Ask for number and state of each."""
        columns = (("%d.", "ClusterId"), ("%d ", "ProcId"), ("%d\n", "JobStatus"))
        return ["condor_q", *ids, *(word for column in columns for word in ("-format", *column))]

    def reason_command(self, job: str) -> list[str]:
        """Ask why it is held."""
        return ["condor_q", job, "-format", "%s\n", "HoldReason"]

    def read_reason(self, text: str) -> str:
        """Take the line as it is."""
        return text.strip()


class Oar(QueueKind):
    """OAR."""

    name = "oar"
    job_class = ("dask_jobqueue.oar", "OARJob")
    _account = "project"
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys(("Waiting", "toLaunch", "Launching", "Hold"), "waiting"),
        "Suspended": "suspended",
        **dict.fromkeys(("Running", "Resuming", "toAckReservation"), "running"),
        "Finishing": "ending",
    }

    def options(self, settings: QueueSettings, *, folder: Path) -> dict[str, Any]:
        """Refuse what each site calls by a name of its own; say where to write."""
        if settings.memory is not None:
            raise ConfigError(
                "section [parallel-queue], key memory: OAR knows it by a property whose name each "
                "site chooses: write it as a line of extra_directives, such as -p memnode>=4096"
            )
        options = super().options(settings, folder=folder)
        options["job_extra_directives"] += [f"-O {folder}/%jobid%.out", f"-E {folder}/%jobid%.err"]
        return {**options, "memory_per_core_property_name": "not_applicable"}

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
        match = re.search(r"^\s*message = (.*)$", text, re.MULTILINE)
        return match[1].strip() if match else ""


def _seconds(walltime: str) -> int:
    """Count the seconds of ``D-HH:MM:SS`` or ``HH:MM:SS``."""
    days, _, rest = walltime.rpartition("-")
    hours, minutes, seconds = map(int, rest.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


KINDS: dict[str, QueueKind] = {
    kind.name: kind for kind in (Slurm(), Pbs(), Sge(), Lsf(), HtCondor(), Oar())
}
"""By the name of the engine."""
