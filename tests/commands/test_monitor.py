from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import pyhrf
from pyhrf.config.study import Study
from pyhrf.data import ParcelEstimate, ParcelId
from pyhrf.execution.engine import Batch, BatchResult
from pyhrf.execution.journal import Journal
from pyhrf.execution.run_state import ENDED, RunState, write_state
from pyhrf.execution.watch import MEMBERS

MONITOR = [sys.executable, "-c", "from pyhrf.commands.main import run; run()", "monitor"]


@pytest.fixture
def running(tmp_path):
    """A folder into which a run that this process feigns works, and what has it go on."""
    journal = Journal(tmp_path / "out", {"a": "1"})
    state = RunState("local", 2, 3, 0)
    journal.announce(state)
    add(journal, 1)

    def work() -> None:
        for number in (2, 3):
            time.sleep(1)
            add(journal, number)
        journal.announce(state.replaced(state=ENDED, news=("host h2 was lost",)))

    thread = threading.Thread(target=work)
    yield journal.directory, thread.start
    thread.join()
    journal.close()


def add(journal: Journal, number: int) -> None:
    estimate = ParcelEstimate(number, "ok", "", np.arange(3))
    journal.add(
        BatchResult(
            Batch(number, (ParcelId(0, number),), 1.0), [estimate], f"host-{number % 2}", 0.25
        )
    )


def test_monitor__prints_lines_until_the_run_ends(running):
    folder, go_on = running
    with subprocess.Popen([*MONITOR, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("1/3 parcels")
        go_on()
        start = time.monotonic()
        rest = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 0
    assert rest[-5].startswith("3/3 parcels")
    expected = ["  host-0: 1 batch, 1 parcel", "  host-1: 2 batches, 2 parcels"]
    assert rest[-4:] == [*expected, "  host h2 was lost", "ended"]
    assert time.monotonic() - start > 1


def drawn(directory, *, meanwhile=lambda: None) -> str:
    """Give what the command draws on a terminal; call something when it has begun."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen([*MONITOR, directory], stdout=theirs, env=environment)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 4096):
            if not shown:
                meanwhile()
            shown += chunk
    except OSError:  # its end, on Linux
        pass
    os.close(ours)
    assert process.wait(30) == 0
    return shown.decode()


def test_monitor__draws_on_a_terminal(running):
    folder, go_on = running
    text = drawn(folder, meanwhile=go_on)
    for words in ("running", "1/3 parcels", "3/3 parcels", "host-1", "host h2 was lost", "ended"):
        assert words in text, words


@pytest.fixture
def array_job(tmp_path):
    """A folder into which two runs work, and what ends them, one after the other."""
    states = {}
    for name in ("sub-1", "sub-2"):
        folder = tmp_path / "out" / ".journal" / f"run-{name}"
        folder.mkdir(parents=True)
        (folder / MEMBERS).write_text(json.dumps([f".pyhrf/{name}"]))
        with Journal(tmp_path / "out" / ".pyhrf" / name, {"a": name}) as journal:
            add(journal, 1)
        states[folder] = RunState("local", 2, 3, 0, news=("host h2 was lost",))
        write_state(folder, states[folder])

    def end() -> None:
        for folder, state in states.items():
            write_state(folder, state.replaced(state=ENDED))

    return tmp_path / "out", end


def test_monitor__shows_all_runs_of_an_array_job(array_job):
    folder, end = array_job
    with subprocess.Popen([*MONITOR, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().startswith("2 runs, 2 at work: 2/6 parcels")
        end()
        lines = process.communicate(timeout=60)[0].splitlines()
    assert process.returncode == 0
    assert any(line.startswith("2 runs, 0 at work: 2/6 parcels") for line in lines)
    assert lines.count("  host h2 was lost") == 1
    assert "  host-1: 2 batches, 2 parcels" in lines
    assert lines[-2:] == [
        f"sub-{k}: ended, 2 parcels left; the same command continues it" for k in (1, 2)
    ]


def test_monitor__draws_all_runs_of_an_array_job(array_job):
    folder, end = array_job
    text = drawn(folder, meanwhile=end)
    for words in ("sub-1", "sub-2", "1/3", "2 runs, 2 at work: 2/6", "running", "ended"):
        assert words in text, words


def test_monitor__shows_any_run_that_has_ended(tmp_path):
    study = Study.build(data={"example": "small"}, output=tmp_path / "out")
    results = pyhrf.analyse(study, engine="local")
    done = subprocess.run([*MONITOR, tmp_path / "out"], capture_output=True, text=True, timeout=60)
    n = results.n_parcels
    assert done.stdout.startswith(f"{n}/{n} parcels")
    assert done.stdout.endswith("ended\n")


def test_monitor__explains_a_folder_without_journal(tmp_path):
    done = subprocess.run([*MONITOR, tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "give the output directory of a run" in done.stderr
