"""Start-up files of a login: what they print is passed over, and what they spoil is named."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.errors import EngineError
from pyhrf.execution.ssh import startup
from pyhrf.execution.ssh.shells import AS_SOMA, LocalShell, NoAnswerError, find_answer, run_marked
from pyhrf.execution.ssh.startup import say_hello

asyncssh = pytest.importorskip("asyncssh", reason="the extra lan is not installed")
from pyhrf.execution.ssh import sftp  # noqa: E402
from pyhrf.execution.ssh.python import probe, python_of_lan  # noqa: E402
from pyhrf.execution.ssh.refusals import HostError  # noqa: E402
from pyhrf.execution.ssh.sftp import open_sftp  # noqa: E402
from pyhrf.execution.ssh.shells import RemoteShell  # noqa: E402

T = TypeVar("T")
TITLE = "printf '\\033]0;my title\\007'; "
HARMFUL = {
    "exit": "exit 0; ",
    "exit with a complaint": "echo 'quota exceeded' >&2; exit 1; ",
    "another shell": "exec sh; ",
    "ForceCommand": "exec echo 'only backups here'; ",
    "read": "read answer; ",
    "read in a loop": "for i in 1 2; do read x; done; ",
}


LOGINS = {
    "plain": "",
    "title": TITLE,
    "welcome": "echo welcome; ",
    "latin": "printf '\\xe9t\\xe9'; ",
    "exit": "exit; ",
}
"""Start-up files of each login of the server."""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a server that lets everyone in."""
    file = tmp_path_factory.mktemp("logins") / "logins.json"
    file.write_text(json.dumps(LOGINS))
    command = [sys.executable, str(Path(__file__).with_name("ssh_server.py")), str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.stdin.close()


def log_in(
    port: int, login: str, work: Callable[[asyncssh.SSHClientConnection], Awaitable[T]]
) -> T:
    """Do something over a connection."""

    async def both() -> T:
        connection = await asyncssh.connect(
            "127.0.0.1", port, username=login, known_hosts=None, config=None
        )
        try:
            return await work(connection)
        finally:
            connection.abort()

    return asyncio.run(both())


def hello(before: str) -> EngineError | None:
    try:
        asyncio.run(say_hello(LocalShell(), before=before, trial="ssh ann@h1"))
    except EngineError as error:
        return error
    return None


@pytest.mark.parametrize("before", ["", TITLE, "echo welcome; ", "cd /; set +e; ", AS_SOMA])
def test_say_hello__gets_through(before, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert hello(before) is None


@pytest.mark.parametrize("what", HARMFUL)
def test_say_hello__names_the_start_up_files_at_once(what, monkeypatch):
    monkeypatch.setenv("SHELL", "/bin/bash")
    start = time.monotonic()
    error = hello(HARMFUL[what])
    assert time.monotonic() - start < 10
    assert error is not None
    assert "~/.bashrc" in str(error)
    assert "python" not in str(error)


def test_say_hello__says_what_came_in_its_place():
    assert "it said: only backups here" in str(hello(HARMFUL["ForceCommand"]))
    assert "ForceCommand" in str(hello(HARMFUL["ForceCommand"]))
    assert "it said: quota exceeded" in str(hello(HARMFUL["exit with a complaint"]))
    assert "ended with status 0" in str(hello(HARMFUL["exit"]))
    assert "took what was sent" in str(hello(HARMFUL["another shell"]))
    assert "reads nothing" in str(hello(HARMFUL["read"]))


def test_say_hello__does_not_wait_for_long(monkeypatch):
    monkeypatch.setattr(startup, "_SECONDS", 0.5)
    error = hello("sleep 40; ")
    assert error is not None
    assert "did not come back within 0.5 s" in error.cause
    assert "ssh ann@h1 echo hello" in error.cure


def test_say_hello__shows_no_escape_sequence():
    assert "\x1b" not in str(hello("printf '\\033]0;t\\007'; exit; "))


@given(st.text(), st.text(), st.dictionaries(st.text(), st.none() | st.text() | st.integers()))
def test_find_answer__finds_it_anywhere(before, after, value):
    said = before + json.dumps({"pyhrf_host": value}) + after
    if '{"pyhrf_host"' not in before:
        assert find_answer(said, "pyhrf_host") == value
    assert find_answer(before.replace("{", ""), "pyhrf_host") is None


def test_find_answer__passes_over_what_only_looks_like_one():
    said = '{"pyhrf_host" is what I say: {"pyhrf_host": 3}\x1b]0;title\x07'
    assert find_answer(said, "pyhrf_host") == 3


def test_run_marked__leaves_out_what_came_before():
    said = asyncio.run(run_marked(LocalShell(), "echo 12; exit 3", before=TITLE))
    assert (said.status, said.out) == (3, "12\n")


@pytest.mark.parametrize("login", ["plain", "title", "welcome", "latin"])
def test_probe__passes_over_what_start_up_files_do(login, port, tmp_path):
    python = tmp_path / "python"
    facts = {"versions": {}, "name": "h", "n_cores": 1, "free_memory": None, "niceness": 0}
    answer = json.dumps({"pyhrf_host": facts})
    python.write_text(f"#!/bin/sh\ncat >/dev/null\nprintf '%s and more' '{answer}'\n")
    python.chmod(0o755)
    assert (
        log_in(port, login, lambda c: probe(c, python_of_lan(c, str(python), 0), "h1")).name == "h"
    )


@pytest.mark.parametrize(("login", "kind"), [("title", "python"), ("exit", "login")])
def test_probe__blames_python_for_its_own_faults_alone(login, kind, port):
    start = time.monotonic()
    with pytest.raises(HostError) as caught:
        log_in(port, login, lambda c: probe(c, python_of_lan(c, "/nowhere/python", 0), "h1"))
    assert caught.value.kind == kind
    assert ("~/.bashrc" in str(caught.value)) == (kind == "login")
    assert time.monotonic() - start < 10


def test_there__gives_status_and_both_streams_and_ends_what_takes_too_long(port):
    async def work(connection: asyncssh.SSHClientConnection) -> None:
        there = RemoteShell(connection)
        said = await there.run("cat; echo no >&2; exit 3", text="heard")
        assert (said.status, said.out, said.err) == (3, "heard", "no\n")
        with pytest.raises(NoAnswerError, match=r"no answer within 0.3 s to the command: sleep 9"):
            await there.run("sleep 9", seconds=0.3)

    log_in(port, "plain", work)


def test_open_sftp__names_start_up_files_that_print(port, monkeypatch):
    monkeypatch.setattr(sftp, "_SECONDS", 2)
    with pytest.raises(HostError, match=r"SFTP does not start there .*\.bashrc\) print nothing"):
        log_in(port, "title", lambda c: open_sftp(c, "h1"))
