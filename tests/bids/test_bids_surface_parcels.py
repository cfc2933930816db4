"""Parcels that are cut on meshes: of which nodes, and when they are cut anew."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bids_surface_sets import gifti, mesh

from pyhrf.bids.surfaces import provide_surface_parcels
from pyhrf.inputs.bids_names import BidsName, parse_name
from pyhrf.inputs.confounds import NuisanceFiles

N_NODES, N_SCANS = 16, 10


def run_of(folder: Path, number: int, *silent: int) -> BidsName:
    """Write a series in which some nodes have no signal."""
    values = np.random.default_rng(number).normal(100, 1, (N_SCANS, N_NODES)).astype(np.float32)
    values[:, list(silent)] = 7
    path = folder / f"sub-01_task-x_run-{number}_hemi-L_space-fsnative_bold.func.gii"
    name = parse_name(gifti(path, [*values], ["time series"] * N_SCANS))
    assert name is not None
    return name


def parcels(folder: Path, runs: list[BidsName], surface: Path) -> np.ndarray:
    path, _ = provide_surface_parcels(
        folder, runs, [surface], nuisance=[NuisanceFiles()] * len(runs), size=4, smallest=2
    )
    return np.asarray(nib.load(path).agg_data())


def test_provide_surface_parcels__are_of_nodes_with_a_signal_in_all_runs(tmp_path: Path) -> None:
    surface = mesh(tmp_path / "lh.surf.gii")
    runs = [run_of(tmp_path, 1, 0), run_of(tmp_path, 2, 15)]
    found = parcels(tmp_path / "made", runs, surface)
    assert np.flatnonzero(found == 0).tolist() == [0, 15]


@pytest.mark.usefixtures("as_the_command")
def test_provide_surface_parcels__a_run_that_takes_much_away_is_named(tmp_path: Path) -> None:
    surface = mesh(tmp_path / "lh.surf.gii")
    wall = (0, 1, 2, 3)  # without a signal in all runs
    runs = [
        run_of(tmp_path, number, *wall, *more) for number, more in ((1, ()), (2, (4,)), (3, ()))
    ]
    given = {"nuisance": [NuisanceFiles()] * 3, "size": 4, "smallest": 1}
    _, notes = provide_surface_parcels(tmp_path / "made", runs, [surface], **given)
    assert notes == []
    runs[1] = run_of(tmp_path, 2, *wall, 4, 5, 6)
    for _ in range(2):  # made, and found again
        _, notes = provide_surface_parcels(tmp_path / "made", runs, [surface], **given)
        (note,) = notes
        assert "have only 9 nodes with a signal in common, where one has 12 in the median" in note
        assert f"the smallest, of 9, is {runs[1].path}" in note
        assert "leave it out with --run" in note


def test_provide_surface_parcels__another_mesh_has_others(tmp_path: Path) -> None:
    square = mesh(tmp_path / "square.surf.gii")
    strip = mesh(tmp_path / "strip.surf.gii", shape=(2, 8))
    runs = [run_of(tmp_path, 1)]
    on_square = parcels(tmp_path / "made", runs, square)
    on_strip = parcels(tmp_path / "made", runs, strip)
    np.testing.assert_array_equal(on_strip, parcels(tmp_path / "anew", runs, strip))
    assert (on_strip != on_square).any()
    np.testing.assert_array_equal(parcels(tmp_path / "made", runs, square), on_square)
    assert len(list((tmp_path / "made").glob("*.label.gii"))) == 2
