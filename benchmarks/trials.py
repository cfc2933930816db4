"""Single trials, against GLMsingle where it is installed beside."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
from validation.trial_data import SCENARIOS, TrialData, simulate_trials
from validation.trial_rivals import has_glmsingle

from benchmarks.measure import Cost, in_turns, median, run_program
from benchmarks.table import Table
from benchmarks.workspace import Workspace

__all__ = ["trials", "write_trials"]

RATIO = "{:.2f} ×"
MEGABYTE = 1e6
MANY = 10_000
"""From so many voxels on, PyHRF may take as long as GLMsingle."""


def trials(space: Workspace, *, n_parcels: int) -> Table:
    """Time and memory of the levels of all events of four runs."""
    data = simulate_trials(replace(SCENARIOS["conditions-20"], n_parcels=n_parcels), 0)
    folder = space.fresh("trials")
    study = space.make_study(folder.name, *write_trials(data, folder), "--single-trials")
    n_scans, n_positions = data.bold.shape

    def method(name: str) -> Callable[[], Cost]:
        files = (folder / "data.pickle", name, folder / "levels.npz")
        return lambda: run_program(sys.executable, "-m", "validation.trial_methods", *files)

    works = {
        "estimation": method("pyhrf"),
        "pyhrf_jde_estim": lambda: space.command(study, "-x", "serial"),
    }
    works |= {"GLMsingle": method("glmsingle-files")} if has_glmsingle() else {}
    costs = in_turns(space.n_runs, works)
    table = Table(
        "Single trials",
        f"{n_positions:,} voxels in {n_parcels} parcels, {n_scans} scans in 4 runs, "
        f"{len(data.trials)} trials of 20 conditions; one thread, CPU time and largest memory of "
        f"programs, medians of {space.n_runs} runs in turns. GLMsingle makes its types A to D with "
        "its defaults, and its files and figures.",
    )
    for name, runs in costs.items():
        table.add(f"{name}, CPU", median(runs, "cpu"))
        table.add(f"{name}, memory", median(runs, "peak") / MEGABYTE, "{:.0f} MB")
    if "GLMsingle" not in costs:
        table.note += " It cannot be imported here, so that nothing is compared."
        return table
    mine, other = costs["pyhrf_jde_estim"], costs["GLMsingle"]
    bar = 0.5 if n_positions < MANY else 1.0
    return table.add(
        "whole command / GLMsingle, CPU", median(mine, "cpu") / median(other, "cpu"), RATIO, bar=bar
    ).add(
        "whole command / GLMsingle, memory",
        median(mine, "peak") / median(other, "peak"),
        RATIO,
        bar=0.25,
    )


def write_trials(data: TrialData, folder: Path) -> list[str | Path]:
    """Write a data set, and give the options of a study of it.

    Its voxels lie in a volume of which each slab is a parcel.
    """
    folder.mkdir(parents=True)
    (folder / "data.pickle").write_bytes(pickle.dumps(data))
    n_parcels = len(data.parcels)
    shape = (n_parcels * 5, 5, len(data.parcel_of) // n_parcels // 25)
    affine = np.diag([3.0, 3.0, 3.0, 1.0])
    label = data.parcel_of.astype(np.int32).reshape(shape)
    nib.save(nib.Nifti1Image(label, affine), folder / "parcellation.nii")
    options: list[str | Path] = ["-k", folder / "parcellation.nii"]
    for number, (run, bold) in enumerate(
        zip(data.experiment.runs, data.bold_of_runs(), strict=True)
    ):
        image = nib.Nifti1Image(bold.T.reshape(*shape, -1), affine)
        image.header.set_zooms((3.0, 3.0, 3.0, run.tr))
        image.header.set_xyzt_units("mm", "sec")
        nib.save(image, folder / f"bold-{number}.nii")
        lines = [
            f"{trial.onset}\t{trial.duration}\t{trial.condition}"
            for trial in data.trials
            if trial.run == number
        ]
        events = folder / f"events-{number}.tsv"
        events.write_text("\n".join(["onset\tduration\ttrial_type", *lines]) + "\n", "utf-8")
        options += ["-f", folder / f"bold-{number}.nii", "-r", events]
    return options
