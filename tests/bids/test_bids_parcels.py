"""Parcels of ``pyhrf bids``: an atlas brought onto the grid, or cut from the masks of the runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from bids_sets import SPACE, func, run_bids
from scipy import ndimage

from pyhrf.bids.app import analyse_bids
from pyhrf.bids.options import BidsOptions
from pyhrf.bids.parcels import make_parcels, without_islands
from pyhrf.parcellation.edit import split_mask
from pyhrf.spaces.volumes import open_volume

NAME = f"sub-01_task-sim_{SPACE}"
SMALL = ("participant", "-x", "serial", "--parcellation", 30)


def values(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def change_masks(dataset: Path, run_1: Any, run_2: Any, *, value: int) -> None:
    """Change the brain masks of both runs at these places."""
    for n, places in ((1, run_1), (2, run_2)):
        path = func(dataset, "01") / f"sub-01_task-sim_run-{n}_{SPACE}_desc-brain_mask.nii.gz"
        image = nib.load(path)
        mask = np.asarray(image.dataobj).copy()
        mask[places] = value
        nib.save(nib.Nifti1Image(mask, image.affine, image.header), path)


def test_bids__an_atlas_is_brought_onto_the_grid(
    made_set: Path, out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    labels = np.zeros((8, 8, 6), np.int16)
    labels[:4], labels[4:] = 7, 9
    bold = nib.load(func(made_set, "01") / f"sub-01_task-sim_run-1_{SPACE}_desc-brain_mask.nii.gz")
    affine = bold.affine @ np.diag([0.5, 0.5, 0.5, 1])
    affine[:3, 3] = (bold.affine @ [-0.25, -0.25, -0.25, 1])[:3]
    nib.save(nib.Nifti1Image(labels, affine), tmp_path / "atlas.nii.gz")
    words = ("participant", "-x", "serial", "--parcellation", tmp_path / "atlas.nii.gz")
    ended = run_bids(capfd, made_set, out, *words, "--participant-label", "01")
    assert ended.code == 0, ended.err
    assert "resampled to the BOLD grid by nearest neighbour" in ended.err
    found = values(out / "sub-01" / "func" / f"{NAME}_desc-parcels_dseg.nii.gz")
    about = json.loads((out / "sub-01" / "func" / f"{NAME}_desc-parcels_dseg.json").read_text())
    assert "the atlas is atlas.nii.gz" in about["Notes"]
    assert any("resampled to the BOLD grid" in note for note in about["Notes"])
    expected = np.zeros((4, 4, 3))
    expected[:2], expected[2:] = 7, 9
    np.testing.assert_array_equal(found, expected)


def test_bids__parcels_lie_where_all_runs_have_brain(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change_masks(dataset, 1, 2, value=0)
    assert run_bids(capfd, dataset, out, *SMALL, "--participant-label", "01").code == 0
    found = values(out / "sub-01" / "func" / f"{NAME}_desc-parcels_dseg.nii.gz") > 0
    assert not found[1:3].any()
    assert found[[0, 3]].all()


def test_bids__islands_are_in_no_parcel(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change_masks(dataset, 2, 2, value=0)
    change_masks(dataset, (3, slice(1, None)), [], value=0)  # leaves three voxels in common
    ended = run_bids(capfd, dataset, out, *SMALL, "--participant-label", "01")
    assert ended.code == 0, ended.err  # they would fail as parcels, in every run again
    assert "3 of the voxels lie on islands of fewer than 5 and are in no parcel" in ended.err
    found = values(out / "sub-01" / "func" / f"{NAME}_desc-parcels_dseg.nii.gz") > 0
    assert found[:2].all()
    assert not found[2:].any()


def test_bids__masks_that_have_islands_alone_in_common__are_refused(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    change_masks(dataset, slice(1, None), slice(1, None), value=0)
    change_masks(dataset, (0, slice(1, None)), (0, slice(1, None)), value=0)
    ended = run_bids(capfd, dataset, out, *SMALL, "--participant-label", "01")
    assert ended.code == 1
    assert "no connected piece of what the masks of the runs have in common has" in ended.err


def test_bids__parcels_are_made_once(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (dataset, out, *SMALL, "--participant-label", "01")
    assert run_bids(capfd, *words).code == 0

    def cut(*_: object, **__: object) -> None:
        raise AssertionError("cut again")

    monkeypatch.setattr("pyhrf.bids.parcels.split_mask", cut)
    assert run_bids(capfd, *words).code == 0
    change_masks(dataset, [], 0, value=0)
    options = BidsOptions(bids_dir=dataset, out_dir=out, parcellation=30, participants=("01",))
    with pytest.raises(AssertionError, match="cut again"):
        analyse_bids(options, engine="serial", tell=lambda _: None)


@pytest.mark.parametrize("size", [5, 8, 20])
def test_without_islands__drops_what_has_no_neighbour_alone(size):
    mask = np.random.default_rng(4).random((14, 14, 14)) < 0.45
    labels, notes = without_islands(split_mask(mask, size=size), smallest=5)
    pieces, _ = ndimage.label(mask)
    islands = mask & (np.bincount(pieces.ravel())[pieces] < 5)
    assert islands.any()
    np.testing.assert_array_equal(labels > 0, mask & ~islands)
    assert np.unique(labels[labels > 0], return_counts=True)[1].min() >= 5
    assert notes == [
        f"{islands.sum()} of the voxels lie on islands of fewer than 5 and are in no parcel"
    ]


def test_bids__a_mask_that_takes_much_away_is_named(dataset: Path) -> None:
    grid = open_volume(
        func(dataset, "01") / f"sub-01_task-sim_run-1_{SPACE}_desc-preproc_bold.nii.gz", n_dims=4
    )
    masks = [
        func(dataset, "01") / f"sub-01_task-sim_run-{n}_{SPACE}_desc-brain_mask.nii.gz"
        for n in (1, 2)
    ]
    _, notes = make_parcels(grid, masks, 30)
    assert not notes
    change_masks(dataset, np.s_[:0], np.s_[1:], value=0)
    _, notes = make_parcels(grid, masks, 1)
    (note,) = notes
    assert "voxels in common" in note
    assert str(masks[1]) in note
