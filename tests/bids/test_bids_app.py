"""``pyhrf bids`` on the data sets of the simulator: what comes out, and what is refused."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from bids_sets import SPACE, SPEC, change_json, derivatives_of, func, run_bids, tree

import pyhrf
from pyhrf.bids.app import analyse_bids
from pyhrf.bids.options import BidsOptions

NAME = f"sub-01_task-sim_{SPACE}"
SMALL = ("participant", "-x", "serial", "--parcellation", 30)


def values(path: Path) -> np.ndarray:
    return np.asarray(nib.load(path).dataobj)


def native(out: Path, name: str = NAME) -> Path:
    return out / ".pyhrf" / name


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(scope="module")
def analysed(made_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One participant, analysed."""
    folder = tmp_path_factory.mktemp("analysed") / "out"
    options = BidsOptions(
        bids_dir=made_set,
        out_dir=folder,
        participants=("01",),
        parcellation=30,
        contrasts=("one-two = cond1 - cond2",),
    )
    before = tree(made_set)
    answer = analyse_bids(options, engine="serial", tell=lambda _: None)
    assert list(answer) == [NAME]
    assert tree(made_set) == before
    return folder


def test_bids__maps_are_those_of_the_analysis(analysed: Path) -> None:
    folder = analysed / "sub-01" / "func"
    for ours, theirs in {
        "contrast-cond1_stat-effect": "nrl_cond1",
        "contrast-cond2_stat-active": "active_cond2",
        "contrast-oneMinusTwo_stat-effect": "contrast_one-two",
        "stat-timetopeak": "time_to_peak",
        "stat-hrf": "hrf",
    }.items():
        mine = folder / f"{NAME}_{ours}_statmap.nii.gz"
        assert mine.read_bytes() == (native(analysed) / f"{theirs}.nii.gz").read_bytes()
    variance = values(folder / f"{NAME}_contrast-cond1_stat-variance_statmap.nii.gz")
    sd = values(native(analysed) / "nrl_sd_cond1.nii.gz")
    np.testing.assert_allclose(variance, sd.astype(np.float64) ** 2, rtol=1e-6)
    assert variance.max() > 0


def test_bids__no_map_of_the_analysis_is_lost(analysed: Path) -> None:
    maps = list((analysed / "sub-01" / "func").glob("*.nii.gz"))
    # and the mask of what was estimated
    assert len(maps) == len(list(native(analysed).glob("*.nii.gz"))) + 1


def test_bids__every_file_has_its_json(analysed: Path) -> None:
    folder = analysed / "sub-01" / "func"
    files = [path for path in folder.iterdir() if not path.name.endswith(".json")]
    for path in files:
        about = json.loads((folder / f"{path.name.partition('.')[0]}.json").read_text())
        assert {"Sources", "Estimator"} <= about.keys(), path.name
        assert about["Description"] if path.suffix == ".gz" else True
    about = json.loads((folder / f"{NAME}_stat-hrf_statmap.json").read_text())
    hrf = nib.load(folder / f"{NAME}_stat-hrf_statmap.nii.gz")
    assert about["RepetitionTime"] == hrf.header.get_zooms()[3]
    contrast = json.loads(
        (folder / f"{NAME}_contrast-oneMinusTwo_stat-effect_statmap.json").read_text()
    )
    assert contrast["Contrast"] == "one-two"
    assert contrast["Expression"] == "cond1 - cond2"


