"""Files of finished batches where they were made: their names, and what was logged meanwhile."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pyhrf.data import ParcelEstimate, ParcelId
from pyhrf.execution.engine import Batch, BatchResult
from pyhrf.execution.packing import About, pack_estimates, unpack_estimates

_log = logging.getLogger(__name__)


def file_of_batch(parcels: Sequence[ParcelId], *, prefix: str = "batch") -> str:
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


def pack_result(result: BatchResult, digest: str, said: About | None = None) -> bytes:
    """Turn a result into the bytes of a file.

    Parameters
    ----------
    result : BatchResult
    digest : str
        Of all that it depends on.
    said : About, optional
        What was logged meanwhile, from `Logged.about`.
    """
    about: About = {"study": digest, "host": result.host, "seconds": result.seconds}
    about.update(said or {})
    studies = [parcel.study for parcel in result.batch.parcels]
    if any(studies):
        about["studies"] = " ".join(map(str, studies))
    return pack_estimates(result.estimates, about=about)


def unpack_result(
    blob: bytes, digest: str, *, tell: Callable[[str], object] = _log.warning
) -> BatchResult | None:
    """Read what `pack_result` made; None if it depends on something else.

    Raises
    ------
    ValueError
        If it is damaged, or not there in full.
    """
    estimates, about = unpack_estimates(blob)
    if about.get("study") != digest or not estimates:
        return None
    Logged.tell(about, tell)
    parcels = parcels_of(estimates, about)
    return BatchResult(
        Batch(0, parcels, 0.0), estimates, str(about["host"]), float(about["seconds"])
    )


def parcels_of(estimates: Sequence[ParcelEstimate], about: About) -> tuple[ParcelId, ...]:
    """Tell of which parcels the estimates of a file are.

    Raises
    ------
    ValueError
        If it is damaged.
    """
    studies = str(about.get("studies", "0 " * len(estimates))).split()
    pairs = zip(studies, estimates, strict=True)
    return tuple(ParcelId(int(study), estimate.parcel) for study, estimate in pairs)


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
