"""The child process that talks to soma-workflow: whatever becomes of it, the client is told."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from pyhrf.errors import ConfigError, EngineError
from pyhrf.execution.soma import client as soma_client
from pyhrf.execution.soma.child import SomaSession
from pyhrf.execution.soma.client import Resource, SomaClient
from pyhrf.execution.soma.folder import ClusterLostError

ECHO = """
while read line; do
  n=$(echo "$line" | sed 's/.*"number": \\([0-9]*\\).*/\\1/')
  echo "{\\"number\\": $n, \\"value\\": ANSWER}"
done
"""


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A client; its child is a shell script that is given to `child`."""
    program = tmp_path / "child"
    monkeypatch.setattr(soma_client.sys, "executable", str(program))

    def make(script, resource=None):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        made.append(SomaClient(resource or Resource("R", "me"), tmp_path))
        return made[-1]

    made: list[SomaClient] = []
    yield make
    for each in made:
        each.close(seconds=0)


def answer(**content):
    return f"read line; printf '%s\\n' '{json.dumps({'number': 1, **content})}'; cat >/dev/null"


def test_ask__passes_on_the_answer(client):
    assert client(ECHO.replace("ANSWER", "[[3, 1], [4, 2]]")).find("name") == {3: 1, 4: 2}


def test_connect__in_light_mode_never_into_the_folder_of_another_child(client, tmp_path):
    made = client(ECHO.replace("ANSWER", '\\"local\\"'), Resource(None))
    made.connect()
    made.reopen()
    assert made.scheduler == "local"
    assert len(list(tmp_path.glob("soma-*"))) == 2


def test_ask__child_that_dies(client):
    with pytest.raises(ClusterLostError, match=r"its client ended \(no more sockets\)"):
        client("echo no more sockets >&2").find("name")


def test_ask__child_that_says_nothing(client, monkeypatch):
    monkeypatch.setattr(soma_client, "_SECONDS", 0.2)
    silent = client("sleep 100")
    start = time.monotonic()
    with pytest.raises(ClusterLostError, match="does not answer"):
        silent.submit("name", [], None)
    assert time.monotonic() - start < 5


def test_ask__a_new_child_after_a_lost_one(client, tmp_path):
    made = client("exit 1")
    with pytest.raises(ClusterLostError):
        made.find("name")
    (tmp_path / "child").write_text("#!/bin/sh\n" + ECHO.replace("ANSWER", "[]"))
    assert made.find("name") == {}


def test_close__waits_for_the_end_of_the_child(client, tmp_path):
    made = client(ECHO.replace("ANSWER", "[]") + f"sleep 0.3; touch {tmp_path}/ended")
    made.find("name")
    made.close()
    assert (tmp_path / "ended").exists()
    made.close()


@pytest.mark.parametrize(
    ("kind", "text", "error", "message"),
    [
        ("login", "denied", EngineError, r"cannot log in to None as me: denied; .*id_rsa"),
        ("connection", "Cannot find soma-workflow on x", EngineError, "prints nothing"),
        ("connection", "A problem\noccured", ClusterLostError, "start_database_server R"),
        ("configuration", "Can not find section R", ConfigError, r"write a section \[R\]"),
    ],
)
def test_connect__says_what_helps(client, kind, text, error, message):
    with pytest.raises(error, match=message) as caught:
        client(answer(error=text, kind=kind)).connect()
    assert "\n" not in str(caught.value)


def test_configure__resource_that_is_no_cluster(client):
    about = {"mode": "light", "address": None, "login": None, "file": "/x.cfg"}
    with pytest.raises(ConfigError, match=r"/x.cfg: the section \[R\]"):
        client(answer(value=about)).configure()


def test_session__in_light_mode_from_end_to_end(tmp_path):
    made = SomaClient(Resource(None), tmp_path)
    try:
        made.configure()
        made.connect()
        jobs = [
            {
                "name": f"job_{code}",
                "command": ["/bin/sh", "-c", f"exit {code}"],
                "stdout": str(tmp_path / f"{code}.out"),
                "stderr": str(tmp_path / f"{code}.err"),
            }
            for code in (0, 3)
        ]
        number = made.submit("stem.1", jobs, None)
        assert made.find("stem") == {number: 1}
        assert made.find("ste") == {}
        deadline = time.monotonic() + 30
        while made.status(number)[0] != "workflow_done":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert made.status(number)[1] == ["done", "failed"]
        assert made.scheduler
        assert made.ids(number) == []
        assert made.delete(number)
        assert made.ids(number) == []
        assert made.delete(number)
        assert made.status(number) == (None, [])
        with pytest.raises(ClusterLostError, match="cannot do this"):
            made._ask("status")
    finally:
        made.close()


def test_child__ends_when_its_client_was_killed_in_the_middle_of_a_line():
    done = subprocess.run(
        [sys.executable, "-m", "pyhrf.execution.soma.child"],
        input=b'{"number": 1, "do": "sta',
        capture_output=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 0
    assert done.stderr == b""


class Controller:
    """soma-workflow's, with one workflow of one job."""

    def __init__(self, *ends: tuple[str | None, int | None]) -> None:
        self.ends = list(ends)

    def workflows(self, numbers):
        return numbers

    def workflow_elements_status(self, workflow):
        end = self.ends.pop(0) if len(self.ends) > 1 else self.ends[0]
        return [("7", "done", "queue", (*end, None, None), None, "1")], [], "workflow_done"


@pytest.mark.parametrize(("value", "status"), [(0, "done"), (3, "failed"), (None, "failed")])
def test_status__end_of_a_job_is_believed_when_it_is_written_down(value, status):
    session = SomaSession()
    session._controller = Controller((None, None), (None, None), ("finished_regularly", value))
    assert [session.status(1)["jobs"] for _ in range(3)] == [["running"], ["running"], [status]]


def test_status__a_job_of_which_the_end_is_never_written_down_has_failed():
    session = SomaSession()
    session._controller = Controller((None, None))
    found = [session.status(1)["jobs"][0] for _ in range(12)]
    assert found == ["running"] * 10 + ["failed"] * 2
