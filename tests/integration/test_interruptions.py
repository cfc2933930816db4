"""Runs that are killed or interrupted half-way, as separate processes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import pyhrf

# Runs estim, writes down the parcels that are estimated, and meets its end at the seventh.
_DRIVER = """
import os, signal, sys, threading, time

# A test runner in the background, or under nohup, hands on signals that are ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
from pyhrf.commands import main
from pyhrf.estimators.base import ParcelEstimator

program = os.environ["PROGRAM"]
fit, lock = ParcelEstimator.fit_parcel, threading.Lock()
seen, signal_number, folder = [], int(os.environ["END_BY"]), os.environ["SEEN"]

def fit_parcel(self, parcel):
    with lock:
        seen.append(parcel.number)
        if signal_number and len(seen) == 7:
            time.sleep(0.3)  # the results of the first batches reach the journal
            os.kill(os.getpid(), signal_number)
            time.sleep(0.3)
        estimate = fit(self, parcel)
        with open(folder, "a") as file:
            print(parcel.number, file=file)
    return estimate

ParcelEstimator.fit_parcel = fit_parcel
sys.argv[0] = f"pyhrf_{program}_estim"
getattr(main, f"run_{program}_estim")()
"""


OTHERS = {
    "JDEMCMC": ("jde", ["--mcmc", "-n", "150"]),
    "RFIR": ("rfir", []),
    "GLM": ("glm", ["--model", "fir"]),
}


@pytest.fixture
def xml(tmp_path) -> Path:
    """A study of twelve small parcels, for the default estimator."""
    return make_study(tmp_path, "jde", [])


def make_study(tmp_path: Path, program: str, options: list[str]) -> Path:
    """Write a study of twelve small parcels."""
    from pyhrf.simulation.datasets import write_dataset
    from pyhrf.simulation.simulate import simulate
    from pyhrf.simulation.spec import SimulationSpec

    spec = SimulationSpec(
        region="box", shape=(10, 8, 6), n_parcels=12, n_scans=80, n_conditions=2, seed=3
    )
    paths = write_dataset(simulate(spec), tmp_path / "data")
    xml = tmp_path / "detectestim.xml"
    files = ["-f", paths.bold[0], "-r", paths.paradigm[0], "-k", paths.parcellation]
    code = f"from pyhrf.commands.main import run_{program}_buildcfg as run; run()"
    subprocess.run([sys.executable, "-c", code, *files, *options, "-o", xml], check=True)
    return xml


def environment_of(program: str, *, end_by: int, seen: Path) -> dict[str, str]:
    given = {"END_BY": str(int(end_by)), "SEEN": str(seen)}
    return {**os.environ, **given, "PROGRAM": program}


def estim(
    xml: Path, *options: str, end_by: int = 0, program: str = "jde"
) -> tuple[subprocess.CompletedProcess, list]:
    """Run estim; return how it ended and the parcels that it estimated."""
    seen = xml.with_name("seen.txt")
    seen.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", _DRIVER, "-c", str(xml), *options],
        env=environment_of(program, end_by=end_by, seen=seen),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done, [int(line) for line in seen.read_text().split()] if seen.exists() else []


def files_of(output: Path) -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in output.iterdir() if path.is_file()}
    del files["run.json"]
    return files


@pytest.mark.parametrize("engine", ["serial", "local"])
def test_killed__resumes_without_repeating_and_gives_the_same_bytes(xml, engine):
    output = xml.with_name("killed")
    options = ["-x", engine, "-u", str(output)]
    done, first = estim(xml, *options, end_by=signal.SIGKILL)
    assert done.returncode == -signal.SIGKILL
    assert not (output / "parcels.tsv").exists()
    done, second = estim(xml, *options)
    assert done.returncode == 0, done.stderr
    found = re.search(r"(\d+) of 12 parcels were already done", done.stderr)
    assert found, done.stderr
    n_kept = int(found.group(1))
    assert 1 <= n_kept <= len(first)
    assert len(second) == 12 - n_kept
    assert len(set(first) - set(second)) == n_kept
    done, third = estim(xml, "-x", "serial", "-u", str(xml.with_name("whole")))
    assert sorted(third) == list(range(1, 13))
    assert files_of(output) == files_of(xml.with_name("whole"))


@pytest.mark.parametrize("estimator", OTHERS)
def test_killed__any_estimator_resumes_and_gives_the_same_bytes(tmp_path, estimator):
    program, options = OTHERS[estimator]
    xml = make_study(tmp_path, program, options)
    output, whole = xml.with_name("killed"), xml.with_name("whole")
    given = {"program": program}
    done, first = estim(xml, "-x", "serial", "-u", str(output), end_by=signal.SIGKILL, **given)
    assert done.returncode == -signal.SIGKILL
    done, second = estim(xml, "-x", "serial", "-u", str(output), **given)
    assert done.returncode == 0, done.stderr
    assert "of 12 parcels were already done" in done.stderr
    assert len(second) < 12
    assert set(first) | set(second) == set(range(1, 13))
    done, _ = estim(xml, "-x", "local", "-u", str(whole), **given)
    assert done.returncode == 0, done.stderr
    assert files_of(output) == files_of(whole)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("engine", ["serial", "local"])
def test_interrupted__says_how_to_resume(xml, engine, number):
    output = xml.with_name("interrupted")
    options = ["-x", engine, "-u", str(output)]
    done, _ = estim(xml, *options, end_by=number)
    assert done.returncode == 130, done.stderr
    found = re.search(r"interrupted: (\d+) of 12 parcels are done and kept in", done.stderr)
    assert found, done.stderr
    assert "run the same command again to continue" in done.stderr
    assert "Traceback" not in done.stderr
    done, second = estim(xml, *options)
    assert done.returncode == 0, done.stderr
    assert f"{found.group(1)} of 12 parcels were already done" in done.stderr
    assert len(second) == 12 - int(found.group(1))
    assert pyhrf.Results(output).n_parcels == 12


def test_two_runs__never_share_a_directory(xml):
    output = xml.with_name("shared")
    environment = environment_of("jde", end_by=signal.SIGSTOP, seen=Path("/dev/null"))
    command = [sys.executable, "-c", _DRIVER, "-c", str(xml), "-x", "serial", "-u", str(output)]
    with subprocess.Popen(command, env=environment) as stopped:
        try:
            deadline = time.monotonic() + 60
            while not list(output.glob(".journal/batch-*")) and time.monotonic() < deadline:
                time.sleep(0.05)
            done, _ = estim(xml, "-u", str(output))
        finally:
            stopped.kill()
    assert done.returncode == 1
    assert str(output) in done.stderr
    assert "run" in done.stderr
