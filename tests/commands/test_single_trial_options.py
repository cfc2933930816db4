"""Single trials as they are asked for on the command line, and what is refused before any work."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

import pyhrf
from pyhrf.analysis import memory
from pyhrf.commands.parameter_options import joined_words
from pyhrf.estimators.vem_problem import AR1_GRID


def words(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--single-trials"], "all"),
        (["--single-trials", "all"], "all"),
        (["--single-trials", "audio"], "audio"),
        (["--single-trials", "audio", "video"], "audio, video"),
        (["--single-trials", "audio, video"], "audio, video"),
        (["--single-trials=audio,video", "--trial-prior", "condition"], "audio, video"),
    ],
)
def test_buildcfg__puts_single_trials_in_the_study(run, study, options, expected):
    ended = run("pyhrf_jde_buildcfg", *options, *study.arguments())
    assert ended.code == 0, ended.err
    assert pyhrf.load_study(study.xml).vem.single_trials == expected


def test_buildcfg__puts_what_is_said_of_trials_in_the_study(run, study):
    options = ["--trial-prior", "condition", "--pool-simultaneous", "--single-trials"]
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), *options)
    assert ended.code == 0, ended.err
    own = pyhrf.load_study(study.xml).own
    assert (own.trial_prior, own.simultaneous, own.trial_hyper) == ("condition", "pooled", "all")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--trial-prior", "condition"], 2, "--trial-prior goes with --single-trials: give it too"),
        (["--trial-hyper", "all"], 2, "--trial-hyper goes with --single-trials: give it too"),
        (["--pool-simultaneous"], 2, "--pool-simultaneous goes with --single-trials: give it too"),
        (["--single-trials", ","], 1, ", is not allowed: must be all, or names of conditions"),
        (
            ["--single-trials", "audio", "vidoe"],
            1,
            "--single-trials: no condition is called 'vidoe': did you mean video?",
        ),
        (
            ["--single-trials", "--trial-hyper", "run"],
            1,
            "--trial-hyper is run, and there is one run with trials only: take all",
        ),
        (["--single-trials", "--levels-per-run"], 1, "let runs share the levels of conditions"),
        (["--single-trials", "--mcmc"], 2, "--single-trials sets single_trials, and MCMC has none"),
    ],
)
def test_buildcfg__refuses_single_trials_that_cannot_be(run, study, options, code, message):
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), *options)
    assert ended.code == code
    assert message in words(ended.err)
    assert not study.xml.exists()


@pytest.mark.parametrize("program", ["pyhrf_glm", "pyhrf_rfir"])
def test_buildcfg__of_other_programs_has_no_single_trials(run, study, program):
    ended = run(f"{program}_buildcfg", *study.arguments(), "--single-trials")
    assert ended.code == 2
    assert "No such option '--single-trials'" in ended.err


def test_buildcfg__names_both_conditions_of_one_time_and_the_cure_works(run, study):
    study.paradigm.append(study.paradigm[0].replace("video", "audio"))
    study.write_events()
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials")
    assert ended.code == 1
    message = words(ended.err)
    assert "--single-trials: in run 1 events of 'audio' and 'video' are both at 2 s" in message
    assert "(--pool-simultaneous)" in message
    for cure in (["--single-trials", "--pool-simultaneous"], ["--single-trials", "audio"]):
        assert run("pyhrf_jde_buildcfg", *study.arguments(), *cure).code == 0


def test_estim__names_the_element_of_what_is_refused(run, study):
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials", "audio").code == 0
    study.xml.write_text(study.xml.read_text().replace(">audio<", ">adio<"))
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial")
    assert ended.code == 1
    assert "<single_trials>: no condition is called 'adio': did you mean audio" in ended.err
    assert not study.output.exists()


def test_buildcfg__tells_what_is_doubtful_of_trials(run, study):
    study.paradigm += ['0 "audio" 900 0 1', '0 "video" 5 0 0']
    study.paradigm += [f'0 "audio" {0.73 + 2.4 * k:.2f} 0 1' for k in range(60)]
    study.write_events()
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials")
    assert ended.code == 0, ended.err
    told = words(ended.err)
    assert "2 of 76 have no level (NaN), the first of 'video' at 5 s in run 1: its ampl" in told
    assert "run 1 has 74 trials and 77 scans beside its nuisance regressors" in told


def test_estim__keeps_events_without_a_level_in_the_maps_of_trials(run, study):
    study.paradigm += ['0 "audio" 900 0 1']
    study.write_events()
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials", "-n", "3").code == 0
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial")
    assert ended.code == 0, ended.err
    values = np.asanyarray(nib.load(study.output / "trials.nii.gz").dataobj)
    assert values.shape[3] == len(study.paradigm)
    assert np.isfinite(values[..., :-1]).all()
    assert np.isnan(values[..., -1]).all()
    # another event outside is another place in the maps: nothing old is taken up
    study.paradigm += ['0 "video" 950 0 1']
    study.write_events()
    ended = run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial")
    assert ended.code == 1
    assert "--fresh" in ended.err


def test_estim__skips_parcels_under_five_voxels_with_their_reason(run, study):
    labels = np.ones(study.shape, np.int16)
    labels[0, :4, 0] = 2
    study.write_parcellation(labels)
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials", "-n", "3").code == 0
    assert run("pyhrf_jde_estim", "-c", study.xml, "-x", "serial").code == 3
    results = pyhrf.Results(study.output)
    assert list(results.failed) == [2]
    assert "5" in results.failed[2]
    values = np.asanyarray(nib.load(study.output / "trials.nii.gz").dataobj)
    assert np.isnan(values[labels == 2]).all()
    assert np.isfinite(values[labels == 1]).all()


def test_buildcfg__refuses_a_condition_for_each_of_many_events(run, study, monkeypatch):
    monkeypatch.setattr(memory, "machine_memory", lambda: 10**9)
    study.write_bold(np.random.default_rng(1).standard_normal((*study.shape, 400)) + 100)
    study.paradigm = [f'0 "t{k}" {2 + 3 * k} 0 1' for k in range(240)]
    study.write_events()
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    assert ended.code == 1
    message = words(ended.err)
    assert "240 conditions need about 4.66 GB of memory, and this machine has 1 GB" in message
    assert "give all the same name and estimate single trials (--single-trials" in message
    study.paradigm = [f'0 "t" {2 + 3 * k} 0 1' for k in range(240)]
    study.write_events()
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials").code == 0


def test_design_bytes__knows_how_many_autocorrelations_there_are():
    assert len(AR1_GRID) == memory._N_RHO


def test_buildcfg__refuses_maps_of_trials_that_memory_does_not_hold(run, study, monkeypatch):
    n_trials = len(study.paradigm)
    needed = 12 * 90 * n_trials
    monkeypatch.setattr(memory, "design_bytes", lambda *_: 0)
    monkeypatch.setattr(memory, "machine_memory", lambda: needed - 1)
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials")
    assert ended.code == 1
    assert f"--single-trials: the levels of {n_trials} trials in 90 voxels" in words(ended.err)
    monkeypatch.setattr(memory, "machine_memory", lambda: needed)
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "--single-trials").code == 0


def test_joined_words__takes_no_argument_of_a_command():
    given = ["--single-trials", "ds", "out", "participant", "--single-trials", "a", "b", "-x", "c"]
    joined = ["--single-trials=all", "ds", "out", "participant", "--single-trials=a, b", "-x", "c"]
    assert joined_words(given, 4) == joined
    assert joined_words(["-f", "a", "b"]) == ["-f", "a", "b"]
