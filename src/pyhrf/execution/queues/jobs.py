"""Jobs of a batch scheduler: submitted, looked after and removed with its own programs."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from types import ModuleType
from typing import Any

import dask
import yaml

from pyhrf.config.settings import QueueSettings
from pyhrf.execution.queues.kinds import JobState, QueueKind

_SECONDS = 60
"""How long a program of the scheduler may take."""
_WORKER = "pyhrf.execution.queues.worker"
_CONFIG = "pyhrf"
_GREETING = re.compile(r".*(?=Submitted batch job \d|Your job \d|Job <\d)", re.DOTALL)
"""What a site's own version of a program may print before it says the number of a job."""


class SchedulerError(RuntimeError):
    """What a program of the scheduler complained of, in one line."""


class QueueJobs:
    """The jobs of a run.

    Parameters
    ----------
    kind : QueueKind
        The scheduler.
    settings : QueueSettings
        What to ask it for.
    folder : Path
        Of the run.
    python : str
        Interpreter on the nodes.
    name : str
        Of all jobs of the run.

    Attributes
    ----------
    shows_names : bool
        Whether the scheduler tells jobs of a name from others with the same number.
    """

    def __init__(
        self, kind: QueueKind, settings: QueueSettings, *, folder: Path, python: str, name: str
    ) -> None:
        self.name = name
        self._kind = kind
        options = kind.options(settings, folder=folder)
        self._options: dict[str, Any] = {
            "python": python,
            "worker_command": _WORKER,
            "worker_extra_args": ["--workers", str(options["processes"])],
            "job_name": name,
            "config_name": _CONFIG,
            **options,
        }
        self._folder = folder
        module, class_name = kind.job_class
        base = getattr(_import_without_handler(module), class_name)
        environment = {
            key: value for key, value in os.environ.items() if not key.startswith(kind.misleading)
        }
        self._call = partial(_call, environment=environment)
        self._class: Any = type(class_name, (base,), {"_call": staticmethod(self._call)})
        self.shows_names = kind.shows_names

    def script(self, token: str) -> str:
        """Return the script of a job."""
        return str(self._job(token).job_script())

    async def submit(self, token: str) -> str:
        """Submit a job; return its id.

        Raises
        ------
        SchedulerError
            If the scheduler refuses it.
        """
        job = self._job(token)
        with job.job_file() as path:
            said = await job._submit_job(path)
        try:
            return str(job._job_id_from_submit_output(_GREETING.sub("", said, count=1)))
        except ValueError as error:
            raise SchedulerError(f"no job number in {said.strip()!r}") from error

    async def states(self, ids: Sequence[str], *, name: str | None = None) -> dict[str, JobState]:
        """Return the state of each of these jobs that is not over.

        Parameters
        ----------
        ids : sequence of str
            Of `submit`.
        name : str, optional
            That of an earlier run, if the jobs are its: a number may have been given again.

        Raises
        ------
        SchedulerError
            If the scheduler does not answer.
        """
        if not ids:
            return {}
        command = self._kind.states_command(ids)
        # Some end with an error when one of the jobs is over, but list the others.
        said = await self._call(command, wrong_is_right=True)
        try:
            found = self._kind.read_states(said, name=name)
        except ValueError as error:
            raise SchedulerError(f"{command[0]} says what is not understood: {error}") from error
        return {job: found[key] for job in ids if (key := self._kind.key(job)) in found}

    async def reason(self, job: str) -> str:
        """Return why a job waits, as the scheduler puts it; empty if it says nothing."""
        try:
            return self._kind.read_reason(await self._call(self._kind.reason_command(job)))
        except SchedulerError:
            return ""

    async def cancel(self, ids: Sequence[str], *, name: str | None = None) -> None:
        """Remove jobs from the queue; those that are over do not matter.

        Parameters
        ----------
        ids : sequence of str
            Of `submit`.
        name : str, optional
            Of jobs that are removed too, even if no number of theirs is known.
        """
        commands = [[*shlex.split(self._class.cancel_command), *ids]] if ids else []
        if name and (by_name := self._kind.cancel_command(name)):
            commands.append(by_name)
        for command in commands:
            with contextlib.suppress(SchedulerError):
                await self._call(command)

    def _job(self, token: str) -> Any:
        # The defaults of dask-jobqueue, not what a file elsewhere makes of them.
        text = files("dask_jobqueue").joinpath("jobqueue.yaml").read_text("utf-8")
        defaults = yaml.safe_load(text)["jobqueue"][self._class.config_name]
        defaults.update({"walltime": None, "death-timeout": None})
        with dask.config.set({f"jobqueue.{_CONFIG}": defaults}):
            return self._class(scheduler=str(self._folder), name=token, **self._options)


def _import_without_handler(module: str) -> ModuleType:
    """Import a module of dask-jobqueue; 0.9.0 takes over Ctrl-C with it (its issue 696)."""
    set_handler = signal.signal
    signal.signal = lambda *_: None
    try:
        return import_module(module)
    finally:
        signal.signal = set_handler


async def _call(
    command: Sequence[str],
    *,
    environment: Mapping[str, str],
    shell: bool = False,
    wrong_is_right: bool = False,
) -> str:
    """Run a program of the scheduler; return what it says.

    Raises
    ------
    SchedulerError
        If it fails, unless it said something and ``wrong_is_right``.
    """
    if shell:  # only for LSF, which is asked not to say why it refuses a job
        command = ["/bin/sh", "-c", " ".join(command).removesuffix("2> /dev/null")]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            start_new_session=True,  # Ctrl-C is for us, who take back what is submitted
        )
    except OSError as error:
        raise SchedulerError(f"{command[0]} cannot be run: {error.strerror}") from error
    try:
        async with asyncio.timeout(_SECONDS):
            out, err = await process.communicate()
    except TimeoutError as error:
        raise SchedulerError(f"{command[0]} does not answer in {_SECONDS} s") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    text = out.decode("utf-8", "replace")
    if process.returncode == 0 or (wrong_is_right and _no_job(err)):
        return text
    lines = (err or out).decode("utf-8", "replace").splitlines()
    said = "; ".join(dict.fromkeys(line.strip() for line in lines if line.strip()))
    raise SchedulerError(said or f"{command[0]} ended with status {process.returncode}")


def _no_job(complaint: bytes) -> bool:
    """Tell a complaint about a job that is over from one about the scheduler."""
    lines = complaint.decode("utf-8", "replace").strip().lower().splitlines()
    known = ("unknown job", "has finished", "is not found", "no unfinished job", "not exist")
    return bool(lines) and all(any(words in line for words in known) for line in lines)
