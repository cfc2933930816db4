"""Runs, confounds, censored scans and SPM.mat that cannot be: one clear sentence, exit 1."""

from __future__ import annotations

import re
import subprocess
import sys

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

import pyhrf

N = 80
NAMES = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
FD = "framewise_displacement"


@pytest.fixture
def table(study):
    """Give a sound table of confounds, and write any."""
    rng = np.random.default_rng(2)
    sound = pd.DataFrame(rng.normal(size=(N, 8)), columns=[*NAMES, "csf", FD])
    sound[FD] = sound[FD].abs()
    return sound


def refused(run, study, *options, expected, program="pyhrf_jde_buildcfg"):
    """Expect one sentence, and that nothing is written."""
    before = study.snapshot()
    ended = run(program, *study.arguments(), *options)
    is_one_clear_refusal(ended, expected)
    assert study.snapshot() == before


def is_one_clear_refusal(ended, expected):
    assert ended.code == 1, ended
    assert ended.out == ""
    assert re.search(expected, ended.err), ended.err
    assert ended.err.count("\n") == 1
    assert "Traceback" not in ended.err


def write(study, table, **given):
    path = study.folder / "confounds.tsv"
    table.to_csv(path, **{"sep": "\t", "index": False, "na_rep": "n/a", **given})
    return path


def without(table, *names):
    return table.drop(columns=list(names))


def spoilt(table, column, rows, value):
    table = table.copy()
    table.loc[rows, column] = value
    return table


TABLES = {
    "a row too few": (lambda t: t[:-1], [], "has 79 rows, but its run has 80 scans"),
    "a row too many": (
        lambda t: pd.concat([t, t[:1]]),
        [],
        "has 81 rows, but its run has 80 scans",
    ),
    "names alone": (lambda t: t[:0], [], "has 0 rows, but its run has 80 scans"),
    "unknown name": (
        lambda t: t,
        ["--confound-columns", "trans_x csv"],
        "there is no column 'csv'; did you mean csf",
    ),
    "column of a strategy lacks": (
        lambda t: without(t, "rot_y"),
        [],
        "there is no column 'rot_y' of motion6; did you mean rot_",
    ),
    "unknown pattern": (
        lambda t: t,
        ["--confound-columns", "a_comp_cor*"],
        "no column is like 'a_comp_cor[*]'; there are trans_x",
    ),
    "no displacement": (
        lambda t: without(t, FD),
        ["--fd-threshold", "0.5"],
        "the FD threshold 0.5 needs a column framewise_displacement; there are trans_x",
    ),
    "displacement lacks later": (
        lambda t: spoilt(t, FD, 17, np.nan),
        ["--fd-threshold", "0.5"],
        "column framewise_displacement: a value is missing at scan 17",
    ),
    "every scan moved": (
        lambda t: t.assign(**{FD: 3.0}),
        ["--fd-threshold", "0.5"],
        "all 80 scans of the run are censored: leave the run out, or raise the FD threshold",
    ),
    "all missing": (
        lambda t: spoilt(t, "rot_x", slice(None), np.nan),
        [],
        "column rot_x: holds no finite value",
    ),
    "one missing": (
        lambda t: spoilt(t, "rot_x", 5, np.nan),
        [],
        "column rot_x: a finite value is missing at scan 5",
    ),
    "infinite": (
        lambda t: spoilt(t, "rot_x", 6, np.inf),
        [],
        "column rot_x: a finite value is missing at scan 6",
    ),
    "words": (
        lambda t: t.astype(object).pipe(spoilt, "rot_x", 7, "bad"),
        [],
        "line 9, column rot_x: 'bad' is not a number; write n/a where a value is missing",
    ),
    "one name twice": (
        lambda t: t.rename(columns={"csf": "rot_x"}),
        [],
        "line 1: the column 'rot_x' needs a name of its own",
    ),
}


@pytest.mark.parametrize(("change", "options", "expected"), TABLES.values(), ids=TABLES)
def test_buildcfg__names_the_bad_table(run, study, table, change, options, expected):
    path = write(study, change(table))
    refused(run, study, "--confounds", path, *options, expected=f"confounds.tsv[^;]*{expected}")


FORMATS = {
    "no names": ({"header": False}, "no column 'trans_x' of motion6; there are 1, 2, 3"),
    "decimal commas": ({"decimal": ","}, "is not a number; write the decimals with a point"),
}


@pytest.mark.parametrize(("given", "expected"), FORMATS.values(), ids=FORMATS)
def test_buildcfg__names_the_bad_format_of_a_table(run, study, table, given, expected):
    refused(run, study, "--confounds", write(study, table, **given), expected=expected)


@pytest.mark.parametrize("separator", [",", ";", " "])
def test_buildcfg__reads_a_tsv_of_other_separators(run, study, table, separator):
    path = write(study, table, sep=separator)
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "--confounds", path).code == 0


