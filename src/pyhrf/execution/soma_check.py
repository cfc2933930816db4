"""Steps of `check_cluster`: interpreter and key, sacct, soma-workflow's database, a trivial job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import posixpath
import re
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pyhrf.execution import host_facts
from pyhrf.execution.check_steps import Fault
from pyhrf.execution.sacct import FIELDS
from pyhrf.execution.shells import Shell
from pyhrf.execution.ssh import Probe, python_command

__all__ = ["AS_SOMA", "ask_python", "check_key", "check_sacct", "start_database", "try_jobs"]

AS_SOMA = "".join(
    f"[ -f ~/{name} ] && . ~/{name}; " for name in (".profile", ".bash_profile", ".bashrc")
)
"""What soma-workflow's client has the shell of a cluster do before each command."""

_OLDEST = (3, 11)
_CONNECT_SECONDS = 60
_DATABASE_SECONDS = 20
_UNDETERMINED = "undetermined"


async def ask_python(shell: Shell, python: str, *, cure: str) -> Probe:
    """Ask an interpreter for its versions.

    Raises
    ------
    Fault
        If it cannot be run, or is too old to answer.
    """
    source = Path(host_facts.__file__).read_text("utf-8")
    said = await shell.run(python_command(python, "-", niceness=0), text=source)
    for line in said.out.splitlines():  # a login shell may print lines of its own
        if line.startswith('{"pyhrf_host"'):
            return Probe(**json.loads(line)["pyhrf_host"])
    cause = f"{python} cannot be run there: {said.reason}"
    version = await shell.run(f"{shlex.quote(python)} -V")
    match = re.search(r"Python (\d+)\.(\d+)\S*", version.out + version.err)
    if match and (int(match[1]), int(match[2])) < _OLDEST:
        cause = f"{python} there is {match[0]}: PyHRF needs 3.11 or newer"
    raise Fault(cause, cure)


def check_key(login: str) -> None:
    """See that soma-workflow finds a key here: it knows fewer than ssh does.

    Raises
    ------
    Fault
        If it finds none, or one that it cannot read.
    """
    import paramiko

    key = Path("~/.ssh/id_rsa").expanduser()
    if key.exists():
        try:
            paramiko.RSAKey.from_private_key_file(str(key))
        except (paramiko.SSHException, OSError, ValueError) as error:
            raise Fault(
                f"soma-workflow cannot use {key}: {error}",
                f"run: ssh-keygen -p -m PEM -N '' -f {key}; or move it away and use ssh-agent",
            ) from error
    elif not os.environ.get("SSH_AUTH_SOCK"):
        raise Fault(
            f"soma-workflow finds no key: {key} is not there, and no ssh-agent runs",
            f"run: ssh-keygen -t rsa -b 4096 -m PEM -f {key} && ssh-copy-id -i {key} {login}",
        )


async def check_sacct(shell: Shell, python: str) -> None:
    """See that sacct answers what soma-workflow asks.

    Raises
    ------
    Fault
        If jobs would stay "undetermined".
    """
    # A number that no job has yet: whoever knows it answers, if only by the head of the table.
    said = await shell.run(f"{AS_SOMA}sacct -j 1 -o {','.join(FIELDS)}")
    head = said.out.splitlines()[0].lower() if said.out.strip() else ""
    if said.status == 0 and len(head.split()) == len(FIELDS):
        return
    stand_in = posixpath.join(posixpath.dirname(python), "pyhrf-sacct")
    raise Fault(
        f"sacct there cannot say what soma-workflow asks of it ({said.reason}): its jobs would "
        "run, but it would never see them end",
        f"run there: mkdir -p ~/bin && ln -s {stand_in} ~/bin/sacct && "
        "echo 'export PATH=$HOME/bin:$PATH' >> ~/.bashrc",
    )


