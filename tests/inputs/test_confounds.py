"""Tables of confounds and lists of censored scans."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyhrf.errors import InputError
from pyhrf.inputs.confounds import (
    STRATEGIES,
    Nuisance,
    NuisanceFiles,
    censored_notes,
    chosen_columns,
    read_nuisance,
)

N = 12


@pytest.fixture
def fmriprep(tmp_path):
    """Write a table with the names of fMRIPrep; give it and its path."""
    rng = np.random.default_rng(0)
    names = [*STRATEGIES["motion24"], "csf", "a_comp_cor_00", "a_comp_cor_01", "std_dvars"]
    table = pd.DataFrame(rng.normal(size=(N, len(names))), columns=names)
    table["framewise_displacement"] = np.r_[np.nan, np.full(N - 1, 0.1)]
    table.loc[[4, 9], "framewise_displacement"] = 0.6
    for name in names:
        if "derivative1" in name or name == "std_dvars":
            table.loc[0, name] = np.nan
    path = tmp_path / "desc-confounds_timeseries.tsv"
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    return table, path


def read(path, **given):
    return read_nuisance(NuisanceFiles(confounds=path, **given), N)


@pytest.mark.parametrize(("strategy", "n"), [("motion6", 6), ("motion12", 12), ("motion24", 24)])
def test_read_nuisance__motion_is_known_by_strategy(fmriprep, strategy, n):
    table, path = fmriprep
    confounds, censored, *_ = read(path, columns=strategy)
    assert censored is None
    assert confounds.shape == (N, n)
    np.testing.assert_allclose(
        confounds, table[list(STRATEGIES[strategy])].bfill().to_numpy(), rtol=1e-12
    )


def test_read_nuisance__takes_columns_by_name_and_pattern(fmriprep):
    table, path = fmriprep
    confounds, *_ = read(path, columns="csf, a_comp_cor_0* csf")
    expected = table[["csf", "a_comp_cor_00", "a_comp_cor_01"]]
    np.testing.assert_allclose(confounds, expected.to_numpy(), rtol=1e-12)
    assert read(path, columns="none")[0] is None


def test_read_nuisance__censors_what_moved_and_what_is_listed(fmriprep, tmp_path):
    _, path = fmriprep
    listed = tmp_path / "bad.txt"
    listed.write_text("0 # the first\n2-3, 9\n")
    notes: list[str] = []
    files = NuisanceFiles(confounds=path, censored=listed, fd_threshold=0.5)
    found = read_nuisance(files, N, notes)
    _, censored, n_not_steady, *_ = found
    notes += censored_notes([files], [found])
    assert np.flatnonzero(censored).tolist() == [0, 2, 3, 4, 9]
    assert "5 of 12 scans censored (42 %)" in notes[0]
    assert n_not_steady == 0
    assert "fMRIPrep" not in notes[0]


@pytest.mark.parametrize("separator", [",", ";", "\t", "  "])
@pytest.mark.parametrize("header", [True, False])
def test_read_nuisance__knows_separators_and_files_without_header(tmp_path, separator, header):
    values = np.random.default_rng(1).normal(size=(N, 6))
    path = tmp_path / "rp_run.txt"
    lines = [separator.join(f"{x:.17g}" for x in row) for row in values]
    path.write_text("\n".join([separator.join("abcdef")] * header + lines) + "\n")
    confounds, *_ = read(path, columns="all")
    np.testing.assert_array_equal(confounds, values)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"columns": "trans_xx"}, "no column 'trans_xx'; did you mean trans_x"),
        ({"columns": "t_comp_cor*"}, "no column is like 't_comp_cor"),
        ({"fd_threshold": 0.05, "columns": "quark"}, "there is no column 'quark'"),
    ],
)
def test_read_nuisance__refuses_unknown_columns(fmriprep, given, message):
    with pytest.raises(InputError, match=message):
        read(fmriprep[1], **given)


@pytest.mark.parametrize(
    ("text", "given", "message"),
    [
        ("a\n" + "1\n" * 11, {"columns": "a"}, "has 11 rows, but its run has 12 scans"),
        ("a\n" + "1\n" * 11 + "x\n", {"columns": "a"}, "line 13, column a: 'x' is not a number"),
        (
            "a\n" + "1\n" * 11 + "inf\n",
            {"columns": "a"},
            "column a: a finite value is missing at scan",
        ),
        ("a\n" + "n/a\n" * 12, {"columns": "a"}, "column a: holds no finite value"),
        ("a,a\n" + "1,2\n" * 12, {"columns": "a"}, "the column 'a' needs a name of its own"),
        ("a,b\n" + "1\n" * 12, {"columns": "a"}, "line 2: has 1 field for 2 columns"),
        ("", {"columns": "a"}, "the file is empty"),
        ("a\n" + "1_0\n" * 12, {"columns": "a"}, "line 2, column a: '1_0' is not a number"),
        ("a\n" + "1\n" * 12, {"columns": "motion6"}, "no column 'trans_x' of motion6"),
        ("a\n" + "1\n" * 12, {"columns": "a", "fd_threshold": 1.0}, "needs a column framewise"),
        (
            "framewise_displacement\n" + "1\n" * 12,
            {"columns": "none", "fd_threshold": 0.5},
            "all 12 scans of the run are censored",
        ),
    ],
)
def test_read_nuisance__names_what_is_wrong_in_a_table(tmp_path, text, given, message):
    path = tmp_path / "confounds.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read(path, **given)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("word", ["12", "5-3", "-1", "one", "3-12"])
def test_read_nuisance__refuses_what_is_no_scan(tmp_path, word):
    path = tmp_path / "bad.txt"
    path.write_text(f"1\n{word}\n")
    with pytest.raises(InputError, match=rf"bad.txt, line 2: '{word}' is not a scan"):
        read_nuisance(NuisanceFiles(censored=path), N)


def test_read_nuisance__needs_the_files(tmp_path):
    with pytest.raises(InputError, match="there is no such file"):
        read(Path(tmp_path / "none.tsv"))
    with pytest.raises(InputError, match=r"the FD threshold 0\.5 needs a file of confounds"):
        read_nuisance(NuisanceFiles(fd_threshold=0.5), N)


def test_chosen_columns__refuses_with_near_names():
    with pytest.raises(InputError, match="there is no column 'motino6'; did you mean motion6"):
        chosen_columns("motino6", ["trans_x", "rot_x"], label="f")
    with pytest.raises(InputError, match="did you mean white_matter"):
        chosen_columns("whitematter", ["csf", "white_matter"], label="file")


OUTLIERS = ["motion_outlier00", "motion_outlier01", "non_steady_state_outlier00"]


def marked(fmriprep, scans):
    """Let the table mark scans in columns of their own, by name; give its path."""
    table, path = fmriprep
    for name, scan in scans.items():
        table[name] = (np.arange(N) == scan).astype(float)
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    return path


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("csf outliers", OUTLIERS[:2]),
        ("csf motion_outlier*", OUTLIERS[:2]),
        ("csf non_steady_state_outlier*", []),
        ("csf non_steady_state_outlier00", []),
        ("csf *outlier*", OUTLIERS[:2]),
        ("csf", []),
    ],
)
def test_read_nuisance__takes_as_many_outliers_as_a_run_has(fmriprep, columns, expected):
    table, path = fmriprep
    notes: list[str] = []
    files = NuisanceFiles(confounds=path, columns=columns)
    if "*" in columns or "outliers" in columns:
        without, censored, *_ = read_nuisance(files, N, notes)
        np.testing.assert_allclose(without[:, 0], table["csf"], rtol=1e-12)
        assert without.shape == (N, 1)
        assert censored is None
        assert len(notes) == 1
        assert "no such outliers" in notes.pop()
    marked(fmriprep, {name: scan for scan, name in enumerate(OUTLIERS)})
    found = read_nuisance(files, N, notes)
    confounds, censored, n_not_steady, *_ = found
    notes += censored_notes([files], [found])
    np.testing.assert_allclose(confounds, table[["csf", *expected]].to_numpy(), rtol=1e-12)
    assert np.flatnonzero(censored).tolist() == [2]
    assert n_not_steady == 1
    assert notes == [
        f"{path}: 1 of 12 scans censored (8 %); fMRIPrep marks it as not in steady state "
        "(non_steady_state_outlier*)"
    ]


DUMMIES = {"non_steady_state_outlier00": 0, "non_steady_state_outlier01": 1}


def test_read_nuisance__notes_which_censored_scans_are_not_steady(fmriprep, tmp_path):
    path, listed, notes = marked(fmriprep, DUMMIES), tmp_path / "bad.txt", []
    files = NuisanceFiles(confounds=path, columns="none")
    notes += censored_notes([files], [read_nuisance(files, N, notes)])
    assert "2 of 12 scans censored (17 %); fMRIPrep marks them as not" in notes[-1]
    listed.write_text("1 5")
    files = NuisanceFiles(confounds=path, columns="none", censored=listed, fd_threshold=0.5)
    found = read_nuisance(files, N, notes)
    confounds, censored, n_not_steady, *_ = found
    notes += censored_notes([files], [found])
    assert confounds is None
    assert np.flatnonzero(censored).tolist() == [0, 1, 4, 5, 9]
    assert n_not_steady == 2
    assert "5 of 12 scans censored (42 %); fMRIPrep marks 2 of them as not" in notes[-1]


def test_censored_notes__are_one_for_all_runs():
    files = [NuisanceFiles(confounds=Path(f"{run}.tsv")) for run in "abc"]
    first, two = np.arange(20) == 0, np.arange(10) < 2
    none = Nuisance(None, None, 0)
    one = Nuisance(None, first, 1)
    assert censored_notes(files, [none, none, none]) == []
    assert censored_notes(files, [none, one, none])[0].startswith("b.tsv: 1 of 20 scans censored (")
    steady = "as not in steady state (non_steady_state_outlier*)"
    assert censored_notes(files, [one, none, one]) == [
        f"2 of 40 scans of 2 runs censored (5 %); fMRIPrep marks them {steady}"
    ]
    assert censored_notes(files, [one, Nuisance(None, two, 0), one]) == [
        "4 of 50 scans of 3 runs censored (8 %), most in b.tsv (2 of 10); fMRIPrep marks 2 of them "
        + steady
    ]


def test_read_nuisance__a_value_may_lack_where_fmriprep_marks_the_scan(fmriprep):
    table, _ = fmriprep
    table.loc[1, ["csf", "framewise_displacement"]] = np.nan
    confounds, *_ = read(marked(fmriprep, DUMMIES), columns="csf", fd_threshold=1.0)
    np.testing.assert_allclose(confounds[2:, 0], table["csf"][2:], rtol=1e-12)


def test_read_nuisance__refuses_a_run_that_is_never_steady(fmriprep):
    path = marked(fmriprep, {f"non_steady_state_outlier{k:02}": k for k in range(N)})
    match = "all 12 scans of the run are censored .fMRIPrep marks them as not in steady state"
    with pytest.raises(InputError, match=match):
        read(path)


def test_read_nuisance__an_outlier_at_a_censored_scan_is_no_regressor(fmriprep, tmp_path):
    path = marked(fmriprep, {**DUMMIES, "motion_outlier00": 0, "motion_outlier01": 7})
    notes: list[str] = []
    files = NuisanceFiles(confounds=path, columns="outliers")
    confounds, *_ = read_nuisance(files, N, notes)
    assert np.flatnonzero(confounds).tolist() == [7]
    assert confounds.shape == (N, 1)
    assert not [note for note in notes if "constant" in note]
    # even if that leaves no regressor at all
    files = NuisanceFiles(confounds=path, columns="non_steady_state_outlier*")
    assert read_nuisance(files, N, notes).confounds is None


@pytest.mark.parametrize("dummies", [{}, {"non_steady_state_outlier00": 0}, DUMMIES])
@pytest.mark.parametrize("n_moved", [0, 2])
def test_read_nuisance__leaves_out_the_scans_that_nilearn_leaves_out(fmriprep, dummies, n_moved):
    from nilearn.interfaces.fmriprep import load_confounds

    table, path = fmriprep
    table.loc[:, "framewise_displacement"] = np.r_[np.nan, np.full(N - 1, 0.1)]
    table.loc[[4, 9][:n_moved], "framewise_displacement"] = 0.6
    table["std_dvars"] = 1.0
    marked(fmriprep, dummies)
    path = path.rename(path.with_name("sub-01_task-x_desc-confounds_timeseries.tsv"))
    bold = path.with_name("sub-01_task-x_space-MNI152NLin2009cAsym_desc-preproc_bold.nii.gz")
    bold.touch()
    strategy, threshold = ("motion",), None
    if n_moved:
        strategy, threshold = ("motion", "scrub"), 0.5
    _, sample_mask = load_confounds(
        str(bold), strategy, motion="basic", demean=False, scrub=0, fd_threshold=0.5
    )
    _, censored, *_ = read(path, fd_threshold=threshold)
    left = np.arange(N) if censored is None else np.flatnonzero(~censored)
    assert left.tolist() == (np.arange(N) if sample_mask is None else sample_mask).tolist()


@pytest.mark.parametrize("word", ["cosine*", "cosine0*", "aroma_motion_*"])
def test_read_nuisance__notes_columns_that_a_run_need_not_have(fmriprep, word):
    notes: list[str] = []
    files = NuisanceFiles(confounds=fmriprep[1], columns=f"csf {word}")
    assert read_nuisance(files, N, notes).confounds.shape == (N, 1)
    assert f"no column is like {word}: the run has no such columns" in notes[0]


@pytest.mark.parametrize(
    "word",
    ["motion_outliers*", "outlier*", "motion_outlier_*", "motoin*", "cosines*", "cosine_*", "cos*"],
)
def test_read_nuisance__refuses_a_pattern_that_no_outlier_fits(fmriprep, word):
    with pytest.raises(InputError, match="no column is like"):
        read(fmriprep[1], columns=word)


def test_read_nuisance__needs_no_value_at_a_censored_scan(tmp_path):
    path, listed = tmp_path / "confounds.tsv", tmp_path / "bad.txt"
    listed.write_text("1 3\n")
    values = ["n/a", "7", "2", "n/a", *map(str, range(4, N))]
    rows = "\n".join(f"{value}\t{value}" for value in values)
    path.write_text(f"a\tframewise_displacement\n{rows}\n")
    confounds, censored, *_ = read(path, columns="a", censored=listed, fd_threshold=10.5)
    assert np.flatnonzero(censored).tolist() == [1, 3, 11]
    assert confounds[~censored, 0].tolist() == [2, 2, *range(4, N - 1)]
    assert np.isfinite(confounds).all()
    with pytest.raises(InputError, match="column a: a finite value is missing at scan 3"):
        read(path, columns="a")
    path.write_text("a\n" + "n/a\n1\nn/a\n1\n" + "n/a\n" * (N - 4))
    with pytest.raises(InputError, match="no finite value at a scan that is not censored"):
        read(path, columns="a", censored=listed)


@pytest.mark.parametrize("first", ["n/a\t1", "2\tNA", "n/a\tn/a"])
def test_read_nuisance__a_line_where_values_lack_is_no_header(tmp_path, first):
    path = tmp_path / "confounds.tsv"
    path.write_text(first + "\n" + "2\t1\n" * (N - 1))
    confounds, *_ = read(path, columns="1 2")
    np.testing.assert_array_equal(confounds, np.tile([2.0, 1.0], (N, 1)))


def test_read_nuisance__says_which_columns_mostly_lack(tmp_path: Path) -> None:
    path = tmp_path / "confounds.tsv"
    rows = [f"{'n/a' if k < N - 3 else k}\t{'n/a' if k < 2 else k}\t{k % 5}" for k in range(N)]
    path.write_text("late\tderived\tplain\n" + "\n".join(rows) + "\n")
    notes: list[str] = []
    files = NuisanceFiles(confounds=path, columns="all")
    read_nuisance(files, N, notes)
    (note,) = notes
    assert note.startswith(f"{path}: late has no values for the first {N - 3} of {N} scans")
    # what lacks at censored scans is not filled
    censored = tmp_path / "censored.txt"
    censored.write_text(f"0-{N - 4}")
    notes.clear()
    read_nuisance(NuisanceFiles(confounds=path, columns="all", censored=censored), N, notes)
    assert not notes


def test_read_nuisance__asks_about_a_header_of_numbers(tmp_path: Path) -> None:
    path = tmp_path / "confounds.tsv"
    path.write_text("0\t1\n" + "".join(f"{k / 7}\t{k % 3}\n" for k in range(N)))
    with pytest.raises(InputError, match=r"has 13 rows.* if the first line \(0, 1\) is a header"):
        read_nuisance(NuisanceFiles(confounds=path, columns="all"), N)
