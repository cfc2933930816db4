"""The data of the measurements, made once for all sections that need them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from pathlib import Path

import click

from benchmarks.measure import ROOT, Cost, program, run_program, timed
from pyhrf.data import Experiment, Parcel
from pyhrf.estimators import JDEVEM
from pyhrf.simulation.datasets import DatasetPaths, write_dataset
from pyhrf.simulation.simulate import Simulated, simulate
from pyhrf.simulation.spec import SimulationSpec

__all__ = ["BRAIN", "Workspace", "estimate", "real_data"]

BRAIN = SimulationSpec(
    shape=(44, 54, 40),
    n_parcels=500,
    parcel_size_spread=0.0,
    n_scans=150,
    n_conditions=3,
    dtype="int16",
)
"""A whole brain: 500 parcels of about 100 voxels, stored as a scanner does."""


@dataclass(frozen=True)
class Study:
    """A data set on disk with its study file."""

    paths: DatasetPaths
    file: Path


class Workspace:
    """Data sets in a folder; each is made when it is first asked for.

    Parameters
    ----------
    folder : Path
        Empty.
    n_runs : int
        How often each measurement is taken.
    n_seeds : int
        How many data sets accuracy is averaged over.
    """

    def __init__(self, folder: Path, *, n_runs: int, n_seeds: int) -> None:
        self.folder, self.n_runs, self.n_seeds = folder, n_runs, n_seeds
        self._numbers = count(1)

    def fresh(self, name: str) -> Path:
        """Name a folder that is not there yet."""
        return self.folder / f"{name}-{next(self._numbers)}"

    @cached_property
    def brain(self) -> Simulated:
        """The whole brain in memory."""
        click.echo("  making the whole brain", err=True)
        return simulate(BRAIN)

    @cached_property
    def longer_brain(self) -> Simulated:
        """The same with twice the scans."""
        return simulate(replace(BRAIN, n_scans=2 * BRAIN.n_scans))

    @cached_property
    def study(self) -> Study:
        """The whole brain on disk."""
        paths = write_dataset(self.brain, self.folder / "brain")
        data = ("-f", paths.bold[0], "-k", paths.parcellation, "-r", paths.paradigm[0])
        return Study(paths, self.make_study("brain", *data))

    def make_study(self, name: str, *options: str | Path) -> Path:
        """Write a study file with PyHRF's own command."""
        file = self.folder / f"{name}.xml"
        run_program(program("pyhrf_jde_buildcfg"), *options, "-o", file, "-v", "0")
        return file

    def command(
        self, study: Path, *options: str, environment: dict[str, str] | None = None
    ) -> Cost:
        """Run the estimation command into a folder of its own."""
        return run_program(
            program("pyhrf_jde_estim"),
            "-c",
            study,
            "-u",
            self.fresh("results"),
            *options,
            environment=environment,
        )


def estimate(experiment: Experiment, parcels: Iterable[Parcel]) -> Cost:
    """Estimate parcels in this process, on one thread: all that is not reading and writing."""

    def work() -> None:
        estimator = JDEVEM(experiment)
        for parcel in parcels:
            estimator.fit_parcel(parcel)

    return timed(work)


def real_data() -> Path:
    """Folder where real data would be."""
    return Path(os.environ.get("PYHRF_TEST_DATA") or ROOT.parent / "shared" / "data")
