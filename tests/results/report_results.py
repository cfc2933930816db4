"""Results of which a report is made."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import nibabel as nib
import numpy as np

from pyhrf.config.study import Study
from pyhrf.data import ParcelEstimate
from pyhrf.results import Results, write_results
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.grid import Grid

TIME = np.arange(0, 26.0)
CONDITIONS = ("audio", "</script><b>odd")
SHAPE = (6, 5, 4)
# The first axis runs to the left: a viewer has to turn it.
AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -6], [0, 0, 3, 0], [0, 0, 0, 1]])
CIFTI_AFFINE = np.array([[-3.0, 0, 0, 30], [0, 3, 0, 6], [0, 0, 3, 3], [0, 0, 0, 1]])


def bump(peak: float) -> np.ndarray:
    return np.exp(-0.5 * ((TIME - peak) / 2) ** 2)


def level_at(position: np.ndarray) -> np.ndarray:
    """Give a level by which a voxel is known."""
    return (position - 30).astype(np.float32) / 4


def make_report_results(
    folder: Path,
    *,
    estimator: str = "jde-vem",
    n_parcels: int = 3,
    lost: tuple[int, ...] = (2,),
    names: tuple[str, str] = CONDITIONS,
    contrast: str = "a",
) -> Results:
    """Write the results of parcels that are slabs of the first axis, and their mean BOLD."""
    labels = np.zeros(SHAPE, np.int32)
    labels[:, 1:, 1:] = 1 + np.arange(6)[:, None, None] * n_parcels // 6
    estimates = []
    for number in range(1, n_parcels + 1):
        positions = np.flatnonzero(labels == number)
        if number in lost:
            estimates.append(ParcelEstimate(number, "failed", "all is <constant>", positions))
            continue
        iterates = estimator.startswith("jde")
        hrf = {"time": TIME, "hrf": bump(4.0 + number), "sd": np.full(26, 0.1)}
        if not iterates:
            hrf = {
                "time": TIME,
                "hrf": bump(5.0),
                "sd": np.full(26, np.nan),
                "hrf_by_condition": np.stack([bump(5.0), bump(7.0)]),
            }
        levels = level_at(positions)
        estimates.append(
            ParcelEstimate(
                number,
                "ok",
                "",
                positions,
                summary={"time_to_peak": 4.0 + number, "fwhm": 4.5}
                | (
                    {"n_iterations": 20.0, "converged": float(number != 3), "hrf_quality": 0.3}
                    if iterates
                    else {}
                ),
                conditions={"mean_active": np.array([1.5, 2.5])},
                hrf=hrf,
                maps={
                    ("nrl", names[0]): levels,
                    ("nrl_sd", names[0]): np.ones_like(levels),
                    ("active", names[0]): np.full(positions.size, 0.75, np.float32),
                    ("contrast", contrast): -levels,
                },
            )
        )
    header = nib.Nifti1Header()
    header.set_sform(AFFINE, 1)
    write_results(folder, estimates, conditions=names, space=Grid(labels.shape, AFFINE, header))
    bold = folder.parent / "bold.nii"
    if not bold.exists():
        nib.save(nib.Nifti1Image(np.ones((*SHAPE, 30), np.float32), AFFINE), bold)
    data = {
        "kind": "volume",
        "tr": 2.0,
        "parcellation": folder.parent / "parcels.nii",
        "runs": [{"bold": bold, "paradigm": folder.parent / "events.tsv"}],
    }
    study = Study.build(
        estimator=estimator,
        data=data,
        contrasts=[{"name": contrast, "expression": "audio"}],
        **({"glm": {"model": "fir"}} if estimator == "glm" else {}),  # conditions have their own
    )
    run = {
        "study": study.model_dump(mode="json"),
        "versions": {"pyhrf": "1.0"},
        "inputs": {str(bold): "0123abcd"},
        "notes": ["2 events were left out"],
    }
    (folder / "run.json").write_text(json.dumps(run))
    return Results(folder)


def unpacked(one: dict) -> np.ndarray:
    """Give the values of a map of the page."""
    codes = np.frombuffer(base64.b64decode(one["data"]), "<i2")
    values = one["low"] + codes * (one["high"] - one["low"]) / 32767
    return np.where(codes == -32768, np.nan, values)


def write_mesh(path: Path, n_nodes: int, structure: str) -> None:
    """Write a fan of triangles."""
    turn = np.arange(n_nodes)
    points = np.stack([10 * np.cos(turn), 10 * np.sin(turn), turn], axis=1)
    triangles = [(0, k, k + 1) for k in range(1, n_nodes - 1)]
    image = nib.GiftiImage(
        darrays=[
            nib.gifti.GiftiDataArray(points.astype(np.float32), intent="pointset"),
            nib.gifti.GiftiDataArray(np.int32(triangles), intent="triangle"),
        ],
        meta=nib.gifti.GiftiMetaData({"AnatomicalStructurePrimary": structure}),
    )
    image.to_filename(path)


def make_cifti_results(folder: Path) -> Results:
    """Write the results of one parcel of two cortical structures and two voxels."""
    axis = (
        nib.cifti2.BrainModelAxis.from_surface([1, 3, 4], 5, name="CortexLeft")
        + nib.cifti2.BrainModelAxis.from_surface([0, 2], 4, name="CortexRight")
        + nib.cifti2.BrainModelAxis.from_mask(
            np.pad(np.ones((1, 2, 1), bool), 3), affine=CIFTI_AFFINE, name="ThalamusLeft"
        )
    )
    volume = make_report_results(folder / "volume")
    estimate = ParcelEstimate(
        1,
        "ok",
        "",
        np.arange(7),
        summary={"time_to_peak": 5.0, "n_positions_used": 7.0},
        hrf={"time": TIME, "hrf": bump(5.0), "sd": np.full(26, 0.1)},
        maps={("nrl", "audio"): np.arange(10, 17, dtype=np.float32)},
    )
    grid = Grayordinates.of(axis)
    results = write_results(folder / "cifti", [estimate], conditions=("audio",), space=grid)
    meshes = []
    for structure, n_nodes in (("CortexRight", 4), ("CortexLeft", 5)):
        meshes.append(str(folder / f"{structure}.surf.gii"))
        write_mesh(Path(meshes[-1]), n_nodes, structure)
    run = json.loads((volume.directory / "run.json").read_text())
    run["study"]["data"] |= {"kind": "surface", "meshes": meshes}
    (results.directory / "run.json").write_text(json.dumps(run))
    return results
