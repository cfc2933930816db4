"""The engine ``cluster``: jobs of a batch scheduler, through soma-workflow.

The run's folder on the cluster holds inputs and results; soma-workflow starts the jobs. The
client may leave at any time: the workflow continues, and the same command finds it again.
"""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pyhrf.config.settings import ClusterSettings
from pyhrf.data import ParcelId
from pyhrf.errors import ConfigError, EngineError, counted
from pyhrf.execution.engine import Batch, BatchResult, Load
from pyhrf.execution.extras import check_installed
from pyhrf.execution.news import RemoteEngine
from pyhrf.execution.soma.client import Resource, SomaClient
from pyhrf.execution.soma.cluster import Cluster, is_result, read_results, unpack_archive
from pyhrf.execution.soma.folder import ClusterFolder, ClusterLostError, LocalFolder
from pyhrf.execution.soma.job import RESULTS
from pyhrf.execution.soma.notes import MAX_JOBS, WorkflowNotes, plan_jobs
from pyhrf.execution.soma.run import DONE, SomaRun
from pyhrf.execution.soma.setup import check_sacct_there, check_same, check_versions, check_words
from pyhrf.execution.soma.way_back import login_here
from pyhrf.execution.studies import Studies
from pyhrf.wording import named


class SomaEngine(RemoteEngine):
    """Work on batches in jobs of the cluster of ``[parallel-cluster]``, or of this machine.

    Parameters
    ----------
    settings : ClusterSettings
        The cluster; with an empty ``server_id`` soma-workflow works on this machine, and ends
        with this process.
    tell : callable
        Called with each sentence that the user should read.

    Raises
    ------
    ConfigError
        If the settings are not complete.
    EngineError
        If a package of the extra ``cluster`` is missing.
    """

    resumes = detaches = True

    def __init__(self, settings: ClusterSettings, *, tell: Callable[[str], object]) -> None:
        super().__init__(tell)
        self.name = "cluster"
        self.n_workers = MAX_JOBS
        self.batch_seconds = 60.0
        self._settings = settings
        self._study = ""
        self._cluster: Cluster | None = None
        self._resource = Resource(settings.server_id, settings.user)
        if settings.server_id is None and settings.server is not None:
            raise ConfigError(
                f"section [parallel-cluster], key server: it is {settings.server}, but server_id "
                "is empty: give the name of its section in ~/.soma-workflow.cfg, or leave server "
                "empty to work on this machine"
            )
        if settings.server_id is not None and settings.remote_path is None:
            raise ConfigError(
                "section [parallel-cluster], key remote_path: it is empty: give a folder on the "
                "cluster that its nodes see"
            )
        check_installed("cluster", "cluster")

    def resume(self, study: str, *, fresh: bool) -> list[BatchResult]:
        """Fetch what earlier runs of this study finished; see `Engine.resume`.

        Raises
        ------
        ConfigError
            If the settings have changed, so that the workflow of an earlier run is not found.
        EngineError
            If the cluster cannot be reached, where something was left.
        """
        self._study = hashlib.sha256(study.encode()).hexdigest()[:20]
        if fresh:
            self.cancel()
        notes = WorkflowNotes.load(self.folder)
        if notes is None or notes.study != self._study:
            return []
        results = []
        pushed = self.folder / RESULTS
        if pushed.exists():
            results = unpack_archive(pushed.read_bytes(), self._study)
        try:
            results += self._fetch(notes)
        except EngineError as error:
            if not results:
                raise
            self._tell(f"{error}; the results that it has sent are used")
        parcels = {parcel for result in results for parcel in result.batch.parcels}
        if parcels:
            self._tell(
                f"fetched {counted(len(parcels), 'parcel')} that earlier runs had finished on the "
                "cluster"
            )
        return results

    def _fetch(self, notes: WorkflowNotes) -> list[BatchResult]:
        """Read the results in the folder of an earlier run: in one file if they were packed."""
        folder = self._reach(notes).folder
        names = folder.names()
        found = list(filter(is_result, names))
        if RESULTS in names:
            results = unpack_archive(folder.read([RESULTS])[0], self._study)
            if len(results) == len(found):  # nothing came after it was packed
                return results
        return read_results(folder, sorted(found), self._study)

    def run(
        self, batches: Sequence[Batch], *, load: Load, studies: Studies
    ) -> Generator[BatchResult, None, None]:
        """Work on the batches; see `pyhrf.execution.engine.Engine.run`.

        An interruption leaves the workflow on the cluster; closing the generator stops it.

        Raises
        ------
        ConfigError, EngineError
            Before any work, if the cluster cannot be used; later, if it is away for minutes.
        """
        if not batches:
            self._clear_up_if_possible()
            return
        costs = {p: b.cost / len(b.parcels) for b in batches for p in b.parcels}
        run: SomaRun | None = None
        try:
            run = self._attach(costs, load, studies)
            if run is None:
                run = self._begin(batches, costs, load, studies)
            yield from run.follow()
            with self._forgiven(run.notes):  # all is delivered: no trouble there undoes that
                cluster = self._reach(run.notes)
                if self._settings.client_host is not None:
                    run.wait_for_push()
                self._clear_up(cluster, run.notes)
        except KeyboardInterrupt:
            self._say_farewell()
            raise
        except GeneratorExit:
            if run is not None and run.notes.workflow is not None:
                with contextlib.suppress(EngineError):
                    self._reach(run.notes).stop(run.notes.workflow)
            raise
        finally:
            self._leave()

    def cancel(self) -> bool:
        """Stop the workflow of an earlier run, and remove what it left on the cluster.

        Raises
        ------
        ConfigError, EngineError
            If the cluster cannot be reached.
        """
        notes = WorkflowNotes.load(self.folder)
        if notes is None:
            return False
        try:
            cluster = self._reach(notes)
            cluster.client.connect()
            n_results = sum(map(is_result, cluster.folder.names()))
            self._clear_up(cluster, notes)
        finally:
            self._leave()
        if n_results:
            self._tell(
                f"{notes.name} on {cluster.name} is removed with {n_results} files of results; the "
                "next run estimates again what had not been fetched"
            )
        return True

    def _attach(self, costs: dict[ParcelId, float], load: Load, studies: Studies) -> SomaRun | None:
        """Find the workflow of an earlier run if it has to do with ours; else clear it up."""
        notes = WorkflowNotes.load(self.folder)
        if notes is None:
            return None
        cluster = self._reach(notes)
        cluster.client.connect()
        # Those of its parcels that were given up are awaited too, though no job has them now.
        if notes.study == self._study and not notes.parcels.isdisjoint(costs):
            workflow = self._workflow_of(notes, cluster)
            status = None if workflow is None else cluster.client.status(workflow)[0]
            if workflow is not None and status is not None:
                # One that has ended too: results may have come since the others were fetched.
                how = "has ended" if status == DONE else "is still running"
                self._tell(f"workflow {workflow} {how} on {cluster.name}: waiting for its results")
                notes.workflow = workflow
                for parcel in costs.keys() - notes.parcels:
                    notes.deaths.pop(parcel, None)  # a new command is a new chance
                notes.save(self.folder)
                return SomaRun(cluster, notes, costs, load, studies)
        if notes.study != self._study:
            self._tell(f"{notes.name} on {cluster.name} belongs to another study and is removed")
        try:
            self._clear_up(cluster, notes)
        except ClusterLostError:
            raise
        except EngineError as error:
            self._tell(f"{error}; it may be left there: remove it by hand")
        self._leave()
        return None

    def _workflow_of(self, notes: WorkflowNotes, cluster: Cluster) -> int | None:
        """Find the workflow of the latest round; in light mode none outlives its client."""
        for workflow, number in cluster.client.find(notes.name).items():
            if number == notes.round and notes.workflow in (None, workflow):
                return workflow
        return None

    def _begin(
        self,
        batches: Sequence[Batch],
        costs: dict[ParcelId, float],
        load: Load,
        studies: Studies,
    ) -> SomaRun:
        """Check all that the cluster needs, then start a workflow there."""
        recipe = studies.to_json()
        token = secrets.token_hex(4)
        shown = re.sub(r"[^\w-]+", "_", "_".join(self.folder.parts[-4:-2]))
        notes = WorkflowNotes(self._study, "", f"pyhrf_{shown}_{token}")
        cluster = self._reach(notes, token=token)
        notes.path = cluster.folder.path
        resource = self._resource
        notes.server_id, notes.server, notes.login = resource.name, self._server, resource.login
        check_words(cluster, inside=self._settings.remote_path is None)
        check_versions(cluster)
        cluster.client.connect()
        check_sacct_there(cluster)
        push = None
        if self._settings.client_host is not None and cluster.name != "this machine":
            push = (login_here(self._settings.client_host), str(self.folder / RESULTS))
        run = SomaRun(cluster, notes, costs, load, studies)
        run.start(plan_jobs(batches), recipe, push)
        return run

    def _reach(self, notes: WorkflowNotes, *, token: str = "") -> Cluster:
        """Open the folder of a run on the cluster, and look soma-workflow's resource up."""
        if self._cluster is not None:
            return self._cluster
        settings, resource = self._settings, self._resource
        self.folder.mkdir(exist_ok=True)
        client = SomaClient(resource, self.folder)
        try:
            if notes.path:
                check_same(notes, "server_id", resource.name)
            client.configure()
            if notes.path:
                check_same(notes, "server", self._server)
                check_same(notes, "user", resource.login)
            path = notes.path or self._path(token)
            folder: ClusterFolder = LocalFolder(Path(path).expanduser())
            if resource.mode == "remote":
                from pyhrf.execution.soma.sftp import SftpFolder  # imports what an extra brings

                folder = SftpFolder(str(self._server), resource.login, path)
            self._cluster = Cluster(
                resource.name or "this machine",
                settings.python or sys.executable,
                folder,
                client,
                self.folder,
                self._tell,
            )
            folder.open()
        except BaseException:
            client.close()
            self._leave()
            raise
        return self._cluster

    @property
    def _server(self) -> str | None:
        return self._settings.server or self._resource.address

    def _path(self, token: str) -> str:
        parent = self._settings.remote_path
        if parent is None:
            return str(self.folder / "run")
        return posixpath.join(parent, f"pyhrf-{self._study}-{token}")

    def _clear_up(self, cluster: Cluster, notes: WorkflowNotes) -> None:
        """Leave nothing: neither workflow, nor folder, nor notes."""
        for workflow in cluster.client.find(notes.name):
            cluster.stop(workflow)
        cluster.folder.remove()
        cluster.client.close()
        WorkflowNotes.forget(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _clear_up_if_possible(self) -> None:
        """Clear up after a study that is done; an absent cluster does not undo the results."""
        notes = WorkflowNotes.load(self.folder)
        if notes is None:
            return
        try:
            with self._forgiven(notes):
                cluster = self._reach(notes)
                cluster.client.connect()
                self._clear_up(cluster, notes)
        finally:
            self._leave()

    @contextmanager
    def _forgiven(self, notes: WorkflowNotes) -> Iterator[None]:
        """Say what may be left on the cluster if something goes wrong with it."""
        try:
            yield
        except EngineError as error:
            self._tell(
                f"{error}; {notes.path} and the workflow {notes.name} may be left there: "
                f"{named('cancel')} removes them"
            )

    def _say_farewell(self) -> None:
        """Tell what keeps running when the user goes; without a cluster nothing does."""
        notes = WorkflowNotes.load(self.folder)
        if notes is None or self._cluster is None or not notes.round:
            return
        if self._resource.mode == "light":
            self.farewell = (
                "the jobs are stopped, since soma-workflow ran on this machine: "
                f"{named('again')} to continue"
            )
            return
        number = "" if notes.workflow is None else f" {notes.workflow}"
        self.farewell = (
            f"workflow{number} ({notes.name}) is still running on {self._cluster.name}; "
            f"{named('again')} to fetch its results; {named('cancel')} stops it"
        )

    def _leave(self) -> None:
        """Close the connections."""
        cluster, self._cluster = self._cluster, None
        if cluster is None:
            return
        cluster.client.close()
        try:
            cluster.folder.close()
        except (ClusterLostError, TimeoutError):
            self._tell(f"the connection to {cluster.name} could not be closed")
        if WorkflowNotes.load(self.folder) is None:  # nothing was begun: there is only a log
            shutil.rmtree(self.folder, ignore_errors=True)
