"""What the tests of the engine cluster do as the user: settings, the program, the scenario."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from bed_parts import SCENARIOS, wait_until
from cluster_bed import CLIENT, CLUSTER, RESOURCE, Bed
from runs import settings

SCENARIO = SCENARIOS / "soma_scenario.py"


def configure(bed: Bed, **keys: object) -> None:
    """Write the settings of the client; None leaves a key out."""
    values = {
        "server_id": RESOURCE,
        "server": "login",
        "user": CLUSTER,
        "remote_path": remote_path(bed),
        "python": sys.executable,
        **keys,
    }
    bed.write(CLIENT, ".pyhrf/config.cfg", settings("parallel-cluster", values))
    # For the estimator of the scenario, which the jobs import.
    for name in (".profile", ".bashrc"):
        text = (bed.home(CLUSTER) / name).read_text()
        bed.write(CLUSTER, name, f"{text}export PYTHONPATH={SCENARIOS}\n")
    remote_path(bed).mkdir(exist_ok=True)
    bed.give(remote_path(bed), CLUSTER)


def remote_path(bed: Bed) -> Path:
    return bed.folder / "shared" / "runs"


def log_of(bed: Bed) -> Path:
    """Return the file into which jobs write what they have estimated."""
    return bed.folder / "shared" / "log"


def estimated(bed: Bed) -> list[int]:
    """Return the parcels that jobs have estimated, in order."""
    path = log_of(bed)
    return list(map(int, path.read_text().split())) if path.exists() else []


def command(bed: Bed, *options: object) -> list[object]:
    return [sys.executable, SCENARIO, "out", "--log", log_of(bed), *options]


def scenario(bed: Bed, *options: object, timeout: float = 120) -> dict[str, Any]:
    """Run the scenario to its end; return its figures."""
    done = bed.run(CLIENT, command(bed, *options), timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    figures: dict[str, Any] = json.loads(done.stdout)
    figures["said"] = done.stderr
    return figures


def figures_of(bed: Bed, process: subprocess.Popen[bytes], *, seconds: float) -> dict[str, Any]:
    """Wait for a scenario that was started with `Bed.started`; return its figures."""
    code = process.wait(seconds)
    said = (bed.home(CLIENT) / "stderr").read_text()
    assert code == 0, said
    figures: dict[str, Any] = json.loads((bed.home(CLIENT) / "stdout").read_text())
    figures["said"] = said
    return figures


def wait_for_jobs(bed: Bed, *, running: int) -> dict[str, list[int]]:
    """Wait until so many jobs run; return the numbers of jobs by state."""

    def by_state() -> dict[str, list[int]]:
        states: dict[str, list[int]] = {"RUNNING": [], "PENDING": []}
        for number, state in bed.jobs().items():
            states.setdefault(state, []).append(number)
        return states

    try:
        wait_until(lambda: len(by_state()["RUNNING"]) >= running, seconds=90, what="running jobs")
    except AssertionError as error:
        said = (bed.home(CLIENT) / "stderr").read_text()
        nodes = bed.slurm("sinfo", "-h", "-N", "-o", "%N %t %E")
        raise AssertionError(f"{error}: {by_state()}\n{nodes}\nthe client said: {said}") from None
    return by_state()


def assert_nothing_left(bed: Bed, out: str = "out") -> None:
    """Neither in the queue, nor on the cluster, nor in soma-workflow, nor in the journal."""
    wait_until(lambda: not bed.jobs(), seconds=15, what=f"an empty queue: {bed.jobs()}")
    assert list(remote_path(bed).iterdir()) == []
    assert not (bed.home(CLIENT) / out / ".journal" / "cluster").exists()
    ask = (
        "from soma_workflow.configuration import Configuration; import sqlite3; "
        f"path = Configuration.load_from_file('{RESOURCE}').get_database_file(); "
        "print(sqlite3.connect(path).execute('select count(*) from workflows').fetchone()[0])"
    )
    assert bed.run(CLUSTER, [sys.executable, "-c", ask]).stdout.split()[-1] == "0"
    wait_until(lambda: bed.processes(CLIENT) == [], seconds=30, what="the end of the client")
