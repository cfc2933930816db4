"""Single trials of the models: arrays for scikit-learn, from volumes and surfaces."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyhrf
from pyhrf.errors import InputError


def test_trials__are_those_of_the_maps(example: Any) -> None:
    model = pyhrf.JDE(example.atlas, single_trials=True, engine="serial").fit(
        example.bold, example.events
    )
    levels, table = model.trials()
    assert table["onset"].tolist() == sorted(example.events["onset"])
    inside = np.asarray(example.atlas.dataobj) > 0
    volumes = np.asarray(model.map("trials").dataobj)
    np.testing.assert_array_equal(levels, volumes[inside].T)
    assert np.isfinite(levels).all()
    of_one, some = model.trials("cond1")
    np.testing.assert_array_equal(of_one, levels[table["condition"] == "cond1"])
    assert set(some["condition"]) == {"cond1"}


def test_trials__lie_on_surfaces(example: Any, on_surface: Any) -> None:
    model = pyhrf.JDE(on_surface.atlas, t_r=1.0, single_trials=["cond2"], engine="serial").fit(
        on_surface.bold, example.events
    )
    found = model.trials()
    assert set(found.table["condition"]) == {"cond2"}
    image = model.map("trials")
    nodes = np.concatenate([image.data.parts[side] for side in ("left", "right")])
    assert nodes.shape == (160, len(found.table))
    np.testing.assert_array_equal(found.levels, nodes[found.positions].T)
    labels = np.concatenate([on_surface.atlas.data.parts[side] for side in ("left", "right")])
    np.testing.assert_array_equal(found.parcels, labels[found.positions])


def test_trials__must_have_been_asked_for(example: Any) -> None:
    model = pyhrf.JDE(example.atlas, engine="serial").fit(example.bold, example.events)
    with pytest.raises(InputError, match=r"no single trials: .* single_trials=True"):
        model.trials()
