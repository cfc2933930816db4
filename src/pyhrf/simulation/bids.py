"""Artificial data as a small BIDS data set with derivatives as fMRIPrep writes them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pyhrf.data import FloatArray
from pyhrf.errors import InputError
from pyhrf.simulation.bids_surfaces import SURFACE_SPACE, hemispheres_of, write_gifti
from pyhrf.simulation.datasets import (
    events_tsv,
    made_whole,
    run_volumes,
    write_nifti,
    write_truth,
)
from pyhrf.simulation.spec import SimulationSpec

if TYPE_CHECKING:
    from pyhrf.simulation.simulate import Simulated

TASK = "sim"
SPACE = "MNI152NLin2009cAsym"
_BIDS_VERSION = "1.10.0"
_MOTION = tuple(f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz")
_RADIUS = 50.0  # mm; of the head, for FD (Power et al., NeuroImage 59:2142, 2012)
_STEP = 0.01  # mm; sd of the motion from one scan to the next
_JUMP = 0.6  # mm; of the scans in which the head jumps
_WEIGHT = 2.0  # noise sds per mm; how motion shows in the signal


def write_bids(
    spec: SimulationSpec, n_subjects: int, directory: Path | str, *, surfaces: bool = False
) -> list[str]:
    """Write a BIDS data set into a directory of its own, all files or none.

    The participants are ``sub-01`` and so on, each with the seed of the description plus its
    number, counted from 0; the task is `TASK`. ``derivatives/fmriprep`` holds BOLD with brain mask
    in `SPACE`, and confounds: motion that is in the signal too, with its derivatives and squares,
    and FD, ``n/a`` where fMRIPrep has no value. ``derivatives/truth`` holds what was put in.

    Parameters
    ----------
    spec : SimulationSpec
        Of a participant; with several runs the names tell them.
    n_subjects : int
        Number of participants.
    directory : Path or str
        Made if it is not there; must be empty otherwise.
    surfaces : bool
        Write two slices of each volume as the series of two hemispheres too, in `SURFACE_SPACE`,
        with their meshes in ``anat`` and their parcels beside the truth.

    Returns
    -------
    list of str
        Labels of the participants.

    Raises
    ------
    InputError
        The directory holds something already, or cannot be written; or a volume has no two
        slices.
    """
    from pyhrf.simulation.simulate import simulate

    if n_subjects < 1:
        raise InputError(f"simulation: {n_subjects} participants; ask for at least 1.")
    width = max(2, len(str(n_subjects)))
    labels = [f"{number:0{width}d}" for number in range(1, n_subjects + 1)]
    with made_whole(Path(directory)) as root:
        _write_top(root, labels, spec)
        for number, label in enumerate(labels):
            simulated = simulate(replace(spec, seed=spec.seed + number))
            _write_subject(root, label, simulated, surfaces=surfaces)
    return labels


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _write_top(root: Path, labels: list[str], spec: SimulationSpec) -> None:
    """Write the files at the top of the data set and of its derivatives."""
    maker = {"Name": "PyHRF", "Description": "Made by 'pyhrf simulate'"}
    about = {"BIDSVersion": _BIDS_VERSION, "GeneratedBy": [maker]}
    for folder, name, kind in (
        (root, "Artificial BOLD data", "raw"),
        (root / "derivatives" / "fmriprep", "Artificial BOLD data, preprocessed", "derivative"),
        (root / "derivatives" / "truth", "What the artificial data were made of", "derivative"),
    ):
        folder.mkdir(parents=True, exist_ok=True)
        _write_json(
            folder / "dataset_description.json", {"Name": name, "DatasetType": kind, **about}
        )
    (root / "README").write_text(
        "Artificial BOLD data with known truth, made by 'pyhrf simulate --bids'.\n"
        "No brain was scanned.\n",
        encoding="utf-8",
    )
    lines = ["participant_id", *(f"sub-{label}" for label in labels)]
    (root / "participants.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    _write_json(root / f"task-{TASK}_bold.json", {"TaskName": TASK, "RepetitionTime": spec.tr})
    (root / "derivatives" / "truth" / "simulation.json").write_text(spec.to_json(), "utf-8")


def _write_subject(root: Path, label: str, simulated: Simulated, *, surfaces: bool) -> None:
    spec = simulated.spec
    name = f"sub-{label}_task-{TASK}"
    raw, derived = (
        top / f"sub-{label}" / "func" for top in (root, root / "derivatives" / "fmriprep")
    )
    raw.mkdir(parents=True)
    derived.mkdir(parents=True)
    rng = np.random.default_rng([spec.seed, 1])
    for number, run in enumerate(simulated.experiment.runs):
        stem = name if spec.n_runs == 1 else f"{name}_run-{number + 1}"
        (raw / f"{stem}_events.tsv").write_text(events_tsv(run), encoding="utf-8")
        motion = _draw_motion(spec.n_scans, rng)
        simulated = _moved(simulated, number, motion, rng)
        (derived / f"{stem}_desc-confounds_timeseries.tsv").write_text(_confounds(motion), "utf-8")
        bold = derived / f"{stem}_space-{SPACE}_desc-preproc_bold.nii.gz"
        shape = (*simulated.parcellation.shape, spec.n_scans)
        volumes = run_volumes(simulated, number)
        write_nifti(bold, shape, spec.dtype, simulated.affine, volumes, tr=spec.tr)
        # What was acquired, without which the events would be no data set of BIDS.
        shutil.copyfile(bold, raw / f"{stem}_bold.nii.gz")
        _write_json(
            derived / f"{stem}_space-{SPACE}_desc-preproc_bold.json",
            {**_about_series(spec), "SkullStripped": False},
        )
        if surfaces:
            _write_series(derived, stem, simulated, number)
        mask = (simulated.parcellation > 0).astype(np.uint8)
        path = derived / f"{stem}_space-{SPACE}_desc-brain_mask.nii.gz"
        write_nifti(path, mask.shape, "uint8", simulated.affine, [mask])
        _write_json(
            path.with_name(path.name.replace(".nii.gz", ".json")),
            {"Type": "Brain", "RawSources": [f"bids:raw:sub-{label}/func/{stem}_bold.nii.gz"]},
        )
    truth = root / "derivatives" / "truth" / f"sub-{label}" / "func"
    truth.mkdir(parents=True)
    if surfaces:
        _write_meshes(derived.with_name("anat"), truth, label, simulated)
    labels = simulated.parcellation
    path = truth / f"{name}_space-{SPACE}_desc-parcels_dseg.nii.gz"
    write_nifti(path, labels.shape, "int32", simulated.affine, [labels])
    write_truth(simulated, truth / f"{name}_truth.npz")


def _about_series(spec: SimulationSpec) -> dict[str, Any]:
    return {
        "RepetitionTime": spec.tr,
        "StartTime": 0.0,
        "SliceTimingCorrected": False,
        "TaskName": TASK,
    }


def _write_series(folder: Path, stem: str, simulated: Simulated, run: int) -> None:
    """Write the series of both hemispheres of a run."""
    spec = simulated.spec
    scans = slice(run * spec.n_scans, (run + 1) * spec.n_scans)
    for half in hemispheres_of(simulated):
        path = folder / f"{stem}_hemi-{half.hemi}_space-{SURFACE_SPACE}_bold.func.gii"
        write_gifti(path, half.structure, time_series=half.series(simulated.bold[scans]))
        _write_json(path.with_name(path.name.replace(".func.gii", ".json")), _about_series(spec))


def _write_meshes(anat: Path, truth: Path, label: str, simulated: Simulated) -> None:
    """Write the meshes of both hemispheres, and their parcels."""
    for half in hemispheres_of(simulated):
        name = f"sub-{label}_hemi-{half.hemi}"
        mesh = {"pointset": half.points, "triangle": half.triangles}
        write_gifti(anat / f"{name}_midthickness.surf.gii", half.structure, **mesh)
        name = f"sub-{label}_task-{TASK}_hemi-{half.hemi}_space-{SURFACE_SPACE}"
        path = truth / f"{name}_desc-parcels_dseg.label.gii"
        write_gifti(path, half.structure, label=half.labels)


def _draw_motion(n_scans: int, rng: np.random.Generator) -> FloatArray:
    """Draw six motion parameters, mm and radians, shape (n_scans, 6): drift, and two jumps."""
    steps = _STEP * rng.standard_normal((n_scans, 6))
    steps[0] = 0
    motion = np.cumsum(steps, axis=0)
    for scan in rng.choice(np.arange(5, n_scans), size=2, replace=False):
        motion[scan] += _JUMP * rng.standard_normal(6)
    motion[:, 3:] /= _RADIUS
    return motion


def _moved(
    simulated: Simulated, run: int, motion: FloatArray, rng: np.random.Generator
) -> Simulated:
    """Put the motion of a run into its signal, each voxel with weights of its own."""
    spec = simulated.spec
    millimetres = motion * np.repeat([1.0, _RADIUS], 3)
    weights = _WEIGHT * spec.noise_sd * rng.standard_normal((6, len(simulated.positions)))
    bold = simulated.bold.copy()
    scans = slice(run * spec.n_scans, (run + 1) * spec.n_scans)
    # Without BLAS, whose bytes depend on its threads.
    bold[scans] += np.einsum("nk,kv->nv", millimetres, weights).astype(np.float32)
    if spec.dtype == "int16":
        bold[scans] = np.clip(np.rint(bold[scans]), -32768, 32767)
    return replace(simulated, bold=bold)


def _confounds(motion: FloatArray) -> str:
    """Text of fMRIPrep's table: 24 motion parameters and framewise displacement."""
    first = np.full((1, 6), np.nan)
    steps = np.concatenate([first, np.diff(motion, axis=0)])
    names = [
        name + end
        for end in ("", "_derivative1", "_power2", "_derivative1_power2")
        for name in _MOTION
    ]
    displacement = np.abs(steps * np.repeat([1.0, _RADIUS], 3)).sum(axis=1, keepdims=True)
    columns = np.concatenate([motion, steps, motion**2, steps**2, displacement], axis=1)
    rows = ["\t".join("n/a" if np.isnan(x) else f"{x:.9g}" for x in row) for row in columns]
    return "\n".join(["\t".join([*names, "framewise_displacement"]), *rows]) + "\n"
