"""The engine cluster over ssh, on Slurm: trouble on a cluster costs nothing that was done."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bed_parts import wait_until
from cluster_bed import CLIENT, CLUSTER, RESOURCE, Bed
from runs import PROGRAM, results_of
from soma_user import (
    assert_nothing_left,
    command,
    configure,
    estimated,
    figures_of,
    remote_path,
    scenario,
    wait_for_jobs,
)

import pyhrf

pytestmark = pytest.mark.timeout(200)


def assert_all_done(bed: Bed, figures: dict[str, object], n_parcels: int = 24) -> None:
    assert figures["n_found"] == n_parcels
    assert figures["failed"] == {}
    assert figures["same"]
    assert_nothing_left(bed)


def test_scancel__of_a_running_and_a_pending_job(bed: Bed):
    configure(bed)
    with bed.started(CLIENT, command(bed, "--seconds", 0.5)) as process:
        jobs = wait_for_jobs(bed, running=4)
        wait_until(lambda: estimated(bed), seconds=20, what="a first parcel")
        cancelled = [max(jobs["RUNNING"]), max(jobs["PENDING"])]
        bed.slurm("scancel", *cancelled)
        figures = figures_of(bed, process, seconds=100)
    assert_all_done(bed, figures)
    assert figures["said"].count("submitting it again") == 2
    # Only what the running one was at, or had not saved, is done twice.
    twice = [parcel for parcel, n in Counter(estimated(bed)).items() if n > 1]
    assert len(twice) <= 3


def test_node_lost__its_job_is_done_elsewhere(bed: Bed):
    configure(bed)
    with bed.started(CLIENT, command(bed, "--seconds", 0.5)) as process:
        jobs = wait_for_jobs(bed, running=4)
        bed.kill_node(bed.node_of(max(jobs["RUNNING"])))
        figures = figures_of(bed, process, seconds=120)
    assert_all_done(bed, figures)
    assert max(Counter(estimated(bed)).values()) <= 2


def test_job_that_fails_always__only_its_parcel_is_given_up(bed: Bed):
    configure(bed)
    figures = scenario(bed, "--parcels", 9, "--killer", 5, "--seconds", 0.01)
    assert figures["n_found"] == 9
    assert figures["same"]
    assert list(figures["failed"]) == ["5"]
    reason = figures["failed"]["5"]
    assert reason.startswith("internal error: 3 jobs on SW_CLUSTER_ID died of it; the last one")
    assert "Segmentation fault (as it were)" in reason
    assert figures["said"].count("submitting it again") == 2  # the word on each of two jobs
    assert figures["said"].count("submitted again") == 2
    assert Counter(estimated(bed)) == {n: 1 for n in range(1, 10) if n != 5}
    assert_nothing_left(bed)
    configure(bed, client_host="nobody@desk")
    again = scenario(bed, "--parcels", 9, "--seconds", 0.01)
    assert again["failed"] == {}
    assert estimated(bed).count(5) == 1, "a rerun tries it again"
    assert "not pushed to client_host" in again["said"]
    assert_nothing_left(bed)


def test_interrupted_then_killed__the_same_command_goes_on(bed: Bed):
    configure(bed)
    with bed.started(CLIENT, command(bed, "--seconds", 0.7)) as process:
        wait_until(lambda: len(estimated(bed)) > 3, seconds=90, what="parcels")
        # Else the workflow may have ended before the same command is there.
        waiting = ",".join(str(n) for n, state in bed.jobs().items() if state == "PENDING")
        bed.slurm("scontrol", "hold", waiting)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    said = (bed.home(CLIENT) / "stderr").read_text()
    assert re.search(r"interrupted: \d+ of 24 parcels .* workflow \d+ .* is still running", said)
    assert "pyhrf.execution.engines.cancel stops it" in said
    assert bed.jobs(), "the workflow continues"
    with bed.started(CLIENT, command(bed, "--seconds", 0.7)) as process:
        wait_until(
            lambda: "is still running on" in (bed.home(CLIENT) / "stderr").read_text(),
            seconds=20,
            what="the client to find the workflow",
        )
        process.kill()
        process.wait(10)
    bed.slurm("scontrol", "release", waiting)
    figures = scenario(bed, "--seconds", 0.7)
    assert_all_done(bed, figures)
    assert sorted(estimated(bed)) == list(range(1, 25)), "nothing is done twice"


def test_cancel__leaves_nothing_but_what_was_fetched(bed: Bed):
    configure(bed)
    with bed.started(CLIENT, command(bed, "--seconds", 1)) as process:
        wait_for_jobs(bed, running=4)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 130
    assert list(remote_path(bed).iterdir()) != []
    done = bed.run(CLIENT, command(bed, "--cancel"))
    assert done.stdout == "True\n"
    assert_nothing_left(bed)
    assert bed.run(CLIENT, command(bed, "--cancel")).stdout == "False\n"


def test_client_host__results_arrive_without_the_client(bed: Bed):
    configure(bed, client_host="desk")
    with bed.started(CLIENT, command(bed, "--parcels", 8, "--seconds", 0.5)) as process:
        wait_for_jobs(bed, running=1)
        process.kill()
        process.wait(10)
    pushed = bed.home(CLIENT) / "out" / ".journal" / "cluster" / "results.tar"
    wait_until(pushed.exists, seconds=40, what="the results")
    assert pushed.stat().st_mode & 0o077 == 0
    figures = scenario(bed, "--parcels", 8)
    assert figures["n_before"] + figures["n_fetched"] == 8
    assert_all_done(bed, figures, 8)
    assert sorted(estimated(bed)) == list(range(1, 9))


def test_500_parcels__cost_a_minute_at_most(bed: Bed):
    configure(bed)
    start = time.monotonic()
    figures = scenario(bed, "--parcels", 500, "--seconds", 0)
    print(f"500 parcels took {time.monotonic() - start:.1f} s")
    assert_all_done(bed, figures, 500)
    assert figures["seconds"] <= 60
    assert "20 jobs submitted" in figures["said"]


_CANNOT_WORK = {
    "gone": ({"server": "gone"}, "host gone: "),
    "name": ({"server": "nowhere"}, "the name nowhere cannot be resolved; correct server in"),
    "user": ({"user": "stranger"}, "your key is refused for stranger"),
    "section": ({"server_id": "OTHER"}, "[OTHER]"),
    "remote_path": ({"remote_path": "/nowhere"}, "/nowhere is not a folder there"),
    "not writable": ({"remote_path": "/usr"}, "remote_path /usr cannot be written"),
    "no python": ({"python": "/usr/bin/python3.1"}, "/usr/bin/python3.1 cannot be run"),
    "versions": ({"python": "/usr/bin/python3"}, "pyhrf missing (here "),
}


def test_what_cannot_work__is_one_sentence_before_any_work(bed: Bed):
    def message(file: Path) -> str:
        done = bed.run(
            CLIENT, command(bed), cwd=file.parent, env={"PYHRF_CONFIG": str(file)}, check=False
        )
        assert done.returncode == 1, done.stderr
        (line,) = done.stderr.splitlines()
        return line

    files = []
    for name, (keys, _) in _CANNOT_WORK.items():
        configure(bed, **keys)
        text = (bed.home(CLIENT) / ".pyhrf" / "config.cfg").read_text()
        files.append(bed.write(CLIENT, f"{name.replace(' ', '_')}/config.cfg", text))
    with ThreadPoolExecutor(3) as pool:  # each waits for a server now and then
        messages = list(pool.map(message, files))
    for said, (_, expected) in zip(messages, _CANNOT_WORK.values(), strict=True):
        assert expected in said
    configure(bed)
    bed.write(CLUSTER, ".soma-workflow.cfg", "")
    said = message(bed.home(CLIENT) / ".pyhrf" / "config.cfg")
    assert "start_database_server SW_CLUSTER_ID" in said
    assert bed.jobs() == {}
    assert list(remote_path(bed).iterdir()) == []


def assert_program_cannot_start(bed: Bed, study: str, reason: str) -> None:
    estim = ["jde", "estim", "-c", study, "-x", "cluster", "-v", 0, "-u", "refused"]
    done = bed.run(CLIENT, [*PROGRAM, *estim], check=False)
    assert done.returncode == 1
    assert re.fullmatch(f"pyhrf: {reason} .*\\n", done.stderr)


@pytest.mark.parametrize(
    "source", ["simulated", pytest.param("real", marks=pytest.mark.shared_data)]
)
def test_server__same_bytes_as_serial(
    bed: Bed, source: str, study_options: Callable[..., list[object]]
):
    home = bed.home(CLIENT)
    options = study_options(source, home, example="default")
    study = f"{source}.xml"
    bed.run(CLIENT, [*PROGRAM, "jde", "buildcfg", "-o", study, *options])
    configure(bed, user="stranger")
    assert_program_cannot_start(bed, study, "host login: your key is refused")
    configure(bed)
    for engine in ("serial", "cluster"):
        estim = ["jde", "estim", "-c", study, "-x", engine, "-u", f"{source}_{engine}"]
        bed.run(CLIENT, [*PROGRAM, *estim])
        # What was compiled serves the jobs too: two cores stand for five here.
        shutil.copytree(home / ".cache", bed.home(CLUSTER) / ".cache", dirs_exist_ok=True)
        bed.give(bed.home(CLUSTER) / ".cache", CLUSTER)
    assert results_of(home / f"{source}_serial") == results_of(home / f"{source}_cluster")
    assert_nothing_left(bed, f"{source}_cluster")
    provenance = pyhrf.Results(home / f"{source}_cluster").provenance
    assert provenance["engine"]["name"] == "cluster"
    assert {batch["host"] for batch in provenance["batches"]} == {"login"}


# Runs on the cluster: makes the last news of workflows that are to be deleted older by 80 s.
_AGE = """
import sqlite3, sys
from datetime import datetime, timedelta
from soma_workflow.configuration import Configuration

