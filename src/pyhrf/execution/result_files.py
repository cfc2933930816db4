"""Files of finished batches where they were made: their names, and what was logged meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pyhrf.execution.engine import Batch, BatchResult
from pyhrf.execution.packing import About, unpack_estimates

_log = logging.getLogger(__name__)


def file_of_batch(parcels: Sequence[int], *, prefix: str = "batch") -> str:
    """Name the file of a batch by its parcels, so that every run finds the same name."""
    digest = hashlib.sha256(",".join(map(str, parcels)).encode()).hexdigest()[:16]
    return f"{prefix}-{parcels[0]}-{digest}.npz"


@dataclass
class Logged:
    """What was logged during some work.

    Attributes
    ----------
    notes : list of str
        Warnings, each of one line: of the machine, which the user should know.
    faults : list of str
        Errors with their tracebacks.
    """

    notes: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def about(self) -> About:
        """Give ``notes`` and ``log``, if there are any, as they travel with the results."""
        texts = {"notes": "\n".join(self.notes), "log": "\n".join(self.faults)}
        return {name: text for name, text in texts.items() if text}

    @staticmethod
    def tell(about: About, tell: Callable[[str], object]) -> None:
        """Tell the notes that came with results, and log the faults."""
        if "log" in about:
            _log.error("on host %s: %s", about["host"], about["log"])
        for note in str(about.get("notes", "")).splitlines():
            tell(f"host {about['host']}: {note}")

    def clear(self) -> None:
        """Forget all of it."""
        self.notes.clear()
        self.faults.clear()


def unpack_result(
    blob: bytes, study: str, *, tell: Callable[[str], object] = _log.warning
) -> BatchResult | None:
    """Read the file of a batch; None if it is of another study.

    Raises
    ------
    ValueError
        If it is damaged, or not there in full.
    """
    estimates, about = unpack_estimates(blob)
    if about.get("study") != study or not estimates:
        return None
    host = str(about["host"])
    Logged.tell(about, tell)
    batch = Batch(0, tuple(estimate.parcel for estimate in estimates), 0.0)
    return BatchResult(batch, estimates, host, float(about["seconds"]))


@contextlib.contextmanager
def collected_log(*, told: bool = False) -> Iterator[Logged]:
    """Collect warnings and tracebacks.

    Parameters
    ----------
    told : bool
        Whether the caller tells them to the user: only files of the log get them meanwhile.
    """
    logged = Logged()

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            fault = record.levelno >= logging.ERROR
            (logged.faults if fault else logged.notes).append(self.format(record))

    collector = Collector(logging.WARNING)
    log = logging.getLogger("pyhrf")
    handlers, propagate = log.handlers, log.propagate
    if told:
        log.handlers = [each for each in handlers if isinstance(each, logging.FileHandler)]
        log.propagate = False
    log.addHandler(collector)
    try:
        yield logged
    finally:
        log.removeHandler(collector)
        log.propagate = propagate
        if told:
            log.handlers = handlers
