"""Whether ``-x cluster`` can work: both sides are looked at, a trivial job goes there and back."""

from __future__ import annotations

import asyncio
import configparser
import json
import os
import posixpath
import shlex
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from pyhrf.errors import PyhrfError
from pyhrf.execution.check_steps import Check, Fault, Step, go_through
from pyhrf.execution.login import login_name
from pyhrf.execution.queues.schedulers import SCHEDULERS
from pyhrf.execution.remote import host_folder
from pyhrf.execution.remote.shells import AS_SOMA, Here, Shell, There
from pyhrf.execution.remote.ssh import HostError, connect, python_command
from pyhrf.execution.soma import facts as cluster_facts
from pyhrf.execution.soma.client import Resource, SomaClient
from pyhrf.execution.soma.resource import (
    Trial,
    ask_python,
    check_key,
    check_sacct,
    start_database,
    try_jobs,
)

__all__ = ["ClusterSection", "check_cluster"]

SECTION = "section [parallel-cluster] of ~/.pyhrf/config.cfg"
_PACKAGES = ("asyncssh", "soma_workflow", "paramiko", "zmq")
_UNIMPORTANT = ("distributed", "dask", "cloudpickle")
"""Packages that other engines need."""
_STEP_SECONDS = 60
_JOB_SECONDS = 120


class ClusterSection(Protocol):
    """The settings that are checked; see `pyhrf.config.settings.ClusterSettings`."""

    @property
    def server_id(self) -> str | None: ...  # noqa: D102 - described there
    @property
    def server(self) -> str | None: ...  # noqa: D102 - described there
    @property
    def user(self) -> str | None: ...  # noqa: D102 - described there
    @property
    def remote_path(self) -> str | None: ...  # noqa: D102 - described there
    @property
    def python(self) -> str | None: ...  # noqa: D102 - described there
    @property
    def client_host(self) -> str | None: ...  # noqa: D102 - described there


def check_cluster(
    settings: ClusterSection, *, timeout: float = 10, job_seconds: float = _JOB_SECONDS
) -> Check:
    """Try everything that ``-x cluster`` needs, in order, up to the first thing that fails.

    Nothing is left behind but soma-workflow's own servers, which every use of it starts.

    Parameters
    ----------
    settings : ClusterSection
        Section ``[parallel-cluster]``.
    timeout : float
        Seconds to wait for an answer over ssh.
    job_seconds : float
        Seconds to wait for the trivial job; a job that still waits in the queue then is no fault.

    Returns
    -------
    Check
    """
    return asyncio.run(_check(settings, timeout, job_seconds))


async def _check(settings: ClusterSection, timeout: float, job_seconds: float) -> Check:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="pyhrf-check-"))
        visit = _Visit(settings, stack, timeout, job_seconds, Path(folder))
        actions = {"installed here": visit.installed, "settings": visit.complete}
        if settings.server_id:
            actions["soma-workflow's file here"] = visit.own_file
            actions["ssh"] = visit.log_in
            actions["login is silent"] = visit.silence
            actions["python and versions"] = visit.versions
            actions["soma-workflow there"] = visit.soma
            actions["soma-workflow's file there"] = visit.file_there
            actions["scheduler"] = visit.scheduler
        elif visit.python != sys.executable:
            actions["python and versions"] = visit.versions
        if settings.remote_path:
            actions["remote_path"] = visit.folder
        if settings.client_host:
            actions["ssh back"] = visit.way_back
        if settings.server_id:
            actions["database server"] = visit.database
        actions["a job, there and back"] = visit.job
        visit.check.steps += [Step(name) for name in actions]
        await go_through(
            visit.check, list(actions.values()), seconds=_STEP_SECONDS + 2 * job_seconds
        )
        return visit.check