FILES = {
    "empty": (b"", "the file is empty; a line per scan is needed"),
    "NIfTI": (None, "is not a text file"),
    "Latin-1": ("trans_x\té\n".encode("latin-1"), "is not UTF-8 text"),
}


@pytest.mark.parametrize(("content", "expected"), FILES.values(), ids=FILES)
def test_buildcfg__names_the_file_that_is_no_table(run, study, content, expected):
    path = study.folder / "confounds.tsv"
    path.write_bytes(study.bold.read_bytes() if content is None else content)
    refused(run, study, "--confounds", path, expected=f"confounds.tsv: {expected}")


LISTS = {
    "beyond the run": ("5\n80\n", "line 2: '80' is not a scan: give numbers from 0 .* to 79"),
    "negative": ("-3", "line 1: '-3' is not a scan"),
    "a word": ("5 six", "line 1: 'six' is not a scan"),
    "backwards": ("9-5", "line 1: '9-5' is not a scan"),
    "all": ("0-79", "all 80 scans of the run are censored: leave the run out, or censor less"),
}


@pytest.mark.parametrize(("content", "expected"), LISTS.values(), ids=LISTS)
def test_buildcfg__names_the_bad_list_of_scans(run, study, content, expected):
    path = study.folder / "bad.txt"
    path.write_text(content)
    refused(run, study, "--censored", path, expected=f"bad.txt[^;]*{expected}")


def refused_by_both(run, study, program, spoil, *options, expected):
    """Expect one sentence of both programs, the same, for files that were spoilt."""
    build = f"pyhrf_{program}_buildcfg"
    built = run(build, *study.arguments(), *options)
    assert built.code == 0, built.err
    spoil()
    before = study.snapshot()
    sentences = []
    for name, words in (
        (build, [*study.arguments(), *options]),
        (f"pyhrf_{program}_estim", ["-c", study.xml]),
    ):
        ended = run(name, *words)
        is_one_clear_refusal(ended, expected)
        sentences.append(ended.err.removeprefix(f"{name}: "))
    assert sentences[0] == sentences[1]
    assert study.snapshot() == before


@pytest.mark.parametrize("program", ["jde", "glm", "rfir"])
def test_programs__say_when_too_few_scans_are_left(run, study, program):
    path = study.folder / "bad.txt"
    path.write_text("0-1")
    refused_by_both(
        *(run, study, program, lambda: path.write_text("0-75"), "--censored", path),
        expected="for 4 scans|4 scans that are not censored with 3 nuisance regressors leave too",
    )


def test_programs__say_one_scan_and_one_condition_in_the_singular(run, study):
    path = study.folder / "bad.txt"
    path.write_text("0-78")
    for program, expected in (
        ("jde", "1 scan that is not censored with 1 nuisance regressor leaves too little for 2 c"),
        ("glm", ".1 condition, drift and mean. for 1 scan, of which"),
    ):
        refused(
            *(run, study, "--censored", path),
            program=f"pyhrf_{program}_buildcfg",
            expected=expected,
        )


@pytest.mark.parametrize("program", ["jde", "glm", "rfir"])
def test_programs__say_when_a_condition_lies_in_censored_scans(run, study, program):
    study.paradigm = ["0 early 2 0", "0 early 12 0", "0 late 90 0", "0 late 120 0"]
    study.write_events()
    path = study.folder / "bad.txt"
    path.write_text("0")
    refused_by_both(
        *(run, study, program, lambda: path.write_text("40-79"), "--censored", path),
        expected="condition 'late' has no event that reaches a scan",
    )


@pytest.mark.parametrize("program", ["jde", "glm", "rfir"])
def test_programs__give_mixed_durations_one_unit_and_say_so(run, study, program):
    study.paradigm[0] = study.paradigm[0].replace(" 0 1", " 0.5 1")
    study.write_events()
    ended = run(f"pyhrf_{program}_buildcfg", *study.arguments())
    assert ended.code == 0
    expected = '6 of 7 events of "video" have the duration 0 and the others last: they are taken as'
    assert f"{expected} events of 0.5 s" in ended.err


def test_programs__say_which_bins_hold_no_scan(run, study):
    path = study.folder / "bad.txt"
    path.write_text("0")
    study.paradigm = ["0 a 0 0 1", "0 a 80 0 1"]
    study.write_events()
    refused_by_both(
        *(run, study, "glm", lambda: path.write_text("10 50")),
        *("--censored", path, "--fir-delays", "0 2 18 20 22"),
        expected="no scan lies between 18 and 20 s",
    )


