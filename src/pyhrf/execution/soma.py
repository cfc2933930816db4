"""The engine ``cluster``: jobs of a batch scheduler, through soma-workflow.

The run's folder on the cluster holds inputs and results; soma-workflow starts the jobs. The
client may leave at any time: the workflow goes on, and the same command finds it again.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import posixpath
import re
import secrets
import shutil
import sys
from collections.abc import Callable, Generator, Sequence
from pathlib import Path

from pyhrf.config.settings import ClusterSettings
from pyhrf.data import Estimator
from pyhrf.errors import ConfigError, EngineError
from pyhrf.execution.cluster_folder import ClusterFolder, ClusterLostError, LocalFolder, SftpFolder
from pyhrf.execution.cluster_job import RESULTS
from pyhrf.execution.engine import Batch, BatchResult, Load
from pyhrf.execution.extras import check_installed
from pyhrf.execution.recipe import to_recipe
from pyhrf.execution.soma_client import Resource, SomaClient
from pyhrf.execution.soma_notes import MAX_JOBS, Notes, plan_jobs
from pyhrf.execution.soma_run import Place, SomaRun, read_results, unpack_archive

__all__ = ["SomaEngine"]

_MAX_NEWS = 20
_NOT_NEEDED = ("distributed", "dask", "cloudpickle")
# soma-workflow passes the words of a command through bash.
_UNFIT = re.compile(r"[$`\\\"'\n]")


class SomaEngine:
    """Work on batches in jobs of the cluster of ``[parallel-cluster]``, or of this machine.

    Parameters
    ----------
    settings : ClusterSettings
        The cluster; with an empty ``server_id`` soma-workflow works on this machine, and ends
        with this process.
    tell : callable
        Called with each sentence that the user should read.

    Attributes
    ----------
    folder : Path
        Folder beside the journal for what is needed to find a workflow again; to be set before
        anything else is done.
    farewell : str
        What goes on after an interruption, and what can be done with it.
    news : tuple of str
        The latest sentences.

    Raises
    ------
    ConfigError
        If the settings are not complete.
    EngineError
        If a package of the extra ``cluster`` is missing.
    """

    def __init__(self, settings: ClusterSettings, *, tell: Callable[[str], object]) -> None:
        self.name = "cluster"
        self.n_workers = MAX_JOBS
        self.batch_seconds = 60.0
        self.news: tuple[str, ...] = ()
        self.farewell = ""
        self.folder = Path()
        self._settings, self._say = settings, tell
        self._study = ""
        self._place: Place | None = None
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

    def _tell(self, text: str) -> None:
        self.news = (*self.news[1 - _MAX_NEWS :], text)
        self._say(text)

    def resume(self, study: str, *, fresh: bool) -> list[BatchResult]:
        """Fetch what earlier runs of this study finished.

        Parameters
        ----------
        study : str
            Everything that the results depend on, and where they go.
        fresh : bool
            Whether nothing is to be brought.

        Returns
        -------
        list of BatchResult
        """
        self._study = hashlib.sha256(study.encode()).hexdigest()[:20]
        notes = Notes.load(self.folder)
        if fresh or notes is None or notes.study != self._study:
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
            self._tell(f"{error}; what was pushed from there is used")
        parcels = {estimate.parcel for result in results for estimate in result.estimates}
        if parcels:
            self._tell(f"{len(parcels)} parcels were finished on the cluster by earlier runs")
        return results

    def _fetch(self, notes: Notes) -> list[BatchResult]:
        """Read the results in the folder of an earlier run: in one file if they were packed."""
        folder = self._reach(notes).folder
        names = folder.names()
        found = [name for name in names if name.startswith("result-") and name.endswith(".npz")]
        if RESULTS in names:
            results = unpack_archive(folder.read([RESULTS])[0], self._study)
            if len(results) == len(found):  # nothing came after it was packed
                return results
        return read_results(folder, sorted(found), self._study)

    def run(
        self, batches: Sequence[Batch], *, load: Load, estimator: Estimator
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
            run = self._attach(costs, load)
            if run is None:
                run = self._begin(batches, costs, load, estimator)
            yield from run.follow()
            place = self._reach(run.notes)
            if self._settings.client_host is not None:
                run.wait_for_push()
            self._clear_up(place, run.notes)
        except KeyboardInterrupt:
            self._say_farewell()
            raise
        except GeneratorExit:
            if run is not None and run.notes.workflow is not None:
                with contextlib.suppress(EngineError):
                    self._reach(run.notes).client.delete(run.notes.workflow)
            raise
        finally:
            self._leave()

    def cancel(self) -> bool:
        """Stop the workflow of an earlier run, and remove what it left on the cluster.

        Returns
        -------
        bool
            False if there is none.

        Raises
        ------
        ConfigError, EngineError
            If the cluster cannot be reached.
        """
        notes = Notes.load(self.folder)
        if notes is None:
            return False
        try:
            place = self._reach(notes)
            place.client.connect()
            self._clear_up(place, notes)
        finally:
            self._leave()
        return True

    def _attach(self, costs: dict[int, float], load: Load) -> SomaRun | None:
        """Find the workflow of an earlier run if it goes on; else clear up what it left."""
        notes = Notes.load(self.folder)
        if notes is None:
            return None
        place = self._reach(notes)
        place.client.connect()
        for workflow in place.client.find(notes.name):
            status, _ = place.client.status(workflow)
            # In light mode none goes on: the client was its only home.
            of_round = notes.workflow in (None, workflow)
            fits = notes.study == self._study and notes.parcels.issuperset(costs)
            if status not in (None, "workflow_done") and of_round and fits:
                notes.workflow = workflow
                notes.save(self.folder)
                self._tell(f"workflow {workflow} goes on on {place.name}: its results are awaited")
                return SomaRun(place, notes, costs, load)
        self._clear_up(place, notes)
        self._leave()
        return None

    def _begin(
        self, batches: Sequence[Batch], costs: dict[int, float], load: Load, estimator: Estimator
    ) -> SomaRun:
        """Check all that the cluster needs, then start a workflow there."""
        recipe = to_recipe(estimator)
        token = secrets.token_hex(4)
        shown = re.sub(r"[^\w-]+", "_", "_".join(self.folder.parts[-4:-2]))
        notes = Notes(self._study, "", f"pyhrf_{shown}_{token}")
        place = self._reach(notes, token=token)
        notes.path = place.folder.path
        self._check_words(place)
        self._check_versions(place)
        place.client.connect()
        push = None
        if self._settings.client_host is not None and place.name != "this machine":
            host = self._settings.client_host
            login = host if "@" in host else f"{getpass.getuser()}@{host}"
            push = (login, str(self.folder / RESULTS))
        run = SomaRun(place, notes, costs, load)
        run.start(plan_jobs(batches), recipe, push)
        return run

    def _reach(self, notes: Notes, *, token: str = "") -> Place:
        """Open the folder of a run on the cluster, and look soma-workflow's resource up."""
        if self._place is not None:
            return self._place
        settings, resource = self._settings, self._resource
        self.folder.mkdir(exist_ok=True)
        client = SomaClient(resource, self.folder)
        try:
            client.configure()
            path = notes.path or self._path(token)
            folder: ClusterFolder = LocalFolder(Path(path).expanduser())
            if resource.mode == "remote":
                folder = SftpFolder(str(settings.server or resource.address), resource.login, path)
            self._place = Place(
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
        return self._place

    def _path(self, token: str) -> str:
        parent = self._settings.remote_path
        if parent is None:
            return str(self.folder / "run")
        return posixpath.join(parent, f"pyhrf-{self._study}-{token}")

    def _check_words(self, place: Place) -> None:
        """Refuse names that bash would change on the way to a job."""
        section = "section [parallel-cluster], key"
        inside = self._settings.remote_path is None
        folder = "the output directory" if inside else f"{section} remote_path"
        for what, text in ((folder, place.folder.path), (f"{section} python", place.python)):
            if _UNFIT.search(text):
                raise ConfigError(
                    f"{what}: {text} holds a quote, $, ` or a backslash, which soma-workflow does "
                    "not pass on: choose another name"
                )

    def _check_versions(self, place: Place) -> None:
        """Refuse another version of what decides over the results, before any work."""
        if not isinstance(place.folder, SftpFolder):
            return
        from pyhrf.execution.ssh import HostError

        try:
            differences = place.folder.probe(place.python).differences(but=_NOT_NEEDED)
        except HostError as error:
            raise EngineError(
                f"server {error.host}: {error.cause}; set python in section [parallel-cluster] to "
                "an interpreter there that has pyhrf[cluster]"
            ) from error
        if differences:
            raise EngineError(
                f"server {place.folder.host}: {place.python} has other versions than this Python: "
                f"{', '.join(differences)}: install the same ones there, or set python in section "
                "[parallel-cluster] to an interpreter that has them"
            )

    def _clear_up(self, place: Place, notes: Notes) -> None:
        """Leave nothing: neither workflow, nor folder, nor notes."""
        for workflow in place.client.find(notes.name):
            place.client.delete(workflow)
        place.folder.remove()
        place.client.close()
        Notes.forget(self.folder)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _clear_up_if_possible(self) -> None:
        """Clear up after a study that is done; an absent cluster does not undo the results."""
        notes = Notes.load(self.folder)
        if notes is None:
            return
        try:
            place = self._reach(notes)
            place.client.connect()
            self._clear_up(place, notes)
        except EngineError as error:
            self._tell(
                f"{error}; {notes.path} and the workflow {notes.name} may be left there: the same "
                "command with --cancel removes them"
            )
        finally:
            self._leave()

    def _say_farewell(self) -> None:
        """Tell what goes on when the user goes; without a cluster nothing does."""
        notes = Notes.load(self.folder)
        if notes is None or self._place is None or not notes.round:
            return
        if self._resource.mode == "light":
            self.farewell = (
                "the jobs are stopped, since soma-workflow ran on this machine: run the same "
                "command again to go on"
            )
            return
        number = "" if notes.workflow is None else f" {notes.workflow}"
        self.farewell = (
            f"workflow{number} ({notes.name}) goes on on {self._place.name}: the same command "
            "fetches its results, and with --cancel stops it"
        )

    def _leave(self) -> None:
        """Close the connections."""
        place, self._place = self._place, None
        if place is None:
            return
        place.client.close()
        try:
            place.folder.close()
        except (ClusterLostError, TimeoutError):
            self._tell(f"the connection to {place.name} could not be closed")
        if Notes.load(self.folder) is None:  # nothing was begun: there is only a log
            shutil.rmtree(self.folder, ignore_errors=True)
