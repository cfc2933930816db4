"""A whole data set: parcels against nibabel, and files that do not fit together."""

from __future__ import annotations

import gzip
import hashlib
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from input_files import AFFINE, Files, WriteNifti

from pyhrf.errors import InputError
from pyhrf.inputs.confounds import NuisanceFiles
from pyhrf.inputs.dataset import Dataset, open_dataset
from pyhrf.simulation.datasets import write_dataset
from pyhrf.simulation.simulate import simulate
from pyhrf.simulation.spec import SimulationSpec
from pyhrf.spaces import grid as grid_module

Study = tuple[Files, Path]


def open_files(study: Study, **changes: Any) -> Dataset:
    """Open the small data set, with other arguments perhaps."""
    run, parcellation = study
    return open_dataset(**{"runs": [run], "parcellation": parcellation, **changes})


def refuse(*words: str, **arguments: Any) -> None:
    """Expect an InputError in one line, with some words."""
    with pytest.raises(InputError) as caught:
        open_dataset(**arguments)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


# Good data


def test_open_dataset__describes_the_experiment(files: Study) -> None:
    data = open_files(files)
    assert data.experiment.conditions == ("a", "b")
    (run,) = data.experiment.runs
    assert (run.n_scans, run.tr) == (20, 2.0)
    np.testing.assert_array_equal(run.events["b"].onsets, [1.5, 11])
    np.testing.assert_array_equal(run.events["a"].durations, [2])
    np.testing.assert_array_equal(run.events["a"].amplitudes, [0.5])
    assert data.parcels == {2: 9, 3: 1, 7: 17}
    assert list(data.parcels) == [2, 3, 7]
    assert data.notes == []
    assert data.shape == (5, 4, 3)
    assert data.tr == 2.0
    np.testing.assert_array_equal(data.space.affine, AFFINE)
    np.testing.assert_array_equal(data.space.header.get_best_affine(), AFFINE)


def test_load__gives_parcels_as_nibabel_sees_them(files: Study, labels: np.ndarray) -> None:
    parcels = open_files(files).load([7, 2, 3])
    series = nib.load(files[0].bold).get_fdata()
    assert [parcel.number for parcel in parcels] == [7, 2, 3]
    for parcel in parcels:
        inside = labels == parcel.number
        assert parcel.bold.dtype == np.float32
        assert parcel.positions.dtype == np.int64
        np.testing.assert_array_equal(parcel.bold, series[inside].T)
        np.testing.assert_array_equal(parcel.positions, np.flatnonzero(inside))
        places = np.argwhere(inside)
        steps = np.abs(places[parcel.edges[:, 0]] - places[parcel.edges[:, 1]])
        assert (steps.sum(axis=1) == 1).all()
    assert [len(parcel.edges) for parcel in parcels] == [28, 12, 0]


def test_load__joins_runs_with_scales_and_types_of_their_own(
    files: Study, write_nifti: WriteNifti, tmp_path: Path, bold: np.ndarray, labels: np.ndarray
) -> None:
    first, parcellation = files
    scaled = write_nifti("scaled.nii", bold[..., :7].astype(">i4"))
    raw = bytearray(scaled.read_bytes())
    raw[112:120] = np.array([0.5, 100], "<f4").tobytes()
    scaled.write_bytes(raw)
    real = write_nifti("real.nii.gz", bold[..., 5:].astype(np.float64) / 3)
    events = tmp_path / "events.tsv"
    events.write_text("onset\tduration\ttrial_type\n1\t0\tc\n")
    runs = [first, Files(scaled, events), Files(real, events)]
    data = open_dataset(runs=runs, parcellation=parcellation, tr=2.0)

    assert data.experiment.n_scans == 20 + 7 + 15
    assert data.experiment.conditions == ("a", "b", "c")
    assert [sorted(run.events) for run in data.experiment.runs] == [["a", "b"], ["c"], ["c"]]
    (parcel,) = data.load([7])
    series = [nib.load(run.bold).get_fdata()[labels == 7].T for run in runs]
    np.testing.assert_allclose(parcel.bold, np.concatenate(series), rtol=1e-6)
    assert len(data.files) == 6


def test_open__moves_onsets_to_the_first_scan(files: Study) -> None:
    (plain,) = open_files(files).experiment.runs
    (late,) = open_files(files, starts=[0.7]).experiment.runs
    assert plain.events.keys() == late.events.keys()
    for name, events in plain.events.items():
        np.testing.assert_allclose(late.events[name].onsets, events.onsets - 0.7, atol=1e-6)
        np.testing.assert_array_equal(late.events[name].durations, events.durations)


