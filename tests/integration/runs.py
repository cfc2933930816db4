"""What the tests of all engines do as a user: settings, programs, runs in the background."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from bed_parts import wait_until

PROGRAM = [sys.executable, "-c", "from pyhrf.commands.main import run; run()"]


def settings(section: str, keys: dict[str, object]) -> str:
    """Write a section of a settings file; None leaves a key out."""
    lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
    return "\n".join([f"[{section}]", *lines, ""])


def results_of(folder: Path) -> dict[str, bytes]:
    """Read the results of a study, but when and by whom they were made."""
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    del files["run.json"]
    return files


def derivatives_of(folder: Path) -> dict[str, bytes]:
    """Read what a user of ``pyhrf bids`` sees; reports name the parcels, which lie there."""
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"OUT")
        for path in folder.rglob("*")
        if path.is_file() and not str(path.relative_to(folder)).startswith((".pyhrf", ".journal"))
    }


class InBackground:
    """A run of `lan_scenario` in the background, which ends with a `with`.

    Parameters
    ----------
    process : Popen
    out : Path
        The output directory.
    stdout, stderr : Path
        Files of what it says.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], out: Path, stdout: Path, stderr: Path
    ) -> None:
        self.process, self.out = process, out
        self._stdout, self._stderr = stdout, stderr

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)

    @property
    def n_done(self) -> int:
        """Batches in the journal."""
        return len(list((self.out / ".journal").glob("batch-*.npz")))

    @property
    def said(self) -> str:
        """What it told the user, each line with the second in which it did."""
        return self._stderr.read_text()

    def wait_for(self, n_done: int, *, seconds: float = 40) -> None:
        """Wait until so many batches are in the journal."""
        self.wait(lambda: self.n_done >= n_done, seconds=seconds, what=f"{n_done} batches")

    def wait_for_word(self, text: str, *, seconds: float = 40) -> str:
        """Wait until the user was told something; return that line."""
        self.wait(lambda: text in self.said, seconds=seconds, what=text)
        return next(line for line in self.said.splitlines() if text in line)

    def wait(self, condition: Callable[[], bool], *, seconds: float, what: str) -> None:
        """Wait until something is so, unless the run ends before."""

        def met() -> bool:
            if condition():
                return True
            if self.process.poll() is not None and not condition():
                raise AssertionError(f"it ended: {self._stdout.read_text()}")
            return False

        try:
            wait_until(met, seconds=seconds, what=what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said}") from None

    def end(self, *, seconds: float, status: int = 0) -> dict[str, Any]:
        """Wait for the end; return what it found out."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.n_done} done after {seconds:g} s\n{self.said}") from None
        assert code == status, f"status {code}\n{self.said}"
        text = self._stdout.read_text()
        figures: dict[str, Any] = json.loads(text) if text else {}
        return figures


def assert_all_found(figures: dict[str, Any], n: int) -> None:
    """All parcels of a scenario are estimated, and rightly."""
    assert figures["n_found"] == n
    assert figures["failed"] == {}
    assert figures["same"]
