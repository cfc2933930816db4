"""The BIDS data sets of the simulator."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from click.testing import CliRunner

from pyhrf import InputError
from pyhrf.commands.simulate import simulate as command
from pyhrf.inputs.confounds import FD_COLUMN, NuisanceFiles, read_nuisance
from pyhrf.inputs.paradigm import read_paradigm
from pyhrf.simulation.bids import write_bids
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

SPEC = SimulationSpec(
    region="ellipsoid", shape=(5, 4, 3), n_parcels=2, n_runs=2, n_scans=50, n_conditions=2, seed=11
)
MNI = "space-MNI152NLin2009cAsym"


def table(path: Path) -> dict[str, list[str]]:
    with path.open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return {name: [row[name] for row in rows] for name in rows[0]}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulated") / "ds"
    assert write_bids(SPEC, 2, folder) == ["01", "02"]
    return folder


def test_write_bids__same_bytes_every_time(root: Path, tmp_path: Path) -> None:
    write_bids(SPEC, 2, tmp_path / "again")
    files = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
    assert len(files) > 30
    for path in files:
        assert (root / path).read_bytes() == (tmp_path / "again" / path).read_bytes(), path


def test_write_bids__participants_have_seeds_of_their_own(root: Path) -> None:
    for number, label in enumerate(["01", "02"]):
        expected = simulate(replace(SPEC, seed=SPEC.seed + number))
        for run, events in enumerate(expected.experiment.runs, start=1):
            stem = f"sub-{label}_task-sim_run-{run}"
            (found,) = read_paradigm(
                root / f"sub-{label}" / "func" / f"{stem}_events.tsv", n_runs=1
            )
            for name, these in events.events.items():
                np.testing.assert_allclose(found[name].onsets, these.onsets)


def test_write_bids__confounds_explain_what_is_not_in_the_simulation(root: Path) -> None:
    expected = simulate(SPEC)
    folder = root / "derivatives" / "fmriprep" / "sub-01" / "func"
    for run in range(2):
        stem = f"sub-01_task-sim_run-{run + 1}"
        image = nib.load(folder / f"{stem}_{MNI}_desc-preproc_bold.nii.gz")
        values = np.asarray(image.dataobj).reshape(-1, SPEC.n_scans).T
        scans = slice(run * SPEC.n_scans, (run + 1) * SPEC.n_scans)
        added = values[:, expected.positions] - expected.bold[scans]
        assert added.std() > 1
        files = NuisanceFiles(confounds=folder / f"{stem}_desc-confounds_timeseries.tsv")
        confounds = read_nuisance(files, SPEC.n_scans).confounds
        residual = added - confounds @ np.linalg.lstsq(confounds, added, rcond=None)[0]
        assert np.abs(residual).max() < 1e-2
        mask = np.asarray(nib.load(folder / f"{stem}_{MNI}_desc-brain_mask.nii.gz").dataobj)
        np.testing.assert_array_equal(mask > 0, expected.parcellation > 0)
        assert image.header.get_zooms()[3] == SPEC.tr


def test_write_bids__fd_and_what_lacks_in_the_first_row(root: Path) -> None:
    folder = root / "derivatives" / "fmriprep" / "sub-02" / "func"
    columns = table(folder / "sub-02_task-sim_run-1_desc-confounds_timeseries.tsv")
    assert {name for name, values in columns.items() if values[0] == "n/a"} == {
        name for name in columns if "derivative1" in name or name == FD_COLUMN
    }
    assert not any("n/a" in values[1:] for values in columns.values())
    motion = np.array(
        [
            [float(x) for x in columns[f"{kind}_{axis}"]]
            for kind in ("trans", "rot")
            for axis in "xyz"
        ]
    )
    step = np.abs(np.diff(motion, axis=1))
    expected = step[:3].sum(axis=0) + 50 * step[3:].sum(axis=0)
    found = np.array([float(x) for x in columns[FD_COLUMN][1:]])
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert 2 <= np.count_nonzero(found > 0.5) <= 4


def test_write_bids__truth_and_json(root: Path) -> None:
    truth = root / "derivatives" / "truth" / "sub-02" / "func"
    expected = simulate(replace(SPEC, seed=SPEC.seed + 1))
    with np.load(truth / "sub-02_task-sim_truth.npz") as found:
        np.testing.assert_array_equal(found["labels"], expected.labels)
    labels = nib.load(truth / f"sub-02_task-sim_{MNI}_desc-parcels_dseg.nii.gz")
    np.testing.assert_array_equal(np.asarray(labels.dataobj), expected.parcellation)
    for path in root.rglob("*.json"):
        assert isinstance(json.loads(path.read_text()), dict)


def test_write_bids__one_run_has_no_number(tmp_path: Path) -> None:
    write_bids(replace(SPEC, n_runs=1), 1, tmp_path / "ds")
    names = {path.name for path in (tmp_path / "ds" / "sub-01" / "func").iterdir()}
    assert names == {"sub-01_task-sim_bold.nii.gz", "sub-01_task-sim_events.tsv"}


def test_write_bids__writes_over_nothing(root: Path) -> None:
    with pytest.raises(InputError, match="exists already and is not overwritten"):
        write_bids(SPEC, 1, root)
    with pytest.raises(InputError, match="0 participants"):
        write_bids(SPEC, 0, root)


def test_simulate_command__bids(tmp_path: Path) -> None:
    words = ["--bids", "2", "--example", "small", "--scans", "40", "--runs", "2"]
    done = CliRunner().invoke(command, [str(tmp_path / "ds"), *words], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"To analyse: pyhrf bids {tmp_path / 'ds'} " in done.output
    assert sorted(path.name for path in (tmp_path / "ds").glob("sub-*")) == ["sub-01", "sub-02"]