def test_buildcfg__imports_no_compiled_code_to_check_a_design(study):
    words = ["buildcfg", *study.arguments()]
    code = (
        "import sys; from pyhrf.commands.study_commands import GROUPS\n"
        f"GROUPS['jde'].commands['buildcfg'].main({words[1:]!r}, standalone_mode=False)\n"
        "print({'numba', 'nilearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"
    assert study.xml.exists()


def test_buildcfg__says_which_confounds_are_constant(run, study, table):
    path = write(study, table.assign(rot_x=3.0, rot_y=0.0))
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "--confounds", path)
    assert ended.code == 0
    assert "rot_x, rot_y are constant" in ended.err
    assert run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial").code == 0


@pytest.mark.parametrize(
    ("shape", "affine", "expected"),
    [
        ((6, 5, 4), None, "its grid is 6x5x4 voxels instead of 6x5x3"),
        ((6, 5, 3), np.diag([3.0, 3, 4, 1]), "its affine puts a corner of the grid .* mm away"),
    ],
)
def test_buildcfg__names_the_run_on_another_grid(run, study, shape, affine, expected):
    other = study.folder / "other.nii"
    study.write_bold(np.ones((*shape, N), np.float32), path=other, affine=affine)
    message = rf"other\.nii: does not lie on the grid of .*bold\.nii: {expected}"
    refused(run, study, "-f", other, expected=message)


def test_estim__names_the_atlas_that_misses_the_data(run, study):
    labels = np.zeros(study.shape, np.int16)
    labels[3:] = 1
    values = nib.load(study.bold).get_fdata().astype(np.float32)
    values[3:] = 0
    study.write_bold(values)
    study.write_parcellation(labels)
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial", "-v1")
    is_one_clear_refusal(
        ended,
        r"parcels\.nii: misses the data: all 45 positions of its parcels are constant or not "
        r"finite in .*bold\.nii: give the parcellation of these data",
    )


def test_estim__leaves_out_and_counts_voxels_without_a_signal(run, study):
    values = nib.load(study.bold).get_fdata().astype(np.float32)
    values[0, 0, 0] = 5
    values[0, 0, 1, 3] = np.nan
    values[4, 0, 2, 4] = np.inf
    study.write_bold(values)
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    assert run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial").code == 0
    results = pyhrf.Results(study.output)
    counts = results.parcels[["n_positions", "n_positions_used"]]
    assert counts.to_numpy().tolist() == [[45, 43], [45, 44]]
    left_out = results.load_map("left_out").get_fdata()
    assert np.argwhere(left_out).tolist() == [[0, 0, 0], [0, 0, 1], [4, 0, 2]]


def structure(**fields):
    return {"SPM": fields}


DESIGNS = {
    "of another program": ({"onsets": np.ones(3)}, "holds no variable SPM"),
    "a text": ({"SPM": "design"}, r"has no SPM\.xY\.RT"),
    "of a PET study": (structure(xY={"P": 1.0}, nscan=80.0), r"has no SPM\.xY\.RT"),
    "no session": (
        structure(xY={"RT": 2.0}, xBF={"UNITS": "secs"}, nscan=80.0, Sess=np.empty((0, 0))),
        r"has 0 sessions \(SPM\.Sess\)",
    ),
    "no condition": (
        structure(xY={"RT": 2.0}, xBF={"UNITS": "secs"}, nscan=80.0, Sess={"U": np.empty((0, 0))}),
        r"session 1 has no condition \(SPM\.Sess\.U\)",
    ),
    "other scans": (
        structure(
            xY={"RT": 2.0},
            xBF={"UNITS": "secs"},
            nscan=79.0,
            Sess={"U": {"name": "a", "ons": [4.0, 9.0], "dur": 0.0}},
        ),
        r"session 1 has 79 scans \(SPM\.nscan\), and .*bold\.nii has 80: give the BOLD files",
    ),
}


@pytest.mark.parametrize(("content", "expected"), DESIGNS.values(), ids=DESIGNS)
def test_buildcfg__names_the_spm_that_is_no_design(run, study, content, expected):
    path = study.folder / "SPM.mat"
    savemat(path, content)
    arguments = study.arguments()
    at = arguments.index("-r")
    arguments[at : at + 2] = ["-s", str(path)]
    before = study.snapshot()
    is_one_clear_refusal(run("pyhrf_jde_buildcfg", *arguments), rf"SPM\.mat: {expected}")
    assert study.snapshot() == before


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", r"is not an SPM\.mat, or is damaged"),
        (b"a text, not a design " * 20, r"is not an SPM\.mat, or is damaged"),
        (b"\x1f\x8b\x08 cut", r"SPM\.mat: "),
    ],
)
def test_buildcfg__names_the_file_that_is_no_spm(run, study, content, expected):
    path = study.folder / "SPM.mat"
    path.write_bytes(content)
    arguments = study.arguments()
    at = arguments.index("-r")
    arguments[at : at + 2] = ["-s", str(path)]
    is_one_clear_refusal(run("pyhrf_jde_buildcfg", *arguments), expected)
