"""Study files and runs of the estimators beside VEM, through their commands."""

from __future__ import annotations

import re

import numpy as np
import pytest

import pyhrf

ESTIMATORS = {
    "glm": ("pyhrf_glm", []),
    "glm-fir": ("pyhrf_glm", ["--model", "fir"]),
    "rfir": ("pyhrf_rfir", []),
    "jde-mcmc": ("pyhrf_jde", ["--mcmc", "-n", "150"]),
}


@pytest.fixture(params=ESTIMATORS)
def built(request, run, study):
    """Estimator, program, and a study whose XML file is written."""
    program, options = ESTIMATORS[request.param]
    study.options = [*options, "-C", "diff = audio - video"]
    ended = run(f"{program}_buildcfg", *study.arguments())
    assert ended.code == 0, ended.err
    assert f"{program}_estim -c" in ended.out
    return request.param, program, study


def test_buildcfg__puts_its_options_in_the_file(run, study):
    def written(program, *options):
        assert run(f"{program}_buildcfg", *study.arguments(), *options).code == 0
        return pyhrf.load_study(study.xml)

    assert written("pyhrf_jde", "--mcmc").estimator == "jde-mcmc"
    mcmc = written("pyhrf_jde", "--mcmc", "-n", "300").mcmc
    assert (mcmc.n_iterations, mcmc.n_burn_in) == (300, 100)
    assert written("pyhrf_jde", "-e").estimator == "jde-vem"
    assert written("pyhrf_rfir", "-n", "7").rfir.n_iterations == 7
    assert written("pyhrf_glm").glm.model == "canonical"
    assert written("pyhrf_glm", "-m", "derivatives").glm.model == "derivatives"
    glm = written("pyhrf_glm", "--fir-delays", "0 1.5 3").own
    assert (glm.model, glm.delays) == ("fir", (0.0, 1.5, 3.0))


@pytest.mark.parametrize("program", ["pyhrf_glm", "pyhrf_rfir"])
def test_buildcfg__has_a_file_name_of_its_own(run, tmp_path, monkeypatch, program):
    monkeypatch.chdir(tmp_path)
    assert run(f"{program}_buildcfg", "-t", "small").code == 0
    assert [path.name for path in tmp_path.iterdir()] == [f"{program.removeprefix('pyhrf_')}.xml"]
    assert run(f"{program}_estim").code == 0
    assert pyhrf.Results("results").failed == {}


@pytest.mark.parametrize(
    ("program", "options", "code", "message"),
    [
        ("pyhrf_glm", ["--fir-delays", "0 x"], 1, "two or more rising numbers"),
        ("pyhrf_glm", ["-m", "canonical", "--fir-delays", "0 2"], 2, "goes with --model fir"),
        ("pyhrf_glm", ["-n", "5"], 2, "No such option"),
        ("pyhrf_glm", ["--mcmc"], 2, "No such option"),
        ("pyhrf_rfir", ["--model", "fir"], 2, "No such option"),
        ("pyhrf_jde", ["--mcmc", "-n", "20"], 1, "<mcmc><n_iterations>: 20 is not allowed"),
    ],
)
def test_buildcfg__refuses_what_means_nothing(run, study, program, options, code, message):
    ended = run(f"{program}_buildcfg", *study.arguments(), *options)
    assert ended.code == code
    assert message in " ".join(ended.err.split())
    assert not study.xml.exists()


def test_estim__refuses_the_study_of_another_program(run, built):
    _, program, study = built
    for other in {"pyhrf_glm", "pyhrf_rfir", "pyhrf_jde"} - {program}:
        ended = run(f"{other}_estim", "-c", study.xml)
        assert ended.code == 1
        assert f"which {program}_estim runs" in ended.err
        assert not study.output.exists()


def test_estim__gives_the_same_bytes_from_every_engine(run, built):
    _, program, study = built
    serial, local = study.folder / "serial", study.folder / "local"
    for folder in (serial, local):
        ended = run(f"{program}_estim", "-c", study.xml, "-x", folder.name, "-u", folder)
        assert ended.code == 0, ended.err
    names = {path.name for path in serial.iterdir() if path.is_file()}
    assert names == {path.name for path in local.iterdir() if path.is_file()}
    for name in names - {"run.json"}:
        assert (serial / name).read_bytes() == (local / name).read_bytes(), name


def test_estim__writes_the_names_that_all_estimators_share(run, built):
    _, program, study = built
    assert run(f"{program}_estim", "-c", study.xml, "-x", "serial").code == 0
    results = pyhrf.Results(study.output)
    shared = {f"{kind}_{name}" for kind in ("nrl", "nrl_sd") for name in ("audio", "video")}
    shared |= {"contrast_diff", "contrast_sd_diff", "noise_sd", "ar1", "hrf", "time_to_peak"}
    assert shared <= set(results.maps())
    assert {"time", "hrf", "sd"} <= set(results.hrf)
    assert np.isfinite(results.parcels["time_to_peak"]).all()
    assert set(results.conditions["condition"]) == {"audio", "video"}
    level = results.load_map("nrl_audio").get_fdata() - results.load_map("nrl_video").get_fdata()
    np.testing.assert_allclose(results.load_map("contrast_diff").get_fdata(), level, atol=1e-4)


def test_estim__names_parcels_that_failed_and_goes_on(run, built):
    estimator, program, study = built
    bold = np.random.default_rng(0).standard_normal((*study.shape, study.n_scans)) + 100
    bold[:3] = 7.0  # the first parcel is constant
    study.write_bold(bold.astype(np.float32))
    ended = run(f"{program}_estim", "-c", study.xml)
    assert ended.code == 3
    assert re.search(r"parcel 1: 0 of 45 positions can be used", ended.err), estimator
    assert pyhrf.Results(study.output).parcels["status"].tolist() == ["failed", "ok"]


def test_estim__resumes_and_never_mixes_estimators(run, built):
    _, program, study = built
    assert run(f"{program}_estim", "-c", study.xml).code == 0
    assert "2 of 2 parcels were already done" in run(f"{program}_estim", "-c", study.xml).err
    before = study.snapshot()
    changed = study.xml.read_text().replace("<kind>cosine</kind>", "<kind>none</kind>")
    study.xml.write_text(changed)
    ended = run(f"{program}_estim", "-c", study.xml)
    assert ended.code == 1
    assert "drift.kind was 'cosine' and is 'none'" in ended.err
    assert {n: b for n, b in study.snapshot().items() if n.startswith("out/")} == {
        n: b for n, b in before.items() if n.startswith("out/")
    }


def test_glm__more_columns_than_scans_are_refused_before_any_work(run, study):
    delays = " ".join(map(str, range(40)))
    options = ["--fir-delays", "0 2 4"]
    assert run("pyhrf_glm_buildcfg", *study.arguments(), *options).code == 0
    study.xml.write_text(study.xml.read_text().replace(">0 2 4<", f">{delays}<"))
    before = study.snapshot()
    build = ["pyhrf_glm_buildcfg", *study.arguments(), "--fir-delays", delays]
    for words in (["pyhrf_glm_estim", "-c", study.xml], build):
        ended = run(*words)
        assert ended.code == 1
        assert "run 1: the design has" in ended.err
        assert "for 80 scans" in ended.err
        assert study.snapshot() == before
