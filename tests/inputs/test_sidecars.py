"""Times of scans in JSON files."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from pyhrf.errors import InputError
from pyhrf.inputs.beside import times_beside
from pyhrf.inputs.sidecars import ScanTimes, doubts_of, is_old_fmriprep, scan_times

BOLD = Path("sub-01_task-x_bold.nii.gz")
TR = {"RepetitionTime": 2.0}
CORRECTED = {**TR, "SliceTimingCorrected": True}
SLICES = {"SliceTiming": [0.0, 1.2, 0.4, 1.6, 0.8]}


@pytest.mark.parametrize(
    ("own", "raw", "tr", "start", "said"),
    [
        ({}, {}, None, 0.0, ""),
        (TR, {}, 2.0, 0.0, ""),
        ({}, TR, 2.0, 0.0, ""),
        ({"RepetitionTime": 1.5}, TR, 1.5, 0.0, ""),
        ({**TR, "StartTime": 0.7}, SLICES, 2.0, 0.7, ""),
        ({**TR, "StartTime": 0.0005}, {}, 2.0, 0.0, ""),
        ({**CORRECTED, "StartTime": 0.0}, SLICES, 2.0, 0.0, ""),
        (TR, {"StartTime": 5.0}, 2.0, 0.0, ""),
        # The middle of a scan, as far as it is known.
        (CORRECTED, {}, 2.0, 1.0, "StartTime is missing"),
        (CORRECTED, SLICES, 2.0, 0.8, "StartTime is missing"),
        ({**CORRECTED, "DelayTime": 0.5}, {}, 2.0, 0.75, "StartTime is missing"),
        (CORRECTED, {"AcquisitionDuration": 1.8}, 2.0, 0.9, "StartTime is missing"),
        (CORRECTED, {"SliceTiming": [0, 400, 800]}, 2.0, 1.0, "StartTime is missing"),
        ({**TR, "SliceTimingCorrected": False}, SLICES, 2.0, 0.0, ""),
        (TR, SLICES, 2.0, 0.0, "no file says whether slice times were corrected"),
        (TR, {"SliceTiming": [0.0, 0.0, 0.0]}, 2.0, 0.0, ""),
        ({**TR, **SLICES}, {}, 2.0, 0.0, ""),  # those of the data themselves are not corrected
        ({"VolumeTiming": [0, 3, 6, 9]}, {}, 3.0, 0.0, ""),
        ({"VolumeTiming": [0, 0.72, 1.44, 2.16, 2.88]}, {}, 0.72, 0.0, ""),
        ({"VolumeTiming": [6, 9, 12]}, {}, 3.0, 0.0, "VolumeTiming begins at 6 s"),
        ({"VolumeTiming": [0, 3, 6, 9], "RepetitionTime": 3}, {}, 3.0, 0.0, ""),
    ],
)
def test_scan_times__of_json_files(own, raw, tr, start, said):
    times = scan_times(BOLD, own, raw=raw)
    assert (times.tr, times.start) == (tr, start)
    assert len(times.doubts) == bool(said)
    assert said in " ".join(times.doubts)


def test_scan_times__fmriprep_before_21_does_not_say_that_it_corrected():
    times = scan_times(BOLD, TR, raw=SLICES, is_old=True)
    assert times.start == 0.8
    (doubt,) = times.doubts
    assert "fMRIPrep before 21 corrects slice times" in doubt
    assert scan_times(BOLD, TR, is_old=True).start == 0.0
    told_not_to = {**TR, "SliceTimingCorrected": False}
    assert scan_times(BOLD, told_not_to, raw=SLICES, is_old=True) == ScanTimes(2.0, 0.0)


def test_scan_times__a_surface_has_those_of_its_volumes():
    volumes = {"one.json": {}, "other.json": {"SliceTimingCorrected": True}}
    assert scan_times(BOLD, TR, volumes=volumes).start == 1.0
    volumes["one.json"] = {"StartTime": 0.7}
    assert scan_times(BOLD, CORRECTED, volumes=volumes) == ScanTimes(2.0, 0.7)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"VolumeTiming": [0, 3, 6, 13.5]}, "VolumeTiming with steps from 3 to 7.5 s"),
        ({"VolumeTiming": [0, 3, 6, 13.5], **TR}, "VolumeTiming with steps from 3 to 7.5 s"),
        ({"VolumeTiming": [0, 3, 6, 9], **TR}, "RepetitionTime 2 s and VolumeTiming in steps of 3"),
        ({"VolumeTiming": [9, 6, 3]}, "steps from -3 to -3 s"),
        ({"VolumeTiming": [0, 3000, 6000]}, "steps from 3000 to 3000 s"),
        ({"VolumeTiming": "0 3 6"}, "not a list of times"),
        ({"VolumeTiming": [0]}, "not a list of times"),
        ({"VolumeTiming": [0, None, 6]}, "not a list of times"),
        ({"StartTime": "1 s"}, "StartTime as '1 s': seconds are needed"),
        ({"StartTime": 950}, "StartTime as 950: it is in seconds"),
        ({"RepetitionTime": 2000}, "RepetitionTime as 2000: it is in seconds"),
        ({"RepetitionTime": True}, "RepetitionTime as True: seconds are needed"),
    ],
)
def test_scan_times__names_what_cannot_be(own, said):
    with pytest.raises(InputError, match=said) as refused:
        scan_times(BOLD, own)
    assert str(refused.value).startswith(str(BOLD))


def test_doubts_of__are_said_once_with_the_number_of_runs():
    runs = [ScanTimes(2.0, 1.0, ("a", "b")), ScanTimes(2.0, 1.0, ("a",))]
    assert doubts_of(runs) == ["a", "of 1 run: b"]


@pytest.mark.parametrize(
    ("description", "old"),
    [
        ({"GeneratedBy": [{"Name": "fMRIPrep", "Version": "20.2.3"}]}, True),
        ({"GeneratedBy": [{"Name": "x"}, {"Name": "fmriprep", "Version": "v1.5.0"}]}, True),
        ({"PipelineDescription": {"Name": "fMRIPrep", "Version": "1.4.1rc1"}}, True),
        ({"GeneratedBy": [{"Name": "fMRIPrep", "Version": "21.0.0"}]}, False),
        ({"GeneratedBy": [{"Name": "fMRIPrep", "Version": "0+unknown"}]}, False),
        ({"GeneratedBy": [{"Name": "fMRIPrep"}]}, False),
        ({"GeneratedBy": [{"Name": "PyHRF", "Version": "1.0"}]}, False),
        ({"GeneratedBy": "fMRIPrep"}, False),
        ({}, False),
    ],
)
def test_is_old_fmriprep(description, old):
    assert is_old_fmriprep(description) is old


def series(path: Path, tr: float, **about: object) -> Path:
    """Write a series, and what is said of it in the JSON beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 5), np.int16), np.eye(4))
    image.header.set_zooms((1, 1, 1, tr))
    image.header.set_xyzt_units("mm", "sec")
    nib.save(image, path)
    if about:
        path.with_name(path.name.replace(".nii.gz", ".json")).write_text(json.dumps(about))
    return path