path = Configuration.load_from_file(sys.argv[1]).get_database_file()
with sqlite3.connect(path) as database:
    question = "select id, last_status_update from workflows where status = 'delete_pending'"
    found = database.execute(question).fetchall()
    for number, told in found:
        before = str(datetime.fromisoformat(told) - timedelta(seconds=80))
        database.execute("update workflows set last_status_update=? where id=?", (before, number))
print(len(found))
"""


def test_cancel__after_a_restart_of_the_login_node_takes_the_jobs_back(bed: Bed):
    """soma-workflow looks after its jobs no more then: they are cancelled by their numbers."""
    configure(bed)
    with bed.started(CLIENT, command(bed, "--seconds", 20)) as process:
        wait_for_jobs(bed, running=4)
        process.kill()
        process.wait(10)
    engines = [p for p in bed.processes(CLUSTER) if "start_workflow_engine" in p.command]
    assert engines
    for engine in engines:
        os.kill(engine.pid, signal.SIGKILL)
    assert bed.jobs()
    with bed.started(CLIENT, command(bed, "--cancel")) as process:
        # soma-workflow waits for 90 s then; let most of them be over.
        age = [sys.executable, "-c", _AGE, RESOURCE]
        wait_until(lambda: bed.run(CLUSTER, age).stdout.split()[-1] == "1", seconds=60, what="it")
        assert process.wait(120) == 0
    assert (bed.home(CLIENT) / "stdout").read_text() == "True\n"
    assert_nothing_left(bed)
