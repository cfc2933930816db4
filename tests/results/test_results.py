from __future__ import annotations

import dataclasses
import gzip
import json
from datetime import UTC, datetime

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyhrf.data import ParcelEstimate
from pyhrf.errors import ConfigError, InputError
from pyhrf.files import replace_file
from pyhrf.results import Results, check_names, collect_provenance, write_provenance, write_results
from pyhrf.results.names import file_stem
from pyhrf.spaces.grid import Grid

SHAPE = (3, 4, 2)
AFFINE = np.array([[-3.0, 0, 0, 78], [0, 3, 0, -112], [0, 0, 3.5, -51], [0, 0, 0, 1]])
CONDITIONS = ("audio", "left hand")


LABELS = np.zeros(SHAPE, np.int32)
LABELS[0, 0, 0] = LABELS[1, 2, 1] = 7
LABELS[2, 3, 0] = 3
LABELS[2, 0, :] = 5


def make_grid(header_class=nib.Nifti1Header) -> Grid:
    header = header_class()
    header.set_data_shape((*SHAPE, 40))
    header.set_sform(AFFINE, 4)
    header.set_qform(AFFINE, 1)
    header.set_zooms((3, 3, 3.5, 2400))
    header.set_xyzt_units("mm", "msec")
    header["slice_duration"] = 60
    header["cal_max"] = 900
    return Grid(SHAPE, AFFINE, header)


def make_estimate(number: int, positions: list[int], level: float) -> ParcelEstimate:
    size = len(positions)
    time = np.arange(0, 26.0)
    return ParcelEstimate(
        parcel=number,
        status="ok",
        reason="",
        positions=np.array(positions, np.int64),
        summary={"n_iterations": 12.0, "converged": 1.0, "time_to_peak": 5.0 + number / 10},
        conditions={"mean_active": np.array([level, np.nan]), "beta": np.array([0.5, 1 / 3])},
        hrf={"time": time, "hrf": np.sin(time / 5) * number, "sd": np.full(26, 0.1)},
        maps={
            ("nrl", "audio"): np.arange(size, dtype=np.float32) + np.float32(level),
            ("nrl", "left hand"): np.full(size, -2, np.float32),
        },
    )


def make_estimates() -> list[ParcelEstimate]:
    places = {n: np.flatnonzero(n == LABELS) for n in (3, 5, 7)}
    lost = ParcelEstimate(3, "failed", "1 position: at least\t5\nare needed", places[3])
    return [
        make_estimate(7, places[7].tolist(), 10.0),
        lost,
        make_estimate(5, places[5].tolist(), 20.0),
    ]


@pytest.fixture
def grid() -> Grid:
    return make_grid()


@pytest.fixture
def results(tmp_path, grid) -> Results:
    return write_results(tmp_path / "out", make_estimates(), conditions=CONDITIONS, space=grid)


def test_write_results__puts_each_value_at_its_voxel(results):
    image = results.load_map("nrl_audio")
    data = np.asarray(image.dataobj)
    assert data.shape == SHAPE
    assert data.dtype == np.float32
    assert data[0, 0, 0] == 10
    assert data[1, 2, 1] == 11
    assert data[2, 0].tolist() == [20, 21]


def test_write_results__marks_background_zero_and_lost_parcels_nan(results):
    data = results.load_map("nrl_audio").get_fdata()
    assert np.isnan(data[2, 3, 0])
    assert np.count_nonzero(np.isnan(data)) == 1
    assert np.all(data[LABELS == 0] == 0)


def test_write_results__keeps_affine_and_codes_and_drops_what_is_true_of_scans_only(results):
    header = results.load_map("nrl_audio").header
    np.testing.assert_allclose(header.get_best_affine(), AFFINE)
    assert int(header["sform_code"]) == 4
    assert int(header["qform_code"]) == 1
    assert header.get_zooms() == (3, 3, 3.5)
    assert float(header["slice_duration"]) == 0
    assert float(header["cal_max"]) == 0


@pytest.mark.parametrize(
    "header_class", [nib.Nifti1Header, nib.Nifti2Header, nib.nifti1.Nifti1PairHeader]
)
@pytest.mark.parametrize("order", ["<", ">"])
def test_write_results__accepts_headers_of_every_nifti_kind(tmp_path, header_class, order):
    grid = make_grid(header_class)
    grid = dataclasses.replace(grid, header=grid.header.as_byteswapped(order))
    results = write_results(tmp_path, make_estimates(), conditions=CONDITIONS, space=grid)
    assert results.load_map("nrl_audio").get_fdata()[1, 2, 1] == 11
    assert np.array_equal(results.load_map("parcels").get_fdata(), LABELS)
    np.testing.assert_allclose(results.load_map("hrf").affine, AFFINE)


