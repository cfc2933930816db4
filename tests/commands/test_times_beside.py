"""What the JSON beside a BOLD file says of its times, in ``buildcfg``."""

from __future__ import annotations

import json

import pytest

import pyhrf


def beside(study, **about):
    study.bold.with_suffix(".json").write_text(json.dumps(about))


@pytest.mark.parametrize("program", ["pyhrf_jde_buildcfg", "pyhrf_glm_buildcfg"])
def test_buildcfg__takes_the_times_of_the_json(run, study, program):
    beside(study, RepetitionTime=1.6, StartTime=0.8)
    ended = run(program, *study.arguments())
    assert ended.code == 0, ended.err
    data = pyhrf.load_study(study.xml).data
    assert (data.tr, [each.start_time for each in data.runs]) == (1.6, [0.8])
    assert "its JSON says TR 1.6 s, which is used, not its header's" in ended.err
    assert "onsets are moved by that" in ended.err


def test_buildcfg__json_of_a_right_header_changes_no_byte(run, study):
    assert run("pyhrf_jde_buildcfg", *study.arguments()).code == 0
    expected = study.xml.read_bytes()
    beside(study, RepetitionTime=2.0, StartTime=0.0, SliceTimingCorrected=False)
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    assert (ended.code, ended.err) == (0, "")
    assert study.xml.read_bytes() == expected


def test_buildcfg__the_option_goes_before_the_json(run, study):
    beside(study, RepetitionTime=1.6)
    ended = run("pyhrf_jde_buildcfg", *study.arguments(), "-I", "2")
    assert ended.code == 0, ended.err
    assert pyhrf.load_study(study.xml).data.tr == 2.0
    assert "its JSON says TR 1.6 s; the TR that is given is used" in ended.err


def test_buildcfg__refuses_scans_in_uneven_steps(run, study):
    beside(study, VolumeTiming=[3.0 * k + 5 * (k > 9) for k in range(80)])
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    assert ended.code == 1
    assert "VolumeTiming with steps from 3 to 8 s" in ended.err
    assert not study.xml.exists()


def test_buildcfg__a_header_in_milliseconds_is_named(run, study):
    study.tr = 0.002
    study.write()
    ended = run("pyhrf_jde_buildcfg", *study.arguments())
    assert ended.code == 1
    assert "the TR of the header is 0.002 s" in ended.err
    assert "did you mean 2 s?" in ended.err
    assert run("pyhrf_jde_buildcfg", *study.arguments(), "-I", "2").code == 0
