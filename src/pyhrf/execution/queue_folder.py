"""The folder through which a run and its jobs meet, on a disk that the nodes see.

It holds the keys of the run, readable by their owner alone, what the jobs say, and their ids, so
that a run that was killed leaves nothing in the queue that the next one could not find.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pyhrf.errors import ConfigError, EngineError

__all__ = ["QueueFolder", "Trouble"]

_KEYS, _JOBS, _SCRATCH = "run.json", "jobs.json", "scratch"
# A path goes into job scripts, whose schedulers have no common way to quote it.
_PLAIN = re.compile(r"[\w/.,+=@:~-]+", re.ASCII)
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


class QueueFolder:
    """The folder of a run.

    Parameters
    ----------
    path : Path
        Made by `make`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def scratch(self) -> Path:
        """Where workers keep files of their own."""
        return self.path / _SCRATCH

    def make(self) -> None:
        """Make it, closed to other users.

        Raises
        ------
        ConfigError
            If its path cannot be in a job script.
        EngineError
            If it cannot be made.
        """
        if not _PLAIN.fullmatch(str(self.path)):
            raise ConfigError(
                f"the output directory {self.path} cannot be in a job script: choose one (-u DIR) "
                "whose path holds only letters, digits and /.,+=@:~_-"
            )
        try:
            self.scratch.mkdir(parents=True, exist_ok=True)
            self.path.chmod(0o700)
        except OSError as error:
            raise EngineError(f"{error.filename}: cannot be made: {error.strerror}") from error

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

    def write_jobs(self, name: str, ids: Iterable[str]) -> None:
        """Note the jobs that are in the queue."""
        self._write(_JOBS, {"name": name, "ids": list(ids)})

    def read_jobs(self) -> tuple[str, list[str]]:
        """Read the name and the ids of the jobs of an earlier run; empty if there was none."""
        try:
            found = json.loads((self.path / _JOBS).read_bytes())
            return str(found["name"]), [str(each) for each in found["ids"]]
        except (OSError, ValueError, KeyError, TypeError):
            return "", []

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
        logs = [path for path in self.path.iterdir() if re.search(rf"\b{job}\b", path.name)]
        for path in sorted(logs, key=lambda path: path.suffix not in (".err", ".e")):
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
        for _ in range(10):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                return
            time.sleep(0.2)

    def _write(self, name: str, content: object) -> None:
        """Write a file that only its owner can read, in full or not at all."""
        temporary = self.path / f"{name}.{os.uname().nodename}-{os.getpid()}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(content, file)
        temporary.replace(self.path / name)
