import gzip
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest

from pyhrf import InputError
from pyhrf.inputs.dataset import open_dataset
from pyhrf.inputs.paradigm import read_paradigm
from pyhrf.simulation import datasets
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec

SPEC = SimulationSpec(
    region="box", shape=(6, 5, 4), n_parcels=2, n_scans=50, n_conditions=2, voxel_size=2.5
)


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_write_dataset__nibabel_reads_what_was_simulated(tmp_path):
    simulated = simulate(SPEC)
    paths = write_dataset(simulated, tmp_path / "data")
    assert set(paths.all) == set((tmp_path / "data").iterdir())
    bold = nibabel.load(paths.bold[0])
    np.testing.assert_array_equal(np.asarray(bold.dataobj), simulated.volume())
    assert bold.get_data_dtype() == np.float32
    assert bold.header.get_zooms() == (2.5, 2.5, 2.5, 2.0)
    assert bold.header.get_xyzt_units() == ("mm", "sec")
    np.testing.assert_allclose(bold.affine, simulated.affine)
    labels = nibabel.load(paths.parcellation)
    np.testing.assert_array_equal(np.asarray(labels.dataobj), simulated.parcellation)
    np.testing.assert_allclose(labels.affine, simulated.affine)
    np.testing.assert_allclose(labels.header.get_qform(), simulated.affine)


def test_write_dataset__int16_on_disk(tmp_path):
    simulated = simulate(replace(SPEC, dtype="int16"))
    paths = write_dataset(simulated, tmp_path / "data")
    bold = nibabel.load(paths.bold[0])
    assert bold.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asarray(bold.dataobj), simulated.volume())


@pytest.mark.parametrize("n_runs", [1, 2])
def test_write_dataset__the_package_reads_it_back(tmp_path, n_runs):
    simulated = simulate(replace(SPEC, n_runs=n_runs, event_duration=(0.5, 1.5)))
    paths = write_dataset(simulated, tmp_path)
    runs = [
        SimpleNamespace(bold=bold, paradigm=paradigm)
        for bold, paradigm in zip(paths.bold, paths.paradigm, strict=True)
    ]
    dataset = open_dataset(runs=runs, parcellation=paths.parcellation)
    assert dataset.notes == []
    assert dataset.experiment.conditions == simulated.experiment.conditions
    from_csv = read_paradigm(paths.paradigm_csv, n_runs=n_runs)
    for ours, theirs, csv in zip(
        simulated.experiment.runs, dataset.experiment.runs, from_csv, strict=True
    ):
        assert (ours.n_scans, ours.tr) == (theirs.n_scans, theirs.tr)
        for name, events in ours.events.items():
            for read in (theirs.events[name], csv[name]):
                np.testing.assert_array_equal(events.onsets, read.onsets)
                np.testing.assert_array_equal(events.durations, read.durations)
                np.testing.assert_array_equal(events.amplitudes, read.amplitudes)
    for ours, theirs in zip(simulated.parcels(), dataset.load([1, 2]), strict=True):
        np.testing.assert_array_equal(ours.bold, theirs.bold)
        np.testing.assert_array_equal(ours.edges, theirs.edges)
        np.testing.assert_array_equal(ours.positions, theirs.positions)


def test_write_dataset__truth_without_pickle(tmp_path):
    simulated = simulate(SPEC)
    paths = write_dataset(simulated, tmp_path)
    with np.load(paths.truth, allow_pickle=False) as truth:
        np.testing.assert_array_equal(truth["hrf"], simulated.hrf)
        np.testing.assert_array_equal(truth["labels"], simulated.labels)
        np.testing.assert_allclose(truth["levels"], simulated.levels, rtol=1e-6)
        np.testing.assert_array_equal(truth["positions"], simulated.positions)
        np.testing.assert_array_equal(truth["noise_sd"], simulated.noise_sd)
        np.testing.assert_array_equal(truth["ar1"], simulated.ar1)
        assert tuple(truth["conditions"]) == simulated.experiment.conditions
        drift = truth["drift_basis"] @ truth["drift_coefficients"]
        np.testing.assert_allclose(drift, simulated.drift, atol=1e-4)


def test_write_dataset__description_makes_the_same_data_again(tmp_path):
    paths = write_dataset(simulate(SPEC), tmp_path / "one")
    spec = SimulationSpec.from_json(paths.spec.read_text())
    assert spec == SPEC
    write_dataset(simulate(spec), tmp_path / "another")
    assert contents(tmp_path / "one") == contents(tmp_path / "another")


def test_write_dataset__no_time_in_any_file(tmp_path):
    paths = write_dataset(simulate(SPEC), tmp_path)
    for path in (paths.bold[0], paths.parcellation):
        head = path.read_bytes()[:10]
        assert head[3] == 0  # no name
        assert head[4:8] == bytes(4)  # no time
        assert gzip.decompress(path.read_bytes())[344:347] == b"n+1"
    with zipfile.ZipFile(paths.truth) as archive:
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_write_dataset__writes_over_nothing(tmp_path):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(InputError, match="exists already"):
        write_dataset(simulate(SPEC), tmp_path)
    with pytest.raises(InputError, match="exists already"):
        write_dataset(simulate(SPEC), tmp_path / "mine.txt")
    assert contents(tmp_path) == {"mine.txt": b"precious"}


def test_write_dataset__all_files_or_none(tmp_path, monkeypatch):
    def fail(simulated):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(datasets, "_truth", fail)
    with pytest.raises(InputError, match="cannot be written: No space left on device"):
        write_dataset(simulate(SPEC), tmp_path / "data")
    assert list(tmp_path.iterdir()) == []


def test_write_dataset__makes_the_folders_above(tmp_path):
    paths = write_dataset(simulate(SPEC), tmp_path / "a" / "b")
    assert paths.bold[0].is_file()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_write_dataset__file_in_place_of_a_folder_above(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_dataset(simulate(SPEC), tmp_path / "file" / "data")
