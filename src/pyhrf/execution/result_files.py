"""Files of finished batches where they were made: their names, and what was logged meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Iterator, Sequence

__all__ = ["collected_log", "file_of_batch"]


def file_of_batch(parcels: Sequence[int], *, prefix: str = "batch") -> str:
    """Name the file of a batch by its parcels, so that every run finds the same name."""
    digest = hashlib.sha256(",".join(map(str, parcels)).encode()).hexdigest()[:16]
    return f"{prefix}-{parcels[0]}-{digest}.npz"


@contextlib.contextmanager
def collected_log() -> Iterator[list[str]]:
    """Collect warnings and tracebacks, for the log on the other side."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    collector = Collector(logging.WARNING)
    log = logging.getLogger("pyhrf")
    log.addHandler(collector)
    try:
        yield lines
    finally:
        log.removeHandler(collector)