def test_write_results__writes_the_hrf_as_4d_with_its_step(results):
    image = results.load_map("hrf")
    assert image.shape == (*SHAPE, 26)
    assert float(image.header["pixdim"][4]) == 1.0
    assert image.header.get_xyzt_units() == ("mm", "sec")
    expected = np.sin(np.arange(26) / 5) * 7
    np.testing.assert_allclose(image.get_fdata()[1, 2, 1], expected, rtol=1e-6)
    assert np.all(np.isnan(image.get_fdata()[2, 3, 0]))


def test_write_results__writes_parcels_and_time_to_peak(results):
    labels = results.load_map("parcels")
    assert labels.get_data_dtype() == np.int32
    assert np.array_equal(labels.get_fdata(), LABELS)
    peak = results.load_map("time_to_peak").get_fdata()
    assert peak[1, 2, 1] == pytest.approx(5.7)
    assert peak[0, 1, 0] == 0


def test_write_results__lists_every_parcel_with_its_reason(results):
    table = results.parcels
    assert table["parcel"].tolist() == [3, 5, 7]
    assert table["status"].tolist() == ["failed", "ok", "ok"]
    assert table["reason"].tolist()[0] == "1 position: at least 5 are needed"
    assert table["n_positions"].tolist() == [1, 2, 2]
    assert table["converged"].tolist()[1:] == [1, 1]
    assert np.isnan(table["n_iterations"][0])
    assert {"fwhm", "hrf_quality", "peak_to_undershoot"} <= set(table.columns)


def test_write_results__writes_long_tables(results):
    assert results.hrf.columns.tolist() == ["parcel", "time", "hrf", "sd"]
    assert len(results.hrf) == 52
    table = results.conditions
    assert table["condition"].tolist() == ["audio", "left hand"] * 2
    assert table["mean_active"][0] == 20
    assert np.isnan(table["mean_active"][1])
    assert table["beta"][1] == pytest.approx(1 / 3, rel=1e-8)


def test_write_results__does_not_depend_on_the_order_of_estimates(tmp_path, grid):
    estimates = make_estimates()
    one = write_results(tmp_path / "a", estimates, conditions=CONDITIONS, space=grid)
    two = write_results(tmp_path / "b", estimates[::-1], conditions=CONDITIONS, space=grid)
    names = sorted(path.name for path in one.directory.iterdir())
    assert names == sorted(path.name for path in two.directory.iterdir())
    for name in names:
        assert (one.directory / name).read_bytes() == (two.directory / name).read_bytes()


def test_write_results__puts_no_time_into_the_gzip_header(results):
    packed = (results.directory / "nrl_audio.nii.gz").read_bytes()
    assert packed[4:8] == b"\0\0\0\0"
    assert packed[3] == 0  # no file name either
    assert len(gzip.decompress(packed)) == 352 + 4 * np.prod(SHAPE)


def test_write_results__still_lists_parcels_when_all_failed(tmp_path, grid):
    lost = [
        dataclasses.replace(e, status="failed", reason="all constant") for e in make_estimates()
    ]
    results = write_results(tmp_path, lost, conditions=CONDITIONS, space=grid)
    assert results.parcels["reason"].tolist() == ["all constant"] * 3
    assert len(results.hrf) == 0
    assert set(results.maps()) == {"parcels", "left_out"}
    parcels, left_out = (results.map_values(name) for name in ("parcels", "left_out"))
    np.testing.assert_array_equal(left_out, np.where(parcels > 0, 2, 0))


def test_results__names_the_maps_that_there_are(results):
    assert "nrl_left_hand" in results.maps()
    assert results.load_map("nrl_left hand").get_fdata()[0, 0, 0] == -2
    with pytest.raises(InputError, match=r"no map 'nrl_video'.*nrl_audio"):
        results.load_map("nrl_video")


def test_results__names_failed_parcels_with_their_reason(results):
    assert results.n_parcels == 3
    assert results.failed == {3: "1 position: at least 5 are needed"}


def test_results__refuses_a_folder_without_results(tmp_path):
    with pytest.raises(InputError, match="holds no results"):
        Results(tmp_path)


