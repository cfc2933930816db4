"""The engine cluster on this machine alone (soma-workflow's light mode): no server is needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from bed_parts import SCENARIOS

import pyhrf

PROGRAM = [sys.executable, "-c", "from pyhrf.commands.main import run; run()"]
pytestmark = pytest.mark.timeout(200)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A home without files; what is compiled serves all tests."""
    (tmp_path / "home").mkdir()
    return {**os.environ, "HOME": str(tmp_path / "home"), "PYTHONPATH": str(SCENARIOS)}


def run(
    arguments: Sequence[object], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, arguments)),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def estim(folder: Path, environment: dict[str, str], engine: str, *options: object) -> str:
    done = run([*PROGRAM, "jde", "estim", "-x", engine, *options], folder, environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


def files_of(folder: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    del files["run.json"]
    return files


def test_simulation__same_bytes_as_serial(tmp_path: Path, environment: dict[str, str]):
    assert run([*PROGRAM, "jde", "buildcfg", "-t", "small"], tmp_path, environment).stderr == ""
    estim(tmp_path, environment, "serial", "-u", "serial")
    said = estim(tmp_path, environment, "cluster", "-u", "cluster")
    assert files_of(tmp_path / "serial") == files_of(tmp_path / "cluster")
    assert "workflow 1" in said
    assert not (tmp_path / "cluster" / ".journal" / "cluster").exists()
    assert not list((tmp_path / "home").glob(".soma*"))
    assert pyhrf.Results(tmp_path / "cluster").provenance["engine"]["name"] == "cluster"
    shown = run([*PROGRAM, "monitor", tmp_path / "cluster"], tmp_path, environment)
    assert shown.stdout.endswith("ended\n")
    assert "jobs on this machine" in shown.stdout


def test_folder_elsewhere__same_bytes(tmp_path: Path, environment: dict[str, str]):
    run([*PROGRAM, "jde", "buildcfg", "-t", "small"], tmp_path, environment)
    (tmp_path / "a folder").mkdir()
    (tmp_path / "home" / ".pyhrf").mkdir()
    settings = f"[parallel-cluster]\nremote_path = {tmp_path / 'a folder'}\n"
    (tmp_path / "home" / ".pyhrf" / "config.cfg").write_text(settings)
    estim(tmp_path, environment, "serial", "-u", "serial")
    estim(tmp_path, environment, "cluster", "-u", "cluster")
    assert files_of(tmp_path / "serial") == files_of(tmp_path / "cluster")
    assert list((tmp_path / "a folder").iterdir()) == []


@contextmanager
def scenario(tmp_path: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Run the scenario; it is killed at the end."""
    command = [sys.executable, str(SCENARIOS / "soma_scenario.py"), "out", "--log", "log"]
    command[-1] = str(tmp_path / "log")
    process = subprocess.Popen(
        [*command, "--parcels", "16", "--seconds", "0.5"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def estimated(tmp_path: Path) -> list[int]:
    path = tmp_path / "log"
    return list(map(int, path.read_text().split())) if path.exists() else []


def wait_for(condition: object, what: str) -> None:
    assert callable(condition)
    deadline = time.monotonic() + 40
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def jobs_of(tmp_path: Path) -> list[str]:
    """Return the commands of the processes that know the folder of this test."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(tmp_path) in command and "pyhrf.execution.soma.job" in command:
            found.append(command)
    return found


def stays_without_jobs(tmp_path: Path) -> bool:
    """Tell whether no job runs, nor is one started by what has not yet seen its client's end."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        if jobs_of(tmp_path):
            return False
        time.sleep(0.05)
    return True


def test_interrupted_then_killed__ends_its_jobs_and_goes_on(
    tmp_path: Path, environment: dict[str, str]
):
    journal = tmp_path / "out" / ".journal"
    for n_batches, number in ((1, signal.SIGINT), (3, signal.SIGKILL)):
        with scenario(tmp_path, environment) as process:
            wait_for(lambda n=n_batches: len(list(journal.glob("batch-*"))) >= n, "results")
            process.send_signal(number)
            _, said = process.communicate(timeout=60)
        if number == signal.SIGINT:
            assert process.returncode == 130
            assert "make the same call again to continue" in said
        wait_for(lambda: stays_without_jobs(tmp_path), "the end of the jobs")
    before = estimated(tmp_path)
    with scenario(tmp_path, environment) as process:
        out, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    figures = json.loads(out)
    assert (figures["n_found"], figures["same"], figures["failed"]) == (16, True, {})
    finished = figures["n_before"] + figures["n_fetched"]
    assert finished >= 3
    # What was finished is in the journal or was fetched; only what was under way is done again.
    assert len(estimated(tmp_path)) - len(before) == 16 - finished
    assert not (journal / "cluster").exists()
