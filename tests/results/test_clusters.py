"""Clusters and thresholds of a report are those of nilearn, and of a plain search."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from report_results import AFFINE, TIME, level_at, make_report_results, write_mesh
from scipy import ndimage

from pyhrf.data import ParcelEstimate
from pyhrf.outputs.maps import MAPS
from pyhrf.results import Results, write_results
from pyhrf.results.clusters import cluster_tables, clusters_of
from pyhrf.results.glass_brain import in_standard_space, outlines
from pyhrf.results.thresholds import first_threshold, look_of, said_of
from pyhrf.spaces.grid import Grid
from pyhrf.spaces.nodes import Nodes

SHAPE = (10, 9, 8)


def with_maps(folder: Path, maps: dict[tuple[str, str], np.ndarray], sform: int = 1) -> Results:
    """Write results of two parcels that fill the grid but for its first slice."""
    volume = make_report_results(folder / "other")
    labels = np.zeros(SHAPE, np.int32)
    labels[1:, :, :4], labels[1:, :, 4:] = 3, 7
    estimates = []
    for number in (3, 7):
        where = np.flatnonzero(labels == number)
        own = {name: values.reshape(-1)[where].astype("f4") for name, values in maps.items()}
        hrf = {"time": TIME, "hrf": TIME, "sd": TIME}
        estimates.append(ParcelEstimate(number, "ok", "", where, hrf=hrf, maps=own))
    header = nib.Nifti1Header()
    header.set_sform(AFFINE, sform)
    space = Grid(SHAPE, AFFINE, header)
    results = write_results(folder / "out", estimates, conditions=("audio",), space=space)
    (results.directory / "run.json").write_bytes((volume.directory / "run.json").read_bytes())
    return Results(results.directory)


def smooth_noise(seed: int) -> np.ndarray:
    values = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), 1)
    return 2 * values / values.std()


def test_clusters__are_those_of_nilearn(tmp_path):
    from nilearn.reporting import get_clusters_table

    results = with_maps(tmp_path, {("z", "audio"): smooth_noise(1)})
    values = results.map_values("z_audio")
    found = [
        (round(one.x), round(one.y), round(one.z), round(one.size), pytest.approx(one.peak))
        for one in clusters_of(results, values, "z", 3.1)
    ]
    image = nib.Nifti1Image(np.where(results.labels > 0, values, 0).astype("f4"), AFFINE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = get_clusters_table(image, 3.1, two_sided=True)
    whole = table[table["Cluster Size (mm3)"] != ""]
    expected = [
        (round(x), round(y), round(z), int(size), peak)
        for x, y, z, peak, size in whole[
            ["X", "Y", "Z", "Peak Stat", "Cluster Size (mm3)"]
        ].to_numpy()
    ]
    assert len(expected) >= 4
    assert any(row[4] < 0 for row in expected)
    assert sorted(row[:4] for row in found) == sorted(row[:4] for row in expected)
    by_place = {row[:3]: row[4] for row in expected}
    assert all(by_place[row[:3]] == row[4] for row in found)


def test_clusters__of_probabilities_count_both_sides_and_name_the_parcel(tmp_path):
    ppm = np.full(SHAPE, 0.5)
    ppm[2:4, 2, 2] = [0.96, 0.99]
    ppm[6, 5:8, 5] = 0.01, 0.03, 0.06  # the last one is not below .05
    ppm[0, 0, 0] = 1  # of no parcel
    results = with_maps(tmp_path, {("contrast_ppm", "a"): ppm})
    (table,) = cluster_tables(results)
    assert (table["name"], table["more"]) == ("contrast_ppm_a", 0)
    rows = {row["parcel"]: row for row in table["rows"]}
    assert rows[3]["peak"] == pytest.approx(0.99)
    assert rows[7]["peak"] == pytest.approx(0.01)
    where = [rows[3][axis] for axis in "xyz"]
    np.testing.assert_allclose(where, (AFFINE @ [3, 2, 2, 1])[:3])
    assert [row["size"] for row in table["rows"]] == pytest.approx([54, 54])  # two voxels of 27 mm³


def test_cluster_tables__hold_the_largest_ten_and_count_the_others(tmp_path):
    active = np.zeros(SHAPE)
    active[1::2, ::2, ::2] = 1.0  # no two share a face
    active[1, 0, 1] = 1.0  # joins two
    results = with_maps(tmp_path, {("active", "audio"): active, ("nrl", "audio"): active})
    (table,) = cluster_tables(results)
    n_clusters = 5 * 5 * 4 - 1
    assert (len(table["rows"]), table["more"]) == (10, n_clusters - 10)
    assert table["rows"][0]["size"] == pytest.approx(3 * 27)
    assert said_of(table) == "99 clusters of a probability of at least 0.95."


@pytest.mark.parametrize(
    ("values", "look", "expected"),
    [
        ([0.2, 0.97, np.nan], "probability", (0.95, None)),
        ([0.2, 0.6], "probability", (0.3, 0.95)),
        ([0.0, 0.0], "probability", (0.95, 0.95)),
        ([0.5, 0.02], "sides", (0.95, None)),
        ([0.5, 0.3], "sides", (0.6, 0.95)),
        ([-3.2, 1.0], "z", (3.1, None)),
        ([-2.0, np.inf], "z", (1.0, 3.1)),
        ([4.0, -8.0], "levels", (1.5, None)),
        ([0.1], "amount", (0.0, None)),
        ([], "z", (3.1, 3.1)),
    ],
)
def test_first_threshold__is_stated_and_shows_something(values, look, expected):
    assert first_threshold(np.array(values), look, 10.0) == expected


def test_cluster_tables__have_none_where_nothing_reaches_the_usual_threshold(tmp_path):
    results = with_maps(tmp_path, {("z", "audio"): np.full(SHAPE, 3.0)})
    (table,) = cluster_tables(results)
    assert (table["rows"], table["more"]) == ([], 0)
    said = "Nothing has |z| of at least 3.1 (p < .001, one-sided, uncorrected)."
    assert said_of(table) == said


def test_look__of_a_probability_to_exceed_0_has_two_sides():
    rfir = {"estimator": "rfir", "rfir": {"ppm_threshold": 0.0}}
    assert look_of(MAPS["ppm"], rfir) == "sides"
    rfir["rfir"]["ppm_threshold"] = 1.0
    assert look_of(MAPS["ppm"], rfir) == "probability"
    jde = {"estimator": "jde-vem", "vem": {"ppm_threshold": None}}
    assert look_of(MAPS["ppm"], jde) == "probability"
    assert look_of(MAPS["contrast_ppm"], jde) == "sides"


@pytest.mark.parametrize(("sform", "name", "is_mni"), [(1, "", 0), (4, "", 1), (1, "space-MNI", 1)])
def test_standard_space__is_what_header_or_names_say(tmp_path, sform, name, is_mni):
    results = with_maps(tmp_path, {("nrl", "audio"): level_at(np.arange(720.0))}, sform)
    for run in results.provenance["study"]["data"]["runs"]:
        run["bold"] += name
    assert in_standard_space(results) == bool(is_mni)


def test_outlines__lie_where_nilearn_draws_them():
    from matplotlib.figure import Figure
    from nilearn.plotting.glass_brain import plot_brain_schematics

    found = outlines()
    for view, direction in {"axial": "z", "coronal": "y", "sagittal": "x"}.items():
        axes = Figure().subplots()
        plot_brain_schematics(axes, direction)
        text = found[view].replace("M", " ").replace("L", " ").replace("C", " ").replace("Q", " ")
        numbers = np.array(text.split(), float).reshape(-1, 2)
        expected = np.concatenate([p.get_path().vertices for p in axes.patches])
        scaled = (axes.patches[0].get_transform() - axes.transData).transform(expected)
        np.testing.assert_allclose(numbers.min(axis=0), scaled.min(axis=0), atol=0.06)
        np.testing.assert_allclose(numbers.max(axis=0), scaled.max(axis=0), atol=0.06)


def test_clusters__of_a_mesh_are_nodes_that_share_edges(tmp_path):
    """A fan: node 0 is beside all others, each of which is beside the next."""
    volume = make_report_results(tmp_path / "other")
    write_mesh(tmp_path / "fan.gii", 12, "CortexLeft")
    points = nib.load(tmp_path / "fan.gii").darrays[0].data
    z = np.array([0, 4, 5, 0, -4, -9, -5, 4, 0, 9, 0, 3.0])
    where = np.arange(1, 12)  # node 0 is of no parcel
    hrf = {"time": TIME, "hrf": TIME, "sd": TIME}
    maps = {("z", "audio"): z[1:].astype("f4")}
    estimate = ParcelEstimate(5, "ok", "", where, hrf=hrf, maps=maps)
    space = Nodes((12,), "CortexLeft")
    results = write_results(tmp_path / "out", [estimate], conditions=("audio",), space=space)
    run = json.loads((volume.directory / "run.json").read_text())
    run["study"]["data"] |= {"kind": "surface", "meshes": [str(tmp_path / "fan.gii")]}
    (results.directory / "run.json").write_text(json.dumps(run))
    (table,) = cluster_tables(Results(results.directory))
    found = [(row["size"], row["peak"], row["parcel"]) for row in table["rows"]]
    # the larger first, then the stronger; 7 is above, and so not of 4 to 6, which are below
    assert found == [(3, -9, 5), (2, 5, 5), (1, 9, 5), (1, 4, 5)]
    for row, node in zip(table["rows"], (5, 2, 9, 7), strict=True):
        np.testing.assert_allclose([row[axis] for axis in "xyz"], points[node], rtol=1e-6)
    assert {row["on"] for row in table["rows"]} == {results.surfaces()[0].name}
