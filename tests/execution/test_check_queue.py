"""What the check of a queue says before it submits anything, with programs of our own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from pyhrf.config.settings import QueueSettings
from pyhrf.data import ParcelId
from pyhrf.execution import extras
from pyhrf.execution.check_steps import Check
from pyhrf.execution.engine import Batch, work_batch
from pyhrf.execution.queues import check as check_queue_module
from pyhrf.execution.queues.check import TrialEstimator, check_queue
from pyhrf.execution.queues.schedulers import SCHEDULERS
from pyhrf.execution.studies import Studies
from pyhrf.notices import Lost

if find_spec("distributed") is None:
    pytest.skip("the extra queue is not installed", allow_module_level=True)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that holds all programs that are found, besides those of the system."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "sh", "awk", "cat"):
        found = subprocess.run(["which", name], capture_output=True, text=True, check=True)
        (folder / name).symlink_to(found.stdout.strip())
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def provide(folder: Path, name: str, script: str = "exit 0") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_check__needs_the_programs_of_the_scheduler(programs: Path, name: str) -> None:
    found = check_queue(name, QueueSettings())
    assert found.failed == "its programs"
    assert all(program in found.cause for program in SCHEDULERS[name].programs)
    assert "login node" in found.cure


@pytest.mark.parametrize("name", SCHEDULERS)
def test_check__needs_an_answer(programs: Path, name: str) -> None:
    scheduler = SCHEDULERS[name]
    for program in scheduler.programs:
        provide(programs, program)
    provide(programs, scheduler.question.split()[0], "echo 'the server is down' >&2; exit 1")
    found = check_queue(name, QueueSettings())
    assert found.failed == "scheduler"
    assert found.cause.endswith("the server is down")
    assert f"{scheduler.title} does not answer ({scheduler.question})" in found.cause


@pytest.mark.parametrize(
    ("name", "program", "answer"),
    [
        ("slurm", "sinfo", 'case "$*" in *"-p night"*) ;; *) echo day; echo long;; esac'),
        (
            "pbs",
            "qstat",
            'case "$*" in -B) ;; *night*) echo Unknown queue >&2; exit 1;; '
            "*) printf 'Queue  Max\\n-----\\nday 0\\nlong 0\\n';; esac",
        ),
        (
            "sge",
            "qconf",
            'case "$*" in *night*) echo no >&2; exit 1;; *) echo day; echo long;; esac',
        ),
        (
            "lsf",
            "bqueues",
            'case "$*" in *night*) echo no such queue >&2; exit 255;; '
            "*) printf 'QUEUE_NAME PRIO\\nday 1\\nlong 2\\n';; esac",
        ),
    ],
)
def test_check__names_the_queues_that_there_are(
    programs: Path, name: str, program: str, answer: str
) -> None:
    for each in SCHEDULERS[name].programs:
        provide(programs, each)
    provide(programs, program, answer)
    found = check_queue(name, QueueSettings(queue="night"))
    assert found.failed == "queue", found
    assert found.cause.endswith("has no queue night")
    assert found.cure.endswith("to one of day, long")
    assert [step.passed for step in found.steps] == [True, True, True, False, None]


def test_trial_estimator__says_that_all_is_well() -> None:
    from pyhrf.execution.queues.check import _load

    result = work_batch(Batch(0, (ParcelId(0, 1),), 0.01), _load, Studies([TrialEstimator()]))
    assert [estimate.status for estimate in result.estimates] == ["ok"]


def check_of_a_job(
    programs: Path, monkeypatch: pytest.MonkeyPatch, *, states: tuple[str, ...], said: str
) -> Check:
    """Check a scheduler whose job does not come to its end."""
    for program in SCHEDULERS["slurm"].programs:
        provide(programs, program)
    provide(programs, "sinfo", "echo main")

    class Engine:
        job_states = states

        def __init__(
            self, name: str, settings: QueueSettings, *, tell: Callable[[str], None]
        ) -> None:
            self.tell = tell

        def run(self, *_: object, **__: object) -> Iterator[None]:
            self.tell(said)
            time.sleep(30)
            yield

    monkeypatch.setattr(check_queue_module, "QueueEngine", Engine)
    return check_queue("slurm", QueueSettings(), job_seconds=0.2)


def test_check__job_that_waits_is_no_fault(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = check_of_a_job(programs, monkeypatch, states=("waiting",), said="1 of 1 jobs wait")
    assert found.usable
    assert found.steps[-1].fact == "waits in the queue"
    assert "(1 of 1 jobs wait)" in found.notes[0]


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (("running",), "1 job submitted"),
        (
            ("waiting",),
            Lost("job 12 is lost: node n1 does not reach the login node"),
        ),
        ((), "the dashboard"),
    ],
)
def test_check__job_that_did_more_than_wait_is_a_fault(
    programs: Path, monkeypatch: pytest.MonkeyPatch, states: tuple[str, ...], said: str
) -> None:
    """As behind a firewall, for which the check is there."""
    found = check_of_a_job(programs, monkeypatch, states=states, said=said)
    assert found.failed == "a job, there and back"
    assert said in found.cause
    assert "firewall" in found.cure


def test_check__asks_for_every_package_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also for cryptography, which makes the keys of a run, and which no other package brings."""
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == "cryptography" else name)
    found = check_queue("slurm", QueueSettings())
    assert found.failed == "installed here"
    assert found.cause == "cryptography cannot be imported"
