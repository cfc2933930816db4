"""The GLM of ``pyhrf bids`` against nilearn's own way from a BIDS data set to maps."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from bids_sets import SPACE, func, run_bids


def by_nilearn(root: Path) -> dict[str, dict[str, np.ndarray]]:
    """Maps of the first condition by participant."""
    from nilearn.glm.first_level import first_level_from_bids

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found: Any = first_level_from_bids(
            root,
            "sim",
            space_label=SPACE.removeprefix("space-"),
            derivatives_folder="derivatives/fmriprep",
            img_filters=[("desc", "preproc")],
            hrf_model="spm",
            drift_model="cosine",
            high_pass=1 / 128,
            noise_model="ar1",
            signal_scaling=False,
            slice_time_ref=0.0,
            confounds_strategy=("motion",),
            confounds_motion="basic",
        )
        maps = {}
        for model, images, events, confounds in zip(*found, strict=True):
            label = model.subject_label
            name = f"sub-{label}_task-sim_run-1_{SPACE}_desc-brain_mask.nii.gz"
            model.set_params(mask_img=func(root, label) / name)
            model.fit(images, events=events, confounds=confounds)
            maps[label] = {
                stat: model.compute_contrast("cond1", output_type=kind).get_fdata()
                for stat, kind in (
                    ("effect", "effect_size"),
                    ("variance", "effect_variance"),
                    ("z", "z_score"),
                )
            }
    return maps


def test_bids__glm_is_nilearn_s_of_the_same_data_set(
    made_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("participant", "-x", "serial", "--estimator", "glm", "--parcellation", 30)
    assert run_bids(capfd, made_set, tmp_path / "out", *words).code == 0
    expected = by_nilearn(made_set)
    assert sorted(expected) == ["01", "02", "03"]
    for label, maps in expected.items():
        for stat, values in maps.items():
            name = f"sub-{label}_task-sim_{SPACE}_contrast-cond1_stat-{stat}_statmap.nii.gz"
            found = nib.load(tmp_path / "out" / f"sub-{label}" / "func" / name).get_fdata()
            np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5 * np.abs(values).max())
