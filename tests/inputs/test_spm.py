"""Designs of SPM, in files that scipy writes as SPM does."""

import gzip

import numpy as np
import pytest
from scipy.io import savemat

from pyhrf.errors import InputError
from pyhrf.inputs.dataset import open_dataset
from pyhrf.inputs.spm import read_spm


def cells(*values):
    array = np.empty((1, len(values)), dtype=object)
    array[0] = values
    return array


def structs(*values):
    """Make a structure array, as SPM.Sess is one."""
    array = np.empty((1, len(values)), dtype=[(name, object) for name in values[0]])
    for k, value in enumerate(values):
        array[0, k] = tuple(value[name] for name in value)
    return array


def condition(name, onsets, durations, modulation="none"):
    return {
        "name": cells(name),
        "ons": np.array(onsets, float)[:, None],
        "dur": np.array(durations, float)[:, None],
        "P": {"name": modulation, "P": np.empty((0, 0))},
    }


def session(*conditions, confounds=()):
    names = cells(*confounds) if confounds else np.empty((0, 0))
    return {"U": structs(*conditions), "C": {"C": np.empty((0, 0)), "name": names}}


def write(path, *sessions, units="secs", tr=2.0, version=5, **fields):
    spm = {
        "xY": {"RT": tr},
        "nscan": np.full((1, len(sessions)), 20.0),
        "xBF": {"UNITS": units},
        "Sess": structs(*sessions),
        **fields,
    }
    savemat(path, {"SPM": spm, "other": np.ones(3)}, do_compression=version == 7)
    return path


ONE = session(condition("audio", [6.0, 1.5], [2.0, 0.0]), condition("video", [3.0], [1.0]))
TWO = session(condition("audio", [4.0, 9.0], [0.5, 0.5]))


@pytest.mark.parametrize("packed", [False, True])
def test_read_spm__gives_sessions_in_seconds(tmp_path, packed):
    path = write(tmp_path / "SPM.mat", ONE, TWO)
    if packed:
        path = tmp_path / "SPM.mat.gz"
        path.write_bytes(gzip.compress((tmp_path / "SPM.mat").read_bytes()))
    design = read_spm(path)
    assert (design.tr, design.n_scans) == (2.0, (20, 20))
    first, second = design.runs
    assert list(first) == ["audio", "video"]
    np.testing.assert_array_equal(first["audio"].onsets, [1.5, 6.0])
    np.testing.assert_array_equal(first["audio"].durations, [0.0, 2.0])
    np.testing.assert_array_equal(first["audio"].amplitudes, [1.0, 1.0])
    np.testing.assert_array_equal(second["audio"].onsets, [4.0, 9.0])


def test_read_spm__turns_scans_into_seconds(tmp_path):
    design = read_spm(write(tmp_path / "SPM.mat", TWO, units="scans", tr=2.5))
    np.testing.assert_array_equal(design.runs[0]["audio"].onsets, [10.0, 22.5])
    np.testing.assert_array_equal(design.runs[0]["audio"].durations, [1.25, 1.25])


def test_read_spm__one_duration_serves_all_onsets(tmp_path):
    design = read_spm(write(tmp_path / "SPM.mat", session(condition("a", [1, 5, 9], [3]))))
    np.testing.assert_array_equal(design.runs[0]["a"].durations, [3, 3, 3])


def test_read_spm__says_what_is_not_taken_over(tmp_path):
    notes: list[str] = []
    read_spm(
        write(
            tmp_path / "SPM.mat",
            session(condition("a", [1, 5], [0]), confounds=("R1", "R2")),
            session(condition("a", [1, 5], [0], modulation="contrast")),
        ),
        notes,
    )
    assert len(notes) == 2
    assert "session 1: the regressors R1, R2 are not taken over" in notes[0]
    assert 'session 2, condition "a": the modulation by contrast is not' in notes[1]


@pytest.mark.integration
@pytest.mark.parametrize("version", ["v5", "v8", "v12"])
def test_read_spm__reads_what_each_spm_writes(shared_data, version):
    path = shared_data / f"SPM_{version}.mat.gz"
    design = read_spm(path)
    assert design.tr == 2.4
    assert design.n_scans == (125, 125)
    for run in design.runs:
        assert {name: len(events.onsets) for name, events in run.items()} == {
            "audio": 30,
            "video": 30,
        }
        np.testing.assert_allclose(run["audio"].onsets[:3], [11.4, 15.0, 20.7])
        np.testing.assert_allclose(run["video"].durations, 2.0)


@pytest.mark.parametrize(
    ("sessions", "given", "message"),
    [
        ([ONE], {"units": "weeks"}, "unit of onsets .* 'weeks'"),
        ([ONE], {"tr": 0.0}, "repetition time .* is 0"),
        ([ONE], {"nscan": np.ones((1, 3))}, "has 1 sessions .* scans of 3"),
        ([session(condition("a", [1, 2, 3], [1, 2]))], {}, "3 onsets and 2 durations"),
        ([session(condition("a", [1, np.nan], [1]))], {}, "the onsets are no finite numbers"),
        ([session(condition("", [1.0], [1]))], {}, "needs a name of its own"),
    ],
)
def test_read_spm__names_what_is_wrong(tmp_path, sessions, given, message):
    path = write(tmp_path / "SPM.mat", *sessions, **given)
    with pytest.raises(InputError, match=message) as caught:
        read_spm(path)
    assert str(path) in str(caught.value)


def test_read_spm__refuses_other_files(tmp_path):
    path = tmp_path / "SPM.mat"
    with pytest.raises(InputError, match="there is no such file"):
        read_spm(path)
    savemat(path, {"a": np.ones(3)})
    with pytest.raises(InputError, match="holds no variable SPM"):
        read_spm(path)
    savemat(path, {"SPM": {"xY": {"P": 1.0}}})
    with pytest.raises(InputError, match=r"has no SPM\.xY\.RT"):
        read_spm(path)
    path.write_bytes(b"not a MATLAB file at all" * 30)
    with pytest.raises(InputError, match=r"is no SPM\.mat, or is damaged"):
        read_spm(path)
    path.write_bytes(gzip.compress(b"x" * 1000)[:20])
    with pytest.raises(InputError, match=r"SPM\.mat: "):
        read_spm(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" * 200)
    with pytest.raises(InputError, match=r"format 7\.3"):
        read_spm(path)


def test_open_dataset__takes_its_sessions_from_spm(tmp_path, write_nifti, bold, labels):
    from input_files import Files

    path = write(tmp_path / "SPM.mat", ONE, TWO, tr=2.2)
    runs = [Files(write_nifti(f"bold{k}.nii", bold), path) for k in (0, 1)]
    parcellation = write_nifti("labels.nii", labels)
    dataset = open_dataset(runs=runs, parcellation=parcellation)
    assert dataset.experiment.conditions == ("audio", "video")
    np.testing.assert_array_equal(dataset.experiment.runs[1].events["audio"].onsets, [4.0, 9.0])
    assert dataset.tr == 2.2
    assert any("the header says TR 2 s, the study 2.2 s" in note for note in dataset.notes)
    with pytest.raises(InputError, match="holds 2 sessions for 1 run; give as many BOLD files"):
        open_dataset(runs=runs[:1], parcellation=parcellation)
