"""What the engine ``cluster`` refuses before any work: each with what to do."""

from __future__ import annotations

import re
import sys

from pyhrf.errors import ConfigError, EngineError
from pyhrf.execution.soma.cluster import Cluster
from pyhrf.execution.soma.folder import STEP_SECONDS, ClusterLostError
from pyhrf.execution.soma.notes import WorkflowNotes
from pyhrf.execution.soma.resource import cure_of_sacct, is_stand_in
from pyhrf.execution.ssh.python import Probe, Python, probe
from pyhrf.execution.ssh.shells import AS_SOMA, RemoteShell, Shell
from pyhrf.wording import named

SECTION = "section [parallel-cluster], key"
NOT_NEEDED = ("distributed", "dask", "cloudpickle")
"""Packages that other engines need."""
# soma-workflow passes the words of a command through bash.
_UNFIT = re.compile(r"[$`\\\"'\n]")


def check_words(cluster: Cluster, *, inside: bool) -> None:
    """Refuse names that bash or the scheduler would change on the way to a job.

    Raises
    ------
    ConfigError
    """
    folder = "the output directory" if inside else f"{SECTION} remote_path"
    if "%" in cluster.folder.path and not inside:
        raise ConfigError(
            f"{folder}: {cluster.folder.path} holds a %, which schedulers replace in the names of "
            "files: choose another name"
        )
    for what, text in ((folder, cluster.folder.path), (f"{SECTION} python", cluster.python)):
        if _UNFIT.search(text):
            raise ConfigError(
                f"{what}: {text} holds a quote, $, ` or a backslash, which soma-workflow does "
                "not pass on: choose another name"
            )


def check_versions(cluster: Cluster) -> None:
    """Refuse another version of what decides over the results.

    Raises
    ------
    EngineError
        If versions differ, or the interpreter cannot be run.
    """
    host = cluster.folder.host
    if not host and cluster.python == sys.executable:
        return
    cure = f"set python in {SECTION[:-5]} to an interpreter there that has pyhrf[cluster]"

    async def facts(shell: Shell) -> Probe:
        python = Python(shell, cluster.python, cure)
        if isinstance(shell, RemoteShell):
            return await probe(shell.connection, python, host)
        return await python.facts()

    where = f"server {host}" if host else "this machine"
    try:
        found = cluster.folder.ask(facts)
    except ClusterLostError:
        raise
    except EngineError as error:
        raise EngineError(f"{where}: {error.cause}", error.cure) from error
    differences = found.differences(but=NOT_NEEDED)
    if differences:
        raise EngineError(
            f"{where}: {cluster.python} has other versions than this Python: "
            f"{', '.join(differences)}: install the same ones there, or set python in section "
            "[parallel-cluster] to an interpreter that has them"
        )


def check_sacct_there(cluster: Cluster) -> None:
    """Refuse a Slurm whose ``sacct`` is not ``pyhrf-sacct``.

    Raises
    ------
    EngineError
        soma-workflow would wait for ever for a job that was cancelled.
    """
    if cluster.client.scheduler != "slurm":
        return
    asked = f"{AS_SOMA}sacct --version"
    said = cluster.folder.ask(lambda shell: shell.run(asked, seconds=STEP_SECONDS))
    if not is_stand_in(said):
        raise EngineError(
            f"{cluster.name}: soma-workflow would not see there that a job was cancelled or lost "
            f"(sacct is Slurm's own): run there: {cure_of_sacct(cluster.python)}"
        )


def check_same(notes: WorkflowNotes, key: str, new: str | None) -> None:
    """Refuse settings under which the workflow of an earlier run would not be found.

    Raises
    ------
    ConfigError
        Naming the old value.
    """
    old = notes.login if key == "user" else getattr(notes, key)
    if old != new:
        raise ConfigError(
            f"{SECTION} {key}: an earlier run of this output directory went to "
            f"{old or 'this machine (no value)'}, and {key} is {new or 'empty'} now: set it back, "
            f"then the same {named('command')} fetches its results, and {named('cancel')} stops it"
        )
