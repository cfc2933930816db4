"""Whether the engine ``cluster`` can work: a trivial job goes there and back, over all it needs."""

from __future__ import annotations

import asyncio
import contextlib
import posixpath
import shlex
import socket
import sys
import time
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pyhrf.config.settings import ClusterSettings
from pyhrf.errors import EngineError
from pyhrf.execution.check_steps import Check, Step, check_extra, go_through
from pyhrf.execution.queues.schedulers import known_to_soma
from pyhrf.execution.soma import facts as cluster_facts
from pyhrf.execution.soma.client import Resource, SomaClient
from pyhrf.execution.soma.resource import (
    Trial,
    check_key,
    check_sacct,
    install_soma,
    soma_version,
    start_database,
    try_jobs,
)
from pyhrf.execution.soma.sections import check_section_there, read_section_here
from pyhrf.execution.soma.setup import NOT_NEEDED
from pyhrf.execution.soma.way_back import check_way_back, ssh_back
from pyhrf.execution.ssh import host_folder
from pyhrf.execution.ssh.commands import folder_cure, ssh_login
from pyhrf.execution.ssh.connection import connect
from pyhrf.execution.ssh.forwarding import check_forwarding_there
from pyhrf.execution.ssh.python import Python, check_startup
from pyhrf.execution.ssh.refusals import HostError
from pyhrf.execution.ssh.sftp import open_sftp
from pyhrf.execution.ssh.shells import AS_SOMA, LocalShell, RemoteShell, Shell, find_answer
from pyhrf.execution.ssh.startup import say_hello

SECTION = "section [parallel-cluster] of ~/.pyhrf/config.cfg"
_STEP_SECONDS = 60
_JOB_SECONDS = 120


def check_cluster(
    settings: ClusterSettings, *, timeout: float = 10, job_seconds: float = _JOB_SECONDS
) -> Check:
    """Try everything that the engine needs, in order, up to the first thing that fails.

    Nothing is left behind but soma-workflow's own servers, which every use of it starts.

    Parameters
    ----------
    settings : ClusterSettings
        Section ``[parallel-cluster]``.
    timeout : float
        Seconds to wait for an answer over ssh.
    job_seconds : float
        Seconds to wait for the trivial job; a job that still waits in the queue then is no fault.
    """
    return asyncio.run(_check(settings, timeout, job_seconds))


async def _check(settings: ClusterSettings, timeout: float, job_seconds: float) -> Check:
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="pyhrf-check-"))
        visit = _ClusterVisit(settings, stack, timeout, job_seconds, Path(folder))
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
        visit.check.steps[-1].seconds = _STEP_SECONDS + 2 * job_seconds
        await go_through(visit.check, list(actions.values()), seconds=_STEP_SECONDS)
        return visit.check