async def start_database(shell: Shell, python: str, server_id: str, *, was: str) -> str:
    """Start soma-workflow's database server, which is not there.

    Parameters
    ----------
    shell : Shell
        On the cluster.
    python : str
        Interpreter of soma-workflow there.
    server_id : str
        Resource.
    was : str
        Why one that runs does not answer; empty if none runs.

    Returns
    -------
    str
        What was done.

    Raises
    ------
    Fault
        If it does not start, or one runs that does not answer.
    """
    command = f"{python} -m soma_workflow.start_database_server {shlex.quote(server_id)}"
    if was:
        raise Fault(
            f"the database server there does not answer: {was}",
            f"end it there (pkill -u $USER -f start_database_server) and start it: {command} &",
        )
    # It stays in the foreground and says one line when it is ready.
    wait = (
        "log=$(mktemp); "
        f"setsid nohup {command} >$log 2>&1 </dev/null & "
        f"for i in $(seq {_DATABASE_SECONDS * 5}); do "
        "  grep -q ': .*:.*:[0-9]' $log && { rm -f $log; echo started; exit 0; }; "
        "  kill -0 $! 2>/dev/null || break; sleep 0.2; done; "
        "tail -n 1 $log >&2; kill $! 2>/dev/null; rm -f $log; exit 1"
    )
    said = await shell.run(AS_SOMA + wait)
    if said.status:
        raise Fault(
            f"the database server does not start there: {said.reason}",
            f"see what it says: {command}; and that ~/.soma-workflow there is a folder that you "
            "can write",
        )
    return f"was not there; started by: {command}"


async def try_jobs(
    jobs: Sequence[Sequence[str]],
    *,
    resource: str | None,
    login: str | None,
    seconds: float,
    notes: list[str],
) -> float | None:
    """Send trivial jobs through soma-workflow and wait for them.

    Parameters
    ----------
    jobs : sequence of sequence of str
        Command lines.
    resource, login : str or None
        As in the settings; without a resource this machine.
    seconds : float
        How long to wait for them.
    notes : list of str
        A job that still waits is noted here.

    Returns
    -------
    float or None
        Seconds that it took; None if the queue is too long to tell.

    Raises
    ------
    Fault
        If soma-workflow cannot be talked to, or a job failed.
    """
    start = time.monotonic()
    given = {
        "resource": resource,
        "login": login,
        "jobs": [list(job) for job in jobs],
        "seconds": seconds,
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pyhrf.execution.soma_trial"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(given).encode() + b"\n")
        await process.stdin.drain()
        await _hear(process.stdout, _CONNECT_SECONDS, login=login, resource=resource)
        message = await _hear(process.stdout, seconds + 30, login=login, resource=resource)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return _judge(message["jobs"], time.monotonic() - start, notes)


async def _hear(
    stream: asyncio.StreamReader, seconds: float, *, login: str | None, resource: str | None
) -> dict[str, Any]:
    """Wait for the next message of the child."""
    cure = (
        'see what soma-workflow itself says: python -c "from soma_workflow.client import '
        f'WorkflowController; WorkflowController({resource!r}, {login!r})"'
    )
    try:
        async with asyncio.timeout(seconds):
            line = await stream.readline()
    except TimeoutError:
        raise Fault(f"soma-workflow does not answer within {seconds:g} s", cure) from None
    message: dict[str, Any] = json.loads(line) if line.strip() else {"error": "it ended"}
    if "error" in message:
        text = " ".join(str(message["error"]).split())
        raise Fault(f"soma-workflow cannot be used: {text}", cure)
    return message


def _judge(outcomes: Sequence[dict[str, str]], seconds: float, notes: list[str]) -> float | None:
    """Say whether all jobs are done; a job that still waits is noted."""
    for number, outcome in enumerate(outcomes, start=1):
        state, said = outcome["state"], outcome["stderr"].strip().splitlines()
        if state == "done":
            continue
        if state == _UNDETERMINED:
            raise Fault(
                "soma-workflow cannot find out what became of a job (undetermined)",
                "see that sacct there answers: the step scheduler says how",
            )
        if state == "failed":
            reason = said[-1] if said else "without a word"
            what = "job" if number == 1 else "job that logs in to client_host from a node"
            raise Fault(
                f"a trivial {what} failed: {reason}",
                "see that a job of the scheduler itself works there, on every node, with the same "
                "python",
            )
        notes.append(
            f"the trivial job was still {state.replace('_', ' ')} after {seconds:.0f} s, and was "
            "taken back: the queue may be long"
        )
        return None
    return seconds
