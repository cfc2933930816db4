"""What a client keeps of its workflow on a cluster, beside the journal, to find it again."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pyhrf.data import ParcelId
from pyhrf.execution.batches import make_batches
from pyhrf.execution.engine import Batch
from pyhrf.files import write_whole

_FILE = "workflow.json"
MAX_JOBS = 100
_MIN_JOBS = 20
_JOB_SECONDS = 60.0
"""Work that makes a job worth a place in a queue."""
_SHORTEST_SECONDS = 3.0
"""Work below which the start of a job costs more than it brings, however little there is."""
_FEWEST = 4


@dataclass
class WorkflowNotes:
    """A run on the cluster.

    Attributes
    ----------
    study : str
        Digest of what the results depend on.
    path : str
        Folder of the run on the cluster.
    name : str
        Name of its workflows without the number of the round.
    round : int
        How often jobs were submitted.
    workflow : int or None
        Number of the workflow of this round; None if it was not, or not surely, submitted.
    jobs : dict of int to list of ParcelId
        Parcels of each job of this round.
    n_jobs : int
        Jobs of all rounds, which are numbered from 0.
    deaths : dict of ParcelId to int
        How many jobs died of a parcel.
    server_id, server, login : str or None
        Where it is: name of the resource, host and login; None for this machine.
    """

    study: str
    path: str
    name: str
    round: int = 0
    workflow: int | None = None
    jobs: dict[int, list[ParcelId]] = field(default_factory=dict)
    n_jobs: int = 0
    deaths: dict[ParcelId, int] = field(default_factory=dict)
    server_id: str | None = None
    server: str | None = None
    login: str | None = None

    @property
    def parcels(self) -> set[ParcelId]:
        """Parcels of all jobs of this round."""
        return {parcel for parcels in self.jobs.values() for parcel in parcels}

    def next_round(self, jobs: Sequence[Sequence[ParcelId]]) -> None:
        """Begin a new round: give its jobs their numbers."""
        self.round += 1
        self.workflow = None
        self.jobs = {self.n_jobs + i: list(parcels) for i, parcels in enumerate(jobs)}
        self.n_jobs += len(jobs)

    def save(self, folder: Path) -> None:
        """Write them down.

        Raises
        ------
        OSError
            If they cannot be written.
        """
        jobs = {number: list(map(str, parcels)) for number, parcels in self.jobs.items()}
        deaths = {str(parcel): n_deaths for parcel, n_deaths in self.deaths.items()}
        content = asdict(self) | {"jobs": jobs, "deaths": deaths}
        write_whole(folder / _FILE, json.dumps(content).encode(), durable=True)

    @classmethod
    def load(cls, folder: Path) -> WorkflowNotes | None:
        """Read them; None if there are none, or none that can be understood."""
        try:
            content = json.loads((folder / _FILE).read_bytes())
            content["jobs"] = {
                # older versions, which knew one study, wrote numbers
                int(number): [ParcelId.parse(str(parcel)) for parcel in parcels]
                for number, parcels in content["jobs"].items()
            }
            content["deaths"] = {
                ParcelId.parse(parcel): n_deaths for parcel, n_deaths in content["deaths"].items()
            }
            return cls(**content)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None

    @staticmethod
    def forget(folder: Path) -> None:
        """Remove them."""
        (folder / _FILE).unlink(missing_ok=True)


def plan_jobs(batches: Sequence[Batch]) -> list[Batch]:
    """Group the parcels of batches into jobs.

    There are 20 to 100 of them, of a minute or more as far as there is that much work; less
    when there is little work, since the start of a job takes seconds.

    Returns
    -------
    list of Batch
        One for each job, the longest first.
    """
    costs = {p: max(b.cost / len(b.parcels), 1e-9) for b in batches for p in b.parcels}
    total = sum(costs.values())
    n_jobs = min(max(math.ceil(total / _JOB_SECONDS), _MIN_JOBS), MAX_JOBS)
    n_jobs = min(n_jobs, max(math.ceil(total / _SHORTEST_SECONDS), _FEWEST), len(costs))
    target = total / n_jobs
    while len(jobs := make_batches(costs, target_cost=target * (1 + 1e-6))) > MAX_JOBS:
        target *= 1.1
    return jobs


def name_of_job(parcels: Sequence[ParcelId]) -> str:
    """Name a job by its parcels, for those who look at the workflow or the queue."""
    first, last = min(parcels), max(parcels)
    if first == last:
        return f"parcel_{first}"
    if first.study == last.study and last.number - first.number == len(parcels) - 1:
        return f"parcels_{first}_to_{last}"
    return f"{len(parcels)}_parcels_of_{first}_to_{last}"