class _ClusterVisit:
    """The cluster, for as long as the check takes."""

    def __init__(
        self,
        settings: ClusterSettings,
        stack: AsyncExitStack,
        timeout: float,
        job_seconds: float,
        folder: Path,
    ) -> None:
        self.settings, self._stack, self._timeout = settings, stack, timeout
        self._job_seconds = job_seconds
        self._folder = settings.remote_path or str(folder)
        self._resource = Resource(settings.server_id, settings.user)
        self._client = SomaClient(self._resource, folder)
        stack.callback(self._client.close)
        what = f"the cluster {settings.server_id}" if settings.server_id else "this machine"
        self.check = Check(what, [])
        self.python = settings.python or sys.executable
        self.shell: Shell = LocalShell()
        self._own: Mapping[str, str] = {}
        self._facts: dict[str, Any] = {}
        self._note = f".pyhrf-check-{uuid.uuid4().hex[:12]}"

    @property
    def _python(self) -> Python:
        cure = (
            f"set python in {SECTION} to an interpreter there that has pyhrf[cluster]; how to "
            "install it is on the page On a cluster"
        )
        return Python(self.shell, self.python, cure)

    # --- here

    async def installed(self) -> str:
        check_extra("cluster")
        return f"soma-workflow {soma_version()}"

    async def complete(self) -> str:
        settings = self.settings
        if not settings.server_id:
            if given := [name for name in ("server", "user") if getattr(settings, name)]:
                raise EngineError(
                    f"{' and '.join(given)} are set, but not server_id"
                    if len(given) > 1
                    else f"{given[0]} is set, but not server_id",
                    "write server_id = NAME, the name of the cluster's section in "
                    f"~/.soma-workflow.cfg, in {SECTION}",
                )
            self.check.notes.append(
                f"server_id is not set in {SECTION}: the engine works on this machine alone "
                "(soma-workflow's light mode)"
            )
            return "this machine (light mode)"
        names = ("localhost", socket.gethostname(), socket.gethostname().partition(".")[0])
        if settings.server_id in names:
            raise EngineError(
                f"server_id = {settings.server_id} is what soma-workflow calls this machine",
                f"give the cluster another name, in {SECTION}, in ~/.soma-workflow.cfg here and "
                "in the one there",
            )
        if not settings.remote_path:
            raise EngineError("remote_path is not set", f"write it in {SECTION}")
        return settings.server_id

    async def own_file(self) -> str:
        address = self.settings.server or "CLUSTER"
        path, self._own = read_section_here(str(self.settings.server_id), address)
        await asyncio.to_thread(self._client.configure)
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
            raise EngineError(f"{user}@{server}: {error.cause}", cure) from error
        self._stack.callback(connection.close)
        self.shell = RemoteShell(connection)
        try:
            await check_startup(connection, f"{user}@{server}")
            purpose = "through which soma-workflow talks"
            await check_forwarding_there(connection, server, purpose)
        except HostError as error:
            raise EngineError(f"{user}@{server}: {error.cause}", error.cure) from error
        check_key(ssh_login(server, user))
        return f"{user}@{server}"

    @property
    def _server(self) -> str:
        return self.settings.server or self._resource.address or "this machine"

    async def silence(self) -> str:
        files = "~/.profile, ~/.bash_profile and ~/.bashrc there"
        try:
            heard = await say_hello(self.shell, before=AS_SOMA, files=files)
        except EngineError as fault:
            raise EngineError(
                fault.cause, f"soma-workflow reads all of them: {fault.cure}"
            ) from fault
        cure = f"have {files} write nothing in shells without a terminal, or send it to /dev/null"
        if lines := heard.err.strip().splitlines():
            raise EngineError(
                f"the login there writes to standard error ({lines[-1].strip()}), which "
                "soma-workflow treats as a failure",
                cure,
            )
        if heard.before and not heard.before.endswith("\n"):
            raise EngineError(
                "the login there writes a line without an end, such as a terminal title "
                f"({heard.before.splitlines()[-1]!r}), which garbles what soma-workflow hears",
                cure,
            )
        return "yes"

    async def versions(self) -> str:
        found = await self._python.facts()
        if different := found.differences(but=NOT_NEEDED):
            cure = f"install the same there; or {self._python.cure}"
            raise EngineError(f"versions differ: {', '.join(different)}", cure)
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
        self._facts = find_answer(said.out, "pyhrf_cluster")
        if self._facts is None:
            raise EngineError(
                f"soma-workflow starts its servers there by {name!r}, which fails: {said.reason}",
                own,
            )
        there = self._facts["soma_workflow"]
        if there is None:
            raise EngineError(
                f"{name!r} there (Python {self._facts['python']}) has no soma-workflow",
                f"{own}, or run there: {install_soma(name)}",
            )
        if there != soma_version():
            raise EngineError(
                f"soma-workflow is {there} there, {soma_version()} here",
                f"{own}, or run there: {install_soma(name)}",
            )
        self.soma_python = name
        return f"{there}, started by {name}"

    async def file_there(self) -> str:
        server_id = str(self.settings.server_id)
        return check_section_there(self._facts, server_id, self._own["cluster_address"])

    async def scheduler(self) -> str:
        kind = self._facts["section"]["scheduler_type"]
        scheduler = known_to_soma(kind)
        if scheduler is None:  # local_basic, or DRMAA, which only the job can try
            return f"{kind}: tried by the job below"
        said = await self.shell.run(AS_SOMA + scheduler.question)
        if said.status:
            raise EngineError(
                f"{scheduler.title} does not answer there ({scheduler.question}): {said.reason}",
                "check that its programs are on the PATH of that login, and that the cluster is up",
            )
        if kind == "slurm":
            await check_sacct(self.shell, self.python)
        return f"{scheduler.title} answers"

    async def folder(self) -> str:
        folder = str(self.settings.remote_path)
        reason, remedy = await self._python.folder("write", self._folder, self._note)
        if reason:
            login = None
            if isinstance(self.shell, RemoteShell):
                login = ssh_login(self._server, self._resource.login)
            raise EngineError(
                f"remote_path {folder} cannot be written there: {reason}",
                folder_cure(folder, remedy, login=login, section=SECTION),
            )
        await self._python.folder("remove", self._folder, self._note)
        self._folder = str(await self._python.folder("locate", self._folder, self._note))
        if isinstance(self.shell, RemoteShell):  # by which the engine sends and fetches
            (await open_sftp(self.shell.connection, self._server)).exit()
        return self._folder

    async def way_back(self) -> str:
        return await check_way_back(self.shell, str(self.settings.client_host))

    async def database(self) -> str:
        server_id = str(self.settings.server_id)
        if self._facts["database"] == "answers":
            return "answers"
        return await start_database(
            self.shell,
            self.soma_python,
            server_id,
            was=str(self._facts["database"]),
            pid=self._facts["database_pid"],
        )

    async def job(self) -> str:
        start = time.monotonic()
        folder = self._folder
        with contextlib.suppress(OSError, EngineError):
            if problem := await self._python.folder("cache"):
                self.check.notes.append(f"on the cluster: {problem}")
        errors = posixpath.join(folder, f"{self._note}-{{}}.err")
        write = (self.python, "-m", host_folder.MODULE, "write", folder, self._note)
        trials = [Trial("a trivial job", write, errors.format(1))]
        if self.settings.client_host:
            what = "a job that logs in to client_host from a node"
            back = (*ssh_back(self.settings.client_host), "true")
            trials.append(Trial(what, back, errors.format(2)))
        try:
            doing = await try_jobs(self._client, self.shell, trials, seconds=self._job_seconds)
            there = await self._python.folder("read", folder, self._note)
        finally:
            await self.shell.run(f"rm -f {shlex.quote(posixpath.join(folder, self._note))}*")
        if doing:
            self.check.notes.append(
                f"the trivial job was still {doing.replace('_', ' ')} after "
                f"{self._job_seconds:.0f} s, and was withdrawn: the queue may be long"
            )
            return "waits in the queue"
        if there != [self._note]:
            raise EngineError(
                f"what a job wrote into remote_path {folder} is not seen from the login node",
                f"set remote_path in {SECTION} to a folder that the nodes share with it",
            )
        return f"{time.monotonic() - start:.1f} s"
