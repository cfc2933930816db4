"""What a run says of itself beside its journal, for whoever watches it from elsewhere."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from pyhrf.files import read_regular, write_whole

PREPARING, RUNNING = "preparing", "running"
ENDED, INTERRUPTED, FAILED = "ended", "interrupted", "failed"

STATE_FILE = "run-state.json"
"""Name of the file in the folder of a run."""

HEARTBEAT = 60.0
"""Seconds after which a run says again that it is running."""

_MOST = 1 << 32  # of processes, parcels and seconds since 1970

SILENCE = 900.0
"""Seconds without a word after which others take a run for killed; clocks may differ a little."""


@dataclass(frozen=True, slots=True)
class RunState:
    """What a run says of itself.

    Attributes
    ----------
    engine : str
        Name of the engine.
    n_workers : int
        Batches that it works on at the same time.
    n_parcels : int
        Parcels of the study, with those that earlier runs have done.
    n_before : int
        Parcels that earlier runs have done.
    state : {"preparing", "running", "ended", "interrupted", "failed"}
        A run that was killed still says ``running``, or ``preparing``: before it knows its parcels.
    started : float
        When it began, seconds since 1970.
    host, pid
        Machine and process of the run.
    news : sequence of str
        What the engine has to tell, such as hosts that were lost.
    alive : float
        When it last said that it is running, seconds since 1970: every `HEARTBEAT`.
    """

    engine: str
    n_workers: int
    n_parcels: int
    n_before: int
    state: str = RUNNING
    started: float = field(default_factory=time.time)
    host: str = field(default_factory=platform.node)
    pid: int = field(default_factory=os.getpid)
    news: Sequence[str] = ()
    alive: float = field(default_factory=time.time, compare=False)

    @property
    def says_running(self) -> bool:
        """Whether the run has not said how it ended."""
        return self.state in (PREPARING, RUNNING)

    def was_killed(self) -> bool:
        """Tell whether the run says that it is running though its process is gone.

        Only the machine of the run knows that for sure; on another one it counts as killed when it
        has been silent for `SILENCE`.
        """
        if not self.says_running:
            return False
        if self.host != platform.node():
            return time.time() - self.alive > SILENCE
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except PermissionError:  # it is there, and another user's
            return False
        except OverflowError:  # no number of a process
            return True
        return False

    def replaced(self, **changes: object) -> RunState:
        """Return a copy with other values."""
        return replace(self, **changes)  # type: ignore[arg-type]  # checked by the callers' tests


def write_state(folder: Path, state: RunState) -> None:
    """Write the state of a run into the folder of its journal.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    write_whole(folder / STATE_FILE, json.dumps(asdict(state), indent=1).encode(), durable=True)


def read_state(folder: Path) -> RunState | None:
    """Read what the last run in a folder said; None if it said nothing that can be understood."""
    try:
        state = RunState(**json.loads(read_regular(folder / STATE_FILE)))
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return state if _is_sound(state) else None


def _is_sound(state: RunState) -> bool:
    """Tell whether what was read can have been written: anyone may have changed the file."""
    numbers = (state.n_workers, state.n_parcels, state.n_before)
    return (
        all(isinstance(text, str) for text in (state.engine, state.host))
        and state.state in (PREPARING, RUNNING, ENDED, INTERRUPTED, FAILED)
        and all(type(number) is int and 0 <= number < _MOST for number in numbers)
        # 0 and below are no process but groups of them, which are always there
        and (type(state.pid) is int and 0 < state.pid < _MOST)
        and all(
            isinstance(when, int | float) and 0 <= when < _MOST
            for when in (state.started, state.alive)
        )
        and isinstance(state.news, list)
        and all(isinstance(line, str) for line in state.news)
    )


@contextmanager
def preparing(folder: Path, engine: str) -> Iterator[None]:
    """Say that a run is being prepared, until it says more of itself, or ends without."""
    state = RunState(engine, 0, 0, 0, state=PREPARING)
    write_state(folder, state)
    end = FAILED
    try:
        yield
        end = ENDED
    except KeyboardInterrupt:
        end = INTERRUPTED
        raise
    finally:
        last = read_state(folder)
        if last is not None and last.state == PREPARING:
            # What ended the run counts, not that a full disk cannot take this note.
            with suppress(OSError):
                write_state(folder, state.replaced(state=end))
