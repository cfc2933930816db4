"""What a worker on another machine does with a batch: bytes come in, bytes go out."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from distributed import get_worker
from distributed.diagnostics.plugin import WorkerPlugin
from distributed.worker import Worker

from pyhrf.data import Estimator
from pyhrf.execution.blas import single_blas_thread
from pyhrf.execution.compiling import compile_in_turn
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.packing import About, pack_estimates, unpack_parcels
from pyhrf.execution.recipe import from_recipe
from pyhrf.execution.result_files import collected_log, file_of_batch
from pyhrf.files import why_unwritable, write_whole


@dataclass(frozen=True, slots=True)
class Job:
    """What all batches of a run share; each worker gets it once.

    Attributes
    ----------
    recipe : bytes
        Of the estimator: what cannot be read is to fail a batch, where the reason can be told,
        and not the worker.
    study : str
        What results depend on, as a digest.
    folder : str or None
        Where finished batches are kept on the host.
    """

    recipe: bytes
    study: str
    folder: str | None


class _Ready:
    """The job of this process, made ready at the first batch."""

    def __init__(self) -> None:
        self.job: Job | None = None
        self._estimator: Estimator | None = None
        self._lock = threading.Lock()

    def set(self, job: Job) -> None:
        self.job, self._estimator = job, None

    def get(self) -> tuple[Job, Estimator]:
        with self._lock:
            if self.job is None:
                raise RuntimeError("the worker was not told what to estimate")
            if self._estimator is None:
                estimator = from_recipe(self.job.recipe)
                lock = Path(get_worker().local_directory).parent / "compile.lock"
                compile_in_turn(estimator, lock)
                self._estimator = estimator
            return self.job, self._estimator


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
        Of `pyhrf.execution.packing.pack_estimates`; ``about`` holds ``study``, ``host``,
        ``seconds``, and ``notes`` and ``log`` if something was logged.
    """
    parcels = unpack_parcels(blob)
    batch = Batch(0, tuple(parcel.number for parcel in parcels), 0.0)
    with single_blas_thread(), collected_log() as logged:
        job, estimator = _ready.get()
        result = work_batch(batch, lambda _: parcels, estimator)
    about: About = {
        "study": job.study,
        "host": host_of_worker(get_worker().name),
        "seconds": result.seconds,
    }
    packed = pack_estimates(result.estimates, about=about)
    if job.folder is not None:
        logged.notes += _keep(Path(job.folder).expanduser() / file_of_batch(batch.parcels), packed)
    if said := logged.about():
        packed = pack_estimates(result.estimates, about={**about, **said})
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