def test_results__keeps_words_that_pandas_would_take_for_missing(tmp_path, grid):
    results = write_results(tmp_path, make_estimates(), conditions=("None", "NA"), space=grid)
    assert results.conditions["condition"].tolist() == ["None", "NA"] * 2


@given(st.text(min_size=1))
def test_file_stem__is_a_safe_file_name(name):
    stem = file_stem(name)
    assert len(stem) == len(name)
    assert all(character.isalnum() or character in "-_" for character in stem)
    assert file_stem(stem) == stem


def test_file_stem__keeps_letters_digits_dash_underscore():
    assert file_stem("nrl_a-b_C9 d/e.f") == "nrl_a-b_C9_d_e_f"


@pytest.mark.parametrize(
    ("conditions", "contrasts", "expected"),
    [
        (("a b", "a/b"), (), r"condition 'a b' and condition 'a/b' .* nrl_a_b\.nii\.gz"),
        (("audio", "sd_audio"), (), r"condition 'audio' and condition 'sd_audio'"),
        ((), ("x", "ppm_x"), r"contrast 'x' and contrast 'ppm_x'"),
        ((" ",), (), "condition has an empty name"),
    ],
)
def test_check_names__refuses_two_maps_in_one_file(conditions, contrasts, expected):
    with pytest.raises(ConfigError, match=expected):
        check_names(conditions, contrasts)


