"""Tables of confounds and lists of censored scans."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pyhrf.errors import InputError
from pyhrf.inputs.confounds import STRATEGIES, NuisanceFiles, chosen_columns, read_nuisance

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
    confounds, censored = read(path, columns=strategy)
    assert censored is None
    assert confounds.shape == (N, n)
    np.testing.assert_allclose(
        confounds, table[list(STRATEGIES[strategy])].bfill().to_numpy(), rtol=1e-12
    )


def test_read_nuisance__takes_columns_by_name_and_pattern(fmriprep):
    table, path = fmriprep
    confounds, _ = read(path, columns="csf, a_comp_cor_0* csf")
    expected = table[["csf", "a_comp_cor_00", "a_comp_cor_01"]]
    np.testing.assert_allclose(confounds, expected.to_numpy(), rtol=1e-12)
    assert read(path, columns="none")[0] is None


def test_read_nuisance__censors_what_moved_and_what_is_listed(fmriprep, tmp_path):
    _, path = fmriprep
    listed = tmp_path / "bad.txt"
    listed.write_text("0 # the first\n2-3, 9\n")
    notes: list[str] = []
    files = NuisanceFiles(confounds=path, censored=listed, fd_threshold=0.5)
    _, censored = read_nuisance(files, N, notes)
    assert np.flatnonzero(censored).tolist() == [0, 2, 3, 4, 9]
    assert "5 of 12 scans censored (42 %)" in notes[0]


@pytest.mark.parametrize("separator", [",", ";", "\t", "  "])
@pytest.mark.parametrize("header", [True, False])
def test_read_nuisance__knows_separators_and_files_without_header(tmp_path, separator, header):
    values = np.random.default_rng(1).normal(size=(N, 6))
    path = tmp_path / "rp_run.txt"
    lines = [separator.join(f"{x:.17g}" for x in row) for row in values]
    path.write_text("\n".join([separator.join("abcdef")] * header + lines) + "\n")
    confounds, _ = read(path, columns="all")
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
        ("a\n" + "1\n" * 11 + "inf\n", {"columns": "a"}, "column a: a finite value lacks at scan"),
        ("a\n" + "n/a\n" * 12, {"columns": "a"}, "column a: holds no finite value"),
        ("a,a\n" + "1,2\n" * 12, {"columns": "a"}, "the column 'a' needs a name of its own"),
        ("a,b\n" + "1\n" * 12, {"columns": "a"}, "line 2: has 1 fields for 2 columns"),
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
    with pytest.raises(InputError, match=rf"bad.txt, line 2: '{word}' is no scan"):
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


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("csf outliers", OUTLIERS),
        ("csf motion_outlier*", OUTLIERS[:2]),
        ("csf non_steady_state_outlier*", OUTLIERS[2:]),
        ("csf *outlier*", OUTLIERS),
    ],
)
def test_read_nuisance__takes_as_many_outliers_as_a_run_has(fmriprep, columns, expected):
    table, path = fmriprep
    notes: list[str] = []
    files = NuisanceFiles(confounds=path, columns=columns)
    without, _ = read_nuisance(files, N, notes)
    np.testing.assert_allclose(without[:, 0], table["csf"], rtol=1e-12)
    assert without.shape == (N, 1)
    assert len(notes) == 1
    assert "no such outliers" in notes[0]
    for scan, name in enumerate(OUTLIERS):
        table[name] = (np.arange(N) == scan).astype(float)
    table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    confounds, _ = read_nuisance(files, N, notes)
    np.testing.assert_allclose(confounds, table[["csf", *expected]].to_numpy(), rtol=1e-12)
    assert len(notes) == 1


@pytest.mark.parametrize("word", ["motion_outliers*", "outlier*", "motion_outlier_*", "motoin*"])
def test_read_nuisance__refuses_a_pattern_that_no_outlier_fits(fmriprep, word):
    with pytest.raises(InputError, match="no column is like"):
        read(fmriprep[1], columns=word)


def test_read_nuisance__needs_no_value_at_a_censored_scan(tmp_path):
    path, listed = tmp_path / "confounds.tsv", tmp_path / "bad.txt"
    listed.write_text("1 3\n")
    values = ["n/a", "7", "2", "n/a", *map(str, range(4, N))]
    rows = "\n".join(f"{value}\t{value}" for value in values)
    path.write_text(f"a\tframewise_displacement\n{rows}\n")
    confounds, censored = read(path, columns="a", censored=listed, fd_threshold=10.5)
    assert np.flatnonzero(censored).tolist() == [1, 3, 11]
    assert confounds[~censored, 0].tolist() == [2, 2, *range(4, N - 1)]
    assert np.isfinite(confounds).all()
    with pytest.raises(InputError, match="column a: a finite value lacks at scan 3"):
        read(path, columns="a")
    path.write_text("a\n" + "n/a\n1\nn/a\n1\n" + "n/a\n" * (N - 4))
    with pytest.raises(InputError, match="no finite value at a scan that is not censored"):
        read(path, columns="a", censored=listed)


@pytest.mark.parametrize("first", ["n/a\t1", "2\tNA", "n/a\tn/a"])
def test_read_nuisance__a_line_where_values_lack_is_no_header(tmp_path, first):
    path = tmp_path / "confounds.tsv"
    path.write_text(first + "\n" + "2\t1\n" * (N - 1))
    confounds, _ = read(path, columns="1 2")
    np.testing.assert_array_equal(confounds, np.tile([2.0, 1.0], (N, 1)))
