"""Maps of surfaces, read back with nibabel."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.cifti2 import BrainModelAxis

from pyhrf.data import ParcelEstimate
from pyhrf.results import Results, write_results
from pyhrf.spaces.grayordinates import Grayordinates
from pyhrf.spaces.nodes import Nodes

LABELS = np.array([0, 4, 4, 9, 0, 4], np.int32)
TIME = np.arange(0, 4, 0.5)


@pytest.fixture
def estimates() -> list[ParcelEstimate]:
    first = ParcelEstimate(
        parcel=4,
        status="ok",
        reason="",
        positions=np.array([1, 2, 5]),
        summary={"time_to_peak": 5.5},
        conditions={"mean_active": np.array([1.0])},
        hrf={"time": TIME, "hrf": np.sin(TIME), "sd": TIME},
        maps={("nrl", "a b"): np.array([1, np.nan, -2.5], np.float32)},
    )
    return [ParcelEstimate(9, "failed", "no signal", np.array([3])), first]


@pytest.fixture
def results(tmp_path, estimates) -> Results:
    grid = Nodes(LABELS.shape, "CortexRight")
    return write_results(tmp_path / "out", estimates, conditions=["a b"], space=grid)


def test_write_results__writes_one_value_per_node(results):
    image = nib.load(results.directory / "nrl_a_b.func.gii")
    nan = np.nan
    np.testing.assert_array_equal(image.agg_data(), np.float32([0, 1, nan, nan, 0, -2.5]))
    assert image.meta["AnatomicalStructurePrimary"] == "CortexRight"
    np.testing.assert_array_equal(results.map_values("parcels"), LABELS)
    assert results.map_values("parcels").dtype == np.int32
    assert set(results.maps()) == {"nrl_a_b", "parcels", "time_to_peak", "hrf", "left_out"}
    # one node of the estimated parcel says nothing, the other parcel failed
    assert results.map_values("left_out").tolist() == [0, 0, 1, 2, 0, 0]


def test_write_results__writes_one_array_per_sample_of_the_hrf(results):
    image = nib.load(results.directory / "hrf.func.gii")
    assert len(image.darrays) == len(TIME)
    assert {array.meta["TimeStep"] for array in image.darrays} == {"500"}
    values = results.map_values("hrf")
    np.testing.assert_array_equal(values[2], np.sin(TIME).astype(np.float32))
    assert np.isnan(values[3]).all()
    assert not values[0].any()


def test_write_results__gives_the_same_bytes_again(results, estimates, tmp_path):
    grid = Nodes(LABELS.shape, "CortexRight")
    other = write_results(tmp_path / "new", estimates[::-1], conditions=["a b"], space=grid)
    assert results.maps().keys() == other.maps().keys()
    for name, path in results.maps().items():
        assert path.read_bytes() == other.maps()[name].read_bytes(), name


def test_write_results__writes_cifti_for_grayordinates(estimates, tmp_path):
    axis = BrainModelAxis.from_surface([0, 2, 3, 4, 6, 8], 9, name="CortexLeft")
    results = [
        write_results(tmp_path / name, some, conditions=["a b"], space=Grayordinates.of(axis))
        for name, some in (("out", estimates), ("new", estimates[::-1]))
    ]
    maps = results[0].maps()
    assert set(maps) == {"nrl_a_b", "parcels", "time_to_peak", "hrf", "left_out"}
    level, hrf = nib.load(maps["nrl_a_b"]), nib.load(maps["hrf"])
    assert (maps["nrl_a_b"].name, maps["hrf"].name) == ("nrl_a_b.dscalar.nii", "hrf.dtseries.nii")
    nan = np.nan
    np.testing.assert_array_equal(level.get_fdata(), [[0, 1, nan, nan, 0, -2.5]])
    assert level.header.get_axis(1) == hrf.header.get_axis(1) == axis
    assert level.header.get_axis(0).name.tolist() == ["nrl_a b"]
    np.testing.assert_allclose(hrf.header.get_axis(0).time, TIME)
    np.testing.assert_array_equal(results[0].map_values("parcels"), LABELS)
    np.testing.assert_array_equal(results[0].map_values("hrf")[5], np.sin(TIME).astype(np.float32))
    for name, path in maps.items():
        assert path.read_bytes() == results[1].maps()[name].read_bytes(), name
