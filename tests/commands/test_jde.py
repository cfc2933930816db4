from __future__ import annotations

import json
import logging
import tempfile

import nibabel as nib
import numpy as np
import pytest

import pyhrf
from pyhrf.execution.runner import Interrupted


@pytest.fixture
def built(run, study):
    """A study whose XML file is written."""
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    return study


def add_parcel(study, number: int, n_voxels: int) -> None:
    labels = nib.load(study.parcellation).get_fdata().astype(np.int16)
    labels.flat[:n_voxels] = number
    study.write_parcellation(labels)


# --- buildcfg


def test_buildcfg__describes_the_example_without_options(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("pyhrf_jde_buildcfg")
    assert ended.code == 0
    assert "pyhrf_jde_estim -c detectestim.xml" in ended.out
    study = pyhrf.load_study("detectestim.xml")
    assert (study.data.kind, study.data.example) == ("simulation", "default")
    assert study.output == tmp_path / "results"
    assert [path.name for path in tmp_path.iterdir()] == ["detectestim.xml"]


def test_buildcfg__puts_every_option_in_the_file(run, study):
    contrasts = study.folder / "contrasts.json"
    contrasts.write_text('{"half": "audio/2"}')
    study.options = ["-n", "7", "-C", "diff = audio - video", "--contrasts-file", str(contrasts)]
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "-d", "volume", "-e").code == 0
    read = pyhrf.load_study(study.xml)
    assert read.data.runs[0].bold == study.bold
    assert read.data.runs[0].paradigm == study.events
    assert read.data.parcellation == study.parcellation
    assert read.vem.n_iterations == 7
    assert {c.name: c.expression for c in read.contrasts} == {
        "diff": "audio - video",
        "half": "audio/2",
    }
    assert read.output == study.output


def test_buildcfg__takes_one_paradigm_for_all_runs(run, study):
    second = study.folder / "bold2.nii"
    second.write_bytes(study.bold.read_bytes())
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "-f", second).code == 0
    runs = pyhrf.load_study(study.xml).data.runs
    assert [one.bold for one in runs] == [study.bold, second]
    assert [one.paradigm for one in runs] == [study.events] * 2


def test_buildcfg__reports_a_header_that_disagrees(run, study):
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "-I", "2.4")
    assert ended.code == 0
    assert "header says TR 2 s" in ended.err
    assert pyhrf.load_study(study.xml).data.tr == 2.4


def test_buildcfg__reports_events_that_are_left_out(run, study):
    study.paradigm += ['0 "audio" 700 0 1', '0 "audio" 900 0 1']
    study.write_events()
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    assert ended.code == 0
    assert '2 events of "audio" outside the scan time (0 to 160 s) left out' in ended.err


def test_buildcfg__fits_the_time_step_to_fast_scans(run, study):
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "-I", "0.4").code == 0
    assert pyhrf.load_study(study.xml).hrf.dt == 0.8
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    assert ended.code == 0, ended.err


def test_buildcfg__writes_over_nothing_but_studies(run, study):
    before = study.bold.read_bytes()
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "-o", study.bold)
    assert ended.code == 1
    assert "is not a study file, so it is not overwritten" in ended.err
    assert study.bold.read_bytes() == before


def test_buildcfg__keeps_an_older_study(run, study):
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    mine = study.xml.read_text().replace("<dt>1.0</dt>", "<dt>0.5</dt>")
    study.xml.write_text(mine)
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    kept = study.xml.with_name(f"{study.xml.name}.old-1")
    assert ended.code == 0
    assert f"is kept in {kept}" in ended.err
    assert kept.read_text() == mine
    assert pyhrf.load_study(study.xml).hrf.dt == 1.0
    again = run("pyhrf_jde_buildcfg", *study.arguments())
    assert again.code == 0
    assert "is kept in" not in again.err


def test_buildcfg__asks_about_very_long_events(run, study):
    study.paradigm += ['0 "audio" 3 120 1']
    study.write_events()
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    assert ended.code == 0
    assert 'events of "audio" last up to 120 s; durations are in seconds' in ended.err


