"""What a worker on another machine does with a batch: bytes come in, bytes go out."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from pathlib import Path

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.worker import Worker

from pyhrf.execution.blas import single_blas_thread
from pyhrf.execution.compiling import compile_in_turn
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.packing import unpack_parcels
from pyhrf.execution.result_files import collected_log, file_of_batch, pack_result
from pyhrf.execution.studies import Studies
from pyhrf.files import why_unwritable, write_whole


@dataclass(frozen=True, slots=True)
class Job:
    """What all batches of a run share; each worker gets it once.

    Attributes
    ----------
    studies : bytes
        From `Studies.to_json`: what cannot be read is to fail a batch, where the reason can be
        told, and not the worker.
    digest : str
        Of what results depend on.
    folder : str or None
        Where finished batches are kept on the host.
    """

    studies: bytes
    digest: str
    folder: str | None


class _Ready:
    """The job of this process, made ready at the first batch."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self._studies: Studies | None = None
        self._lock = threading.Lock()

    def set(self, job: Job) -> None:
        self.job, self._studies = job, None

    def get(self) -> tuple[Job, Studies]:
        with self._lock:
            if self.job is None:
                raise RuntimeError("the worker was not told what to estimate")
            if self._studies is None:
                studies = Studies.from_json(self.job.studies)
                lock = Path(get_worker().local_directory).parent / "compile.lock"
                compile_in_turn(studies.estimator(0), lock)
                self._studies = studies
            return self.job, self._studies


_ready = _Ready()


class JobPlugin(WorkerPlugin):
    """Brings the job to each worker, also to one that comes late or again."""

    name = "pyhrf-job"

    def __init__(self, job: Job) -> None:
        self.job = job

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - by contract of distributed
        """Keep the job for the batches to come."""
        _ready.set(self.job)


def host_of_worker(name: object) -> str:
    """Take the host out of the name of a worker, ``HOST#SESSION-SLOT``."""
    return str(name).rpartition("#")[0]


def work(blob: bytes) -> bytes:
    """Estimate the parcels of a batch, and keep the result on this host before it is told.

    Returns
    -------
    bytes
        Of `pyhrf.execution.result_files.pack_result`, with ``notes`` and ``log`` if something
        was logged.
    """
    parcels = unpack_parcels(blob)
    batch = Batch(0, tuple(parcels), 0.0)
    with single_blas_thread(), collected_log() as logged:
        job, studies = _ready.get()
        result = work_batch(batch, lambda _: list(parcels.values()), studies)
    result = replace(result, host=host_of_worker(get_worker().name))
    packed = pack_result(result, job.digest)
    if job.folder is not None:
        logged.notes += _keep(Path(job.folder).expanduser() / file_of_batch(batch.parcels), packed)
    if said := logged.about():
        packed = pack_result(result, job.digest, said)
    return packed


def _keep(path: Path, packed: bytes) -> list[str]:
    """Write a result so that it is there in full or not at all; return what went wrong.

    The estimates are on their way all the same: a full disk here costs the safety, not the work.
    """
    # Two hosts that share the folder may be at the same batch.
    try:
        write_whole(path, packed)
    except OSError as error:
        return [
            f"{path.parent} cannot be written: {why_unwritable(error)}; results are not kept there "
            "until they have arrived here"
        ]
    return []
