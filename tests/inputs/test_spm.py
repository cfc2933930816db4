"""Designs of SPM, in files that scipy writes as SPM does."""

import gzip

import numpy as np
import pytest
from scipy.io import savemat

from pyhrf.errors import InputError
from pyhrf.inputs.confounds import NuisanceFiles
from pyhrf.inputs.dataset import open_dataset
from pyhrf.inputs.spm import read_spm
from pyhrf.inputs.spm_file import answer, from_json


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


def session(*conditions, confounds=None):
    values = np.empty((0, 0)) if confounds is None else confounds
    names = cells(*(f"R{k}" for k in range(values.shape[1]))) if values.size else np.empty((0, 0))
    return {"U": structs(*conditions), "C": {"C": values, "name": names}}


def write(path, *sessions, units="secs", tr=2.0, version=5, timing=(16, 1), **fields):
    spm = {
        "xY": {"RT": tr},
        "nscan": np.full((1, len(sessions)), 20.0),
        "xBF": {"UNITS": units, "T": timing[0], "T0": timing[1]},
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
            session(condition("a", [1, 5], [0])),
            session(condition("a", [1, 5], [0], modulation="contrast")),
        ),
        notes,
    )
    assert len(notes) == 1
    assert 'session 2, condition "a": the modulation by contrast is left out' in notes[0]


def test_read_spm__says_when_spm_samples_its_regressors(tmp_path):
    notes: list[str] = []
    path = write(tmp_path / "SPM.mat", TWO, timing=(16, 9))
    read_spm(path, notes)
    (note,) = notes
    assert "SPM takes each scan 1 s after its beginning (SPM.xBF.T0 is 9 of 16)" in note


@pytest.mark.parametrize("n_confounds", [1, 3])
def test_read_spm__gives_the_regressors_of_the_user(tmp_path, n_confounds):
    values = np.random.default_rng(0).normal(size=(20, n_confounds))
    path = write(tmp_path / "SPM.mat", session(condition("a", [1, 5], [0]), confounds=values), TWO)
    first, second = read_spm(path).confounds
    np.testing.assert_array_equal(first, values)
    assert second is None


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
        ([ONE], {"nscan": np.ones((1, 3))}, "has 1 session .* scans of 3"),
        ([session(condition("a", [1, 2, 3], [1, 2]))], {}, "3 onsets and 2 durations"),
        ([session(condition("a", [1, np.nan], [1]))], {}, "the onsets are not finite numbers"),
        ([session(condition("", [1.0], [1]))], {}, "needs a name of its own"),
        (
            [session(condition("a", [1.0], [1]), confounds=np.ones((19, 2)))],
            {},
            "session 1, regressors .*: have 19 rows, but the session has 20 scans",
        ),
        (
            [session(condition("a", [1.0], [1]), confounds=np.full((20, 1), np.nan))],
            {},
            "regressors .*: the values are not finite numbers",
        ),
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
    with pytest.raises(InputError, match=r"is not an SPM\.mat, or is damaged"):
        read_spm(path)
    path.write_bytes(gzip.compress(b"x" * 1000)[:20])
    with pytest.raises(InputError, match=r"SPM\.mat: "):
        read_spm(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + b"\x89HDF" * 200)
    with pytest.raises(InputError, match=r"format 7\.3"):
        read_spm(path)