def test_load__accepts_labels_stored_as_floats(
    files: Study, write_nifti: WriteNifti, labels: np.ndarray
) -> None:
    as_float = write_nifti("labels.nii", labels.astype(np.float32))
    assert open_files((files[0], as_float)).parcels == {2: 9, 3: 1, 7: 17}


def test_load__reads_once_for_many_threads(files: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    read_voxels = grid_module.read_voxels

    def counted(*arguments: Any) -> Any:
        calls.append(arguments)
        return read_voxels(*arguments)

    monkeypatch.setattr(grid_module, "read_voxels", counted)
    data = open_files(files)
    assert not calls
    barrier = threading.Barrier(8)

    def load(number: int) -> np.ndarray:
        barrier.wait()
        return data.load([number])[0].bold

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(load, [2, 3, 7, 2, 3, 7, 2, 3]))
    assert len(calls) == 1
    np.testing.assert_array_equal(results[0], results[3])


def test_load__gives_arrays_that_may_be_changed(files: Study) -> None:
    data = open_files(files)
    (first,) = data.load([7])
    expected = first.bold.copy()
    for array in (first.bold, first.positions, first.edges):
        array[...] = 0
    (second,) = data.load([7])
    np.testing.assert_array_equal(second.bold, expected)
    assert second.edges.any()
    assert second.positions.any()


def test_load__refuses_a_parcel_that_is_not_there(files: Study) -> None:
    with pytest.raises(InputError, match="no parcel 5"):
        open_files(files).load([2, 5])


def test_load__says_each_time_that_the_file_is_damaged(files: Study) -> None:
    path = files[0].bold
    content = path.read_bytes()
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(4) + content[middle + 4 :])
    data = open_files(files)
    for _ in range(2):
        with pytest.raises(InputError, match=r"bold\.nii\.gz: the compressed data are damaged"):
            data.load([2])


def test_load__never_holds_the_volume(
    tmp_path: Path, files: Study, write_nifti: WriteNifti
) -> None:
    n_scans, shape = 60, (40, 40, 40)  # 7.7 MB in the file, 31 MB in double precision
    scan = np.random.default_rng(0).integers(0, 100, shape).astype(np.int16)
    series = np.repeat(scan[..., None], n_scans, axis=3)
    series[..., -1] += 1
    bold = write_nifti("large.nii", series)
    del series
    labels = np.zeros(shape, np.int16)
    labels[10:30, 10:30, 10:20] = 1  # 4,000 voxels: 0.5 MB
    runs = [Files(bold, files[0].paradigm)]
    data = open_dataset(runs=runs, parcellation=write_nifti("l.nii", labels), tr=2.0)
    tracemalloc.start()
    try:
        data.read()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000 * n_scans * 2 + 4 * 2**20 + 2**20  # what is kept, a chunk, and trifles


def test_load__refuses_a_parcellation_that_misses_the_data(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray, labels: np.ndarray
) -> None:
    silent = bold.copy()
    silent[labels > 0] = 0
    silent[labels > 0, 3] = np.arange(int((labels > 0).sum())) % 2
    runs = [Files(write_nifti("first.nii", bold), files[0].paradigm)]
    parcellation = write_nifti("l.nii", labels)
    n = int((labels > 0).sum())
    assert n > 0
    dataset = open_dataset(runs=runs, parcellation=parcellation)
    dataset.read()
    # what varies in one run only, or in a censored scan only, cannot be used either
    runs.append(Files(write_nifti("second.nii", silent), files[0].paradigm))
    listed = parcellation.with_name("bad.txt")
    listed.write_text("3")
    nuisance = [NuisanceFiles(), NuisanceFiles(censored=listed)]
    open_dataset(runs=runs, parcellation=parcellation).read()
    dataset = open_dataset(runs=runs, parcellation=parcellation, nuisance=nuisance)
    for _ in range(2):
        words = rf"second\.nii: its data are constant or not finite at all {n} positions of"
        with pytest.raises(InputError, match=words):
            dataset.read()
    # the atlas is blamed when no run has a signal there
    silent[labels > 0] = 0
    runs[:] = [
        Files(write_nifti(f"{name}.nii", silent), files[0].paradigm) for name in ("third", "fourth")
    ]
    dataset = open_dataset(runs=runs, parcellation=parcellation)
    with pytest.raises(InputError, match=rf"l\.nii: misses the data: all {n} .*third\.nii"):
        dataset.read()


def test_checksums__are_those_of_the_files(files: Study) -> None:
    sums = open_files(files).checksums()
    assert sums == {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in (*files[0], files[1])
    }


