"""The engine ``LAN``: the hosts of the lab, over ssh."""

from __future__ import annotations

import hashlib
import posixpath
from collections import Counter
from collections.abc import Callable, Generator, Sequence

from pyhrf.config.settings import LanSettings
from pyhrf.errors import ConfigError
from pyhrf.execution.engine import Batch, BatchResult, Load
from pyhrf.execution.extras import check_installed
from pyhrf.execution.news import RemoteEngine
from pyhrf.execution.studies import Studies


class LanEngine(RemoteEngine):
    """Work on batches in the job slots of the hosts of ``[parallel-LAN]``.

    The scheduler is in this process; the hosts need an ssh server, the same versions of Python
    and of the packages, and nothing else. Hosts that cannot be used are named, and left out.

    Raises
    ------
    ConfigError
        If the list of hosts cannot be read or is empty.
    EngineError
        If the packages of the extra ``lan`` are missing.
    """

    resumes = True

    def __init__(self, settings: LanSettings, *, tell: Callable[[str], object]) -> None:
        super().__init__(tell)
        self.name = "LAN"
        self._slots = Counter(settings.slots())
        if not self._slots:
            raise ConfigError("section [parallel-LAN], key hosts: it names no host")
        self.n_workers = self._slots.total()
        self.batch_seconds = 2.0
        self._settings = settings
        self._study = ""
        self._fetched = False
        check_installed("LAN", "lan")

    def resume(self, study: str, *, fresh: bool) -> list[BatchResult]:
        """Fetch what an earlier run of this study finished but did not bring home."""
        self._study = hashlib.sha256(study.encode()).hexdigest()[:20]
        if self._folder is None:
            return []
        from pyhrf.execution.lan.fetch import fetch, remove

        settings = self._settings
        hosts = [settings.remote_host] if settings.remote_host else list(self._slots)
        if fresh:
            remove(list(self._slots), user=settings.user, folder=self._folder, tell=self._tell)
            return []
        results = fetch(
            hosts, user=settings.user, folder=self._folder, study=self._study, tell=self._tell
        )
        self._fetched = bool(results)
        return results

    @property
    def _folder(self) -> str | None:
        path = self._settings.remote_path
        return posixpath.join(path, f"pyhrf-{self._study}") if path else None

    def _clear_up(self) -> None:
        """Remove what was fetched, when there is nothing more to do."""
        if self._fetched and self._folder is not None:
            from pyhrf.execution.lan.fetch import remove

            hosts = dict.fromkeys(
                [*self._slots, self._settings.remote_host or next(iter(self._slots))]
            )
            remove(list(hosts), user=self._settings.user, folder=self._folder, tell=self._tell)

    def run(
        self, batches: Sequence[Batch], *, load: Load, studies: Studies
    ) -> Generator[BatchResult, None, None]:
        """Work on the batches; see `pyhrf.execution.engine.Engine.run`.

        Raises
        ------
        EngineError
            If no host can be used, or all are lost for two minutes.
        """
        if not batches:
            self._clear_up()
            return
        from pyhrf.execution.dask.run import results_of
        from pyhrf.execution.dask.worker import Job
        from pyhrf.execution.lan.run import LanRun

        job = Job(studies.to_json(), self._study, self._folder)
        run = LanRun(
            job, batches, settings=self._settings, load=load, studies=studies, tell=self._tell
        )
        yield from results_of(run)
