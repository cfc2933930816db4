"""What the tests of ``-x slurm`` do as the user on the login node: settings, programs, runs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bed_parts import ROOT, wait_until
from cluster_bed import CLUSTER, Bed

SCENARIO = ROOT / "tests" / "integration" / "lan" / "lan_scenario.py"
PROGRAM = "import sys; from pyhrf.commands import main; main.run()"


def configure(bed: Bed, **keys: object) -> None:
    """Write ``[parallel-queue]``: four small jobs, if nothing else is said."""
    keys = {"max_jobs": 4, "memory": "500MB", "walltime": "00:10:00", **keys}
    lines = [f"{key} = {value}" for key, value in keys.items() if value is not None]
    bed.write(CLUSTER, ".pyhrf/config.cfg", "\n".join(["[parallel-queue]", *lines]) + "\n")


def pyhrf(bed: Bed, *arguments: object, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    """Run the program on the login node."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    return bed.run(CLUSTER, command, timeout=timeout, check=False)


class Run:
    """A run of `lan_scenario` on the login node, in the background."""

    def __init__(self, bed: Bed, *options: object, out: str = "out") -> None:
        self.out = bed.home(CLUSTER) / out
        self._stdout, self._stderr = bed.folder / "stdout", bed.folder / "stderr"
        command = [sys.executable, SCENARIO, self.out, "--engine", "slurm", *options]
        self.process = bed.start(CLUSTER, command, stdout=self._stdout, stderr=self._stderr)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait(10)

    @property
    def folder(self) -> Path:
        """Where the run meets its jobs."""
        return self.out / ".journal" / "slurm"

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
        self._wait(lambda: self.n_done >= n_done, seconds, f"{n_done} batches")

    def wait_for_word(self, text: str, *, seconds: float = 40) -> str:
        """Wait until the user was told something; return that line."""
        self._wait(lambda: text in self.said, seconds, text)
        return next(line for line in self.said.splitlines() if text in line)

    def _wait(self, condition: Any, seconds: float, what: str) -> None:
        def there() -> bool:
            if self.process.poll() is not None and not condition():
                raise AssertionError(f"it ended: {self._stdout.read_text()}")
            return bool(condition())

        try:
            wait_until(there, seconds=seconds, what=what)
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
    assert figures["n_found"] == n
    assert figures["failed"] == {}
    assert figures["same"]


def assert_nothing_left(bed: Bed, run: Run) -> None:
    """Nothing is in the queue, nothing runs, and the folder of the run is gone."""
    assert bed.jobs() == {}
    wait_until(lambda: not bed.processes(CLUSTER), seconds=5, what="an end of all processes")
    assert not run.folder.exists()
