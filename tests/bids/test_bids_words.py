"""What ``pyhrf bids`` says, and what its reports say, is of ``pyhrf bids``, not other commands."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bids_sets import SPACE, SPEC, change_json, func, run_bids

SMALL = ("participant", "-x", "serial", "--parcellation", 30, "--participant-label", "01")


def give_tr(dataset: Path, run: int, tr: float, *, in_json: bool = True) -> None:
    """Write a repetition time into the header of a run, and into its JSON file or out of it."""
    stem = func(dataset, "01") / f"sub-01_task-sim_run-{run}_{SPACE}_desc-preproc_bold"
    path = stem.with_name(f"{stem.name}.nii.gz")
    image = nib.load(path)
    # before the file is written over
    image = nib.Nifti1Image(image.get_fdata(), image.affine, image.header)
    image.header.set_zooms((*image.header.get_zooms()[:3], tr))
    nib.save(image, path)
    change_json(stem.with_name(f"{stem.name}.json"), RepetitionTime=tr if in_json else None)


def test_bids__runs_of_several_repetition_times_have_a_note_without_advice(
    dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    give_tr(dataset, 2, SPEC.tr * 1.25)
    ended = run_bids(capfd, dataset, tmp_path / "out", *SMALL)
    assert ended.code == 0, ended.err
    (run_json,) = (tmp_path / "out" / ".pyhrf").glob("sub-*/run.json")
    (note,) = json.loads(run_json.read_text())["notes"]
    assert note.endswith(f"is {SPEC.tr:g} s; each run is taken with its own")
    assert note in ended.err


def test_bids__an_impossible_repetition_time_is_mended_in_the_files(
    dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in dataset.rglob("*_bold.json"):
        change_json(path, RepetitionTime=None)
    for run in (1, 2):
        give_tr(dataset, run, 50, in_json=False)
    ended = run_bids(capfd, dataset, tmp_path / "out", *SMALL, "--skip-bids-validation")
    assert ended.code == 1
    assert "give it (RepetitionTime in the JSON file of the run)" in ended.err
    assert not re.search(r" -I\b", ended.err)


def test_bids__a_missing_column_is_given_by_an_option_alone(
    dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    ended = run_bids(capfd, dataset, tmp_path / "out", *SMALL, "--event-column", "trial")
    assert ended.code == 1
    assert "the one of the conditions (--event-column)\n" in ended.err
    ended = run_bids(capfd, dataset, tmp_path / "out", *SMALL, "--amplitude-column", "height")
    assert ended.code == 1
    assert "the one of the amplitudes (--amplitude-column)\n" in ended.err


def test_bids__a_folder_that_no_job_script_can_name_is_the_out_dir(
    dataset: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sbatch", "squeue", "scancel"):  # as on a cluster
        (folder / name).write_text("#!/bin/sh\nexit 1\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    out = tmp_path / "out of jobs"
    ended = run_bids(capfd, dataset, out, "participant", "-x", "slurm", *SMALL[3:])
    assert ended.code != 0
    assert "choose another output directory (OUT_DIR), whose path holds only" in ended.err


def test_bids__the_methods_name_the_command_its_parcels_and_moved_onsets(
    dataset: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for run in (1, 2):
        name = f"sub-01_task-sim_run-{run}_{SPACE}_desc-preproc_bold.json"
        change_json(func(dataset, "01") / name, StartTime=0.5, SliceTimingCorrected=True)
    words = (dataset, tmp_path / "out", *SMALL)
    monkeypatch.setattr("sys.argv", ["/env/bin/pyhrf", "bids", *map(str, words)])
    assert run_bids(capfd, *words).code == 0
    (report,) = (tmp_path / "out").glob("sub-01*.html")
    page = " ".join(report.read_text().split())
    assert "analysed with PyHRF" in page
    assert "(pyhrf bids)." in page
    assert "parcels of at most 30 voxels that were cut from the brain mask, of" in page
    assert "Onsets were moved 0.5 s earlier" in page
    assert "pyhrf_jde_estim" not in page


def test_bids__counts_parcels_whose_response_is_poorly_determined_once_a_study(
    dataset: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for run in (1, 2):
        path = func(dataset, "01") / f"sub-01_task-sim_run-{run}_{SPACE}_desc-preproc_bold.nii.gz"
        image = nib.load(path)
        noise = np.random.default_rng(run).normal(1000, 10, image.shape)
        nib.save(nib.Nifti1Image(noise, image.affine, image.header), path)
    words = (*SMALL[:-1], "01", "02")
    ended = run_bids(capfd, dataset, tmp_path / "out", *words)
    assert ended.code == 0, ended.err
    said = [line for line in ended.err.splitlines() if "poorly determined" in line]
    tables = sorted((tmp_path / "out" / ".pyhrf").glob("sub-*/parcels.tsv"))
    counts = []
    for table in tables:
        with table.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        counts.append(sum(float(row["hrf_quality"]) < 0.5 for row in rows))
    assert counts[0] > counts[1] == 0
    name = tables[0].parent.name
    assert said == [
        f"{name}: {counts[0]} of {len(rows)} parcels: the response is poorly determined "
        f"(hrf_quality below 0.5), see {name}.html"
    ]
