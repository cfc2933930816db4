"""The journal of an analysis: which parcels are done, and their estimates.

It lives in ``.journal/`` of the output directory: ``study.json`` says what the results depend
on, each ``batch-NNNNNN.npz`` holds the estimates of one finished batch. A parcel is done when its
estimate is there. Files appear in full or not at all, so a run that is killed at any moment is
resumed by the same command.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from pyhrf.data import ParcelEstimate
from pyhrf.errors import InputError
from pyhrf.execution.directory_lock import DirectoryLock
from pyhrf.execution.engine import BatchResult, is_internal_error
from pyhrf.execution.output_folder import FOLDER, LOCK, STUDY, is_ours, refuse_link
from pyhrf.execution.packing import About, pack_estimates, unpack_estimates
from pyhrf.execution.run_state import RunState, write_state
from pyhrf.files import TEMPORARY, left_by_killed, read_regular, sync_directory, write_whole
from pyhrf.wording import named

_FORMAT = "1"
_MAX_DIFFERENCES = 5


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """Who did a batch.

    Attributes
    ----------
    parcels : tuple of int
        Its parcels.
    host : str
        Name of the machine.
    seconds : float
        Time that the work took there.
    """

    parcels: tuple[int, ...]
    host: str
    seconds: float


class Journal:
    """Keep finished estimates in an output directory, which it holds until `close`.

    Parameters
    ----------
    directory : Path
        The output directory; made when missing. One that holds anything but this study's own
        results is refused and left as it is.
    key : mapping of str to str
        Everything that the results depend on: parameters, checksums of the inputs, version of
        the numerical code. The names are shown to the user when two studies differ.
    expected : collection of str
        Names in the directory that may be there before the journal is.

    Attributes
    ----------
    directory : Path
        Its absolute path.
    notes : list of str
        What the user should be told, as damaged files that are not used.

    Raises
    ------
    InputError
        If the directory cannot be written, is in use by another run, or holds something else.
    """

    def __init__(
        self, directory: Path, key: Mapping[str, str], *, expected: Collection[str] = ()
    ) -> None:
        self.directory = Path(directory).resolve()
        self.notes: list[str] = []
        self._folder = self.directory / FOLDER
        self._key = dict(key)
        self._digest = hashlib.sha256(_to_json(self._key)).hexdigest()
        self._file_of: dict[int, Path] = {}
        self._records: list[BatchRecord] = []
        self._internal_errors: set[int] = set()
        try:
            self._refuse_foreign(expected)
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = DirectoryLock(self._folder / LOCK, owner=self.directory)
            try:
                self._open()
            except BaseException:
                self._lock.release()
                raise
        except OSError as error:
            raise self._unwritable(error) from error

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the directory; what is in the journal can still be read."""
        # Not after each batch: a power failure may cost the batches of the last seconds.
        with contextlib.suppress(OSError):
            sync_directory(self._folder)
        self._lock.release()

    def done(self) -> set[int]:
        """Parcels that need no more work.

        A parcel whose data cannot be used is done; one that met an internal error is not.
        """
        return set(self._file_of) - self._internal_errors

    def history(self) -> list[BatchRecord]:
        """Who did which batch, in the order of their ends, earlier runs first."""
        return list(self._records)

    def latest(self) -> int:
        """Tell when the newest of its estimates was written, nanoseconds since 1970; 0 if none."""
        return max((path.stat().st_mtime_ns for path in set(self._file_of.values())), default=0)

    def announce(self, state: RunState) -> None:
        """Keep what a run says of itself, for those who watch it.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        try:
            write_state(self._folder, state)
        except OSError as error:
            raise self._unwritable(error) from error

    def add(self, result: BatchResult) -> None:
        """Keep the estimates of a finished batch; when this returns they survive a kill.

        Raises
        ------
        InputError
            If they cannot be written, as when the disk is full.
        """
        about: About = {"study": self._digest, "host": result.host, "seconds": result.seconds}
        path = self._folder / f"batch-{self._next:06d}.npz"
        try:
            write_whole(path, pack_estimates(result.estimates, about=about), durable=True)
        except OSError as error:
            raise self._unwritable(error) from error
        self._next += 1
        self._register(path, result.estimates, about)

    def estimates(self) -> dict[int, ParcelEstimate]:
        """Read the estimates of every parcel that has one, internal errors included.

        Raises
        ------
        InputError
            If a file can no longer be read.
        """
        found: dict[int, ParcelEstimate] = {}
        for path in sorted(set(self._file_of.values())):
            try:
                estimates, _ = unpack_estimates(read_regular(path))
            except (OSError, ValueError) as error:
                raise InputError(f"{path} can no longer be read ({error}): run again") from error
            found.update((e.parcel, e) for e in estimates if self._file_of[e.parcel] == path)
        return dict(sorted(found.items()))

    def _refuse_foreign(self, expected: Collection[str]) -> None:
        if not self.directory.exists():
            return
        refuse_link(self._folder)
        if (self._folder / STUDY).exists():
            return
        others = {path.name for path in self.directory.iterdir()} - {FOLDER, *expected}
        if others or not is_ours(self._folder):
            what = ", ".join(sorted(others)[:3]) or FOLDER
            raise InputError(
                f"{self.directory} already holds other files ({what}) and no journal of an "
                "analysis, so nothing is written there: choose another output directory "
                f"({named('output')})"
            )

    def _open(self) -> None:
        study = self._folder / STUDY
        if study.exists():
            self._refuse_other_study(study)
        for leftover in (*self._folder.glob(f"*{TEMPORARY}"), *left_by_killed(self.directory)):
            leftover.unlink()
        # Written in any case: a directory that is read only has to show now, not after the work.
        write_whole(study, _to_json({"format": _FORMAT, "study": self._key}), durable=True)
        sync_directory(self._folder)
        paths = sorted(self._folder.glob("batch-*.npz"))
        for path in paths:
            self._read(path)
        numbers = [path.stem.removeprefix("batch-") for path in paths]
        self._next = 1 + max((int(n) for n in numbers if n.isdecimal()), default=0)

    def _refuse_other_study(self, path: Path) -> None:
        try:
            content = json.loads(read_regular(path))
            form, old = content["format"], _texts(content["study"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise InputError(f"{path} is damaged: {_cure()}") from error
        if form != _FORMAT:
            raise InputError(
                f"{self.directory} was made by another version of PyHRF (its journal has format "
                f"{form}, not {_FORMAT}): {_cure()}"
            )
        names = [*old, *(name for name in self._key if name not in old)]
        differences = [
            f"{name} was {_shown(old.get(name))} and is {_shown(self._key.get(name))}"
            for name in names
            if old.get(name) != self._key.get(name)
        ]
        # Without results there is nothing to keep: its data may have been damaged, and mended.
        if differences and any(self._folder.glob("batch-*")):
            more = len(differences) - _MAX_DIFFERENCES
            tail = f"; and {more} more" if more > 0 else ""
            raise InputError(
                f"{self.directory} holds the results of another study "
                f"({'; '.join(differences[:_MAX_DIFFERENCES])}{tail}): {_cure()}"
            )

    def _read(self, path: Path) -> None:
        try:
            estimates, about = unpack_estimates(read_regular(path))
        except (OSError, ValueError) as error:
            self.notes.append(f"{path} is not used, its parcels are estimated again: {error}")
            return
        if about.get("study") != self._digest:
            self.notes.append(f"{path} is not used: it belongs to another study")
            return
        self._register(path, estimates, about)

    def _register(self, path: Path, estimates: list[ParcelEstimate], about: About) -> None:
        for estimate in estimates:
            self._file_of[estimate.parcel] = path
            if is_internal_error(estimate):
                self._internal_errors.add(estimate.parcel)
            else:
                self._internal_errors.discard(estimate.parcel)
        parcels = tuple(estimate.parcel for estimate in estimates)
        self._records.append(
            BatchRecord(parcels, str(about.get("host", "")), float(about.get("seconds", 0.0)))
        )

    def _unwritable(self, error: OSError) -> InputError:
        return InputError(
            f"{self.directory} cannot be written ({error.strerror or error}): correct that, or "
            f"choose another output directory ({named('output')}); what is already there is kept"
        )


def _texts(content: object) -> dict[str, str]:
    """See that a key is texts by their names."""
    if not isinstance(content, dict) or not all(isinstance(v, str) for v in content.values()):
        raise TypeError("no names and texts")
    return content


def _to_json(content: object) -> bytes:
    return json.dumps(content, indent=1, sort_keys=True).encode()


def _shown(value: str | None) -> str:
    if value is None:
        return "not given"
    return repr(value if len(value) <= 40 else f"{value[:40]}…")


def _cure() -> str:
    return (
        f"choose another output directory ({named('output')}), or use {named('fresh')} to keep the "
        "old one aside"
    )
