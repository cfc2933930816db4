"""What the check of a cluster finds on this side, before it talks to anyone."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pyhrf.config.settings import ClusterSettings
from pyhrf.execution.soma import facts as facts_module
from pyhrf.execution.soma.check import check_cluster
from pyhrf.execution.soma.facts import cluster_facts

pytest.importorskip("soma_workflow")
WHOLE = "[FAR]\ncluster_address = far.invalid\nsubmitting_machines = far.invalid\n"


def write(text: str) -> Path:
    path = Path.home() / ".soma-workflow.cfg"
    path.write_text(text)
    return path


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SOMA_WORKFLOW_CONFIG", raising=False)


@pytest.mark.parametrize(
    ("settings", "cause"),
    [
        (ClusterSettings(server="far"), "server is set, but not server_id"),
        (ClusterSettings(server_id="FAR"), "remote_path is not set"),
        (
            ClusterSettings(server_id="localhost", remote_path="/r"),
            "localhost is what soma-workflow calls this machine",
        ),
        (
            ClusterSettings(server_id=socket.gethostname(), remote_path="/r"),
            "is what soma-workflow calls this machine",
        ),
    ],
)
def test_check__names_what_the_section_lacks(settings: ClusterSettings, cause: str) -> None:
    found = check_cluster(settings)
    assert found.failed == "settings"
    assert cause in found.cause
    assert found.cure


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("[NEAR]\n", "has no section [FAR]"),
        ("[FAR]\ncluster_address = far\n", "submitting_machines missing"),
        ("cluster_address = far\n", "cannot be read"),
    ],
)
def test_check__names_what_the_file_of_soma_workflow_lacks(text: str, cause: str) -> None:
    path = write(text)
    found = check_cluster(ClusterSettings(server_id="FAR", user="me", remote_path="/r"))
    assert found.failed == "soma-workflow's file here"
    assert str(path) in found.cause
    assert cause in found.cause


def test_check__takes_server_and_login_from_the_file_of_soma_workflow() -> None:
    write(f"{WHOLE}login = somebody\n")
    found = check_cluster(ClusterSettings(server_id="FAR", remote_path="/r"), timeout=5)
    assert found.failed == "ssh"
    assert found.cause.startswith("somebody@far.invalid: the name far.invalid cannot be resolved")


def test_cluster_facts__reads_the_section_that_soma_workflow_reads() -> None:
    path = write(f"{WHOLE}scheduler_type = slurm\n")
    found = cluster_facts("FAR")
    assert found["file"] == str(path)
    assert found["section"]["scheduler_type"] == "slurm"
    assert found["database"] == ""
    assert cluster_facts("NEAR")["section"] is None


def test_cluster_facts__runs_as_text_without_pyhrf() -> None:
    source = Path(facts_module.__file__).read_text("utf-8")
    done = subprocess.run(
        [sys.executable, "-", "FAR"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    found = json.loads(done.stdout)["pyhrf_cluster"]
    assert found["file"] is None
    assert found["hostname"] == socket.gethostname()


def test_check__versions_of_another_python_on_this_machine(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text(
        f'#!/bin/sh\n{sys.executable} "$@" | sed \'s/"numpy": "[^"]*"/"numpy": "1.0"/\'\n'
    )
    other.chmod(0o755)
    found = check_cluster(ClusterSettings(python=str(other)))
    assert found.failed == "python and versions"
    assert "numpy 1.0 (here" in found.cause
