"""What can be used but is doubtful is said on the screen, in the log and in the report."""

from __future__ import annotations

import csv
import html

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

ALIKE = "the responses to 'cue' and 'go' can hardly be told apart"


def give_pairs(study, later: float) -> None:
    rng = np.random.default_rng(1)
    onsets = np.cumsum(rng.uniform(9, 14, 11))
    lines = [f'0 "cue" {onset:.1f} 0 1' for onset in onsets]
    study.paradigm = lines + [f'0 "go" {onset + later:.1f} 0 1' for onset in onsets]
    study.write_events()


def page_of(study) -> str:
    return html.unescape((study.output / "report.html").read_text("utf-8"))


@pytest.mark.parametrize("program", ["jde", "glm", "rfir"])
def test_conditions_that_are_alike__are_named_before_and_after_the_work(run, study, program):
    give_pairs(study, later=1.0)
    built = run(f"pyhrf_{program}_buildcfg", *study.arguments())
    assert built.code == 0, built.err
    assert built.err.count(f"note: {ALIKE}") == 1
    for _ in range(2):  # of results that are there it is said again
        ended = run(f"pyhrf_{program}_estim", "-c", study.xml)
        assert ended.code == 0, ended.err
        assert ended.err.count(f"note: {ALIKE}") == 1
    assert (study.output / "pyhrf.log").read_text("utf-8").count(ALIKE) == 2
    assert ALIKE in page_of(study)


def test_conditions_that_are_not_alike__are_not_named(run, study):
    give_pairs(study, later=4.0)
    built = run("pyhrf_jde_buildcfg", *study.arguments())
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    assert "told apart" not in built.err + ended.err + page_of(study)
    assert not (study.output / "pyhrf.log").exists()


@pytest.mark.parametrize("sd", [0.0, 1.2])
def test_smoothed_data__are_told_of(run, study, sd):
    rng = np.random.default_rng(2)
    scans = rng.standard_normal((study.n_scans, *study.shape))
    scans = np.array([gaussian_filter(scan, sd) if sd else scan for scan in scans])
    study.write_bold(100 + np.moveaxis(scans, 0, -1).astype(np.float32))
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    ended = run("pyhrf_jde_estim", "-c", study.xml)
    with (study.output / "parcels.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    correlations = [float(row["neighbour_correlation"]) for row in rows]
    words = "in 2 of 2 parcels the noise of neighbouring voxels correlates by more than 0.7"
    assert "more than 0.1" not in ended.err  # for that is modelled
    assert (min(correlations) > 0.7) == (sd > 0)
    assert (words in ended.err) == (words in page_of(study)) == (sd > 0)


def test_shared_noise_that_is_not_modelled__is_told_of(run, study):
    rng = np.random.default_rng(3)
    scans = rng.standard_normal((study.n_scans, *study.shape))
    scans = np.array([gaussian_filter(scan, 0.6) for scan in scans])
    study.write_bold(100 + np.moveaxis(scans, 0, -1).astype(np.float32))
    words = "in 2 of 2 parcels the noise of neighbouring voxels correlates by more than 0.1"
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    assert words not in run("pyhrf_jde_estim", "-c", study.xml).err
    text = study.xml.read_text("utf-8")
    measured = "<shared_noise>measured</shared_noise>"
    assert measured in text
    study.xml.write_text(text.replace(measured, "<shared_noise>none</shared_noise>"), "utf-8")
    ended = run("pyhrf_jde_estim", "-c", study.xml, "--fresh")
    assert words in ended.err
    assert words in page_of(study)
