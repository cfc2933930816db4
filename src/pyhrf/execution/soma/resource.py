"""Steps of `check_cluster`: key, sacct, soma-workflow's database, a trivial job."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pyhrf.errors import EngineError
from pyhrf.execution.soma.client import SomaClient
from pyhrf.execution.soma.sacct import FIELDS, NAME
from pyhrf.execution.ssh.commands import quoted_path, shown_path
from pyhrf.execution.ssh.shells import AS_SOMA, Reply, Shell, run_marked

_DATABASE_SECONDS = 20
_POLL_SECONDS = 0.5
_OVER = ("done", "failed", "warning")


def check_key(login: str) -> None:
    """See that soma-workflow finds a key here: it knows fewer than ssh does.

    Raises
    ------
    EngineError
        If it finds none, or one that it cannot read.
    """
    import paramiko

    key = Path("~/.ssh/id_rsa").expanduser()
    if key.exists():
        try:
            paramiko.RSAKey.from_private_key_file(str(key))
        except (paramiko.SSHException, OSError, ValueError) as error:
            raise EngineError(
                f"soma-workflow cannot use {key}: {error}",
                "have ssh-agent hold it and move it away, or take its passphrase out; "
                f"run: ssh-keygen -p -m PEM -N '' -f {shown_path(key)}",
            ) from error
    elif not os.environ.get("SSH_AUTH_SOCK"):
        raise EngineError(
            f"soma-workflow finds no key: {key} is not there, and no ssh-agent runs",
            f"run: ssh-keygen -t rsa -b 4096 -m PEM -N '' -f {shown_path(key)} && "
            f"ssh-copy-id -i {shown_path(key)} {login}",
        )


async def check_sacct(shell: Shell, python: str) -> None:
    """See that sacct is the stand-in, and answers what soma-workflow asks.

    Slurm's own says of a job that was cancelled or preempted what soma-workflow takes for
    "suspended" or does not know, and in older versions nothing at all.

    Raises
    ------
    EngineError
        If jobs would stay "undetermined" or "suspended".
    """
    # A number that no job has yet: whoever knows it answers, if only by the head of the table.
    said = await run_marked(shell, f"sacct -j 1 -o {','.join(FIELDS)}", before=AS_SOMA)
    head = said.out.splitlines()[0].lower() if said.out.strip() else ""
    reason = said.reason
    if said.status == 0 and len(head.split()) == len(FIELDS):
        if is_stand_in(await shell.run(f"{AS_SOMA}sacct --version")):
            return
        reason = "it is Slurm's own, by which soma-workflow takes a cancelled job for one"
        reason += " that is suspended"
    raise EngineError(
        f"sacct there cannot say what soma-workflow asks of it ({reason}): its jobs would "
        "run, but it would not see all of them end",
        f"run there: {cure_of_sacct(python)}",
    )


def is_stand_in(said: Reply) -> bool:
    """Tell from the answer to ``sacct --version`` whether it is ``pyhrf-sacct``."""
    return said.status == 0 and NAME in said.out


def cure_of_sacct(python: str) -> str:
    """Say how ``pyhrf-sacct`` of an interpreter becomes ``sacct``."""
    folder = posixpath.dirname(python)
    stand_in = '"$(command -v pyhrf-sacct)"'
    if folder:
        stand_in = quoted_path(posixpath.join(folder, "pyhrf-sacct"))
    # A link may be there that leads nowhere any more, and the last line of the file may be open.
    return (
        "mkdir -p ~/bin && { [ ! -L ~/bin/sacct ] || rm ~/bin/sacct; } && "
        f"ln -s {stand_in} ~/bin/sacct && "
        "printf '\\nexport PATH=\"$HOME/bin:$PATH\"\\n' >> ~/.profile"
    )


def install_soma(python: str) -> str:
    """Write the command that installs the soma-workflow of this machine for an interpreter."""
    return f"{python} -m pip install 'soma-workflow[client]' soma-workflow=={soma_version()}"


def soma_version() -> str:
    """Return the version of soma-workflow here."""
    return version("soma-workflow")


async def start_database(
    shell: Shell, python: str, server_id: str, *, was: str, pid: int | None = None
) -> str:
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
    pid : int or None
        Process of that one, if it is known.

    Returns
    -------
    str
        What was done.

    Raises
    ------
    EngineError
        If it does not start, or one runs that does not answer.
    """
    command = f"{python} -m soma_workflow.start_database_server {shlex.quote(server_id)}"
    if was:
        raise EngineError(
            f"the database server there does not answer: {was}",
            "restart it; run there: "
            + (f"kill {pid}; sleep 1; " if pid else "")
            + f"nohup {command} >/dev/null 2>&1 &",
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
    said = await shell.run(AS_SOMA + wait, seconds=2 * _DATABASE_SECONDS)
    if said.status:
        raise EngineError(
            f"the database server does not start there: {said.reason}",
            "check that ~/.soma-workflow there is a folder that you can write, and what this says, "
            f"run there: {command}",
        )
    return f"was not there; started by: {command}"


@dataclass(frozen=True)
class Trial:
    """A trivial job.

    Attributes
    ----------
    what : str
        What it is, for a message.
    command : tuple of str
        Plain words.
    stderr : str
        File on the cluster for what it complains of.
    """

    what: str
    command: tuple[str, ...]
    stderr: str


async def try_jobs(
    client: SomaClient, shell: Shell, trials: Sequence[Trial], *, seconds: float
) -> str:
    """Send trivial jobs through soma-workflow and wait for them; the workflow is removed.

    Returns
    -------
    str
        What the jobs were doing when time was up; empty if they have ended.

    Raises
    ------
    EngineError
        If soma-workflow cannot be talked to, or a job failed.
    """
    jobs = [
        {
            "command": list(trial.command),
            "name": f"pyhrf_check_{number}",
            "stdout": trial.stderr.replace(".err", ".out"),
            "stderr": trial.stderr,
        }
        for number, trial in enumerate(trials, start=1)
    ]
    await asyncio.to_thread(client.connect)
    workflow = await asyncio.to_thread(client.submit, "pyhrf_check.1", jobs, None)
    try:
        states = await _wait(client, workflow, seconds)
    finally:
        await asyncio.to_thread(client.delete, workflow)
    for trial, state in zip(trials, states, strict=True):
        said = await run_marked(shell, f"tail -n 1 {shlex.quote(trial.stderr)} 2>/dev/null")
        if state == "failed" or (state == "done" and said.out.strip()):
            raise EngineError(
                f"{trial.what} failed: {said.out.strip() or 'without a word'}",
                "check that a job of the scheduler itself works there, on every node",
            )
        if state == "undetermined":
            raise EngineError(
                f"soma-workflow cannot find out what became of {trial.what} (undetermined)",
                "check that sacct there answers for a job that is over",
            )
    return next((state for state in states if state != "done"), "")


async def _wait(client: SomaClient, workflow: int, seconds: float) -> list[str]:
    """Give the state of each job when all are over, or time is up."""
    end = time.monotonic() + seconds
    while True:
        _, states = await asyncio.to_thread(client.status, workflow)
        if all(state in _OVER for state in states) or time.monotonic() > end:
            return states
        await asyncio.sleep(_POLL_SECONDS)
