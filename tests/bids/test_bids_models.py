"""Models made from a BIDS data set give what ``pyhrf bids`` gives of the same data."""

from __future__ import annotations

import filecmp
from pathlib import Path

import pytest

import pyhrf
from pyhrf.bids.app import analyse_bids
from pyhrf.bids.options import BidsOptions
from pyhrf.inputs.bids import Selection


@pytest.mark.parametrize(("space", "size"), [(None, 60), ("fsnative", 40), ("fsLR", 40)])
def test_models_of_a_data_set_give_the_bytes_of_the_app(
    surface_set: Path, tmp_path: Path, space: str | None, size: int
) -> None:
    options = BidsOptions(
        bids_dir=surface_set,
        out_dir=tmp_path / "out",
        participants=("01",),
        parcellation=size,
        estimator="glm",
        selection=Selection(space=space),
    )
    answer = analyse_bids(options, engine="serial", tell=lambda _: None)
    models, images, events, confounds = pyhrf.jde_from_bids(
        surface_set, sub_labels=["01"], space_label=space, model=pyhrf.GLM(size, engine="serial")
    )
    assert len(models) == len(answer) >= 1
    for model, name, *data in zip(models, answer, images, events, confounds, strict=True):
        model.fit(*data)
        of_app = answer[name].directory
        names = [p.name for p in of_app.iterdir() if p.suffix in (".gz", ".tsv", ".nii", ".gii")]
        same, different, lacking = filecmp.cmpfiles(
            of_app, model.results_.directory, names, shallow=False
        )
        assert (different, lacking) == ([], [])
        assert len(same) > 8


def test_an_image_in_memory_is_no_atlas_of_a_data_set(made_set: Path) -> None:
    import nibabel as nib
    import numpy as np

    atlas = nib.Nifti1Image(np.ones((4, 4, 4), np.int32), np.eye(4))
    with pytest.raises(pyhrf.InputError, match="must be a path or a size"):
        pyhrf.jde_from_bids(made_set, model=pyhrf.GLM(atlas))


def test_what_is_not_there_is_said(made_set: Path) -> None:
    with pytest.raises(pyhrf.InputError, match="99"):
        pyhrf.jde_from_bids(made_set, sub_labels=["99"])
