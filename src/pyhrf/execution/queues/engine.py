"""The engines ``slurm``, ``pbs`` and so on, one for each batch scheduler: jobs of a queue."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from typing import TYPE_CHECKING

from pyhrf.config.settings import QueueSettings
from pyhrf.errors import EngineError
from pyhrf.execution.engine import Batch, BatchResult, Load
from pyhrf.execution.extras import check_installed
from pyhrf.execution.news import RemoteEngine
from pyhrf.execution.queues.folder import QueueFolder, check_plain
from pyhrf.execution.queues.schedulers import SCHEDULERS
from pyhrf.execution.studies import Studies
from pyhrf.wording import named

if TYPE_CHECKING:
    from pyhrf.execution.queues.jobs import QueueJobs
    from pyhrf.execution.queues.run import QueueRun

_MAX_JOBS = 10


class QueueEngine(RemoteEngine):
    """Work on batches in jobs of a batch scheduler, from a machine that may submit them.

    The scheduler of batches is in this process, which has to stay: jobs join it over TLS, and end
    soon after it. Jobs that are lost are replaced. The run and its jobs meet in ``folder``, which
    has to be on a disk that the nodes see.

    Parameters
    ----------
    name : str
        A key of `pyhrf.execution.queues.schedulers.SCHEDULERS`.
    settings : QueueSettings
        What jobs ask for.
    tell : callable
        Called, by any thread, with each sentence that the user should read.

    Raises
    ------
    ConfigError
        If the scheduler does not know what the settings ask for, or the path of the interpreter
        cannot be in a job script.
    EngineError
        If the packages of the extra ``queue``, or the programs of the scheduler, are missing.
    """

    def __init__(
        self, name: str, settings: QueueSettings, *, tell: Callable[[str], object]
    ) -> None:
        super().__init__(tell)
        self.name = name
        self._scheduler = SCHEDULERS[name]
        self._n_jobs, self._n_cores = settings.max_jobs or _MAX_JOBS, settings.cores or 1
        self.n_workers = self._n_jobs * self._n_cores
        self.batch_seconds = 2.0
        self._settings = settings
        self._run: QueueRun | None = None
        self._python = settings.python or sys.executable
        check_plain(
            self._python,
            what="section [parallel-queue], key python: the interpreter",
            cure="set it to one, or to a link to it,",
        )
        check_installed(name, "queue")
        self._scheduler.check(settings)
        title = self._scheduler.title
        for program in self._scheduler.programs:
            if shutil.which(program) is None:
                raise EngineError(
                    f"{named('engine', name=name)} needs the program {program} of {title}, which "
                    "is not on the PATH: run this on a login node of the cluster"
                )

    def run(
        self, batches: Sequence[Batch], *, load: Load, studies: Studies
    ) -> Generator[BatchResult, None, None]:
        """Work on the batches; see `pyhrf.execution.engine.Engine.run`.

        Raises
        ------
        ConfigError
            If the path of the folder cannot be in a job script.
        EngineError
            If the scheduler refuses jobs, or one after the other ends without a result.
        """
        from pyhrf.execution.dask.run import results_of
        from pyhrf.execution.dask.worker import Job
        from pyhrf.execution.queues.jobs import QueueJobs
        from pyhrf.execution.queues.run import QueueRun

        folder = QueueFolder(self.folder.absolute())
        if not batches and not folder.path.exists():
            return
        folder.make()
        jobs = QueueJobs(
            self._scheduler,
            self._settings,
            folder=folder.path,
            python=self._python,
            name=f"pyhrf-{secrets.token_hex(3)}",  # some take no more than 15 letters
        )
        if not batches:
            asyncio.run(self._clear_up(folder, jobs))
            return
        self._run = QueueRun(
            Job(studies.to_json(), "", None),
            batches,
            scheduler=self._scheduler,
            queue=jobs,
            n_jobs=self._n_jobs,
            n_workers=self._n_cores,
            folder=folder,
            load=load,
            studies=studies,
            tell=self._tell,
        )
        yield from results_of(self._run)

    async def _clear_up(self, folder: QueueFolder, jobs: QueueJobs) -> None:
        """Remove what an earlier run left, when all its work is done."""
        from pyhrf.execution.queues.leftovers import remove_leftovers

        title = self._scheduler.title
        left = await remove_leftovers(folder, jobs, title=title, tell=self._tell)
        folder.write_jobs(left)
        if not left:
            folder.remove()

    @property
    def job_states(self) -> tuple[str, ...]:
        """States of the jobs, ``waiting``, ``running``, ``suspended`` or ``ending``."""
        return () if self._run is None else self._run.job_states
