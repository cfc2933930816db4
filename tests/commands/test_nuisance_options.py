"""Confounds, censoring, levels per run and SPM.mat from the command line to the results."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

import pyhrf

N_SCANS = 80


@pytest.fixture
def confounds(study):
    """Write a table in fMRIPrep's manner, with motion at two scans."""
    rng = np.random.default_rng(1)
    names = [f"{kind}_{axis}" for kind in ("trans", "rot") for axis in "xyz"]
    table = pd.DataFrame(rng.normal(size=(N_SCANS, 6)), columns=names)
    table["csf"] = rng.normal(size=N_SCANS)
    table["framewise_displacement"] = 0.1
    table.loc[[20, 41], "framewise_displacement"] = 1.0
    table.loc[0, "framewise_displacement"] = np.nan
    path = study.folder / "confounds.tsv"
    table.to_csv(path, sep="\t", index=False, na_rep="n/a")
    return path


def second_run(study):
    path = study.folder / "bold2.nii"
    path.write_bytes(study.bold.read_bytes())
    return path


def test_buildcfg__puts_nuisance_in_the_file(run, study, confounds):
    listed = study.folder / "bad.txt"
    listed.write_text("0 1")
    ended = run(
        "pyhrf_jde_buildcfg",
        *study.arguments(),
        *("--confounds", confounds, "--confound-columns", "motion6 csf", "--fd-threshold", "0.5"),
        *("--censored", listed, "--percent", "--levels-per-run"),
    )
    assert ended.code == 0, ended.err
    assert "4 of 80 scans censored (5 %)" in ended.err
    read = pyhrf.load_study(study.xml)
    assert read.data.runs[0].confounds == confounds
    assert read.data.runs[0].censored == listed
    assert (read.confounds.columns, read.confounds.fd_threshold) == ("motion6 csf", 0.5)
    assert (read.data.scaling, read.data.levels) == ("percent", "per-run")
    assert "<confounds>confounds.tsv</confounds>" in study.xml.read_text()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--fd-threshold", "0.5"], 2, "--fd-threshold goes with --confounds"),
        (
            ["--confounds", "a.tsv", "--confounds", "b.tsv"],
            2,
            "1 run (-f) needs as many files with --confounds",
        ),
        (["--confounds", "nowhere.tsv"], 1, "nowhere.tsv: there is no such file"),
        (["-s", "SPM.mat"], 2, "the paradigm is given twice"),
    ],
)
def test_buildcfg__refuses_what_does_not_go_together(run, study, options, code, message):
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), *options)
    assert ended.code == code
    assert message in ended.err
    assert "Traceback" not in ended.err
    assert not study.xml.exists()


def test_estim__values_of_censored_scans_change_nothing(run, study, confounds):
    options = ["--confounds", confounds, "--fd-threshold", "0.5"]
    assert run("pyhrf_jde_buildcfg", *study.arguments(), *options).code == 0
    clean, spoilt = study.folder / "clean", study.folder / "spoilt"
    assert run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial", "-u", clean).code == 0
    assert pyhrf.Results(clean).provenance["runs"][0]["n_censored"] == 2
    image = nib.load(study.bold)
    values = image.get_fdata()
    values[..., [20, 41]] = 20000
    spoilt_image = nib.Nifti1Image(values, image.affine, image.header)
    spoilt_image.to_filename(study.bold)
    assert run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial", "-u", spoilt).code == 0
    for table in ("hrf.tsv", "conditions.tsv", "parcels.tsv"):
        assert (clean / table).read_text() == (spoilt / table).read_text()


@pytest.mark.parametrize("estimator", ["jde", "glm", "rfir"])
@pytest.mark.parametrize("columns", ["motion6", "motion6 outliers"])
def test_estim__scans_that_fmriprep_marks_are_as_if_listed(
    run, study, confounds, estimator, columns
):
    """A dummy scan, brighter than the others, changes nothing, whatever columns are chosen."""
    listed = study.folder / "listed.txt"
    listed.write_text("0 1")
    folders = [study.folder / "by_list", study.folder / "by_fmriprep"]
    build, estimate = f"pyhrf_{estimator}_buildcfg", f"pyhrf_{estimator}_estim"
    of_list = ["--confounds", confounds, "--censored", listed]
    assert run(build, *study.arguments(), *of_list).code == 0
    xml = study.xml.with_name("by_list.xml")
    study.xml.rename(xml)
    assert run(estimate, "-c", xml, "-x", "serial", "-u", folders[0]).code == 0
    table = pd.read_csv(confounds, sep="\t")
    for k in (0, 1):
        table[f"non_steady_state_outlier{k:02}"] = (np.arange(N_SCANS) == k).astype(float)
    table.to_csv(confounds, sep="\t", index=False, na_rep="n/a")
    image = nib.load(study.bold)
    values = image.get_fdata()
    values[..., 0] *= 1.3
    nib.Nifti1Image(values, image.affine, image.header).to_filename(study.bold)
    options = ["--confounds", confounds, "--confound-columns", columns]
    built = run(build, *study.arguments(), *options)
    assert built.code == 0, built.err
    assert "2 of 80 scans censored (2 %); fMRIPrep marks them as not in steady" in built.err
    assert run(estimate, "-c", study.xml, "-x", "serial", "-u", folders[1]).code == 0
    for name in ("conditions.tsv", "parcels.tsv"):
        assert (folders[0] / name).read_text() == (folders[1] / name).read_text()
    used = pyhrf.Results(folders[1]).provenance["runs"][0]
    assert (used["n_censored"], used["n_not_steady"]) == (2, 2)
    assert "2 scans that fMRIPrep marks as not in steady" in (folders[1] / "report.html").read_text(
        "utf-8"
    )


def test_estim__gives_levels_of_each_run_and_the_contrast_of_their_means(run, study):
    ended = run(
        "pyhrf_jde_buildcfg",
        *study.arguments(),
        *("-f", second_run(study), "--levels-per-run"),
        *("-C", "diff = audio - video", "-C", "change = audio_run2 - audio_run1"),
    )
    assert ended.code == 0, ended.err
    assert run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial").code == 0
    level = {
        name: nib.load(study.output / f"nrl_{name}.nii.gz").get_fdata()
        for name in ("audio_run1", "audio_run2", "video_run1", "video_run2")
    }
    found = nib.load(study.output / "contrast_diff.nii.gz").get_fdata()
    expected = level["audio_run1"] + level["audio_run2"]
    expected = (expected - level["video_run1"] - level["video_run2"]) / 2
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.nanmax(np.abs(expected)))
    assert (study.output / "contrast_change.nii.gz").exists()


def test_buildcfg__takes_paradigm_and_tr_from_spm(run, study):
    dtype = [(name, object) for name in ("name", "ons", "dur")]
    conditions = np.array([("audio", [10.0, 50.0], 2.0), ("video", [30.0, 70.0], 2.0)], dtype)
    sessions = np.empty((1, 1), [("U", object)])
    sessions[0, 0] = (conditions[None, :],)
    spm = {"xY": {"RT": 2.4}, "nscan": 80.0, "xBF": {"UNITS": "secs"}, "Sess": sessions}
    path = study.folder / "SPM.mat"
    savemat(path, {"SPM": spm})
    arguments = [str(each) for each in study.arguments()]
    at = arguments.index("-r")
    arguments[at : at + 2] = ["-s", str(path)]
    ended = run("pyhrf_jde_buildcfg", *arguments)
    assert ended.code == 0, ended.err
    read = pyhrf.load_study(study.xml)
    assert read.data.tr == 2.4
    assert read.data.runs[0].paradigm == path
