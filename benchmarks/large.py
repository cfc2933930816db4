"""A data set much larger than any brain of today: does it fit into memory?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Table
from benchmarks.workspace import Workspace
from pyhrf.data import FloatArray, Run
from pyhrf.model.hrf import canonical_hrf
from pyhrf.simulation.events import draw_experiment
from pyhrf.simulation.spec import SimulationSpec

__all__ = ["large", "make_large"]

SHAPE = (80, 75, 50)
BLOCK = 5
N_SCANS = 1000
SCANS_AT_ONCE = 20
GIGABYTE = 1e9


def large(space: Workspace) -> Table:
    """Peak of the command on 300,000 voxels and 1,000 scans."""
    folder = space.folder / "large"
    bold, parcellation, paradigm = make_large(folder, shape=SHAPE, n_scans=N_SCANS)
    study = space.make_study("large", "-f", bold, "-k", parcellation, "-r", paradigm)
    cost = space.command(study, "-x", "local", "-j", "2")
    return (
        Table(
            "Large",
            f"{np.prod(SHAPE):,} voxels in {np.prod(SHAPE) // BLOCK**3:,} parcels, {N_SCANS:,} "
            "scans, int16, 3 conditions; `-x local -j 2`.",
        )
        .add("peak of memory", cost.peak / GIGABYTE, "{:.2f} GB", bar=4.0, side="<")
        .add("whole command", cost.seconds)
        .add("whole command, CPU", cost.cpu)
    )


def make_large(
    folder: Path, *, shape: tuple[int, int, int], n_scans: int
) -> tuple[Path, Path, Path]:
    """Write BOLD data, parcellation and events, some scans at a time.

    Half of the voxels of each block respond, all in the same way; the noise is white.
    """
    folder.mkdir(parents=True)
    spec = SimulationSpec(n_scans=n_scans, n_conditions=3)
    experiment = draw_experiment(spec, np.random.default_rng(0))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    labels = _blocks(shape)
    nib.save(nib.Nifti1Image(labels, affine), folder / "parcellation.nii")
    _write_bold(folder / "bold.nii", affine, labels, experiment.runs[0])
    lines = [
        f"{onset}\t0\t{name}"
        for name, events in experiment.runs[0].events.items()
        for onset in events.onsets
    ]
    (folder / "events.tsv").write_text("\n".join(["onset\tduration\ttrial_type", *lines]) + "\n")
    return folder / "bold.nii", folder / "parcellation.nii", folder / "events.tsv"


def _blocks(shape: tuple[int, int, int]) -> NDArray[np.int32]:
    """Number the cubes of a grid."""
    grid = [-(-n // BLOCK) for n in shape]
    x, y, z = (index // BLOCK for index in np.indices(shape))
    return np.asarray(1 + x + grid[0] * (y + grid[1] * z), dtype=np.int32)


def _write_bold(path: Path, affine: FloatArray, labels: NDArray[np.int32], run: Run) -> None:
    header: Any = nib.Nifti1Header()
    header.set_data_dtype(np.int16)
    header.set_data_shape((*labels.shape, run.n_scans))
    header.set_sform(affine, code="aligned")
    header.set_xyzt_units("mm", "sec")
    header.set_zooms((*header.get_zooms()[:3], run.tr))
    response = _responses(run)
    rng = np.random.default_rng(1)
    level = 5.0 * (np.arange(labels.size) % 2).astype(np.float32)
    with path.open("wb") as file:
        header.write_to(file)
        file.write(b"\0" * (header.get_data_offset() - file.tell()))
        for first in range(0, run.n_scans, SCANS_AT_ONCE):
            part = response[first : first + SCANS_AT_ONCE].astype(np.float32)
            noise = rng.standard_normal((len(part), labels.size), dtype=np.float32)
            scans = 1000 + 10 * noise + part[:, None] * level
            file.write(scans.astype("<i2").tobytes())


def _responses(run: Run) -> FloatArray:
    """Response of an active voxel to all events together, shape (n_scans,)."""
    time = run.tr * np.arange(run.n_scans)
    onsets = np.concatenate([events.onsets for events in run.events.values()])
    return np.asarray(canonical_hrf(time[:, None] - onsets).sum(axis=1))
