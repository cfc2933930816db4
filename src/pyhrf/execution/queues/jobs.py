"""Jobs of a batch scheduler: submitted, looked after and removed with its own programs."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pyhrf.config.settings import QueueSettings
from pyhrf.execution.queues.schedulers.base import JobRequest, JobState, Scheduler
from pyhrf.execution.ssh.shells import run_here

_SECONDS = 60
"""How long a program of the scheduler may take."""
_WORKER = "pyhrf.execution.queues.worker"


class SchedulerError(RuntimeError):
    """What a program of the scheduler complained of, in one line."""


class QueueJobs:
    """The jobs of a run.

    Attributes
    ----------
    shows_names : bool
        Whether the scheduler tells jobs of a name from others with the same number.
    """

    def __init__(
        self, scheduler: Scheduler, settings: QueueSettings, *, folder: Path, python: str, name: str
    ) -> None:
        self.name = name
        self.shows_names = scheduler.shows_names
        self._scheduler, self._settings = scheduler, settings
        self._folder, self._python = folder, python

    def script(self, token: str) -> str:
        """Return the script of a job."""
        n_workers = self._settings.cores or 1
        words = f"{self._python} -m {_WORKER} {self._folder} --name {token} --workers {n_workers}"
        return self._scheduler.script(
            JobRequest(self._settings, self._folder, self.name, token, words)
        )

    async def submit(self, token: str) -> str:
        """Submit a job; return its id.

        Raises
        ------
        SchedulerError
            If the scheduler refuses it.
        """
        script = self.script(token)
        with tempfile.NamedTemporaryFile("w", suffix=".sh") as file:
            file.write(script)
            file.flush()
            command, text = self._scheduler.submission(script, file.name)
            said = await self._call(command, text=text)
        number = self._scheduler.read_number(said)
        if number is None:
            raise SchedulerError(f"no job number in {said.strip()!r}")
        return number

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
        command = self._scheduler.states_command(ids)
        said = await self._call(command, some_may_be_over=True)
        try:
            found = self._scheduler.read_states(said, name=name)
        except ValueError as error:
            raise SchedulerError(
                f"{command[0]} gives an answer that PyHRF does not understand: {error}"
            ) from error
        return {job: found[key] for job in ids if (key := self._scheduler.key(job)) in found}

    async def reason(self, job: str) -> str:
        """Return why a job waits, as the scheduler puts it; empty if it says nothing."""
        try:
            said = await self._call(self._scheduler.reason_command(job))
        except SchedulerError:
            return ""
        return self._scheduler.read_reason(said)

    async def cancel(self, ids: Sequence[str], *, name: str | None = None) -> None:
        """Remove jobs from the queue; those that are over do not matter.

        Parameters
        ----------
        ids : sequence of str
            Of `submit`.
        name : str, optional
            Of jobs that are removed too, even if no number of theirs is known.
        """
        commands = [self._scheduler.cancel_command(ids)] if ids else []
        if name and (by_name := self._scheduler.cancel_by_name_command(name)):
            commands.append(by_name)
        for command in commands:
            with contextlib.suppress(SchedulerError):
                await self._call(command)

    async def _call(
        self, command: Sequence[str], *, text: str = "", some_may_be_over: bool = False
    ) -> str:
        """Run a program of the scheduler with a text on its standard input; return what it says.

        Raises
        ------
        SchedulerError
            If it fails; with ``some_may_be_over`` only if it complained of something else than
            jobs that have ended, since the others are listed all the same.
        """
        misleading = self._scheduler.misleading
        environment = {k: v for k, v in os.environ.items() if not k.startswith(misleading)}
        try:
            said = await run_here(command, text=text, seconds=_SECONDS, environment=environment)
        except TimeoutError as error:
            raise SchedulerError(f"{command[0]} does not answer within {_SECONDS} s") from error
        except OSError as error:
            raise SchedulerError(f"{command[0]} cannot be run: {error.strerror}") from error
        only_over = said.err.strip() and not self._scheduler.complaints(said.err)
        if said.status == 0 or (some_may_be_over and only_over):
            return said.out
        lines = dict.fromkeys(line.strip() for line in (said.err or said.out).splitlines())
        reason = "; ".join(filter(None, lines))
        raise SchedulerError(reason or f"{command[0]} ended with status {said.status}")
