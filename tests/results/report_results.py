"""Results of which a report is made."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

from pyhrf.config.study import Study
from pyhrf.data import ParcelEstimate
from pyhrf.results import Grid, Results, write_results

TIME = np.arange(0, 26.0)
CONDITIONS = ("audio", "</script><b>odd")
SHAPE = (6, 5, 4)
# The first axis runs to the left: a viewer has to turn it.
AFFINE = np.array([[-3.0, 0, 0, 9], [0, 3, 0, -6], [0, 0, 3, 0], [0, 0, 0, 1]])


def bump(peak: float) -> np.ndarray:
    return np.exp(-0.5 * ((TIME - peak) / 2) ** 2)


def level_at(position: np.ndarray) -> np.ndarray:
    """Give a level by which a voxel is known."""
    return (position - 30).astype(np.float32) / 4


def make_report_results(
    folder: Path, *, estimator: str = "jde-vem", n_parcels: int = 3, lost: tuple[int, ...] = (2,)
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
                    "nrl_audio": levels,
                    "nrl_sd_audio": np.ones_like(levels),
                    "active_audio": np.full(positions.size, 0.75, np.float32),
                    "contrast_a": -levels,
                },
            )
        )
    header = nib.Nifti1Header()
    header.set_sform(AFFINE, 1)
    write_results(folder, estimates, conditions=CONDITIONS, grid=Grid(labels, AFFINE, header))
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
        estimator=estimator, data=data, contrasts=[{"name": "a", "expression": "audio"}]
    )
    run = {
        "study": study.model_dump(mode="json"),
        "versions": {"pyhrf": "1.0"},
        "inputs": {str(bold): "0123abcd"},
        "notes": ["2 events were left out"],
    }
    (folder / "run.json").write_text(json.dumps(run))
    return Results(folder)