def test_import__is_light() -> None:
    code = (
        "import sys, pyhrf.inputs.dataset; "
        "print({'nibabel', 'nilearn', 'pandas', 'scipy', 'numba'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stdout.strip() == b"set()"


# TR


def test_open_dataset__reports_a_header_that_disagrees(files: Study) -> None:
    data = open_files(files, tr=2.4)
    assert data.tr == 2.4
    assert data.notes == [
        f"{files[0].bold}: the header says TR 2 s; the TR that is given, 2.4 s, is used"
    ]


def test_open_dataset__takes_milliseconds_that_the_header_declares(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    run = files[0]._replace(bold=write_nifti("b.nii", bold, tr=2400, units="msec"))
    data = open_files((run, files[1]))
    assert data.tr == 2.4
    assert open_files((run, files[1]), tr=2.4).notes == []


@pytest.mark.parametrize(
    ("tr", "words"),
    [
        (0, ("gives no TR", "(tr)")),
        (2400, ("2400 s", "milliseconds", "(tr)", "did you mean 2.4 s?")),
        (50, ("50 s", "between", "(tr)")),
        (0.001, ("0.001 s", "between", "(tr)")),
    ],
)
def test_open_dataset__refuses_a_bad_tr_of_the_header(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray, tr: float, words: Sequence[str]
) -> None:
    run = files[0]._replace(bold=write_nifti("b.nii", bold, tr=tr))
    refuse(f"{run.bold}: ", *words, runs=[run], parcellation=files[1])
    assert open_files((run, files[1]), tr=2.0).tr == 2.0


@pytest.mark.parametrize(
    ("tr", "words"),
    [
        (0.0, ("is 0;", "more than 0 seconds")),
        (-1.0, ("is -1;",)),
        (float("nan"), ("is nan;",)),
        (2400.0, ("2400 s", "milliseconds", "did you mean 2.4 s?")),
        (45.0, ("45 s", "between 0.01 and 30 s")),
    ],
)
def test_open_dataset__refuses_a_bad_tr_that_is_given(
    files: Study, tr: float, words: Sequence[str]
) -> None:
    refuse("the TR that is given", *words, runs=[files[0]], parcellation=files[1], tr=tr)


def test_open_dataset__takes_each_run_with_its_own_tr(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    other = files[0]._replace(bold=write_nifti("b.nii", bold, tr=1.5))
    dataset = open_dataset(runs=[files[0], other], parcellation=files[1])
    assert [run.tr for run in dataset.experiment.runs] == [2.0, 1.5]
    assert dataset.tr == 1.5
    assert any("TR 1.5 s" in note and note.endswith("with its own") for note in dataset.notes)


def test_open_dataset__knows_a_paradigm_under_two_spellings(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    run, parcellation = files
    run.paradigm.write_text("1 a 5\n2 a 9\n")
    folder = run.paradigm.parent
    again = Files(write_nifti("b.nii", bold), folder / ".." / folder.name / run.paradigm.name)
    runs = open_dataset(runs=[run, again], parcellation=parcellation).experiment.runs
    assert [each.events["a"].onsets.tolist() for each in runs] == [[5.0], [9.0]]


# Files that do not fit together


def test_open_dataset__refuses_to_go_without_files(files: Study) -> None:
    refuse("no BOLD file", "(bold)", runs=[], parcellation=files[1])
    refuse("no parcellation", "(parcellation)", runs=[files[0]], parcellation=None)


def test_open_dataset__refuses_one_bold_file_twice(files: Study) -> None:
    refuse("bold.nii.gz", "two runs", runs=[files[0], files[0]], parcellation=files[1])


def test_open_dataset__refuses_another_grid(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray, labels: np.ndarray
) -> None:
    parcellation = write_nifti("other.nii", labels[:, 1:])
    refuse(
        f"{parcellation}: does not lie on the grid of {files[0].bold}",
        "5x3x3 voxels instead of 5x4x3",
        "resample",
        runs=[files[0]],
        parcellation=parcellation,
    )
    other = files[0]._replace(bold=write_nifti("other_bold.nii", bold[1:]))
    refuse(f"{other.bold}: ", "4x4x3", runs=[files[0], other], parcellation=files[1])


def test_open_dataset__refuses_another_affine(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray, labels: np.ndarray
) -> None:
    moved = AFFINE.copy()
    moved[0, 3] += 1.5
    parcellation = write_nifti("moved.nii", labels, affine=moved)
    refuse(f"{parcellation}: ", "affine", "1.5 mm", runs=[files[0]], parcellation=parcellation)
    other = files[0]._replace(bold=write_nifti("moved_bold.nii", bold, affine=moved))
    refuse(f"{other.bold}: ", "affine", runs=[files[0], other], parcellation=files[1])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x * 0, ("empty", "all its voxels are 0")),
        (lambda x: np.where(x > 0, 4e-4, 0), ("empty", "all its voxels are 0")),
        (lambda x: x / 2, ("not whole numbers", "3.5", "number of its parcel")),
        (lambda x: -x, ("negative labels", "-7", "numbered from 1")),
        (lambda x: np.where(x == 2, np.nan, x), ("NaN",)),
        (lambda x: np.where(x == 2, np.inf, x), ("infinite",)),
        (lambda x: x * 1e9, ("label 7e+09 is too large",)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_open_dataset__refuses_a_bad_parcellation(
    files: Study, write_nifti: WriteNifti, labels: np.ndarray, change: Any, words: Sequence[str]
) -> None:
    parcellation = write_nifti("bad.nii", change(labels.astype(np.float64)))
    refuse(f"{parcellation}: ", *words, runs=[files[0]], parcellation=parcellation)


def test_open_dataset__refuses_negative_integers(
    files: Study, write_nifti: WriteNifti, labels: np.ndarray
) -> None:
    parcellation = write_nifti("bad.nii.gz", labels - np.int16(1))
    refuse("negative labels, such as -1", runs=[files[0]], parcellation=parcellation)


def test_open_dataset__refuses_a_damaged_parcellation(
    files: Study, write_nifti: WriteNifti, labels: np.ndarray
) -> None:
    parcellation = write_nifti("labels.nii", labels)
    packed = bytearray(gzip.compress(parcellation.read_bytes(), mtime=0))
    packed[-8] ^= 255
    parcellation.write_bytes(packed)
    refuse(f"{parcellation}: ", "damaged", runs=[files[0]], parcellation=parcellation)


# Events and the scan time (20 scans, 40 s)


def test_open_dataset__leaves_out_events_that_no_scan_shows(files: Study) -> None:
    path = files[0].paradigm
    path.write_text(
        "0 a -25\n0 a -24.9\n0 a -40 16\n0 a 39.9\n0 a 40\n0 a 1e3\n0 b 3\n0 c 0\n0 c -30 4\n"
    )
    data = open_files(files)
    events = data.experiment.runs[0].events
    np.testing.assert_array_equal(events["a"].onsets, [-40, -24.9, 39.9])
    assert data.notes == [
        f'{path}, run 1: 3 events of "a" outside the scan time (0 to 40 s) left out: '
        "onset -25, 40, 1000 s",
        f'{path}, run 1: 1 event of "c" outside the scan time (0 to 40 s) left out: onset -30 s',
        '2 of 3 events of "a" have the duration 0 and the others last: they are taken as events of '
        "1 s, since an impulse counts as much as 1 s; if 0 means that the duration is unknown, "
        "write one",
    ]
    np.testing.assert_array_equal(
        open_files(files, hrf_duration=10).experiment.runs[0].events["a"].onsets, [39.9]
    )


def test_open_dataset__refuses_a_condition_without_event(files: Study) -> None:
    path = files[0].paradigm
    path.write_text("0 a 1\n0 late 40\n0 late 55\n")
    refuse(
        f'{path}: the condition "late" has no event within the scan time',
        "seconds",
        runs=[files[0]],
        parcellation=files[1],
    )
    path.write_text("0 a 1\n0 flat 5 0 0\n0 flat 15 0 0\n")
    refuse('all events of "flat" have the amplitude 0', runs=[files[0]], parcellation=files[1])


def test_open_dataset__keeps_a_condition_that_one_run_lacks(
    files: Study, write_nifti: WriteNifti, bold: np.ndarray
) -> None:
    path = files[0].paradigm
    path.write_text("0 a 1\n0 b 2\n1 a 3\n1 b 400\n")
    runs = [files[0], files[0]._replace(bold=write_nifti("second.nii", bold))]
    data = open_dataset(runs=runs, parcellation=files[1])
    assert data.experiment.conditions == ("a", "b")
    assert [list(run.events) for run in data.experiment.runs] == [["a", "b"], ["a"]]
    assert [run.events["a"].onsets.tolist() for run in data.experiment.runs] == [[1.0], [3.0]]
    assert "run 2: 1 event" in data.notes[0]


def test_open_dataset__passes_on_what_the_paradigm_lacks(files: Study) -> None:
    path = files[0].paradigm
    path.write_text("onset\tduration\ttrial_type\n1\tn/a\ta\n")
    assert open_files(files).notes == [f"{path}: duration is n/a in 1 row (line 2), taken as 0"]


# Data of the simulator, and real data


@pytest.fixture
def simulated(tmp_path: Path) -> Study:
    """Write a data set of 3 parcels in a part of its grid, with scans of 2.4 s."""
    spec = SimulationSpec(shape=(9, 8, 7), n_parcels=3, n_scans=30, tr=2.4, seed=2)
    files = write_dataset(simulate(spec), tmp_path / "simulated")
    return Files(files.bold[0], files.paradigm_csv), files.parcellation


def test_load__reads_simulated_data_as_nibabel(simulated: Study) -> None:
    run, parcellation = simulated
    header = nib.load(run.bold)
    header.header["pixdim"][4] = 1
    nib.save(header, run.bold)
    data = open_files(simulated, tr=2.4)
    labels = np.asarray(nib.load(parcellation).dataobj)
    numbers, sizes = np.unique(labels[labels > 0], return_counts=True)
    assert data.parcels == dict(zip(numbers.tolist(), sizes.tolist(), strict=True))
    assert len(data.experiment.conditions) == 4
    assert data.notes == [
        f"{run.bold}: the header says TR 1 s; the TR that is given, 2.4 s, is used"
    ]
    series = nib.load(run.bold).get_fdata(dtype=np.float32)
    for parcel in data.load(list(data.parcels)):
        np.testing.assert_array_equal(parcel.bold, series[labels == parcel.number].T)


def test_open_dataset__refuses_an_atlas_with_more_slices(simulated: Study, tmp_path: Path) -> None:
    run, parcellation = simulated
    image = nib.load(parcellation)
    more = np.pad(np.asarray(image.dataobj), ((0, 0), (0, 0), (0, 6)))
    nib.save(nib.Nifti1Image(more, image.affine), tmp_path / "atlas.nii.gz")
    refuse("9x8x13 voxels instead of 9x8x7", runs=[run], parcellation=tmp_path / "atlas.nii.gz")


def test_open_dataset__finds_a_truncated_simulated_file(simulated: Study) -> None:
    run, parcellation = simulated
    content = run.bold.read_bytes()
    run.bold.write_bytes(content[: len(content) // 2])
    refuse(f"{run.bold}: ", "truncated", runs=[run], parcellation=parcellation)


@pytest.mark.parametrize(
    ("bold_name", "labels_name", "sizes"),
    [
        (
            "real_data_vol_4_regions_BOLD.nii.gz",
            "real_data_vol_4_regions_mask.nii.gz",
            {1: 1765, 2: 2092, 3: 683, 4: 868, 5: 254, 6: 781},
        ),
        ("subj0_bold_session0.nii.gz", "subj0_parcellation.nii.gz", {1: 632, 2: 640}),
    ],
)
def test_load__reads_real_data_as_nibabel(
    shared_data: Path, bold_name: str, labels_name: str, sizes: dict[int, int]
) -> None:
    run = Files(shared_data / bold_name, shared_data / "paradigm_loc.csv")
    data = open_dataset(runs=[run], parcellation=shared_data / labels_name, tr=2.4)
    assert data.parcels == sizes
    assert len(data.experiment.conditions) == 10
    assert data.notes == [
        f"{run.bold}: the header says TR 1 s; the TR that is given, 2.4 s, is used"
    ]
    series = nib.load(run.bold).get_fdata(dtype=np.float32)
    labels = np.asarray(nib.load(shared_data / labels_name).dataobj)
    for parcel in data.load(list(sizes)):
        np.testing.assert_array_equal(parcel.bold, series[labels == parcel.number].T)


def test_open_dataset__refuses_a_real_atlas_on_another_grid(shared_data: Path) -> None:
    run = Files(shared_data / "subj0_bold_session0.nii.gz", shared_data / "paradigm_loc.csv")
    atlas = shared_data / "stanford_willard_parcellation_3x3x3mm.nii.gz"
    refuse("53x63x52 voxels instead of 53x63x46", runs=[run], parcellation=atlas, tr=2.4)


def test_open_dataset__finds_a_truncated_real_file(shared_data: Path, tmp_path: Path) -> None:
    content = (shared_data / "subj0_bold_session0.nii.gz").read_bytes()
    path = tmp_path / "bold.nii.gz"
    path.write_bytes(content[: len(content) // 2])
    run = Files(path, shared_data / "paradigm_loc.csv")
    parcellation = shared_data / "subj0_parcellation.nii.gz"
    refuse(f"{path}: ", "truncated", runs=[run], parcellation=parcellation, tr=2.4)
