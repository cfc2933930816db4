"""A run on the cluster: inputs to its folder, jobs to soma-workflow, results back as they come."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from pyhrf.data import ParcelId
from pyhrf.errors import EngineError, counted
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Batch, BatchResult, Load, failed_internally
from pyhrf.execution.news import TellOnce
from pyhrf.execution.packing import pack_parcels
from pyhrf.execution.result_files import unpack_result
from pyhrf.execution.soma.cluster import Cluster, is_result
from pyhrf.execution.soma.folder import ClusterLostError
from pyhrf.execution.soma.job import ESTIMATOR, JobSettings, name_of_input, name_of_mark
from pyhrf.execution.soma.notes import WorkflowNotes, name_of_job, plan_jobs
from pyhrf.execution.studies import Studies

DONE = "workflow_done"
"""What soma-workflow calls a workflow that has ended."""
_UNATTENDED = "warning"
"""What it calls one of which no process of it has told anything for 90 s."""
_ATTEMPTS = 3
"""Jobs that may die of a parcel before it is given up: a first one and two more."""
_SAVE_SECONDS = 10.0
_PAUSE, _LONGEST_PAUSE = 0.5, 5.0
_LATE_SECONDS = 65.0
"""Seconds that a file may take from a node to the machine that is asked for it: NFS remembers the
names in a folder for up to a minute (acdirmax)."""
_UNATTENDED_SECONDS = 120.0
"""Seconds after which an unattended workflow is lost; a scheduler may be slow to answer."""
_SILENT_SECONDS = 120.0
"""Seconds after which it is said that the scheduler does not tell how its jobs are."""
_N_LINES = 3
_log = logging.getLogger(__name__)


class SomaRun:
    """Jobs on the cluster, and the parcels that are awaited from them.

    Parameters
    ----------
    cluster : Cluster
        Where.
    notes : Notes
        Of a run that is running, or of a new one.
    costs : mapping of ParcelId to float
        Seconds of each parcel that is awaited.
    load : callable
        Brings parcels.
    studies : Studies
        Theirs.
    """

    def __init__(
        self,
        cluster: Cluster,
        notes: WorkflowNotes,
        costs: dict[ParcelId, float],
        load: Load,
        studies: Studies,
    ) -> None:
        self._cluster, self.notes, self._load, self._studies = cluster, notes, load, studies
        self._tell_once = TellOnce(cluster.tell)
        self._costs = costs
        self._missing = set(costs)
        self._seen: set[str] = set()
        self._shown = Counter[str]()
        self._silent_since: float | None = None
        self._unattended_since: float | None = None

    def start(self, jobs: Sequence[Batch], recipe: bytes, push: tuple[str, str] | None) -> None:
        """Make the folder, send the inputs and submit the first round.

        Parameters
        ----------
        jobs : sequence of Batch
            What each job does.
        recipe : bytes
            From `Studies.to_json`.
        push : (str, str) or None
            Host and file to which the last job copies all results.

        Raises
        ------
        EngineError
            If the folder cannot be made or written, or the jobs cannot be submitted.
        """
        cluster, notes = self._cluster, self.notes
        notes.save(cluster.notes_folder)
        try:
            cluster.folder.make()
        except ClusterLostError:
            raise  # it may have been made
        except EngineError:
            WorkflowNotes.forget(
                cluster.notes_folder
            )  # nothing was made that would have to be found
            raise
        cluster.folder.write(ESTIMATOR, recipe)
        settings = JobSettings(notes.study, _SAVE_SECONDS, *(push or (None, None)))
        cluster.folder.write(JobSettings.FILE, settings.to_json())
        self._submit([list(job.parcels) for job in jobs])

    def _submit(self, jobs: Sequence[Sequence[ParcelId]]) -> None:
        cluster, notes = self._cluster, self.notes
        notes.next_round(jobs)
        # By their parcels, not by the order of work: of many studies few are in memory at a time.
        for number, parcels in sorted(notes.jobs.items(), key=lambda job: min(job[1])):
            content = pack_parcels(dict(zip(parcels, self._load(parcels), strict=True)))
            cluster.with_patience(partial(cluster.folder.write, name_of_input(number), content))
        # Before it is submitted: whatever happens meanwhile, the workflow is found by its name.
        notes.save(cluster.notes_folder)
        described = [self._job(name_of_job(p), str(number)) for number, p in notes.jobs.items()]
        name = f"{notes.name}.{notes.round}"
        last = self._job("pack_results", "pack")
        notes.workflow = cluster.client.submit(name, described, last)
        notes.save(cluster.notes_folder)
        again = "" if notes.round == 1 else " again"
        cluster.tell(
            f"workflow {notes.workflow} ({name}) on {cluster.name}: "
            f"{counted(len(jobs), 'job')} submitted{again}"
        )

    def _job(self, name: str, what: str) -> dict[str, Any]:
        path = self._cluster.folder.path
        command = [self._cluster.python, "-P", "-m", "pyhrf.execution.soma.job", path, what]
        out = f"{path}/log-{what}"
        return {"name": name, "command": command, "stdout": f"{out}.out", "stderr": f"{out}.err"}

    def follow(self) -> Generator[BatchResult, None, None]:
        """Yield results until all that is awaited is there or given up.

        Raises
        ------
        EngineError
            If the cluster cannot be reached for minutes.
        """
        cluster, pause, late = self._cluster, _PAUSE, 0.0
        while True:
            fresh = cluster.with_patience(self._fresh)
            yield from fresh
            if not self._missing:
                return
            status, jobs = cluster.with_patience(self._status)
            self._say_how_jobs_are(jobs)
            if self._is_lost(status):
                yield from self._take_back()
                late = 0.0
            elif status in (None, DONE):
                # Files may arrive after the news that they are written.
                if late and time.monotonic() > late:
                    yield from self._next_round()
                    late = 0.0
                elif not late:
                    seconds = _LATE_SECONDS if self._promised(jobs) else 0.0
                    late = time.monotonic() + seconds
                    continue
            pause = _PAUSE if fresh else min(pause * 1.2, _LONGEST_PAUSE)
            time.sleep(pause)

    def _is_lost(self, status: str | None) -> bool:
        """Tell whether soma-workflow has looked after the workflow no more for minutes.

        The process of it that submitted a workflow is the only one that does; it ends with the
        login node, and what is left says neither that jobs end nor that they wait.
        """
        if status != _UNATTENDED:
            self._unattended_since = None
        elif self._unattended_since is None:
            self._unattended_since = time.monotonic()
        since = self._unattended_since
        return since is not None and time.monotonic() - since > _UNATTENDED_SECONDS

    def _take_back(self) -> Generator[BatchResult, None, None]:
        """Stop the jobs of a lost workflow and submit again what they left; no parcel is blamed."""
        cluster, notes = self._cluster, self.notes
        workflow, self._unattended_since = notes.workflow, None
        cluster.tell(
            f"soma-workflow on {cluster.name} no longer looks after workflow {workflow}, perhaps "
            "because the login node was restarted: its jobs are withdrawn"
        )
        if workflow is not None:
            cluster.with_patience(partial(cluster.stop, workflow))
        yield from cluster.with_patience(self._fresh)
        left = [[p for p in parcels if p in self._missing] for parcels in notes.jobs.values()]
        jobs = [parcels for parcels in left if parcels] + self._jobs_of_others()
        if jobs:
            self._submit(jobs)

    def _jobs_of_others(self) -> list[list[ParcelId]]:
        """Plan jobs for parcels that are awaited, but not from this round.

        They were given up, or failed by a fault of the program, in the run that left.
        """
        others = self._missing - self.notes.parcels
        if not others:
            return []
        costs = {parcel: self._costs[parcel] for parcel in others}
        return [list(job.parcels) for job in plan_jobs(make_batches(costs, target_cost=1.0))]

    def _promised(self, statuses: Sequence[str]) -> bool:
        """Tell whether a job is said to have done well whose results are not there."""
        return any(
            status == "done" and self._missing.intersection(parcels)
            for status, parcels in zip(statuses, self.notes.jobs.values(), strict=False)
        )

    def _status(self) -> tuple[str | None, list[str]]:
        workflow = self.notes.workflow
        return (None, []) if workflow is None else self._cluster.client.status(workflow)

    def _fresh(self) -> list[BatchResult]:
        """Fetch what was finished since the last time."""
        folder, results = self._cluster.folder, []
        names = sorted(n for n in folder.names() if is_result(n) and n not in self._seen)
        for name, blob in zip(names, folder.read(names), strict=True):
            try:
                result = unpack_result(blob, self.notes.study, tell=self._tell_once)
            except ValueError as error:  # it may not be here in full yet: it is read again
                _log.info("%s: %s", name, error)
                continue
            self._seen.add(name)
            kept = None if result is None else self._awaited(result)
            if kept is not None:
                results.append(kept)
        return results

    def _awaited(self, result: BatchResult) -> BatchResult | None:
        """Cut a result down to the parcels that are awaited."""
        parcels = self._missing.intersection(result.batch.parcels)
        if not parcels:
            return None
        self._missing -= parcels
        kept = result.cut_to(parcels)
        cost = sum(self._costs[parcel] for parcel in kept.batch.parcels)
        return replace(kept, batch=Batch(0, kept.batch.parcels, cost))

    def _say_how_jobs_are(self, statuses: Sequence[str]) -> None:
        """Tell how many jobs wait and run when that changes, or that it cannot be known."""
        jobs = statuses[: len(self.notes.jobs)]
        shown = Counter(_plain(status) for status in jobs)
        if shown != self._shown:
            self._shown = shown
            counts = ", ".join(f"{n} {status}" for status, n in sorted(shown.items()))
            self._cluster.tell(f"jobs on {self._cluster.name}: {counts}")
        odd = [s for s in jobs if s == "undetermined" or s.endswith("suspended")]
        if not odd:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = time.monotonic()
        elif time.monotonic() - self._silent_since > _SILENT_SECONDS:
            self._silent_since = float("inf")
            jobs_are = f"{counted(len(odd), 'job')} {'is' if len(odd) == 1 else 'are'}"
            self._cluster.tell(
                f"the scheduler of {self._cluster.name} does not say how {jobs_are} doing: "
                "run pyhrf check cluster to find out why"
            )

    def _next_round(self) -> Generator[BatchResult, None, None]:
        """Submit again what jobs left undone; give up what three jobs died of."""
        cluster, notes = self._cluster, self.notes
        jobs = self._jobs_of_others()
        for number, parcels in notes.jobs.items():
            left = [parcel for parcel in parcels if parcel in self._missing]
            if left:
                # What was lost to a full disk is not the fault of a parcel.
                cluster.with_patience(cluster.folder.try_writing)
                reason = cluster.with_patience(partial(self._why, number))
                at = cluster.with_patience(partial(self._parcel_at, number))
                given_up = self._blame([at] if at in left else left)
                yield from self._give_up(given_up, reason)
                # What jobs died of comes last, so that it does not hold up the others.
                again = sorted(set(left) - given_up, key=lambda p: (notes.deaths.get(p, 0), p))
                if again:
                    cluster.tell(f"job {name_of_job(parcels)} {reason}; submitting it again")
                    jobs.append(again)
        workflow = notes.workflow
        if workflow is not None:
            cluster.with_patience(partial(cluster.stop, workflow))
        if jobs:
            cluster.with_patience(self._save_each_parcel)
            self._submit(jobs)

    def _save_each_parcel(self) -> None:
        """Let jobs save each parcel as it is finished: one died before, another may."""
        folder = self._cluster.folder
        settings = JobSettings.from_json(folder.read([JobSettings.FILE])[0])
        folder.write(JobSettings.FILE, replace(settings, save_seconds=0.0).to_json())

    def _why(self, number: int) -> str:
        """Tell the end of what a job complained of."""
        folder, name = self._cluster.folder, f"log-{number}.err"
        if name not in folder.names():
            return "never started"
        lines = folder.read([name])[0].decode(errors="replace").split("\n")
        said = [line.strip() for line in lines if line.strip()]
        # srun repeats what the job said of its end
        return f"failed: {' | '.join(said[-_N_LINES:])}" if said else "ended without a word"

    def _parcel_at(self, number: int) -> ParcelId | None:
        """Find the parcel that a job was at when it ended."""
        folder, name = self._cluster.folder, name_of_mark(number)
        mark = folder.read([name])[0] if name in folder.names() else b""
        try:
            return ParcelId.parse(mark.decode())
        except ValueError:
            return None

    def _blame(self, parcels: Sequence[ParcelId]) -> set[ParcelId]:
        """Count a death to parcels; return those of which too many jobs died."""
        deaths = self.notes.deaths
        for parcel in parcels:
            deaths[parcel] = deaths.get(parcel, 0) + 1
        return {parcel for parcel in parcels if deaths[parcel] >= _ATTEMPTS}

    def _give_up(self, parcels: set[ParcelId], reason: str) -> Generator[BatchResult, None, None]:
        if not parcels:
            return
        batch = Batch(0, tuple(sorted(parcels)), 0.0)
        text = f"{_ATTEMPTS} jobs on {self._cluster.name} died of it; the last one {reason}"
        estimates = [failed_internally(parcel, text) for parcel in self._load(batch.parcels)]
        for parcel in batch.parcels:
            self._cluster.tell(f"{self._studies.called([parcel])} is given up: {text}")
        kept = self._awaited(BatchResult(batch, estimates, "", 0.0))
        if kept is not None:
            yield kept

    def wait_for_push(self, seconds: float = 60.0) -> None:
        """Wait for the last job, which copies the results to the client, and say if it failed."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            status, jobs = self._status()
            if status in (None, DONE):
                break
            if jobs[len(self.notes.jobs) :] == ["done"]:
                return
            time.sleep(_PAUSE)
        reason = self._last_job_said()
        if reason:
            self._cluster.tell(f"the results were fetched, but not pushed to client_host: {reason}")

    def _last_job_said(self) -> str:
        folder, name = self._cluster.folder, "log-pack.err"
        if name not in folder.names():
            return ""
        return " ".join(folder.read([name])[0].decode(errors="replace").split())[:500]


def _plain(status: str) -> str:
    """Say in plain words how a job is."""
    words = {
        "not_submitted": "waiting",
        "submission_pending": "waiting",
        "queued_active": "waiting",
        "undetermined": "submitted",
        "running": "running",
        "done": "done",
        "failed": "failed",
    }
    return words.get(status, status.replace("_", " "))
