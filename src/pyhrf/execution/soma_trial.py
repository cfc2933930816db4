"""A few small jobs through soma-workflow and back, in a process of their own.

``python -m pyhrf.execution.soma_trial`` reads one JSON line: ``resource`` (null: this machine),
``login``, ``jobs`` (command lines, as lists) and ``seconds`` to wait. It prints JSON lines: first
``{"connected": true}``, at the end ``{"jobs": [{"state", "stderr"}, ...]}``. The workflow is
removed whatever came of it. soma-workflow's client does not end by itself, hence the process.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

__all__ = ["run_jobs"]

_POLL_SECONDS = 0.5
_REASONABLE = 2000
"""Characters of what a job printed that are of interest: the last ones."""


def run_jobs(
    controller: Any, commands: Sequence[Sequence[str]], *, seconds: float
) -> list[dict[str, str]]:
    """Run jobs and remove their workflow.

    Parameters
    ----------
    controller : soma_workflow.client.WorkflowController
        Connected.
    commands : sequence of sequence of str
        Plain words.
    seconds : float
        How long to wait; jobs that are not over then are stopped.

    Returns
    -------
    list of dict
        For each job ``state`` (``done``, ``failed``, or what it was doing when time was up) and
        ``stderr``.
    """
    from soma_workflow import client, constants

    jobs = [
        client.Job(command=list(words), name=f"pyhrf-check-{number}")
        for number, words in enumerate(commands, start=1)
    ]
    workflow = client.Workflow(jobs=jobs)
    number = controller.submit_workflow(workflow=workflow, name="pyhrf check cluster")
    over = (constants.DONE, constants.FAILED, constants.WARNING)
    try:
        end = time.monotonic() + seconds
        while True:
            states = _states(controller, number)
            if all(state in over for _, state in states) or time.monotonic() > end:
                break
            time.sleep(_POLL_SECONDS)
        return [_outcome(controller, job, state, over=state in over) for job, state in states]
    finally:
        controller.delete_workflow(number, force=True)


def _states(controller: Any, number: int) -> list[tuple[int, str]]:
    """Give number and state of each job, in the order of the workflow."""
    found = controller.workflow_elements_status(number)[0]
    return sorted((job[0], job[1]) for job in found)


def _outcome(controller: Any, job: int, state: str, *, over: bool) -> dict[str, str]:
    if not over:
        return {"state": state, "stderr": ""}
    # A job that ended with another status than 0 counts as done there.
    status = controller.job_termination_status(job)[1]
    return {"state": "failed" if status else state, "stderr": _stderr(controller, job)}


def _stderr(controller: Any, job: int) -> str:
    with tempfile.TemporaryDirectory(prefix="pyhrf-check-") as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        controller.retrieve_job_stdouterr(job, str(out), str(err))
        with contextlib.suppress(OSError):
            return err.read_text("utf-8", errors="replace")[-_REASONABLE:]
    return ""


def _main() -> None:
    given = json.loads(sys.stdin.readline())
    # soma-workflow prints as it goes: that is to be told from our lines
    ours = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def say(message: object) -> None:
        ours.write(json.dumps(message) + "\n")
        ours.flush()

    try:
        from soma_workflow.client import WorkflowController

        controller = WorkflowController(given["resource"], given["login"])
        say({"connected": True})
        say({"jobs": run_jobs(controller, given["jobs"], seconds=given["seconds"])})
        controller.disconnect()
    except Exception as error:  # of another package: whatever it is, it is the reason
        say({"error": f"{type(error).__name__}: {error}"})


if __name__ == "__main__":
    try:
        _main()
    finally:
        sys.stderr.flush()
        os._exit(0)
