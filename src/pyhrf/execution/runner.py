"""Drive an engine: every result goes into the journal first, then onto the screen."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from pyhrf.data import ParcelId
from pyhrf.errors import EngineError, InputError, PyhrfError, counted
from pyhrf.execution.engine import Batch, BatchResult, Engine, Load
from pyhrf.execution.progress import Progress, SilentProgress
from pyhrf.execution.run_state import ENDED, FAILED, HEARTBEAT, INTERRUPTED, RunState
from pyhrf.execution.studies import Studies
from pyhrf.execution.together import Journals
from pyhrf.wording import named

_NEWS_SECONDS = 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Results = Generator[BatchResult, None, None]


class Interrupted(PyhrfError):  # noqa: N818 - it is no error, as KeyboardInterrupt is none
    """The user, or the system, asked the run to stop; what is finished is in the journal."""

    def _render_traceback_(self) -> list[str]:
        """Show the sentence alone in a notebook: where in the code it stopped tells nothing."""
        return [str(self)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did.

    Attributes
    ----------
    n_done : int
        Parcels worked on, failed ones included.
    n_failed : int
        How many of them failed.
    n_left : int
        Parcels that were not reached, since the run was to stop at the first failure.
    seconds : float
        Duration of the run.
    """

    n_done: int
    n_failed: int
    n_left: int
    seconds: float


def run_batches(
    engine: Engine,
    batches: Sequence[Batch],
    journals: Journals,
    *,
    load: Load,
    studies: Studies,
    progress: Progress | None = None,
    stop_at_first_failure: bool = False,
) -> Outcome:
    """Have batches worked on and keep every result in the journal as soon as it is there.

    Ctrl-C, SIGTERM and the end of the terminal (SIGHUP) stop the run within seconds; a result
    that is being written then is written to its end.

    Parameters
    ----------
    engine : Engine
        Who does the work.
    batches : sequence of Batch
        The work.
    journals : Journals
        Where results are kept.
    load : callable
        Brings parcels.
    studies : Studies
        Their estimators and names.
    progress : Progress, optional
        Shows how far the run is; nothing is shown without.
    stop_at_first_failure : bool
        Start nothing more once a parcel has failed.

    Returns
    -------
    Outcome
        How many parcels were done, and failed.

    Raises
    ------
    Interrupted
        If the run was asked to stop.
    EngineError
        If the engine came to its end with parcels left.
    InputError
        If data cannot be loaded, or the journal cannot be written.
    """
    wanted = {parcel for batch in batches for parcel in batch.parcels}
    done: set[ParcelId] = set()
    n_failed = 0
    start = time.monotonic()
    progress = progress or SilentProgress()
    results = engine.run(batches, load=load, studies=studies)
    announcer = _Announcer(engine, journals, wanted)
    try:
        with announcer, progress, _stop_signals() as signals:
            for result in _each(results, signals):
                if done.issuperset(result.batch.parcels):
                    continue  # an interrupted engine may give its last result again
                journals.add(result)
                failed = [e for e in result.estimates if e.status == "failed"]
                done.update(result.batch.parcels)
                n_failed += len(failed)
                progress.advance(result.batch, n_failed=len(failed))
                if failed and stop_at_first_failure:
                    break
    except KeyboardInterrupt:
        left = len(wanted - done)
        raise Interrupted(_how_to_resume(engine, journals, n_left=left)) from None
    except PyhrfError as error:
        # Trouble here, as a full disk: what is running elsewhere is as good as before, and is left.
        _interrupt(results)
        if engine.farewell:
            raise type(error)(f"{error}; {engine.farewell}") from error
        raise
    except BaseException:
        _interrupt(results)
        raise
    finally:
        results.close()
    n_left = len(wanted - done)
    if n_left and not (n_failed and stop_at_first_failure):
        raise EngineError(
            f"the engine {engine.name} ended with {counted(n_left, 'parcel')} left: "
            f"{named('again')} to estimate them"
        )
    return Outcome(len(done), n_failed, n_left, time.monotonic() - start)


def _interrupt(results: Results) -> None:
    """Stop an engine as Ctrl-C does: closing it would drop also what is running elsewhere."""
    with contextlib.suppress(StopIteration, KeyboardInterrupt, Exception):
        results.throw(KeyboardInterrupt())


def _how_to_resume(engine: Engine, journals: Journals, *, n_left: int) -> str:
    n_done = len(journals.done())
    return (
        f"interrupted: {n_done} of {n_done + n_left} parcels are done and kept in "
        f"{journals.directory}; {engine.farewell or named('again') + ' to continue'}"
    )


class _Announcer:
    """Says beside the journal that a run is running, how it ended, and what the engine tells."""

    def __init__(self, engine: Engine, journals: Journals, wanted: set[ParcelId]) -> None:
        self._engine, self._journals = engine, journals
        before = journals.done()
        self._state = RunState(engine.name, engine.n_workers, len(before | wanted), len(before))
        self._over = threading.Event()
        # What the engine tells, such as that all hosts are away, may come when no result does.
        self._teller = threading.Thread(target=self._tell_news, name="pyhrf-news", daemon=True)

    def __enter__(self) -> None:
        self._journals.announce(self._state)
        self._teller.start()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        self._teller.join()
        end = ENDED if kind is None else FAILED
        if kind is not None and issubclass(kind, KeyboardInterrupt | GeneratorExit):
            end = INTERRUPTED
        # The error that ended the run counts, not that a full disk cannot take this note.
        with contextlib.suppress(InputError):
            self._announce(state=end, news=self._news())

    def _tell_news(self) -> None:
        """Pass on what the engine has to tell, and now and then that the run is running."""
        while not self._over.wait(_NEWS_SECONDS):
            news = self._news()
            if news != self._state.news or time.time() - self._state.alive > HEARTBEAT:
                with contextlib.suppress(InputError):
                    self._announce(news=news)

    def _news(self) -> tuple[str, ...]:
        return tuple(self._engine.news)

    def _announce(self, **changes: object) -> None:
        self._state = self._state.replaced(**changes, alive=time.time())
        self._journals.announce(self._state)


class _Signals:
    """Signals that ask for a stop: they interrupt the engine, but never the journal."""

    def __init__(self) -> None:
        self.pending = False
        self._may_raise = False

    def handle(self, *_: object) -> None:
        if self._may_raise:
            raise KeyboardInterrupt
        self.pending = True

    @contextmanager
    def raised(self) -> Iterator[None]:
        """Let a signal raise KeyboardInterrupt here, also one that came just before."""
        self._may_raise = True
        try:
            if self.pending:
                self.pending = False
                raise KeyboardInterrupt
            yield
        finally:
            self._may_raise = False


@contextmanager
def _stop_signals() -> Iterator[_Signals]:
    """Take over the signals that ask for a stop, except ignored ones (nohup, a job of a shell)."""
    signals = _Signals()
    previous = {}
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                previous[number] = signal.signal(number, signals.handle)
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if signals.pending:  # it came after the last result
        raise KeyboardInterrupt


def _each(results: Results, signals: _Signals) -> Iterator[BatchResult]:
    while True:
        try:
            with signals.raised():
                result = next(results)
        except StopIteration:
            return
        except KeyboardInterrupt:
            # It came before the engine was entered, or from the engine, which then has ended and
            # raises it again. While the engine clears up a further signal waits its turn.
            result = results.throw(KeyboardInterrupt())
        yield result
