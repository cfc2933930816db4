"""HTCondor."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from pyhrf.errors import ConfigError
from pyhrf.execution.queues.schedulers.base import (
    JobRequest,
    JobState,
    Scheduler,
    walltime_seconds,
)

if TYPE_CHECKING:
    from pyhrf.config.settings import QueueSettings

_DISK = 10**9
"""Bytes on the disk of a node."""


class HtCondor(Scheduler):
    """HTCondor."""

    name = "htcondor"
    title = "HTCondor"
    programs = ("condor_submit", "condor_q", "condor_rm")
    question = "condor_status -schedd"
    advice = (
        "It has no queues: leave `queue` out. `extra_directives` are lines `KEY = VALUE` of "
        "the description of a job, such as `requirements = …`. `account` is an accounting group."
    )
    _states: ClassVar[dict[str, JobState]] = {
        **dict.fromkeys("15", "waiting"),
        **dict.fromkeys("26", "running"),
        "7": "suspended",
        "3": "ending",
    }
    _line = re.compile(r"(?P<id>\d+\.\d+) (?P<state>\d)")

    def check(self, settings: QueueSettings) -> None:
        """Refuse queues, and lines that are no part of a description."""
        if settings.queue is not None:
            raise ConfigError(
                "section [parallel-queue], key queue: HTCondor has no queues: leave it out, or "
                "write requirements = … as a line of extra_directives"
            )
        for line in settings.extra_directives:
            if "=" not in line:
                raise ConfigError(
                    f"section [parallel-queue], key extra_directives: {line!r} is not KEY = VALUE, "
                    "as HTCondor wants it"
                )

    def script(self, job: JobRequest) -> str:
        """Write the description of a job."""
        lines = {
            "MY.DaskWorkerName": '"htcondor--$F(MY.JobId)--"',
            "batch_name": job.token,
            "RequestCpus": "MY.DaskWorkerCores",
            "RequestMemory": "floor(MY.DaskWorkerMemory / 1048576)",
            "RequestDisk": "floor(MY.DaskWorkerDisk / 1024)",
            "MY.JobId": '"$(ClusterId).$(ProcId)"',
            "MY.DaskWorkerCores": job.cores,
            "MY.DaskWorkerMemory": job.memory,
            "MY.DaskWorkerDisk": _DISK,
            "LogDirectory": job.folder,
            "Output": "$(LogDirectory)/worker-$F(MY.JobId).out",
            "Error": "$(LogDirectory)/worker-$F(MY.JobId).err",
            "Log": "$(LogDirectory)/worker-$(ClusterId).log",
            # It is killed in the end: what it says would be lost with it.
            "Stream_Output": True,
            "Stream_Error": True,
        }
        for line in job.settings.extra_directives:
            key, _, value = line.partition("=")
            lines[key.strip()] = value.strip()
        if job.settings.account is not None:
            lines.setdefault("accounting_group", job.settings.account)
        if job.settings.walltime is not None:
            seconds = walltime_seconds(job.settings.walltime)
            limit = f"(JobStatus == 2) && ((time() - EnteredCurrentStatus) > {seconds})"
            lines.setdefault("periodic_remove", limit)
        described = "\n".join(f"{key} = {value}" for key, value in lines.items())
        # As a program of its own, Python would be called condor_exec.exe and not find its modules.
        return (
            f"#!/usr/bin/env condor_submit\n\n{described}\n\n"
            f"Arguments = \"-c '{job.command}'\"\nExecutable = /bin/sh\n\nQueue\n"
        )

    def read_number(self, text: str) -> str | None:
        """Add the number of the process, which is the only one of its cluster."""
        match = re.search(r"submitted to cluster (\d+)", text)
        return f"{match[1]}.0" if match else None

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
