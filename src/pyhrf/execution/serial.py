"""The engine ``serial``: one parcel after the other in this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from pyhrf.execution.blas import single_blas_thread
from pyhrf.execution.engine import Batch, BatchResult, Engine, Load, work_batch
from pyhrf.execution.studies import Studies


class SerialEngine(Engine):
    """Work on every batch in the calling thread: the plainest engine, best for a debugger."""

    def __init__(self) -> None:
        self.name = "serial"
        self.n_workers = 1
        self.batch_seconds = 1.0

    def run(
        self, batches: Sequence[Batch], *, load: Load, studies: Studies
    ) -> Generator[BatchResult, None, None]:
        """Work on the batches in order; see `pyhrf.execution.engine.Engine.run`."""
        with single_blas_thread():
            for batch in batches:
                yield work_batch(batch, load, studies)
