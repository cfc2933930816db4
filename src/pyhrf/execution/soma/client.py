"""soma-workflow, spoken to through a child process, with a time limit on every answer."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from pyhrf.errors import ConfigError, EngineError
from pyhrf.execution.login import login_name
from pyhrf.execution.soma.folder import ClusterLostError

_SECONDS = 90.0
_END_SECONDS = 25.0
_DELETE_SECONDS = 180.0
"""soma-workflow gives itself 90 s for it."""
_CFG = "~/.soma-workflow.cfg"


class Resource:
    """A resource of soma-workflow: None for a private one on this machine."""

    def __init__(self, name: str | None, login: str | None = None) -> None:
        self.name, self.login = name, login
        self.mode, self.address = "light", None
        self.python = "python3"


class SomaClient:
    """Ask soma-workflow for things, one after the other.

    Parameters
    ----------
    resource : Resource
        What to connect to.
    folder : Path
        For the log of soma-workflow, and for its own files in light mode.

    Attributes
    ----------
    scheduler : str
        What soma-workflow calls the scheduler; empty before `connect`.
    """

    def __init__(self, resource: Resource, folder: Path) -> None:
        self._resource, self._folder = resource, folder
        self._process: subprocess.Popen[bytes] | None = None
        self._number = 0
        self._rest = b""
        self.scheduler = ""

    def configure(self) -> None:
        """Look the resource up in the configuration of soma-workflow.

        Raises
        ------
        ConfigError
            If it is not there, or not complete.
        """
        resource = self._resource
        if resource.name is None:
            return
        about = self._ask("configure", resource=resource.name)
        resource.mode, resource.address = about["mode"], about["address"]
        resource.python = about.get("python") or resource.python
        resource.login = resource.login or about["login"] or login_name()
        if resource.mode == "light":
            raise ConfigError(
                f"{about['file'] or _CFG}: the section [{resource.name}], which server_id of "
                "section [parallel-cluster] names, is not there or names no cluster: write "
                f"[{resource.name}] with cluster_address and submitting_machines into {_CFG}, or "
                "leave server_id empty to work on this machine"
            )

    def connect(self) -> None:
        """Connect to the resource, which starts soma-workflow there if it does not run.

        Raises
        ------
        EngineError
            With the cure.
        """
        resource = self._resource
        private = ""
        if resource.name is None:
            # The child of a client that was killed may still be ending in the folder that it had.
            private = tempfile.mkdtemp(prefix="soma-", dir=self._folder)
        self.scheduler = str(
            self._ask("connect", resource=resource.name, login=resource.login, folder=private)
        )

    def submit(self, name: str, jobs: list[dict[str, Any]], last: dict[str, Any] | None) -> int:
        """Submit a workflow; see `pyhrf.execution.soma.child.SomaSession.submit`."""
        return int(
            self._ask("submit", seconds=_SECONDS + len(jobs), name=name, jobs=jobs, last=last)
        )

    def find(self, name: str) -> dict[int, int]:
        """Find workflows and their rounds; see `pyhrf.execution.soma.child.SomaSession.find`."""
        return {int(workflow): int(number) for workflow, number in self._ask("find", name=name)}

    def status(self, workflow: int) -> tuple[str | None, list[str]]:
        """Tell the status of a workflow (None: there is none) and of its jobs."""
        answer = self._ask("status", workflow=workflow)
        return answer["workflow"], answer["jobs"]

    def ids(self, workflow: int) -> list[str]:
        """Tell what the scheduler calls the jobs of a workflow that have not ended."""
        return list(self._ask("ids", workflow=workflow))

    def delete(self, workflow: int) -> bool:
        """Stop a workflow and forget it; False if its jobs may still be running."""
        return bool(self._ask("delete", seconds=_DELETE_SECONDS, workflow=workflow))

    def reopen(self) -> None:
        """Connect anew, in a new child process.

        Raises
        ------
        ClusterLostError
            If the cluster cannot be reached.
        """
        self.close(seconds=0)
        self.connect()

    def close(self, *, seconds: float = _END_SECONDS) -> None:
        """End the child process; workflows on a cluster continue."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(OSError):
            process.stdin.close()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        with (self._folder / "soma.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "pyhrf.execution.soma.child"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for us
            )

    def _ask(self, what: str, *, seconds: float = _SECONDS, **arguments: Any) -> Any:
        if self._process is None:
            self._process, self._rest = self._start(), b""
        process = self._process
        assert process.stdin is not None
        self._number += 1
        request = {"number": self._number, "do": what, "arguments": arguments}
        try:
            with contextlib.suppress(BrokenPipeError):  # then there is no answer either
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            answer = self._answer(process, seconds)
        except (OSError, TimeoutError) as error:
            self.close(seconds=0)
            raise ClusterLostError(f"soma-workflow does not answer: {error}") from error
        if "error" in answer:
            raise self._error(what, answer["kind"], answer["error"])
        return answer["value"]

    def _answer(self, process: subprocess.Popen[bytes], seconds: float) -> dict[str, Any]:
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        while True:
            line, found, rest = self._rest.partition(b"\n")
            if found:
                self._rest = rest
                answer: dict[str, Any] = json.loads(line)
                if answer["number"] == self._number:
                    return answer
                continue  # to a question that was interrupted
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([process.stdout], [], [], left)[0]:
                raise TimeoutError(f"nothing was heard for {seconds:g} s")
            piece = os.read(process.stdout.fileno(), 65536)
            if not piece:
                raise OSError(f"its client ended ({self._last_words()})")
            self._rest += piece

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self._folder / "soma.log").read_text("utf-8", "replace").splitlines()
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def _error(self, what: str, kind: str, text: str) -> EngineError | ConfigError:
        name, address = self._resource.name, self._resource.address
        text = " ".join(text.split())
        if kind == "configuration":
            return ConfigError(
                f"{_CFG}: {text}: write a section [{name}] with cluster_address and "
                "submitting_machines there (server_id of section [parallel-cluster] names it)"
            )
        if what != "connect":
            return ClusterLostError(f"soma-workflow cannot do this ({what}): {text}")
        if kind == "login" or "authentification" in text or "RSA" in text or "ssh key" in text:
            return EngineError(
                f"soma-workflow cannot log in to {address} as {self._resource.login}: {text}; it "
                "takes only the key ~/.ssh/id_rsa (PEM format, without passphrase) or the first "
                "key of an agent, and port 22"
            )
        if "Cannot find soma" in text:
            return EngineError(
                f"{address}: soma-workflow is not found there, or the login shell prints errors: "
                "name a Python there that has pyhrf[cluster] as python_command in section "
                f"[{name}] of {_CFG}, and check that a login prints nothing; run: pyhrf check "
                "cluster"
            )
        return ClusterLostError(
            f"soma-workflow does not start on {address} ({text[:300]}); run pyhrf check cluster "
            f"for details, or look at what this says, run there: {self._resource.python} -m "
            f"soma_workflow.start_database_server {shlex.quote(str(name))}"
        )