def test_buildcfg__is_silent_at_level_0(run, study):
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "-v", "0")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-f", "a.nii"], "-f needs -k"),
        (["-f", "a.nii", "-k", "b.nii"], "-f needs -r"),
        (["-f", "a", "-k", "b", "-f", "c", "-f", "d", "-r", "e", "-r", "f"], "3 runs"),
        (["-k", "b.nii"], "-k goes with BOLD data"),
        (["-I", "2"], "-I goes with BOLD data"),
        (["-d", "volume"], "-d volume needs the BOLD data"),
        (["-f", "a.nii", "-t", "small"], "-t and -d simulation are for example data"),
        (["-t", "large"], "'large' is not one of"),
        (["--mesh", "x"], "No such option"),
        (["-v", "7"], "'7' is not a level"),
        (["-v", "x"], "'x' is not a level"),
    ],
)
def test_buildcfg__explains_usage(run, tmp_path, monkeypatch, options, expected):
    monkeypatch.chdir(tmp_path)
    ended = run("pyhrf_jde_buildcfg", *options)
    assert ended.code == 2
    assert expected in ended.err
    assert list(tmp_path.iterdir()) == []


# --- estim


def test_estim__writes_tables_maps_and_provenance(run, built):
    ended = run("pyhrf_jde_estim", "-c", built.xml, "-x", "serial")
    assert ended.code == 0, ended.err
    assert "2 of 2 parcels estimated" in ended.out
    assert str(built.output) in ended.out
    names = {path.name for path in built.output.iterdir()}
    kinds = ("nrl", "nrl_sd", "active", "ppm")
    maps = {f"{kind}_{name}.nii.gz" for kind in kinds for name in ("audio", "video")}
    others = {"hrf.nii.gz", "time_to_peak.nii.gz", "parcels.nii.gz"}
    tables = {"hrf.tsv", "parcels.tsv", "conditions.tsv", "run.json"}
    assert names >= maps | others | tables
    results = pyhrf.Results(built.output)
    assert results.failed == {}
    assert set(results.conditions["condition"]) == {"audio", "video"}
    assert results.provenance["engine"]["name"] == "serial"
    assert results.provenance["parcels"] == {"ok": 2}
    assert len(results.provenance["inputs"]) == 3
    done = [n for batch in results.provenance["batches"] for n in batch["parcels"]]
    assert sorted(done) == [1, 2]


def test_estim__is_silent_at_level_0(run, built):
    ended = run("pyhrf_jde_estim", "-c", built.xml, "-v0")
    assert (ended.code, ended.out, ended.err) == (0, "", "")


def test_estim__gives_the_same_bytes_from_every_engine(run, built):
    serial, local = built.folder / "serial", built.folder / "local"
    for folder in (serial, local):
        ended = run("pyhrf_jde_estim", "-c", built.xml, "-x", folder.name, "-u", folder)
        assert ended.code == 0
    names = {path.name for path in serial.iterdir() if path.is_file()}
    assert names == {path.name for path in local.iterdir() if path.is_file()}
    for name in names - {"run.json"}:
        assert (serial / name).read_bytes() == (local / name).read_bytes(), name


def test_estim__names_parcels_that_failed_and_goes_on(run, study):
    add_parcel(study, 7, 2)
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    for level in ("1", "0"):
        ended = run("pyhrf_jde_estim", "-c", study.xml, "-v", level)
        assert ended.code == 3
        assert "parcel 7: " in ended.err
    results = pyhrf.Results(study.output)
    assert list(results.failed) == [7]
    assert results.parcels["status"].tolist() == ["ok", "ok", "failed"]
    assert np.isnan(results.load_map("nrl_audio").get_fdata()[0, 0, 0])
    assert np.isfinite(results.load_map("nrl_audio").get_fdata()[4]).all()


