"""Two runs with the 24 regressors of motion that fMRIPrep users take, against nilearn's GLM."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.measure import Cost, in_turns, median, run_program
from benchmarks.table import Table
from benchmarks.workspace import BRAIN, Workspace, estimate
from pyhrf.config.data_sections import RunFiles
from pyhrf.inputs.confounds import STRATEGIES, NuisanceFiles
from pyhrf.inputs.dataset import open_dataset
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate

__all__ = ["two_runs", "write_motion"]

SPEC = replace(BRAIN, n_scans=300, n_runs=2)
RATIO = "{:.2f} ×"
MEGABYTE = 1e6


def two_runs(space: Workspace) -> Table:
    """Time and memory of two runs with 24 confounds each."""
    paths = write_dataset(simulate(SPEC), space.folder / "runs")
    confounds = [
        write_motion(space.folder / "runs" / f"motion_{k}.tsv", SPEC.n_scans, seed=k)
        for k in range(SPEC.n_runs)
    ]
    files = list(zip(paths.bold, paths.paradigm, confounds, strict=True))
    options = [
        part
        for bold, paradigm, table in files
        for part in ("-f", bold, "-r", paradigm, "--confounds", table)
    ]
    study = space.make_study(
        "runs", *options, "-k", paths.parcellation, "--confound-columns", "motion24"
    )
    dataset = open_dataset(
        runs=[RunFiles(bold=bold, paradigm=paradigm) for bold, paradigm, _ in files],
        parcellation=paths.parcellation,
        nuisance=[NuisanceFiles(confounds=table, columns="motion24") for table in confounds],
    )
    parcels = dataset.load(list(dataset.parcels))

    def peer() -> Cost:
        each = [part for run in files for part in ("--run", *run)]
        folder = space.fresh("glm")
        return run_program(
            sys.executable, "-m", "benchmarks.glm", folder, paths.parcellation, *each
        )

    mine, command, other = in_turns(
        space.n_runs,
        {
            "estimation": lambda: estimate(dataset.experiment, parcels),
            "pyhrf_jde_estim": lambda: space.command(study, "-x", "serial"),
            "GLM": peer,
        },
    ).values()
    glm = median(other, "cpu")
    n_positions = sum(dataset.parcels.values())
    return (
        Table(
            "Runs with confounds",
            f"{n_positions:,} voxels in {len(parcels)} parcels, {SPEC.n_runs} runs of "
            f"{SPEC.n_scans} scans with 24 regressors of motion each, {SPEC.n_conditions} "
            f"conditions; one thread, CPU time, medians of {space.n_runs} runs in turns. The GLM "
            "is nilearn's with the same confounds, AR(1) noise and a z map of each condition, as a "
            "command.",
        )
        .add("GLM, whole command", glm)
        .add("PyHRF, estimation", median(mine, "cpu"))
        .add("PyHRF, whole command", median(command, "cpu"))
        .add("estimation / GLM command", median(mine, "cpu") / glm, RATIO, bar=1.5)
        .add("whole command / GLM command", median(command, "cpu") / glm, RATIO)
        .add("GLM, peak of memory", median(other, "peak") / MEGABYTE, "{:.0f} MB")
        .add("PyHRF, peak of memory", median(command, "peak") / MEGABYTE, "{:.0f} MB")
    )


def write_motion(path: Path, n_scans: int, *, seed: int) -> Path:
    """Write 24 regressors of a head that wanders, as fMRIPrep names them."""
    position = np.cumsum(np.random.default_rng(seed).normal(size=(n_scans, 6)), axis=0)
    change = np.diff(position, axis=0, prepend=position[:1])
    values = np.hstack([position, change, position**2, change**2])
    pd.DataFrame(values, columns=list(STRATEGIES["motion24"])).to_csv(path, sep="\t", index=False)
    return path
