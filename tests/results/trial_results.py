"""Results with single trials, of which all numbers are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from pyhrf.config.study import Study
from pyhrf.data import ParcelEstimate
from pyhrf.outputs.columns import columns_of
from pyhrf.results import Results, write_results
from pyhrf.results.tables import write_table
from pyhrf.spaces.grid import Grid

SHAPE = (5, 4, 3)
CONDITIONS = ("audio", "<b>&odd")
# Parcel 2 has the larger ratios, parcel 3 a single voxel, parcel 4 is lost.
SIZES = {1: 24, 2: 25, 3: 1, 4: 5}


def snr_at(positions: np.ndarray) -> np.ndarray:
    """Give a ratio that is another one in each voxel, larger in later parcels."""
    return ((7 * positions) % 60 + 1) / 60


def level_at(positions: np.ndarray, n_trials: int) -> np.ndarray:
    """Give levels by which voxel and trial are known."""
    return positions[:, None] / 4 - np.arange(n_trials) / 8


def trial_rows(n_runs: int, n_each: int, conditions: tuple[str, ...], lost: int) -> list[Any]:
    """Give the rows of the table: events 4 s apart, the conditions in turn."""
    rows: list[Any] = []
    for run in range(1, n_runs + 1):
        for k in range(n_each):
            name = conditions[len(rows) % len(conditions)]
            is_lost = len(rows) < lost
            about = (np.nan, "all scans that see it are censored") if is_lost else (0.25, "")
            rows.append((len(rows), run, name, 3.5 + 4 * k, 1.0, 1.0, 12, *about))
    return rows


def make_trial_results(
    folder: Path,
    *,
    n_runs: int = 2,
    n_each: int = 6,
    conditions: tuple[str, ...] = CONDITIONS,
    lost: int = 1,
    **own: Any,
) -> Results:
    """Write the results of four parcels, the last of which could not be estimated."""
    rows = trial_rows(n_runs, n_each, conditions, lost)
    estimates, first = [], 2
    for number, size in SIZES.items():
        positions = np.arange(first, first + size)
        first += size
        if number == 4:
            estimates.append(ParcelEstimate(number, "failed", "it is constant", positions))
            continue
        levels = level_at(positions, len(rows)).astype(np.float32)
        levels[:, :lost] = np.nan
        names = ("trials", "trials_sd", "trial_mean", "trial_sd", "trial_snr")
        snr = snr_at(positions).astype(np.float32)
        maps = (levels, 0.5 * np.abs(levels) + 1, 0 * snr, snr, snr)
        estimates.append(
            ParcelEstimate(
                number,
                "ok",
                "",
                positions,
                summary={"time_to_peak": 5.0, "trial_patterns": float(number == 1)},
                conditions={"mean_active": np.ones(len(conditions))},
                hrf={"time": np.arange(2.0), "hrf": np.ones(2), "sd": np.zeros(2)},
                maps={(name, ""): values for name, values in zip(names, maps, strict=True)},
            )
        )
    space = Grid(SHAPE, np.eye(4), nib.Nifti1Header())
    write_results(folder, estimates, conditions=conditions, space=space)
    write_table(folder / "trials.tsv", columns_of("trials"), rows)
    study = Study.build(
        estimator="jde-vem", data={"example": "small"}, vem={"single_trials": "all", **own}
    )
    run = {
        "study": study.model_dump(mode="json"),
        "versions": {"pyhrf": "1.0"},
        "inputs": {},
        "notes": [],
    }
    (folder / "run.json").write_text(json.dumps(run))
    return Results(folder)