def test_estim__stops_at_the_first_failure_when_asked(run, study):
    labels = np.zeros(study.shape, np.int16)
    labels[0, :, 0] = np.arange(1, 6)  # five parcels of one voxel each: all of them fail
    study.write_parcellation(labels)
    run("pyhrf_jde_buildcfg", *study.arguments())
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial", "-s")
    assert ended.code == 3
    table = pyhrf.Results(study.output).parcels
    assert table["status"].value_counts().to_dict() == {"skipped": 4, "failed": 1}
    skipped = table[table["status"] == "skipped"]
    assert all("not reached" in reason for reason in skipped["reason"])
    assert "not reached" in ended.err
    again = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial")
    assert again.code == 3
    assert set(pyhrf.Results(study.output).parcels["status"]) == {"failed"}


def test_estim__resumes_and_says_so(run, built):
    assert run("pyhrf_jde_estim", "-c", built.xml).code == 0
    first = built.snapshot()
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 0
    assert "2 of 2 parcels were already done" in ended.err
    assert "2 of 2 parcels were estimated before, and nothing was left to do; res" in ended.out
    second = built.snapshot()
    assert {n for n in first if first[n] != second.get(n)} <= {
        "out/run.json",
        "out/.journal/lock",
        "out/.journal/run-state.json",
    }


def test_estim__keeps_older_results_aside_with_fresh(run, built):
    run("pyhrf_jde_estim", "-c", built.xml)
    table = (built.output / "hrf.tsv").read_bytes()
    ended = run("pyhrf_jde_estim", "-c", built.xml, "--fresh")
    assert ended.code == 0
    kept = built.folder / "out.old-1"
    assert f"older results are kept in {kept}" in ended.err
    assert (kept / "hrf.tsv").read_bytes() == table
    assert (built.output / "hrf.tsv").read_bytes() == table


def test_estim__never_mixes_two_studies(run, built):
    run("pyhrf_jde_estim", "-c", built.xml)
    built.xml.write_text(built.xml.read_text().replace("<dt>1.0</dt>", "<dt>0.5</dt>"))
    before = built.snapshot()
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 1
    assert "holds the results of another study" in ended.err
    assert "hrf.dt was '1.0' and is '0.5'" in ended.err
    assert "--fresh" in ended.err
    assert built.snapshot() == before


def test_estim__notices_that_the_data_changed(run, built):
    run("pyhrf_jde_estim", "-c", built.xml)
    built.write_bold(nib.load(built.bold).get_fdata().astype(np.float32) * 2)
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 1
    assert "holds the results of another study" in ended.err


def test_estim__goes_on_after_data_were_moved(run, built):
    run("pyhrf_jde_estim", "-c", built.xml)
    moved = built.folder / "elsewhere.nii"
    built.bold.rename(moved)
    built.xml.write_text(built.xml.read_text().replace(built.bold.name, moved.name))
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 0
    assert "2 of 2 parcels were already done" in ended.err


def test_estim__writes_a_readable_profile(run, built):
    ended = run("pyhrf_jde_estim", "-c", built.xml, "-p")
    assert ended.code == 0
    text = (built.output / "profile.txt").read_text()
    assert "cumulative" in text
    assert "fit_parcel" in text


def test_estim__analyses_example_data_and_keeps_them(run, tmp_path):
    xml = tmp_path / "small.xml"
    run("pyhrf_jde_buildcfg", "-t", "small", "-o", xml, "-u", tmp_path / "out")
    assert run("pyhrf_jde_estim", "-c", xml).code == 0
    data = tmp_path / "out" / "example-data"
    assert (data / "truth.npz").is_file()
    inputs = pyhrf.Results(tmp_path / "out").provenance["inputs"]
    assert str(data / "bold.nii.gz") in inputs
    ended = run("pyhrf_jde_estim", "-c", xml)
    assert "3 of 3 parcels were already done" in ended.err
    assert run("pyhrf_jde_estim", "-c", xml, "--fresh").code == 0
    assert (tmp_path / "out.old-1" / "example-data" / "truth.npz").is_file()
    assert (data / "truth.npz").is_file()


