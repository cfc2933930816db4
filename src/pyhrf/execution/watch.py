"""Watch a run from elsewhere: what its journal holds, without taking part in it."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from dataclasses import dataclass
from pathlib import Path

from pyhrf.errors import InputError, counted
from pyhrf.execution.packing import unpack_statuses
from pyhrf.execution.run_state import RunState, read_state
from pyhrf.files import read_regular
from pyhrf.wording import named

RUNS = ".journal"
"""Folder, in a directory, of a journal or of the runs of many studies."""

MEMBERS = "members.json"
"""File of such a run: the output directories of its studies."""


@dataclass(slots=True)
class HostTally:
    """What a machine has done.

    Attributes
    ----------
    n_batches, n_parcels : int
        Batches and parcels.
    seconds : float
        Work that they took there.
    latest : float
        When its latest result arrived, seconds since 1970.
    """

    n_batches: int = 0
    n_parcels: int = 0
    seconds: float = 0.0
    latest: float = 0.0


class Watch:
    """Follow the journal of an output directory; nothing is written or locked.

    Parameters
    ----------
    directory : Path
        The output directory of a run; of a run of many studies the one that they share.
    run : Path, optional
        Of several runs of many studies, the folder of one; by default the newest.

    Attributes
    ----------
    name : str
        Of a run of many studies the first of them, and how many more there are.
    state : RunState or None
        What the run says of itself; None for a journal of before runs said anything.
    hosts : dict of str to HostTally
        What each machine has done, earlier runs included.

    Raises
    ------
    InputError
        If there is no journal.
    """

    def __init__(self, directory: Path, *, run: Path | None = None) -> None:
        self.directory = Path(directory).absolute()
        self.name = self.directory.name
        self._folder = self.directory / RUNS
        try:
            list(self._folder.glob("*"))
            unreadable = self._folder.is_dir() and not os.access(self._folder, os.R_OK | os.X_OK)
        except OSError:
            unreadable = True
        if unreadable:
            raise InputError(f"{self._folder} cannot be read: ask its owner to let you read it")
        if not self._folder.is_dir():
            raise InputError(
                f"{self.directory} holds no journal of an analysis: give the output directory of "
                "a run, once the run has begun to work"
            )
        self.state: RunState | None = None
        self.hosts: dict[str, HostTally] = {}
        self._journals = [self._folder]
        runs = list(self._folder.glob(f"*/{MEMBERS}")) if run is None else [run / MEMBERS]
        if runs:
            self._follow(max(runs, key=_when_begun))
        self._seen: set[Path] = set()
        self._status: dict[tuple[Path, int], str] = {}
        self._arrivals: dict[tuple[Path, int], float] = {}
        self._killed = False
        self.look()

    def look(self) -> bool:
        """Read what is new; tell whether there was anything."""
        before = (self.state, self._killed, len(self._seen))
        # The state first: when it says that the run has ended, all batches are there.
        self.state = read_state(self._folder)
        self._killed = self.state is not None and self.state.was_killed()
        for journal in self._journals:
            for path in sorted(journal.glob("batch-*.npz")):
                if path not in self._seen:
                    self._take(path)
        return before != (self.state, self._killed, len(self._seen))

    def _follow(self, members: Path) -> None:
        """Follow the studies of a run."""
        self._folder = members.parent
        try:
            outputs = json.loads(read_regular(members))
        except (OSError, ValueError, RecursionError):
            outputs = None
        if not isinstance(outputs, list) or not all(isinstance(one, str) for one in outputs):
            raise InputError(
                f"{members} is damaged or cannot be read: it lists the analyses of a run; start "
                "the run again, which rewrites it"
            )
        self._journals = [self.directory / output / RUNS for output in outputs]
        more = f" and {len(outputs) - 1} more" if len(outputs) > 1 else ""
        self.name = f"{Path(min(outputs, default='')).name}{more}"

    def _take(self, path: Path) -> None:
        self._seen.add(path)
        try:
            arrived = path.stat().st_mtime
            statuses, about = unpack_statuses(path)
            seconds = float(about.get("seconds", 0.0))
        except (OSError, ValueError, TypeError):  # the run itself reports and does not use it
            return
        for parcel, status in statuses.items():
            self._status[path.parent, parcel] = status
            self._arrivals[path.parent, parcel] = arrived
        host = self.hosts.setdefault(str(about.get("host", "")), HostTally())
        host.n_batches += 1
        host.n_parcels += len(statuses)
        host.seconds += seconds if math.isfinite(seconds) else 0.0
        host.latest = max(host.latest, arrived)

    @property
    def folder(self) -> Path:
        """Where the run says how it is."""
        return self._folder

    @property
    def is_running(self) -> bool:
        """Whether the run still works."""
        return self.state is not None and self.state.says_running and not self._killed

    @property
    def n_done(self) -> int:
        """Parcels that have an estimate, failed ones included."""
        return len(self._status)

    @property
    def n_failed(self) -> int:
        """Parcels that have failed."""
        return sum(status == "failed" for status in self._status.values())

    @property
    def n_total(self) -> int:
        """Parcels of the study; those that are done if the run has not said."""
        return max(self.n_done, self.state.n_parcels if self.state else 0)

    def rate(self) -> float:
        """Return parcels a second in this run; 0 if none is done."""
        if self.state is None:
            return 0.0
        arrivals = [when for when in self._arrivals.values() if when >= self.state.started]
        until = time.time() if self.is_running else max(arrivals, default=self.state.started)
        return len(arrivals) / max(until - self.state.started, 0.1)

    def how_it_stands(self) -> str:
        """Say in words whether the run is running, or how it ended."""
        if self.state is None:
            return "not running"
        where = f"process {self.state.pid} on {self.state.host}"
        if self._killed:
            here = self.state.host == platform.node()
            how = "killed" if here else "silent for long, perhaps killed"
            return f"{how} ({where}); the same {named('command')} continues it"
        if self.is_running:
            return f"{self.state.state} ({where})"
        left = self.n_total - self.n_done
        if left:
            return (
                f"{self.state.state}, {counted(left, 'parcel')} left; the same "
                f"{named('command')} continues it"
            )
        return self.state.state


class WatchAll:
    """Follow all runs that work into a directory, such as those of an array job.

    Attributes
    ----------
    runs : list of Watch
        Those that work or did so since, by name; the newest if none does.

    Raises
    ------
    InputError
        If there is no journal.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = Path(directory).absolute()
        self.runs = [Watch(directory)]
        self._take_others()

    def look(self) -> bool:
        """Read what is new; tell whether there was anything."""
        news = [run.look() for run in self.runs]
        return self._take_others() or any(news)

    def _take_others(self) -> bool:
        """Follow what has begun."""
        known = {run.folder for run in self.runs}
        begun = [
            Watch(self.directory, run=members.parent)
            for members in sorted((self.directory / RUNS).glob(f"*/{MEMBERS}"))
            if members.parent not in known and _when_begun(members)[0]
        ]
        self.runs = sorted([*self.runs, *begun], key=lambda run: run.name)
        return bool(begun)

    @property
    def is_running(self) -> bool:
        """Whether one of them still works."""
        return any(run.is_running for run in self.runs)

    @property
    def hosts(self) -> dict[str, HostTally]:
        """What each machine has done."""
        total: dict[str, HostTally] = {}
        for run in self.runs:
            for name, host in run.hosts.items():
                known = total.setdefault(name, HostTally())
                known.n_batches += host.n_batches
                known.n_parcels += host.n_parcels
                known.seconds += host.seconds
                known.latest = max(known.latest, host.latest)
        return total


def _when_begun(members: Path) -> tuple[bool, float]:
    """Tell whether a run of many studies still works, and when it began."""
    state = read_state(members.parent)
    if state is None:
        return (False, 0.0)
    return (state.says_running and not state.was_killed(), state.started)
