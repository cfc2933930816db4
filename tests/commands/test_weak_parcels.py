"""The terminal says what makes results worth little: data that say nothing, scans far off."""

from __future__ import annotations

import csv

import numpy as np

WORDS = "parcels: the response is poorly determined (column hrf_quality of parcels.tsv below"


def qualities(study) -> list[float]:
    with (study.output / "parcels.tsv").open(newline="") as file:
        return [float(row["hrf_quality"]) for row in csv.DictReader(file, delimiter="\t")]


def give_response(study, condition: str, *, where: slice, height: float) -> None:
    """Add a response to the events of a condition to noise."""
    onsets = [float(line.split()[2]) for line in study.paradigm if f'"{condition}"' in line]
    time = np.arange(study.n_scans) * 2.0
    course = sum(np.exp(-0.5 * ((time - onset - 5) / 1.8) ** 2) for onset in onsets)
    rng = np.random.default_rng(8)
    signal = rng.standard_normal((*study.shape, study.n_scans)) + 100
    signal[where] += height * course
    study.write_bold(signal.astype(np.float32))


def estimated(run, study):
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    assert ended.code == 0, ended.err
    return ended


def test_estim__counts_parcels_of_noise(run, study):
    give_response(study, "audio", where=slice(0, 3), height=6.0)  # parcel 1 alone
    ended = estimated(run, study)
    sound, noise = qualities(study)
    assert noise < 0.5 < sound
    assert f"1 of 2 {WORDS} 0.5): see report.html\n" in ended.err
    quiet = run("pyhrf_jde_estim", "-c", study.xml, "-v0")
    assert (quiet.out, quiet.err) == ("", "")


def test_estim__says_nothing_of_parcels_that_respond(run, study):
    give_response(study, "audio", where=slice(None), height=6.0)
    ended = estimated(run, study)
    assert min(qualities(study)) > 0.5
    assert "poorly determined" not in ended.err


def test_estim__glm_has_no_quality(run, study):
    arguments = study.arguments()
    assert run("pyhrf_glm_buildcfg", *arguments).code == 0
    ended = run("pyhrf_glm_estim", "-c", study.xml)
    assert ended.code == 0, ended.err
    assert "poorly determined" not in ended.err


def test_estim__names_a_scan_that_is_far_off(run, study):
    rng = np.random.default_rng(8)
    signal = rng.standard_normal((*study.shape, study.n_scans)) + 100
    signal[..., 0] += 20
    study.write_bold(signal.astype(np.float32))
    ended = estimated(run, study)
    said = "in 2 parcels (1, 2) one scan lies far off those around, mostly scan 0 (the first is 0)"
    assert f"{said}: censor" in ended.err
    page = (study.output / "report.html").read_text("utf-8")
    assert said in page
    folder = study.output.parent
    (folder / "bad.txt").write_text("0")
    arguments = (*study.arguments(), "--censored", folder / "bad.txt", "-u", folder / "other")
    assert run("pyhrf_jde_buildcfg", *arguments, "-o", folder / "other.xml").code == 0
    ended = run("pyhrf_jde_estim", "-c", folder / "other.xml")
    assert ended.code == 0
    assert "far off" not in ended.err