@pytest.mark.parametrize("version", [5, 7])
def test_read_spm__refuses_a_file_that_is_cut(tmp_path, version):
    whole = write(tmp_path / "SPM.mat", ONE, TWO, version=version).read_bytes()
    path = tmp_path / "cut.mat"
    # at its end is another variable, which nobody needs
    for size in range(0, len(whole) - 200, max(1, len(whole) // 120)):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"cut\.mat: "):
            from_json(answer(path))  # what the process of its own says, which takes long to start


def test_open_dataset__takes_its_sessions_from_spm(tmp_path, write_nifti, bold, labels):
    from input_files import Files

    path = write(tmp_path / "SPM.mat", ONE, TWO, tr=2.2)
    runs = [Files(write_nifti(f"bold{k}.nii", bold), path) for k in (0, 1)]
    parcellation = write_nifti("labels.nii", labels)
    dataset = open_dataset(runs=runs, parcellation=parcellation)
    assert dataset.experiment.conditions == ("audio", "video")
    np.testing.assert_array_equal(dataset.experiment.runs[1].events["audio"].onsets, [4.0, 9.0])
    assert dataset.tr == 2.2
    assert any(
        f"the header says TR 2 s; that of {path}, 2.2 s, is used" in note for note in dataset.notes
    )
    with pytest.raises(InputError, match="holds 2 sessions for 1 run; give as many BOLD files"):
        open_dataset(runs=runs[:1], parcellation=parcellation)


@pytest.fixture
def files(tmp_path, write_nifti, bold, labels):
    """Two runs of 20 scans that name one SPM.mat."""
    from input_files import Files

    path = tmp_path / "SPM.mat"
    runs = [Files(write_nifti(f"bold{k}.nii", bold), path) for k in (0, 1)]
    return path, {"runs": runs, "parcellation": write_nifti("labels.nii", labels)}


def test_open_dataset__takes_the_regressors_of_spm_beside_the_confounds(files, tmp_path):
    path, given = files
    rng = np.random.default_rng(2)
    own, more = rng.normal(size=(2, 20, 2)), rng.normal(size=20)
    event = condition("a", [4, 9], [0])
    write(path, session(event, confounds=own[0]), session(event, confounds=own[1]))
    table = tmp_path / "confounds.tsv"
    table.write_text("\n".join(["csf", *map(repr, more.tolist())]))
    nuisance = [NuisanceFiles(confounds=table, columns="csf"), NuisanceFiles()]
    dataset = open_dataset(**given, nuisance=nuisance)
    first, second = dataset.experiment.runs
    np.testing.assert_array_equal(first.confounds, np.column_stack([more, own[0]]))
    np.testing.assert_array_equal(second.confounds, own[1])
    assert sum("its 2 regressors (SPM.Sess.C) are taken as conf" in n for n in dataset.notes) == 2


def test_open_dataset__regressors_of_one_session_are_not_those_of_other_runs(files):
    path, given = files
    write(path, session(condition("a", [4, 9], [0]), confounds=np.ones((20, 2))))
    dataset = open_dataset(**given)
    assert [run.confounds for run in dataset.experiment.runs] == [None, None]
    assert sum("not used for 2 runs" in note for note in dataset.notes) == 1


def test_open_dataset__refuses_an_spm_of_other_scans(files):
    path, given = files
    write(path, ONE, TWO, nscan=np.array([[20.0, 21.0]]))
    with pytest.raises(InputError, match=r"session 2 has 21 scans .*bold1\.nii has 20: give"):
        open_dataset(**given)


def test_open_dataset__onsets_in_scans_follow_the_tr_that_is_given(files):
    path, given = files
    write(path, TWO, units="scans", tr=2.0)
    dataset = open_dataset(**given, tr=2.5)
    np.testing.assert_allclose(dataset.experiment.runs[0].events["audio"].onsets, [10.0, 22.5])
    assert any(
        "SPM.mat: says TR 2 s; the TR that is given, 2.5 s" in note for note in dataset.notes
    )
    write(path, TWO, units="secs", tr=2.0)
    dataset = open_dataset(**given, tr=2.5)
    np.testing.assert_allclose(dataset.experiment.runs[0].events["audio"].onsets, [4.0, 9.0])


@pytest.mark.parametrize("units", ["secs", "scans"])
def test_open_dataset__each_run_has_the_tr_of_its_own_spm(
    tmp_path, write_nifti, bold, labels, units
):
    from input_files import Files

    unit = {"secs": 1.0, "scans": 2.5}[units]
    designs = [write(tmp_path / f"{tr}.mat", TWO, tr=tr, units=units) for tr in (1.5, 2.5)]
    runs = [
        Files(write_nifti(f"bold{tr}.nii", bold, tr=tr), path)
        for tr, path in zip((1.5, 2.5), designs, strict=True)
    ]
    parcellation = write_nifti("labels.nii", labels)
    dataset = open_dataset(runs=runs, parcellation=parcellation)
    assert [run.tr for run in dataset.experiment.runs] == [1.5, 2.5]
    onsets = dataset.experiment.runs[1].events["audio"].onsets
    np.testing.assert_allclose(onsets, unit * np.array([4.0, 9.0]))
    assert not any("the study" in note for note in dataset.notes)
    assert any(
        "2.5.mat says TR 2.5 s" in note and "is 1.5 s; each" in note for note in dataset.notes
    )


def test_open_dataset__a_run_without_spm_has_the_tr_of_its_header(
    tmp_path, write_nifti, bold, labels
):
    from input_files import Files

    table = tmp_path / "events.tsv"
    table.write_text("onset\tduration\ttrial_type\n4\t0\taudio\n")
    spm = write(tmp_path / "SPM.mat", TWO, tr=1.5)
    runs = [
        Files(write_nifti("first.nii", bold, tr=1.5), spm),
        Files(write_nifti("second.nii", bold, tr=2.5), table),
    ]
    dataset = open_dataset(runs=runs, parcellation=write_nifti("labels.nii", labels))
    assert [run.tr for run in dataset.experiment.runs] == [1.5, 2.5]
