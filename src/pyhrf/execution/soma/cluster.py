"""A cluster as a run sees it: its folder there and soma-workflow; results as they lie there."""

from __future__ import annotations

import io
import logging
import shlex
import tarfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pyhrf.errors import EngineError
from pyhrf.execution.engine import BatchResult
from pyhrf.execution.queues.schedulers import known_to_soma
from pyhrf.execution.result_files import unpack_result
from pyhrf.execution.soma.client import SomaClient
from pyhrf.execution.soma.folder import STEP_SECONDS, ClusterFolder, ClusterLostError
from pyhrf.execution.soma.job import RESULTS
from pyhrf.execution.ssh.shells import AS_SOMA
from pyhrf.wording import named

_PATIENCE = 300.0
"""Seconds for which a cluster may be away while jobs are awaited."""
_PAUSE = 5.0

T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, or this machine, as a run sees it.

    Attributes
    ----------
    name : str
        Of the cluster, for messages.
    python : str
        Interpreter of the jobs.
    folder : ClusterFolder
        Folder of the run there.
    client : SomaClient
        soma-workflow.
    notes_folder : Path
        Folder here in which the notes are.
    tell : callable
        Told what the user should know.
    """

    name: str
    python: str
    folder: ClusterFolder
    client: SomaClient
    notes_folder: Path
    tell: Callable[[str], object]

    def with_patience(self, what: Callable[[], T]) -> T:
        """Do something on the cluster; try again for minutes when it cannot be reached.

        Raises
        ------
        EngineError
            If it could not be reached in all that time.
        """
        begin, told = time.monotonic(), False
        while True:
            try:
                return what()
            except ClusterLostError as error:
                if time.monotonic() - begin > _PATIENCE:
                    raise EngineError(
                        f"{error}; tried for {_PATIENCE / 60:.0f} minutes; its jobs may "
                        f"still be running: {named('again')} to fetch their results"
                    ) from error
                if not told:
                    self.tell(f"{error}; trying again")
                    told = True
                time.sleep(_PAUSE)
                try:
                    self.client.reopen()
                except EngineError as again:
                    _log.info("still away: %s", again)

    def stop(self, workflow: int) -> None:
        """Stop a workflow and forget it; what cannot be stopped is told.

        soma-workflow stops only what the process of it that submitted the workflow still looks
        after; other jobs are taken back by the scheduler's own program.

        Raises
        ------
        EngineError
            If the cluster cannot be reached.
        """
        ids = self.client.ids(workflow)
        if self.client.delete(workflow) or not ids:
            return
        text = f"these jobs may still be running on {self.name}; stop them there: {', '.join(ids)}"
        scheduler = known_to_soma(self.client.scheduler)
        if scheduler is None:
            self.tell(f"{text} (soma-workflow lost sight of them)")
            return
        command = shlex.join(scheduler.cancel_command(ids))
        said = self.folder.ask(lambda shell: shell.run(AS_SOMA + command, seconds=STEP_SECONDS))
        complaints = scheduler.complaints(said.err)
        if complaints:
            program = scheduler.programs[2]
            self.tell(f"{text} ({program}: {complaints[-1]}); run there: {command}")


def is_result(name: str) -> bool:
    """Tell whether a file of a run holds results of a job."""
    return name.startswith("result-") and name.endswith(".npz")


def read_results(folder: ClusterFolder, names: Sequence[str], study: str) -> list[BatchResult]:
    """Read results; what is damaged or of another study is left out."""
    return _results(zip(names, folder.read(list(names)), strict=True), study)


def unpack_archive(content: bytes, study: str) -> list[BatchResult]:
    """Take the results out of the archive of `job.pack_results`; it may be damaged."""
    members: list[tuple[str, bytes]] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                file = archive.extractfile(member)
                if file is not None:
                    members.append((member.name, file.read()))
    except (tarfile.TarError, OSError) as error:
        _log.warning("%s is damaged: %s", RESULTS, error)
    return _results(members, study)


def _results(members: Iterable[tuple[str, bytes]], study: str) -> list[BatchResult]:
    results = []
    for name, blob in members:
        try:
            result = unpack_result(blob, study)
        except ValueError as error:
            _log.warning("%s: %s", name, error)
            continue
        if result is not None:
            results.append(result)
    return results