@pytest.mark.parametrize(("n_times", "said"), [(5, 0), (4, 1), (6, 1), (2, 1)])
def test_times_beside__volume_timing_of_other_scans_is_named(tmp_path, n_times, said):
    path = series(tmp_path / "a.nii.gz", 3.0, VolumeTiming=[3.0 * k for k in range(n_times)])
    times = times_beside([path])
    assert times.starts == (0.0,)
    found = [note for note in times.notes if f"gives the times of {n_times} scans" in note]
    assert len(found) == said
    assert all(
        "the series has 5: onsets are taken to count from the first" in note for note in found
    )


@pytest.mark.parametrize("joined", [False, True])
def test_times_beside__volume_timing_of_a_surface(tmp_path, joined):
    values = np.zeros((5, 7), np.float32)
    arrays = [nib.gifti.GiftiDataArray(each) for each in ([values.T] if joined else values)]
    path = tmp_path / "a.func.gii"
    nib.save(nib.GiftiImage(darrays=arrays), path)
    beside = tmp_path / "a.json"
    beside.write_text(json.dumps({"VolumeTiming": [0, 3, 6, 9, 12]}))
    assert not any("gives the times of" in note for note in times_beside([path], tr=3.0).notes)
    beside.write_text(json.dumps({"VolumeTiming": [0, 3, 6]}))
    (note,) = times_beside([path], tr=3.0).notes
    assert "gives the times of 3 scans, and the series has" in note