def test_bids__sources_are_found_by_the_links_of_the_data_set(analysed: Path) -> None:
    description = json.loads((analysed / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "PyHRF"
    about = analysed / "sub-01" / "func" / f"{NAME}_contrast-cond1_stat-effect_statmap.json"
    sources = json.loads(about.read_text())["Sources"]
    assert len(sources) == 2 * 4
    for source in sources:
        _, name, path = source.split(":")
        assert (analysed / description["DatasetLinks"][name] / path).is_file(), source


def test_bids__table_of_parcels_is_one_of_a_segmentation(analysed: Path) -> None:
    folder = analysed / "sub-01" / "func"
    labels = values(folder / f"{NAME}_desc-parcels_dseg.nii.gz")
    with (folder / f"{NAME}_desc-parcels_dseg.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [int(row["index"]) for row in rows] == sorted(set(labels.ravel().tolist()) - {0})
    assert len({row["name"] for row in rows}) == len(rows)
    sizes = [np.count_nonzero(labels == int(row["index"])) for row in rows]
    assert sizes == [int(row["n_positions"]) for row in rows]
    assert max(sizes) <= 30


def test_bids__units_and_columns_are_described(analysed: Path) -> None:
    folder = analysed / "sub-01" / "func"
    for table in folder.glob("*.tsv"):
        about = json.loads(table.with_suffix(".json").read_text())
        for name in table.read_text().split("\n", 1)[0].split("\t"):
            assert about[name]["Description"], (table, name)
    about = json.loads((folder / f"{NAME}_desc-parcels_dseg.json").read_text())
    assert about["fwhm"]["Units"] == "s"
    ppm = json.loads((folder / f"{NAME}_contrast-cond1_stat-ppm_statmap.json").read_text())
    assert ppm["Threshold"] == "where active and inactive voxels are equally likely"


def test_bids__report_is_at_the_top_and_its_links_lead_on(analysed: Path) -> None:
    page = (analysed / f"{NAME}.html").read_text()
    links = [link for link in re.findall(r'href="([^"]+)"', page) if not link.startswith("#")]
    files = [link for link in links if "://" not in link]
    assert f".pyhrf/{NAME}/hrf.tsv" in files
    assert [link for link in files if not (analysed / link).is_file()] == []


def test_bids__is_the_analysis_of_the_same_files(
    made_set: Path, analysed: Path, tmp_path: Path
) -> None:
    from pyhrf.config.study import Study

    files = func(made_set, "01")
    runs = [
        {
            "bold": files / f"sub-01_task-sim_run-{n}_{SPACE}_desc-preproc_bold.nii.gz",
            "paradigm": made_set / "sub-01" / "func" / f"sub-01_task-sim_run-{n}_events.tsv",
            "confounds": files / f"sub-01_task-sim_run-{n}_desc-confounds_timeseries.tsv",
        }
        for n in (1, 2)
    ]
    study = Study.build(
        data={
            "kind": "volume",
            "runs": runs,
            "parcellation": native(analysed) / "parcels.nii.gz",
        },
        contrasts=[{"name": "one-two", "expression": "cond1 - cond2"}],
        output=tmp_path / "results",
    )
    results = pyhrf.analyse(study, engine="serial")
    for name in ("hrf.tsv", "parcels.tsv", "nrl_cond1.nii.gz", "contrast_one-two.nii.gz"):
        assert (results.directory / name).read_bytes() == (native(analysed) / name).read_bytes()


def test_bids__a_broken_participant_does_not_stop_the_others(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (dataset / "sub-02" / "func" / "sub-02_task-sim_run-2_events.tsv").unlink()
    ended = run_bids(capfd, dataset, out, *SMALL)
    assert ended.code == 3
    assert f"sub-02_task-sim_{SPACE} is left out: " in ended.err
    assert "there are no events of this run" in ended.err
    assert sorted(path.name for path in out.glob("sub-*") if path.is_dir()) == ["sub-01", "sub-03"]
    assert "2 of 3 participants and tasks" in ended.out


def test_bids__rerun_does_what_is_missing_and_rewrites_nothing_else(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bold = func(dataset, "02") / f"sub-02_task-sim_run-1_{SPACE}_desc-preproc_bold.nii.gz"
    sound = bold.read_bytes()
    bold.write_bytes(sound[: len(sound) // 2])
    assert run_bids(capfd, dataset, out, *SMALL).code == 3
    times = {path: path.stat().st_mtime_ns for path in out.glob("sub-*/**/*")}
    journal = tree(native(out) / ".journal")
    assert times
    bold.write_bytes(sound)
    ended = run_bids(capfd, dataset, out, *SMALL)
    assert ended.code == 0, ended.err
    assert (out / "sub-02" / "func").is_dir()
    assert {path: path.stat().st_mtime_ns for path in times if path.is_file()} == {
        path: time for path, time in times.items() if path.is_file()
    }
    batches = {name: x for name, x in journal.items() if "batch" in name}
    again = tree(native(out) / ".journal")
    assert batches == {name: x for name, x in again.items() if "batch" in name}


def test_bids__participants_one_by_one_are_as_all_together(
    made_set: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_bids(capfd, made_set, tmp_path / "together", *SMALL).code == 0
    for label in ("03", "sub-01", "02"):
        given = ("--participant-label", label)
        assert run_bids(capfd, made_set, tmp_path / "apart", *SMALL, *given).code == 0
    together, apart = (derivatives_of(tmp_path / name) for name in ("together", "apart"))
    # Reports name the file of the parcels, which lies in the output.
    ours, theirs = (str(tmp_path / name).encode() for name in ("together", "apart"))
    assert {name: x.replace(ours, theirs) for name, x in together.items()} == apart


@pytest.mark.parametrize("estimator", ["glm", "rfir", "mcmc"])
def test_bids__other_estimators(
    estimator: str, made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    iterations = ("-n", 100) if estimator == "mcmc" else ()
    words = ("--participant-label", "01", "--estimator", estimator, "-C", "d=cond1-cond2")
    ended = run_bids(capfd, made_set, out, *SMALL, *words, *iterations)
    assert ended.code == 0, ended.err
    maps = list((out / "sub-01" / "func").glob("*.nii.gz"))
    assert len(maps) == len(list(native(out).glob("*.nii.gz"))) + 1
    for name in ("cond1", "cond2", "d"):
        for stat in ("effect", "variance"):
            path = out / "sub-01" / "func" / f"{NAME}_contrast-{name}_stat-{stat}_statmap.nii.gz"
            assert np.isfinite(values(path)).all()


def test_bids__a_mask_tells_where_there_is_an_estimate(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bold = func(dataset, "01") / f"sub-01_task-sim_run-1_{SPACE}_desc-preproc_bold.nii.gz"
    image = nib.load(bold)
    data = np.asarray(image.dataobj).copy()
    data[1, 2, 1] = data[1, 2, 1, 0]
    nib.save(nib.Nifti1Image(data, image.affine, image.header), bold)
    assert run_bids(capfd, dataset, out, *SMALL, "--participant-label", "01").code == 0
    folder = out / "sub-01" / "func"
    mask = folder / f"{NAME}_desc-estimated_mask.nii.gz"
    effect = folder / f"{NAME}_contrast-cond1_stat-effect_statmap"
    found, parcels = values(mask), values(folder / f"{NAME}_desc-parcels_dseg.nii.gz")
    assert set(np.unique(found)) <= {0, 1}
    np.testing.assert_array_equal(
        found > 0, (parcels > 0) & np.isfinite(values(f"{effect}.nii.gz"))
    )
    assert found.sum() == (parcels > 0).sum() - 1
    about = json.loads(Path(f"{effect}.json").read_text())
    assert about["EstimatedMask"] == f"bids::{mask.relative_to(out).as_posix()}"
    assert json.loads((folder / f"{NAME}_desc-estimated_mask.json").read_text())["Type"] == "ROI"


def test_bids__responses_are_found(analysed: Path, made_set: Path) -> None:
    truth = np.load(
        made_set / "derivatives" / "truth" / "sub-01" / "func" / "sub-01_task-sim_truth.npz"
    )
    found = values(
        analysed / "sub-01" / "func" / f"{NAME}_contrast-cond1_stat-effect_statmap.nii.gz"
    ).ravel()[truth["positions"]]
    level, active = truth["levels"][0], truth["labels"][0]
    assert np.corrcoef(found, level)[0, 1] > 0.6
    assert found[active].mean() > 2 * np.abs(found[~active]).mean()


def test_bids__onsets_move_with_the_first_scan(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    files = func(dataset, "01")
    for n in (1, 2):
        name = f"sub-01_task-sim_run-{n}_{SPACE}_desc-preproc_bold.json"
        change_json(files / name, StartTime=SPEC.tr / 2, SliceTimingCorrected=True)
    ended = run_bids(capfd, dataset, out, *SMALL, "--participant-label", "01")
    assert ended.code == 0
    assert "onsets are moved by that" in ended.err
    study = json.loads((native(out) / "run.json").read_text())["study"]
    raw = dataset / "sub-01" / "func" / "sub-01_task-sim_run-2_events.tsv"
    assert study["data"]["runs"][1]["paradigm"] == str(raw)
    assert [run["start_time"] for run in study["data"]["runs"]] == [SPEC.tr / 2] * 2
    assert f"Onsets were moved {SPEC.tr / 2:g} s earlier" in (out / f"{NAME}.html").read_text()
    # It is the analysis of events that someone has moved by hand.
    other = out.with_name("other")
    for n in (1, 2):
        name = f"sub-01_task-sim_run-{n}_{SPACE}_desc-preproc_bold.json"
        change_json(files / name, StartTime=None, SliceTimingCorrected=False)
        events = dataset / "sub-01" / "func" / f"sub-01_task-sim_run-{n}_events.tsv"
        (header, *lines) = events.read_text().splitlines()
        rows = [line.split("\t", 1) for line in lines]
        moved = [f"{round(float(onset) - SPEC.tr / 2, 6)}\t{rest}" for onset, rest in rows]
        events.write_text("\n".join([header, *moved]) + "\n")
    assert run_bids(capfd, dataset, other, *SMALL, "--participant-label", "01").code == 0
    for path in native(out).glob("*.nii.gz"):
        assert path.read_bytes() == (native(other) / path.name).read_bytes(), path.name
    about = out / "sub-01" / "func" / f"{NAME}_contrast-cond1_stat-effect_statmap.json"
    (note,) = json.loads(about.read_text())["Notes"]
    assert f"the scans begin {SPEC.tr / 2:g} s after" in note


def test_bids__conditions_of_another_column(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (*SMALL, "--participant-label", "01")
    assert run_bids(capfd, dataset, out, *words).code == 0
    expected = derivatives_of(out)
    for path in (dataset / "sub-01" / "func").glob("*_events.tsv"):
        header, *lines = path.read_text().splitlines()
        rows = [f"{header}\tkind".replace("trial_type", "stimulus")]
        path.write_text("\n".join([*rows, *(f"{line}\tall" for line in lines)]) + "\n")
    ended = run_bids(capfd, dataset, out, *words, "--event-column", "trial")
    assert ended.code == 1
    assert "the header has no column trial but onset, duration, stimulus, kind" in ended.err
    # The events are the same, and so the study: nothing is to be done.
    ended = run_bids(capfd, dataset, out, *words, "--event-column", "stimulus")
    assert ended.code == 0, ended.err
    found = derivatives_of(out)
    assert {name for name in found if found[name] != expected[name]} == {
        name for name in found if name.startswith("sub-01/") and name.endswith(".json")
    }
    about = out / "sub-01" / "func" / f"{NAME}_contrast-cond1_stat-effect_statmap.json"
    notes = ["the conditions of events are those of the column stimulus"]
    assert json.loads(about.read_text())["Notes"] == notes


def test_bids__the_json_has_the_last_word_on_the_tr(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for n in (1, 2):
        name = f"sub-01_task-sim_run-{n}_{SPACE}_desc-preproc_bold.json"
        change_json(func(dataset, "01") / name, RepetitionTime=2.5)
    ended = run_bids(capfd, dataset, out, *SMALL, "--participant-label", "01")
    assert ended.code == 0
    assert "the header says TR 2 s; the TR that is given, 2.5 s, is used" in ended.err
    study = json.loads((native(out) / "run.json").read_text())["study"]
    assert study["data"]["tr"] == 2.5


def test_bids__fd_threshold_censors(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = (*SMALL, "--participant-label", "01", "--fd-threshold")
    ended = run_bids(capfd, made_set, out, *words, 0.5)
    assert ended.code == 0
    assert "of 120 scans of 2 runs censored" in ended.err
    # But for the first scan, of which there is no displacement.
    ended = run_bids(capfd, made_set, out.with_name("all"), *words, 1e-6)
    assert ended.code == 1
    assert "censor less" in ended.err


def test_bids__scans_that_fmriprep_marks_are_censored_where_confounds_are_read(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for path in func(dataset, "01").glob("*_desc-confounds_timeseries.tsv"):
        table = pd.read_csv(path, sep="\t", na_values="n/a")
        table["non_steady_state_outlier00"] = (table.index == 0).astype(float)
        table.to_csv(path, sep="\t", na_rep="n/a", index=False)
    words = (*SMALL, "--participant-label", "01")
    ended = run_bids(capfd, dataset, out, *words)
    assert ended.code == 0
    assert ended.err.count("fMRIPrep marks") == 1
    assert f"2 of {2 * SPEC.n_scans} scans of 2 runs censored" in ended.err
    assert "; fMRIPrep marks them as not in steady state" in ended.err
    runs = json.loads((native(out) / "run.json").read_text())["runs"]
    assert {(run["n_censored"], run["n_not_steady"]) for run in runs} == {(1, 1)}
    ended = run_bids(capfd, dataset, out.with_name("none"), *words, "--confound-columns", "none")
    assert ended.code == 0
    assert "fMRIPrep marks" not in ended.err
    runs = json.loads((native(out.with_name("none")) / "run.json").read_text())["runs"]
    assert {run["n_censored"] for run in runs} == {0}


def test_bids__names_that_would_share_a_file_are_refused(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = ("--participant-label", "01", "-C", "cond 1 = cond1")
    ended = run_bids(capfd, made_set, out, *SMALL, *words)
    assert ended.code == 1
    assert "the condition 'cond1' and the contrast 'cond 1' would both be written" in ended.err


def test_bids__a_link_to_nothing_is_named(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    bold = func(dataset, "01") / f"sub-01_task-sim_run-1_{SPACE}_desc-preproc_bold.nii.gz"
    bold.unlink()
    bold.symlink_to(dataset / ".git" / "annex" / "x")
    ended = run_bids(capfd, dataset, out, *SMALL, "--participant-label", "01")
    assert ended.code == 1
    assert "datalad get" in ended.err


def test_bids__skipping_the_validation_takes_a_folder_without_description(
    dataset: Path, out: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (dataset / "dataset_description.json").unlink()
    words = (dataset, out, *SMALL, "--participant-label", "01")
    ended = run_bids(capfd, *words)
    assert ended.code == 1
    assert "is not a BIDS data set" in ended.err
    assert not out.exists()
    assert run_bids(capfd, *words, "--skip-bids-validation").code == 0


def test_bids__derivatives_may_lie_elsewhere(
    dataset: Path, out: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.move(dataset / "derivatives" / "fmriprep", tmp_path / "prep")
    words = (dataset, out, *SMALL, "--participant-label", "01")
    ended = run_bids(capfd, *words)
    assert ended.code == 1
    assert "(--derivatives)" in ended.err
    assert run_bids(capfd, *words, "--derivatives", tmp_path / "prep").code == 0


def test_bids__says_how_far_the_preparation_is(
    made_set: Path, out: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyhrf.bids.app._SECONDS_OF_SILENCE", 0.0)
    ended = run_bids(capfd, made_set, out, *SMALL)
    assert "3 analyses of participants and tasks, with 6 runs in all" in ended.err
    assert "2 of 3 are prepared" in ended.err