class _Visit:
    """The cluster, for as long as the check takes."""

    def __init__(
        self,
        settings: ClusterSection,
        stack: AsyncExitStack,
        timeout: float,
        job_seconds: float,
        folder: Path,
    ) -> None:
        self.settings, self._stack, self._timeout = settings, stack, timeout
        self._job_seconds = job_seconds
        self._place = settings.remote_path or str(folder)
        self._resource = Resource(settings.server_id, settings.user)
        self._client = SomaClient(self._resource, folder)
        stack.callback(self._client.close)
        what = f"the cluster {settings.server_id}" if settings.server_id else "this machine"
        self.check = Check(what, [])
        self.python = settings.python or sys.executable
        self.shell: Shell = Here()
        self._own: Mapping[str, str] = {}
        self._facts: dict[str, Any] = {}
        self._note = f".pyhrf-check-{uuid.uuid4().hex[:12]}"

    # --- here

    async def installed(self) -> str:
        missing = [name for name in _PACKAGES if find_spec(name) is None]
        if missing:
            raise Fault(
                f"{' and '.join(missing)} cannot be imported by {sys.executable}",
                "run: pip install 'pyhrf[cluster]'",
            )
        return f"soma-workflow {_soma_version()}"

    async def complete(self) -> str:
        settings = self.settings
        if not settings.server_id:
            if given := [name for name in ("server", "user") if getattr(settings, name)]:
                raise Fault(
                    f"{' and '.join(given)} are set, but not server_id"
                    if len(given) > 1
                    else f"{given[0]} is set, but not server_id",
                    "write server_id = NAME, the name of the cluster's section in "
                    f"~/.soma-workflow.cfg, in {SECTION}",
                )
            self.check.notes.append(
                f"server_id is not set in {SECTION}: -x cluster works on this machine alone "
                "(soma-workflow's light mode)"
            )
            return "this machine (light mode)"
        names = ("localhost", socket.gethostname(), socket.gethostname().partition(".")[0])
        if settings.server_id in names:
            raise Fault(
                f"server_id = {settings.server_id} is what soma-workflow calls this machine",
                f"give the cluster another name, in {SECTION}, in ~/.soma-workflow.cfg here and "
                "in the one there",
            )
        if not settings.remote_path:
            raise Fault("remote_path is not set", f"write it in {SECTION}")
        return settings.server_id

    async def own_file(self) -> str:
        server_id = str(self.settings.server_id)
        path = Path(os.environ.get("SOMA_WORKFLOW_CONFIG") or "~/.soma-workflow.cfg").expanduser()
        address = self.settings.server or "CLUSTER"
        cure = (
            f"write there: [{server_id}], cluster_address = {address}, "
            f"submitting_machines = {address}, each on a line of its own"
        )
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(path.read_text("utf-8"), source=str(path))
        except FileNotFoundError:
            raise Fault(f"{path} is not there", cure) from None
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            text = " ".join(str(error).split())
            raise Fault(f"{path} cannot be read: {text}", "correct it") from error
        if not parser.has_section(server_id):
            raise Fault(f"{path} has no section [{server_id}]", cure)
        self._own = dict(parser[server_id])
        missing = [k for k in ("cluster_address", "submitting_machines") if k not in self._own]
        if missing:
            raise Fault(f"{path}, section [{server_id}]: {' and '.join(missing)} missing", cure)
        try:
            await asyncio.to_thread(self._client.configure)
        except PyhrfError as error:
            raise Fault(str(error), "") from error
        login = self._own.get("login")
        if login and login != self._resource.login:
            self.check.notes.append(
                f"{path} says login = {login}, {SECTION} says user = {self.settings.user}: the "
                "latter is used, but soma_workflow_gui without -u uses the former"
            )
        return str(path)

    # --- there

    async def log_in(self) -> str:
        if self._resource.mode != "remote":
            return "not needed: the cluster's login node is this machine"
        server, user = self._server, self._resource.login
        try:
            connection = await connect(server, user=user, timeout=self._timeout)
        except HostError as error:
            cure = f"correct server in {SECTION}" if error.kind == "name" else error.cure
            raise Fault(f"{user}@{server}: {error.cause}", cure) from error
        self._stack.callback(connection.close)
        self.shell = There(connection)
        check_key(f"{user}@{server}")
        return f"{user}@{server}"

    @property
    def _server(self) -> str:
        return self.settings.server or self._resource.address or "this machine"

    async def silence(self) -> str:
        said = await self.shell.run(AS_SOMA + "true")
        if said.err.strip():
            raise Fault(
                f"the login there writes to standard error ({said.reason}), which soma-workflow "
                "takes for a failure",
                "have ~/.profile, ~/.bash_profile and ~/.bashrc there write nothing when nobody "
                "sits before them, or send it to /dev/null",
            )
        return "yes"

    async def versions(self) -> str:
        cure = (
            f"set python in {SECTION} to an interpreter there that has pyhrf[cluster], or install "
            "it there: python3 -m venv ENV && ENV/bin/pip install 'pyhrf[cluster]'"
        )
        found = await ask_python(self.shell, self.python, cure=cure)
        different = found.differences(but=_UNIMPORTANT)
        if different:
            raise Fault(
                f"versions differ: {', '.join(different)}", f"install the same there; or {cure}"
            )
        return f"Python {found.versions['python']}, pyhrf {found.versions['pyhrf']}"

    async def soma(self) -> str:
        """Look at soma-workflow as its own client does: by the name of an interpreter."""
        name = self._own.get("python_command") or Path(sys.executable).name
        if name == "python":
            name = "python3"
        server_id = shlex.quote(str(self.settings.server_id))
        source = Path(cluster_facts.__file__).read_text("utf-8")
        said = await self.shell.run(f"{AS_SOMA}{name} - {server_id}", text=source)
        own = (
            f"write python_command = {self.python} in section [{self.settings.server_id}] of "
            "~/.soma-workflow.cfg here"
        )
        line = next((x for x in said.out.splitlines() if x.startswith('{"pyhrf_cluster"')), None)
        if line is None:
            raise Fault(
                f"soma-workflow starts its servers there by {name!r}, which fails: {said.reason}",
                own,
            )
        self._facts = json.loads(line)["pyhrf_cluster"]
        there = self._facts["soma_workflow"]
        if there is None:
            raise Fault(
                f"{name!r} there (Python {self._facts['python']}) has no soma-workflow",
                f"{own}, or run there: {name} -m pip install 'soma-workflow[client]'",
            )
        if there != _soma_version():
            raise Fault(
                f"soma-workflow is {there} there, {_soma_version()} here",
                f"install the same version on both sides, or {own}",
            )
        self.soma_python = name
        return f"{there}, started by {name}"

    async def file_there(self) -> str:
        facts, server_id = self._facts, self.settings.server_id
        address = self._own["cluster_address"]
        cure = (
            f"write into ~/.soma-workflow.cfg there: [{server_id}], server_name = {server_id}_db, "
            f"scheduler_type = slurm (or pbspro), cluster_address = {address}, "
            f"submitting_machines = {address}, each on a line of its own"
        )
        if facts["file"] is None:
            raise Fault("~/.soma-workflow.cfg is not there on the cluster", cure)
        where = f"{facts['file']} on the cluster"
        section = facts["section"]
        if section is None:
            raise Fault(f"{where} has no section [{server_id}]", cure)
        needed = ("server_name", "cluster_address", "submitting_machines", "scheduler_type")
        if missing := [key for key in needed if key not in section]:
            raise Fault(f"{where}, section [{server_id}]: {' and '.join(missing)} missing", cure)
        if self._facts["hostname"] == server_id:
            raise Fault(
                f"server_id = {server_id} is the host name of the cluster, which soma-workflow "
                "takes for light mode there",
                "give the resource another name on both sides",
            )
        return f"{where}, scheduler_type = {section['scheduler_type']}"

    async def scheduler(self) -> str:
        kind = self._facts["section"]["scheduler_type"]
        scheduler = SCHEDULERS.get({"pbspro": "pbs"}.get(kind, kind))
        if scheduler is None:  # local_basic, or DRMAA, which only the job can try
            return f"{kind}: tried by the job below"
        said = await self.shell.run(AS_SOMA + scheduler.question)
        if said.status:
            raise Fault(
                f"{scheduler.title} does not answer there ({scheduler.question}): {said.reason}",
                "see that its programs are on the PATH of that login, and that the cluster is up",
            )
        if kind == "slurm":
            await check_sacct(self.shell, self.python)
        return f"{scheduler.title} answers"

    async def folder(self) -> str:
        folder = str(self.settings.remote_path)
        reason, cure = await self._in_folder("write", self._place, self._note)
        if reason:
            login = ""
            if isinstance(self.shell, There):
                login = f"ssh {self._resource.login}@{self._server} "
            raise Fault(
                f"remote_path {folder} cannot be written there: {reason}",
                host_folder.cure_there(cure, make=f"{login}mkdir -p {folder}", section=SECTION),
            )
        await self._in_folder("remove", self._place, self._note)
        home, slash, rest = folder.partition("/")
        path = f"~/{shlex.quote(rest)}" if home == "~" and slash else shlex.quote(folder)
        self._place = (await self.shell.run(f"cd {path} && pwd")).out.strip() or folder
        return self._place

    async def _in_folder(self, action: str, *words: str) -> Any:
        """Have the cluster do something in a folder, as `remote.host_folder` can."""
        words = ("-m", host_folder.MODULE, action, *words)
        said = await self.shell.run(python_command(self.python, *words, niceness=0))
        for line in said.out.splitlines():
            if line.startswith('{"pyhrf_folder"'):
                return json.loads(line)["pyhrf_folder"]
        raise Fault(f"{self.python} cannot be run: {said.reason}", f"set python in {SECTION}")

    def _back(self) -> list[str]:
        host = str(self.settings.client_host)
        login = host if "@" in host else f"{login_name()}@{host}"
        return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", login, "true"]

    async def way_back(self) -> str:
        words = self._back()
        said = await self.shell.run(shlex.join(words))
        if said.status:
            raise Fault(
                f"client_host: the cluster cannot log in to {words[-2]}: {said.reason}",
                f"run there: ssh-copy-id {words[-2]} && {shlex.join(words)}; this machine needs an "
                "ssh server (apt install openssh-server); or leave client_host out: the results "
                "are fetched then",
            )
        return words[-2]

    async def database(self) -> str:
        server_id = str(self.settings.server_id)
        if self._facts["database"] == "answers":
            return "answers"
        return await start_database(
            self.shell, self.soma_python, server_id, was=str(self._facts["database"])
        )

    async def job(self) -> str:
        start = time.monotonic()
        folder = self._place
        if problem := await self._in_folder("cache"):
            self.check.notes.append(problem)
        errors = posixpath.join(folder, f"{self._note}-{{}}.err")
        write = (
            self.python,
            "-m",
            host_folder.MODULE,
            "write",
            folder,
            self._note,
        )
        trials = [Trial("a trivial job", write, errors.format(1))]
        if self.settings.client_host:
            what = "a job that logs in to client_host from a node"
            trials.append(Trial(what, tuple(self._back()), errors.format(2)))
        try:
            doing = await try_jobs(self._client, self.shell, trials, seconds=self._job_seconds)
            there = await self._in_folder("read", folder, self._note)
        finally:
            await self.shell.run(f"rm -f {shlex.quote(posixpath.join(folder, self._note))}*")
        if doing:
            self.check.notes.append(
                f"the trivial job was still {doing.replace('_', ' ')} after "
                f"{self._job_seconds:.0f} s, and was taken back: the queue may be long"
            )
            return "waits in the queue"
        if there != [self._note]:
            raise Fault(
                f"what a job wrote into remote_path {folder} is not seen from the login node",
                f"set remote_path in {SECTION} to a folder that the nodes share with it",
            )
        return f"{time.monotonic() - start:.1f} s"


def _soma_version() -> str:
    from importlib.metadata import version

    return version("soma-workflow")
