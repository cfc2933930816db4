"""What the tests of ``-x slurm`` do as the user on the login node: settings, programs, runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bed_parts import SCENARIOS, wait_until
from cluster_bed import CLUSTER, Bed
from runs import PROGRAM, InBackground, settings

SCENARIO = SCENARIOS / "lan_scenario.py"


def configure(bed: Bed, **keys: object) -> None:
    """Write ``[parallel-queue]``: four small jobs, if nothing else is said."""
    keys = {"max_jobs": 4, "memory": "500MB", "walltime": "00:10:00", **keys}
    bed.write(CLUSTER, ".pyhrf/config.cfg", settings("parallel-queue", keys))


def pyhrf(bed: Bed, *arguments: object, timeout: float = 150) -> subprocess.CompletedProcess[str]:
    """Run the program on the login node."""
    return bed.run(CLUSTER, [*PROGRAM, *arguments], timeout=timeout, check=False)


class Run(InBackground):
    """A run of `lan_scenario` on the login node."""

    def __init__(self, bed: Bed, *options: object, out: str = "out") -> None:
        folder = bed.home(CLUSTER) / out
        stdout, stderr = bed.folder / "stdout", bed.folder / "stderr"
        command = [sys.executable, SCENARIO, folder, "--engine", "slurm", *options]
        process = bed.start(CLUSTER, command, stdout=stdout, stderr=stderr)
        super().__init__(process, folder, stdout, stderr)

    @property
    def folder(self) -> Path:
        """Where the run meets its jobs."""
        return self.out / ".journal" / "slurm"


def assert_nothing_left(bed: Bed, run: Run) -> None:
    """Nothing is in the queue, nothing runs, and the folder of the run is gone."""
    assert bed.jobs() == {}
    wait_until(lambda: not bed.processes(CLUSTER), seconds=5, what="an end of all processes")
    assert not run.folder.exists()
