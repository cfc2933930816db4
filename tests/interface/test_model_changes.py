"""What is given or set after a fit does not mix with what was fitted."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

import pyhrf


@pytest.fixture(scope="module")
def as_it_was(example: Any) -> Any:
    return pyhrf.GLM(example.atlas, engine="serial").fit(example.copy, example.events)


def _same(model: Any, other: Any) -> None:
    stat = [one.compute_contrast("cond1 - cond2", "stat").get_fdata() for one in (model, other)]
    np.testing.assert_array_equal(*stat)
    np.testing.assert_array_equal(*(one.predict().get_fdata() for one in (model, other)))


def test_parameters_that_are_set_count_from_the_next_fit(example: Any, as_it_was: Any) -> None:
    model = copy.deepcopy(as_it_was)
    labels = np.asarray(example.atlas.dataobj)[::-1].astype(np.uint8)
    model.set_params(drift="polynomial", drift_order=2, parcellation=nib.Nifti1Image(labels, None))
    _same(model, as_it_was)


def test_a_fit_that_fails_leaves_the_one_before(example: Any, as_it_was: Any) -> None:
    model = copy.deepcopy(as_it_was)
    with pytest.raises(pyhrf.InputError, match="holds no event"):
        model.fit(example.shifted(500), example.events.iloc[:0])
    _same(model, as_it_was)


def test_events_that_are_changed_later(example: Any, as_it_was: Any) -> None:
    events = example.events.copy()
    model = pyhrf.GLM(example.atlas, engine="serial").fit(example.copy, events)
    events["onset"] += 5
    _same(model, as_it_was)


def test_an_image_that_is_changed_later(example: Any) -> None:
    image = example.copy
    model = pyhrf.GLM(example.atlas, engine="serial").fit(image, example.events)
    model.predict()
    image.dataobj[:] *= 2
    for ask in (model.predict, lambda: model.compute_contrast("cond1 - cond2", "stat")):
        with pytest.raises(pyhrf.InputError, match="run_imgs of run 1 has been changed"):
            ask()
    assert pickle.loads(pickle.dumps(model)).results_.n_parcels == 3  # our own


def test_a_file_that_is_changed_or_removed_later(example: Any, tmp_path: Path) -> None:
    path = tmp_path / "bold.nii"
    nib.save(example.copy, path)
    image = nib.load(path)
    of_path = pyhrf.GLM(example.atlas, engine="serial").fit(path, example.events)
    of_image = pyhrf.GLM(example.atlas, engine="serial").fit(image, example.events)
    image.get_fdata()
    of_image.predict()  # reading is no change
    nib.save(example.shifted(9), path)
    for model in (of_path, of_image):
        with pytest.raises(pyhrf.InputError, match="changed or removed since the fit"):
            model.predict()
    path.unlink()
    with pytest.raises(pyhrf.InputError, match="changed or removed since the fit"):
        of_path.residuals_()


def test_runs_of_another_number_can_be_scored(example: Any) -> None:
    model = pyhrf.GLM(example.atlas, engine="serial", start_time=[1.0, 1.0])
    model.fit([example.copy, example.shifted(1)], example.events)
    assert np.isfinite(model.score(example.copy, example.events))