@pytest.mark.parametrize("name", ["x" * 230, "\u00e9" * 115])
def test_check_names__refuses_names_that_are_too_long_for_a_file(name):
    with pytest.raises(ConfigError, match=r"has a name of 230 bytes, .* room for 209: shorten it"):
        check_names([name])
    check_names([name[: len(name) * 200 // 230]])


def test_check_names__accepts_equal_names_of_a_condition_and_a_contrast():
    check_names(("audio", "video", "hrf", "noise_sd"), ("audio", "audio-video"))


def test_replace_file__leaves_the_old_file_when_writing_fails(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("old")

    def write_half() -> None:
        with replace_file(path) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["table.tsv"]


def test_replace_file__says_what_cannot_be_written(tmp_path):
    with (
        pytest.raises(
            InputError, match=r"missing/table\.tsv cannot be written.*directory \(output\)"
        ),
        replace_file(tmp_path / "missing" / "table.tsv"),
    ):
        pass


def test_write_provenance__holds_versions_batches_and_checksums(results):
    provenance = collect_provenance(
        command=["pyhrf_jde_estim", "-v1"],
        started=datetime.now(UTC),
        study={"hrf": {"dt": 1.0}},
        checksums={"bold.nii": "abc"},
        engine={"name": "serial"},
        batches=[{"parcels": [3, 5], "host": "here", "seconds": 0.25}],
        parcels={"ok": 2, "failed": 1},
        notes=["2 events left out"],
        numerics_version=1,
        runs=[{"tr": 2.4, "n_scans": 128, "n_censored": 3}],
    )
    write_provenance(results.directory, provenance)
    read = Results(results.directory).provenance
    assert read["command"] == ["pyhrf_jde_estim", "-v1"]
    assert read["versions"]["numpy"] == np.__version__
    assert read["inputs"] == {"bold.nii": "abc"}
    assert read["runs"] == [{"tr": 2.4, "n_scans": 128, "n_censored": 3}]
    assert read["batches"][0]["host"] == "here"
    assert json.loads((results.directory / "run.json").read_text())["seconds"] >= 0


def test_provenance__says_that_an_analysis_did_not_end(results):
    with pytest.raises(InputError, match="did not end"):
        _ = results.provenance


def by_condition() -> list[ParcelEstimate]:
    """Estimates whose every condition has an HRF of its own, and every voxel a response."""
    estimates = []
    for estimate in make_estimates():
        if estimate.status == "ok":
            n = estimate.positions.size
            time = np.arange(4) * 1.5
            response = np.arange(n * 4, dtype=np.float32).reshape(n, 4) + estimate.parcel
            own = np.outer([1.0, 2.0], time)
            estimate = dataclasses.replace(
                estimate,
                hrf={
                    "time": time,
                    "hrf": time / 4.5,
                    "sd": np.zeros(4),
                    "q025": time - 1,
                    "hrf_by_condition": own,
                    "sd_by_condition": own / 10,
                },
                maps={("response", "audio"): response},
            )
        estimates.append(estimate)
    return estimates


def test_write_results__gives_every_condition_its_hrf(tmp_path, grid):
    results = write_results(tmp_path, by_condition(), conditions=CONDITIONS, space=grid)
    table = results.hrf
    assert list(table) == ["parcel", "condition", "time", "hrf", "sd", "q025"]
    assert len(table) == 2 * 3 * 4
    together = table[table["condition"].isna() & (table["parcel"] == 5)]
    np.testing.assert_allclose(together["hrf"], np.arange(4) / 3)
    np.testing.assert_allclose(together["q025"], np.arange(4) * 1.5 - 1)
    one = table[(table["condition"] == "left hand") & (table["parcel"] == 7)]
    np.testing.assert_allclose(one["hrf"], np.arange(4) * 3.0)
    np.testing.assert_allclose(one["sd"], np.arange(4) * 0.3)
    assert one["q025"].isna().all()


def test_write_results__writes_a_response_of_every_voxel_as_4d(tmp_path, grid):
    results = write_results(tmp_path, by_condition(), conditions=CONDITIONS, space=grid)
    image = results.load_map("response_audio")
    assert image.shape == (*SHAPE, 4)
    assert float(image.header["pixdim"][4]) == 1.5
    data = image.get_fdata()
    np.testing.assert_allclose(data[1, 2, 1], np.arange(4, 8) + 7)
    np.testing.assert_allclose(data[2, 0, 1], np.arange(4, 8) + 5)
    assert np.isnan(data[2, 3, 0]).all()
    assert not data[LABELS == 0].any()


def test_write_results__gives_no_step_to_uneven_times(tmp_path, grid):
    time = np.array([0.0, 1.0, 3.0, 7.0])
    estimates = [
        dataclasses.replace(one, hrf={**one.hrf, "time": time}) if one.hrf else one
        for one in by_condition()
    ]
    results = write_results(tmp_path, estimates, conditions=CONDITIONS, space=grid)
    for name in ("hrf", "response_audio"):
        assert float(results.load_map(name).header["pixdim"][4]) == 0


def test_convergence__has_the_last_iteration_of_every_chain(tmp_path, grid):
    estimates = make_estimates()
    one, two, *_ = [e for e in estimates if e.status == "ok"]
    rising = np.arange(450.0)  # the last of 480 iterations: thinned by three
    chains = np.concatenate([np.linspace(0, 1, 40), np.linspace(2, 3, 40)])
    traced = [
        dataclasses.replace(one, trace=rising, summary={**one.summary, "n_iterations": 480.0}),
        dataclasses.replace(two, trace=chains, summary={**two.summary, "n_chains": 2.0}),
    ]
    results = write_results(tmp_path, traced, conditions=CONDITIONS, space=grid)
    first, second = (results.convergence.query(f"parcel == {e.parcel}") for e in (one, two))
    assert first["iteration"].tolist() == list(range(33, 481, 3))
    np.testing.assert_array_equal(first["criterion"], first["iteration"] - 31)
    assert second.groupby("chain")["iteration"].max().to_dict() == {1: 40, 2: 40}
    assert second.groupby("chain")["criterion"].max().to_dict() == {1: 1, 2: 3}


def test_convergence__is_empty_for_what_does_not_iterate(results):
    assert not (results.directory / "convergence.tsv").exists()
    assert results.convergence.empty
    assert list(results.convergence) == ["parcel", "chain", "iteration", "criterion"]


@pytest.mark.parametrize("name", ["1", "01", "left  hand", "sd_high", "None", "é t"])
def test_results__know_the_maps_of_any_condition(tmp_path, name):
    size = int(np.prod(SHAPE))
    estimate = ParcelEstimate(
        1,
        "ok",
        "",
        np.arange(size),
        hrf={"time": np.arange(3.0), "hrf": np.ones(3), "sd": np.ones(3)},
        maps={("nrl", name): np.ones(size, np.float32), ("ar1", ""): np.ones(size, np.float32)},
    )
    grid = Grid(SHAPE, AFFINE, nib.Nifti1Header())
    results = write_results(tmp_path, [estimate], conditions=[name], space=grid)
    (tmp_path / "run.json").write_text(json.dumps({"study": {}}))
    assert results.condition_names == [name]
    found = results.map_names
    assert found.keys() == results.maps().keys()
    assert found[file_stem(f"nrl_{name}")] == ("nrl", name)
    assert found["ar1"] == ("ar1", "")
