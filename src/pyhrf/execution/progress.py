"""How far a run is: a bar on a terminal or in a notebook, now and then a line elsewhere."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from pyhrf.execution.engine import Batch

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_SECONDS_BETWEEN_LINES = 5.0
_SECONDS_BETWEEN_UPDATES = 0.25  # of a notebook, which gets each as a message


class Progress(Protocol):
    """Shows how far a run is, from ``with`` to the end of it."""

    def __enter__(self) -> object:
        """Begin to show."""
        ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Show the last state and leave the screen in order."""
        ...

    def advance(self, batch: Batch, *, n_failed: int) -> None:
        """Count a finished batch, ``n_failed`` of whose parcels failed."""
        ...


class Tally:
    """The figures of a run.

    Parameters
    ----------
    batches : sequence of Batch
        What is to be done in this run.
    n_before : int
        Parcels that earlier runs have done.

    Attributes
    ----------
    n_total : int
        Parcels of the study.
    n_done : int
        Parcels done, by earlier runs too.
    n_failed : int
        How many of them failed in this run.
    """

    def __init__(self, batches: Sequence[Batch], *, n_before: int = 0) -> None:
        self.n_total = n_before + sum(len(batch.parcels) for batch in batches)
        self.n_done = n_before
        self.n_failed = 0
        self._n_before = n_before
        self._cost_total = sum(batch.cost for batch in batches)
        self._cost_done = 0.0
        self._start = time.monotonic()

    def count(self, batch: Batch, *, n_failed: int) -> None:
        """Count a finished batch."""
        self.n_done += len(batch.parcels)
        self.n_failed += n_failed
        self._cost_done += batch.cost

    def text(self) -> str:
        """Figures in words, as ``120/500 parcels, 2 failed, 35.2 parcels/s, 0:11 left``."""
        parts = [f"{self.n_done}/{self.n_total} parcels"]
        if self.n_failed:
            parts.append(f"{self.n_failed} failed")
        elapsed = time.monotonic() - self._start
        if self._cost_done > 0 and elapsed > 0:
            parts.append(f"{(self.n_done - self._n_before) / elapsed:.3g} parcels/s")
            if self.n_done < self.n_total:
                # By cost: the long parcels come first, so that time by number would mislead.
                left = elapsed * (self._cost_total / self._cost_done - 1)
                parts.append(f"{_clock(left)} left")
            else:
                parts.append(_clock(elapsed))
        return ", ".join(parts)


class SilentProgress:
    """Shows nothing."""

    def __enter__(self) -> SilentProgress:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def advance(self, batch: Batch, *, n_failed: int) -> None:
        """Count nothing."""


class NotebookProgress:
    """A bar below the cell of a notebook, which stays one as it moves.

    What rich shows there needs ipywidgets, and without them a new line for each state.

    Parameters
    ----------
    tally : Tally
    display : callable
        IPython's, which with ``display_id=True`` gives what the shown can be changed by.
    """

    def __init__(self, tally: Tally, display: Callable[..., Any]) -> None:
        self._tally, self._display = tally, display
        self._last, self._stopped = -math.inf, False

    def __enter__(self) -> NotebookProgress:
        self._handle = self._display(self, display_id=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        self._stopped = kind is not None
        self._show()

    def advance(self, batch: Batch, *, n_failed: int) -> None:
        """Count a batch; show it when the last state is old enough."""
        self._tally.count(batch, n_failed=n_failed)
        if time.monotonic() - self._last >= _SECONDS_BETWEEN_UPDATES:
            self._show()

    def _show(self) -> None:
        self._last = time.monotonic()
        self._handle.update(self)

    def __repr__(self) -> str:
        return f"{self._tally.text()}{', stopped' if self._stopped else ''}"

    def _repr_html_(self) -> str:
        return (
            f'<progress max="{self._tally.n_total}" value="{self._tally.n_done}" '
            f'aria-label="progress"></progress> {self!r}'
        )


class LineProgress:
    """Prints a line every few seconds and one at the end, for logs and pipes."""

    def __init__(
        self, tally: Tally, stream: TextIO, *, seconds: float = _SECONDS_BETWEEN_LINES
    ) -> None:
        self._tally, self._stream, self._seconds = tally, stream, seconds
        self._last = time.monotonic()

    def __enter__(self) -> LineProgress:
        return self

    def __exit__(self, *_: object) -> None:
        self._print()

    def advance(self, batch: Batch, *, n_failed: int) -> None:
        """Count a batch; print when the last line is old enough."""
        self._tally.count(batch, n_failed=n_failed)
        if time.monotonic() - self._last >= self._seconds:
            self._print()

    def _print(self) -> None:
        self._last = time.monotonic()
        print(self._tally.text(), file=self._stream, flush=True)


class BarProgress:
    """A bar on a terminal."""

    def __init__(self, tally: Tally, stream: TextIO) -> None:
        self._tally, self._stream = tally, stream

    def __enter__(self) -> BarProgress:
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as RichProgress

        self._bar: RichProgress = RichProgress(
            BarColumn(),
            TextColumn("{task.description}"),
            console=Console(file=self._stream),
            refresh_per_second=4,
        )
        self._task: TaskID = self._bar.add_task(self._tally.text(), total=self._tally.n_total)
        self._bar.start()
        self._show()
        return self

    def __exit__(self, *_: object) -> None:
        self._show()
        self._bar.stop()

    def advance(self, batch: Batch, *, n_failed: int) -> None:
        """Count a batch and move the bar."""
        self._tally.count(batch, n_failed=n_failed)
        self._show()

    def _show(self) -> None:
        self._bar.update(self._task, completed=self._tally.n_done, description=self._tally.text())


def make_progress(
    batches: Sequence[Batch],
    *,
    n_before: int = 0,
    verbosity: int | None = 1,
    stream: TextIO | None = None,
) -> Progress:
    """Choose how progress is shown.

    Parameters
    ----------
    batches : sequence of Batch
        What is to be done.
    n_before : int
        Parcels that earlier runs have done.
    verbosity : int or None
        Nothing is shown at 0; at None, what moves: bars, and no lines.
    stream : text file, optional
        Where to; standard error if not given. A terminal gets a bar, as a notebook does, anything
        else lines.

    Returns
    -------
    Progress
        To give to `pyhrf.execution.runner.run_batches`.
    """
    tally = Tally(batches, n_before=n_before)
    if (verbosity is not None and verbosity <= 0) or not batches:
        return SilentProgress()
    display = _notebook_display() if stream is None else None
    if display is not None:
        return NotebookProgress(tally, display)
    stream = sys.stderr if stream is None else stream
    if stream.isatty():
        return BarProgress(tally, stream)
    return SilentProgress() if verbosity is None else LineProgress(tally, stream)


def _notebook_display() -> Callable[..., Any] | None:
    """Give IPython's function that shows a value below a cell; None outside of notebooks."""
    ipython = sys.modules.get("IPython")  # not imported for that: in a notebook it is there
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None or not hasattr(shell, "kernel"):
        return None
    display: Callable[..., Any] = import_module("IPython.display").display
    return display


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