def test_times_beside__volume_timing_of_cifti(tmp_path):
    cortex = nib.cifti2.BrainModelAxis.from_surface([0, 2, 3], 7, "CORTEX_LEFT")
    axes = (nib.cifti2.SeriesAxis(0, 3, 5), cortex)
    path = tmp_path / "a.dtseries.nii"
    nib.save(nib.Cifti2Image(np.ones((5, 3), np.float32), axes), path)
    (tmp_path / "a.json").write_text(json.dumps({"VolumeTiming": [0, 3, 6]}))
    assert any("the series has 5" in note for note in times_beside([path]).notes)


def test_times_beside__without_json_headers_count(tmp_path):
    times = times_beside([series(tmp_path / "a.nii.gz", 2.4)])
    assert (times.tr, times.starts, times.notes) == (None, (0.0,), ())


def test_times_beside__json_that_agrees_changes_nothing(tmp_path):
    times = times_beside([series(tmp_path / "a.nii.gz", 2.4, RepetitionTime=2.4, StartTime=0)])
    assert (times.tr, times.starts, times.notes) == (None, (0.0,), ())


def test_times_beside__json_goes_before_a_header(tmp_path):
    runs = [
        series(tmp_path / "a.nii.gz", 2.4, RepetitionTime=2.0, StartTime=1.0),
        series(tmp_path / "b.nii.gz", 2.0),
    ]
    times = times_beside(runs)
    assert (times.tr, times.starts) == (2.0, (1.0, 0.0))
    assert any("a.nii.gz: its JSON says TR 2 s" in note for note in times.notes)
    assert any("the scans begin 0 or 1 s after" in note for note in times.notes)


def test_times_beside__what_is_given_goes_before_both(tmp_path):
    runs = [
        series(tmp_path / "a.nii.gz", 2.4, RepetitionTime=2.0),
        series(tmp_path / "b.nii.gz", 2.4, VolumeTiming=[0, 2, 5, 6, 9]),
    ]
    with pytest.raises(InputError, match=r"b\.nii\.gz: .*VolumeTiming"):
        times_beside(runs)
    times = times_beside(runs, tr=2.4)
    assert times.tr == 2.4
    assert any("a.nii.gz: its JSON says TR 2 s" in note for note in times.notes)
    assert any("VolumeTiming" in note for note in times.notes)


@pytest.mark.parametrize("text", ["[1, 2]", "no json"])
def test_times_beside__json_of_another_program_is_passed_over(tmp_path, text):
    path = series(tmp_path / "a.nii.gz", 2.4)
    path.with_name("a.json").write_text(text)
    times = times_beside([path])
    assert (times.tr, times.starts) == (None, (0.0,))
    (note,) = times.notes
    assert "a.json" in note


def test_times_beside__a_name_of_bids_has_all_json_files_that_speak_for_it(tmp_path):
    for folder, version in ((tmp_path, None), (tmp_path / "derivatives/fmriprep", "20.1.0")):
        folder.mkdir(parents=True, exist_ok=True)
        about = {"GeneratedBy": [{"Name": "fMRIPrep", "Version": version}]} if version else {}
        (folder / "dataset_description.json").write_text(json.dumps(about))
    (tmp_path / "task-x_bold.json").write_text(json.dumps({**TR, **SLICES}))
    name = "sub-01/func/sub-01_task-x_space-T1w_desc-preproc_bold.nii.gz"
    times = times_beside([series(tmp_path / "derivatives/fmriprep" / name, 2.0)])
    assert (times.tr, times.starts) == (None, (0.8,))
    # Elsewhere it is a file like any other.
    assert times_beside([series(tmp_path / "copies" / Path(name).name, 2.0)]).starts == (0.0,)
