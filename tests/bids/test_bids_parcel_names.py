"""Parcels keep the names that the atlas of a surface gives them."""

from __future__ import annotations

import csv
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from bids_sets import run_bids
from bids_surface_sets import SHAPE, dense_axis, labels
from nibabel.cifti2 import Cifti2Image, LabelAxis

from pyhrf.spaces.nodes import Nodes
from pyhrf.spaces.parcellations import parcel_names

N_NODES = SHAPE[0] * SHAPE[1]
WORDS = ("participant", "-x", "serial", "--participant-label", "01", "--confound-columns", "none")


def names_in_table(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as file:
        return {row["index"]: row["name"] for row in csv.DictReader(file, delimiter="\t")}


def test_bids__parcels_have_the_names_of_a_gifti_atlas(
    surface_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = labels(tmp_path / "lh.label.gii", [4, 7] * (N_NODES // 2))
    image = nib.load(path)
    for number, name in ((0, "???"), (4, "G_temporal\tsup lateral"), (9, "elsewhere")):
        label = nib.gifti.GiftiLabel(number, 0.5, 0.5, 0.5, 1)
        label.label = name
        image.labeltable.labels.append(label)
    image.to_filename(path)
    out = tmp_path / "out"
    words = ("--space", "fsnative", "--parcellation", path)
    assert run_bids(capfd, surface_set, out, *WORDS, *words).code == 3  # no atlas of the other
    stem = out / "sub-01/func/sub-01_task-sim_hemi-L_space-fsnative_desc-parcels_dseg"
    assert names_in_table(Path(f"{stem}.tsv")) == {
        "4": "G_temporal sup lateral",
        "7": "parcel-7",  # nobody named it
    }
    made = nib.load(f"{stem}.label.gii").labeltable.get_labels_as_dict()
    assert made == {0: "background", 4: "G_temporal sup lateral", 7: "parcel 7"}


def test_parcel_names__parcels_that_were_cut_have_none(tmp_path: Path) -> None:
    path = tmp_path / "a.label.gii"
    path.write_bytes(Nodes((3,), "").label_bytes(np.array([0, 1, 2], np.int32), {2: "V1"}))
    assert parcel_names(path) == {0: "background", 2: "V1"}
    assert parcel_names(tmp_path / "volume.nii.gz") == {}


def test_bids__parcels_have_the_names_of_a_cifti_atlas(
    surface_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    axis = dense_axis()
    numbers = np.where(np.arange(len(axis)) < N_NODES - 1, 1, 2).astype(np.int32)[None]
    table = {n: (name, (0.5, 0.5, 0.5, 1.0)) for n, name in enumerate(("???", "left", "others"))}
    atlas = tmp_path / "atlas.dlabel.nii"
    Cifti2Image(numbers, (LabelAxis(["parcels"], [table]), axis)).to_filename(atlas)
    out = tmp_path / "out"
    words = ("--space", "fsLR", "--parcellation", atlas)
    ended = run_bids(capfd, surface_set, out, *WORDS, *words)
    assert ended.code == 0, ended.err
    stem = out / "sub-01/func/sub-01_task-sim_space-fsLR_den-91k_desc-parcels_dseg"
    assert names_in_table(Path(f"{stem}.tsv")) == {"1": "left", "2": "others"}
    (made,) = nib.load(f"{stem}.dlabel.nii").header.get_axis(0).label
    assert [name for name, _ in made.values()] == ["background", "left", "others"]
