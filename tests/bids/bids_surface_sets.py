"""The simulator's BIDS data sets on small meshes, as fMRIPrep writes data of surfaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from bids_sets import SPACE, func
from nibabel.cifti2 import BrainModelAxis, Cifti2Image, SeriesAxis

STRUCTURES = {"L": "CortexLeft", "R": "CortexRight"}
SHAPE = (4, 4)  # of the nodes of a hemisphere: a slice of the volume


def gifti(path: Path, arrays: list[Any], intents: list[str], structure: str = "") -> Path:
    image = nib.GiftiImage()
    for array, intent in zip(arrays, intents, strict=True):
        image.add_gifti_data_array(
            nib.gifti.GiftiDataArray(array, intent=intent, datatype=array.dtype)
        )
    if structure:
        image.meta["AnatomicalStructurePrimary"] = structure
    path.parent.mkdir(parents=True, exist_ok=True)
    image.to_filename(path)
    return path


def mesh(path: Path, structure: str = "", shape: tuple[int, int] = SHAPE) -> Path:
    """Write a flat mesh of squares, each halved."""
    points = np.array([(x, y, 0) for x in range(shape[0]) for y in range(shape[1])], np.float32)
    number = np.arange(len(points)).reshape(shape)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[:-1, 1:], number[1:, 1:]
    halves = [np.stack([a, b, c], -1), np.stack([b, d, c], -1)]
    triangles = np.concatenate([half.reshape(-1, 3) for half in halves]).astype(np.int32)
    return gifti(path, [points, triangles], ["pointset", "triangle"], structure)


def labels(path: Path, values: Any, structure: str = "") -> Path:
    return gifti(path, [np.asarray(values, np.int32)], ["label"], structure)


def anat(root: Path, label: str) -> Path:
    return func(root, label).with_name("anat")


def _series(volume: Path, hemi: str) -> np.ndarray:
    """Values of a hemisphere, shape (n_scans, n_nodes): a slice of the volume."""
    values = np.asarray(nib.load(volume).dataobj, np.float32)
    return values[:, :, "LR".index(hemi)].reshape(-1, values.shape[-1]).T


def add_gifti(root: Path, *subjects: str, space: str = "fsnative") -> None:
    """Add the series of both hemispheres, the last node of each without a signal, and meshes."""
    for label in subjects:
        for volume in sorted(func(root, label).glob(f"*_{SPACE}_desc-preproc_bold.nii.gz")):
            stem = volume.name.partition("_space-")[0]
            for hemi, structure in STRUCTURES.items():
                values = _series(volume, hemi).copy()
                values[:, -1] = np.nan  # as --medial-surface-nan leaves the medial wall
                name = f"{stem}_hemi-{hemi}_space-{space}_bold"
                bold = volume.with_name(f"{name}.func.gii")
                gifti(bold, [*values], ["time series"] * len(values), structure)
                bold.with_name(f"{name}.json").write_text(json.dumps(_about(volume)))
        for hemi, structure in STRUCTURES.items():
            mesh(anat(root, label) / f"sub-{label}_hemi-{hemi}_pial.surf.gii", structure)
            mesh(anat(root, label) / f"sub-{label}_hemi-{hemi}_midthickness.surf.gii", structure)


def add_cifti(root: Path, *subjects: str) -> None:
    """Add dense series of both hemispheres but for their last nodes, and of some voxels."""
    for label in subjects:
        for volume in sorted(func(root, label).glob(f"*_{SPACE}_desc-preproc_bold.nii.gz")):
            stem = volume.name.partition("_space-")[0]
            hemispheres = [_series(volume, hemi)[:, :-1] for hemi in "LR"]
            voxels = np.asarray(nib.load(volume).dataobj, np.float32)[:2, :2, 2].reshape(4, -1).T
            values = np.hstack([*hemispheres, voxels])
            name = f"{stem}_space-fsLR_den-91k_bold"
            step = json.loads(_json_of(volume).read_text())["RepetitionTime"]
            rows = SeriesAxis(0, step, len(values))
            image = Cifti2Image(values, (rows, dense_axis()))
            image.to_filename(volume.with_name(f"{name}.dtseries.nii"))
            volume.with_name(f"{name}.json").write_text(json.dumps(_about(volume)))
        for hemi, structure in STRUCTURES.items():
            name = f"sub-{label}_hemi-{hemi}_space-fsLR_den-32k_midthickness.surf.gii"
            mesh(anat(root, label) / name, structure)


def dense_axis() -> Any:
    n_nodes = SHAPE[0] * SHAPE[1]
    left, right = (
        BrainModelAxis.from_surface(np.arange(n_nodes - 1), n_nodes, name=name)
        for name in STRUCTURES.values()
    )
    mask = np.zeros((4, 4, 3), bool)
    mask[:2, :2, 2] = True
    return left + right + BrainModelAxis.from_mask(mask, name="thalamus_left", affine=np.eye(4))


def _json_of(volume: Path) -> Path:
    return volume.with_name(volume.name.replace(".nii.gz", ".json"))


def _about(volume: Path) -> dict[str, Any]:
    return json.loads(_json_of(volume).read_text())