def test_estim__refuses_an_output_of_another_example(run, tmp_path):
    xml = tmp_path / "study.xml"
    run("pyhrf_jde_buildcfg", "-t", "small", "-o", xml, "-u", tmp_path / "out")
    assert run("pyhrf_jde_estim", "-c", xml).code == 0
    run("pyhrf_jde_buildcfg", "-t", "default", "-o", xml, "-u", tmp_path / "out")
    ended = run("pyhrf_jde_estim", "-c", xml)
    assert ended.code == 1
    assert "data.example was 'small' and is 'default'" in ended.err


def test_estim__refuses_job_slots_for_serial(run, built):
    ended = run("pyhrf_jde_estim", "-c", built.xml, "-x", "serial", "-j", 2)
    assert ended.code == 2
    assert "-j is the number of job slots of -x local" in ended.err


def test_estim__offers_only_engines_that_work(run, built):
    ended = run("pyhrf_jde_estim", "-c", built.xml, "-x", "loadleveler")
    assert ended.code == 2
    assert "'serial', 'local'" in ended.err


def test_estim__exits_130_when_interrupted(run, built, monkeypatch):
    def interrupted(*_args, **_options):
        raise Interrupted("interrupted: 3 of 6 parcels are done")

    monkeypatch.setattr("pyhrf.analysis.work.run_batches", interrupted)
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 130
    assert "interrupted: 3 of 6 parcels are done" in ended.err


def test_estim__exits_130_when_interrupted_while_it_checks(run, built, monkeypatch):
    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("pyhrf.study_data.open_dataset", interrupted)
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 130
    assert "run the same command again" in ended.err


def test_estim__names_the_log_of_a_fault_of_its_own(run, built, monkeypatch, tmp_path):
    def broken(*_args, **_options):
        raise ZeroDivisionError("a fault")

    logs = tmp_path / "logs"
    logs.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(logs))
    monkeypatch.setattr("pyhrf.analysis.work.study_by_study", broken)
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 1
    assert "ZeroDivisionError: a fault" in ended.err
    assert "Traceback" not in ended.err
    (log,) = logs.iterdir()
    assert str(log) in ended.err
    assert "Traceback" in log.read_text()


def test_estim__logs_an_internal_error_of_one_parcel(run, built, monkeypatch):
    fit = pyhrf.JDEVEM.fit_parcel

    def fit_parcel(self, parcel):
        if parcel.number == 2:
            raise ZeroDivisionError("a fault")
        return fit(self, parcel)

    monkeypatch.setattr(pyhrf.JDEVEM, "fit_parcel", fit_parcel)
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 3
    assert "parcel 2: internal error: ZeroDivisionError" in ended.err
    assert str(built.output / "pyhrf.log") in ended.err
    assert "Traceback" in (built.output / "pyhrf.log").read_text()
    monkeypatch.undo()
    again = run("pyhrf_jde_estim", "-c", built.xml)
    assert again.code == 0
    assert "1 of 2 parcels were already done" in again.err
    assert "2 of 2 parcels estimated, 1 of them before; this took" in again.out


def test_estim__follows_the_log_settings(run, built, monkeypatch):
    settings, log = built.folder / "config.cfg", built.folder / "all.log"
    settings.write_text(f"[log]\nlevel = 0\nlog_to_file = {log}\n")
    monkeypatch.setenv("PYHRF_CONFIG", str(settings))
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert (ended.code, ended.out, ended.err) == (0, "", "")
    assert log.is_file()
    settings.write_text(f"[log]\nlog_to_file = {built.folder / 'none' / 'x.log'}\n")
    ended = run("pyhrf_jde_estim", "-c", built.xml)
    assert ended.code == 1
    assert "log_to_file" in ended.err
    assert logging.getLogger("pyhrf").handlers == []


def test_run_json__holds_the_parameters(run, built):
    run("pyhrf_jde_estim", "-c", built.xml)
    content = json.loads((built.output / "run.json").read_text())
    assert content["study"]["hrf"]["dt"] == 1.0
    nothing = {"n_censored": 0, "n_not_steady": 0, "n_spm_confounds": 0}
    assert content["runs"] == [{"tr": 2.0, "n_scans": 80, **nothing}]
    assert content["versions"]["pyhrf"] == pyhrf.__version__
    assert all(len(checksum) == 64 for checksum in content["inputs"].values())
