"""Talks to soma-workflow, in a process of its own: its client does not end when it should.

Requests and answers are lines of JSON on the standard streams. When the standard input ends, so
does this process: a workflow on a cluster continues; one of this machine (light mode) has no other
home than this process, and is stopped.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

_END_SECONDS = 20.0
_DAYS = 90
_LOOKS = 10
"""How often a job may be found whose end is written down, but not how it ended."""


class SomaSession:
    """A connection to soma-workflow, and what is asked of it."""

    def __init__(self) -> None:
        self._controller: Any = None
        self._light = False
        self._unrecorded: Counter[int] = Counter()

    def configure(self, resource: str) -> dict[str, str | None]:
        """Look up a resource in the configuration file of soma-workflow.

        Returns
        -------
        dict
            ``mode`` (light, local or remote), ``address``, ``login``, the ``file``, and the
            ``python`` by whose name servers are started there, if it is named.
        """
        from soma_workflow.configuration import Configuration

        file = Configuration.search_config_path()
        config = Configuration.load_from_file(resource)
        mode, address = config.get_mode(), None
        if mode == "remote":
            address = config.get_cluster_address()
            config.get_submitting_machines()
        parser = config.get_config_parser()
        named = parser is not None and parser.has_option(resource, "python_command")
        python = parser.get(resource, "python_command") if named else None
        login = config.get_login()
        return {"mode": mode, "address": address, "login": login, "file": file, "python": python}

    def connect(self, resource: str | None, login: str | None, folder: str) -> str:
        """Connect to a resource; without one, make a private one in a folder.

        Returns
        -------
        str
            Type of the scheduler.
        """
        from soma_workflow.client import WorkflowController

        if resource is None:
            self._light = True
            self._controller = WorkflowController(isolated_light_mode=folder)
        else:
            self._controller = WorkflowController(resource, login)
        return str(self._controller.get_scheduler_type())

    def submit(
        self, name: str, jobs: Sequence[Mapping[str, Any]], last: Mapping[str, Any] | None
    ) -> int:
        """Submit a workflow of jobs, and one that waits for them all; return its number."""
        from soma_workflow.client import Group, Job, Workflow

        def job(about: Mapping[str, Any]) -> Any:
            return Job(
                list(about["command"]),
                name=about["name"],
                stdout_file=about["stdout"],
                stderr_file=about["stderr"],
            )

        made = [job(about) for about in jobs]
        ends = [job(last)] if last is not None else []
        workflow = Workflow(
            jobs=[*made, *ends],
            dependencies=[(each, end) for each in made for end in ends],
            root_group=[Group(made, "parcels"), *ends],
            name=name,
        )
        # A queue may be longer than the week after which soma-workflow forgets a workflow.
        expiry = datetime.now() + timedelta(days=_DAYS)
        return int(self._controller.submit_workflow(workflow, expiration_date=expiry, name=name))

    def find(self, name: str) -> list[tuple[int, int]]:
        """Find the workflows of a name with a dot and a number after it; give both numbers."""
        found = []
        for workflow, (each, _) in sorted(self._controller.workflows().items()):
            stem, _, number = str(each).rpartition(".")
            if stem == name and number.isdecimal():
                found.append((int(workflow), int(number)))
        return found

    def status(self, workflow: int) -> dict[str, Any]:
        """Tell how far a workflow is.

        Returns
        -------
        dict
            ``workflow``: its status, None if there is no such workflow; ``jobs``: status of each
            job, in the order in which they were submitted; ``done`` means that it ended well.
        """
        if workflow not in self._controller.workflows([workflow]):
            return {"workflow": None, "jobs": []}
        jobs, _, status, *_ = self._controller.workflow_elements_status(workflow)
        return {
            "workflow": status,
            "jobs": [self._of_job(job) for job in sorted(jobs, key=lambda job: int(job[0]))],
        }

    def _of_job(self, job: Sequence[Any]) -> str:
        """Tell how a job is; soma-workflow calls one that failed "done" as well."""
        number, status = int(job[0]), str(job[1])
        exit_status, exit_value = job[3][:2]
        if status == "done" and exit_status is None and exit_value is None:
            # It writes down that a job has ended before it writes how: for a moment, unless it lost
            # sight of the job.
            self._unrecorded[number] += 1
            return "running" if self._unrecorded[number] <= _LOOKS else "failed"
        return "failed" if status == "done" and exit_value != 0 else status

    def ids(self, workflow: int) -> list[str]:
        """Tell what the scheduler calls the jobs that were given to it and have not ended."""
        if workflow not in self._controller.workflows([workflow]):
            return []
        jobs = self._controller.workflow_elements_status(workflow)[0]
        named = [str(job[5]) for job in jobs if job[5] and job[1] not in ("done", "failed")]
        return [name for name in named if not name.startswith("-")]  # of no real job

    def delete(self, workflow: int) -> bool:
        """Stop a workflow and forget it; False if that cannot be known."""
        if workflow not in self._controller.workflows([workflow]):
            return True
        return bool(self._controller.delete_workflow(workflow))

    def end(self) -> None:
        """Let go of the connection; what would have no home any more is stopped."""
        if self._controller is None:
            return
        if self._light:
            for workflow in list(self._controller.workflows()):
                self._controller.delete_workflow(workflow)
        self._controller.disconnect()


def _kind(error: BaseException) -> str:
    """Tell apart what the user mends in different places."""
    names = {each.__name__ for each in type(error).__mro__}
    if "ConfigurationError" in names:
        return "configuration"
    if "ImportError" in names:
        return "import"
    if "AuthenticationException" in names or "SSHException" in names:
        return "login"
    return "connection"


def main() -> None:
    """Answer requests until there are no more."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # soma-workflow prints
    session = SomaSession()
    requests: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def read() -> None:
        try:
            # A client that is killed may leave half a line, which is the end as well.
            with contextlib.suppress(ValueError):
                for line in sys.stdin:
                    requests.put(json.loads(line))
        finally:
            last_resort = threading.Timer(_END_SECONDS, os._exit, [0])
            last_resort.daemon = True
            last_resort.start()
            requests.put(None)

    threading.Thread(target=read, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        while (request := requests.get()) is not None:
            answer: dict[str, Any] = {"number": request["number"]}
            try:
                action: Callable[..., Any] = getattr(session, request["do"])
                answer["value"] = action(**request["arguments"])
            except BaseException as error:
                traceback.print_exc()
                answer |= {"error": str(error) or type(error).__name__, "kind": _kind(error)}
            out.write(json.dumps(answer) + "\n")
            out.flush()
    with contextlib.suppress(BaseException):
        session.end()
    os._exit(0)  # an ordinary end waits for ever for soma-workflow's threads


if __name__ == "__main__":
    main()
