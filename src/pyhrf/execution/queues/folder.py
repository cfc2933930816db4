"""The folder through which a run and its jobs meet, on a disk that the nodes see.

It holds the keys of the run, readable by their owner alone, what the jobs say, and their ids, so
that a run that was killed leaves nothing in the queue that the next one could not find.
"""

from __future__ import annotations

import contextlib
import json
import platform
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pyhrf.errors import ConfigError, EngineError
from pyhrf.files import remove_folder, why_unwritable, write_whole
from pyhrf.wording import named

_KEYS, _JOBS, _SCRATCH = "run.json", "jobs.json", "scratch"
# A path goes into job scripts, whose schedulers have no common way to quote it.
_PLAIN = re.compile(r"[\w/.,+=@:~-]+", re.ASCII)
_ERRORS = re.compile(r"\.(err|ER|e[0-9]+)$")
"""Ends of the names of files that hold what a job said on its standard error."""
_LOG_LINES, _LOG_CHARACTERS = 4, 600


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a job could not work.

    Attributes
    ----------
    text : str
        The reason.
    final : bool
        Whether no other job of this run will fare better.
    """

    text: str
    final: bool


@dataclass(frozen=True, slots=True)
class NotedJobs:
    """Jobs that may be in the queue.

    Attributes
    ----------
    name : str
        Of all of them.
    ids : tuple of str
        As the scheduler gave them.
    host : str
        Machine on which they were submitted.
    """

    name: str
    ids: tuple[str, ...]
    host: str = field(default_factory=platform.node)


def check_plain(path: str, *, what: str, cure: str) -> None:
    """Check that a path can be in a job script.

    Raises
    ------
    ConfigError
        If it cannot.
    """
    if not _PLAIN.fullmatch(path):
        raise ConfigError(
            f"{what} {path} cannot be in a job script: {cure} whose path holds only letters, "
            "digits and /.,+=@:~_-"
        )


class QueueFolder:
    """The folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def scratch(self) -> Path:
        """Where workers keep files of their own."""
        return self.path / _SCRATCH

    def make(self) -> None:
        """Make it, closed to other users, and forget what jobs of an earlier run complained of.

        Raises
        ------
        ConfigError
            If its path cannot be in a job script.
        EngineError
            If it cannot be made.
        """
        cure = f"choose another output directory ({named('output')}),"
        check_plain(str(self.path), what="the output directory", cure=cure)
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
            for path in self.path.glob("trouble-*.json"):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise EngineError(
                f"{error.filename}: cannot be made: {why_unwritable(error)}"
            ) from error

    def write_config(self, config: dict[str, Any]) -> None:
        """Write what workers have to know, the keys among it."""
        self._write(_KEYS, config)

    def read_config(self) -> dict[str, Any]:
        """Read what `write_config` wrote.

        Raises
        ------
        OSError
            If it is not there.
        """
        config: dict[str, Any] = json.loads((self.path / _KEYS).read_bytes())
        return config

    def write_jobs(self, noted: Iterable[NotedJobs]) -> None:
        """Note the jobs that are in the queue, of this run and of earlier ones."""
        self._write(_JOBS, [asdict(each) for each in noted])

    def read_jobs(self) -> list[NotedJobs]:
        """Read what `write_jobs` noted; nothing if it did not."""
        try:
            found = json.loads((self.path / _JOBS).read_bytes())
            return [NotedJobs(e["name"], tuple(map(str, e["ids"])), e["host"]) for e in found]
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def report(self, token: str, trouble: Trouble) -> None:
        """Say why a job cannot work."""
        self._write(f"trouble-{token}.json", asdict(trouble))

    def trouble(self, token: str) -> Trouble | None:
        """Read what a job reported."""
        try:
            return Trouble(**json.loads((self.path / f"trouble-{token}.json").read_bytes()))
        except (OSError, ValueError, TypeError):
            return None

    def log_end(self, job: str) -> str:
        """Return the last lines that a job wrote; empty if it wrote none."""
        # pyhrf-abc-12.err, 12.head.ER, pyhrf-abc.e12, j7-12.err, worker-12.0.err, 12.err
        name = re.compile(rf"(?:^|-|\.[oe]){re.escape(job)}(?:\.|$)")
        try:
            logs = sorted(path for path in self.path.iterdir() if name.search(path.name))
        except OSError:
            return ""
        for path in sorted(logs, key=lambda path: not _ERRORS.search(path.name)):
            with contextlib.suppress(OSError):
                lines = path.read_text("utf-8", "replace").splitlines()
                said = [line.strip() for line in lines if line.strip()]
                if said:
                    return " / ".join(said[-_LOG_LINES:])[-_LOG_CHARACTERS:]
        return ""

    def forget_keys(self) -> None:
        """Remove the keys: no job that starts from now on can join."""
        (self.path / _KEYS).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder, even while the last jobs still write into it."""
        with contextlib.suppress(OSError):
            remove_folder(self.path, seconds=2)

    def _write(self, name: str, content: object) -> None:
        """Write a file that only its owner can read, in full or not at all."""
        write_whole(self.path / name, json.dumps(content).encode(), mode=0o600)
