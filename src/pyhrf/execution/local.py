"""The engine ``local``: threads of this process, one for each core.

Threads, not processes: the kernels of the estimators let go of the interpreter lock, the data
are there without a copy, and no worker has to start up.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from queue import Empty, SimpleQueue

from pyhrf.execution.blas import single_blas_thread
from pyhrf.execution.engine import Batch, BatchResult, Engine, Load, work_batch
from pyhrf.execution.studies import Studies

_GRACE = 2.0
"""Seconds that an interrupted run waits for the parcels that are being estimated."""
_SWITCH_INTERVAL = 2e-4
"""Seconds for which a thread may keep the interpreter from the others."""


def n_usable_cores() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class LocalEngine(Engine):
    """Work on batches in threads of this process.

    Parameters
    ----------
    n_workers : int
        Number of threads; 0 for as many as there are cores that this process may use.
    niceness : int
        How far the threads step back behind other programs, 0 to 19. Only Linux has a niceness
        of threads; elsewhere it is without effect.
    """

    def __init__(self, n_workers: int = 0, *, niceness: int = 10) -> None:
        self.name = "local"
        self.n_workers = n_workers if n_workers > 0 else n_usable_cores()
        self.batch_seconds = 0.5
        self._niceness = niceness

    def run(
        self, batches: Sequence[Batch], *, load: Load, studies: Studies
    ) -> Generator[BatchResult, None, None]:
        """Work on the batches; see `pyhrf.execution.engine.Engine.run`.

        Two batches for each thread are in flight, so that none waits for the journal. When
        interrupted, the parcels that are being estimated are finished if that takes no more
        than two seconds; the result that was given last may then be given again.
        """
        waiting = iter(batches)
        # Threads come out of compiled code and wait for the interpreter: by default up to 5 ms,
        # as long as a parcel takes.
        interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH_INTERVAL)
        pool = _Threads(load, studies, self._niceness)
        with single_blas_thread():
            try:
                for batch in islice(waiting, 2 * self.n_workers):
                    pool.submit(batch)
                pool.start(min(self.n_workers, len(batches)))
                while pool.n_in_flight:
                    result = pool.first()
                    for batch in islice(waiting, 1):
                        pool.submit(batch)
                    yield result
                    pool.drop_first()
            except KeyboardInterrupt:
                yield from pool.drain(_GRACE)
                raise
            finally:
                pool.stop()
                sys.setswitchinterval(interval)


class _Threads:
    """Threads between two queues.

    Not a `concurrent.futures` pool: the interpreter waits at its end for the threads of one,
    though a parcel may still take minutes.
    """

    def __init__(self, load: Load, studies: Studies, niceness: int) -> None:
        self._load, self._studies, self._niceness = load, studies, niceness
        self._todo: SimpleQueue[Batch | None] = SimpleQueue()
        # A signal may come between any two steps here: a result stays until it was taken.
        self._done: deque[BatchResult | BaseException | None] = deque()
        self._arrivals: SimpleQueue[None] = SimpleQueue()
        self._stopping = threading.Event()
        self._n_threads = 0
        self.n_in_flight = 0

    def submit(self, batch: Batch) -> None:
        self.n_in_flight += 1
        self._todo.put(batch)

    def start(self, n_threads: int) -> None:
        for number in range(n_threads):
            threading.Thread(target=self._work, name=f"pyhrf-{number}", daemon=True).start()
            self._n_threads += 1

    def first(self) -> BatchResult:
        """Wait for the next result, or raise what ended the work on a batch."""
        while not self._done:
            self._arrivals.get()
        item = self._done[0]
        if isinstance(item, BatchResult):
            return item
        raise item or RuntimeError("a batch was dropped without a reason")

    def drop_first(self) -> None:
        """Forget the next result, which was taken."""
        self._done.popleft()
        self.n_in_flight -= 1

    def drain(self, seconds: float) -> Iterator[BatchResult]:
        """Let the threads stop after the parcel they are at, and yield what they have."""
        self._stopping.set()
        deadline = time.monotonic() + seconds
        while self.n_in_flight:
            while not self._done:
                try:
                    self._arrivals.get(timeout=max(0.0, deadline - time.monotonic()))
                except Empty:
                    return
            item = self._done[0]
            self.drop_first()
            if isinstance(item, BatchResult) and item.estimates:
                yield item

    def stop(self) -> None:
        """Send the threads home; one that is at a parcel ends after it, or with the process."""
        self._stopping.set()
        for _ in range(self._n_threads):
            self._todo.put(None)

    def _work(self) -> None:
        if sys.platform == "linux":
            nice = os.getpriority(os.PRIO_PROCESS, 0) + self._niceness
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), min(nice, 19))
        while (batch := self._todo.get()) is not None:
            self._done.append(self._result(batch))
            self._arrivals.put(None)

    def _result(self, batch: Batch) -> BatchResult | BaseException | None:
        if self._stopping.is_set():
            return None
        try:
            return work_batch(batch, self._load, self._studies, stop=self._stopping.is_set)
        except BaseException as error:
            return error
